// @ts-check
// The view of a grid: prompts and models side by side, one open answer, rating by key.

import { iconButton, opensMenu, pickButton, stateWord, textButton } from "../base/controls.js";
import { copied } from "../base/copy.js";
import { element, oncePerFrame, onChange, rootOf, writes } from "../base/dom.js";
import { errorOf, guarded, mishapLine } from "../base/guard.js";
import { presentButton } from "../base/present.js";
import { gridAct } from "./act.js";
import { gridMatrix } from "./matrix.js";
import { openedAnswer } from "./opened.js";
/** @import { Model } from "../base/dom.js" */
/** @import { ToldBoard } from "./matrix.js" */
/** @import { ToldAnswer } from "./opened.js" */

export default guarded(() => ({
  /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
  render({ model, el, signal }) {
    const leave = new AbortController();
    signal?.addEventListener("abort", () => leave.abort());
    rootOf(el, "msgflux-grid", "grid");
    el.classList.add("mf-view");
    el.tabIndex = 0;
    gridBoard(model, el, leave.signal);
    return () => leave.abort();
  },
}));

/**
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {AbortSignal} signal
 */
function gridBoard(model, el, signal) {
  const board = () => /** @type {ToldBoard} */ (model.get("board"));
  const opened = () => /** @type {ToldAnswer} */ (model.get("opened"));
  let gone = false;
  /** The last requested cell; keys do not wait for the kernel. @type {[number, number]} */
  let at = [opened().row ?? 0, opened().column ?? 0];
  /** Requested cells that have not come yet; an earlier answer must not move the mark back. @type {string[]} */
  let awaited = [];
  let filling = false; // `fill` sets the board while the grid runs, and draws only changes

  /** @param {number} row @param {number} column */
  function open(row, column) {
    at = [row, column];
    matrix.mark(row, column);
    if (gone) return;
    awaited.push(`${row} ${column}`);
    model.send({ type: "open", row, column });
  }
  /** @param {"good" | "bad"} rating */
  const rate = (rating) => gone || model.send({ type: "rate", row: at[0], column: at[1], rating });
  const turnBlind = () => gone || model.send({ type: "blind", on: !board().blind });

  const matrix = gridMatrix(open);
  const answer = openedAnswer(rate);
  const title = element("span", { class: "mf-title mf-mid mf-cut" });
  const state = stateWord();
  const paid = element("span", { class: "mf-note mf-num mf-wide" });
  const blind = textButton("blind", "hide which prompt it was until you have rated it (b)", turnBlind, { icon: "eye" });
  const show = pickButton("show", () => board().filters.map((filter) => ({
    label: filter, checked: board().filter === filter, pick() {
      awaited = [];
      model.send({ type: "filter", filter });
    },
  })), signal, "mf-wide");
  const act = gridAct(model, board, say, signal);
  const more = iconButton("more", "more: copy as code, show", () => {});
  opensMenu(more, "more", () => [
    { label: "Copy as code", icon: "code", disabled: !opened().code, pick: () => void copied(opened().code) },
    { label: "Copy the answer", icon: "copy", disabled: !opened().copied, pick: () => void copied(opened().copied) },
    "-", { heading: "show" },
    ...board().filters.map((filter) => ({ label: filter, checked: board().filter === filter, pick: () => model.send({ type: "filter", filter }) })),
  ], signal);
  const further = textButton("show more rows", "show the next rows", () => model.send({ type: "more" }), { class: "mf-further" });
  const unkept = element("p", { class: "mf-trouble mf-unkept", role: "alert", hidden: true });
  const note = element("p", { class: "mf-trouble", role: "alert", hidden: true });
  const wrong = mishapLine();
  const said = element("span", { class: "mf-cut" });
  const keysNode = element("span", { class: "mf-keys mf-wide" });
  for (const [names, word] of /** @type {[string[], string][]} */ ([[["←", "↑", "↓", "→"], "cell"], [["+", "−"], "rate"], [["⏎"], "the whole answer"]])) {
    keysNode.append(element("span", {}, ...names.map((name) => element("kbd", {}, name)), word));
  }
  const wrap = element("div", { class: "mf-wrap mf-scroll" }, matrix.node, further);
  el.append(
    element("header", { class: "mf-top" }, title, state.node, paid, element("span", { class: "mf-grow" }), blind, show.node, presentButton(el, signal), more, act.node),
    unkept, note, wrong.node, wrap, answer.node,
    element("footer", { class: "mf-bottom" }, said, element("span", { class: "mf-grow" }), keysNode),
  );

  /** Show only whole rows, and the open answer; the answer below takes what room it needs. */
  const fit = oncePerFrame(() => {
    wrap.style.maxHeight = "";
    const over = wrap.scrollHeight > wrap.clientHeight + 1;
    const bar = wrap.offsetHeight - wrap.clientHeight; // of scrolling sideways
    if (over && !el.dataset.present) wrap.style.maxHeight = `${matrix.whole(wrap.clientHeight) + bar}px`;
    matrix.reveal(wrap);
  });
  const sizes = new ResizeObserver(fit);
  sizes.observe(el);
  sizes.observe(answer.node);
  signal.addEventListener("abort", () => sizes.disconnect());

  function drawBoard() {
    if (filling) return;
    const told = board();
    const top = wrap.scrollTop;
    matrix.draw(told);
    wrap.scrollTop = top;
    matrix.mark(...at);
    title.textContent = told.title;
    title.title = [told.title, told.paid].filter(Boolean).join(" · ");
    unkept.textContent = told.unkept;
    unkept.hidden = !told.unkept;
    drawStanding(told);
    blind.setAttribute("aria-pressed", String(told.blind));
    show.set(told.filter, "show");
    further.hidden = told.before + told.rows.length >= told.kept;
    /** @type {Record<string, string>} */
    const words = {
      truth: "a score is the share that agrees with the truth, with its 95 % interval",
      score: "a score is the mean mark, with its 95 % interval",
      "": "a score is the share that was rated good, with its 95 % interval",
    };
    said.textContent = told.blind ? "heads are hidden, and each row has its own order" : words[told.judged];
  }

  /** @param {ToldBoard} told */
  function drawStanding(told) {
    const done = told.answers - told.unanswered;
    const busy = told.state === "running" || told.state === "stopping";
    state.node.hidden = !busy && (told.state === "idle" || told.unanswered === 0);
    if (busy) state.set("now", `${done.toLocaleString("en-US")} of ${told.answers.toLocaleString("en-US")}`);
    else state.set("look", `${told.unanswered.toLocaleString("en-US")} not answered`, "warning");
    paid.textContent = told.paid;
    paid.hidden = state.node.hidden;
    act.draw(told);
    fail(errorOf(told.error));
    el.dataset.state = told.state;
  }

  /** @param {string} sentence */
  function say(sentence) {
    note.textContent = sentence;
    note.hidden = !sentence;
  }

  /** @param {[name: string, message: string] | null} error */
  function fail(error) {
    say("");
    wrong.say(error);
  }

  /**
   * Take changes while the grid runs.
   * @param {ToldBoard & { type: string }} message with only the rows that have changed
   */
  function fill({ type: _type, rows, ...standing }) {
    const told = { ...board(), ...standing };
    const changed = new Map(rows.map((one) => [one.row, one]));
    told.rows = told.rows.map((one) => changed.get(one.row) ?? one);
    filling = true;
    model.set("board", told);
    filling = false;
    matrix.fill(told, rows);
    matrix.current(...at);
    drawStanding(told);
  }

  function drawOpened() {
    const told = opened();
    awaited = awaited.slice(awaited.lastIndexOf(`${told.row} ${told.column}`) + 1);
    if (awaited.length) return;
    if (told.row !== undefined) at = [told.row, told.column];
    answer.draw(told);
    matrix.mark(...at);
    fail(errorOf(board().error));
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
    if (event.target instanceof Element && event.target.closest("[role=menu]")) return;
    /** @type {Record<string, [number, number]>} */
    const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
    const { key } = event;
    const inButton = event.target instanceof HTMLButtonElement && !event.target.classList.contains("mf-cell");
    if (steps[key]) {
      const next = matrix.beside(...at, ...steps[key]);
      if (next) open(...next);
    } else if (key === "+") rate("good");
    else if (key === "-" || key === "−") rate("bad");
    else if (key === "b") turnBlind();
    else if (key === "Enter" && !inButton) answer.node.classList.toggle("mf-all");
    else if (key === "Escape" && board().action === "stop" && !el.dataset.present) act.press();
    else return;
    event.preventDefault();
  }

  el.addEventListener("keydown", keys, { signal });
  el.addEventListener("mf-gone", () => (gone = true), { signal });
  el.addEventListener("mf-back", () => (gone = false), { signal });
  onChange(model, "board", drawBoard, signal);
  onChange(model, "opened", drawOpened, signal);
  /** @param {any} message */
  const heard = (message) => {
    if (message.type === "filled") fill(message);
    if (message.type === "problem") fail([message.name, message.message]);
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  drawBoard();
  drawOpened();
}
