// @ts-check
// The opened calls of a plan: model calls as prompt and answer, tool calls as cards.

import { stateWord } from "../base/controls.js";
import { copied } from "../base/copy.js";
import { element } from "../base/dom.js";
import { tableText } from "../base/texts.js";
import { laneView } from "../tool_calls/lane.js";
import { Timeline } from "../tool_calls/timeline.js";
/** @import { Choice, IconName, Standing } from "../base/controls.js" */
/** @import { CallCard } from "../tool_calls/timeline.js" */
/** @import { PlanCall, PlanNode, PlanStep, PlanStore } from "./plan_store.js" */

/** @type {Record<string, string>} */
const PURPOSES = {
  sample: "asked for a chain of thoughts",
  propose: "asked for next thoughts",
  value: "asked for its value",
  judge: "asked which answers mean the same",
  close: "asked for the answer",
};

/**
 * Make one model call.
 * @param {PlanCall} call
 * @returns {HTMLElement}
 */
export function modelCall({ purpose, prompt, text, problem, seconds }) {
  const head = element("summary", {}, PURPOSES[purpose] ?? purpose, " ", element("span", { class: "mf-num mf-note" }, planSeconds(seconds)));
  const node = element("details", { class: "mf-call" }, head);
  if (prompt !== null) node.append(element("div", { class: "mf-role" }, "asked"), element("pre", { tabindex: "0" }, prompt));
  node.append(element("div", { class: "mf-role" }, "came"), element("pre", { tabindex: "0" }, text || "nothing"));
  if (problem) node.append(planState("look", problem, "warning"));
  return node;
}

/**
 * Make the tool calls of one step, drawn as in the view of tool calls.
 * @param {PlanStep[]} steps
 * @returns {HTMLElement}
 */
export function toolCards(steps) {
  const timeline = new Timeline();
  steps.forEach((step, number) => timeline.take([[number, 0, step.id, step.name, step.arguments ?? ""]], { [number]: cardOf(step) }));
  const board = { tools: () => ({}), timeline: () => timeline, hands: null };
  const views = timeline.tracks.map((track) => laneView(track, board));
  for (const view of views) view.draw();
  return element("div", { class: "msgflux-tool-calls mf-cards" }, element("div", { class: "mf-lanes" }, ...views.map(({ node }) => node)));
}

/**
 * @param {PlanStep} step
 * @returns {CallCard}
 */
function cardOf(step) {
  const status = step.arguments === null ? "invalid" : "complete";
  return {
    ...{ step: 1, custom: false, phase: "done", marks: [[0, "done"]], edited: null, reason: "" },
    ...{ result: step.result, left: step.left, seconds: null },
    final: { id: step.id, name: step.name, status, repaired: false, late: false, error: null, arguments: null },
  };
}

/**
 * Make a state of a mark and a word.
 * @param {Standing} standing
 * @param {string} text
 * @param {IconName | ""} [mark]
 */
export function planState(standing, text, mark = "") {
  const state = stateWord();
  state.set(standing, text, mark);
  return state.node;
}

/**
 * Return the entry of a menu that copies rows for a spreadsheet.
 * @param {string[]} heads
 * @param {string[][]} rows
 * @returns {Choice}
 */
export function copyEntry(heads, rows) {
  return { label: "Copy as a table", icon: "copy", disabled: !rows.length, pick: () => void copied(tableText([heads, ...rows])) };
}

/** @param {number} seconds */
export function planSeconds(seconds) {
  const digits = seconds < 10 ? 2 : 1;
  return `${seconds.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })} s`;
}

/** @type {Record<string, string>} */
const NODE_WORDS = {
  open: "not judged yet",
  over: "not judged: the plan ended first",
  kept: "kept for the next step",
  pruned: "pruned: others of its step were better",
  dead: "dead: your check says that it cannot lead to a solution",
  solved: "solved: your check says so",
};

/**
 * @param {PlanNode} about
 * @param {boolean} over whether the plan has ended
 * @returns {[Standing, string, IconName | ""]}
 */
export function nodeStanding({ state }, over) {
  if (state === "solved") return ["done", NODE_WORDS.solved, "check"];
  if (state === "dead") return ["none", NODE_WORDS.dead, "cross"];
  if (state === "open") return over ? ["none", NODE_WORDS.over, ""] : ["now", NODE_WORDS.open, ""];
  return ["none", NODE_WORDS[state] ?? state, ""];
}

/** @param {number} value */
export function planNumber(value) {
  return value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
}

/**
 * Return the moments at which the levels of a tree begin.
 * @param {PlanStore} store
 */
export function levelTicks(store) {
  /** @type {number[]} */
  const found = [];
  let level = 0;
  store.moments.forEach(({ t, l }, index) => {
    if (t !== "node" || l === undefined || l <= level) return;
    level = l;
    found.push(index);
  });
  return found.slice(1);
}
