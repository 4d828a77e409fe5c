// @ts-check
// The view of a batch: head, bar of states, table, foot.

import { figure, icon, iconButton, opensMenu, textButton } from "../base/controls.js";
import { copied } from "../base/copy.js";
import { element, oncePerFrame, rootOf, setText } from "../base/dom.js";
import { errorOf, guarded, mishapLine } from "../base/guard.js";
import { presentButton } from "../base/present.js";
import { tableText } from "../base/texts.js";
import { interruptKernel } from "./interrupt.js";
import { problemList } from "./kinds.js";
import { rowTable } from "./rows.js";
import { counted, EXCEPTIONS, progressText } from "./row_words.js";
import { sentence, stateBar } from "./states.js";
/** @import { Model } from "../base/dom.js" */
/** @import { Head } from "./heads.js" */
/** @import { ToldProblem } from "./kinds.js" */
/** @import { Opened, ToldRow } from "./rows.js" */

/**
 * @typedef {{
 *   state: string, schema: string, model: string, total: number | null, finished: number, in_flight: number, asking: string[],
 *   counts: Record<string, number>, figures: [name: string, value: string][], paid: [string, string], columns: string[],
 *   more_columns: number, heads: Head[], rows: ToldRow[], only: string, problems: ToldProblem[], more_problems: number,
 *   note: string, forecast: string, ahead: Record<string, string>, more_rows: number, action: "" | "go" | "stop",
 *   action_label: string, blocking: string, error: string,
 * }} Picture
 */

/** @type {Record<string, string>} for screen readers */
const RUN_STATES = {
  idle: "ready",
  running: "running",
  stopping: "stopping",
  complete: "complete",
  sampled: "sample tried",
  stopped: "stopped",
  failed: "failed",
};
const SPOKEN_MS = 5_000; // between two sentences for screen readers
const PATIENCE_MS = 600; // if Stop has no effect for this long, the kernel is interrupted, or a note is shown
const DOUBLE_CLICK_MS = 500; // a second click within this time is not a click on the button's next label
const NARROW_LEAVES = ["and take", "tokens"]; // of the forecast, in its title, where there is little room
const DEAF = "This kernel handles buttons only between two cells: use the notebook's own ■ (interrupt the kernel). The rows so far are kept.";

export default guarded(() => {
  /** @type {string} the kernel's error, for all views */
  let problem = "";
  /** @type {Set<{ draw: () => void, opened: (told: Opened) => void }>} */
  const views = new Set();

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      const tell = () => {
        for (const { draw } of views) draw();
      };
      model.on("msg:custom", (message) => {
        if (message.type === "opened") for (const view of views) view.opened(message);
        if (message.type !== "problem") return;
        problem = `${message.name}: ${message.message}`;
        tell();
      });
      model.on("change:picture", () => {
        const { state } = /** @type {Picture} */ (model.get("picture"));
        if (state === "running") problem = "";
        tell();
      });
    },

    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
    render({ model, el, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-extraction", "extraction");
      const board = extractionBoard(model, el, () => problem, leave.signal);
      const draw = oncePerFrame(board.draw, leave.signal);
      const view = { draw, opened: board.opened };
      views.add(view);
      leave.signal.addEventListener("abort", () => views.delete(view));
      board.draw();
      return () => leave.abort();
    },
  };
});

/**
 * Build one view and the functions that draw it.
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {() => string} problem
 * @param {AbortSignal} signal
 */
