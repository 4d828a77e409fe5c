// @ts-check
// The layout of a turn, the same for an arriving one and a finished one, so that nothing jumps.

import { element } from "./dom.js";

/**
 * Make the columns of a turn; a parent puts them into a `div` of class `mf-turn` in the builder's slot.
 * @param {string} role
 * @param {Node[]} parts its reasoning, its words, and so on
 * @returns {HTMLElement[]}
 */
export function turnColumns(role, parts) {
  return [element("div", { class: "mf-role" }, role), element("div", { class: "mf-parts" }, ...parts)];
}
