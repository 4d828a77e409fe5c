// @ts-check
// The matrix of a grid: heads with scores and intervals, one row per input, one shortened answer per cell.

import { icon } from "../base/controls.js";
import { element } from "../base/dom.js";
/** @import { IconName } from "../base/controls.js" */

/**
 * @typedef {{
 *   prompt: string, model: string, text: string, score: number | null, low: number | null, high: number | null,
 *   cost: number | null, seconds: number | null, failed: number, best: boolean,
 * }} ToldHead
 * @typedef {{ mark: "" | "right" | "wrong" | "partly" | "failed" | "open" | "asking", rating: "" | "good" | "bad", parts: [text: string, wrong: boolean][] }} ToldCell
 * @typedef {{ row: number, label: string, text: string, cells: ToldCell[] }} ToldRow
 * @typedef {{
 *   title: string, noun: string, heads: ToldHead[], models: number, rows: ToldRow[], before: number, kept: number, of: number, filter: string,
 *   filters: string[], blind: boolean, unkept: string, judged: "" | "truth" | "score", unanswered: number, answers: number,
 *   state: string, action: "" | "go" | "stop", action_label: string, paid: string, blocking: string, error: string,
 * }} ToldBoard
 */

/** @type {Record<string, [mark: IconName, name: string]>} */
const MARKS = { right: ["check", "right"], wrong: ["cross", "wrong"], partly: ["warning", "partly right"], failed: ["warning", "failed"] };

/** @param {number} cost US dollars */
function costText(cost) {
  if (cost === 0) return "free";
  return cost < 0.0001 ? "< $0.0001" : `$${cost.toFixed(4)}`;
}

/**
 * Make the table; its cells are found by row and column.
 * @param {(row: number, column: number) => void} open
 */