function extractionBoard(model, el, problem, signal) {
  let opened = "";
  const title = element("span", { class: "mf-title mf-cut" });
  const about = element("span", { class: "mf-note mf-cut" });
  const states = stateBar();
  const says = sentence((state) => {
    opened = opened === state ? "" : state;
    if (!opened && picture().only) model.send({ type: "only", state: "" });
    draw();
  });
  const rows = rowTable((position) => model.send({ type: "open", position }), () => foot.draw(picture(), rows.follows()));
  const problems = problemList((state) => model.send({ type: "only", state }));
  const note = element("p", { class: "mf-aside", "data-s": "look", hidden: true });
  const deaf = element("p", { class: "mf-aside", "data-s": "look", role: "status", hidden: true }, icon("warning"), element("span", {}, DEAF));
  const error = mishapLine();
  const spoken = element("div", { class: "mf-hidden", role: "status" });
  const foot = footLine(says.node, () => model.send({ type: "only", state: "" }), rows.toEnd);
  const act = actButton(model, el, deaf, signal);
  const head = element("header", { class: "mf-top" }, title, about, element("span", { class: "mf-grow" }), presentButton(el, signal), moreButton(), act.above);
  el.append(head, states.bar, says.node, problems.node, rows.node, note, deaf, error.node, act.ahead, foot.node, spoken);
  signal.addEventListener("abort", rows.leave);

  function moreButton() {
    const more = iconButton("more", "more: copy the rows", () => {});
    opensMenu(more, "more", () => [
      { label: "Copy the rows as a table", icon: "copy", disabled: !picture().rows.length, pick: () => copyRows(picture()) },
      "-", { heading: "show" },
      { label: "the last rows", checked: !picture().only, pick: () => model.send({ type: "only", state: "" }) },
      ...EXCEPTIONS.filter((name) => picture().counts[name]).map((name) => ({ label: `only ${name} rows`, checked: picture().only === name, pick: () => model.send({ type: "only", state: name }) })),
    ], signal);
    return more;
  }

  let spokenAt = 0;
  let state = "";

  /** @returns {Picture} */
  const picture = () => /** @type {any} */ (model.get("picture"));

  /** @param {Picture} told */
  function speak(told) {
    const now = performance.now();
    if (told.state === state && now - spokenAt < SPOKEN_MS) return;
    if (told.state !== "idle") {
      const failed = EXCEPTIONS.reduce((sum, name) => sum + told.counts[name], 0);
      spoken.textContent = `${RUN_STATES[told.state] ?? ""}: ${progressText(told.finished, told.total)}, ${counted(failed)} failed`;
    }
    spokenAt = now;
  }

  function draw() {
    const told = picture();
    if (!told?.state) return;
    setText(title, told.schema);
    setText(about, `from ${told.total === null ? "" : `${counted(told.total + told.more_rows)} `}rows · ${told.model}`);
    about.title = `${told.schema} from rows by ${told.model}`;
    states.draw(told);
    says.draw(told, opened);
    problems.draw(told, opened);
    rows.draw(told);
    act.draw(told);
    foot.draw(told, rows.follows());
    show(note, told.note);
    error.say(errorOf(problem() || told.error));
    if (told.state !== "running") deaf.hidden = true;
    speak(told);
    el.dataset.state = state = told.state;
    rows.settle();
  }

  return { draw, opened: rows.opened };
}

/**
 * Make the view's one action button. Run and Stop are in the head; the button to continue is below, with its forecast.
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {HTMLElement} deaf the note if Stop has no effect
 * @param {AbortSignal} signal
 */
function actButton(model, el, deaf, signal) {
  const label = element("span");
  const key = element("kbd", { "aria-hidden": "true" }, "esc");
  const node = element("button", { type: "button", class: "mf-btn mf-act", onclick: press }, icon("run"), label, key);
  const above = element("span", { class: "mf-action" });
  const facts = element("dl", { class: "mf-facts" });
  const ahead = element("div", { class: "mf-ahead", hidden: true }, facts, element("span", { class: "mf-grow" }));
  let [changed, drawn] = [-Infinity, ""];
  /** @type {number | undefined} */
  let waiting;

  /** @returns {Picture} */
  const picture = () => /** @type {any} */ (model.get("picture"));

  function press() {
    const { action, blocking } = picture();
    if (!action || performance.now() - changed < DOUBLE_CLICK_MS) return;
    model.send({ type: action });
    if (action !== "stop") return;
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      if (picture().state !== "running") return;
      const done = blocking ? await interruptKernel(blocking) : false;
      if (!done) deaf.hidden = picture().state !== "running";
    }, PATIENCE_MS);
  }

  /** @param {Picture} told */
  function draw(told) {
    const below = isBelow(told);
    const held = document.activeElement === node;
    const place = below ? ahead : above;
    ahead.hidden = !below; // a hidden button takes no focus
    if (node.parentElement !== place) {
      place.append(node);
      if (held) node.focus();
    }
    const text = told.action_label || "Stop";
    if (drawn !== text) {
      if (drawn) changed = performance.now();
      drawn = text;
      label.textContent = text;
      const stops = !told.action || told.action === "stop";
      node.firstElementChild?.replaceWith(icon(stops ? "stop" : "run"));
      node.classList.toggle("mf-primary", !stops);
      node.classList.toggle("mf-line", stops);
      key.hidden = !stops;
      node.title = stops ? "stop, and keep the results so far (Esc)" : text;
    }
    // Keep its place and its focus.
    node.classList.toggle("mf-away", !told.action && told.state !== "stopping");
    node.setAttribute("aria-disabled", String(!told.action));
    const facts_ = Object.entries(told.ahead);
    keepOnlyFacts(facts_.length ? facts_ : below ? leftFacts(told) : []);
  }

  /** @param {[string, string][]} found */
  function keepOnlyFacts(found) {
    const said = JSON.stringify(found);
    if (facts.dataset.said === said) return;
    facts.dataset.said = said;
    facts.title = found.map(([name, value]) => `${name}: ${value}`).join("\n");
    facts.replaceChildren(...found.map(([name, value]) => element("div", { class: NARROW_LEAVES.includes(name) ? "mf-mid" : null }, element("dt", {}, name), element("dd", {}, value))));
  }

  el.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && picture().action === "stop" && !el.dataset.present) press();
  });
  signal.addEventListener("abort", () => clearTimeout(waiting));
  return { above, ahead, draw };
}

