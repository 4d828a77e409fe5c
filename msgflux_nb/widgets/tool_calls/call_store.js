// @ts-check
// A page's knowledge of the tool calls of a run, from numbered batches; and the decisions that it sends.

import { RunStore } from "../base/run_store.js";
import { Timeline } from "./timeline.js";
/** @import { Model } from "../base/dom.js" */
/** @import { Hands } from "./lane_decision.js" */
/** @import { CallCard, CallFragment, ToolField } from "./timeline.js" */

/**
 * @typedef {{
 *   run: number, state: string, running: boolean, tools: Record<string, ToolField[]>, status: string[], answer: string, html?: string,
 *   error: [string, string] | null, note?: string, more?: number, question?: string,
 * }} RunState
 * @typedef {RunState & { seq: number, calls: CallFragment[], lanes: Record<string, CallCard> }} ToldRun
 */

/**
 * A page's knowledge of its widget's run, for any number of views.
 * @extends {RunStore<RunState>}
 */
export class CallStore extends RunStore {
  timeline = new Timeline();
  /** @type {CallFragment[]} */
  calls = [];
  /** @type {Record<string, CallCard>} */
  cards = {};
  /** @type {Hands} */
  hands = {
    decide: (lane, verdict, more) => this.decide(lane, verdict, more),
    decided: new Map(),
    refused: new Map(),
  };
  /** @type {Set<number>} questions that were reported as shown */
  seen = new Set();

  /** @param {Model | null} model null in a twin, which has everything from its start */
  constructor(model) {
    super(model, "lanes", { run: 0, state: "idle", running: false, tools: {}, status: [], answer: "", error: null });
  }

  clear() {
    this.timeline = new Timeline();
    this.calls = [];
    this.cards = {};
    for (const known of [this.hands.decided, this.hands.refused, this.seen]) known.clear();
  }

  /** @param {{ calls?: CallFragment[], lanes?: Record<string, CallCard>, more?: number, note?: string }} news */
  take({ calls = [], lanes = {}, more = this.told.more, note = this.told.note }) {
    Object.assign(this.told, { more, note });
    for (const fragment of calls) this.calls.push(fragment);
    Object.assign(this.cards, lanes);
    this.timeline.take(calls, lanes);
    for (const [lane, { phase }] of Object.entries(lanes)) if (phase !== "asked") this.hands.decided.delete(Number(lane));
  }

  whole() {
    return { calls: this.calls, lanes: this.cards };
  }

  /** @param {any} message */
  other({ type, lane, message }) {
    if (type === "refused") this.refuse(lane, message);
    return type === "refused";
  }

  /** @param {ToldRun} told */
  load(told) {
    const { following, shown } = this.timeline;
    const same = told.run === this.run;
    super.load(told);
    if (same && !following) this.timeline.show(shown);
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

  /** The numbers of the calls that wait for a decision. */
  get open() {
    const waiting = this.timeline.tracks.filter(({ card }) => card.phase === "asked");
    return waiting.map(({ number }) => number).filter((number) => !this.hands.decided.has(number));
  }

  /** Report the shown questions to the kernel. */
  see() {
    const news = this.open.filter((number) => !this.seen.has(number));
    if (!news.length || !this.listeners.size) return;
    for (const number of news) this.seen.add(number);
    this.model?.send({ type: "seen", lanes: news });
  }

  tell() {
    this.see();
    super.tell();
  }
}
