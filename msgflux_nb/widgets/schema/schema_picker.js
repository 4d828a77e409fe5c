// @ts-check
// The picker of structures: a menu, the fields and their values, the sent schema, and a form for a new Struct.

import { icon, iconButton, opensMenu, textButton } from "../base/controls.js";
import { copyButton } from "../base/copy.js";
import { element, oncePerFrame, onChange, rootOf } from "../base/dom.js";
import { guarded } from "../base/guard.js";
import { presentButton } from "../base/present.js";
import { valueTable } from "../base/value_table.js";
import { Filling } from "../base/values.js";
import { fieldTable } from "./fields.js";
import { schemaPick } from "./schema_pick.js";
import { Draft, structForm } from "./struct_form.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { Model } from "../base/dom.js" */
/** @import { Progress } from "../base/values.js" */
/** @import { Described } from "./fields.js" */

/** One widget with any number of views. */
export default guarded(() => {
  /** @type {Filling} */
  let filling;
  /** @type {Draft} */
  let draft;
  /** The unfolded parts, the same in all views. */
  const opened = { form: false, sent: false };
  /** @type {Set<() => void>} */
  const folds = new Set();

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
        /**
         * @param {AbortSignal} signal
         * @param {() => Entry[]} [more]
         */
        select: (signal, more) => schemaPick(model, signal, more).node,
        /** @param {Progress | null} progress */
        show: (progress) => filling.show(progress),
        /** Open or close the form, or the texts that are sent. @param {"form" | "sent"} part @param {boolean} [on] */
        open: (part, on) => unfold(part, on),
        opened: (/** @type {"form" | "sent"} */ part) => opened[part],
      };
    },

    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
    render({ model, el, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-picker", "schema");
      const form = structForm(model, draft, leave.signal, () => el.querySelector(".mf-structure-of")?.scrollIntoView({ block: "nearest" }));
      const shown = structure(model, filling, el, leave.signal);
      const texts = sent(model, leave.signal);
      const build = textButton("Build one by form", "write a Struct by its fields, without a cell", () => unfold("form"), { icon: "plus", kind: "mf-line", class: "mf-builds" });
      const more = iconButton("more", "more: limits, what is sent", () => {}, "mf-unfolds");
      opensMenu(more, "more about the structure", () => [...shown.entries(), ...ownEntries()], leave.signal);

      /** @returns {Entry[]} */
      function ownEntries() {
        return [
          { label: "What is sent", checked: opened.sent, several: true, disabled: !model.get("described").way, pick: () => unfold("sent") },
          { label: "Build one by form", checked: opened.form, several: true, pick: () => unfold("form") },
        ];
      }

      const draw = () => {
        form.hidden = !opened.form;
        texts.open(opened.sent);
        build.setAttribute("aria-expanded", String(opened.form));
        el.toggleAttribute("data-picked", model.get("schema") !== "");
        el.toggleAttribute("data-building", opened.form);
      };
      el.append(
        element(
          "header",
          { class: "mf-top mf-head" },
          schemaPick(model, leave.signal).node,
          ...shown.titles,
          element("span", { class: "mf-grow" }),
          build,
          presentButton(el, leave.signal),
          more,
        ),
        element("div", { class: "mf-panes mf-scroll" }, element("section", { class: "mf-picked" }, shown.node, texts.node), form),
        problemLine(model, leave.signal),
      );
      folds.add(draw);
      leave.signal.addEventListener("abort", () => folds.delete(draw));
      onChange(model, "schema", draw, leave.signal);
      draw();
      return () => leave.abort();
    },
  };

  /**
   * @param {"form" | "sent"} part
   * @param {boolean} [on]
   */
  function unfold(part, on = !opened[part]) {
    opened[part] = on;
    for (const draw of folds) draw();
  }
});

