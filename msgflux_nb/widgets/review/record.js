// @ts-check
// The fields of a row as a form: number, name, value, confidence; the open field with its choices or a text field.

import { icon } from "../base/controls.js";
import { element } from "../base/dom.js";
import { tintOf } from "./reading.js";

/**
 * @typedef {{
 *   name: string, type: string, value: string, shown: string, missing: boolean, confidence: number | null, choices: string[],
 *   words: string[], shares: number[], chances: (number | null)[], found: "" | "yes" | "no", edited: boolean, fixed: boolean,
 * }} ToldField
 */

const SURE = 0.9; // from this confidence on the meter is grey

/**
 * Make a meter of a value's confidence: grey if it is high, else amber, the stronger the lower it is; empty if unknown.
 * @param {number | null} sure
 * @returns {HTMLElement}
 */
function sureness(sure) {
  if (sure === null) return element("span", { class: "mf-sure" });
  const doubt = Math.min(1, (1 - sure) * 2).toFixed(2);
  const bar = element("i", { class: sure < SURE ? "mf-unsure" : "", style: `width: ${(sure * 100).toFixed(1)}%; --d: ${doubt}` });
  return element("span", { class: "mf-sure" }, element("span", { class: "mf-meter" }, bar), `${Math.round(sure * 100)} %`);
}

/**
 * Say the share of all answers with a choice; without a meter, since it says nothing about this row.
 * @param {number} share
 */
function commonness(share) {
  const words = `${Math.round(share * 100)} %`;
  return element("span", { class: "mf-sure mf-common", title: `in ${words} of the answers` }, element("span", {}, `${words} of all`));
}

/**
 * Return the field to open first: the one with the lowest confidence, or one that is not in the text.
 * @param {ToldField[]} fields
 */
function leastSure(fields) {
  const doubt = (/** @type {ToldField} */ field) => (field.confidence === null ? (field.found === "no" ? 0.5 : 0) : 1 - field.confidence);
  let open = 0;
  fields.forEach((field, index) => {
    if (doubt(field) > doubt(fields[open])) open = index;
  });
  return open;
}

/**
 * Make the list of fields. It is redrawn for each row; the open field and unfinished text belong to the row.
 * @param {{ set: (field: string, text: string) => void, point: (number: number) => void, leave: () => void }} tell
 */
export function recordForm(tell) {
  const list = element("ol", { class: "mf-fields mf-scroll" });
  /** @type {ToldField[]} */
  let fields = [];
  let [open, writing, readOnly] = [0, false, false];

  /** @param {ToldField} field @param {number} index */
  function row(field, index) {
    const number = index + 1;
    const isOpen = index === open;
    const key = element("span", { class: "mf-key" }, String(number));
    const node = element(
      "li",
      { class: isOpen ? "mf-field mf-on" : "mf-field", style: field.found === "yes" ? tintOf(number) : "", "data-field": String(number), onclick: () => choose(index), onpointerenter: () => tell.point(number), onpointerleave: () => tell.point(0) },
      key, element("dfn", { title: field.type }, field.name), isOpen && writing ? inputOf(field) : value(field), sureness(field.confidence),
    );
    if (isOpen) node.setAttribute("aria-current", "true");
    if (isOpen && !writing && field.choices.length) node.append(choices(field));
    return node;
  }

  /** @param {ToldField} field */
  function value(field) {
    const node = element("output", { title: field.type }, element("span", { class: "mf-cut" }, field.missing ? "–" : field.shown));
    if (field.found === "no") node.append(element("span", { class: "mf-is", "data-s": "look", title: "the text does not contain this value" }, icon("warning"), "not in the text"));
    if (field.edited) node.append(element("span", { class: "mf-note" }, "edited"));
    return node;
  }

  /** @param {ToldField} field */
  function inputOf(field) {
    const input = /** @type {HTMLInputElement} */ (element("input", { class: "mf-input", "aria-label": `${field.name}, ${field.type}` }));
    input.value = field.value;
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      writing = false;
      if (event.key === "Enter") tell.set(field.name, input.value);
      draw();
      tell.leave();
    });
    return input;
  }

  /** @param {ToldField} field */
  function choices(field) {
    const known = field.chances.some((chance) => chance !== null);
    const group = element("div", { class: "mf-choices", role: "radiogroup", "aria-label": field.name });
    field.choices.forEach((choice, index) => {
      const taken = choice === field.value && !field.missing;
      const attributes = { type: "button", class: "mf-option", role: "radio", "aria-checked": String(taken), disabled: readOnly, onclick: () => tell.set(field.name, choice) };
      group.append(element("button", attributes, element("kbd", {}, String(index + 1)), element("span", {}, field.words[index]), known ? sureness(field.chances[index]) : commonness(field.shares[index])));
    });
    return group;
  }

  function draw() {
    list.replaceChildren(...fields.map(row));
    list.classList.toggle("mf-unrated", fields.every(({ confidence }) => confidence === null));
    list.querySelector(".mf-on")?.scrollIntoView({ block: "nearest" });
    /** @type {HTMLInputElement | null} */ (list.querySelector("input"))?.select();
  }

  /** @param {number} index */
  function choose(index) {
    if (index === open) return;
    [open, writing] = [Math.max(0, Math.min(fields.length - 1, index)), false];
    draw();
    tell.point(open + 1);
  }

  return {
    node: list,
    choose,
    /** @param {number} by */
    move: (by) => choose(open + by),
    /** @returns {ToldField | undefined} */
    open: () => fields[open],
    /** @param {number} number */
    field: (number) => fields[number - 1],
    openNumber: () => open + 1,
    write() {
      if (readOnly || fields[open]?.fixed) return;
      writing = true;
      draw();
    },
    /**
     * @param {ToldField[]} told
     * @param {boolean} fresh another row is shown
     */
    show(told, fresh) {
      fields = told;
      if (fresh) [open, writing] = [leastSure(told), false];
      draw();
    },
    /** @param {boolean} on */
    readOnly(on) {
      readOnly = on;
      if (on) writing = false;
      draw();
    },
    /** @param {number} number */
    light(number) {
      for (const node of list.children) node.classList.toggle("mf-pointed", node instanceof HTMLElement && node.dataset.field === String(number));
    },
  };
}
