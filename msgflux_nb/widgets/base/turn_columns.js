// @ts-check
// The columns of a turn and the words of a model, the same while they arrive and after, so that nothing jumps.

import { markdownBlock } from "./copy.js";
import { element } from "./dom.js";
import { openBlock } from "./open_block.js";
/** @import { Side } from "./stream.js" */

/**
 * Make the columns of a turn; a parent puts them into a `div` of class `mf-turn` in the builder's slot.
 * @param {string} role
 * @param {Node[]} parts its reasoning, its words, and so on
 * @returns {HTMLElement[]}
 */
export function turnColumns(role, parts) {
  return [element("div", { class: "mf-role" }, role), element("div", { class: "mf-parts" }, ...parts)];
}

/**
 * Make the blocks of words that do not change any more.
 * @param {string[]} html from the kernel's sanitiser
 */
export function finishedBlocks(html) {
  return element("div", { class: "mf-blocks" }, ...html.map(markdownBlock));
}

/**
 * Make the words of an answer: the prefill with a tint, finished blocks as Markdown, then the block that is being written,
 * or text. Only what is new is drawn.
 * @param {string} [label]
 */
export function answerWords(label = "answer") {
  const prefill = element("span", { class: "mf-prefill" });
  const blocks = element("div", { class: "mf-blocks" });
  const last = openBlock(blocks);
  const tail = document.createTextNode("");
  const open = element("div", { class: "mf-tail" }, prefill, tail);
  const node = element("div", { class: "mf-words", dir: "auto", role: "region", "aria-live": "polite", "aria-label": label }, blocks, open);
  let epoch = -1;
  let finished = 0;

  function clear() {
    epoch = -1;
    finished = 0;
    last.clear();
    tail.data = "";
    prefill.textContent = "";
  }

  /** @param {Side} side */
  function draw(side) {
    if (epoch !== side.epoch) {
      clear();
      epoch = side.epoch;
    }
    const arriving = side.state === "running" && !side.phase;
    const text = side.held ? side.tail.slice(0, -side.held) : side.tail;
    const shown = side.open ? "" : text;
    node.classList.toggle("mf-code", side.schema !== "");
    node.setAttribute("aria-busy", String(side.state === "running"));
    // After a finished block a caret would add a line, and the text would jump.
    node.classList.toggle("mf-arriving", arriving && !side.open && (shown !== "" || !side.blocks.length));
    if (prefill.textContent !== side.prefill) prefill.textContent = side.prefill;
    for (const block of side.blocks.slice(finished)) last.finish(block);
    finished = side.blocks.length;
    last.draw(side.open, text, arriving);
    if (shown.startsWith(tail.data)) tail.appendData(shown.slice(tail.data.length));
    else tail.data = shown;
  }

  return { node, draw, clear };
}
