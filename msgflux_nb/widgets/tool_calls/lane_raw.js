// @ts-check
// The raw text of a call: the last fragments separately, and a limited window of the text before.

import { button, element } from "../base/dom.js";
import { sizeText } from "../base/texts.js";
/** @import { LaneTrack } from "./timeline.js" */

const RAW_WINDOW = 2000; // characters
const RAW_PIECES = 120; // fragments that are drawn separately

/**
 * Make the raw text: only new fragments are drawn, and a long text shows only its end until it is expanded.
 * @param {LaneTrack} track
 * @returns {{ node: HTMLElement, draw: (count: number) => void }}
 */
export function rawPane(track) {
  const older = document.createTextNode("");
  const pieces = element("span");
  const caret = element("span", { class: "mf-caret", "aria-hidden": "true" });
  const more = button("", "show all of the text", showAll, "mf-bare mf-more");
  more.hidden = true;
  const words = element("div", { class: "mf-raw-text" }, older, pieces, caret);
  const node = element(
    "div",
    { class: "mf-raw mf-tail-box mf-scroll", tabindex: "0", role: "group", "aria-label": "arguments as they came" },
    element("div", {}, more, words),
  );
  let drawn = -1;
  let from = 0; // the first drawn character
  let all = false;

  function showAll() {
    all = true;
    const count = drawn;
    drawn = -1;
    draw(count);
  }

  /** @param {number} index of a fragment */
  function append(index) {
    const [start, end] = [Math.max(from, track.length(index)), track.ends[index]];
    if (end > start) pieces.append(element("span", { class: "mf-piece" }, track.text.slice(start, end)));
  }

  /** @param {number} count */
  function redraw(count) {
    const end = track.length(count);
    from = all ? 0 : Math.max(0, end - RAW_WINDOW);
    let first = Math.max(0, count - RAW_PIECES);
    while (first < count && track.ends[first] <= from) first += 1;
    older.data = track.text.slice(from, Math.max(from, track.length(first)));
    pieces.replaceChildren();
    for (let index = first; index < count; index += 1) append(index);
  }

  /** @param {number} count */
  function extend(count) {
    for (let index = drawn; index < count; index += 1) append(index);
    let aged = "";
    while (pieces.childElementCount > RAW_PIECES) {
      aged += pieces.firstChild?.textContent;
      pieces.firstChild?.remove();
    }
    if (aged) older.appendData(aged);
    if (!all && older.length > 2 * RAW_WINDOW) {
      from += older.length - RAW_WINDOW;
      older.deleteData(0, older.length - RAW_WINDOW);
    }
  }

  /** @param {number} count of fragments */
  function draw(count) {
    if (count === drawn) return;
    const news = count - drawn;
    const long = track.length(count) - track.length(Math.max(0, drawn)) > RAW_WINDOW;
    if (drawn < 0 || news < 0 || news > RAW_PIECES || (long && !all)) redraw(count);
    else extend(count);
    drawn = count;
    more.hidden = from === 0;
    more.textContent = `… ${sizeText(from)} before`;
    caret.hidden = count === track.moments.length && track.card.final !== undefined;
  }

  return { node, draw };
}
