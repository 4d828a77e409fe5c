// @ts-check
// A page's knowledge of a plan: moments from numbered batches, and the plan's state at the shown moment.

import { RunStore } from "../base/run_store.js";
import { Side } from "../base/stream.js";
/** @import { Model } from "../base/dom.js" */

/**
 * @typedef {{ kind: string, task: string, limits: Record<string, number>, options: Record<string, any> }} PlanHead
 * @typedef {{ t: string, ms: number, [more: string]: any }} Moment as `moments.py` makes them
 * @typedef {{ run: number, state: string, head: PlanHead, others?: number }} PlanTold
 * @typedef {{ purpose: string, prompt: string | null, text: string, problem: string | null, seconds: number }} PlanCall
 * @typedef {{
 *   id: number, level: number, text: string, value: number | null, state: string, parent: PlanNode | null,
 *   kids: PlanNode[], calls: PlanCall[], changed: number,
 * }} PlanNode
 * @typedef {{ number: number, value: string | null, group: number | null, chain: string[], problem: string | null }} PlanSample
 * @typedef {{ id: string, thought: string, name: string, arguments: string | null, result: string, left: number, cut: boolean, ms: number }} PlanStep
 * @typedef {{ number: number, text: string, closing: boolean, steps: PlanStep[], tokens: number, ms: number }} PlanTurn
 * @typedef {{ calls: number, tokens: number | null, cost: number | null, seconds: number }} PlanSpent null: unknown
 */

const LONGEST_PAUSE = 1500; // the longest pause of a replay, in milliseconds
const TIMELESS_MOMENT = 60;
const TIMELESS_PLAN = 8000;
const TOO_QUICK = 1000; // milliseconds; a shorter plan, as from a recording at full speed, is replayed at a fixed pace

/** The state of a plan at a moment. */
export class PlanState {
  constructor() {
    this.count = 0;
    /** Counts changes, so that a view draws only these. */
    this.version = 0;
    /** @type {PlanNode} */
    this.root = { id: -1, level: 0, text: "", value: null, state: "kept", parent: null, kids: [], calls: [], changed: 0 };
    /** @type {Map<number, PlanNode>} */
    this.nodes = new Map();
    /** @type {PlanNode[][]} by level, the root's first */
    this.levels = [[this.root]];
    /** @type {PlanSample[]} in order of arrival */
    this.samples = [];
    /** @type {Map<number, PlanCall>} */
    this.sampleCalls = new Map();
    /** @type {PlanTurn[]} */
    this.turns = [];
    /** The words of the answer that is arriving; "" once its turn has ended. */
    this.words = "";
    /** The words of the last answer, as they are drawn. */
    this.said = new Side(() => {});
    this.asking = 0;
    /** @type {PlanSpent} */
    this.spent = { calls: 0, tokens: 0, cost: 0, seconds: 0 };
    /** @type {Moment | null} */
    this.end = null;
  }

  /** @param {Moment} moment */
  take(moment) {
    this.count += 1;
    this.version += 1;
    if (moment.t === "ask") this.asking += 1;
    else if (moment.t === "asked") this.takeCall(moment);
    else if (moment.t === "node") this.takeNode(moment);
    else if (moment.t === "sample") this.takeSample(moment);
    else if (moment.t === "turn") this.takeTurn(moment);
    else if (moment.t === "step") this.turn(moment.n).steps.push(stepOf(moment));
    else if (moment.t === "words") this.takeWords();
    else if (moment.t === "text") this.takeText(moment);
    else if (moment.t === "spent") this.takeSpent(moment);
    else if (moment.t === "end") {
      this.end = moment;
      this.asking = 0;
    }
  }

  /** @param {Moment} moment */
  takeCall({ p: purpose, a: about, q: prompt, r: text, e: problem, s: seconds }) {
    this.asking = Math.max(0, this.asking - 1);
    const call = { purpose, prompt, text, problem, seconds };
    if (purpose === "sample") this.sampleCalls.set(about, call);
    else this.node(about).calls.push(call);
  }

  /** @param {number | null} id null for the root */
  node(id) {
    return (id === null ? this.root : this.nodes.get(id)) ?? this.root;
  }

  /** @param {Moment} moment */
  takeNode({ id, up, l: level, w: text, v: value, k: state }) {
    const known = this.nodes.get(id);
    if (known) {
      Object.assign(known, { value, state, changed: this.version });
      return;
    }
    const parent = this.node(up);
    const node = { id, level, text, value, state, parent, kids: [], calls: [], changed: this.version };
    this.nodes.set(id, node);
    parent.kids.push(node);
    while (this.levels.length <= level) this.levels.push([]);
    this.levels[level].push(node);
  }

  /** @param {Moment} moment */
  takeSample({ n: number, v: value, g: group, c: chain = [], e: problem = null }) {
    const sample = { number, value, group, chain, problem };
    const known = this.samples.findIndex((each) => each.number === number);
    if (known >= 0) this.samples[known] = sample;
    else this.samples.push(sample);
  }

  takeWords() {
    this.words = "";
    this.said.clear();
  }

