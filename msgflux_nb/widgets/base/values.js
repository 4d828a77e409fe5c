// @ts-check
// A structure while it arrives: parses its text so far, and gives each field its value so far.

import { PartialJson } from "./partial.js";
import { shownValue } from "./readable.js";
/** @import { Field } from "../schema/fields.js" */

const ROWS = 200; // as many as the kernel sends at the end

/**
 * @typedef {{ field: Field, children: FieldNode[] }} FieldNode
 * @typedef {"open" | "growing" | "complete" | "cut"} State
 * @typedef {{ field: string, value: string | null, type: string, state: State }} ValueRow
 * @typedef {{ text?: string, done?: boolean, rows?: Row[] | null }} Progress
 * @typedef {{ field: string, value: string | null, type: string }} Row
 */

/** The structure in one answer's text so far; only new text is parsed. */
export class Filling {
  constructor() {
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.reader = new PartialJson({ number: exactNumber });
    this.read = 0;
    this.last = "";
    this.begun = false;
    this.shown = false;
    this.done = false;
    /** @type {Row[] | null} */
    this.rows = null;
  }

  clear() {
    Object.assign(this, new Filling(), { listeners: this.listeners });
  }

  /**
   * Take an answer as far as it has come; null for none.
   * @param {Progress | null} progress
   */
  show(progress) {
    const { text = "", done = false, rows = null } = progress ?? {};
    if (!progress || !this.continues(text)) this.clear();
    this.push(text);
    Object.assign(this, { done, rows, shown: progress !== null });
    this.tell();
  }

  /** @param {string} text */
  continues(text) {
    const from = Math.max(0, this.read - 64);
    return text.length >= this.read && !this.done && text.slice(from, this.read) === this.last;
  }

  /** @param {string} text */
  push(text) {
    let from = this.read;
    this.read = text.length;
    this.last = text.slice(Math.max(0, this.read - 64));
    if (!this.begun) {
      const start = text.slice(from).search(/[{[]/); // skip words or a fence before the JSON
      if (start < 0) return;
      from += start;
      this.begun = true;
    }
    if (from < text.length) this.reader.push(text.slice(from));
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}

/**
 * @param {Field[]} fields
 * @returns {FieldNode[]}
 */
export function fieldTree(fields) {
  /** @type {FieldNode[]} */
  const roots = [];
  /** @type {FieldNode[]} */
  const above = [];
  for (const field of fields) {
    const node = { field, children: [] };
    above.length = Math.min(above.length, field.depth);
    (above.at(-1)?.children ?? roots).push(node);
    above.push(node);
  }
  return roots;
}

/**
 * Return the rows of what was parsed so far, at most 200.
 * @param {FieldNode[]} nodes
 * @param {Filling} filling
 * @returns {ValueRow[]}
 */
export function rowsSoFar(nodes, { reader, done }) {
  /** @type {ValueRow[]} */
  const rows = [];

  /**
   * @param {FieldNode[]} members
   * @param {any} value
   * @param {string} path
   * @param {(string | number)[]} keys the path in the JSON
   */
  function record(members, value, path, keys) {
    const held = isRecord(value) ? value : {};
    for (const node of members) {
      if (rows.length > ROWS) return;
      const { key, name } = node.field;
      field(node, Object.hasOwn(held, key) ? held[key] : undefined, path ? `${path}.${name}` : name, [...keys, key]);
    }
  }

  /**
   * @param {FieldNode} node
   * @param {any} value
   * @param {string} path
   * @param {(string | number)[]} keys
   */
  function field(node, value, path, keys) {
    const { holds, type } = node.field;
    if (holds === "record" && (value === undefined || isRecord(value))) {
      record(node.children, value, path, keys);
      return;
    }
    const items = holds === "list" || holds === "map" ? itemsOf(value, holds) : [];
    for (const [label, item, inner] of items) {
      if (rows.length > ROWS) return;
      record(node.children, item, `${path}[${label}]`, [...keys, ...inner]);
    }
    if (items.length) return;
    const arrives = value !== undefined && reader.isOpen(keys);
    const state = value === undefined ? "open" : !arrives ? "complete" : done ? "cut" : "growing";
    const begun = value !== undefined && !(arrives && Array.isArray(value) && !value.length);
    rows.push({ field: path, value: begun ? shownValue(value, type) : null, type, state });
  }

  const { value } = reader;
  record(nodes, value, "", []);
  if (rows.length <= ROWS) return rows;
  return [...rows.slice(0, ROWS), { field: "…", value: "more rows", type: "", state: "complete" }];
}

/**
 * @param {any} value
 * @param {"list" | "map"} holds
 * @returns {[label: string, item: any, keys: (string | number)[]][]}
 */
function itemsOf(value, holds) {
  if (Array.isArray(value)) {
    const items = value.slice(0, ROWS + 1);
    if (holds === "list") return items.map((item, index) => [String(index), item, [index]]);
    return items.map((pair, index) => [JSON.stringify(pair?.key ?? "…"), pair?.value, [index, "value"]]); // a dict, written as pairs
  }
  if (holds === "list" || !isRecord(value)) return [];
  return Object.keys(value)
    .slice(0, ROWS + 1)
    .map((key) => [JSON.stringify(key), value[key], [key]]);
}

/**
 * Return a number, or its text if JavaScript would lose digits.
 * @param {string} text
 * @returns {number | string}
 */
function exactNumber(text) {
  const number = Number(text);
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? text : number;
}

/**
 * @param {any} value
 * @returns {value is Record<string, any>}
 */
function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