/**
 * Make the fields of the picked type; while an answer arrives, with their values.
 * @param {Model} model
 * @param {Filling} filling
 * @param {HTMLElement} el the view, which shows less around values than around fields
 * @param {AbortSignal} signal
 * @returns {{ node: HTMLElement, titles: HTMLElement[], entries: () => Entry[] }}
 */
function structure(model, filling, el, signal) {
  /** @returns {Described} */
  const described = () => model.get("described");
  const hint = element("p", { class: "mf-hint mf-note" }, "Pick what the answer is decoded to: a plan, or any Struct that a cell defines; or build one.");
  const title = element("span", { class: "mf-title" });
  const doc = element("span", { class: "mf-doc mf-note mf-cut" });
  const error = element("p", { class: "mf-error", role: "alert" });
  const fields = fieldTable(described);
  const values = valueTable(filling, described);
  const scroll = element("div", { class: "mf-table" }, fields.node, values.node);
  let explained = false;

  const valued = () => filling.shown && !explained && Boolean(described().name);

  function draw() {
    const { name = "", doc: said = "", error: wrong } = described();
    if (!filling.shown) explained = false;
    const filled = valued();
    hint.hidden = Boolean(name);
    error.hidden = !wrong;
    if (wrong) error.replaceChildren(element("b", {}, wrong[0]), " ", wrong[1]);
    scroll.hidden = !name;
    if (filled) values.draw();
    else fields.draw();
    el.classList.toggle("mf-valued", filled);
    values.node.hidden = !filled;
    fields.node.hidden = filled || !described().fields?.length;
    title.textContent = name;
    doc.textContent = filled ? values.counted() : said;
    doc.title = said;
  }

  /** @returns {Entry[]} */
  function entries() {
    const pick = () => {
      explained = !explained;
      draw();
    };
    return filling.shown && described().name ? [{ label: explained ? "Show values" : "Show limits", icon: "fields", pick }, "-"] : [];
  }

  const drawSoon = oncePerFrame(draw);
  filling.listeners.add(drawSoon);
  signal.addEventListener("abort", () => filling.listeners.delete(drawSoon));
  onChange(model, "described", draw, signal);
  draw();
  return { node: element("div", { class: "mf-structure-of" }, hint, error, scroll), titles: [title, doc], entries };
}

/**
 * Make the part about how the structure is asked for; its texts are requested when it is opened.
 * @param {Model} model
 * @param {AbortSignal} signal
 * @returns {{ node: HTMLElement, open: (on: boolean) => void }}
 */
function sent(model, signal) {
  const way = element("span", { class: "mf-way" });
  const held = element("span", { class: "mf-held" });
  const notes = element("span", { class: "mf-notes" });
  const parts = element("div", { class: "mf-parts", hidden: true });
  const node = element("div", { class: "mf-sending" }, element("p", {}, held, element("span", {}, way, " ", notes)), parts);

  function draw() {
    /** @type {Described} */
    const { way: said = "", notes: more = [], held: holds = false } = model.get("described");
    way.textContent = said;
    held.replaceChildren(icon(holds ? "check" : "warning"));
    held.dataset.s = holds ? "done" : "look";
    notes.textContent = more.join(" ");
    node.hidden = !said;
    if (said && !parts.hidden) ask();
  }

  function ask() {
    model.send({ type: "details" });
  }

  /** @param {{ type: string, schema: string, parts: [title: string, text: string][] }} message */
  function receive(message) {
    if (message.type !== "details" || message.schema !== model.get("schema")) return;
    parts.replaceChildren(...message.parts.map(([title, text]) => sentPart(title, text)));
  }

  /** @param {boolean} on */
  function open(on) {
    if (parts.hidden !== on) return;
    parts.hidden = !on;
    if (!on) return;
    if (!parts.childElementCount) parts.append(element("p", { class: "mf-hint" }, "…"));
    ask();
  }

  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));
  onChange(model, "described", draw, signal);
  draw();
  return { node, open };
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
