// @ts-check
// Shared parts of the pages: building elements, listening to the model, the root of a view.

import { KEY_REMOVED, withoutKeys } from "./texts.js";

/**
 * The widget's model on the page. `Traits` are the synced traits of the widget's class, `Handled` the types of messages
 * for which it has a method `_on_…`; `make check` reads both from the class.
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
 * @typedef {{ getWidget(reference: string): Promise<Child> }} Host passed only to `render`, not to `initialize`
 */

/**
 * Build an element. Text is only set as text and never as HTML, so that a model's words, file names and errors are
 * harmless.
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
 * Set a text unless it is set already.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Build elements from HTML of the kernel's sanitiser (`display/markdown.py`); the only place where HTML is parsed.
 * @param {string} html
 * @returns {Node}
 */
export function sanitised(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild ?? document.createTextNode("");
}

/**
 * Replace the children of a node by a list with the fewest moves, so that focus and scroll positions are kept.
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
 * Return a function that calls `draw` at most once per frame, and no more once the view is gone.
 * @param {() => void} draw
 * @param {AbortSignal} [signal] that of the view
 * @returns {() => void}
 */
export function oncePerFrame(draw, signal) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (!signal?.aborted) draw();
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
 * Call back when a trait changes, until the signal of the view aborts.
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
 * Make an element the root of a view: name it for screen readers, and keep its keys and pastes from the notebook.
 * @param {HTMLElement} el
 * @param {string} kind the class that its style sheet uses
 * @param {string} label
 */
export function rootOf(el, kind, label) {
  // JupyterLab takes keys in the capture phase, before stopPropagation could help; this attribute keeps it out.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.classList.add("msgflux-live", "mf", kind);
  el.dir = "ltr"; // also on a page from right to left, since its words are English; texts of others have their own
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", label);
  for (const name of ["keydown", "paste", "copy", "cut"]) {
    el.addEventListener(name, (event) => {
      // A nested view leaves its keys to the outer one, so that Esc stops a run from any field.
      if (!el.parentElement?.closest(".msgflux-live")) event.stopPropagation();
    });
  }
  guardKeys(el);
}

/**
 * Return whether letters are typed into the focused element and so are not commands.
 * @param {EventTarget | null} target
 */
export function writes(target) {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=range], [type=file])");
}

/**
 * Remove an API key from the field that it is typed or pasted into, before any other code sees it, and show a note.
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
 * Return a note if the saved notebook has an older state than the view: after a reload of the page, JupyterLab no
 * longer knows the output to which the kernel's updates belong.
 * @param {HTMLElement} el
 * @param {Model} model
 * @returns {string}
 */
export function staleNote(el, model) {
  const output = el.closest(".jp-NotebookPanel .jp-OutputArea-child"); // voila saves nothing
  const twin = output?.nextElementSibling?.querySelector(".msgflux-twin");
  const old = twin instanceof HTMLElement && Number(twin.dataset.kept) < model.get("kept");
  return old ? "the saved notebook keeps an older state: run this cell again to update it" : "";
}
