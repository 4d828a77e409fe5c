// @ts-check
// Marks the words that only one of two answers has, also while both are being written.

import { sharedHighlight } from "./side_panel.js";

const MOST_WORDS = 1500; // of each answer
const MARKS_MS = 100; // between two comparisons while words arrive, each in a task of its own, so that no frame waits for it
const SHORT = 2; // words; what both have is not left unmarked between longer differences if it is no longer than this

/** @typedef {[from: number, to: number]} Run from the first word to the one after the last */
/** @typedef {{ text: string, start: [Text, number], end: [Text, number] }} Word */

/**
 * The longest common subsequence of two lists of words that grow at their ends: a new word is compared with the words of
 * the other list once.
 */
export class Alignment {
  constructor() {
    /** @type {[string[], string[]]} */
    this.words = [[], []];
    /** lengths[i][j] is the length for the first i and the first j words. */
    this.lengths = [new Uint16Array(MOST_WORDS + 1)];
  }

  /**
   * @param {string[]} one
   * @param {string[]} two
   */
  read(one, two) {
    const [same, other] = [sharedStart(this.words[0], one), sharedStart(this.words[1], two)];
    this.words = [one, two];
    for (let i = 1; i <= one.length; i += 1) {
      const row = (this.lengths[i] ??= new Uint16Array(MOST_WORDS + 1));
      const above = this.lengths[i - 1];
      for (let j = i <= same ? other + 1 : 1; j <= two.length; j += 1) {
        row[j] = one[i - 1] === two[j - 1] ? above[j - 1] + 1 : Math.max(above[j], row[j - 1]);
      }
    }
  }

  /** Return what both have, as runs of words: where each begins in either list, and its length. */
  common() {
    const [one, two] = this.words;
    /** @type {{ at: [number, number], length: number }[]} */
    const runs = [];
    for (let [i, j] = [one.length, two.length]; i && j; ) {
      if (one[i - 1] !== two[j - 1]) {
        if (this.lengths[i - 1][j] >= this.lengths[i][j - 1]) i -= 1;
        else j -= 1;
        continue;
      }
      [i, j] = [i - 1, j - 1];
      const next = runs[0];
      if (next && next.at[0] === i + 1 && next.at[1] === j + 1) Object.assign(next, { at: [i, j], length: next.length + 1 });
      else runs.unshift({ at: [i, j], length: 1 });
    }
    return runs;
  }

  /**
   * Return what only one of them has. What follows the last common word of a list differs only if the other one is whole.
   * @param {[boolean, boolean]} whole
   * @returns {[Run[], Run[]]}
   */
  differences(whole) {
    const runs = this.common();
    const end = (/** @type {0 | 1} */ side) => (whole[side ? 0 : 1] ? this.words[side].length : this.after(runs.at(-1), side));
    const ends = { at: /** @type {[number, number]} */ ([end(0), end(1)]), length: 0 };
    /** @param {number} at the words between two runs */
    const between = (at) => Math.max(this.letters(0, runs[at - 1], runs[at] ?? ends), this.letters(1, runs[at - 1], runs[at] ?? ends));
    for (let at = 0; at < runs.length; ) {
      const { at: [from], length } = runs[at];
      const letters = this.words[0].slice(from, from + length).join(" ").length;
      if (length > SHORT || letters > between(at) || letters > between(at + 1)) at += 1;
      else {
        runs.splice(at, 1);
        at = Math.max(0, at - 1);
      }
    }
    const gaps = (/** @type {0 | 1} */ side) => [...runs, ends].map((run, at) => /** @type {Run} */ ([this.after(runs[at - 1], side), run.at[side]]));
    return [gaps(0).filter(([from, to]) => from < to), gaps(1).filter(([from, to]) => from < to)];
  }

  /**
   * @param {{ at: [number, number], length: number } | undefined} run
   * @param {0 | 1} side
   */
  after(run, side) {
    return run ? run.at[side] + run.length : 0;
  }

  /**
   * @param {0 | 1} side
   * @param {{ at: [number, number], length: number } | undefined} before
   * @param {{ at: [number, number] }} next
   */
  letters(side, before, next) {
    return this.words[side].slice(this.after(before, side), next.at[side]).join(" ").length;
  }
}

/**
 * @param {string[]} before
 * @param {string[]} now
 */
function sharedStart(before, now) {
  let same = 0;
  while (same < before.length && same < now.length && before[same] === now[same]) same += 1;
  return same;
}

