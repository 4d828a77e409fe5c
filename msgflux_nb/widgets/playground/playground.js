// @ts-check
// The playground: head, conversation, panels, status. The inner widgets draw themselves.

import { textButton } from "../base/controls.js";
import { copied } from "../base/copy.js";
import { element, oncePerFrame, onChange, rootOf, staleNote, writes } from "../base/dom.js";
import { guarded } from "../base/guard.js";
import { answers } from "./answer.js";
import { differenceMarks } from "./differences.js";
import { playHead } from "./head.js";
import { codePanel, rawPanel, tabbed, versionsPanel } from "./panels.js";
import { planPanel } from "./plan_panel.js";
import { Play } from "./play.js";
import { quietJson } from "./quiet_json.js";
import { linkFields, lowerEdge, sidePanel } from "./side_panel.js";
import { starters } from "./starters.js";
import { statusBar } from "./status_bar.js";
import { tokenLens } from "./token_lens.js";
import { waitingCard } from "./waiting.js";
/** @import { Child, Host, Model } from "../base/dom.js" */
/** @import { Side } from "../base/stream.js" */
/** @import { Inner } from "./play.js" */

let playgrounds = 0; // makes the ids of tabs unique

/** One widget with any number of views: the state is here, and each view draws it. */
export default guarded(() => {
  /** @type {Play} */
  let play;

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      play = new Play(model);
      play.connect();
    },

    /** @param {{ model: Model, el: HTMLElement, host: Host, signal?: AbortSignal }} props */
    async render({ model, el, host, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-playground", "Playground");
      el.classList.add("mf-view");
      const left = element("div", { class: "mf-pane mf-talk" });
      el.append(element("div", { class: "mf-panes" }, left));
      const names = /** @type {const} */ (["builder", "prefill", "picker", "calls", "plan"]);
      const [builder, prefill, picker, calls, plan] = await Promise.all(names.map((name) => host.getWidget(model.get(name))));
      const inner = { builder: builder.exports, prefill: prefill.exports, picker: picker.exports };
      play.filled(inner);
      const places = { structure: element("div"), tools: element("div"), plan: element("div") };
      if (leave.signal.aborted) return; // the view was removed before the inner widgets were there
      await draws(builder, left, leave.signal);
      const start = /** @type {HTMLElement} */ (left.querySelector(".mf-start-slot"));
      await Promise.all([
        draws(prefill, start, leave.signal),
        draws(picker, places.structure, leave.signal),
        draws(calls, places.tools, leave.signal, { "data-beside": "" }),
        draws(plan, places.plan, leave.signal),
      ]);
      if (leave.signal.aborted) return;
      whole(play, el, { left, places, inner }, leave.signal);
      return () => leave.abort();
    },
  };
});

/**
 * @param {Play} play
 * @param {HTMLElement} el
 * @param {{ left: HTMLElement, places: Record<"structure" | "tools" | "plan", HTMLElement>, inner: Inner }} made
 * @param {AbortSignal} signal
 */
