// @ts-check
// Dims the keys and signs of JSON in the conversation, so that the values stand out; adds no elements.

import { jsonSigns } from "./json_places.js";
import { sharedHighlight } from "./side_panel.js";

const MOST_LETTERS = 20_000; // the rest of a longer text is not dimmed

/**
 * @param {HTMLElement} el
 * @param {AbortSignal} signal
 * @returns {() => void} dims new text
 */
export function quietJson(el, signal) {
  const highlight = sharedHighlight("mf-hushed");
  if (!highlight) return () => {};
  /** @type {Map<Element, { signs: ReturnType<typeof jsonSigns>, ranges: AbstractRange[], text: string }>} */
  const known = new Map();
  signal.addEventListener("abort", () => known.forEach(forget));

  /** @param {{ ranges: AbstractRange[] }} was */
  function forget({ ranges }) {
    for (const range of ranges) highlight?.delete(range);
  }

  return () => {
    const found = new Set(el.querySelectorAll(".mf-talk .mf-words.mf-code"));
    for (const [words, was] of known) {
      if (found.has(words) && (words.textContent ?? "").startsWith(was.text)) continue;
      forget(was);
      known.delete(words);
    }
    for (const words of found) {
      const text = (words.textContent ?? "").slice(0, MOST_LETTERS);
      if (!/^\s*[{[]/.test(text)) continue;
      const one = known.get(words) ?? { signs: jsonSigns(), ranges: [], text: "" };
      known.set(words, one);
      if (one.text === text) continue;
      one.text = text;
      for (const [start, end] of one.signs(text)) {
        const range = stretch(words, start, end);
        one.ranges.push(range);
        highlight.add(range);
      }
    }
  };
}

/**
 * Return a range of an element's text with fixed ends, which costs the page nothing while the text grows.
 * @param {Element} words
 * @param {number} start
 * @param {number} end
 */
function stretch(words, start, end) {
  const walker = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
  const place = { startContainer: /** @type {Node} */ (words), startOffset: 0, endContainer: /** @type {Node} */ (words), endOffset: 0 };
  let passed = 0;
  for (let node = walker.nextNode(); node && passed < end; node = walker.nextNode()) {
    const size = node.textContent?.length ?? 0;
    if (start >= passed && start < passed + size) Object.assign(place, { startContainer: node, startOffset: start - passed });
    if (end <= passed + size) Object.assign(place, { endContainer: node, endOffset: end - passed });
    passed += size;
  }
  return new StaticRange(place);
}
