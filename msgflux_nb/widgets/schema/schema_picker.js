// @ts-check
// Picking what an answer is decoded to: a menu, the fields and what they hold, what is sent, a form for a new one.

import { icon } from "../base/controls.js";
import { copyButton } from "../base/copy.js";
import { button, element, oncePerFrame, onChange, rootOf } from "../base/dom.js";
import { guarded } from "../base/guard.js";
import { presentButton } from "../base/present.js";
import { valueTable } from "../base/value_table.js";
import { Filling } from "../base/values.js";
import { fieldTable } from "./fields.js";
import { Draft, structForm } from "./struct_form.js";
/** @import { Model } from "../base/dom.js" */
/** @import { Progress } from "../base/values.js" */
/** @import { Described } from "./fields.js" */

const GROUPS = [
  ["built", "built here"],
  ["given", "given"],
  ["notebook", "in this notebook"],
  ["plans", "plans"],
];

/** One widget, any number of views of it. */
export default guarded(() => {
  /** @type {Filling} */
  let filling;
  /** @type {Draft} */
  let draft;

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      filling = new Filling();
      draft = new Draft(model);
      model.on("change:schema", () => {
        filling.clear();
        filling.tell();
      });
      return {
        model,
        /** @param {AbortSignal} signal */
        select: (signal) => schemaSelect(model, signal),
        /** @param {Progress | null} progress */
        show: (progress) => filling.show(progress),
      };
    },

    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
    render({ model, el, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-picker", "schema");
      const form = structForm(model, draft, leave.signal, () => el.querySelector(".mf-structure-of")?.scrollIntoView({ block: "nearest" }));
      el.append(
        element(
          "header",
          { class: "mf-top mf-head" },
          element("label", { class: "mf-answer-as" }, "answer as ", schemaSelect(model, leave.signal)),
          modelName(model, leave.signal),
          element("span", { class: "mf-grow" }),
          presentButton(el, leave.signal),
        ),
        element(
          "div",
          { class: "mf-panes mf-scroll" },
          element("section", { class: "mf-picked" }, structure(model, filling, el, leave.signal), sent(model, leave.signal)),
          form,
        ),
        problemLine(model, leave.signal),
      );
      return () => leave.abort();
    },
  };
});

/**
 * A menu of what can be picked, in step with the picker.
 * @param {Model} model
 * @param {AbortSignal} signal
 * @returns {HTMLSelectElement}
 */
function schemaSelect(model, signal) {
  const node = /** @type {HTMLSelectElement} */ (element("select", { class: "mf-strong", "aria-label": "schema" }));
  let drawn = "";

  function draw() {
    /** @type {[name: string, group: string][]} */
    const offered = model.get("offered");
    const key = JSON.stringify(offered);
    if (key !== drawn) {
      drawn = key;
      const groups = GROUPS.map(([group, label]) => {
        const members = offered.filter(([, of]) => of === group);
        return element("optgroup", { label }, ...members.map(([name]) => element("option", { value: name }, name)));
      });
      node.replaceChildren(
        element("option", { value: "" }, "text"),
        ...groups.filter((group) => group.childElementCount > 0),
      );
    }
    node.value = model.get("schema");
  }

  node.addEventListener("change", () => {
    model.set("schema", node.value);
    model.save_changes();
  });
  // A cell may have defined a Struct since: look again when somebody is about to pick.
  for (const event of ["pointerenter", "focus"]) {
    node.addEventListener(event, () => model.send({ type: "offers" }));
  }
  onChange(model, ["offered", "schema"], draw, signal);
  draw();
  return node;
}

/**
 * @param {Model} model
 * @param {AbortSignal} signal
 */
function modelName(model, signal) {
  const node = element("span", { class: "mf-model mf-note mf-cut" });
  const draw = () => {
    node.textContent = model.get("model_name");
  };
  onChange(model, "model_name", draw, signal);
  draw();
  return node;
}

/**
 * The fields of what is picked; while an answer arrives, what they hold.
 * @param {Model} model
 * @param {Filling} filling
 * @param {HTMLElement} el the view, which shows less around values than around fields
 * @param {AbortSignal} signal
 * @returns {HTMLElement}
 */
