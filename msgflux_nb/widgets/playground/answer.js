// @ts-check
// Arriving answers, in the place of their turns: one, or two to compare; errors; the status line.

import { stateWord, textButton } from "../base/controls.js";
import { element } from "../base/dom.js";
import { follow } from "../base/follow.js";
import { mishapLine } from "../base/guard.js";
import { answerWords, turnColumns } from "../base/turn_columns.js";
import { callCard } from "./waiting.js";
/** @import { IconName, Standing } from "../base/controls.js" */
/** @import { AskedCall, Figures, Side } from "../base/stream.js" */
/** @import { Play } from "./play.js" */

/** @type {Record<string, [standing: Standing, word: string, mark: IconName | ""]>} */
const STATES = {
  idle: ["none", "ready", ""],
  asked: ["now", "starting", ""],
  waiting: ["now", "waiting for the first word", ""],
  running: ["now", "answering", ""],
  approval: ["look", "a call waits for you", "clock"],
  tools: ["now", "running tools", ""],
  plan: ["now", "running the plan", ""],
  stopping: ["now", "stopping", ""],
  complete: ["done", "complete", "check"],
  cut: ["look", "cut off", "warning"],
  stopped: ["look", "stopped", "stop"],
  failed: ["bad", "failed", "cross"],
  gone: ["look", "no kernel", "warning"],
};

const COUNT = new Intl.NumberFormat("en-US"); // toLocaleString would make one for each drawing
export const AT_ONCE = 0.005; // seconds; a shorter wait for the first word is not shown

/**
 * Return the state of a side, as a key of STATES.
 * @param {Side} side
 */
export function standingOf(side) {
  if (side.state === "running") return side.phase || (side.begun ? "running" : "waiting");
  return side.state === "complete" && side.cut !== false ? "cut" : side.state;
}

/**
 * @param {ReturnType<typeof stateWord>} mark
 * @param {string} key
 * @param {Side} side
 */
export function markState(mark, key, side) {
  const [standing, word, drawing] = STATES[key] ?? STATES.idle;
  const text = key === "cut" && side.cut !== true ? `cut at ${Number(side.cut).toLocaleString("en-US")} tokens` : word;
  mark.set(standing, text, drawing);
}

/**
 * Make the answers of all sides in columns, a tool call that waits, and the last error.
 * @param {Play} play
 * @param {HTMLElement} slot the builder's place for them
 * @param {{ waiting: HTMLElement, goOn: (side: number) => void }} parts
 * @returns {() => void} draws them
 */
export function answers(play, slot, { waiting, goOn }) {
  /** @type {ReturnType<typeof answerCard>[]} */
  const cards = [];
  const row = element("div", { class: "mf-answers" });
  const failure = failureCard(play);
  slot.append(row, element("div", { class: "mf-asking" }, waiting), failure.node);

  return () => {
    const two = play.sides.length > 1;
    while (cards.length < play.sides.length) {
      const card = answerCard(cards.length, goOn);
      cards.push(card);
      row.append(card.node);
    }
    row.classList.toggle("mf-two", two && play.choosing);
    cards.forEach((card, index) => card.draw(play.sides[index] ?? null, play.choosing ? play.sides : null));
    failure.draw();
  };
}

/**
 * Make the card of a failed run, in the place of its answer: the error, and what to do.
 * @param {Play} play
 */
function failureCard(play) {
  const again = textButton("Ask again", "ask the same again", () => play.ask("again", {}), { icon: "rerun", kind: "mf-line", class: "mf-small" });
  const line = mishapLine([again]);
  line.node.classList.add("mf-card", "mf-failed");

  function draw() {
    again.hidden = play.problem !== null;
    again.toggleAttribute("disabled", !play.free);
    line.say(play.problem ?? play.sides.find((side) => side.error)?.error ?? null);
  }

  return { node: line.node, draw };
}

/**
 * @param {number} index
 * @param {(side: number) => void} goOn
 */
function answerCard(index, goOn) {
  const reasoning = reasoningFold();
  const words = answerWords(index ? "second answer" : "answer");
  const refusal = element("p", { class: "mf-refusal" });
  const name = element("b", { class: "mf-by" });
  const state = stateWord({ class: "mf-mid" });
  const go = textButton("go on with this", `go on from the answer of this model (${index + 1})`, () => goOn(index), { key: String(index + 1), kind: "mf-line" });
  go.firstElementChild?.replaceChildren("go on", element("span", { class: "mf-mid" }, " with this"));
  const head = element("header", { class: "mf-side-head", hidden: true }, name, state.node, element("span", { class: "mf-grow" }), go);
  const calls = element("div", { class: "mf-side-calls", hidden: true });
  const figures = sideFigures();
  const [gutter, parts] = turnColumns("assistant", [head, reasoning.node, words.node, refusal, calls]);
  const node = element("div", { class: "mf-turn" }, gutter, parts, figures.node);
  /** @type {AskedCall[]} the drawn calls */
  let called = [];
  follow(parts, { growing: [reasoning.node, words.node] }); // one of two columns scrolls separately

  /**
   * @param {Side | null} side
   * @param {Side[] | null} sides all sides, if two are compared
   */
  function draw(side, sides) {
    const two = sides !== null && sides.length > 1;
    const arrives = side !== null && !side.settled && side.state !== "idle" && (side.begun || (side.state === "running" && !side.phase));
    const shown = arrives || (two && side !== null && side.state !== "idle");
    node.hidden = !shown;
    if (!shown || !side) {
      words.clear();
      return;
    }
    const short = shortName(side, two ? sides : []);
    if (name.textContent !== short) name.textContent = short;
    name.title = side.model;
    head.hidden = !two;
    if (two) markState(state, standingOf(side), side);
    go.toggleAttribute("disabled", !(sides?.every(({ settled, over }) => settled && over) && side.begun));
    reasoning.draw(side);
    words.draw(side);
    if (refusal.textContent !== side.refusal) refusal.textContent = side.refusal;
    refusal.hidden = !side.refusal;
    drawCalls(two ? side.calls : []);
    figures.draw(side, two ? sides : []);
  }

  /** @param {AskedCall[]} asked the calls of an ended answer, which two models may make but nothing runs */
  function drawCalls(asked) {
    if (asked === called || asked.length + called.length === 0) return;
    called = asked;
    calls.hidden = !asked.length;
    const note = element("p", { class: "mf-note" }, "Nothing has run: tools run with one model.");
    calls.replaceChildren(...(asked.length ? [...asked.map(callCard), note] : []));
  }

  return { node, draw };
}

