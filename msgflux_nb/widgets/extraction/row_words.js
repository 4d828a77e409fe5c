// @ts-check
// Words for the states of rows and for the progress of a batch.

import STATES from "../../display/states.json" with { type: "json" };
/** @import { IconName, Standing } from "../base/controls.js" */
/** @import { Picture } from "./extraction_view.js" */

/** @typedef {[standing: Standing, said: string, mark: IconName]} Mark */

/** The drawing of each state of a row. @type {Record<string, Mark>} */
export const ROW_STATES = /** @type {any} */ (STATES.rows);

/** States of failed rows: their words open the list of errors. */
export const EXCEPTIONS = ["invalid", "refused", "truncated", "failed"];

/** @param {number} count */
export const counted = (count) => count.toLocaleString("en-US");

/** @param {string} state of a row @returns {Mark} */
export const rowState = (state) => ROW_STATES[state] ?? ["look", state, "warning"];

/** @type {Record<string, string>} */
export const STATE_TITLES = {
  ok: "answered, and read as the schema says",
  cached: "known from before, or the same as another row: nothing was sent",
  skipped: "there was nothing in the row",
  interrupted: "was being answered when it was stopped",
  pending: "was not sent",
};

/**
 * Return the words after the number of rows.
 * @param {Picture} picture
 */
export function ofText({ state, total, finished, more_rows }) {
  if (state === "idle") return total === null ? "rows, number not known yet" : `row${total === 1 ? "" : "s"}, none asked about yet`;
  if (more_rows) return `tried of ${counted(finished + more_rows)}`;
  return total === null ? "rows so far" : `of ${counted(total)}`;
}

/**
 * @param {number} finished
 * @param {number | null} total null while it is unknown
 */
export function progressText(finished, total) {
  return `${counted(finished)}${total === null ? "" : ` of ${counted(total)}`} rows`;
}
