// @ts-check
// One call as it is drawn: who is called, how far it is, its text and its arguments, what became of it.

/** @type {Record<string, [shape: string, word: string]>} */
const CALL_STATES = {
  streaming: ["●", "streaming"],
  complete: ["✓", "complete"],
  repaired: ["◆", "repaired"],
  invalid: ["✕", "invalid"],
};
/** @type {Record<string, [shape: string, word: string]>} */
const CALL_PHASES = {
  asked: ["?", "waiting for approval"],
  running: ["●", "running"],
  done: ["→", "result"],
  failed: ["✕", "failed"],
  rejected: ["■", "rejected"],
  stopped: ["■", "stopped"],
};
const RESULT_LINE = 120; // characters of a result that stand in one line

/** @typedef {ReturnType<Timeline["look"]>} Look */

/**
 * How far a call is at a place of the stream.
 * @param {Look} look
 * @param {PartialJson | null} parser null for a text that is no JSON
 * @returns {string} a key of CALL_STATES
 */
function callState({ final }, parser) {
  if (final) return final.status === "complete" && final.repaired ? "repaired" : final.status;
  if (parser?.problem) return "invalid";
  return parser?.complete ? "complete" : "streaming";
}

/** A shape and a word beside each other; drawn when they change. */
function badge() {
  const shape = element("span", { class: "mf-shape", "aria-hidden": "true" });
  const word = element("span", { class: "mf-word" });
  const node = element("span", { class: "mf-badge", hidden: true }, shape, " ", word);
  let drawn = "";

  /**
   * @param {string} key
   * @param {[string, string] | undefined} look nothing is shown without one
   */
  function draw(key, look) {
    if (key === drawn) return;
    drawn = key;
    node.hidden = !look;
    [shape.textContent, word.textContent] = look ?? ["", ""];
    shape.className = `mf-shape mf-${key}`;
  }

  return { node, draw };
}

/**
 * What came back: in one line if it is short. What is known but not shown yet keeps its room, so that nothing moves.
 */
function resultLine() {
  const mark = badge();
  const short = element("span", { class: "mf-result-line" });
  const time = element("span", { class: "mf-figures" });
  const long = element("pre", { class: "mf-result", tabindex: "0", "aria-label": "result" });
  const said = element("div", { class: "mf-said" });
  const node = element("div", { class: "mf-outcome" }, said, element("div", {}, mark.node, " ", short, " ", time), long);
  let drawn = "";

  /**
   * @param {LaneTrack} track
   * @param {Look} look
   */
  function draw({ card }, { phase, settled }) {
    const { result, reason, edited, seconds } = card;
    const rejected = card.phase === "rejected"; // the model is told the reason, and nothing else
    const [text, left] = rejected ? [reason, 0] : [result, card.left];
    const after = ["running", "done", "failed"].includes(phase);
    const shown = text !== null && (rejected ? phase === "rejected" : settled);
    const key = `${phase} ${text?.length} ${left} ${shown} ${edited}`;
    if (key === drawn) return;
    drawn = key;
    const state = phase || (shown ? "done" : "");
    mark.draw(state, CALL_PHASES[state]);
    said.textContent = edited === null ? "" : `edited: ${edited}`;
    said.classList.toggle("mf-unseen", !after);
    const line = text !== null && text.length <= RESULT_LINE && !text.includes("\n");
    short.textContent = line ? text : text === null ? "" : countText(text.length + left, "character");
    long.hidden = line || text === null;
    long.textContent = long.hidden ? "" : `${text}${left ? `\n… ${countText(left, "character")} more` : ""}`;
    time.textContent = text !== null && seconds !== null && !rejected ? secondsText(seconds * 1000) : "";
    for (const part of [short, long, time]) part.classList.toggle("mf-unseen", !shown);
  }

  return { node, draw };
}

/**
 * @param {LaneTrack} track
 * @param {{ tools: () => Record<string, ToolField[]>, timeline: () => Timeline, hands: Hands | null, seek: (track: LaneTrack, count: number) => void }} board
 * @returns {{ node: HTMLElement, draw: () => string }} `draw` returns what a reader is told
 */
function laneView(track, board) {
  const name = element("b", { class: "mf-name" });
  const id = element("span", { class: "mf-id" });
  const state = badge();
  const late = badge();
  const unknown = badge();
  const count = element("span", { class: "mf-figures" });
  const error = element("div", { class: "mf-problem", hidden: true });
  const raw = rawPane(track);
  const parsed = fieldsPane(board.tools);
  const bars = fragmentBars(track, (fragments) => board.seek(track, fragments));
  const outcome = resultLine();
  const fields = () => board.tools()[name.textContent ?? ""];
  const decision = board.hands && decisionBar(track, board.hands, fields);
  const head = element(
    "div",
    { class: "mf-lane-head" },
    element("span", { class: "mf-number", "aria-hidden": "true" }, String(track.number + 1)),
    ...[name, id, state.node, late.node, unknown.node, count],
  );
  const node = element(
    "article",
    { class: "mf-lane", tabindex: "-1" },
    head,
    element("div", { class: "mf-lane-body" }, raw.node, parsed.node),
    ...[error, bars.node, element("div", { class: "mf-verdict" }, outcome.node, ...(decision ? [decision.node] : []))],
  );
  late.draw("late", ["◷", "late id"]);
  unknown.draw("invalid", ["✕", "no such tool"]);
  late.node.title = "the id came after the arguments had begun";

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
    if (name.textContent !== (look.name || "…")) name.textContent = look.name || "…";
    if (id.textContent !== look.id) id.textContent = look.id;
    state.draw(key, CALL_STATES[key]);
    late.node.hidden = !look.late;
    unknown.node.hidden = !look.final || !Object.keys(board.tools()).length || look.name in board.tools();
    raw.draw(look.count);
    const [filled, all] = parsed.draw(look.name, parser, text, look.final !== undefined);
    const figures = all ? `${filled}/${countText(all, "field")}` : "";
    if (count.textContent !== figures) count.textContent = figures;
    const early = key === "invalid" ? (plain?.problem ?? "") : "";
    const wrong = track.card.final ? (track.card.final.error ?? "") : early;
    if (error.textContent !== wrong) error.textContent = wrong;
    error.hidden = !wrong;
    error.classList.toggle("mf-unseen", !look.final && !early);
    bars.draw(look.count);
    outcome.draw(track, look);
    decision?.draw(track.card.phase === "asked" && board.timeline().following);
    const phase = CALL_PHASES[look.phase];
    const told = `call ${track.number + 1}, ${look.name}: ${phase ? phase[1] : CALL_STATES[key][1]}`;
    if (node.getAttribute("aria-label") !== told) node.setAttribute("aria-label", told);
    return told;
  }

  return { node, draw };
}
