// @ts-check
// The form of a small Struct, the code that the kernel writes for it, and two ways to use that.

import { icon, iconButton, pickButton, textButton } from "../base/controls.js";
import { copyButton } from "../base/copy.js";
import { element, onChange } from "../base/dom.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { Model } from "../base/dom.js" */

const FORM_PAUSE_MILLISECONDS = 150;
const KINDS = ["str", "int", "float", "bool", "date", "choice"];
/** @type {Record<string, string>} the names of types in the form; the code has Python's */
const CALLED = { str: "text", int: "whole number", float: "number", bool: "yes or no", date: "date", choice: "a choice of words" };

/**
 * @typedef {{
 *   name: string, kind: string, many?: boolean, optional?: boolean, description?: string,
 *   least?: string, most?: string, pattern?: string, words?: string,
 * }} FieldForm
 * @typedef {{ name: string, fields: FieldForm[] }} StructForm
 * @typedef {"name" | "description" | "least" | "most" | "pattern" | "words"} TextPart
 */

/** The form, shared by all views; sent to the kernel after a pause. */
export class Draft {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {StructForm} */
    this.form = model.get("form");
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    model.on("change:form", () => {
      if (this.timer === undefined) this.take(model.get("form"));
    });
  }

  /** @param {StructForm} form */
  take(form) {
    this.form = form;
    for (const listener of this.listeners) listener();
  }

  /** @param {Partial<StructForm>} changes */
  change(changes) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), FORM_PAUSE_MILLISECONDS);
    this.take({ ...this.form, ...changes });
  }

  /**
   * @param {number} index
   * @param {Partial<FieldForm>} changes
   */
  changeField(index, changes) {
    this.change({ fields: this.form.fields.map((field, at) => (at === index ? { ...field, ...changes } : field)) });
  }

  save() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.model.set("form", this.form);
    this.model.save_changes();
  }

  use() {
    this.save();
    this.model.send({ type: "use", form: this.form });
  }

  /** Whether code and problems belong to the present form. */
  get written() {
    return JSON.stringify(this.model.get("written")) === JSON.stringify(this.form);
  }
}

/**
 * @param {Model} model
 * @param {Draft} draft
 * @param {AbortSignal} signal
 * @param {() => void} picked called when the Struct was built and picked
 * @returns {HTMLElement}
 */
