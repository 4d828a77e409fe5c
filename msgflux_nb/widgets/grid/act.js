// @ts-check
// The one action button of a grid's view: run, stop, continue.

import { icon } from "../base/controls.js";
import { element } from "../base/dom.js";
import { interruptKernel } from "../extraction/interrupt.js";
/** @import { Model } from "../base/dom.js" */
/** @import { ToldBoard } from "./matrix.js" */

const STOP_HEARD_MS = 600; // if Stop has no effect for this long, the kernel is interrupted, or a note is shown
const STOP_DEAF = "This kernel handles buttons only between two cells: use the notebook's own ■ (interrupt the kernel). The answers so far are kept.";

/**
 * @param {Model} model
 * @param {() => ToldBoard} board
 * @param {(sentence: string) => void} say shows a note if Stop has no effect
 * @param {AbortSignal} signal
 */
export function gridAct(model, board, say, signal) {
  const label = element("span");
  const key = element("kbd", { "aria-hidden": "true" }, "esc");
  const node = element("button", { type: "button", class: "mf-btn mf-act", onclick: press }, icon("run"), label, key);
  /** @type {number | undefined} */
  let waiting;
  let drawn = "";

  function press() {
    const { action, blocking } = board();
    if (!action) return;
    model.send({ type: action });
    if (action !== "stop") return;
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      if (board().state !== "running") return;
      const done = blocking ? await interruptKernel(blocking) : false;
      if (!done && board().state === "running") say(STOP_DEAF);
    }, STOP_HEARD_MS);
  }
  signal.addEventListener("abort", () => clearTimeout(waiting));

  return {
    node,
    press,
    /** @param {ToldBoard} told */
    draw(told) {
      node.hidden = !told.action && told.state !== "stopping";
      node.setAttribute("aria-disabled", String(!told.action));
      if (drawn === told.action_label) return;
      drawn = told.action_label;
      const stops = told.action !== "go";
      label.textContent = drawn;
      node.firstElementChild?.replaceWith(icon(stops ? "stop" : "run"));
      node.classList.toggle("mf-primary", !stops);
      node.classList.toggle("mf-line", stops);
      key.hidden = !stops;
    },
  };
}
