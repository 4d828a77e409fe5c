// @ts-check
// The board of a plan, live or in a twin: head, budget, the drawing of its kind, the replay.

import { iconButton, keyHint, opensMenu, stateWord, textButton } from "../base/controls.js";
import { element, oncePerFrame, rootOf, writes } from "../base/dom.js";
import { presentButton } from "../base/present.js";
import { planSeconds } from "./plan_calls.js";
import { planRail } from "./plan_rail.js";
import { reactBody } from "./plan_react.js";
import { PlanStore } from "./plan_store.js";
import { treeBody } from "./plan_tree.js";
import { voteBody } from "./plan_vote.js";

/** @typedef {ReturnType<typeof reactBody>} PlanBody */

/** @type {Record<string, [title: string, body: (store: PlanStore) => PlanBody]>} */
const PLAN_KINDS = {
  react: ["Reason and act", reactBody],
  self_consistency: ["Ask often, vote", voteBody],
  tree_of_thoughts: ["Tree of thoughts", treeBody],
};
/** @type {Record<string, string>} */
const STOP_WORDS = {
  ...{ max_calls: "all calls are spent", max_tokens: "all tokens are spent", max_cost: "the money is spent" },
  ...{ max_seconds: "the time is over", max_steps: "all steps are taken", beta: "the leader stays ahead" },
  ...{ window: "five in a row agree", stop: "your rule said so", solved: "solved", exhausted: "no thought is left" },
  ...{ error: "an error ended it", interrupted: "stopped" },
};
/** @type {Record<string, (answer: string) => string>} */
const VOTE_WORDS = { beta: (answer) => `${answer} stays ahead`, window: (answer) => `five in a row say ${answer}` };
const SHORT = 24; // characters of an answer that a sentence has room for
const PATH = 90; // characters of a whole path, likewise
const NEARLY = 0.8;

/**
 * Make the whole view.
 * @param {PlanStore} store
 * @param {HTMLElement} el
 * @param {{ live: boolean, signal: AbortSignal }} options
 */
