// @ts-check
// The lane of one call: its tool, its state, its raw text, its arguments and its result.

import { icon, stateWord } from "../base/controls.js";
import { element, setText } from "../base/dom.js";
import { countText } from "./call_words.js";
import { CALL_PHASES, callState, laneState } from "./call_states.js";
import { decisionBar } from "./lane_decision.js";
import { fieldsPane } from "./lane_fields.js";
import { rawPane } from "./lane_raw.js";
/** @import { Look } from "./call_states.js" */
/** @import { Hands } from "./lane_decision.js" */
/** @import { LaneTrack, Timeline, ToolField } from "./timeline.js" */

const LATE = "late id: the id came after the arguments had begun";
const UNKNOWN = "no such tool: none of the tools that were given has this name";
const REPAIRED = "repaired: the text was not a JSON object, and was read as the fields above";
const RESULT_LINE = 120; // a longer result is folded

/**
 * Make the result: one line if it is short. A result that is not shown yet keeps its space, so that nothing moves.
 */
function resultLine() {
  const arrow = element("span", { class: "mf-arrow" }, icon("arrow-right"));
  const short = element("span", { class: "mf-result-line mf-words", dir: "auto" });
  const long = element("pre", { class: "mf-result mf-mono", tabindex: "0", "aria-label": "result" });
  const said = element("div", { class: "mf-said mf-note" });
  const node = element("div", { class: "mf-outcome" }, said, element("div", { class: "mf-came" }, arrow, short), long);
  let drawn = "";

  /**
   * @param {LaneTrack} track
   * @param {Look} look
   */
  function draw({ card }, { phase, settled }) {
    const { result, reason, edited } = card;
    const rejected = card.phase === "rejected"; // the model only gets the reason
    const [text, left] = rejected ? [reason, 0] : [result, card.left];
    const after = ["running", "done", "failed"].includes(phase);
    const shown = text !== null && (rejected ? phase === "rejected" : settled);
    const key = `${phase} ${text?.length} ${left} ${shown} ${edited}`;
    if (key === drawn) return;
    drawn = key;
    node.hidden = text === null && edited === null;
    said.textContent = edited === null ? "" : `edited: ${edited}`;
    said.classList.toggle("mf-unseen", !after);
    const line = text !== null && text.length <= RESULT_LINE && !text.includes("\n");
    short.textContent = line ? text : text === null ? "" : countText(text.length + left, "character");
    long.hidden = line || text === null;
    long.textContent = long.hidden ? "" : `${text}${left ? `\n… ${countText(left, "character")} more` : ""}`;
    for (const part of [arrow, short, long]) part.classList.toggle("mf-unseen", !shown);
  }

  return { node, draw };
}

/**
 * Return the last line of an undecided call: what will happen, in one sentence. The buttons of a decision replace it.
 * @param {Look} look
 * @param {boolean} complete whether its arguments are
 * @param {boolean} asks whether a person is asked
 */
function waitingText({ phase, begun, final }, complete, asks) {
  if (asks) return "Nothing has run yet. Approve runs it in your kernel; Reject tells the model why not.";
  if (!begun || final || phase) return "";
  return complete ? "waits until the others are written" : "nothing runs before the call is complete";
}

/**
 * @param {LaneTrack} track
 * @param {{ tools: () => Record<string, ToolField[]>, timeline: () => Timeline, hands: Hands | null, first?: () => number | undefined, over?: () => boolean }} board
 *   `first` is the call that waits now, `over` whether nothing more comes
 * @returns {{ node: HTMLElement, draw: () => string, decision: ReturnType<typeof decisionBar> | null }} `draw` returns the words for screen readers
 */
export function laneView(track, board) {
  const name = element("code", { class: "mf-name mf-cut" });
  const state = stateWord();
  const error = element("div", { class: "mf-problem", hidden: true });
  const remark = element("div", { class: "mf-remark mf-note", hidden: true });
  const quiet = element("span", { class: "mf-quietly mf-note" });
  const raw = rawPane(track);
  const parsed = fieldsPane(board.tools);
  const outcome = resultLine();
  const fields = () => board.tools()[name.textContent ?? ""];
  const decision = board.hands && decisionBar(track, board.hands, fields);
  const number = element("span", { class: "mf-no", "aria-hidden": "true" }, String(track.number + 1));
  const head = element("header", { class: "mf-lane-head" }, number, name, element("span", { class: "mf-grow" }), state.node);
  const node = element(
    "article",
    { class: "mf-lane", tabindex: "-1" },
    ...[head, raw.node, parsed.node],
    element("footer", { class: "mf-verdict" }, error, remark, outcome.node, ...(decision ? [decision.node] : []), quiet),
  );

  function draw() {
    const look = board.timeline().look(track);
    const custom = track.card.custom;
    const plain = custom ? null : track.parserAt(look.count);
    const other = look.final?.arguments ?? null;
    const parser = plain && other !== null ? track.otherReading(other) : plain;
    const text = other ?? track.text.slice(0, track.length(look.count));
    const key = callState(look, plain);
    node.classList.toggle("mf-later", !look.begun);
    node.dataset.state = key;
    // Next to a conversation a card is shown there from here on.
    const told_ = board.timeline().following && (look.phase !== "asked" || board.first?.() === track.number);
    node.dataset.told = told_ ? look.phase : "";
    setText(name, look.name || "…");
    head.title = look.id ? `${look.name} · ${look.id}` : look.name;
    raw.draw(look.count);
    // Show all fields of a known call from its first moment, so that nothing moves in a replay.
    const [filled, all] = parsed.draw(track.card.final?.name ?? look.name, parser, text, look.final !== undefined);
    const tools = board.tools();
    const { final } = track.card;
    const strange = final !== undefined && Object.keys(tools).length > 0 && !(final.name in tools);
    const unknown = strange && look.final !== undefined;
    const shown = laneState(look, key, { unknown, fields: all ? `${filled} of ${countText(all, "field")}` : "", seconds: track.card.seconds, over: (board.over?.() ?? false) && look.count === track.moments.length });
    state.set(...shown);
    // A note that is not shown yet keeps its space, so that nothing moves.
    const repaired = final?.repaired && final.status === "complete";
    const remarks = [final?.late && LATE, strange && UNKNOWN, repaired && REPAIRED].filter(Boolean).join(" · ");
    setText(remark, remarks);
    remark.hidden = !remarks;
    remark.classList.toggle("mf-unseen", !look.final);
    const early = key === "invalid" ? (plain?.problem ?? "") : "";
    const wrong = track.card.final ? (track.card.final.error ?? "") : early;
    setText(error, wrong);
    error.hidden = !wrong;
    error.classList.toggle("mf-unseen", !look.final && !early);
    outcome.draw(track, look);
    const asks = track.card.phase === "asked" && board.timeline().following;
    decision?.draw(asks, board.first?.() === track.number);
    setText(quiet, board.hands ? waitingText(look, key === "complete", asks) : "");
    const told = `call ${track.number + 1}, ${look.name}: ${look.phase && CALL_PHASES[look.phase] ? CALL_PHASES[look.phase][1] : shown[1]}`;
    if (node.getAttribute("aria-label") !== told) node.setAttribute("aria-label", told);
    return told;
  }

  return { node, draw, decision };
}
