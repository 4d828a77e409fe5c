// @ts-check
// The fields of a type as a table: name, type, limits, default, description.

import { icon } from "../base/controls.js";
import { element } from "../base/dom.js";

/**
 * @typedef {{
 *   path: string, name: string, key: string, depth: number, holds: "value" | "record" | "list" | "map", type: string,
 *   limits?: string[], required?: boolean, default?: string, description?: string, unenforced?: string,
 * }} Field
 * @typedef {{
 *   name?: string, doc?: string, fields?: Field[], left?: number, way?: string, notes?: string[], wrapped?: boolean, held?: boolean,
 *   error?: [name: string, message: string],
 * }} Described
 */

/** @type {[name: string, cell: (field: Field) => HTMLElement, filled: (field: Field) => boolean][]} */
const COLUMNS = [
  ["field", ({ path, depth }) => pathCell(path, depth), () => true],
  ["type", ({ type }) => element("td", { class: "mf-type", role: "cell", title: type }, type), () => true],
  ["about", (field) => element("td", { class: "mf-says", role: "cell" }, ...says(field)), (field) => says(field).length > 0],
  ["checked", (field) => element("td", { class: "mf-mark", role: "cell" }, ...checkedAfter(field)), ({ unenforced = "" }) => unenforced !== ""],
];

/**
 * Make the table of fields, without empty columns. Required fields have no mark; others show their default.
 * @param {() => Described} described
 * @returns {{ node: HTMLElement, draw: () => void }}
 */
export function fieldTable(described) {
  const body = element("tbody");
  const head = element("tr", { role: "row" });
  const node = element(
    "table",
    { class: "mf-fields", role: "table", "aria-label": "fields" },
    element("thead", { role: "rowgroup", class: "mf-hidden" }, head),
    body,
  );
  let drawn = "";

  function draw() {
    const { fields = [], left = 0 } = described();
    const key = JSON.stringify([fields, left]);
    if (key === drawn) return;
    drawn = key;
    const columns = COLUMNS.filter(([, , filled]) => fields.some(filled));
    head.replaceChildren(...columns.map(([name]) => element("th", { scope: "col", role: "columnheader" }, name)));
    const more = left ? [element("tr", { role: "row" }, element("td", { colspan: columns.length }, `… ${left.toLocaleString("en-US")} more fields`))] : [];
    body.replaceChildren(...fields.map((field) => element("tr", { role: "row" }, ...columns.map(([, cell]) => cell(field)))), ...more);
    node.hidden = !fields.length;
  }

  return { node, draw };
}

/**
 * Make a name, indented by its depth; its whole path is read by screen readers and shown on hover.
 * @param {string} path
 * @param {number} depth
 * @returns {HTMLElement}
 */
function pathCell(path, depth) {
  const at = depth ? path.lastIndexOf(".") + 1 : 0;
  const node = element(
    "th",
    { scope: "row", role: "rowheader", title: path, "aria-label": path },
    path.slice(at),
  );
  node.style.paddingInlineStart = `${Math.min(depth, 8) * 16}px`;
  return node;
}

/**
 * Make one line of a field's limits, default and description.
 * @param {Field} field
 * @returns {Node[]}
 */
function says({ limits = [], unenforced = "", required = true, default: value, description = "" }) {
  const limit = limits.join(" · ") || unenforced;
  return [
    ...(limit ? [element("span", { class: "mf-limits" }, limit)] : []),
    ...(required ? [] : [element("span", { class: "mf-default" }, `= ${value}`)]),
    ...(description ? [element("span", { class: "mf-description" }, description)] : []),
  ];
}

/**
 * Make the mark of limits that the provider cannot express; its sentence shows on hover.
 * @param {Field} field
 * @returns {Node[]}
 */
function checkedAfter({ unenforced = "" }) {
  if (!unenforced) return [];
  const title = `not enforced by the server, but checked after the answer: ${unenforced}`;
  return [element("span", { class: "mf-is", "data-s": "look", role: "img", "aria-label": "not enforced by the server", title }, icon("warning"), "checked after")];
}
