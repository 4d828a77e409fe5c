// @ts-check
// A page's knowledge of a playground: the sides that answer, requests to the kernel, and the inner widgets.

import { Side } from "../base/stream.js";
/** @import { Model } from "../base/dom.js" */
/** @import { About, Batch, Ending, Figures } from "../base/stream.js" */
/** @import { WaitingCall } from "./waiting.js" */

const SILENCE_MILLISECONDS = 3000;

/** @typedef {{ builder: any, prefill: any, picker: any }} Inner the exports of the inner widgets */

export class Play {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {Set<(message: any) => void>} views that read messages: tokens, differences, code, raw texts */
    this.readers = new Set();
    this.sides = [this.newSide()];
    /** @type {[string, string] | null} */
    this.problem = null;
    /** idle, asked, running, stopping */
    /** @type {string} */
    this.state = "idle";
    this.silent = false;
    /** Whether the kernel has ended. */
    this.gone = false;
    /** @type {WaitingCall | null} the tool call that waits for a person */
    this.waitingCall = null;
    /** Whether two answers wait for one to be chosen; and whether their differences are marked. */
    this.choosing = false;
    this.marked = true;
    this.resyncing = false;
    /** Whether the saved output had time to be updated after the last run. */
    this.kept = false;
    /** @type {Inner | null} */
    this.inner = null;
    /** @type {(() => void)[]} work that waits for the inner widgets */
    this.waiting = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  newSide() {
    return new Side(() => this.resync());
  }

  /** Register for messages; called while the widget is made, so that the first ones are not missed. */
  connect() {
    const { model } = this;
    model.on("msg:custom", (message) => this.receive(message));
    model.on("change:ends", () => this.ended());
    model.on("change:running", () => this.runs(model.get("running")));
    for (const name of /** @type {const} */ (["offered", "chosen", "tool_names", "logprobs", "call_options", "asks_first"])) {
      model.on(`change:${name}`, () => this.tell());
    }
    this.ended();
    this.runs(model.get("running"));
    model.send({ type: "hello" });
  }

  /**
   * Note that the inner widgets are there, and do the work that waited for them.
   * @param {Inner} inner
   */
  filled(inner) {
    if (this.inner) return;
    this.inner = inner;
    for (const hand of this.waiting.splice(0)) hand();
  }

  /** @param {any} message */
  receive(message) {
    this.heard();
    const { type } = message;
    if (type === "start") this.begin(message);
    else if (type === "batch") this.sides[message.side]?.append(message);
    else if (type === "progress") this.mend(message);
    else if (type === "phase") this.turnTo(message);
    else if (type === "settled") this.settle(message);
    else if (type === "end") this.end(message);
    else if (type === "idle" || type === "running") this.runs(type === "running");
    else if (type === "problem") {
      this.problem = [message.name, message.message];
      if (this.state === "asked") this.state = this.model.get("running") ? "running" : "idle";
    } else for (const reader of this.readers) reader(message);
    this.tell();
  }

  /** @param {About & { side: number }} message */
  begin(message) {
    if (message.side === 0 && this.state !== "stopping") {
      this.state = "running";
      this.problem = null;
    }
    if (message.side === 0) this.waitingCall = null;
    this.sideAt(message).begin(message);
    this.choosing = this.sides.length > 1;
  }

  /** @param {About & Batch & { side: number, seq: number }} message */
  mend(message) {
    this.resyncing = false;
    this.sideAt(message).mend(message);
    this.turnTo(message);
  }

  /**
   * Set the phase of a run between answers.
   * @param {{ side: number, number: number, phase?: string, call?: WaitingCall | null, figures?: Figures }} message
   */
  turnTo({ side, number, phase = "", call = null, figures }) {
    const about = this.sides[side];
    if (about?.number !== number) return;
    about.phase = phase;
    if (figures) about.figures = figures; // of the answer that made the call; the run goes on
    this.waitingCall = phase === "approval" ? call : null;
  }