export function structForm(model, draft, signal, picked) {
  const name = textInput("name of the Struct", "Person", (text) => draft.change({ name: text }));
  name.classList.add("mf-strong");
  const rows = element("ol", { class: "mf-form-fields", "aria-label": "fields of the Struct" });
  const problem = element("p", { class: "mf-notice", role: "status" });
  const code = element("pre", { class: "mf-code", tabindex: 0, "aria-label": "code" });
  const copy = copyButton("copy as code", "copy the code for a cell", () => model.get("code"));
  const use = textButton("Use it", "make this Struct and pick it", pick, { kind: "mf-primary", class: "mf-use" });
  const add = textButton("field", "add a field", addField, { icon: "plus" });
  const done = element("span", { class: "mf-is", "data-s": "done", role: "status" });
  let asked = "";
  let shape = "";
  let renewed = new AbortController(); // closes the menus of rows that are redrawn

  function pick() {
    asked = draft.form.name;
    draft.use();
  }

  /** Show that it was picked, and scroll to its fields, which may be above. */
  function tellPicked() {
    if (!asked || model.get("schema") !== asked) return;
    done.replaceChildren(icon("check"), `${asked} is picked`);
    asked = "";
    picked();
  }

  function addField() {
    draft.change({ fields: [...draft.form.fields, { name: "", kind: "str" }] });
    const last = rows.lastElementChild?.querySelector("input");
    last?.focus();
  }

  function draw() {
    const { form } = draft;
    if (!draft.written) done.replaceChildren(); // the form has changed
    write(name, form.name);
    const next = JSON.stringify(form.fields.map(({ kind, many }) => [kind, many]));
    if (next !== shape) {
      shape = next;
      renewed.abort();
      renewed = new AbortController();
      rows.replaceChildren(...form.fields.map((_, index) => formField(draft, index, renewed.signal)));
    }
    for (const row of rows.children) row.dispatchEvent(new Event("mf-fill"));
    drawCode();
  }

  function drawCode() {
    const text = model.get("code");
    /** @type {[place: string, reason: string][]} */
    const problems = model.get("problems");
    const begun = draft.form.name !== "" || draft.form.fields.some((field) => field.name !== "");
    code.textContent = text || "# The code appears here as soon as the Struct and its fields have names.";
    code.classList.toggle("mf-old", !draft.written || !text);
    problem.hidden = !begun || !problems.length;
    problem.textContent = problems[0]?.[1] ?? "";
    const places = new Set(begun && draft.written ? problems.map(([place]) => place) : []);
    for (const input of [name, ...rows.querySelectorAll("input")]) {
      input.setAttribute("aria-invalid", String(places.has(input.dataset.place ?? "name")));
    }
    copy.toggleAttribute("disabled", !text || !draft.written);
    use.toggleAttribute("disabled", !text || !draft.written);
  }

  draft.listeners.add(draw);
  signal.addEventListener("abort", () => draft.listeners.delete(draw));
  onChange(model, ["code", "problems", "written"], drawCode, signal);
  onChange(model, "schema", tellPicked, signal);
  onChange(model, "described", tellPicked, signal);
  draw();
  return element(
    "section",
    { class: "mf-build", "aria-label": "build a Struct", hidden: true },
    element("div", { class: "mf-form-head" }, name),
    problem,
    rows,
    element("div", { class: "mf-row" }, add, element("span", { class: "mf-grow" }), done, copy, use),
    element("details", { class: "mf-written" }, element("summary", { class: "mf-note" }, "the code"), code),
  );
}

/**
 * @param {string} label
 * @param {string} hint
 * @param {(text: string) => void} told
 * @returns {HTMLInputElement}
 */
function textInput(label, hint, told) {
  const node = /** @type {HTMLInputElement} */ (
    element("input", { type: "text", class: "mf-input", "aria-label": label, title: label, placeholder: hint, spellcheck: "false", autocomplete: "off" })
  );
  node.addEventListener("input", () => told(node.value));
  return node;
}

/**
 * Set the text of a field unless it is already set, since setting it moves the caret.
 * @param {HTMLInputElement} node
 * @param {string} text
 */
function write(node, text) {
  if (node.value !== text) node.value = text;
}

/**
 * Make one field of the form; an event `mf-fill` updates it.
 * @param {Draft} draft
 * @param {number} index
 * @param {AbortSignal} signal
 * @returns {HTMLElement}
 */
function formField(draft, index, signal) {
  const field = () => draft.form.fields[index];
  /** @type {[TextPart, HTMLInputElement][]} */
  const inputs = [];
  /**
   * @param {TextPart} part
   * @param {string} label
   * @param {string} hint
   */
  const text = (part, label, hint) => {
    const node = textInput(`${label}, field ${index + 1}`, hint, (value) => draft.changeField(index, { [part]: value }));
    node.dataset.place = `fields.${index}.${part}`;
    node.classList.add(`mf-form-${part}`);
    inputs.push([part, node]);
    return node;
  };
  const optional = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox" }));
  optional.addEventListener("change", () => draft.changeField(index, { optional: optional.checked }));
  const kind = kindPick(draft, index, signal);
  const name = text("name", "name", "name");
  const rest = element(
    "div",
    { class: "mf-form-more", hidden: !isLimited(field()) },
    text("description", "description", "what it is · the model reads this"),
    element(
      "span",
      { class: "mf-form-acts" },
      iconButton("arrow-up", `move field ${index + 1} up`, () => move(draft, index, -1), "mf-small"),
      iconButton("trash", `remove field ${index + 1}`, () => removeField(draft, index), "mf-small"),
    ),
    ...limitInputs(field(), text),
    element("label", {}, optional, "may be missing"),
  );
  const more = iconButton("more", `more about field ${index + 1}: limits, description, order`, () => {
    rest.hidden = !rest.hidden;
    more.setAttribute("aria-expanded", String(!rest.hidden));
  });
  more.setAttribute("aria-expanded", String(!rest.hidden));
  const node = element("li", {}, name, kind.node, more, rest);
  node.addEventListener("mf-fill", () => {
    if (!field()) return;
    for (const [part, input] of inputs) write(input, field()[part] ?? "");
    optional.checked = field().optional ?? false;
    kind.show(field());
  });
  return node;
}

