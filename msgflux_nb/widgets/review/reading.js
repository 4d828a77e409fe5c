// @ts-check
// The source of a row: its text with the fields' quotes, or pictures; and picking words in it by keyboard.

import { element } from "../base/dom.js";

/** @typedef {[text: string, numbers: number[]]} Piece */
/** @typedef {{ texts: [name: string, pieces: Piece[]][], media: [kind: string, data: string][] }} Reading */
/** @typedef {{ node: Text, start: number, end: number }} Word */

const TINTS = 6;
const BLANK_LINE = /(\n[ \t]*\n)/;
const WORD = /\S+/g;
const PUNCTUATION = /^[([{"'“„«‘]+|[)\]}"'”“»’.,;:!?]+$/g;

/**
 * Return a field's tint by its number.
 * @param {number} number from 1
 */
export function tintOf(number) {
  return `--f: var(--mf-f${((number - 1) % TINTS) + 1})`;
}

/**
 * Draw the source of a row.
 * @param {Reading} reading
 * @returns {HTMLElement[]}
 */
export function readingNodes({ texts, media }) {
  const several = texts.length > 1;
  const nodes = media.map(([kind, data]) => mediaNode(kind, data));
  for (const [name, pieces] of texts) {
    if (several) nodes.push(element("span", { class: "mf-role" }, name));
    const words = element("div", { class: "mf-words mf-read", dir: "auto" });
    words.append(...pieces.flatMap(pieceNodes));
    nodes.push(words);
  }
  return nodes;
}

/**
 * @param {Piece} piece
 * @returns {(HTMLElement | string)[]}
 */
function pieceNodes([text, numbers]) {
  if (!numbers.length) return text.split(BLANK_LINE).map((part, place) => (place % 2 ? element("span", { class: "mf-gap" }, part) : part));
  return [element("span", { class: "mf-quote", style: tintOf(numbers[0]), "data-fields": numbers.join(" "), "data-n": numbers.join("·") }, text)];
}

/**
 * @param {string} kind
 * @param {string} data
 */
function mediaNode(kind, data) {
  if (kind === "image" && data.startsWith("data:image/")) return element("img", { src: data, alt: "the picture that was read" });
  if (kind === "pdf" && data.startsWith("data:application/pdf")) {
    return element("embed", { src: pdfAddress(data), type: "application/pdf", title: "the file that was read" });
  }
  return element("p", { class: "mf-note" }, data);
}

/** @param {string} data */
function pdfAddress(data) {
  const bytes = Uint8Array.from(atob(data.slice(data.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "application/pdf" }));
}

/**
 * Pick words of a text by the arrow keys: one, or with Shift several.
 * @param {HTMLElement} pane
 */
export function wordPicker(pane) {
  let [from, to] = [-1, -1];

  /** @returns {Word[]} */
  function words() {
    /** @type {Word[]} */
    const found = [];
    const walker = document.createTreeWalker(pane, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = /** @type {Text} */ (walker.currentNode);
      if (!node.parentElement?.closest(".mf-read")) continue;
      for (const match of node.data.matchAll(WORD)) found.push(bare(node, match.index, match[0]));
    }
    return found;
  }

  /**
   * Return a word without punctuation around it.
   * @param {Text} node
   * @param {number} index
   * @param {string} text
   */
  function bare(node, index, text) {
    const word = text.replace(PUNCTUATION, "") || text;
    const start = index + text.indexOf(word);
    return { node, start, end: start + word.length };
  }

  /** @param {Word} word */
  function rectOf(word) {
    const range = document.createRange();
    range.setStart(word.node, word.start);
    range.setEnd(word.node, word.end);
    return range.getBoundingClientRect();
  }

  /**
   * Return the word on the next line, up or down, that is nearest to another one.
   * @param {Word[]} all
   * @param {number} at
   * @param {number} by
   */
  function onLine(all, at, by) {
    const here = rectOf(all[at]);
    const beyond = all.map((word, index) => ({ index, rect: rectOf(word) })).filter(({ rect }) => (by > 0 ? rect.top >= here.bottom - 2 : rect.bottom <= here.top + 2));
    if (!beyond.length) return at;
    const line = beyond.reduce((best, one) => (Math.abs(one.rect.top - here.top) < Math.abs(best.rect.top - here.top) ? one : best)).rect.top;
    const middle = here.left + here.width / 2;
    const distance = (/** @type {DOMRect} */ rect) => Math.abs(rect.left + rect.width / 2 - middle);
    return beyond.filter(({ rect }) => Math.abs(rect.top - line) < 4).reduce((best, one) => (distance(one.rect) < distance(best.rect) ? one : best)).index;
  }

  /** @param {KeyboardEvent} event */
  function key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const line = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined && line === undefined) return false;
    const all = words();
    if (!all.length) return false;
    const at = to < 0 ? -1 : Math.min(to, all.length - 1);
    if (at < 0) to = 0;
    else if (step !== undefined) to = Math.min(all.length - 1, Math.max(0, at + step));
    else to = onLine(all, at, line ?? 1);
    if (!event.shiftKey || from < 0) from = to;
    mark(all);
    return true;
  }

  /** @param {Word[]} all */
  function mark(all) {
    const [first, last] = from <= to ? [all[from], all[to]] : [all[to], all[from]];
    const selection = getSelection();
    selection?.setBaseAndExtent(first.node, first.start, last.node, last.end);
    all[to].node.parentElement?.scrollIntoView({ block: "nearest" });
  }

  return {
    key,
    /** One word is picked: the first, or the last of those that were picked before. */
    begin() {
      const all = words();
      if (!all.length) return;
      from = to = Math.min(Math.max(to, 0), all.length - 1);
      mark(all);
    },
    /** Forget the picked words, because another row is shown. */
    forget() {
      [from, to] = [-1, -1];
    },
    /** @returns {string} the text that is selected by keys or mouse */
    selected() {
      const selection = getSelection();
      if (!selection || selection.isCollapsed || !selection.anchorNode || !pane.contains(selection.anchorNode)) return "";
      return selection.toString().trim();
    },
  };
}