/**
 * Return a model's name without its provider, if that is unique.
 * @param {Side} side
 * @param {Side[]} sides
 */
function shortName(side, sides) {
  const short = (/** @type {string} */ name) => name.slice(name.indexOf("/") + 1);
  const same = sides.filter((one) => short(one.model) === short(side.model)).length > 1;
  return same ? side.model : short(side.model);
}

/**
 * Return the figures of an answer that is arriving.
 * @param {Side} side
 * @returns {Figures | null}
 */
function figuresNow({ beganAt, firstAt, state, about }) {
  if (state !== "running" || !firstAt) return null;
  return { tokens: soFar(about), price: "", out: about, cost: null, first: firstAt - beganAt < 1000 * AT_ONCE ? null : (firstAt - beganAt) / 1000, seconds: (performance.now() - beganAt) / 1000 };
}

/** @param {number} about an estimate of tokens */
export const soFar = (about) => `≈ ${COUNT.format(Math.ceil(about))} out`;

/**
 * Make a text with emphasised figures.
 * @param {string} text
 */
export function withFigures(text) {
  const told = / in · |^first word|^[\d.,]+ s$|^(≈ )?\d/.test(text);
  return told ? text.split(/([\d][\d.,]*(?: s\b)?)/).map((part, at) => (at % 2 ? element("b", {}, part) : part)) : [text];
}

const FIGURES_MS = 100; // between two drawings of changing figures: their layout takes longer than that of a word

/** @returns {(moving: boolean) => boolean} whether figures wait for a later drawing, since they have just been drawn */
export function figurePace() {
  let drawn = -FIGURES_MS;
  return (moving) => {
    const now = performance.now();
    if (moving && now - drawn < FIGURES_MS) return true;
    drawn = moving ? now : -FIGURES_MS;
    return false;
  };
}

/** Make four figures of an answer, each with a bar on the scale of both sides. */
function sideFigures() {
  const cells = ["tokens", "cost", "first", "seconds"].map(() => {
    const [words, bar] = [element("span"), element("i")];
    return { words, bar, node: element("div", {}, words, element("span", { class: "mf-meter" }, bar)) };
  });
  const node = element("div", { class: "mf-side-figures", hidden: true }, ...cells.map((cell) => cell.node));
  const waits = figurePace();

  /**
   * @param {Side} side
   * @param {Side[]} sides
   */
  function draw(side, sides) {
    const of_ = (/** @type {Side} */ one) => one.figures ?? figuresNow(one);
    const figures = of_(side);
    node.hidden = sides.length < 2 || sides.every((one) => !of_(one)); // shown for both at once, so that no column moves
    if (node.hidden || waits(side.figures === null)) return;
    const seconds = (/** @type {number | null} */ value) => (value === null ? "–" : `${value.toFixed(2)} s`);
    /** @type {[string, string, (one: Figures) => number | null][]} */
    const told = [
      ["", figures?.tokens ?? "", (one) => one.out],
      ["cost ", figures?.price ?? "", (one) => one.cost],
      ["first word ", figures && (side.figures || figures.first !== null) ? seconds(figures.first) : "", (one) => one.first],
      [side.figures ? "in all " : "so far ", figures ? seconds(figures.seconds) : "", (one) => one.seconds],
    ];
    told.forEach(([label, value, of], at) => {
      const [most, own] = [Math.max(...sides.map((one) => amount(of_(one), of))), amount(figures, of)];
      const shown = value || "–"; // all four from the start, so that both columns have the same
      if (cells[at].words.textContent !== label + shown) cells[at].words.replaceChildren(label, ...(label ? [element("b", {}, shown)] : withFigures(shown)));
      cells[at].bar.style.width = `${most ? (100 * own) / most : 0}%`;
      cells[at].bar.classList.toggle("mf-now", !side.figures && at === 3);
    });
  }

  return { node, draw };
}

/**
 * @param {Figures | null} figures
 * @param {(one: Figures) => number | null} of
 */
function amount(figures, of) {
  return (figures && of(figures)) ?? 0;
}

/** Make the model's reasoning: open while it thinks, folded once the answer begins. */
function reasoningFold() {
  const text = document.createTextNode("");
  const node = /** @type {HTMLDetailsElement} */ (
    element("details", { class: "mf-reasoning", hidden: true }, element("summary", {}, "reasoning"), text)
  );
  let number = 0;
  let folded = false;

  /** @param {Side} side */
  function draw(side) {
    if (number !== side.number) {
      number = side.number;
      folded = false;
      node.open = true;
    }
    node.hidden = !side.reasoning;
    if (!folded && (side.pieces.length || side.over)) {
      folded = true; // only once: a reader may open it again
      node.open = false;
    }
    if (side.reasoning.startsWith(text.data)) text.appendData(side.reasoning.slice(text.data.length));
    else text.data = side.reasoning;
  }

  return { node, draw };
}
