// @ts-check
// The kinds of failures of the selected state, with a button that shows only its rows.

import { textButton } from "../base/controls.js";
import { element, keepOnly, setText } from "../base/dom.js";
import { counted } from "./row_words.js";
/** @import { Picture } from "./extraction_view.js" */

/** @typedef {[state: string, text: string, count: number, label: string]} ToldProblem */

/** @param {(state: string) => void} only shows only the rows of one state; "" for all */
export function problemList(only) {
  const list = element("ul", { class: "mf-problems" });
  const more = element("div", { class: "mf-note mf-more" });
  const these = textButton("show only these rows", "the last rows that ended this way", press, { kind: "mf-line" });
  const node = element("section", { class: "mf-failures", "aria-label": "what failed", hidden: true }, list, element("footer", {}, these, more));
  /** @type {{ item: HTMLElement, count: HTMLElement, last: HTMLElement, text: HTMLElement }[]} */
  const items = [];
  let [state, shown] = ["", ""];

  function press() {
    only(shown ? "" : state);
  }

  function addItem() {
    const [count, last, text] = [element("b", { class: "mf-num" }), element("span", { class: "mf-note" }), element("div", { class: "mf-problem" })];
    items.push({ item: element("li", {}, count, " ", last, text), count, last, text });
  }

  /**
   * @param {Picture} picture
   * @param {string} opened the selected state; "" for none
   */
  function draw({ problems, more_problems, counts, only: told }, opened) {
    [state, shown] = [opened, told];
    const found = problems.filter((problem) => problem[0] === opened);
    node.hidden = !opened || !counts[opened];
    while (items.length < found.length) addItem();
    for (const [place, [, text, count, label]] of found.entries()) {
      setText(items[place].count, `× ${counted(count)}`);
      setText(items[place].last, `the last: row ${label}`);
      setText(items[place].text, text);
    }
    keepOnly(list, items.slice(0, found.length).map(({ item }) => item));
    const rest = (counts[opened] ?? 0) - found.reduce((sum, [, , count]) => sum + count, 0);
    setText(more, rest > 0 ? `${counted(rest)} more of rarer kinds` : more_problems && !found.length ? "only rare kinds" : "");
    setText(/** @type {Node} */ (these.firstElementChild), shown ? "show all rows" : "show only these rows");
  }

  return { node, draw };
}
