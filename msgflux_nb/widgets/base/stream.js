// @ts-check
// A page's knowledge of one model's answer while it arrives, from numbered batches; lost ones are asked for again.

import { tokensOf } from "./texts.js";

/**
 * @typedef {string | (string | [start: number, length: number])[]} Drawn HTML, or texts and places in the old open block
 * @typedef {{
 *   text?: string, reasoning?: string, refusal?: string, html?: Drawn[], open?: Drawn, kept?: [number, number], tail?: number,
 *   held?: number,
 * }} Batch
 * @typedef {{ field: string, value: string | null, type: string }} Row
 * @typedef {{ number: number, prefill: string, schema: string, model: string, phase?: string }} About
 * @typedef {{ tokens: string, price: string, out: number | null, cost: number | null, first: number | null, seconds: number | null }} Figures
 * @typedef {About & {
 *   side: number, seq: number, state: string, error: [string, string] | null, status: string[], rows: Row[], tokens: boolean,
 *   cut?: number | boolean, figures?: Figures | null, calls?: AskedCall[],
 * }} Ending
 * @typedef {{ name: string, rows: { field: string, value: string, type: string }[], arguments: string }} AskedCall
 */

/**
 * One side: the answer of one model.
 *
 * A view draws new `blocks` (sanitised HTML from the kernel), then `open`, the HTML of the block that is still being
 * written, then `tail`, the text after them. `epoch` changes when everything has to be drawn again: for another answer, or
 * if the text differs from the drawn one.
 */
export class Side {
  /** @param {() => void} missed called when a batch was lost */
  constructor(missed) {
    this.missed = missed;
    this.number = 0;
    this.seq = 0;
    this.epoch = 0;
    /** idle, running, complete, stopped, failed */
    this.state = "idle";
    /** The phase of a run between answers: "approval" while a person is asked, "tools" while they run; else "". */
    this.phase = "";
    this.prefill = this.schema = this.model = "";
    /** Whether its words are already a turn of the conversation. */
    this.settled = true;
    /** @type {Row[]} */
    this.rows = [];
    /** @type {[string, string] | null} */
    this.error = null;
    /** @type {string[]} */
    this.status = [];
    this.tokens = false;
    /** @type {number | boolean} the number of its tokens, if a limit cut it; true if that is unknown */
    this.cut = false;
    /** @type {Figures | null} */
    this.figures = null;
    /** @type {AskedCall[]} the calls of an ended answer that have no result */
    this.calls = [];
    /** The times on this page when it began and when its first word came; 0 before that. */
    this.beganAt = this.firstAt = 0;
    /** About how many tokens have come. */
    this.about = 0;
    /** @type {string[]} */
    this.pieces = [];
    /** @type {string[]} */
    this.blocks = [];
    this.open = "";
    this.tail = "";
    /** The length of the tail's end that is not shown yet. */
    this.held = 0;
    this.reasoning = "";
    this.refusal = "";
  }

  clear() {
    this.epoch += 1;
    this.pieces = [];
    this.blocks = [];
    this.about = 0;
    this.held = 0;
    this.open = this.tail = this.reasoning = this.refusal = "";
  }

  /** @param {About} about */
  begin({ number, prefill, schema, model, phase = "" }) {
    if (number <= this.number) return;
    this.clear();
    Object.assign(this, { phase, number, prefill, schema, model, seq: 0, state: "running", settled: false });
    Object.assign(this, { rows: [], error: null, status: [], tokens: false, cut: false, figures: null, calls: [] });
    Object.assign(this, { beganAt: performance.now(), firstAt: 0 });
  }

  /** @param {Batch & { number: number, seq: number }} message */
  append({ number, seq, ...batch }) {
    if (number < this.number || (number === this.number && (seq <= this.seq || this.over))) return;
    if (number !== this.number || seq !== this.seq + 1) this.missed();
    else this.take(seq, batch);
  }

  /**
   * @param {number} seq
   * @param {Batch} batch
   */
  take(seq, { text = "", reasoning = "", refusal = "", html, open, kept, tail, held = 0 }) {
    this.seq = seq;
    if (text || reasoning || refusal) this.firstAt ||= performance.now();
    this.about += tokensOf(text) + tokensOf(reasoning) + tokensOf(refusal);
    if (text) this.pieces.push(text);
    this.tail += text;
    this.reasoning += reasoning;
    this.refusal += refusal;
    if (html || open !== undefined) this.draw(html ?? [], open, kept);
    if (html || open !== undefined || tail !== undefined) {
      this.tail = tail ? this.tail.slice(-tail) : "";
      this.held = held;
    }
  }

  /**
   * @param {Drawn[]} html new finished blocks
   * @param {Drawn} [open] the block after them
   * @param {[number, number]} [kept] how much of the old open block stands before and after the first of these
   */
  draw(html, open, [before, after] = [0, 0]) {
    const old = this.open;
    const [first, ...more] = (open === undefined ? html : [...html, open]).map((one) => (typeof one === "string" ? one : one.map((part) => (typeof part === "string" ? part : old.slice(part[0], part[0] + part[1]))).join("")));
    const all = [old.slice(0, before) + first + old.slice(old.length - after), ...more];
    this.open = open === undefined ? "" : /** @type {string} */ (all.pop());
    this.blocks.push(...all);
  }

  /**
   * Replace everything by an answer as far as it has come.
   * @param {About & Batch & { seq: number }} message whose HTML is whole
   */
  mend({ seq, text = "", reasoning = "", refusal = "", html = [], open = "", tail, held = 0, ...about }) {
    if (about.number < this.number || (about.number === this.number && (this.over || seq <= this.seq))) return;
    this.begin(about);
    const drawn = this.blocks.every((block, index) => block === html[index]) && text.startsWith(this.text);
    if (!drawn) this.epoch += 1;
    this.pieces = text ? [text] : [];
    this.blocks = /** @type {string[]} */ (html);
    this.about = tokensOf(text) + tokensOf(reasoning) + tokensOf(refusal);
    this.tail = tail === undefined && !html.length ? text : tail ? text.slice(-tail) : "";
    Object.assign(this, { open, held, reasoning, refusal, seq });
  }

  /** @param {Ending} ending */
  end(ending) {
    if (ending.number < this.number || (ending.number === this.number && this.over)) return;
    if (ending.number > this.number) this.begin(ending);
    const { state, rows, error, status, tokens, cut = false, figures = null, calls = [] } = ending;
    Object.assign(this, { state, rows, error, status, tokens, cut, figures, calls });
  }

  /** The whole text that the model wrote so far. */
  get text() {
    if (this.pieces.length > 1) this.pieces = [this.pieces.join("")];
    return this.pieces[0] ?? "";
  }

  get over() {
    return ["complete", "stopped", "failed"].includes(this.state);
  }

  /** Whether anything has come. */
  get begun() {
    return this.pieces.length > 0 || this.reasoning !== "" || this.refusal !== "";
  }
}