function structure(model, filling, el, signal) {
  /** @returns {Described} */
  const described = () => model.get("described");
  const hint = element("p", { class: "mf-hint mf-note" }, "Pick what the answer is decoded to: a plan, or any Struct that a cell defines; or build one.");
  const doc = element("p", { class: "mf-doc" });
  const error = element("p", { class: "mf-error", role: "alert" });
  const fields = fieldTable(described);
  const values = valueTable(filling, described);
  const toggle = button("show limits", "show the fields with their limits, or what they hold", () => {
    explained = !explained;
    draw();
  }, "mf-btn mf-line");
  const scroll = element("div", { class: "mf-table" }, fields.node, values.node);
  let explained = false;

  function draw() {
    const { name, doc: said = "", error: wrong } = described();
    if (!filling.shown) explained = false;
    const valued = filling.shown && !explained && Boolean(name);
    hint.hidden = Boolean(name);
    doc.textContent = said;
    doc.hidden = !said;
    error.hidden = !wrong;
    if (wrong) error.replaceChildren(element("b", {}, wrong[0]), " ", wrong[1]);
    scroll.hidden = !name;
    if (valued) values.draw();
    else fields.draw();
    el.classList.toggle("mf-valued", valued);
    values.node.hidden = !valued;
    fields.node.hidden = valued || !described().fields?.length;
    toggle.hidden = !filling.shown || !name;
    toggle.textContent = valued ? "show limits" : "show values";
  }

  const drawSoon = oncePerFrame(draw);
  filling.listeners.add(drawSoon);
  signal.addEventListener("abort", () => filling.listeners.delete(drawSoon));
  onChange(model, "described", draw, signal);
  draw();
  return element("div", { class: "mf-structure-of" }, hint, element("div", { class: "mf-about" }, doc, toggle), error, scroll);
}

/**
 * How it is asked for; the texts themselves come when somebody opens them.
 * @param {Model} model
 * @param {AbortSignal} signal
 * @returns {HTMLElement}
 */
function sent(model, signal) {
  const way = element("span", { class: "mf-way" });
  const held = element("span", { class: "mf-held" });
  const notes = element("ul", { class: "mf-notes" });
  const parts = element("div", { class: "mf-parts" });
  const fold = /** @type {HTMLDetailsElement} */ (
    element("details", { class: "mf-sent" }, element("summary", {}, "what is sent"), parts)
  );
  const node = element("div", { class: "mf-sending" }, element("p", {}, held, way), notes, fold);

  function draw() {
    /** @type {Described} */
    const { way: said = "", notes: more = [], held: holds = false } = model.get("described");
    way.textContent = said;
    held.replaceChildren(icon(holds ? "check" : "warning"));
    held.dataset.s = holds ? "done" : "look";
    notes.replaceChildren(...more.map((note) => element("li", {}, note)));
    node.hidden = !said;
    if (said && fold.open) ask();
  }

  function ask() {
    model.send({ type: "details" });
  }

  /** @param {{ type: string, schema: string, parts: [title: string, text: string][] }} message */
  function receive(message) {
    if (message.type !== "details" || message.schema !== model.get("schema")) return;
    parts.replaceChildren(...message.parts.map(([title, text]) => sentPart(title, text)));
  }

  fold.addEventListener("toggle", () => {
    if (!fold.open) return;
    if (!parts.childElementCount) parts.append(element("p", { class: "mf-hint" }, "…"));
    ask();
  });
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));
  onChange(model, "described", draw, signal);
  draw();
  return node;
}

/**
 * @param {string} title
 * @param {string} text
 */
function sentPart(title, text) {
  return element(
    "section",
    {},
    element("div", { class: "mf-part" }, element("span", { class: "mf-role" }, title), copyButton("copy", `copy: ${title}`, () => text)),
    element("pre", { class: "mf-code", tabindex: 0, "aria-label": title }, text),
  );
}

/**
 * @param {Model} model
 * @param {AbortSignal} signal
 */
function problemLine(model, signal) {
  const node = element("p", { class: "mf-error", role: "alert", hidden: true });
  /** @param {{ type: string, name: string, message: string }} message */
  const receive = (message) => {
    if (message.type !== "problem") return;
    node.hidden = false;
    node.replaceChildren(element("b", {}, message.name), " ", message.message);
  };
  const clear = () => {
    node.hidden = true;
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));
  onChange(model, ["schema", "form"], clear, signal);
  return node;
}
