// What anywidget hands to a widget, as far as ours use it; `sent` is what a kernel would have received.

window.errors = [];
window.addEventListener("error", (event) => errors.push(event.message));
window.addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));

function toBase64(buffer) {
  let text = "";
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}

function fromBase64(text) {
  return new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

class FakeModel {
  constructor(state) {
    this.state = state;
    this.sent = [];
    this.saved = {};
    this.dirty = {};
    this.handlers = new Map();
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    this.state[name] = value;
    this.dirty[name] = value;
    this.trigger(`change:${name}`);
  }

  save_changes() {
    Object.assign(this.saved, this.dirty);
    this.dirty = {};
  }

  send(content, _callbacks, buffers = []) {
    this.sent.push({ ...content, buffers: buffers.map(toBase64) });
  }

  on(name, callback) {
    this.handlers.set(name, [...(this.handlers.get(name) ?? []), callback]);
  }

  off(name, callback) {
    this.handlers.set(name, (this.handlers.get(name) ?? []).filter((one) => one !== callback));
  }

  trigger(name, ...values) {
    for (const callback of this.handlers.get(name) ?? []) callback(...values);
  }

  // The kernel's side.

  deliver(content, buffers = []) {
    this.trigger("msg:custom", content, buffers.map(fromBase64));
  }

  receive(state) {
    Object.assign(this.state, state);
    for (const name of Object.keys(state)) this.trigger(`change:${name}`);
  }
}

const load = async (esm) => {
  const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  return (await import(url)).default();
};

const mount = (widget, model, el, signal) => widget.render({ model, el, host, signal: signal ?? new AbortController().signal });

// Widgets that others are composed of, by the reference in their trait; `children[name].model` is a child's model.
window.children = {};
const host = {
  async getWidget(reference) {
    const child = children[reference];
    if (!child) throw new Error(`no widget ${reference}`);
    return { exports: child.exports, render: async ({ el, signal }) => mount(child.widget, child.model, el, signal) };
  },
};

const start = async (esm, state) => {
  const widget = await load(esm);
  const model = new FakeModel(state);
  return { widget, model, exports: (await widget.initialize?.({ model, host })) ?? {} };
};

window.openWidget = async (esm, state, parts = {}) => {
  for (const [reference, [code, childState]] of Object.entries(parts)) children[reference] = await start(code, childState);
  const { widget, model, exports } = await start(esm, state);
  Object.assign(window, { model, widgetExports: exports });
  window.leave = [];
  window.addView = async () => {
    const el = document.createElement("div");
    document.body.append(el);
    const ended = new AbortController();
    const cleanup = await mount(widget, model, el, ended.signal);
    leave.push(() => {
      ended.abort();
      cleanup?.();
    });
  };
  await addView();
};
