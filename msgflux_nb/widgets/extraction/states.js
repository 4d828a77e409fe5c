// @ts-check
// The states of all rows: a bar in proportion, and a sentence with a word for each state that occurs.

import { stateWord } from "../base/controls.js";
import { element, setText } from "../base/dom.js";
import { counted, EXCEPTIONS, ofText, progressText, ROW_STATES, STATE_TITLES } from "./row_words.js";
/** @import { Picture } from "./extraction_view.js" */

/** Make one bar of all states of a run; each state that occurs is at least two pixels wide. */
export function stateBar() {
  /** @type {Map<string, HTMLElement>} */
  const parts = new Map();
  for (const state of [...Object.keys(ROW_STATES).slice(0, -1), "asking", "pending"]) {
    parts.set(state, element("i", { class: `mf-part mf-row-${state}` }));
  }
  const bar = element("div", { class: "mf-bar", role: "progressbar", "aria-label": "rows", "aria-valuemin": 0 }, ...parts.values());

  /** @param {Picture} picture */
  function draw({ counts, total, finished, in_flight, more_rows }) {
    for (const [state, part] of parts) {
      const count = state === "asking" ? Math.max(0, in_flight) : counts[state] + (state === "pending" ? more_rows : 0);
      const grown = String(count);
      if (part.style.flexGrow !== grown) part.style.flexGrow = grown;
      part.hidden = count === 0;
    }
    if (total !== null) bar.setAttribute("aria-valuemax", String(total));
    bar.setAttribute("aria-valuenow", String(finished));
    bar.setAttribute("aria-valuetext", progressText(finished, total));
  }

  return { bar, draw };
}

/**
 * Make the sentence below the bar: progress, rows in flight, and each exception as a word that opens its errors.
 * @param {(state: string) => void} opens
 */
export function sentence(opens) {
  const number = element("span");
  const small = element("small");
  const done = element("b", { class: "mf-done" }, number, " ", small);
  const now = stateWord();
  /** @type {Map<string, { node: HTMLElement, mark: ReturnType<typeof stateWord> }>} */
  const words = new Map();
  const about = element("span", { class: "mf-money" });
  const left = element("span", { class: "mf-left" });
  const node = element("div", { class: "mf-say" }, done, now.node);
  for (const [state, [, said]] of Object.entries(ROW_STATES)) {
    const mark = stateWord();
    const exception = EXCEPTIONS.includes(state);
    const title = exception ? `${said}: what went wrong, and which rows` : STATE_TITLES[state];
    const word = exception
      ? element("button", { type: "button", class: "mf-bare mf-state", title, "data-state": state, onclick: () => opens(state), "aria-expanded": "false" }, mark.node)
      : element("span", { class: "mf-state", "data-state": state, title }, mark.node);
    words.set(state, { node: word, mark });
    node.append(word);
  }
  node.append(element("span", { class: "mf-grow" }), element("span", { class: "mf-costs mf-num" }, about, left));

  /**
   * @param {Picture} picture
   * @param {string} opened the state whose errors are shown
   */
  function draw(picture, opened) {
    const { counts, state, in_flight } = picture;
    setText(number, counted(state === "idle" ? picture.total ?? 0 : picture.finished));
    setText(small, ofText(picture));
    const flying = Math.max(0, in_flight);
    now.node.hidden = !flying && state !== "running" && state !== "stopping";
    const way = state === "stopping" ? "stopping" : flying ? `${counted(flying)} being read` : "begins";
    now.set("now", way);
    const over = !["idle", "running", "stopping"].includes(state);
    const plain = over && Object.entries(counts).every(([name, count]) => name === "ok" || !count);
    for (const [name, { node: word, mark }] of words) {
      const [standing, said, icon] = ROW_STATES[name];
      const shown = counts[name] > 0 && (name === "ok" ? over : name !== "pending" || over);
      word.hidden = !shown;
      if (!shown) continue;
      mark.set(standing, name === "ok" && plain ? "all ok" : `${counted(counts[name])} ${said}`, icon);
      if (word.tagName === "BUTTON") word.setAttribute("aria-expanded", String(name === opened));
    }
    drawCosts(picture);
  }

  /** @param {Picture} picture */
  function drawCosts({ figures, paid: [cost, words], state }) {
    const value = Object.fromEntries(figures);
    drawBold(about, cost, words);
    const [time, word] = value["time left"] ? [value["time left"].replace("≈ ", ""), "left"] : [value.took, ""];
    drawBold(left, state === "idle" || time === "–" ? "" : time, word);
  }

  return { node, draw };
}

/**
 * Draw a figure and the words after it.
 * @param {HTMLElement} node
 * @param {string} value
 * @param {string} words
 */
function drawBold(node, value, words) {
  const said = value ? `${value} ${words}` : "";
  if (node.dataset.said === said) return;
  node.dataset.said = said;
  node.replaceChildren(...(value ? [element("b", {}, value), words ? ` ${words}` : ""] : []));
}

