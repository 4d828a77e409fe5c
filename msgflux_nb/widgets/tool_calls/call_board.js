// @ts-check
// The board of all calls of a run, live or in a twin: head, timeline, lanes, answer.

import { figure, iconButton, keyHint, opensMenu, stateWord, textButton } from "../base/controls.js";
import { copied, markdownBlock } from "../base/copy.js";
import { element, oncePerFrame, rootOf, setText, writes } from "../base/dom.js";
import { presentButton } from "../base/present.js";
import { CallStore } from "./call_store.js";
import { countText } from "./call_words.js";
import { laneView } from "./lane.js";
import { score } from "./score.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { Shown } from "./call_states.js" */
/** @import { LaneTrack, Timeline } from "./timeline.js" */

const MANY = 12; // with more calls, those out of sight are not laid out

/** @type {Record<string, Shown>} */
const RUN_STATES = {
  idle: ["none", "ready", ""],
  running: ["now", "being written", ""],
  none: ["now", "no call yet", ""],
  gone: ["look", "no kernel", "warning"],
  asked: ["look", "waits for you", "clock"],
  complete: ["done", "complete", "check"],
  stopped: ["look", "stopped", "stop"],
  failed: ["bad", "failed", "cross"],
};

/**
 * Make the whole view: head, timeline, lanes, answer, figures.
 * @param {CallStore} store
 * @param {HTMLElement} el
 * @param {{ live: boolean, signal: AbortSignal, beside?: boolean }} options `beside` a conversation, which shows what waits
 */