  /** @param {Moment} moment */
  takeText({ w: text, html, open, kept, tail, held }) {
    this.words += text;
    this.said.take(0, { text, html, open, kept, tail, held });
  }

  /** @param {Moment} moment */
  takeTurn({ n: number, w: text, last: closing, ms, html, open, kept }) {
    this.asking = Math.max(0, this.asking - 1);
    this.words = "";
    if (html) this.said.take(0, { html, open, kept });
    Object.assign(this.turn(number), { text, closing, ms });
  }

  /** @param {number} number */
  turn(number) {
    let turn = this.turns.find((each) => each.number === number);
    if (!turn) {
      turn = { number, text: "", closing: false, steps: [], tokens: 0, ms: 0 };
      this.turns.push(turn);
    }
    return turn;
  }

  /** @param {Moment} moment */
  takeSpent({ calls, tokens, cost, seconds }) {
    const turn = this.turns.at(-1);
    if (turn && tokens !== null) turn.tokens += tokens - (this.spent.tokens ?? 0);
    this.spent = { calls, tokens, cost, seconds };
  }

  /** The ids of nodes from the first thought to the best end; nodes of a longer path may be unknown yet. */
  get best() {
    /** @type {Set<number>} */
    const ids = new Set();
    const end = this.end?.best ?? null;
    for (let node = end === null ? null : (this.nodes.get(end) ?? null); node; node = node.parent) ids.add(node.id);
    return ids;
  }
}

/**
 * @param {Moment} moment
 * @returns {PlanStep}
 */
function stepOf({ id, w: thought, f: name, x, r: result, left, cut, ms }) {
  return { id, thought, name, arguments: x, result, left, cut, ms };
}

/**
 * A page's knowledge of its widget's plan, for any number of views.
 * @extends {RunStore<PlanTold>}
 */
export class PlanStore extends RunStore {
  /** @type {Moment[]} */
  moments = [];
  /** @type {number[]} the place of each moment on the rail, where long pauses are shortened */
  places = [];
  following = true;
  state = new PlanState();
  heard = 0;

  /** @param {Model | null} model null in a twin, which has everything from its start */
  constructor(model) {
    super(model, "plan", { run: 0, state: "idle", head: { kind: "", task: "", limits: {}, options: {} } });
  }

  clear() {
    this.moments = [];
    this.places = [];
    this.following = true;
    this.state = new PlanState();
    this.heard = 0;
  }

  whole() {
    return { moments: this.moments };
  }

  /** @param {PlanTold & { seq: number, moments: Moment[] }} told */
  load(told) {
    const before = told.run === this.run && !this.following ? this.state.count : null;
    super.load(told);
    if (before !== null) this.show(before);
  }

  /** @param {{ moments?: Moment[] }} news */
  take({ moments = [] }) {
    for (const moment of moments) {
      const last = this.moments.length - 1;
      const pause = last < 0 ? 0 : Math.max(0, moment.ms - this.moments[last].ms);
      this.places.push((this.places[last] ?? 0) + Math.min(pause, LONGEST_PAUSE));
      this.moments.push(moment);
    }
    this.heard = performance.now();
    if (this.following) this.catchUp(this.moments.length);
  }

  get running() {
    return this.told.state === "running";
  }

  // -- the shown moment

  /** @param {number} count of moments */
  show(count) {
    const wanted = Math.max(0, Math.min(count, this.moments.length));
    this.following = wanted === this.moments.length; // at the end, follow new moments
    this.catchUp(wanted);
  }

  /** @param {number} count */
  catchUp(count) {
    if (count < this.state.count) this.state = new PlanState();
    while (this.state.count < count) this.state.take(this.moments[this.state.count]);
  }

  /** Whether its times are useless, so that its moments are replayed evenly. */
  get timeless() {
    return !this.running && this.moments.length > 1 && this.places[this.places.length - 1] < TOO_QUICK;
  }

  /** Milliseconds of a moment in the replay of a plan without times. */
  get beat() {
    return Math.min(TIMELESS_MOMENT, TIMELESS_PLAN / this.moments.length);
  }

  /**
   * Return the place on the rail after `count` moments.
   * @param {number} count
   */
  place(count) {
    if (count === 0) return 0;
    return this.timeless ? count * this.beat : this.places[count - 1];
  }

  get total() {
    return this.place(this.moments.length);
  }

  /** @param {number} place on the rail */
  countAt(place) {
    if (this.timeless) return Math.min(this.moments.length, Math.floor(place / this.beat + 1e-9));
    let [low, high] = [0, this.places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.places[middle] <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Seconds of the plan at the shown moment; while it runs, by this page's clock. */
  get seconds() {
    const { spent, end } = this.state;
    if (end?.seconds !== undefined) return end.seconds;
    const last = this.state.count ? this.moments[this.state.count - 1].ms / 1000 : 0;
    if (!this.running || !this.following) return Math.max(spent.seconds, this.timeless ? 0 : last);
    return Math.max(spent.seconds, last + (performance.now() - this.heard) / 1000);
  }
}
