// @ts-check
// Shows errors in a view: of the kernel, of the page's code, and that the kernel is gone.

import { icon, textButton } from "./controls.js";
import { copied, copyButton } from "./copy.js";
import { element } from "./dom.js";
import { mathsFrom } from "./maths.js";
/** @import { Model } from "./dom.js" */

/** @typedef {{ el: HTMLElement, shown: Set<string> }} Guarded a view, and the errors that it shows */

const WHAT_TO_DO = "Run this cell again. If the error returns, copy the details into a bug report.";
const LONGEST_SENTENCE = 200; // characters of the sentence
const GONE = "The kernel was restarted or has ended: run this cell again. What is shown here stays, and can be copied.";

/** All views of this module. @type {Set<Guarded>} */
const guardedViews = new Set();

/**
 * Show an error of the page's code in a view.
 * @param {Guarded} view
 * @param {unknown} error
 */
function showFault(view, error) {
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (view.shown.has(said)) return; // an error that repeats every frame is shown once
  view.shown.add(said);
  console.error(error);
  const details = error instanceof Error ? `${said}\n${error.stack ?? ""}` : said;
  const fault = element("section", { class: "mf-fault", role: "alert", "data-s": "bad" }, icon("cross"));
  const close = textButton("close", "close this note", () => fault.remove());
  const copy = textButton("copy the details", "copy what happened and where", async () => {
    const done = await copied(details);
    const label = /** @type {HTMLElement} */ (copy.querySelector("span"));
    label.textContent = done ? "copied" : "not copied";
  }, { icon: "copy", kind: "mf-line" });
  fault.append(element("strong", {}, "An error occurred in this view"), element("p", {}, said), element("p", {}, WHAT_TO_DO), element("footer", {}, copy, close));
  view.el.prepend(fault);
}

/** @param {unknown} error */
function showFaultEverywhere(error) {
  for (const view of guardedViews) if (view.el.isConnected) showFault(view, error);
}

window.addEventListener("error", ({ filename, error, message }) => {
  if (filename === import.meta.url) showFaultEverywhere(error ?? message);
});
window.addEventListener("unhandledrejection", ({ reason }) => {
  if (reason instanceof Error && reason.stack?.includes(import.meta.url)) showFaultEverywhere(reason);
});

/**
 * Whether a widget's kernel is reachable. The view shows when it is not, and gets the events `mf-gone` and `mf-back` at
 * its root.
 */
class Line {
  constructor() {
    this.gone = false;
    /** @type {Set<HTMLElement>} */
    this.roots = new Set();
  }

  lost() {
    if (this.gone) return;
    this.gone = true;
    for (const el of this.roots) this.say(el);
  }

  found() {
    if (!this.gone) return;
    this.gone = false;
    for (const el of this.roots) {
      delete el.dataset.gone;
      el.querySelector(":scope > .mf-gone")?.remove();
      el.dispatchEvent(new CustomEvent("mf-back"));
    }
  }

  /** @param {HTMLElement} el */
  say(el) {
    el.dataset.gone = "";
    // the outer view shows it for nested ones
    if (!el.parentElement?.closest(".msgflux-live")) {
      el.prepend(element("section", { class: "mf-fault mf-gone", role: "alert", "data-s": "look" }, icon("warning"), element("p", {}, GONE)));
    }
    el.dispatchEvent(new CustomEvent("mf-gone"));
  }
}

/**
 * Wrap a widget's model so that errors of its callbacks are shown, and a lost kernel is noticed.
 * @param {Model} model
 * @param {Line} line
 * @returns {Model}
 */
function guardedModel(model, line) {
  /** @type {Map<Function, (...values: any[]) => void>} */
  const wrapped = new Map();
  /** @param {() => void} act */
  const heard = (act) => {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Error) || !/cannot send|no comm|disposed/i.test(error.message)) throw error;
      line.lost();
    }
  };
  return {
    get: (name) => model.get(name),
    set: (name, value) => model.set(name, value),
    save_changes: () => heard(() => model.save_changes()),
    send: (content, callbacks, buffers) => heard(() => model.send(content, callbacks, buffers)),
    on(name, callback) {
      const safe = wrapped.get(callback) ?? ((...values) => {
        if (name === "msg:custom") line.found(); // a message means that the kernel is there
        try {
          callback(...values);
        } catch (error) {
          showFaultEverywhere(error);
        }
      });
      wrapped.set(callback, safe);
      model.on(name, safe);
    },
    off(name, callback) {
      model.off(name, callback ? wrapped.get(callback) ?? callback : callback);
    },
  };
}

