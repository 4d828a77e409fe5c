// @ts-check
// The heads of the columns: name, type, and a drawing of the distribution, which grows while rows arrive.

import { element, keepOnly, setText } from "../base/dom.js";
import { counted } from "./row_words.js";

/**
 * @typedef {{
 *   type: string, number: boolean, kind: "bars" | "shares", missing?: number, bars?: number[], from?: number, width?: number, ends?: [string, string],
 *   shares?: [name: string, count: number][], others?: number, distinct?: number, all_differ?: boolean, uncounted?: boolean,
 * }} Head the kernel's counts of a column, see distribution.py
 */

/**
 * Make the head of one column. Its bars are kept and change their height, so that the change is animated.
 * @param {string} name
 * @param {Head} head
 */
export function columnHead(name, head) {
  const picture = element("div", { class: `mf-pic mf-${head.kind}`, "aria-hidden": "true" });
  const first = element("span", { class: "mf-cut" });
  const [most, missed] = [element("span"), element("span")];
  const second = element("span", {}, most, missed);
  const label = element("div", { class: "mf-name" }, element("b", { class: "mf-cut", title: name }, name), element("span", {}, head.type));
  const node = element("th", { scope: "col", class: head.number ? "mf-number" : null }, label, picture, element("div", { class: "mf-caption" }, first, second));
  /** @type {Map<string, HTMLElement>} */
  const bars = new Map();
  /** @type {Map<string, number>} */
  let before = new Map();

  /**
   * @param {[key: string, count: number, title: string][]} told
   * @param {(bar: HTMLElement, count: number) => void} size
   */
  function drawBars(told, size) {
    /** @type {typeof before} */
    const next = new Map();
    const nodes = told.map(([key, count, title]) => {
      const bar = bars.get(key) ?? element("i");
      bars.set(key, bar);
      next.set(key, count);
      bar.title = `${title}: ${counted(count)} row${count === 1 ? "" : "s"}`;
      bar.classList.toggle("mf-grew", growing && before.size > 0 && count > (before.get(key) ?? 0));
      size(bar, count);
      return bar;
    });
    for (const [key] of bars) if (!next.has(key)) bars.delete(key);
    before = next;
    mark();
    keepOnly(picture, [...nodes, ...missing()]);
  }

  const none = element("i", { class: "mf-none" });
  let [absent, growing] = [0, true];
  /** @type {Head} */
  let drawn = head;
  /** @type {string | null | undefined} the cell of the open row; undefined for no row */
  let chosen;

  /** Return the bar of a cell, if it is known. @param {string | null} cell */
  function barOf(cell) {
    if (cell === null) return none;
    if (!drawn.bars) return bars.get("\u0000all") ?? bars.get([...bars.keys()].find((name) => name === cell || (name.endsWith("…") && cell.startsWith(name.slice(0, -1)))) ?? "\u0000others");
    const place = Math.floor((Number(cell) - (drawn.from ?? 0)) / (drawn.width || 1));
    return bars.get(String(Math.min(drawn.bars.length - 1, place)));
  }

  function mark() {
    const bar = chosen === undefined ? undefined : barOf(chosen);
    for (const one of [...bars.values(), none]) one.classList.toggle("mf-chosen", one === bar);
  }

  /** Mark the bar of a cell; undefined for none. @param {string | null | undefined} cell */
  function choose(cell) {
    if (cell === chosen) return;
    chosen = cell;
    mark();
  }

  function missing() {
    none.style.width = `${step(Math.min(60, Math.max(absent * 100, absent ? 3 : 0)))}%`;
    none.title = `${percent(absent)} missing`;
    return absent ? [none] : [];
  }

  /**
   * @param {Head} told
   * @param {boolean} grows whether rows arrive, so that what has grown is marked
   */
  function draw(told, grows) {
    drawn = told;
    growing = grows;
    absent = told.missing ?? 0;
    if (told.bars) drawHistogram(told.bars, told.ends ?? ["", ""]);
    else if (told.shares) drawShares(told.shares, told);
    else keepOnly(picture, missing());
    const miss = absent ? `${percent(absent)} missing` : "";
    const end = told.bars?.length ? told.ends?.[1] ?? "" : "";
    setText(most, end && miss ? `${end} · ` : end);
    most.className = miss ? "mf-wide" : ""; // a narrow caption has no room for both
    second.title = end && miss ? `the most: ${end}` : "";
    setText(missed, miss);
  }

  /**
   * @param {number[]} counts
   * @param {[string, string]} ends
   */
  function drawHistogram(counts, ends) {
    const most = Math.max(...counts, 1);
    const titles = counts.map((_, place) => (counts.length === 1 ? ends[0] : `part ${place + 1} of ${counts.length}, from ${ends[0]} to ${ends[1]}`));
    drawBars(counts.map((count, place) => [String(place), count, titles[place]]), (bar, count) => {
      bar.style.height = count ? `max(2px, ${step((100 * count) / most)}%)` : "0";
    });
    setText(first, counts.length > 1 ? ends[0] : "");
  }

  /**
   * @param {[string, number][]} shares
   * @param {Head} told
   */
  function drawShares(shares, { others = 0, distinct = 0, all_differ = false, uncounted = false }) {
    /** @type {[string, number, string][]} */
    const all = all_differ ? [["\u0000all", shares.reduce((sum, [, count]) => sum + count, others), "all different"]] : shares.map(([text, count]) => [text, count, text]);
    if (others && !all_differ) all.push(["\u0000others", others, `${counted(distinct - shares.length)}${uncounted ? " or more" : ""} others`]);
    const whole = all.reduce((sum, [, count]) => sum + count, 0) || 1;
    drawBars(all, (bar, count) => {
      bar.style.flexGrow = String(step((100 * count) / whole));
    });
    const names = shares.slice(0, 2).map(([text]) => text);
    const more = distinct - names.length;
    setText(first, all_differ ? `${counted(distinct)}${uncounted ? "+" : ""}, all different` : [...names, ...(more > 0 ? [`${counted(more)}${uncounted ? "+" : ""} more`] : [])].join(", "));
  }

  return { node, draw, choose };
}

/**
 * A length in per cent, in steps of less than a pixel: a bar that would not be seen to move is not laid out again.
 * @param {number} length
 */
const step = (length) => Math.round(4 * length) / 4;

/** @param {number} share */
function percent(share) {
  const whole = Math.round(100 * share);
  return share && !whole ? "< 1 %" : share < 1 && whole === 100 ? "> 99 %" : `${whole} %`;
}
