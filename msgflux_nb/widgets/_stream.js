// @ts-check
// What one model's page knows of its run: numbered batches in, listeners told, gaps mended.

/**
 * @typedef {{ field: string, value: string | null, type: string }} Row
 * @typedef {[call: number, milliseconds: number, id: string | null, name: string | null, text: string | null]} Fragment
 * @typedef {{ text?: string, reasoning?: string, refusal?: string, html?: string[], tail?: number, calls?: Fragment[] }} Batch
 * @typedef {Batch & {
 *   run: number, state: string, schema?: string, prefill?: string,
 *   rows?: Row[], error?: [string, string] | null, status?: string[],
 * }} Snapshot
 */

/**
 * The answer of the latest run, for any number of views.
 *
 * A view draws what it has not drawn of `blocks` (sanitised HTML from the kernel), then `tail`, the text behind them.
 * `epoch` changes when what was drawn has to go: a new run, or a text that differs from the one drawn.
 */
class AnswerStore {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.epoch = 0;
    this.run = 0;
    this.seq = 0;
    /** @type {string[]} */
    this.pieces = [];
    /** @type {string[]} */
    this.blocks = [];
    this.tail = "";
    this.reasoning = "";
    this.refusal = "";
    /** @type {Fragment[]} */
    this.calls = [];
    /** idle, asked, running, stopping, complete, stopped, failed */
    this.state = "idle";
    this.prefill = "";
    this.schema = "";
    /** @type {Row[]} */
    this.rows = [];
    /** @type {[string, string] | null} */
    this.error = null;
    /** @type {string[]} */
    this.status = [];
    /** @type {[string, string] | null} */
    this.problem = null;
    this.silent = false;
    this.asking = false;
    /** Whether the saved output had time to follow the last run. */
    this.settled = false;
    /** @type {number | undefined} */
    this.timer = undefined;
  }

  /** Register for messages; called while the widget is made, or the first ones would be missed. */
  connect() {
    this.model.on("msg:custom", (message) => this.receive(message));
    this.model.on("change:snapshot", () => this.finish(this.model.get("snapshot")));
    this.finish(this.model.get("snapshot"));
    this.model.send({ type: "hello" });
  }

  /** @param {any} message */
  receive(message) {
    this.heard();
    if (message.type === "start") this.begin(message);
    else if (message.type === "batch") this.append(message);
    else if (message.type === "progress") this.mend(message);
    else if (message.type === "end") this.end(message);
    else if (message.type === "idle") this.asking = false;
    else if (message.type === "problem") {
      this.problem = [message.name, message.message];
      if (this.state === "asked") this.state = "idle";
    } else return;
    this.tell();
  }

  /** @param {{ run: number, prefill: string, schema: string }} message */
  begin({ run, prefill, schema }) {
    if (run <= this.run) return;
    this.clear();
    this.run = run;
    this.seq = 0;
    this.prefill = prefill;
    this.schema = schema;
    this.rows = [];
    this.error = this.problem = null;
    this.status = [];
    this.state = "running";
    this.asking = false;
  }

  clear() {
    this.epoch += 1;
    this.pieces = [];
    this.blocks = [];
    this.tail = this.reasoning = this.refusal = "";
    this.calls = [];
  }

  /** @param {Batch & { run: number, seq: number }} message */
  append({ run, seq, ...batch }) {
    if (run < this.run || (run === this.run && (seq <= this.seq || this.over))) return;
    if (run === this.run && seq === this.seq + 1) {
      this.seq = seq;
      this.take(batch);
    } else this.resync(run);
  }

  /** @param {Batch} batch */
  take({ text = "", reasoning = "", refusal = "", html, tail = 0, calls = [] }) {
    if (text) this.pieces.push(text);
    this.tail += text;
    this.reasoning += reasoning;
    this.refusal += refusal;
    if (html) {
      this.blocks.push(...html);
      this.tail = tail ? this.tail.slice(-tail) : "";
    }
    this.calls.push(...calls);
  }

  /** @param {number} run */
  resync(run) {
    if (this.asking) return;
    this.asking = true; // once: the answer to it, or the next snapshot, has everything
    this.model.send({ type: "resync", run });
  }

  /** @param {Batch & { run: number, seq: number, prefill: string, schema: string }} message */
  mend({ run, seq, prefill, schema, ...batch }) {
    this.asking = false;
    if (run < this.run || (run === this.run && this.over)) return;
    if (run > this.run) this.begin({ run, prefill, schema });
    if (this.state !== "stopping") this.state = "running";
    if (seq > this.seq) {
      this.seq = seq;
      this.replace(batch);
    }
  }

  /**
   * The run is over. The page has all of the answer already, unless it missed something: then it asks.
   * @param {Snapshot & { seq: number }} message
   */
  end({ seq, ...snapshot }) {
    if (snapshot.run < this.run || (snapshot.run === this.run && this.over)) return;
    if (snapshot.run !== this.run || seq !== this.seq) {
      this.resync(snapshot.run);
      return;
    }
    if (snapshot.html) {
      this.blocks.push(...snapshot.html);
      this.tail = "";
    }
    const { text, blocks, reasoning, refusal, calls, tail } = this;
    const whole = { ...snapshot, text, html: blocks, tail: tail.length, reasoning, refusal, calls };
    this.model.set("snapshot", whole); // so that what the page saves has it; the kernel knows it
    this.settle(whole);
  }

  /** @param {Snapshot} snapshot */
  finish(snapshot) {
    if (snapshot.run < this.run || snapshot.run === 0 || (snapshot.run === this.run && this.over)) return;
    this.heard();
    if (snapshot.run > this.run) this.clear();
    this.run = snapshot.run;
    this.seq = Infinity;
    this.asking = false;
    this.replace(snapshot);
    this.settle(snapshot);
  }

  /** @param {Snapshot} snapshot */
  settle({ prefill = "", schema = "", rows = [], error = null, status = [], state }) {
    Object.assign(this, { prefill, schema, rows, error, status, state });
    this.settled = false;
    setTimeout(() => {
      this.settled = true;
      this.tell();
    }, 1500);
    this.tell();
  }

  /**
   * Take the whole answer; what is drawn and right stays.
   * @param {Batch} whole
   */
  replace({ text = "", html = [], tail, reasoning = "", refusal = "", calls = [] }) {
    const drawn = this.blocks.every((block, index) => block === html[index]) && text.startsWith(this.text);
    if (!drawn) this.epoch += 1;
    this.pieces = text ? [text] : [];
    this.blocks = html;
    this.tail = html.length ? (tail ? text.slice(-tail) : "") : text;
    Object.assign(this, { reasoning, refusal, calls });
  }

  /** All of the text so far. */
  get text() {
    if (this.pieces.length > 1) this.pieces = [this.pieces.join("")];
    return this.pieces[0] ?? "";
  }

  /** Whether the latest run has ended. */
  get over() {
    return ["complete", "stopped", "failed"].includes(this.state);
  }

  /** Whether a run is under way, or asked for. */
  get busy() {
    return ["asked", "running", "stopping"].includes(this.state);
  }

  /** Whether a run may be asked for: none is under way, or the last question was never heard. */
  get free() {
    return !this.busy || (this.state === "asked" && this.silent);
  }

  /**
   * Ask for a run.
   * @param {Record<string, unknown>} question
   */
  ask(question) {
    this.problem = null;
    this.state = "asked";
    this.model.send({ type: "run", ...question });
    this.expect();
    this.tell();
  }

  /** Ask the run under way to end. */
  stop() {
    if (this.state !== "running") return;
    this.state = "stopping";
    this.model.send({ type: "stop" });
    this.expect();
    this.tell();
  }

  /** A kernel that is busy or gone says nothing: after three seconds, say so. */
  expect() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.silent = true;
      this.tell();
    }, 3000);
  }

  heard() {
    clearTimeout(this.timer);
    this.silent = false;
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}
