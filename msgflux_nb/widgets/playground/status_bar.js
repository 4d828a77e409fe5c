// @ts-check
// The last line of a playground: its state, the figures of the answer, notes.

import { stateWord } from "../base/controls.js";
import { element } from "../base/dom.js";
import { AT_ONCE, figurePace, markState, soFar, standingOf, withFigures } from "./answer.js";
/** @import { Side } from "../base/stream.js" */
/** @import { Play } from "./play.js" */

const RARE = /^first word|^[a-z]+_[a-z_]+$/; // figures that a narrow view leaves out: the first word's time, the way of asking

/** Reasons of an end that the state says in words, and none. */
const SAID = ["stop", "length", "tool_calls", "–"];

/**
 * Make the line of state, tokens, cost and times.
 * @param {Play} play
 * @param {() => string} note a note to add, or ""
 * @returns {{ node: HTMLElement, draw: () => void }}
 */
export function statusBar(play, note) {
  const state = stateWord({ class: "mf-state", role: "status" });
  const figures = element("span", { class: "mf-figs mf-figures" });
  const aside = element("span", { class: "mf-note mf-aside-note" });
  const where = element("span", { class: "mf-note mf-mid" });
  const node = element("footer", { class: "mf-bottom" }, state.node, figures, element("span", { class: "mf-grow" }), aside, where);
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  let drawn = "";
  const waits = figurePace();

  function draw() {
    const [first] = play.sides;
    const arriving = play.state === "running" && first.state === "running";
    const busy = play.busy ? (arriving ? standingOf(first) : play.state) : "";
    const key = play.gone ? "gone" : busy || (play.problem ? "failed" : standingOf(first));
    markState(state, key, first);
    node.dataset.state = key;
    if (!waits(arriving)) tell(arriving ? figuresSoFar(first) : play.sides.length > 1 ? choiceOf(play) : figuresOf(first));
    if (play.state === "running" && play.sides.some(({ state }) => state === "running")) timer ??= setInterval(() => play.tell(), 500);
    else if (timer !== undefined) timer = void clearInterval(timer);
    const silent = "The kernel does not answer: it is busy, or was restarted; then run this cell again.";
    aside.textContent = play.silent && !play.gone ? silent : note();
    const local = String(play.model.get("chosen")[0]).startsWith("local/");
    // Of two models each column has its state and its figures.
    const two = play.sides.length > 1 || (play.model.get("chosen")[1] && first.state === "idle");
    node.classList.toggle("mf-hidden", Boolean(two) && !aside.textContent && !play.gone);
    where.textContent = local && first.state === "idle" && !aside.textContent ? "runs on this machine · free" : "";
  }

  /** @param {string[]} words */
  function tell(words) {
    const key = words.join(" · ");
    if (key === drawn) return;
    drawn = key;
    figures.replaceChildren(...words.map((word) => element("span", { class: RARE.test(word) ? "mf-mid" : null, title: titleOf(word) }, ...withFigures(word))));
  }

  return { node, draw };
}

/** @param {string} word a figure of the status line */
function titleOf(word) {
  return word.startsWith("≈") ? "tokens so far, by the length of the text" : /^[\d–].* in · /.test(word) ? "tokens" : null;
}

/**
 * Return the words about an answer that has ended; what its state says is not said again.
 * @param {Side} side
 */
function figuresOf({ state, status }) {
  return status.filter((word) => !SAID.includes(word) && !(state === "failed" && word.startsWith("– ")));
}

/**
 * Return what a person may do with two answers that have come.
 * @param {Play} play
 */
function choiceOf({ choosing, sides }) {
  return choosing && sides.every(({ settled, over }) => settled && over) ? ["go on with one of them: 1 or 2"] : [];
}

/**
 * Return the words about an answer while it arrives; while its calls wait or run, its own figures are known.
 * @param {Side} side
 */
function figuresSoFar(side) {
  if (!side.beganAt) return [];
  const now = performance.now();
  const elapsed = `${((now - side.beganAt) / 1000).toFixed(1)} s`;
  if (side.figures && side.phase) return [...[side.figures.tokens, side.figures.price].filter((word) => word !== "–"), elapsed];
  if (!side.firstAt) return [elapsed];
  const seconds = (now - side.firstAt) / 1000;
  const rate = seconds >= 1 && !side.phase ? ` · ${Math.round(side.about / seconds).toLocaleString("en-US")} a second` : "";
  const wait = (side.firstAt - side.beganAt) / 1000;
  return [soFar(side.about) + rate, ...(wait < AT_ONCE ? [] : [`first word after ${wait.toFixed(2)} s`]), elapsed];
}
