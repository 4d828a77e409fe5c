// @ts-check
// The state of a call: its outcome, or else the progress of its arguments.

import STATES from "../../display/states.json" with { type: "json" };
import { secondsText } from "./call_words.js";
/** @import { IconName, Standing } from "../base/controls.js" */
/** @import { PartialJson } from "../base/partial.js" */
/** @import { Timeline } from "./timeline.js" */

/** @typedef {[standing: Standing, word: string, mark: IconName | ""]} Shown */
/** @typedef {ReturnType<Timeline["look"]>} Look */

/** @type {Record<string, Shown>} */
const CALL_STATES = /** @type {any} */ (STATES.calls);
/** @type {Record<string, Shown>} */
export const CALL_PHASES = /** @type {any} */ (STATES.phases);

/**
 * Return the progress of a call at a moment of the stream.
 * @param {Look} look
 * @param {PartialJson | null} parser null for a text that is not JSON
 * @returns {string} a key of CALL_STATES
 */
export function callState({ final }, parser) {
  if (final) return final.status === "complete" && final.repaired ? "repaired" : final.status;
  if (parser?.problem) return "invalid";
  return parser?.complete ? "complete" : "streaming";
}

/**
 * Return the state of a call: its outcome, or else the progress of its arguments.
 * @param {Look} look
 * @param {string} key of CALL_STATES
 * @param {{ unknown: boolean, fields: string, seconds: number | null, over: boolean }} more
 * @returns {Shown}
 */
export function laneState({ begun, phase, late }, key, { unknown, fields, seconds, over }) {
  if (!begun) return ["none", "not begun", ""];
  if (key === "streaming" && over && !phase) return CALL_PHASES.stopped;
  const [standing, word, mark] = CALL_PHASES[phase] ?? CALL_STATES[key];
  if (phase === "done" && seconds !== null) return [standing, `ran ${secondsText(seconds * 1000)}`, mark];
  if (phase) return [standing, word, mark];
  if (key === "streaming") return ["now", fields || word, ""];
  if (key !== "invalid" && unknown) return ["bad", "no such tool", "cross"];
  if (key === "complete" && late) return ["look", "late id", "clock"];
  return [standing, word, mark];
}
