// @ts-check
// Numbers of tool calls in words.

/** @param {number} ms */
export function secondsText(ms) {
  return `${(ms / 1000).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })} s`;
}

/** @param {number} count @param {string} noun */
export function countText(count, noun) {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}
