// @ts-check
// Shared parts of the widgets: building elements, keys, and sizes with units.

import { KEY_REMOVED, withoutKeys } from "./texts.js";

/**
 * What a page gets of its widget. `Traits` are what the widget's class syncs, `Handled` the types of message for which
 * it has a method `_on_…`: `make check` reads both off the class.
 * @typedef {keyof Traits & string} TraitName
 * @typedef {{
 *   get<K extends TraitName>(name: K): Traits[K],
 *   set<K extends TraitName>(name: K, value: Traits[K]): void,
 *   save_changes(): void,
 *   send(content: { type: Handled, [more: string]: unknown }, callbacks?: unknown, buffers?: ArrayBuffer[]): void,
 *   on(name: "msg:custom" | `change:${TraitName}`, callback: (...values: any[]) => void): void,
 *   off(name?: "msg:custom" | `change:${TraitName}` | null, callback?: ((...values: any[]) => void) | null): void,
 * }} Model
 * @typedef {{ exports: any, render(props: { el: HTMLElement, signal?: AbortSignal }): Promise<void> }} Child
 * @typedef {{ getWidget(reference: string): Promise<Child> }} Host given to `render` alone, not to `initialize`
 */

/**
 * Build an element. Text is only ever set as text: nothing here takes HTML, so that the words of a model, a file name
 * or an error can do nothing but be read.
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] `on…` adds a listener; true is an empty attribute; null leaves it out
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Element | string)} children
 */
export function svgElement(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/**
 * Set a text, and nothing if it stands already.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Build elements from HTML of the kernel's one sanitiser (`_markdown.py`); the only place where markup is read.
 * @param {string} html
 * @returns {Node}
 */
export function sanitised(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild ?? document.createTextNode("");
}

/**
 * Bring the children of a node to a list with as few moves as there can be, so that focus and places stay.
 * @param {HTMLElement} parent
 * @param {Element[]} children
 */
export function keepOnly(parent, children) {
  const kept = new Set(children);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

/**
 * Call `draw` at most once a frame, however often it is asked for.
 * @param {() => void} draw
 * @returns {() => void}
 */
export function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/**
 * @param {string} label
 * @param {string} title said on hover and by a reader
 * @param {() => void} onclick
 * @param {string} [kind] the class
 * @returns {HTMLElement}
 */
export function button(label, title, onclick, kind = "mf-btn") {
  const spoken = /[a-z]/i.test(label) ? {} : { "aria-label": title };
  return element("button", { type: "button", class: kind, title, onclick, ...spoken }, label);
}

/**
 * Call back when a trait changes, as long as a view is there.
 * @param {Model} model
 * @param {TraitName | TraitName[]} names
 * @param {() => void} callback
 * @param {AbortSignal} signal
 */
export function onChange(model, names, callback, signal) {
  for (const name of [names].flat()) {
    model.on(`change:${name}`, callback);
    signal.addEventListener("abort", () => model.off(`change:${name}`, callback));
  }
}

/**
 * Make an element the root of a view: named for a reader, and its keys and pastes kept from the notebook.
 * @param {HTMLElement} el
 * @param {string} kind the class that its style sheet is written for
 * @param {string} label
 */
export function rootOf(el, kind, label) {
  // JupyterLab takes keys in the capture phase, where stopPropagation comes too late; this attribute keeps it out.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.classList.add("msgflux-live", "mf", kind);
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", label);
  for (const name of ["keydown", "paste", "copy", "cut"]) {
    el.addEventListener(name, (event) => {
      // Of a view in another, the outer one is told first: Esc stops a run from a field of any part of it.
      if (!el.parentElement?.closest(".msgflux-live")) event.stopPropagation();
    });
  }
  guardKeys(el);
}

/**
 * Whether somebody types into the focused element, so that letters are not commands.
 * @param {EventTarget | null} target
 */
export function writes(target) {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=range], [type=file])");
}

/**
 * Take a key out of the field that it is typed or pasted into, before any other code of ours sees it; and say so.
 * @param {HTMLElement} el
 */
function guardKeys(el) {
  const close = button("✕", "close this note", () => note.remove(), "mf-icon mf-small");
  const note = element("p", { class: "mf-key-note", role: "alert" }, element("span", {}, KEY_REMOVED), close);
  el.addEventListener(
    "input",
    (event) => {
      const field = event.composedPath()[0];
      const written = field instanceof HTMLTextAreaElement || (field instanceof HTMLInputElement && field.type !== "file");
      if (!written) return;
      const clean = withoutKeys(field.value);
      if (clean === field.value) return;
      field.value = clean;
      el.prepend(note);
    },
    true,
  );
}

/**
 * Say when the saved notebook keeps an older state than the one shown: after a reload of the page, JupyterLab no
 * longer knows which output the kernel's updates belong to.
 * @param {HTMLElement} el
 * @param {Model} model
 * @returns {string}
 */
export function staleNote(el, model) {
  const output = el.closest(".jp-NotebookPanel .jp-OutputArea-child"); // in voila there is nothing to be saved
  const twin = output?.nextElementSibling?.querySelector(".msgflux-twin");
  const old = twin instanceof HTMLElement && Number(twin.dataset.kept) < model.get("kept");
  return old ? "the saved notebook keeps an older state: run this cell again to keep the next" : "";
}
