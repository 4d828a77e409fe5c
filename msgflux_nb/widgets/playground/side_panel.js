// @ts-check
// The panel next to the conversation: appears once there is something to show, and stays until a person hides it.

import { fieldPlaces } from "./json_places.js";
/** @import { Play } from "./play.js" */

/**
 * @param {Play} play
 * @param {HTMLElement} panes
 * @param {HTMLElement} node
 * @param {() => boolean} picked whether a structure is picked
 */
export function sidePanel(play, panes, node, picked) {
  /** @type {boolean | null} the person's choice; null if there is none, then it depends on the content */
  let wanted = null;
  let there = false;

  function draw() {
    there ||= picked() || play.sides[0].state !== "idle" || play.state !== "idle";
    const shown = wanted ?? (there && !(play.choosing && play.sides.length > 1));
    panes.classList.toggle("mf-both", shown);
    node.hidden = !shown;
  }

  draw();
  return {
    draw,
    hidden: () => node.hasAttribute("hidden"),
    show() {
      wanted = true;
      draw();
    },
    toggle() {
      wanted = node.hasAttribute("hidden");
      draw();
    },
  };
}

/**
 * Link the text of a structure and its table: pointing at a field on one side highlights it on the other.
 * @param {HTMLElement} el
 * @param {AbortSignal} signal
 */
export function linkFields(el, signal) {
  const highlight = sharedHighlight("mf-lit");
  if (!highlight) return; // a browser without highlights only shows the table
  signal.addEventListener("abort", () => highlight.clear());
  const texts = () => /** @type {HTMLElement | undefined} */ ([...el.querySelectorAll(".mf-talk .mf-words.mf-code")].filter((one) => /** @type {HTMLElement} */ (one).offsetParent).at(-1));
  const rows = () => /** @type {HTMLElement[]} */ ([...el.querySelectorAll(".mf-side [data-field]")]);

  /** @param {string} path */
  function light(path) {
    highlight?.clear();
    for (const row of rows()) row.classList.toggle("mf-on", row.dataset.field === path && path !== "");
    const text = path ? texts() : undefined;
    const range = text && fieldRange(text, path);
    if (range) highlight?.add(range);
  }

  el.addEventListener(
    "pointermove",
    (event) => {
      const target = event.target instanceof Element ? event.target : null;
      const row = target?.closest("[data-field]");
      if (row instanceof HTMLElement) return light(row.dataset.field ?? "");
      const words = texts();
      if (!words || !target || !words.contains(target)) return light("");
      return light(fieldUnder(words, event.clientX, event.clientY));
    },
    { signal },
  );
  el.addEventListener("pointerleave", () => light(""), { signal });
  el.addEventListener(
    "focusin",
    ({ target }) => {
      const row = target instanceof Element ? target.closest("[data-field]") : null;
      if (row instanceof HTMLElement) light(row.dataset.field ?? "");
    },
    { signal },
  );
}

/**
 * Return the page's highlight of a name, which a style sheet draws; null if the browser has no highlights.
 * @param {string} name
 */
export function sharedHighlight(name) {
  if (typeof Highlight !== "function" || !CSS.highlights) return null;
  const found = CSS.highlights.get(name) ?? new Highlight();
  CSS.highlights.set(name, found);
  return found;
}

/**
 * @param {HTMLElement} words
 * @param {string} path
 * @returns {Range | null}
 */
function fieldRange(words, path) {
  const place = fieldPlaces(words.textContent ?? "").find(([of]) => of === path);
  return place ? rangeIn(words, place[1], place[2]) : null;
}

/**
 * @param {HTMLElement} words
 * @param {number} x
 * @param {number} y
 * @returns {string} the path of the field there, or ""
 */
function fieldUnder(words, x, y) {
  const position = document.caretPositionFromPoint?.(x, y);
  const [node, offset] = position ? [position.offsetNode, position.offset] : [null, 0];
  if (!node || !words.contains(node)) return "";
  const before = document.createRange();
  before.setStart(words, 0);
  before.setEnd(node, offset);
  const at = before.toString().length;
  const inside = fieldPlaces(words.textContent ?? "").filter(([, start, end]) => start <= at && at <= end);
  return inside.sort((a, b) => a[2] - a[1] - (b[2] - b[1]))[0]?.[0] ?? "";
}

