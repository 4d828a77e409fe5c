// @ts-check
// The raw text of a call: the last fragments separately, and a limited window of the text before. A line breaks between
// fields: a field goes to the next line as a whole.

import { button, element } from "../base/dom.js";
import { sizeText } from "../base/texts.js";
/** @import { LaneTrack } from "./timeline.js" */

const RAW_WINDOW = 2000; // characters
const RAW_PIECES = 120; // fragments that are drawn separately

/**
 * Return a reader of JSON that says where its fields end, also in a text that comes in pieces.
 * @returns {(text: string) => number[]} the places after commas between fields
 */
function fieldEnds() {
  let [depth, quoted, escaped] = [0, false, false];
  return (text) => {
    const ends = [];
    for (let at = 0; at < text.length; at += 1) {
      const sign = text[at];
      if (escaped) escaped = false;
      else if (quoted) [escaped, quoted] = [sign === "\\", sign !== '"'];
      else if (sign === '"') quoted = true;
      else if (sign === "{" || sign === "[") depth += 1;
      else if (sign === "}" || sign === "]") depth -= 1;
      else if (sign === "," && depth === 1) ends.push(at + 1);
    }
    return ends;
  };
}

/**
 * Make the raw text: only new fragments are drawn, and a long text shows only its end until it is expanded.
 * @param {LaneTrack} track
 * @returns {{ node: HTMLElement, draw: (count: number) => void }}
 */
export function rawPane(track) {
  const older = document.createTextNode("");
  const pieces = element("span", { class: "mf-pieces" });
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
  let held = 0; // pieces
  /** @type {HTMLElement | null} the field that is being written */
  let field = null;
  /** @type {HTMLElement[]} the parts of the last fragment */
  const newest = [];
  let ends = fieldEnds();

  function showAll() {
    all = true;
    const count = drawn;
    drawn = -1;
    draw(count);
  }

  /** @param {number} index of a fragment */
  function append(index) {
    const [start, end] = [Math.max(from, track.length(index)), track.ends[index]];
    const text = track.text.slice(start, end);
    const cuts = ends(text);
    for (const piece of newest.splice(0)) piece.classList.remove("mf-newest");
    let done = 0;
    for (const [at, place] of [...cuts, text.length].entries()) {
      if (place > done) {
        if (!field) pieces.append((field = element("span")));
        const piece = element("span", { class: "mf-piece mf-newest" }, text.slice(done, place));
        field.append(piece);
        newest.push(piece);
        held += 1;
      }
      if (at < cuts.length) field = null;
      done = place;
    }
  }

  /** Remove the first piece, and return its text. */
  function removeFirst() {
    const first = pieces.firstElementChild;
    const piece = first?.firstChild;
    piece?.remove();
    held -= 1;
    if (!first?.firstChild) first?.remove();
    return piece?.textContent ?? "";
  }

  /** @param {number} count */
  function redraw(count) {
    const end = track.length(count);
    from = all ? 0 : Math.max(0, end - RAW_WINDOW);
    let first = Math.max(0, count - RAW_PIECES);
    while (first < count && track.ends[first] <= from) first += 1;
    older.data = track.text.slice(from, Math.max(from, track.length(first)));
    pieces.replaceChildren();
    held = 0;
    field = null;
    ends = fieldEnds();
    for (let index = first; index < count; index += 1) append(index);
  }

  /** @param {number} count */
  function extend(count) {
    for (let index = drawn; index < count; index += 1) append(index);
    let aged = "";
    while (held > RAW_PIECES) aged += removeFirst();
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
    words.classList.toggle("mf-flows", older.length > 0); // then its first field is not whole
    more.hidden = from === 0;
    more.textContent = `… ${sizeText(from)} before`;
    caret.hidden = count === track.moments.length && track.card.final !== undefined;
  }

  return { node, draw };
}