export function gridMatrix(open) {
  const table = /** @type {HTMLTableElement} */ (element("table", { role: "grid" }));
  /** @type {ToldBoard | null} */
  let drawn = null;

  /** @param {ToldBoard} board */
  function head(board) {
    const { heads, models, blind, before, kept, of } = board;
    const some = kept === of ? "" : ` · ${kept.toLocaleString("en-US")} of ${of.toLocaleString("en-US")}`;
    const earlier = before ? ` · without the first ${before.toLocaleString("en-US")}` : "";
    const first = element("tr", {}, element("th"));
    const second = element("tr", {}, element("th", { class: "mf-model mf-caption" }, `${board.noun}${some}${earlier}`));
    heads.forEach((one, index) => {
      const edge = blind || index % models === 0 ? "mf-edge" : "";
      if (blind || index % models === 0) {
        const name = element("th", { class: "mf-edge", colspan: blind ? 1 : models, scope: "colgroup", title: one.text }, element("b", {}, one.prompt), element("span", {}, one.text.replace(/\s*\{[^{}]*\}?\s*$/, "")));
        first.append(name);
      }
      second.append(element("th", { class: `mf-model ${edge} ${one.best ? "mf-best" : ""}`, scope: "col" }, ...scoreNodes(one, shortName(one.model, heads))));
    });
    return element("thead", {}, first, second);
  }

  /** @param {ToldHead} head @param {string} name */
  function scoreNodes({ model, score, low, high, cost, seconds, failed }, name) {
    const nodes = [element("span", { title: model }, name)];
    if (score !== null) {
      const [from, to] = [100 * (low ?? 0), 100 * (high ?? 1)];
      nodes.push(element("div", { class: "mf-score" }, element("b", {}, `${Math.round(100 * score)} %`)));
      nodes.push(element("span", { class: "mf-interval", role: "img", "aria-label": `between ${from.toFixed(0)} and ${to.toFixed(0)} %`, title: `between ${from.toFixed(0)} and ${to.toFixed(0)} %` },
        element("i", { style: `left: ${from}%; width: ${to - from}%` }), element("b", { style: `left: ${100 * score}%` })));
    }
    const figures = [cost === null ? "" : costText(cost), seconds === null ? "" : `${seconds.toFixed(1)} s`, failed ? `${failed} failed` : ""];
    nodes.push(element("small", {}, figures.filter(Boolean).join(" · ")));
    return nodes;
  }

  /** @param {ToldRow} told @param {ToldBoard} board */
  function row(told, board) {
    const node = element("tr", { "data-row": told.row }, element("td", { class: "mf-asked", title: told.text }, element("small", {}, told.label), told.text));
    told.cells.forEach((cell, column) => {
      const edge = board.blind || column % board.models === 0 ? "mf-edge" : "";
      node.append(element("td", { class: edge }, cellNode(cell, told.row, column)));
    });
    return node;
  }

  /** @param {ToldCell} cell @param {number} row @param {number} column */
  function cellNode(cell, row, column) {
    const node = element("button", { type: "button", class: "mf-tile mf-cell", tabindex: -1, "data-place": `${row} ${column}`, onclick: () => open(row, column) });
    const mark = MARKS[cell.mark];
    if (cell.mark === "asking") node.append(element("span", { class: "mf-is", "data-s": "now", role: "img", "aria-label": "being written" }, element("i", { class: "mf-dot" })));
    if (mark) node.append(element("span", { class: `mf-mark mf-${cell.mark}`, role: "img", "aria-label": mark[1] }, icon(mark[0])));
    const waits = cell.mark === "asking" || (cell.mark === "open" && !cell.parts.some(([text]) => text));
    const words = waits ? element("span", { class: "mf-ghost" }) : element("span", { class: cell.mark === "open" ? "mf-cut mf-unanswered" : "mf-cut" });
    if (!waits) cell.parts.forEach(([text, wrong], index) => words.append(index ? " · " : "", wrong ? element("u", {}, text) : text));
    node.append(words);
    if (cell.rating) node.append(element("span", { class: "mf-rated", role: "img", "aria-label": cell.rating }, icon(cell.rating)));
    return node;
  }

  /**
   * Mark the open answer.
   * @param {number} row @param {number} column
   */
  function current(row, column) {
    for (const node of table.querySelectorAll("[aria-current]")) node.removeAttribute("aria-current");
    const node = table.querySelector(`[data-place="${row} ${column}"]`);
    node?.setAttribute("aria-current", "true");
    return node;
  }

  return {
    node: table,
    /** @param {ToldBoard} board */
    draw(board) {
      const body = element("tbody");
      body.append(...board.rows.map((told) => row(told, board)));
      table.style.setProperty("--mf-columns", String(board.heads.length));
      table.replaceChildren(head(board), body);
      drawn = board;
    },
    /**
     * Redraw the heads and some rows.
     * @param {ToldBoard} board @param {ToldRow[]} rows
     */
    fill(board, rows) {
      table.querySelector("thead")?.replaceWith(head(board));
      for (const told of rows) table.querySelector(`tr[data-row="${told.row}"]`)?.replaceWith(row(told, board));
      drawn = board;
    },
    current,
    /** @param {number} row @param {number} column */
    mark(row, column) {
      current(row, column)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    },
    /** Scroll the box of the table so that the open answer is seen in it; the page stays. @param {HTMLElement} box */
    reveal(box) {
      const cell = table.querySelector("[aria-current]")?.getBoundingClientRect();
      const inputs = table.querySelector("th")?.getBoundingClientRect();
      if (!cell || !inputs || !box.clientWidth) return;
      const room = box.getBoundingClientRect();
      const from = room.left + inputs.width;
      if (cell.right > room.right || cell.left < from) box.scrollLeft += cell.left - from - 6;
    },
    /** Return the height of the head and of as many whole rows as a height has room for. @param {number} height */
    whole(height) {
      const top = table.tHead?.offsetHeight ?? 0;
      const row = table.tBodies[0]?.rows[0]?.offsetHeight ?? 0;
      return row && height > top + row ? top + row * Math.floor((height - top) / row) : height;
    },
    /**
     * Return the place next to another one.
     * @param {number} row @param {number} column @param {number} down @param {number} right
     * @returns {[row: number, column: number] | null}
     */
    beside(row, column, down, right) {
      if (!drawn) return null;
      const at = drawn.rows.findIndex((one) => one.row === row);
      const next = drawn.rows[Math.max(0, Math.min(drawn.rows.length - 1, at + down))];
      return next ? [next.row, Math.max(0, Math.min(drawn.heads.length - 1, column + right))] : null;
    },
  };
}

/**
 * Return a model's name without its provider, if that is unique.
 * @param {string} model
 * @param {ToldHead[]} heads
 */
function shortName(model, heads) {
  const last = (/** @type {string} */ name) => name.slice(name.lastIndexOf("/") + 1);
  const several = heads.some((one) => one.model !== model && last(one.model) === last(model));
  return several ? model : last(model) || model;
}
