// @ts-check
// What a page knows of the tool calls of a run: numbered batches in, gaps mended, decisions out.

import { Timeline } from "./timeline.js";
/** @import { Model } from "../base/dom.js" */
/** @import { Hands } from "./lane_decision.js" */
/** @import { CallCard, CallFragment, ToolField } from "./timeline.js" */

/**
 * @typedef {{
 *   run: number, state: string, running: boolean, tools: Record<string, ToolField[]>, status: string[], answer: string,
 *   error: [string, string] | null, note?: string, question?: string,
 * }} RunState
 * @typedef {RunState & { seq: number, calls: CallFragment[], lanes: Record<string, CallCard> }} ToldRun
 */

/** What one model's page knows of its run, for any number of views. */
export class CallStore {
  timeline = new Timeline();
  /** @type {CallFragment[]} */
  calls = [];
  /** @type {Record<string, CallCard>} */
  cards = {};
  /** @type {RunState} */
  told = { run: 0, state: "idle", running: false, tools: {}, status: [], answer: "", error: null };
  /** @type {Hands} */
  hands = {
    decide: (lane, verdict, more) => this.decide(lane, verdict, more),
    decided: new Map(),
    refused: new Map(),
  };
  /** @type {Set<number>} questions that the kernel knows to be shown */
  seen = new Set();
  /** @type {Set<() => void>} */
  listeners = new Set();
  run = 0;
  seq = 0;
  asking = false;
  /** @type {[string, string] | null} */
  problem = null;

  /** @param {Model | null} model null in a twin, which knows all from its start */
  constructor(model) {
    this.model = model;
  }

  /** Register for messages; called while the widget is made, or the first ones would be missed. */
  connect() {
    const kept = this.model?.get("lanes") ?? {};
    if (kept.run) this.load(kept);
    this.model?.on("msg:custom", (message) => this.receive(message));
    this.resync();
  }

  /** @param {any} message */
  receive(message) {
    const { type, run } = message;
    if (type === "problem") this.problem = [message.name, message.message];
    else if (run < this.run) return;
    else if (type === "start") this.start(message);
    else if (type === "batch") this.append(message);
    else if (type === "progress") this.load(message);
    else if (type === "state") this.hear(message);
    else if (type === "refused") this.refuse(message.lane, message.message);
    else return;
    this.tell();
  }

  /** @param {RunState} told */
  start(told) {
    this.timeline = new Timeline();
    this.calls = [];
    this.cards = {};
    for (const known of [this.hands.decided, this.hands.refused, this.seen]) known.clear();
    Object.assign(this, { run: told.run, seq: 0, asking: false, problem: null, told });
  }

  /** @param {RunState} told */
  hear(told) {
    this.asking = false;
    if (told.run === this.run) this.told = told;
    else if (told.state === "idle") this.start(told);
    else this.resync();
    const { calls, cards: lanes, seq } = this;
    if (told.run === this.run && told.state !== "running") this.model?.set("lanes", { ...told, seq, calls, lanes });
  }

  /** @param {{ run: number, seq: number, calls?: CallFragment[], lanes?: Record<string, CallCard> }} batch */
  append({ run, seq, calls = [], lanes = {} }) {
    if (run === this.run && seq <= this.seq) return;
    if (run !== this.run || seq !== this.seq + 1) {
      this.resync();
      return;
    }
    this.seq = seq;
    this.take(calls, lanes);
  }

  /**
   * @param {CallFragment[]} calls
   * @param {Record<string, CallCard>} lanes
   */
  take(calls, lanes) {
    for (const fragment of calls) this.calls.push(fragment);
    Object.assign(this.cards, lanes);
    this.timeline.take(calls, lanes);
    for (const [lane, { phase }] of Object.entries(lanes)) if (phase !== "asked") this.hands.decided.delete(Number(lane));
  }

  /** @param {ToldRun} told */
  load({ calls, lanes, seq, ...told }) {
    const { following, shown } = this.timeline;
    const same = told.run === this.run;
    this.start(told);
    this.seq = seq;
    this.take(calls, lanes);
    if (same && !following) this.timeline.show(shown);
  }

  /** Ask for what was missed, once: the answer has everything. */
  resync() {
    if (!this.asking) this.model?.send({ type: "hello", run: this.run, seq: this.seq });
    this.asking = true;
  }

  /**
   * @param {number} lane
   * @param {string} verdict
   * @param {Record<string, unknown>} [more]
   */
  decide(lane, verdict, more = {}) {
    /** @type {Record<string, string>} */
    const words = { approve: "approved", edit: "edited", reject: "rejected" };
    this.hands.refused.delete(lane);
    this.hands.decided.set(lane, words[verdict]);
    this.timeline.track(lane).version += 1;
    this.model?.send({ type: "decide", lane, verdict, ...more });
    this.tell();
  }

  /**
   * @param {number} lane
   * @param {string} message
   */
  refuse(lane, message) {
    this.hands.decided.delete(lane);
    this.hands.refused.set(lane, message);
    this.timeline.track(lane).version += 1;
  }

  /** The calls that wait for a decision. */
  get open() {
    const waiting = this.timeline.tracks.filter(({ card }) => card.phase === "asked");
    return waiting.map(({ number }) => number).filter((number) => !this.hands.decided.has(number));
  }

  /** Tell the kernel which questions are on a page. */
  see() {
    const news = this.open.filter((number) => !this.seen.has(number));
    if (!news.length || !this.listeners.size) return;
    for (const number of news) this.seen.add(number);
    this.model?.send({ type: "seen", lanes: news });
  }

  tell() {
    this.see();
    for (const listener of this.listeners) listener();
  }
}
