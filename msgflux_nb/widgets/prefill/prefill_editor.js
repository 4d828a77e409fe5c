// @ts-check
// The start of the answer: a field with the tint of a prefill, starts to choose from, and the forecast.

import { icon, iconButton, pickButton, textButton } from "../base/controls.js";
import { element, onChange, rootOf } from "../base/dom.js";
import { guarded } from "../base/guard.js";
/** @import { Entry, IconName, Standing } from "../base/controls.js" */
/** @import { Model } from "../base/dom.js" */

const PAUSE_MILLISECONDS = 300;

/** @type {Record<string, [standing: Standing, mark: IconName | ""]>} */
const OUTLOOKS = {
  none: ["none", ""],
  continued: ["done", "check"],
  tried: ["none", ""],
  emulated: ["look", "warning"],
  rejected: ["bad", "cross"],
  impossible: ["bad", "cross"],
};

/** @typedef {{ kind: string, word: string, text: string, space: string, value: string }} Outlook */

/** The text, shared by all views; sent to the kernel after a pause. */
class Start {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {string} */
    this.text = model.get("value");
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    model.on("change:value", () => {
      if (this.timer === undefined) this.take(model.get("value"));
    });
  }

  /** @param {string} text */
  take(text) {
    if (text === this.text) return;
    this.text = text;
    for (const listener of this.listeners) listener();
  }

  /** @param {string} text */
  type(text) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), PAUSE_MILLISECONDS);
    this.take(text);
  }

  /** @param {string} text */
  set(text) {
    this.take(text);
    this.save();
  }

  save() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.text === this.model.get("value")) return;
    this.model.set("value", this.text);
    this.model.save_changes();
  }
}

let fields = 0; // makes ids unique, so that each field can reference its description

/** One widget with any number of views. */
export default guarded(() => {
  /** @type {Start} */
  let start;

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      start = new Start(model);
      return {
        model,
        value: () => start.text,
        /** @param {string} text */
        set: (text) => start.set(text),
      };
    },

    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
    render({ model, el, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      const field = startField(start, leave.signal);
      const lines = outlookLines(model, start, leave.signal);
      field.input.setAttribute("aria-describedby", lines.id);
      rootOf(el, "msgflux-prefill", "start of the answer");
      el.append(
        element(
          "header",
          { class: "mf-head" },
          element("span", { class: "mf-role" }, "start of the answer"),
          named(model, leave.signal),
        ),
        element(
          "div",
          { class: "mf-opening-row" },
          element("label", { for: field.input.id, class: "mf-note" }, "the answer starts with"),
          field.node,
          presetMenu(model, field.write, leave.signal),
          field.clear,
        ),
        lines.node,
      );
      el.addEventListener("keydown", keys);

      /** @param {KeyboardEvent} event */
      function keys(event) {
        const runs = event.key === "Enter" && (event.shiftKey || event.ctrlKey || event.metaKey);
        if (!runs && event.key !== "Escape") return;
        if (runs) event.preventDefault();
        if (runs) start.save();
        el.dispatchEvent(new CustomEvent(runs ? "mf-run" : "mf-stop", { bubbles: true }));
      }

      return () => leave.abort();
    },
  };
});

/**
 * @param {Model} model
 * @param {AbortSignal} signal
 */
function named(model, signal) {
  const node = element("span", { class: "mf-model" });
  const draw = () => {
    node.textContent = model.get("model_name");
  };
  onChange(model, "model_name", draw, signal);
  draw();
  return node;
}

/**
 * Make the field. Behind it is the same text once more, which carries the tint, marks white space at the end, and makes
 * the field as high as its text.
 * @param {Start} start
 * @param {AbortSignal} signal
 */