export function planBoard(store, el, { live, signal }) {
  el.classList.add("mf-view");
  const title = element("span", { class: "mf-title" }, "Plan");
  const state = stateWord();
  const said = element("span", { class: "mf-said mf-cut mf-mid" });
  const tools = element("span", { class: "mf-tools" });
  const stop = textButton("Stop", "stop, and keep the results so far (Esc)", () => store.model?.send({ type: "stop" }), { icon: "stop", key: "esc", kind: "mf-line" });
  const others = textButton("Ask the others", "ask for the answers that stopping early has left out", () => store.model?.send({ type: "others" }), { icon: "plus", kind: "mf-line" });
  const head = element("header", { class: "mf-top" }, title, state.node, said, element("span", { class: "mf-grow" }), tools);
  const more = iconButton("more", "more", () => {});
  opensMenu(more, "more", () => body?.entries() ?? [], signal);
  head.append(presentButton(el, signal), more, ...(live ? [others, stop] : []));
  const budget = budgetStrip();
  const hint = element("p", { class: "mf-hint mf-note" }, "A plan appears here while it runs: what it thinks, asks and finds.");
  const error = element("div", { class: "mf-wrong", role: "alert", hidden: true });
  const keys = element("span", { class: "mf-keys mf-wide", "aria-hidden": "true" });
  /** @type {PlanBody | null} */
  let body = null;
  let kind = "";
  let ticks = { count: -1, run: -1, all: /** @type {number[]} */ ([]), turns: 0 };
  const rail = planRail(store, { ticks: steps, words, touched }, signal);
  const foot = element("footer", { class: "mf-bottom" }, rail.node, keys);
  el.append(head, budget.node, hint, error, foot);

  /** Ask the kernel, once, to keep the live view. */
  function touched() {
    if (live && !el.dataset.kept) store.model?.send({ type: "keep" });
    el.dataset.kept = "true";
  }

  function steps() {
    if (!body) return [];
    if (ticks.count !== store.moments.length || ticks.run !== store.run) {
      const turns = new Set(store.moments.flatMap(({ t, n }) => (t === "turn" ? [n] : [])));
      ticks = { count: store.moments.length, run: store.run, all: body.ticks(), turns: turns.size };
    }
    return ticks.all;
  }

  function words() {
    if (!store.moments.length) return "";
    const passed = steps().filter((tick) => tick <= store.state.count).length;
    if (kind === "self_consistency" && steps().length) return `answer ${passed} of ${steps().length}`;
    if (store.timeless && kind === "tree_of_thoughts") return `level ${passed + 1} of ${steps().length + 1}`; // ticks part them
    if (store.timeless && kind === "react" && ticks.turns) return `step ${store.state.turns.length} of ${ticks.turns}`;
    if (store.timeless) return `moment ${store.state.count} of ${store.moments.length}`;
    return planSeconds(store.state.end?.seconds ?? (store.state.count ? store.moments[store.state.count - 1].ms / 1000 : 0));
  }

  function makeBody() {
    const known = PLAN_KINDS[store.told.head.kind];
    if (store.told.head.kind === kind) return;
    kind = store.told.head.kind;
    for (const node of body?.nodes ?? []) node.remove();
    body = known ? known[1](store) : null;
    title.textContent = known ? known[0] : "Plan";
    tools.replaceChildren(...(body?.tools ?? []));
    for (const node of body?.nodes ?? []) el.insertBefore(node, error);
    /** @type {Record<string, [string, string][]>} */
    const help = {
      react: [["↑ ↓", "step"], ["⏎", "open it"]],
      self_consistency: [["↑ ↓", "answer"], ["← →", "chain"]],
      tree_of_thoughts: [["← →", "level"], ["↑ ↓", "sibling"]],
    };
    keys.replaceChildren(...(help[kind] ?? []).map(([keyNames, word]) => keyHint(keyNames, word)));
  }

  /** Return the answer that won a vote, if the sentence about its end names it; else "". */
  function winner() {
    const answer = store.state.end?.answer ?? "";
    const stopped = store.state.end?.stopped ?? "";
    return kind === "self_consistency" && stopped in VOTE_WORDS && answer.length <= SHORT && !answer.includes("\n") ? answer : "";
  }

  /** @param {string} reason */
  function stopWords(reason) {
    return winner() ? VOTE_WORDS[reason](winner()) : (STOP_WORDS[reason] ?? reason);
  }

  /** Return the thoughts that lead to a tree's end, if the last of them is the answer and all are short; else "". */
  function pathWords() {
    const { nodes, end } = store.state;
    const path = [];
    for (let node = nodes.get(end?.best); node?.parent; node = node.parent) path.unshift(node.text);
    const words = path.join(" → ");
    return kind === "tree_of_thoughts" && words.endsWith(end?.answer ?? "") && words.length <= PATH && !words.includes("\n") ? words : "";
  }

  function drawState() {
    const { end } = store.state;
    const what = body?.state() ?? "";
    const { state: run } = store.told;
    if (!end && (run === "running" || store.moments.length)) state.set(run === "running" ? "now" : "none", what || "beginning");
    else if (run === "idle") state.set("none", "ready");
    else if (run === "failed") state.set("bad", "failed", "cross");
    else {
      const why = end?.stopped && end.stopped !== "solved" ? `: ${stopWords(end.stopped)}` : "";
      const limit = run === "stopped" || ["max_calls", "max_tokens", "max_cost", "max_seconds", "max_steps"].includes(end?.stopped);
      state.set(limit ? "look" : "done", `${what}${why}`, limit ? "warning" : "check");
    }
    const answer = end?.answer ?? "";
    const line = kind === "react" || winner() ? "" : pathWords() || answer.split("\n", 1)[0];
    const judged = end?.judged ? " · grouped by a model" : "";
    const tie = end?.margin === 0 ? " · a tie, so the answer is arbitrary" : "";
    const recorded = end?.recorded ? ` · ${end.recorded}` : "";
    const text = `${line}${judged}${tie}${recorded}`;
    if (said.textContent !== text) said.textContent = text;
    const wrong = store.problem ?? (run === "failed" ? end?.error : null);
    error.hidden = !wrong;
    const told = wrong ? wrong.join(": ") : "";
    if (error.textContent !== told) error.textContent = told;
  }

  const draw = oncePerFrame(() => {
    if (signal.aborted) return;
    makeBody();
    hint.hidden = body !== null;
    more.hidden = body === null;
    body?.draw();
    drawState();
    budget.draw(store);
    rail.draw();
    stop.hidden = !store.running;
    const left = store.told.others ?? 0;
    others.hidden = left === 0;
    const text = `Ask the other ${left.toLocaleString("en-US")}`;
    const label = others.lastElementChild;
    if (left && label && label.textContent !== text) label.textContent = text;
  }, signal);

  el.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    const { key } = event;
    if (key === "Escape" && store.running && live) store.model?.send({ type: "stop" });
    else if (body?.key(event)) touched();
    else if (key === " " && !writes(event.target) && !(event.target instanceof HTMLButtonElement)) rail.toggle();
    else return;
    event.preventDefault();
  });
  const clock = setInterval(() => {
    if (store.running && store.following) budget.draw(store);
  }, 200);
  store.listeners.add(draw);
  signal.addEventListener("abort", () => {
    store.listeners.delete(draw);
    clearInterval(clock);
  });
  store.tell();
}

