// @ts-check
// The panel of a plan schema: fill the structure by one call, or run the plan by several calls, shown below.

import { textButton } from "../base/controls.js";
import { element, onChange } from "../base/dom.js";
/** @import { Panel } from "./panels.js" */
/** @import { Play } from "./play.js" */

/** @type {Record<string, string>} */
const PLAN_WORDS = {
  react: "think, use the tools, read their results, until there is an answer",
  self_consistency: "ask the same several times, and take the answer that most give",
  tree_of_thoughts: "propose next thoughts, value them, and go on with the best",
};

/**
 * @param {Play} play
 * @param {HTMLElement} place the place of the plan's view
 * @param {AbortSignal} signal
 */
export function planPanel(play, place, signal) {
  const { model } = play;
  const [once, several] = /** @type {const} */ ([["one call", false], ["run the plan", true]]).map(([label, runs]) => {
    const node = textButton(label, runs ? "several calls of the model" : "the model fills the structure in one answer", () => choose(runs), { kind: "mf-line" });
    node.setAttribute("role", "radio");
    return node;
  });
  const group = element("div", { class: "mf-plan-choice", role: "radiogroup", "aria-label": "how the plan is carried out" }, once, several);
  const words = element("p", { class: "mf-note" });
  const node = element("div", { class: "mf-plan-panel" }, element("div", { class: "mf-plan-way" }, group, words), place);

  /** @param {boolean} runs */
  function choose(runs) {
    model.set("runs_plan", runs);
    model.save_changes();
    draw();
  }

  group.addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    choose(!model.get("runs_plan"));
    (model.get("runs_plan") ? several : once).focus();
  });

  /** Whether there is a plan to run or to show. */
  const there = () => model.get("plan_driver") !== "" || place.querySelector(".mf-vote, .mf-steps, .mf-wood") !== null;

  function draw() {
    const runs = model.get("runs_plan");
    for (const [button, chosen] of /** @type {const} */ ([[once, !runs], [several, runs]])) {
      button.setAttribute("aria-checked", String(chosen));
      button.setAttribute("aria-pressed", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    group.hidden = model.get("plan_driver") === "";
    const told = PLAN_WORDS[model.get("plan_driver")] ?? "";
    words.textContent = group.hidden ? "" : runs ? `${told}: several calls` : "the model fills the whole structure in one answer";
  }

  onChange(model, ["plan_driver", "runs_plan"], draw, signal);
  draw();
  /** @type {Panel} */
  const panel = { name: "plan", node, draw };
  return { panel, there };
}