/**
 * Return whether the button is below the rows, next to the forecast for the others.
 * @param {Picture} told
 */
function isBelow({ action, state }) {
  return action === "go" && state !== "idle";
}

/**
 * Return facts about the remaining rows after a stop.
 * @param {Picture} told
 * @returns {[string, string][]}
 */
function leftFacts({ counts, figures }) {
  const left = counts.pending + counts.interrupted;
  const cost = Object.fromEntries(figures)["for the rest"] ?? "–";
  return left ? [["left", `${counted(left)} row${left === 1 ? "" : "s"}`], ...(cost === "–" ? [] : /** @type {[string, string][]} */ ([["cost about", cost.replace("≈ ", "")]]))] : [];
}

/**
 * Make the foot: rate, tokens, and which rows are shown. Where the forecast is the foot, the figures stand above the rows.
 * @param {HTMLElement} above
 * @param {() => void} all
 * @param {() => void} toEnd
 */
function footLine(above, all, toEnd) {
  const figures = element("span", { class: "mf-figs" });
  const shown = element("span", { class: "mf-note mf-mid" });
  const back = textButton("show all rows", "the last rows of all kinds", all);
  const follow = textButton("follow new rows", "go to the last row, and follow those that arrive (End)", toEnd, { key: "End", class: "mf-dim mf-small mf-mid" });
  const node = element("footer", { class: "mf-bottom" }, element("span", { class: "mf-grow" }), shown, follow, back);

  /**
   * @param {Picture} picture
   * @param {boolean} follows
   */
  function draw(picture, follows) {
    const { figures: told, counts, only, rows, state } = picture;
    const below = isBelow(picture);
    const place = below ? above : node;
    if (figures.parentElement !== place) place.insertBefore(figures, below ? place.lastElementChild : place.firstElementChild);
    node.hidden = below && !only;
    const value = Object.fromEntries(told);
    const known = (/** @type {string} */ name) => (value[name] === "–" ? "" : value[name] ?? "");
    const tokens = [known("tokens in") && `${known("tokens in")} in`, known("tokens out") && `${known("tokens out")} out`];
    const cached = counts.cached && state !== "idle" ? `${counted(counts.cached)} known before, paid once` : "";
    const recorded = known("recorded") && `recorded ${known("recorded")}`;
    const parts = [known("rate"), tokens.filter(Boolean).join(" · "), cached, recorded].filter(Boolean);
    if (figures.dataset.said !== parts.join("\n")) figures.replaceChildren(...parts.map(figure));
    figures.dataset.said = parts.join("\n");
    const running = state === "running" || state === "stopping";
    setText(shown, only ? `only ${only} rows` : !rows.length ? "" : running && follows ? "the last rows · following" : "the last rows");
    follow.hidden = Boolean(only) || !running || follows || !rows.length;
    back.hidden = !only;
  }

  return { node, draw };
}

/**
 * Copy the shown rows as a table for spreadsheets.
 * @param {Picture} picture
 */
function copyRows({ columns, rows }) {
  const lines = rows.map(([, label, state, cells, error]) => [label, state, ...(cells.length ? cells : [error])]);
  void copied(tableText([["row", "state", ...columns], ...lines]));
}

/**
 * @param {HTMLElement} node
 * @param {string} text
 */
function show(node, text) {
  node.hidden = !text;
  setText(node, text);
}
