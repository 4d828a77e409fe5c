// @ts-check
// What one model's page knows of its run: numbered batches of text in, listeners told, gaps mended.

/**
 * @typedef {{ field: string, value: string | null, type: string }} Row
 * @typedef {{
 *   run: number, state: string, schema?: string, prefill?: string, text?: string,
 *   rows?: Row[], error?: [string, string] | null, status?: string[],
 * }} Snapshot
 * @typedef {{
 *   get(name: string): any, set(name: string, value: unknown): void, save_changes(): void,
 *   send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void,
 *   on(name: string, callback: (...values: any[]) => void): void,
 *   off(name?: string | null, callback?: ((...values: any[]) => void) | null): void,
 * }} Model
 */

/**
 * The answer of the latest run, for any number of views.
 *
 * `pieces` holds the text as it came; a view draws those it has not drawn. `epoch` changes when what was drawn has to
 * go: a new run, or a text that differs from the pieces.
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
    else if (message.type === "delta") this.append(message);
    else if (message.type === "progress") this.mend(message);
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
    this.epoch += 1;
    this.run = run;
    this.seq = 0;
    this.pieces = [];
    this.prefill = prefill;
    this.schema = schema;
    this.rows = [];
    this.error = this.problem = null;
    this.status = [];
    this.state = "running";
    this.asking = false;
  }

  /** @param {{ run: number, seq: number, text: string }} message */
  append({ run, seq, text }) {
    if (run < this.run || (run === this.run && (seq <= this.seq || this.over))) return;
    if (run === this.run && seq === this.seq + 1) {
      this.seq = seq;
      this.pieces.push(text);
    } else if (!this.asking) {
      this.asking = true; // once: the answer to it, or the final snapshot, has everything
      this.model.send({ type: "resync", run });
    }
  }

  /** @param {{ run: number, seq: number, text: string, prefill: string, schema: string }} message */
  mend({ run, seq, text, prefill, schema }) {
    this.asking = false;
    if (run < this.run || (run === this.run && this.over)) return;
    if (run > this.run) this.begin({ run, prefill, schema });
    if (this.state !== "stopping") this.state = "running";
    if (seq > this.seq) {
      this.seq = seq;
      this.replace(text);
    }
  }

  /** @param {Snapshot} snapshot */
  finish(snapshot) {
    if (snapshot.run < this.run || snapshot.run === 0) return;
    this.heard();
    if (snapshot.run > this.run) this.epoch += 1;
    this.run = snapshot.run;
    this.seq = Infinity;
    this.prefill = snapshot.prefill ?? "";
    this.schema = snapshot.schema ?? "";
    this.rows = snapshot.rows ?? [];
    this.error = snapshot.error ?? null;
    this.status = snapshot.status ?? [];
    this.state = snapshot.state;
    this.asking = false;
    this.replace(snapshot.text ?? "");
    this.settled = false;
    setTimeout(() => {
      this.settled = true;
      this.tell();
    }, 1500);
    this.tell();
  }

  /**
   * Take the whole text; what is drawn and right stays.
   * @param {string} text
   */
  replace(text) {
    const drawn = this.pieces.join("");
    if (text === drawn) return;
    if (text.startsWith(drawn)) {
      this.pieces.push(text.slice(drawn.length));
      return;
    }
    this.epoch += 1;
    this.pieces = [text];
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
   * @param {{ prompt: string, prefilling: string, schema: string }} question
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