/**
 * Mark the words that only one of two answers has, without changing the drawn answers. The last word of an answer that is
 * being written may go on, and waits.
 * @param {HTMLElement} slot
 * @returns {(on: boolean, whole: [boolean, boolean]) => void}
 */
export function differenceMarks(slot) {
  const highlight = sharedHighlight("mf-differs");
  /** @type {Range[]} */
  let own = [];
  let alignment = new Alignment();
  let drawn = "";

  /** @param {Range[]} ranges */
  function show(ranges) {
    for (const range of own) if (!ranges.includes(range)) highlight?.delete(range);
    for (const range of ranges) highlight?.add(range);
    own = ranges;
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {[on: boolean, whole: [boolean, boolean]]} */
  let asked = [false, [true, true]];

  /**
   * @param {boolean} on
   * @param {[boolean, boolean]} whole
   */
  function mark(on, whole) {
    asked = [on, whole];
    if (!on || whole.every(Boolean)) compare();
    else timer ??= setTimeout(compare, MARKS_MS);
  }

  function compare() {
    clearTimeout(timer);
    timer = undefined;
    if (!highlight) return;
    const [on, whole] = asked;
    const nodes = on ? /** @type {NodeListOf<HTMLElement>} */ (slot.querySelectorAll(".mf-answers > .mf-turn .mf-words")) : [];
    if (nodes.length < 2) {
      if (own.length || drawn) [alignment, drawn] = [new Alignment(), ""];
      return show([]);
    }
    const key = `${whole} ${nodes[0].textContent}\n\n${nodes[1].textContent}`;
    if (key === drawn) return;
    drawn = key;
    const words = [...nodes].slice(0, 2).map((node, side) => wordsOf(node, whole[side]));
    alignment.read(words[0].map(({ text }) => text), words[1].map(({ text }) => text));
    const runs = alignment.differences(whole).flatMap((each, side) => each.map(([from, to]) => [bare(words[side][from]), bare(words[side][to - 1])]));
    show(runs.map(([first, last], index) => rangeOf(own[index], first, last)));
  }

  return mark;
}

/**
 * @param {Range | undefined} drawn a range that is kept if it is the same
 * @param {Word} first
 * @param {Word} last
 */
function rangeOf(drawn, { start }, { end }) {
  if (drawn && drawn.startContainer === start[0] && drawn.startOffset === start[1] && drawn.endContainer === end[0] && drawn.endOffset === end[1]) return drawn;
  const range = document.createRange();
  range.setStart(...start);
  range.setEnd(...end);
  return range;
}

/**
 * Return a word without punctuation at its beginning or end, so that no mark begins or ends with a comma.
 * @param {Word} word
 * @returns {Word}
 */
function bare(word) {
  const lead = /^[“‘"'«]*/.exec(word.text)?.[0].length ?? 0;
  const tail = /[.,;:!?…”’"'»]*$/.exec(word.text)?.[0].length ?? 0;
  const { start, end } = word;
  if (lead + tail >= word.text.length || tail >= end[1]) return word;
  return { text: word.text.slice(lead, word.text.length - tail), start: [start[0], start[1] + lead], end: [end[0], end[1] - tail] };
}

/**
 * Return the words of a drawn answer; a word ends with its block.
 * @param {HTMLElement} node
 * @param {boolean} whole
 */
function wordsOf(node, whole) {
  /** @type {Word[]} */
  const words = [];
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  /** @type {Element | null | undefined} */
  let block = null;
  let open = false; // whether the last word goes on
  for (let text = /** @type {Text | null} */ (walker.nextNode()); text && words.length <= MOST_WORDS; text = /** @type {Text | null} */ (walker.nextNode())) {
    if (!/\S/.test(text.data)) {
      if (text.length) open = false;
      continue;
    }
    const of = text.parentElement?.closest("p, li, pre, td, th, h1, h2, h3, h4, h5, h6, div");
    if (of !== block) open = false;
    block = of;
    for (const { 0: part, index } of text.data.matchAll(/\S+/g)) {
      const last = words.at(-1);
      if (open && !index && last) Object.assign(last, { text: last.text + part, end: [text, part.length] });
      else words.push({ text: part, start: [text, index], end: [text, index + part.length] });
    }
    open = !/\s$/.test(text.data);
  }
  return words.slice(0, Math.min(MOST_WORDS, whole ? words.length : words.length - 1));
}