function startField(start, signal) {
  const id = `mf-start-${(fields += 1)}`;
  const input = /** @type {HTMLTextAreaElement} */ (
    element("textarea", { class: "mf-opening", id, rows: 1, placeholder: "for example: Let's think step by step." })
  );
  const tinted = element("span", { class: "mf-prefill" });
  const marks = element("span", { class: "mf-white" });
  const mirror = element("div", { class: "mf-mirror", "aria-hidden": "true" }, tinted, marks, "\u200b");
  const clear = iconButton("cross", "begin with nothing", () => write(""));

  function draw() {
    if (input.value !== start.text) input.value = start.text;
    const letters = start.text.trimEnd();
    tinted.textContent = letters;
    marks.replaceChildren(...[...start.text.slice(letters.length)].map(whiteMark));
    clear.toggleAttribute("disabled", start.text === "");
  }

  /** Insert text as if it was typed, so that the browser can undo it. @param {string} text */
  function write(text) {
    input.focus();
    input.select();
    const written = text ? document.execCommand("insertText", false, text) : document.execCommand("delete");
    if (!written || start.text !== text) start.take(text);
    start.save();
  }

  input.addEventListener("input", () => start.type(input.value));
  input.addEventListener("change", () => start.save());
  start.listeners.add(draw);
  signal.addEventListener("abort", () => start.listeners.delete(draw));
  draw();
  return { node: element("div", { class: "mf-field" }, mirror, input), input, write, clear };
}

/**
 * @param {string} letter
 * @returns {HTMLElement}
 */
function whiteMark(letter) {
  const kind = letter === "\n" ? "mf-break" : letter === "\t" ? "mf-tab" : "mf-space";
  return element("span", { class: kind }, letter);
}

/**
 * @param {Model} model
 * @param {(text: string) => void} write
 * @param {AbortSignal} signal
 * @returns {HTMLElement}
 */
function presetMenu(model, write, signal) {
  /** @returns {Entry[]} */
  function entries() {
    /** @type {[group: string, label: string, text: string][]} */
    const presets = model.get("presets");
    return [...new Set(presets.map(([group]) => group))].flatMap((group) => [
      /** @type {Entry} */ ({ heading: group }),
      ...presets.filter(([of]) => of === group).map(([, label, text]) => ({ label: text, detail: label === text ? "" : label, title: text, pick: () => write(text) })),
    ]);
  }
  const pick = pickButton("starts to choose from", entries, signal, "mf-dim");
  pick.set("ready-made");
  onChange(model, "presets", () => pick.menu.redraw(), signal);
  return pick.node;
}

/**
 * Make the lines with the forecast for the start, a note about white space, and a warning about the last answer.
 * @param {Model} model
 * @param {Start} start
 * @param {AbortSignal} signal
 */
function outlookLines(model, start, signal) {
  const id = `mf-outlook-${fields}`;
  const shape = element("span", { "aria-hidden": "true" });
  const word = element("b");
  const text = document.createTextNode("");
  const line = element("p", { class: "mf-outlook mf-is", id, role: "status" }, shape, element("span", {}, word, " ", text));
  const said = element("span");
  const trim = textButton("remove it", "remove the white space at the end", () => start.set(start.text.trimEnd()), { kind: "mf-line", class: "mf-small" });
  const space = element("p", { class: "mf-space-note mf-is", "data-s": "look" }, icon("warning"), said, trim);
  let drawn = "";
  const notice = element("p", { class: "mf-notice", role: "alert" });
  /** @type {string} */
  let problem = "";

  function draw() {
    /** @type {Outlook} */
    const outlook = model.get("outlook");
    const [standing, mark] = OUTLOOKS[outlook.kind] ?? OUTLOOKS.none;
    if (drawn !== outlook.kind) {
      drawn = outlook.kind;
      line.dataset.s = standing;
      shape.replaceChildren(mark ? icon(mark) : element("i", { class: "mf-dot" }));
    }
    line.classList.toggle("mf-unsaid", outlook.kind === "none" && !start.text); // keep its height
    if (word.textContent !== outlook.word) word.textContent = outlook.word;
    word.hidden = outlook.kind === "continued"; // the sentence contains it
    if (text.data !== outlook.text) text.data = outlook.text;
    said.textContent = outlook.space;
    space.hidden = !outlook.space;
    // the forecast is for an older text
    line.classList.toggle("mf-old", outlook.value !== start.text);
    notice.textContent = problem || model.get("warning");
    notice.hidden = !notice.textContent;
  }

  /** @param {{ type: string, name: string, message: string }} message */
  function receive(message) {
    if (message.type !== "problem") return;
    problem = `${message.name}: ${message.message}`;
    draw();
  }

  model.on("msg:custom", receive);
  start.listeners.add(draw);
  signal.addEventListener("abort", () => {
    model.off("msg:custom", receive);
    start.listeners.delete(draw);
  });
  onChange(model, ["outlook", "warning"], draw, signal);
  draw();
  return { id, node: element("div", { class: "mf-lines" }, line, space, notice) };
}