export function callBoard(store, el, { live, signal, beside = false }) {
  const state = stateWord();
  const title = element("span", { class: "mf-title" });
  const question = element("span", { class: "mf-note mf-cut mf-wide" });
  const waiting = element("button", { type: "button", class: "mf-bare mf-goes", title: "go to the call that waits for you", onclick: () => goTo(store.open[0]) }, state.node);
  const stop = textButton("Stop", "stop (Esc)", () => store.model?.send({ type: "stop" }), { icon: "stop", key: "esc", kind: "mf-line" });
  const more = iconButton("more", "more: the text as it came, copy as messages, approve all", () => {});
  opensMenu(more, "more", moreEntries, signal);
  const line = score(
    { timeline: () => store.timeline, changed: () => store.tell(), touched, busy: () => store.told.state === "running" },
    signal,
  );
  const lanes = element("div", { class: "mf-lanes", role: "group", "aria-label": "calls" });
  const hint = element("p", { class: "mf-hint mf-note" }, "Tool calls appear here, fragment by fragment, as a model writes them.");
  const answer = element("div", { class: "mf-answer-text mf-words", dir: "auto" });
  const said = element("section", { class: "mf-said-last", hidden: true }, element("div", { class: "mf-role" }, "assistant"), answer);
  const error = element("div", { class: "mf-error", role: "alert", hidden: true });
  const figures = element("span", { class: "mf-figs" });
  const spoken = element("div", { class: "mf-hidden", role: "status" });
  const keys = [["space", "play"], ["← →", "piece"], ...(live ? [["A", "approve"], ["R", "reject"]] : [])].map(([key, what]) => keyHint(key, what));
  const head = element("header", { class: "mf-top" }, title, waiting, question, element("span", { class: "mf-grow" }), presentButton(el, signal), more, ...(live ? [stop] : []));
  const body = element("div", { class: "mf-body mf-scroll" }, hint, lanes, said, error);
  const caption = element("p", { class: "mf-caption mf-note", hidden: !beside });
  el.append(head, caption, line.node, body, element("footer", { class: "mf-bottom" }, figures, element("span", { class: "mf-grow" }), element("span", { class: "mf-keys mf-wide", "aria-hidden": "true" }, ...keys)), spoken);
  /** @type {{ view: ReturnType<typeof laneView>, drawn: string, told: string }[]} */
  let views = [];
  /** @type {Timeline | null} */
  let timeline = null;

  /** Ask the kernel, once, to keep the live view. */
  function touched() {
    if (live && !el.dataset.kept) store.model?.send({ type: "keep" });
    el.dataset.kept = "true";
  }

  /** @param {number} number */
  function goTo(number) {
    if (!store.timeline.following) store.timeline.follow();
    store.tell();
    requestAnimationFrame(() => {
      const control = /** @type {HTMLElement | null} */ (views[number]?.view.node.querySelector(".mf-main"));
      control?.scrollIntoView({ block: "nearest" });
      control?.focus();
    });
  }

  /** Whether the raw texts are shown; a narrow view shows them only where a person wants them. */
  function rawShown() {
    const raw = lanes.querySelector(".mf-raw");
    return raw ? getComputedStyle(raw).display !== "none" : el.dataset.raw !== "off";
  }

  /** @returns {Entry[]} */
  function moreEntries() {
    const shown = rawShown();
    return [
      { label: "The text as it came", checked: shown, several: true, pick: () => (el.dataset.raw = shown ? "off" : "on") },
      { label: "Copy as messages", icon: "copy", pick: () => copied(callMessages(store)), disabled: !store.timeline.tracks.length },
      ...(live ? /** @type {Entry[]} */ ([{ label: "Approve all", icon: "check", pick: approveAll, disabled: !store.open.length, detail: store.open.length ? countText(store.open.length, "call") : "" }]) : []),
    ];
  }

  function approveAll() {
    for (const lane of store.open) store.decide(lane, "approve");
  }

  const board = {
    tools: () => store.told.tools,
    timeline: () => store.timeline,
    get hands() {
      return live ? store.hands : null;
    },
    first: () => store.open[0],
    over: () => ["complete", "stopped", "failed"].includes(store.told.state),
  };

  /** @param {LaneTrack} track */
  function addLane(track) {
    const view = laneView(track, board);
    const before = store.timeline.tracks[track.number - 1];
    if (before && before.card.step !== track.card.step) {
      lanes.append(element("div", { class: "mf-step mf-role" }, `step ${track.card.step}`));
    }
    view.node.setAttribute("tabindex", track.number ? "-1" : "0");
    lanes.append(view.node);
    views.push({ view, drawn: "", told: "" });
  }

  function drawLanes() {
    if (timeline !== store.timeline) {
      timeline = store.timeline;
      views = [];
      lanes.replaceChildren();
    }
    const atEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 24;
    const known = views.length;
    lanes.toggleAttribute("data-many", timeline.tracks.length > MANY);
    for (const track of timeline.tracks.slice(views.length)) addLane(track);
    const news = [];
    for (const [number, one] of views.entries()) {
      const track = timeline.tracks[number];
      const { count: fragments, phase, settled, begun } = timeline.look(track);
      const key = [fragments, phase, settled, begun, track.version, timeline.following, store.open[0] === number, board.over()].join();
      if (key === one.drawn) continue;
      one.drawn = key;
      const told = one.view.draw();
      if (told !== one.told && one.told) news.push(told);
      one.told = told;
    }
    if (news.length && timeline.following) spoken.textContent = news.slice(-3).join("; ");
    if (views.length > known && known && atEnd && timeline.following) body.scrollTop = body.scrollHeight;
  }

  let waited = -1; // the first call that waits

  /** Scroll the cards, and not the page, to the call whose decision comes next. */
  function revealWaiting() {
    const lane = timeline?.following ? views[waited]?.view.node : null;
    if (!lane) return;
    const [room, place] = [body, lane].map((one) => one.getBoundingClientRect());
    if (place.bottom > room.bottom) body.scrollTop += place.bottom - room.bottom;
    else if (place.top < room.top) body.scrollTop -= room.top - place.top;
  }

  let answered = "";

  /** @param {{ answer: string, html?: string }} told */
  function drawAnswer({ answer: text, html = "" }) {
    if (text + html === answered) return;
    answered = text + html;
    answer.replaceChildren(html ? markdownBlock(html) : text);
  }

  /** @param {number} waits @param {number} calls */
  function runningAs(waits, calls) {
    if (el.closest("[data-gone]")) return "gone";
    return waits ? "asked" : calls ? "running" : "none";
  }

  function drawRest() {
    const { told, timeline: time, problem } = store;
    const waits = store.open.length;
    const calls = time.tracks.length;
    const count = countText(calls + (told.more ?? 0), "tool call");
    const written = calls === 1 ? "How the call was written" : `How ${count} were written`;
    setText(title, calls ? (beside ? written : count) : "tool calls");
    if (beside) setText(caption, line.caption());
    const [standing, word, mark] = RUN_STATES[told.state === "running" ? runningAs(waits, calls) : told.state];
    state.set(standing, word === RUN_STATES.asked[1] ? (waits > 1 ? `${waits} wait for you` : "one waits for you") : word, mark);
    waiting.toggleAttribute("disabled", !waits);
    setText(question, told.question ?? "");
    question.title = told.question ?? "";
    stop.classList.toggle("mf-away", !told.running);
    hint.hidden = calls > 0 || told.state !== "idle";
    said.hidden = !told.answer && !told.html;
    said.classList.toggle("mf-unseen", time.shown < time.times.length);
    drawAnswer(told);
    const wrong = problem ?? told.error;
    error.hidden = !wrong;
    const text = wrong ? wrong.join(": ") : "";
    if (error.textContent !== text) error.textContent = text;
    const pieces = time.tracks.reduce((sum, track) => sum + track.times.length, 0);
    // Next to a conversation its last line has the figures.
    const words = [...(beside ? [] : [...told.status, pieces ? countText(pieces, "piece") : ""]), told.note ?? ""].filter(Boolean);
    if (figures.dataset.said !== words.join("\n")) figures.replaceChildren(...words.map(figure));
    figures.dataset.said = words.join("\n");
  }

  const draw = oncePerFrame(() => {
    if (signal.aborted) return;
    drawLanes();
    line.draw();
    drawRest();
    const first = store.open[0] ?? -1;
    if (first === waited) return;
    waited = first;
    revealWaiting();
  }, signal);

  const resized = new ResizeObserver(revealWaiting);
  resized.observe(body);
  signal.addEventListener("abort", () => resized.disconnect());
  for (const name of ["mf-gone", "mf-back"]) el.addEventListener(name, draw, { signal });
  lanes.addEventListener("keydown", (event) => {
    const nodes = views.map(({ view }) => view.node);
    const place = nodes.indexOf(/** @type {HTMLElement} */ (event.target));
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (place < 0 || step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = nodes[Math.max(0, Math.min(place + step, nodes.length - 1))];
    nodes[place].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
  el.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Escape" && store.told.running) store.model?.send({ type: "stop" });
    if (writes(target) || target.closest(".mf-menu, .mf-last, pre") || event.ctrlKey || event.metaKey || event.altKey) return;
    const first = store.open[0];
    const decision = first === undefined || !store.timeline.following ? null : views[first]?.view.decision;
    const key = event.key.toLowerCase();
    if (decision && key === "a") decision.approve();
    else if (decision && key === "e") decision.show("edit");
    else if (decision && key === "r") decision.show("reject");
    else {
      if (!(event.key === " " && target.closest("button")) && !target.closest(".mf-raw, .mf-parsed")) line.key(event);
      return;
    }
    event.preventDefault();
  });
  store.listeners.add(draw);
  signal.addEventListener("abort", () => store.listeners.delete(draw));
  store.tell();
}

/**
 * Return the calls and their results as messages of a chat completion.
 * @param {CallStore} store
 */
function callMessages({ timeline }) {
  const calls = timeline.tracks.map((track) => {
    const { id, name, final } = timeline.look(track);
    const text = track.card.edited ?? final?.arguments ?? track.text;
    return { call: { id, type: "function", function: { name, arguments: text } }, result: track.card.result };
  });
  const results = calls.filter(({ result }) => result !== null).map(({ call, result }) => ({ role: "tool", tool_call_id: call.id, content: result }));
  return JSON.stringify([{ role: "assistant", tool_calls: calls.map(({ call }) => call) }, ...results], null, 2);
}

/**
 * Replace a twin's static cards by the replay.
 * @param {HTMLOrSVGScriptElement | null} script the running script
 */
export function replayInTwin(script) {
  const twin = script?.closest(".msgflux-twin");
  const still = twin?.querySelector(".msgflux-static");
  const data = twin?.querySelector("script[type='application/json']")?.textContent;
  if (!twin || !data || !(still instanceof HTMLElement)) return;
  const store = new CallStore(null);
  store.load(JSON.parse(data));
  const el = element("div");
  rootOf(el, "msgflux-tool-calls", "tool calls, as a replay");
  callBoard(store, el, { live: false, signal: new AbortController().signal });
  still.hidden = true;
  twin.append(el);
}