/** Make the strip of expenses and limits. */
function budgetStrip() {
  const cells = ["calls", "tokens", "cost", "seconds"].map((name) => {
    const text = element("span");
    const bar = element("i");
    const meter = element("span", { class: "mf-meter" }, bar);
    return { name, text, bar, meter, node: element("div", {}, text, meter), drawn: "" };
  });
  const node = element("div", { class: "mf-budget", role: "group", "aria-label": "what was spent" }, ...cells.map((cell) => cell.node));

  /** @param {PlanStore} store */
  function draw(store) {
    const { limits, options } = store.told.head;
    const { spent } = store.state;
    const most = limits.max_calls ?? (options.n || options.max_steps);
    const last = store.running ? undefined : store.moments.findLast(({ t }) => t === "spent"); // then it is known what stays unknown
    /** @type {Record<string, boolean>} */
    const unknown = { seconds: !store.running && store.seconds < 0.05, tokens: last !== undefined && !last.tokens, cost: last !== undefined && (last.cost === null || !last.tokens) };
    /** @type {Record<string, [string, string, number, number | undefined]>} */
    const told = {
      calls: [spent.calls.toLocaleString("en-US"), most ? ` of ${Number(most).toLocaleString("en-US")} calls` : " calls", spent.calls, Number(most) || undefined],
      tokens: [spent.tokens?.toLocaleString("en-US") ?? "–", `${ofLimit(limits.max_tokens, (limit) => limit.toLocaleString("en-US"))} tokens`, spent.tokens ?? 0, limits.max_tokens],
      cost: [spent.cost === null ? "–" : dollarsText(spent.cost), `${ofLimit(limits.max_cost, dollarsText)}${spent.cost === null ? " cost" : ""}`, spent.cost ?? 0, limits.max_cost],
      seconds: [store.seconds.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 }), `${ofLimit(limits.max_seconds, (limit) => limit.toLocaleString("en-US"))} s`, store.seconds, limits.max_seconds],
    };
    for (const cell of cells) {
      const [amount, rest, value, limit] = told[cell.name];
      cell.node.hidden = limit === undefined && Boolean(unknown[cell.name]);
      const share = limit ? Math.min(1, value / limit) : 0;
      const near = limit !== undefined && limits[`max_${cell.name}`] !== undefined && share >= NEARLY;
      const key = `${amount} ${rest} ${Math.round(share * 200)} ${near}`;
      if (key === cell.drawn) continue;
      cell.drawn = key;
      const warn = near ? [element("em", {}, share >= 1 ? "spent" : "nearly spent")] : [];
      cell.text.replaceChildren(element("b", {}, amount), rest, ...warn);
      cell.bar.style.width = `${100 * share}%`;
      cell.meter.classList.toggle("mf-near", near);
      cell.meter.classList.toggle("mf-unseen", !limit);
    }
  }

  return { node, draw };
}

/**
 * @param {number | undefined} limit
 * @param {(limit: number) => string} text
 */
function ofLimit(limit, text) {
  return limit === undefined ? "" : ` of ${text(limit)}`;
}

/** @param {number} cost in US dollars; 0 if it is unknown or local */
function dollarsText(cost) {
  if (cost === 0) return "free";
  return cost < 0.0001 ? "< $0.0001" : `$${cost.toLocaleString("en-US", { minimumFractionDigits: 4, maximumFractionDigits: 4 })}`;
}

/**
 * Replace a twin's static drawing by the replay.
 * @param {HTMLOrSVGScriptElement | null} script the running script
 */
export function replayPlan(script) {
  const twin = script?.closest(".msgflux-twin");
  const still = twin?.querySelector(".msgflux-static");
  const data = twin?.querySelector("script[type='application/json']")?.textContent;
  if (!twin || !data || !(still instanceof HTMLElement)) return;
  const store = new PlanStore(null);
  store.load(JSON.parse(data));
  const el = element("div");
  rootOf(el, "msgflux-plan", "plan, as a replay");
  planBoard(store, el, { live: false, signal: new AbortController().signal });
  still.hidden = true;
  twin.append(el);
}