/**
 * Return whether a field has, or needs, more than a name and a type.
 * @param {FieldForm} field
 */
function isLimited({ kind, optional, description, least, most, pattern, words }) {
  return kind === "choice" || Boolean(optional || description || least || most || pattern || words);
}

/**
 * @param {Draft} draft
 * @param {number} index
 * @param {AbortSignal} signal
 */
function kindPick(draft, index, signal) {
  const said = (/** @type {string} */ kind, /** @type {boolean} */ many) => (many ? `list of ${kind === "choice" ? "choices" : `${CALLED[kind]}s`.replace("yes or nos", "yes or no")}` : CALLED[kind]);
  const pick = pickButton(`type, field ${index + 1}`, entries, signal, "mf-box");

  /** @returns {Entry[]} */
  function entries() {
    const { kind: now, many: lists = false } = draft.form.fields[index];
    const entry = (/** @type {string} */ kind, /** @type {boolean} */ many) => ({
      label: said(kind, many),
      detail: many ? `list[${kind === "choice" ? "…" : kind}]` : kind === "choice" ? "Literal" : kind,
      checked: kind === now && many === lists,
      pick() {
        const list = pick.node.closest("ol");
        draft.changeField(index, { kind, many });
        /** @type {HTMLElement | undefined} */ (list?.querySelectorAll("li > .mf-pick")[index])?.focus(); // the row was redrawn
      },
    });
    return [{ heading: "one" }, ...KINDS.map((kind) => entry(kind, false)), { heading: "a list" }, ...KINDS.map((kind) => entry(kind, true))];
  }

  return { node: pick.node, show: (/** @type {FieldForm} */ { kind, many = false }) => pick.set(said(kind, many)) };
}

/**
 * Make the inputs for the limits of a field's type.
 * @param {FieldForm} field
 * @param {(part: TextPart, label: string, hint: string) => HTMLInputElement} text
 * @returns {HTMLElement[]}
 */
function limitInputs({ kind, many = false }, text) {
  const counted = many ? "items" : "characters";
  const [of, unit] = many || kind === "str" ? [` so many ${counted}`, counted] : ["", ""];
  /** @param {"least" | "most"} part */
  const bound = (part) => element("label", {}, `at ${part}`, text(part, `at ${part}${of}`, ""), unit && part === "most" ? unit : "");
  return [
    ...(kind === "choice" ? [text("words", "words to choose from, separated by commas", "red, green, blue")] : []),
    ...(many || ["str", "int", "float"].includes(kind) ? [bound("least"), bound("most")] : []),
    ...(kind === "str" && !many ? [text("pattern", "pattern, a regular expression", "pattern")] : []),
  ];
}

/**
 * @param {Draft} draft
 * @param {number} index
 * @param {number} by
 */
function move(draft, index, by) {
  const fields = [...draft.form.fields];
  const to = index + by;
  if (to < 0 || to >= fields.length) return;
  [fields[index], fields[to]] = [fields[to], fields[index]];
  draft.change({ fields });
}

/**
 * @param {Draft} draft
 * @param {number} index
 */
function removeField(draft, index) {
  draft.change({ fields: draft.form.fields.filter((_, at) => at !== index) });
}
