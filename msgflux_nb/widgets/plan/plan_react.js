// @ts-check
// The drawing of react: numbered steps with thought, call and result in columns, and the answer as the last number.

import { icon, iconButton } from "../base/controls.js";
import { element } from "../base/dom.js";
import { Side } from "../base/stream.js";
import { answerWords } from "../base/turn_columns.js";
import { copyEntry, planSeconds, planState, toolCards } from "./plan_calls.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { PlanState, PlanStep, PlanStore, PlanTurn } from "./plan_store.js" */

/**
 * @param {PlanStore} store
 * @returns {{ nodes: HTMLElement[], draw: () => void, ticks: () => number[], key: (event: KeyboardEvent) => boolean, tools: HTMLElement[], entries: () => Entry[], state: () => string }}
 */
export function reactBody(store) {
  const heads = ["", "thought", "call", "result"].map((word) => element("span", { class: "mf-cap mf-role" }, word));
  heads[2].append(element("span", { class: "mf-less" }, ", result"));
  const steps = element("div", { class: "mf-steps mf-scroll", role: "list" }, ...heads);
  const number = element("b");
  const words = answerWords();
  const role = element("span", { class: "mf-role" }, "answer");
  const answer = element("div", { class: "mf-answer", hidden: true }, element("div", { class: "mf-no" }, number), element("div", {}, role, words.node));
  const fold = iconButton("panel", "fold the results", foldResults, "mf-mid");
  /** @type {{ turn: PlanTurn, node: HTMLElement, drawn: string, open: boolean }[]} */
  let rows = [];
  /** @type {PlanState | null} */
  let state = null;
  /** The words of an answer that did not arrive in pieces. */
  let still = new Side(() => {});
  /** @type {Side | null} */
  let drawn = null;

  function draw() {
    if (state !== store.state) clear();
    const { turns } = store.state;
    const acting = turns.filter((turn) => turn.steps.length);
    const atEnd = steps.scrollHeight - steps.scrollTop - steps.clientHeight < 24;
    for (const turn of acting.slice(rows.length)) add(turn);
    const asked = callsBefore(acting);
    for (const row of rows) drawRow(row, asked);
    if (atEnd && store.running && store.following) steps.scrollTop = steps.scrollHeight;
    drawAnswer();
  }

  function clear() {
    state = store.state;
    const open = new Set(rows.filter((row) => row.open).map((row) => row.turn.number));
    for (const { node } of rows) node.remove();
    rows = [];
    for (const turn of state.turns.filter((each) => each.steps.length)) add(turn, open.has(turn.number));
  }

  /**
   * @param {PlanTurn} turn
   * @param {boolean} [open]
   */
  function add(turn, open = false) {
    const attributes = { class: "mf-step", role: "listitem", tabindex: rows.length ? "-1" : "0", "aria-label": `step ${turn.number}` };
    const node = element("section", attributes);
    const row = { turn, node, drawn: "", open };
    node.addEventListener("click", (event) => {
      const inside = event.target instanceof Element && event.target.closest(".mf-cards, pre, a");
      if (!inside && !getSelection()?.toString()) toggle(row);
    });
    rows.push(row);
    steps.append(node);
  }

  /** @param {{ turn: PlanTurn, node: HTMLElement, drawn: string, open: boolean }} row */
  function toggle(row) {
    row.open = !row.open;
    draw();
  }

  /**
   * @param {{ turn: PlanTurn, node: HTMLElement, drawn: string, open: boolean }} row
   * @param {Map<PlanStep, number>} asked
   */
  function drawRow(row, asked) {
    const { turn, node, open } = row;
    const key = `${turn.steps.length} ${turn.tokens} ${open} ${store.timeless}`;
    if (key === row.drawn) return;
    row.drawn = key;
    node.setAttribute("aria-expanded", String(open));
    const thoughts = [...new Set(turn.steps.map(({ thought }) => thought).filter(Boolean))];
    const thought = element("div", { class: "mf-thought" }, ...(thoughts.length ? thoughts : ["–"]).map((each) => element("p", {}, each)));
    const pair = element("div", { class: "mf-pair" }, ...turn.steps.flatMap((step) => drawStep(step, turn, asked.get(step))));
    const cards = open ? [toolCards(turn.steps)] : [];
    node.replaceChildren(element("div", { class: "mf-no" }, element("b", {}, String(turn.number))), thought, pair, ...cards);
  }

  /**
   * @param {PlanStep} step
   * @param {PlanTurn} turn
   * @param {number | undefined} before the number of an earlier step with the same call
   */
  function drawStep(step, turn, before) {
    const call = element("code", { class: "mf-act" }, element("b", {}, step.name), element("i", {}, "("), argumentsText(step.arguments), element("i", {}, ")"));
    const result = element("span", { class: "mf-result" }, step.result || "nothing");
    const notes = [];
    const left = step.left ? `${step.left.toLocaleString("en-US")} more characters` : "";
    const took = turn.steps.length === 1 && !store.timeless ? (step.ms - turn.ms) / 1000 : 0; // of several at once it is not known
    if (took >= 0.01) notes.push(element("span", { class: "mf-note mf-num" }, planSeconds(took)));
    if (left) notes.push(element("span", { class: "mf-note" }, left));
    if (step.cut) notes.push(planState("look", "the model saw only its beginning", "warning"));
    if (before !== undefined) {
      const wasted = turn.tokens ? `, ${turn.tokens.toLocaleString("en-US")} tokens wasted` : "";
      notes.push(planState("look", `same as step ${before}${wasted}`, "warning"));
    }
    return [call, element("div", { class: "mf-got" }, icon("arrow-right"), element("span", {}, result, ...notes))];
  }

  function drawAnswer() {
    const { turns, words: arriving, said, end, asking } = store.state;
    const last = turns.at(-1);
    const own = last && !last.steps.length ? last : null;
    const text = arriving || end?.answer || own?.text || "";
    const live = Boolean(arriving) || (store.running && asking > 0);
    answer.hidden = !text && !live;
    number.textContent = String(own && !arriving ? own.number : turns.length + (arriving || live ? 1 : 0) || 1);
    answer.classList.toggle("mf-live", live);
    const streamed = arriving || (end ? end.said : own && said.text);
    drawWords(streamed ? said : stillOf(text, end?.html), live);
  }

  /**
   * @param {string} text
   * @param {string} [html] the same as Markdown
   */
  function stillOf(text, html) {
    const [blocks, tail] = html ? [[html], ""] : [[], text];
    if (still.tail !== tail || still.blocks.join() !== blocks.join()) still = Object.assign(new Side(() => {}), { blocks, tail });
    return still;
  }

  /** @param {Side} side @param {boolean} live */
  function drawWords(side, live) {
    if (side !== drawn) words.clear();
    drawn = side;
    side.state = live ? "running" : "complete";
    words.draw(side);
  }

  /** @param {KeyboardEvent} event */
  function key(event) {
    const place = rows.findIndex(({ node }) => node === event.target);
    if (place < 0) return false;
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") toggle(rows[place]);
    else if (move === undefined) return false;
    else {
      const next = rows[Math.max(0, Math.min(place + move, rows.length - 1))].node;
      rows[place].node.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    }
    return true;
  }

  /** Return the moment after each turn's last step. */
  function ticks() {
    /** @type {number[]} */
    const found = [];
    store.moments.forEach(({ t, n }, index) => {
      if (t === "step" && store.moments[index + 1]?.n !== n) found.push(index + 1);
    });
    return found;
  }

  function foldResults() {
    const folded = steps.classList.toggle("mf-folded");
    fold.setAttribute("aria-pressed", String(folded));
  }

  /** @returns {Entry[]} */
  const entries = () => [
    { label: "Fold the results", checked: steps.classList.contains("mf-folded"), several: true, pick: foldResults },
    copyEntry(["step", "thought", "call", "result"], store.state.turns.flatMap(({ number, steps: each }) => each.map((step) => [String(number), step.thought, `${step.name}(${argumentsText(step.arguments)})`, step.result]))),
  ];

  function told() {
    const { turns, asking, words: arriving, end } = store.state;
    const number = turns.length + (asking || arriving ? 1 : 0);
    if (end) return `${turns.length} ${turns.length === 1 ? "step" : "steps"}`;
    return arriving ? `step ${number}, answering` : `step ${Math.max(1, number)}`;
  }

  return { nodes: [steps, answer], draw, ticks, key, tools: [fold], entries, state: told };
}

/**
 * Return for each repeated call the number of the step that made it first.
 * @param {PlanTurn[]} turns
 */
function callsBefore(turns) {
  /** @type {Map<string, number>} */
  const first = new Map();
  /** @type {Map<PlanStep, number>} */
  const again = new Map();
  for (const { number, steps } of turns) {
    for (const step of steps) {
      const same = `${step.name} ${step.arguments}`;
      const before = first.get(same);
      if (before === undefined) first.set(same, number);
      else again.set(step, before);
    }
  }
  return again;
}

/** @param {string | null} text JSON */
function argumentsText(text) {
  if (text === null) return "not readable";
  try {
    return Object.entries(JSON.parse(text)).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ");
  } catch {
    return text;
  }
}
