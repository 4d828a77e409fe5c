// @ts-check
// A button that copies a text and shows whether that worked.

import { icon } from "./controls.js";
import { element, sanitised } from "./dom.js";
import { drawMaths } from "./maths.js";
/** @import { IconName } from "./controls.js" */

const SAID_MILLISECONDS = 1500;

/**
 * @param {string} label
 * @param {string} title
 * @param {() => string} text
 * @returns {HTMLElement}
 */
export function copyButton(label, title, text) {
  const node = element("button", { type: "button", class: "mf-btn mf-copy", title, onclick: copy });
  node.setAttribute("aria-live", "polite");
  /** @type {number | undefined} */
  let timer;

  async function copy() {
    const done = await copied(text());
    node.style.minWidth = `${node.offsetWidth}px`; // so that its neighbours do not move
    say(done ? "copied" : "not copied", "", done ? "check" : "cross");
    clearTimeout(timer);
    timer = setTimeout(() => say(label, title), SAID_MILLISECONDS);
  }

  /**
   * @param {string} words
   * @param {string} name
   * @param {IconName} [mark]
   */
  function say(words, name, mark = "copy") {
    node.replaceChildren(icon(mark), element("span", {}, words));
    node.setAttribute("aria-label", name || words);
  }

  say(label, title);
  return node;
}

/**
 * Draw a block of a model's Markdown and its formulas, with a copy button at each piece of code.
 * @param {string} html from the kernel's sanitiser
 * @returns {Node}
 */
export function markdownBlock(html) {
  const node = sanitised(html);
  if (!(node instanceof Element)) return node;
  framed(node);
  drawMaths(node);
  return node;
}

/**
 * Give each piece of code in a block a copy button, unless it has one.
 * @param {Element} node
 */
export function framed(node) {
  for (const code of node.querySelectorAll(":not(.mf-code-block) > pre > code")) {
    const block = element("div", { class: "mf-code-block" });
    const pre = /** @type {HTMLElement} */ (code.parentElement);
    pre.replaceWith(block);
    block.append(pre, copyButton("", "copy this code", () => code.textContent ?? ""));
  }
}

/**
 * @param {string} text
 * @returns {Promise<boolean>}
 */
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByHand(text); // a page without https, or a frame without the permission
  }
}

/**
 * @param {string} text
 * @returns {boolean}
 */
function copiedByHand(text) {
  const before = document.activeElement;
  const field = /** @type {HTMLTextAreaElement} */ (element("textarea", { "aria-hidden": "true" }));
  field.value = text;
  field.style.position = "fixed";
  field.style.opacity = "0";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  return done;
}
