// @ts-check
// A page's knowledge of the turns of a builder: the kernel sends the changed end, and views are notified.

/** @import { Model } from "./dom.js" */

/**
 * @typedef {{
 *   kind: string, name?: string, text?: string | null, html?: string[] | null, prefill?: number, code?: boolean,
 *   detail?: string, notes?: string, before?: string, media?: string, call?: string, left?: number,
 *   tokens?: number | null, tokens_before?: number | null,
 * }} Part
 * @typedef {Part & { key: string }} KeyedPart
 * @typedef {{ id: string, role: string, note: string, parts: KeyedPart[], siblings: [number, number] }} Turn
 * @typedef {{ text: string, html?: string[], prefill?: string, reasoning?: string }} Words text: after the prefill
 */

export const ROLES = ["system", "developer", "user", "assistant", "tool"];

export class TurnStore {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {[string, string] | null} */
    this.problem = null;
    this.asking = false;
  }

  /** Register for messages; called while the widget is made, so that the first ones are not missed. */
  connect() {
    this.model.on("msg:custom", (message) => this.receive(message));
    this.model.on("change:turns", () => {
      this.asking = false;
      this.tell();
    });
  }

  /** @returns {Turn[]} */
  get turns() {
    return this.model.get("turns");
  }

  /** @param {any} message */
  receive(message) {
    if (message.type === "turns") this.merge(message.number, message.from, message.turns);
    else if (message.type === "problem") {
      this.problem = [message.name, message.message];
      this.tell();
    }
  }

  /**
   * Take the turns from one on: new ones whole, the others ``as`` one that the page has. Messages are numbered: a known one is ignored,
   * and after a lost one the page asks for everything, once.
   * @param {number} number
   * @param {number} from
   * @param {(Turn & { as?: string })[]} turns
   */
  merge(number, from, turns) {
    if (number <= this.model.get("told")) return;
    if (number !== this.model.get("told") + 1 || from > this.turns.length) {
      this.resync();
      return;
    }
    this.problem = null;
    this.model.set("told", number);
    // Set but never saved: the kernel has it; the page keeps it for later views.
    const had = new Map(this.turns.map((turn) => [turn.id, turn]));
    const taken = turns.map(({ as, ...turn }) => (as === undefined ? turn : { .../** @type {Turn} */ (had.get(as)), ...turn }));
    this.model.set("turns", [...this.turns.slice(0, from), ...taken]);
  }

  resync() {
    if (!this.asking) this.model.send({ type: "resync" });
    this.asking = true;
  }

  /**
   * Add an answer that the page has watched; the kernel's card comes without its words, which the page has.
   * @param {Turn & { position: number, number: number }} card
   * @param {Words} words
   */
  settle({ position, number, ...card }, { text, html = [], prefill = "", reasoning = "" }) {
    const parts = card.parts.map((part) => {
      if (part.kind === "reasoning") return { ...part, text: reasoning };
      if (part.kind !== "text") return part;
      return { ...part, text: prefill + text, ...(part.html === null ? { html } : {}) };
    });
    this.merge(number, position, [{ ...card, parts }]);
  }

  /**
   * @param {Handled} type
   * @param {Record<string, unknown>} [content]
   */
  ask(type, content = {}) {
    this.problem = null;
    this.model.send({ type, ...content });
  }

  /** The ids of tool calls without a result. */
  get openCalls() {
    /** @type {Set<string>} */
    const open = new Set();
    for (const { parts } of this.turns) {
      for (const { kind, call, text } of parts) {
        if (kind === "call" && call) open.add(call);
        if (kind === "answers" && text) open.delete(text);
      }
    }
    return [...open];
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}

/**
 * Return an estimate in words; an unknown one is a dash, never 0.
 * @param {number | null | undefined} tokens
 * @param {number} [unknown] the number of parts that are not counted
 * @returns {string}
 */
export function tokensText(tokens, unknown = 0) {
  if (tokens === null || tokens === undefined || (tokens === 0 && unknown)) return "– tokens";
  const more = unknown ? ` + ${unknown.toLocaleString("en-US")} unknown` : "";
  return `≈ ${tokens.toLocaleString("en-US")} tokens${more}`;
}
