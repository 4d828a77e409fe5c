// @ts-check
// {{names}} in texts: finds them, highlights them, and makes a form for their values.

import { element, keepOnly, oncePerFrame, onChange } from "../base/dom.js";
/** @import { TurnStore } from "../base/store.js" */
/** @import { DraftStore } from "./draft.js" */

// The kernel uses the same rule, in variables.py.
const NAME = /\{\{[ \t]*([\p{L}\p{Nl}\p{No}_][\p{L}\p{N}_]*)[ \t]*\}\}/gu;
const NOT_THE_USERS = ["assistant", "tool"];

/**
 * Return the names in some texts in order of first occurrence.
 * @param {string[]} texts
 * @returns {string[]}
 */
function namesIn(texts) {
  return [...new Set(texts.flatMap((text) => [...text.matchAll(NAME)].map(([, name]) => name)))];
}

/**
 * Return a text with highlighted names.
 * @param {string} text
 * @returns {(string | HTMLElement)[]}
 */
export function withNames(text) {
  /** @type {(string | HTMLElement)[]} */
  const pieces = [];
  let end = 0;
  for (const found of text.matchAll(NAME)) {
    pieces.push(text.slice(end, found.index), element("span", { class: "mf-name-in-text" }, found[0]));
    end = found.index + found[0].length;
  }
  return [...pieces, text.slice(end)].filter((piece) => piece !== "");
}

/**
 * Highlight the names in a drawn text.
 * @param {HTMLElement} node
 */
export function markNames(node) {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const texts = [];
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  for (const text of texts) {
    const pieces = withNames(text.data);
    if (pieces.some((piece) => typeof piece !== "string")) text.replaceWith(...pieces);
  }
}

/**
 * Return the names for the form: those in people's texts, and those that have a value. A model's names do not count.
 * @param {TurnStore} store
 * @param {DraftStore} draft
 * @returns {string[]}
 */
function askedNames(store, draft) {
  const texts = store.turns
    .filter(({ role }) => !NOT_THE_USERS.includes(role))
    .flatMap(({ parts }) => parts.filter(({ kind }) => kind === "text").map(({ text }) => text ?? ""));
  const written = draft.parts.filter(({ kind }) => kind === "text").map(({ text }) => text ?? "");
  return [...new Set([...namesIn([...texts, draft.text, ...written]), ...Object.keys(draft.model.get("variables"))])];
}

/**
 * Make a form with one field per name; empty without names.
 * @param {TurnStore} store
 * @param {DraftStore} draft
 * @param {AbortSignal} signal
 * @returns {HTMLElement}
 */
export function variableForm(store, draft, signal) {
  const { model } = draft;
  /** @type {Map<string, { node: HTMLElement, field: HTMLTextAreaElement, timer?: number }>} */
  const rows = new Map();
  const note = element("span", { class: "mf-note mf-hidden", role: "status" }); // what the fields themselves show
  const fields = element("div", { class: "mf-fields" });
  const node = element("section", { class: "mf-form", "aria-label": "variables", hidden: true }, fields, note);

  /** @param {string} name */
  function rowOf(name) {
    const field = /** @type {HTMLTextAreaElement} */ (
      element("textarea", { rows: 1, "aria-label": `value of ${name}`, placeholder: "empty: sent as written" })
    );
    const label = element("label", { class: "mf-pill" }, element("code", {}, `{{${name}}}`), field);
    /** @type {{ node: HTMLElement, field: HTMLTextAreaElement, timer?: number }} */
    const row = { node: label, field };
    const save = () => {
      clearTimeout(row.timer);
      row.timer = undefined;
      if (field.value === (model.get("variables")[name] ?? "")) return;
      const { [name]: _, ...others } = model.get("variables");
      model.set("variables", field.value ? { ...others, [name]: field.value } : others);
      model.send({ type: "variable", name, value: field.value });
    };
    field.addEventListener("input", () => {
      clearTimeout(row.timer);
      row.timer = setTimeout(save, 300);
    });
    field.addEventListener("change", save);
    return row;
  }

  const draw = oncePerFrame(() => {
    const names = askedNames(store, draft);
    for (const name of names) if (!rows.has(name)) rows.set(name, rowOf(name));
    for (const name of rows.keys()) if (!names.includes(name)) rows.delete(name);
    keepOnly(fields, names.map((name) => /** @type {any} */ (rows.get(name)).node));
    for (const [name, { field, timer }] of rows) {
      const value = model.get("variables")[name] ?? "";
      if (timer === undefined && field.value !== value) field.value = value;
    }
    const empty = names.filter((name) => !model.get("variables")[name]);
    note.replaceChildren(...(empty.length ? [`not filled, and sent as written: ${empty.join(", ")}`] : []));
    node.hidden = names.length === 0;
  });

  store.listeners.add(draw);
  draft.listeners.add(draw);
  signal.addEventListener("abort", () => {
    store.listeners.delete(draw);
    draft.listeners.delete(draw);
  });
  onChange(model, "variables", draw, signal);
  draw();
  return node;
}