function whole(play, el, { left, places, inner }, signal) {
  const { model } = play;
  const { builder, prefill, picker } = inner;
  const at = (/** @type {string} */ name) => /** @type {HTMLElement} */ (left.querySelector(name));
  const [slot, scroller, message] = [at(".mf-slot"), at(".mf-talking"), at(".mf-composer > .mf-prompt")];
  const panes = /** @type {HTMLElement} */ (el.querySelector(".mf-panes"));
  playgrounds += 1;
  const code = codePanel(play, signal);
  const lens = tokenLens(play, signal);
  const plan = planPanel(play, places.plan, signal);
  const panels = [
    { name: "structure", node: places.structure },
    { name: "tools", node: places.tools },
    plan.panel,
    { name: "tokens", ...lens },
    versionsPanel(play, () => open("versions"), signal),
    rawPanel(play, signal),
    code.panel,
  ];
  const tabs = tabbed(panels, `mf-play-${playgrounds}`, signal);
  const side = sidePanel(play, panes, tabs.node, () => Boolean(picker.model.get("schema")) || plan.there());
  const status = statusBar(play, () => (play.kept && !play.busy ? staleNote(el, model) : ""));
  const head = playHead(play, el, inner, { code: copies, table: copyTable, grid, panel: side.toggle, hidden: side.hidden, probabilities, structure: () => open("structure") }, signal);
  const waiting = waitingCard(play, () => message.focus());
  const start = startPart(left, prefill, signal);
  const button = runButton(play, run);
  const begin = starters(inner, (text, more) => {
    builder.write(text);
    if (more?.schema !== undefined) {
      picker.model.set("schema", more.schema);
      picker.model.save_changes();
    }
    if (more?.prefill) prefill.set(more.prefill);
    start.draw();
    message.focus();
  });
  const drawAnswers = answers(play, slot, { waiting: waiting.node, goOn });
  const marks = differenceMarks(slot);
  const quiet = quietJson(el, signal);
  head.node.firstElementChild?.after(lens.head);
  status.node.append(lens.keys);
  at(".mf-run-slot").append(button.node);
  at(".mf-add").classList.replace("mf-primary", "mf-dim"); // only one filled button per view
  left.querySelector(".mf-talking")?.before(begin.node);
  el.prepend(head.node);
  panes.append(tabs.node);
  el.append(lowerEdge(panes), status.node);
  linkFields(el, signal);

  /** @param {string} name */
  function open(name) {
    side.show();
    tabs.open(name);
  }

  async function run() {
    if (!play.free) return;
    await builder.ready(); // a file that is still being sent belongs to the message
    const draft = play.free ? builder.draft() : null;
    if (!draft) return;
    play.choosing = false;
    play.ask("run", { draft, at: Date.now(), prefill: prefill.value(), schema: picker.model.get("schema") });
    scroller.scrollTop = scroller.scrollHeight; // scroll to the question
  }

  function copies() {
    code.want();
    open("code");
  }

  function grid() {
    open("code");
    code.grid();
  }

  function probabilities() {
    model.set("logprobs", !model.get("logprobs"));
    model.save_changes();
  }

  function copyTable() {
    const { rows } = play.sides[0];
    const cell = (/** @type {string | null} */ text) => (text ?? "").replace(/[\t\n]/g, " ");
    void copied([rows.map(({ field }) => cell(field)), rows.map(({ value }) => cell(value))].map((line) => line.join("\t")).join("\n"));
  }

  /** Choose the answer with which the conversation continues. @param {number} index */
  function goOn(index) {
    const turn = builder.model.get("turns").at(-1);
    if (!play.choosing || play.busy || !turn) return;
    const others = play.sides.slice(index).filter(({ begun }) => begun).length;
    play.choosing = false;
    builder.model.send({ type: "choose", id: turn.id, sibling: turn.siblings[1] - others });
    play.tell();
    message.focus();
  }

  function listen() {
    el.addEventListener("mf-run", run, { signal });
    for (const [name, type] of /** @type {const} */ ([["mf-rerun", "rerun"], ["mf-continue", "continue"]])) {
      el.addEventListener(name, (event) => play.ask(type, { position: positionOf(event) }), { signal });
    }
    el.addEventListener("mf-compare", (event) => model.send({ type: "compare", position: positionOf(event) }), { signal });
    el.addEventListener("mf-gone", () => play.lose(true), { signal });
    el.addEventListener("mf-back", () => play.lose(false), { signal });
    el.addEventListener("keydown", keys, { signal });
    const told = (/** @type {any} */ said) => said.type === "refused" && waiting.refuse(said.message);
    play.readers.add(told);
    play.listeners.add(draw);
    builder.turns.add(draw);
    builder.drafts.add(draw);
    for (const name of ["schema", "offered"]) picker.model.on(`change:${name}`, draw);
    onChange(model, ["model_options", "kept", "plan_driver"], draw, signal);
    signal.addEventListener("abort", () => {
      play.readers.delete(told);
      play.listeners.delete(draw);
      builder.turns.delete(draw);
      builder.drafts.delete(draw);
      for (const name of ["schema", "offered"]) picker.model.off(`change:${name}`, draw);
    });
    draw();
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    const { key, ctrlKey, metaKey, altKey, target } = event;
    const plain = !ctrlKey && !metaKey && !altKey && !writes(target);
    if (key === "Escape" && play.state === "running") play.stop();
    else if (plain && waiting.key(key.toLowerCase())) scroller.scrollTop += 0;
    else if (plain && play.choosing && (key === "1" || key === "2")) goOn(Number(key) - 1);
    else if (plain && key === "?") head.keys();
    else return;
    event.preventDefault();
  }

  /** The number of the answer for which the tools came to the front. */
  let toolsOf = 0;
  let plansOf = 0; // likewise for the plan
  let talked = false; // whether there is a conversation that can start over

  const over = (/** @type {number} */ side) => play.sides[side]?.over ?? true;
  const draw = oncePerFrame(() => {
    if (!builder.empty()) talked = true;
    else if (talked && !play.busy && play.sides.every(({ over, settled }) => over && settled)) {
      talked = false;
      play.forget();
    }
    const [one] = play.sides;
    el.dataset.state = play.busy ? play.state : one.state;
    el.toggleAttribute("data-choosing", play.choosing && play.sides.length > 1);
    head.draw();
    builder.invite(model.get("chosen")[1] ? ": both will answer" : "");
    drawAnswers();
    waiting.draw(play.waitingCall);
    button.draw();
    status.draw();
    start.draw();
    begin.node.hidden = !(builder.blank() && one.state === "idle" && play.state === "idle");
    if (!begin.node.hidden) begin.draw();
    el.toggleAttribute("data-blank", !begin.node.hidden);
    filling(one);
    side.draw();
    tabs.offer("plan", plan.there());
    if (one.phase === "plan" && plansOf !== one.number) {
      plansOf = one.number;
      open("plan");
    }
    tabs.mark("tools", play.waitingCall ? "1" : "");
    tabs.draw();
    marks(play.choosing && play.marked && play.sides.length > 1, [over(0), over(1)]);
    quiet();
    const called = model.get("tool_names").length && play.state === "running" && places.tools.querySelector(".mf-lane");
    if ((play.waitingCall || (called && !one.schema)) && toolsOf !== one.number && tabs.current() === "structure") {
      toolsOf = one.number;
      open("tools");
    } else if (one.schema && toolsOf && toolsOf !== one.number && one.state !== "idle") {
      toolsOf = 0; // calls of an earlier answer do not stay in front of a structure
      if (tabs.current() === "tools") open("structure");
    }
  }, signal);

  let filled = "";
  listen();

  /** @param {Side} from */
  function filling(from) {
    const key = `${from.number} ${from.seq} ${from.state}`;
    if (key === filled || from.state === "idle") return;
    filled = key;
    const rows = from.state === "complete" && from.rows.length ? from.rows : null;
    if (from.schema) picker.show({ text: from.prefill + from.text, done: from.over, rows }); // its error is below the answer
  }
}