/**
 * @param {HTMLElement} words
 * @param {number} start
 * @param {number} end
 * @returns {Range}
 */
function rangeIn(words, start, end) {
  const range = document.createRange();
  const walker = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
  let passed = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const size = node.textContent?.length ?? 0;
    if (start >= passed && start <= passed + size) range.setStart(node, start - passed);
    if (end <= passed + size) {
      range.setEnd(node, end - passed);
      break;
    }
    passed += size;
  }
  return range;
}

/**
 * Mark the words that only one of two answers has, without changing the drawn answers. While they arrive, whole blocks
 * are compared, up to the length of the shorter answer.
 * @param {HTMLElement} slot
 * @returns {(on: boolean, whole: boolean) => void}
 */
export function differenceMarks(slot) {
  const highlight = sharedHighlight("mf-differs");
  /** @type {Range[]} */
  const own = [];
  let drawn = "";
  return (on, whole) => {
    if (!highlight) return;
    const part = whole ? ".mf-words" : ".mf-words > .mf-blocks";
    const [one, two] = on ? /** @type {NodeListOf<HTMLElement>} */ (slot.querySelectorAll(`.mf-answers > .mf-turn ${part}`)) : [];
    // While they arrive, blocks are only added, so that their number says whether one is new.
    const told = (/** @type {HTMLElement} */ words) => (whole ? words.textContent : finished(words).length);
    const key = one && two ? `${told(one)}\n\n${told(two)}` : "";
    if (key === drawn) return;
    drawn = key;
    for (const range of own.splice(0)) highlight.delete(range);
    if (!key) return;
    const [left, right] = [one, two].map((words) => (whole ? wordsOf([words], MOST_WORDS) : wordsOf(finished(words), MOST_WORDS_ARRIVING)));
    const common = longestCommon(left.map(([word]) => word), right.map(([word]) => word));
    for (const [words, every, kept] of /** @type {const} */ ([[one, left, common[0]], [two, right, common[1]]])) {
      const all = whole ? every : every.slice(0, Math.max(-1, ...kept) + 1);
      for (const [start, end] of runsOf(all, kept)) own.push(rangeIn(words, start, end));
    }
    for (const range of own) highlight.add(range);
  };
}

/**
 * Return the ranges of adjacent words that are not kept.
 * @param {[word: string, at: number][]} all
 * @param {Set<number>} kept
 */
function runsOf(all, kept) {
  /** @type {[start: number, end: number][]} */
  const runs = [];
  let last = -2;
  all.forEach(([word, at], index) => {
    if (kept.has(index)) return;
    if (last === index - 1) runs[runs.length - 1][1] = at + word.length;
    else runs.push([at, at + word.length]);
    last = index;
  });
  return runs;
}

const MOST_WORDS = 1500;
const MOST_WORDS_ARRIVING = 400; // comparing takes the square of it, for each new block

/**
 * Return the blocks before the one that is still being written.
 * @param {HTMLElement} words
 */
const finished = (words) => [...words.children].filter((one) => !one.matches(".mf-open"));

/**
 * @param {Element[]} nodes the first of all that are compared
 * @param {number} most
 * @returns {[word: string, at: number][]}
 */
function wordsOf(nodes, most) {
  return [...nodes.map((one) => one.textContent).join("").matchAll(/\S+/g)].slice(0, most).map((found) => [found[0], found.index]);
}

/**
 * Return the longest common subsequence of two lists of words, as indices in each.
 * @param {string[]} one
 * @param {string[]} two
 * @returns {[Set<number>, Set<number>]}
 */
function longestCommon(one, two) {
  const width = two.length + 1;
  const lengths = new Uint16Array((one.length + 1) * width);
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = two.length - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      lengths[at] = one[i] === two[j] ? lengths[at + width + 1] + 1 : Math.max(lengths[at + width], lengths[at + 1]);
    }
  }
  /** @type {[Set<number>, Set<number>]} */
  const kept = [new Set(), new Set()];
  for (let i = 0, j = 0; i < one.length && j < two.length; ) {
    if (one[i] === two[j]) {
      kept[0].add(i++);
      kept[1].add(j++);
    } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return kept;
}