/**
 * Wrap the widget that a page exports, so that an error of its code is shown and does not leave a blank view.
 * @template {{ initialize?: (props: any) => any, render: (props: any) => any }} W
 * @param {() => W} make
 * @returns {() => W}
 */
export function guarded(make) {
  return () => {
    const [widget, line] = [make(), new Line()];
    /** @type {unknown} */
    let failed = null;
    const whole = {
      /** @param {{ model: Model }} props */
      async initialize(props) {
        // The widget manager sends this event when the kernel ends; anywidget's types lack it.
        /** @type {any} */ (props.model).on("comm_live_update", () => line.lost());
        mathsFrom(props.model);
        try {
          return await widget.initialize?.({ ...props, model: guardedModel(props.model, line) });
        } catch (error) {
          failed = error;
          return undefined;
        }
      },
      /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
      async render(props) {
        const { el, signal } = props;
        const view = { el, shown: new Set() };
        const model = guardedModel(props.model, line);
        guardedViews.add(view);
        line.roots.add(el);
        signal?.addEventListener("abort", () => {
          guardedViews.delete(view);
          line.roots.delete(el);
        });
        try {
          dressed(el, model, signal);
          if (failed) throw failed;
          const leave = await widget.render({ ...props, model });
          if (line.gone) line.say(el);
          return leave;
        } catch (error) {
          el.classList.add("msgflux-live", "mf");
          showFault(view, error);
          return undefined;
        }
      },
    };
    return /** @type {W} */ (/** @type {unknown} */ (whole));
  };
}

/**
 * Draw a view with the scale and the density of `mf.display`.
 * @param {HTMLElement} el
 * @param {Model} model
 * @param {AbortSignal} [signal]
 */
function dressed(el, model, signal) {
  const draw = () => {
    const { scale = 1, density = 1 } = model.get("look") ?? {};
    if (el.dataset.present || el.parentElement?.closest(".msgflux-live")) return; // the outer view sets it
    el.style.setProperty("--mf-scale", String(scale));
    el.style.setProperty("--mf-density", String(density));
  };
  model.on("change:look", draw);
  signal?.addEventListener("abort", () => model.off("change:look", draw));
  draw();
}

/**
 * Make the line of an error.
 * @param {HTMLElement[]} [first] buttons before *details*
 * @returns {{ node: HTMLElement, say: (error: [name: string, message: string] | null) => void }} say draws only changes
 */
export function mishapLine(first = []) {
  const words = element("span", { class: "mf-error", role: "alert" });
  const all = element("pre", { class: "mf-raw", tabindex: "0" });
  const rest = element("div", { class: "mf-mishap-rest", hidden: true }, all, copyButton("copy", "copy what happened", () => all.textContent ?? ""));
  const details = textButton("details", "show the whole error, to copy it", () => open(rest.hasAttribute("hidden")), { class: "mf-dim mf-small" });
  const acts = element("span", { class: "mf-mishap-acts" }, ...first, details);
  const node = element("div", { class: "mf-mishap", hidden: true }, acts, icon("cross"), words, rest);
  let said = "";

  /** @param {boolean} whole */
  function open(whole) {
    rest.hidden = !whole;
    details.setAttribute("aria-expanded", String(whole));
  }

  return {
    node,
    say(error) {
      const key = JSON.stringify(error);
      if (key === said) return;
      said = key;
      node.hidden = !error;
      open(false);
      const [name, message] = error ?? ["", ""];
      all.textContent = [name, message].filter(Boolean).join(": ");
      // A word or two mean little without the error's class.
      const sentence = /\s\S+\s/.test(message) ? message : all.textContent;
      const line = sentence.trim().split("\n", 1)[0].slice(0, LONGEST_SENTENCE);
      words.textContent = line === sentence.trim() ? line : `${line} …`;
    },
  };
}

/**
 * Return an error's class and message, which the kernel has joined.
 * @param {string} text
 * @returns {[name: string, message: string] | null}
 */
export function errorOf(text) {
  const name = /^([\p{L}_]\w*): /u.exec(text)?.[1] ?? "";
  return text ? [name, name ? text.slice(name.length + 2) : text] : null;
}