/** @param {Event} event */
function positionOf(event) {
  return event instanceof CustomEvent ? event.detail.position : -1;
}

/**
 * Draw an inner widget in a place.
 * @param {Child} child
 * @param {HTMLElement} place
 * @param {AbortSignal} signal
 * @param {Record<string, string>} [attributes]
 */
async function draws(child, place, signal, attributes = {}) {
  const el = element("div", attributes);
  place.append(el);
  await child.render({ el, signal });
}

/**
 * Make the only filled button: Run, or Stop with the same place and width. While a tool call waits, Approve is filled
 * instead.
 * @param {Play} play
 * @param {() => void} run
 */
function runButton(play, run) {
  const runs = textButton("Run", "run (Shift-Enter)", run, { icon: "run", key: "⇧⏎", kind: "mf-primary", class: "mf-run" });
  const stops = textButton("Stop", "stop (Esc)", () => play.stop(), { icon: "stop", key: "esc", kind: "mf-line", class: "mf-run" });
  const node = element("span", { class: "mf-run-stop" }, runs, stops);

  function draw() {
    const busy = play.busy && !play.free;
    const held = node.contains(document.activeElement);
    runs.hidden = busy;
    stops.hidden = !busy;
    if (held) (busy ? stops : runs).focus();
    runs.toggleAttribute("disabled", !play.free);
    stops.setAttribute("aria-disabled", String(play.state !== "running"));
    stops.toggleAttribute("disabled", play.state !== "running");
  }

  return { node, draw };
}

/**
 * Make the start of the answer: a button until there is one, then its editor.
 * @param {HTMLElement} left
 * @param {any} prefill
 * @param {AbortSignal} signal
 */
function startPart(left, prefill, signal) {
  const slot = /** @type {HTMLElement} */ (left.querySelector(".mf-start-slot"));
  const place = /** @type {HTMLElement} */ (left.querySelector(".mf-start-button"));
  let wanted = false;
  const by = textButton("start the answer", "write the beginning of the answer; the model goes on from it", toggle, { icon: "prefill", class: "mf-dim" });
  place.append(by);

  function toggle() {
    wanted = slot.hasAttribute("hidden");
    if (!wanted) prefill.set("");
    draw();
    if (wanted) /** @type {HTMLElement | null} */ (slot.querySelector("textarea"))?.focus();
    else by.focus();
  }

  function draw() {
    slot.hidden = !wanted && prefill.value() === "";
    by.setAttribute("aria-pressed", String(!slot.hasAttribute("hidden")));
    by.setAttribute("aria-expanded", String(!slot.hasAttribute("hidden")));
  }

  prefill.model.on("change:value", draw);
  signal.addEventListener("abort", () => prefill.model.off("change:value", draw));
  draw();
  return { draw };
}
