// @ts-check
// The part of anywidget's model that our widgets use; `sent` has the messages that a kernel would have received.

/**
 * @typedef {Record<string, any>} State
 * @typedef {(...values: any[]) => any} Callback
 * @typedef {{ initialize?: Callback, render: Callback }} Widget
 * @typedef {{ widget: Widget, model: FakeModel, exports: any }} Started
 * @typedef {{
 *   errors: string[], children: Record<string, Started>, model: FakeModel, widgetExports: any, leave: (() => void)[],
 *   addView(): Promise<void>,
 *   openWidget(esm: string, state: State, parts?: Record<string, [string, State]>, sheets?: string[]): Promise<void>,
 * }} Names what tests use in the page
 */

const names = /** @type {Names} */ (/** @type {unknown} */ (window));
names.errors = [];
window.addEventListener("error", (event) => names.errors.push(event.message));
window.addEventListener("unhandledrejection", (event) => names.errors.push(String(event.reason)));

/** @param {ArrayBuffer} buffer */
function toBase64(buffer) {
  const bytes = new Uint8Array(buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** @param {string} text */
function fromBase64(text) {
  return new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

class FakeModel {
  /** @param {State} state */
  constructor(state) {
    this.state = state;
    /** @type {State[]} */
    this.sent = [];
    /** @type {State} */
    this.saved = {};
    /** @type {State} */
    this.dirty = {};
    /** @type {Map<string, Callback[]>} */
    this.handlers = new Map();
  }

  /** @param {string} name */
  get(name) {
    return this.state[name];
  }

  /**
   * @param {string} name
   * @param {unknown} value
   */
  set(name, value) {
    this.state[name] = value;
    this.dirty[name] = value;
    this.trigger(`change:${name}`);
  }

  save_changes() {
    Object.assign(this.saved, this.dirty);
    this.dirty = {};
  }

  /**
   * @param {State} content
   * @param {unknown} [_callbacks]
   * @param {ArrayBuffer[]} [buffers]
   */
  send(content, _callbacks, buffers = []) {
    this.sent.push({ ...content, buffers: buffers.map(toBase64) });
  }

  /**
   * @param {string} name
   * @param {Callback} callback
   */
  on(name, callback) {
    this.handlers.set(name, [...(this.handlers.get(name) ?? []), callback]);
  }

  /**
   * @param {string} name
   * @param {Callback} callback
   */
  off(name, callback) {
    this.handlers.set(name, (this.handlers.get(name) ?? []).filter((one) => one !== callback));
  }

  /**
   * @param {string} name
   * @param {...unknown} values
   */
  trigger(name, ...values) {
    for (const callback of this.handlers.get(name) ?? []) callback(...values);
  }

  // The kernel's side.

  /**
   * @param {State} content
   * @param {string[]} [buffers]
   */
  deliver(content, buffers = []) {
    this.trigger("msg:custom", content, buffers.map(fromBase64));
  }

  /** @param {State} state */
  receive(state) {
    Object.assign(this.state, state);
    for (const name of Object.keys(state)) this.trigger(`change:${name}`);
  }
}

/**
 * @param {Widget} widget
 * @param {FakeModel} model
 * @param {HTMLElement} el
 * @param {AbortSignal} [signal]
 */
const mount = (widget, model, el, signal) => {
  return widget.render({ model, el, host, signal: signal ?? new AbortController().signal });
};

// The inner widgets of others, by their references in a trait; `children[name].model` is the model of a child.
names.children = {};
const host = {
  /** @param {string} reference */
  async getWidget(reference) {
    const child = names.children[reference];
    if (!child) throw new Error(`no widget ${reference}`);
    return {
      exports: child.exports,
      /** @param {{ el: HTMLElement, signal?: AbortSignal }} props */
      render: async ({ el, signal }) => {
        await mount(child.widget, child.model, el, signal);
      },
    };
  },
};

/**
 * @param {string} esm a joined module, which begins with a comment, or its path
 * @param {State} state
 * @returns {Promise<Started>}
 */
const start = async (esm, state) => {
  const isCode = esm.startsWith("// ");
  const url = isCode ? URL.createObjectURL(new Blob([esm], { type: "text/javascript" })) : esm;
  /** @type {Widget} */
  const widget = (await import(url)).default();
  const model = new FakeModel(state);
  const signal = new AbortController().signal;
  // No host here: anywidget gives it to render alone.
  return { widget, model, exports: await widget.initialize?.({ model, signal }) };
};

/** @param {string} href */
const dress = (href) =>
  new Promise((loaded, failed) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    link.addEventListener("load", loaded);
    link.addEventListener("error", failed);
    document.head.append(link);
  });

names.openWidget = async (esm, state, parts = {}, sheets = []) => {
  await Promise.all(sheets.map(dress));
  for (const [reference, [code, childState]] of Object.entries(parts)) {
    names.children[reference] = await start(code, childState);
  }
  const { widget, model, exports } = await start(esm, state);
  names.model = model;
  names.widgetExports = exports;
  names.leave = [];
  names.addView = async () => {
    const el = document.createElement("div");
    document.body.append(el);
    const ended = new AbortController();
    /** @type {(() => void) | undefined} */
    let cleanup;
    names.leave.push(() => {
      ended.abort();
      cleanup?.();
    });
    cleanup = await mount(widget, model, el, ended.signal);
  };
  await names.addView();
};
