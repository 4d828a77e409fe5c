// @ts-check
// A page's knowledge of one run, from numbered batches; lost ones are asked for again. A subclass reads the batches.

/** @import { Model, TraitName } from "./dom.js" */

/**
 * @typedef {{ run: number, state: string, [more: string]: any }} ToldState the kernel's state of a run, sent apart from its batches
 */

/** @template {ToldState} Told */
export class RunStore {
  /**
   * @param {Model | null} model null in a twin, which has everything from its start
   * @param {string} trait the trait that keeps the whole last run, for pages that are loaded later
   * @param {Told} nothing the state before the first run
   */
  constructor(model, trait, nothing) {
    this.model = model;
    this.trait = /** @type {TraitName} */ (trait);
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.run = 0;
    this.seq = 0;
    /** Whether the kernel was asked for lost batches. */
    this.asked = false;
    /** @type {[string, string] | null} */
    this.problem = null;
    this.told = nothing;
  }

  // -- for a subclass

  /** Forget the results of the last run. */
  clear() {}

  /** Take the content of a batch. @param {Record<string, any>} _news */
  take(_news) {}

  /** Return everything that came, as the trait keeps it. @returns {Record<string, any>} */
  whole() {
    return {};
  }

  /** Take a message of another type; return whether it is known. @param {any} _message @returns {boolean} */
  other(_message) {
    return false;
  }

  // -- for all runs

  /** Register for messages; called while the widget is made, so that the first ones are not missed. */
  connect() {
    const kept = /** @type {any} */ (this.model?.get(this.trait) ?? {});
    if (kept.run) this.load(kept);
    this.model?.on("msg:custom", (message) => this.receive(message));
    this.resync();
  }

  /** @param {any} message */
  receive(message) {
    const { type, ...told } = message;
    if (type === "problem") this.problem = [message.name, message.message];
    else if (message.run < this.run) return;
    else if (type === "start") this.start(told);
    else if (type === "batch") this.append(told);
    else if (type === "progress") this.load(told);
    else if (type === "state") this.hear(told);
    else if (!this.other(message)) return;
    this.tell();
  }

  /** @param {Told} told */
  start(told) {
    this.clear();
    Object.assign(this, { run: told.run, seq: 0, asked: false, problem: null, told: { ...told } });
  }

  /** @param {Told} told */
  hear(told) {
    this.asked = false;
    if (told.run === this.run) this.told = told;
    else if (told.state === "idle") this.start(told);
    else this.resync();
    if (told.run === this.run && told.state !== "running") {
      this.model?.set(this.trait, /** @type {any} */ ({ ...told, seq: this.seq, ...this.whole() }));
    }
  }

  /** @param {{ run: number, seq: number, [more: string]: any }} batch */
  append({ run, seq, ...news }) {
    if (run === this.run && seq <= this.seq) return;
    if (run !== this.run || seq !== this.seq + 1) {
      this.resync();
      return;
    }
    this.seq = seq;
    this.take(news);
  }

  /**
   * Take a run as a whole.
   * @param {Told & { seq: number }} told
   */
  load(told) {
    this.start(told);
    this.seq = told.seq;
    this.take(told);
    for (const name of ["seq", ...Object.keys(this.whole())]) delete (/** @type {any} */ (this.told)[name]);
  }

  /** Ask for everything again, once. */
  resync() {
    if (!this.asked) /** @type {any} */ (this.model)?.send({ type: "hello", run: this.run, seq: this.seq });
    this.asked = true;
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}
