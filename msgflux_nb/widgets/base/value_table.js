// @ts-check
// The table of a structure's values; rows are changed in place, so that nothing flickers.

import { icon } from "./controls.js";
import { button, element, keepOnly } from "./dom.js";
import { SHOWN_CHARACTERS } from "./readable.js";
import { fieldTree, rowsSoFar } from "./values.js";
/** @import { Described, Field } from "../schema/fields.js" */
/** @import { FieldNode, Filling, Row, State, ValueRow } from "./values.js" */

/** @import { IconName, Standing } from "./controls.js" */

/** @type {Record<State, [standing: Standing, mark: IconName | "", word: string]>} */
const MARKS = {
  open: ["none", "", "not there yet"],
  growing: ["now", "", "arriving"],
  complete: ["done", "check", "there"],
  cut: ["look", "warning", "cut off"],
};

/**
 * @param {Filling} filling
 * @param {() => Described} described
 * @returns {{ node: HTMLElement, draw: () => void, counted: () => string }} `counted` returns how many fields have arrived, in words
 */
export function valueTable(filling, described) {
  const body = element("tbody");
  const table = element("table", { class: "mf-values", role: "table", "aria-label": "values" }, body);
  const node = element("div", {}, table);
  /** @type {Map<string, ReturnType<typeof valueLine>>} */
  const lines = new Map();
  /** @type {{ fields: Field[] | undefined, nodes: FieldNode[] }} */
  let tree = { fields: undefined, nodes: [] };

  /** @returns {ValueRow[]} */
  function rows() {
    if (filling.rows?.length) return filling.rows.map(finalRow);
    const { fields = [] } = described();
    if (tree.fields !== fields) tree = { fields, nodes: fieldTree(fields) };
    return rowsSoFar(tree.nodes, filling);
  }

  let counted = "";

  function draw() {
    const now = rows();
    counted = `${now.filter(({ state }) => state === "complete").length} of ${now.length} ${now.length === 1 ? "field" : "fields"}`;
    const kept = new Set(now.map(({ field }) => field));
    for (const field of lines.keys()) if (!kept.has(field)) lines.delete(field);
    const shown = now.map((row) => {
      const line = lines.get(row.field) ?? valueLine(row.field);
      lines.set(row.field, line);
      line.show(row);
      return line.node;
    });
    keepOnly(body, shown);
  }

  return { node, draw, counted: () => counted };
}

/**
 * @param {Row} row
 * @returns {ValueRow}
 */
function finalRow({ field, value, type }) {
  return { field, value, type, state: value === null ? "open" : "complete" };
}

/**
 * @param {string} path
 */
function valueLine(path) {
  const text = document.createTextNode("");
  const more = button("", "show all of it", () => open(true), "mf-btn mf-line mf-small mf-more");
  const cell = element("td", { class: "mf-value", role: "cell" }, text, more);
  const mark = element("span", { class: "mf-is", role: "img" });
  const type = element("span", { class: "mf-cut" });
  const typeCell = element("td", { class: "mf-type", role: "cell" }, element("span", {}, type, mark));
  const head = element("th", { scope: "row", role: "rowheader", title: path }, path);
  const node = element("tr", { role: "row", "data-field": path }, head, cell, typeCell);
  let whole = "";
  let opened = false;

  /** @param {boolean} all */
  function open(all) {
    opened = all;
    write();
    cell.focus();
  }

  function write() {
    const shown = opened ? whole : whole.slice(0, SHOWN_CHARACTERS);
    if (text.data !== shown) {
      if (shown.startsWith(text.data)) text.appendData(shown.slice(text.data.length));
      else text.data = shown;
    }
    const left = whole.length - shown.length;
    more.hidden = left <= 0;
    if (left > 0) more.textContent = `… ${left.toLocaleString("en-US")} more characters`;
  }

  /** @param {ValueRow} row */
  function show(row) {
    const [standing, drawing, word] = MARKS[row.state];
    if (mark.title !== word) {
      mark.dataset.s = standing;
      mark.replaceChildren(drawing ? icon(drawing) : element("i", { class: "mf-dot" }));
      mark.setAttribute("aria-label", word);
      mark.title = word;
      cell.classList.toggle("mf-caret", row.state === "growing");
    }
    if (type.textContent !== row.type) {
      type.textContent = row.type;
      typeCell.title = row.type;
    }
    whole = row.value ?? "";
    write();
  }

  return { node, show };
}