  /**
   * Return the side of a message; the first message of a new run drops the sides of the last one.
   * @param {{ side: number, number: number }} message
   */
  sideAt({ side, number }) {
    if (side === 0 && this.sides.every((one) => one.over && one.number < number)) this.sides.length = 1;
    while (this.sides.length <= side) this.sides.push(this.newSide());
    return this.sides[side];
  }

  /**
   * Note that an answer has become a turn, whose words are already here; without a side, all answers have.
   * @param {{ side: number | null, number?: number, seq?: number, card?: any }} message
   */
  settle({ side, number, seq, card }) {
    if (side === null) {
      for (const one of this.sides) one.settled = true;
      return;
    }
    const from = this.sides[side];
    if (!from || from.number !== number) return; // the builder notices the gap and asks for everything
    from.settled = true;
    const words = { text: from.text, html: from.blocks.slice(), prefill: from.prefill, reasoning: from.reasoning };
    // If a batch was lost, only the kernel has all the words.
    const hand = () => (seq === from.seq ? this.inner?.builder.settle(card, words) : this.inner?.builder.resync());
    if (this.inner) hand();
    else this.waiting.push(hand);
  }

  /** @param {Ending} message */
  end(message) {
    const side = this.sideAt(message);
    if (message.number === side.number && message.seq !== side.seq) this.resync();
    side.end(message);
    const words = this.sides.map((one) => one.number);
    const ends = [...this.model.get("ends").filter((/** @type {Ending} */ one) => words.includes(one.number)), message];
    this.model.set("ends", ends); // so that the saved page has it; the kernel has it too
  }

  /** Take the kernel's state of an ended run, on a page that was loaded later. */
  ended() {
    for (const ending of this.model.get("ends")) {
      const side = this.sideAt(ending);
      if (ending.number > side.number) side.settled = true;
      side.end(ending);
      if (ending.number > side.number || !side.begun) side.settled = true;
    }
    this.tell();
  }

  /** @param {boolean} running */
  runs(running) {
    this.resyncing = false;
    if (running && this.state !== "stopping") this.state = "running";
    if (!running && this.state !== "asked") this.state = "idle";
    if (!running && this.sides.every(({ over }) => over)) this.state = "idle";
    if (!running) this.waitingCall = null;
    this.kept = false;
    if (!running) {
      setTimeout(() => {
        this.kept = true;
        this.tell();
      }, 1500);
    }
    this.tell();
  }

  /** Forget the answers, because the conversation has started over. */
  forget() {
    this.sides.splice(0, this.sides.length, this.newSide());
    this.choosing = false;
  }

  resync() {
    if (this.resyncing) return;
    this.resyncing = true; // only once: the reply has everything
    this.model.send({ type: "hello" });
  }

  get busy() {
    return this.state !== "idle";
  }

  /** @param {boolean} gone whether the kernel has ended, so that nothing more arrives */
  lose(gone) {
    this.gone = gone;
    if (gone) {
      clearTimeout(this.timer);
      this.waitingCall = null;
      this.state = "idle";
      for (const side of this.sides) if (side.state === "running") side.state = "stopped";
    }
    this.tell();
  }

  /** @param {boolean} marked whether the words that only one of two answers has are marked */
  mark(marked) {
    this.marked = marked;
    this.tell();
  }

  /** Whether a run may be requested: none is going on, or the last request was never answered. */
  get free() {
    if (this.gone) return false;
    return !this.busy || (this.state === "asked" && this.silent);
  }

  /**
   * Request a run.
   * @param {Handled} type
   * @param {Record<string, unknown>} question
   */
  ask(type, question) {
    if (!this.free) return;
    this.problem = null;
    this.state = "asked";
    this.model.send({ type, ...question });
    this.expect();
    this.tell();
  }

  /** Request the end of the run. */
  stop() {
    if (this.state !== "running") return;
    this.state = "stopping";
    this.model.send({ type: "stop" });
    this.expect();
    this.tell();
  }

  /** Show a note if the kernel does not answer for a while. */
  expect() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.silent = true;
      this.tell();
    }, SILENCE_MILLISECONDS);
  }

  heard() {
    clearTimeout(this.timer);
    this.silent = false;
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}
