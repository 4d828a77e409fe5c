// @ts-check
// The message being written: its role, text and parts, shared by all views; sent to the kernel after a pause.

import { pickButton, textButton } from "../base/controls.js";
import { element, keepOnly, onChange } from "../base/dom.js";
import { directionOf } from "../base/texts.js";
import { ROLES, tokensText } from "../base/store.js";
import { takeFiles } from "./media.js";
import { refusalNotice, sourceMenu } from "./sources.js";
import { partRow, sendingRow } from "./turn_parts.js";
import { variableForm } from "./variables.js";
/** @import { Model } from "../base/dom.js" */
/** @import { TurnStore } from "../base/store.js" */
/** @import { Attached, FileTray } from "./media.js" */
/** @import { Row } from "./turn_parts.js" */

const PAUSE_MILLISECONDS = 300;
const HUGE_CHARACTERS = 100_000;
const MOST_CHARACTERS = 190_000; // the kernel refuses a message of more than 200,000

export class DraftStore {
  /**
   * @param {Model} model
   * @param {FileTray} tray
   */
  constructor(model, tray) {
    this.model = model;
    this.tray = tray;
    this.text = "";
    this.role = "user";
    this.call = "";
    /** @type {Map<string, string>} texts of parts that the kernel does not have yet */
    this.newer = new Map();
    /** @type {number | undefined} */
    this.timer = undefined;
    this.adding = false;
    this.asked = false; // it was sent with a request, and has not changed since
    this.others = ""; // what a parent says of who answers
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  connect() {
    for (const name of /** @type {const} */ (["draft", "draft_role", "draft_call", "attachments"])) {
      this.model.on(`change:${name}`, () => this.follow());
    }
    this.follow();
  }

  /** Take the kernel's state, unless newer text was typed here. */
  follow() {
    this.asked &&= this.model.get("draft") === this.text; // the kernel has answered the request
    if (this.timer === undefined) {
      this.text = this.model.get("draft");
      this.role = this.model.get("draft_role");
      this.call = this.model.get("draft_call");
    }
    const ids = this.tray.cards.map(({ id }) => id);
    for (const id of this.newer.keys()) if (!ids.includes(id)) this.newer.delete(id);
    this.tell();
  }

  /** Its parts besides the text. */
  get parts() {
    return this.tray.cards.map((card) => ({ ...card, text: this.newer.get(card.id) ?? card.text }));
  }

  /** The whole message, as the kernel takes it. */
  get whole() {
    const { text, role, call, parts } = this;
    const texts = parts.filter(({ kind }) => kind === "text").map(({ id, text: words }) => [id, words ?? ""]);
    return { text, role, call, ids: parts.map(({ id }) => id), texts: Object.fromEntries(texts) };
  }

  /** Whether there is anything to send. */
  get empty() {
    return !this.text.trim() && !this.tray.waiting.length && this.parts.every(({ kind, text }) => kind === "text" && !text);
  }

  /** Say behind the invitation to write who will answer. @param {string} others */
  invite(others) {
    if (others === this.others) return;
    this.others = others;
    this.tell();
  }

  /** @param {{ text?: string, role?: string, call?: string }} change */
  write(change) {
    Object.assign(this, change);
    this.later();
  }

  /**
   * @param {string} id
   * @param {string} text
   */
  writePart(id, text) {
    this.newer.set(id, text);
    this.later();
  }

  later() {
    this.asked = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), PAUSE_MILLISECONDS);
    this.tell();
  }

  /** @param {boolean} [left] whether its field was left, so that the notebook should keep it */
  save(left = false) {
    if (this.timer === undefined && (!left || this.asked)) return;
    if (this.settle()) this.model.send({ type: "draft", draft: this.whole, left, at: Date.now() });
  }

  /**
   * Set this page's traits to what was typed, so that a change in the kernel is noticed. They are never saved: the draft
   * is sent in messages, which arrive in order.
   * @returns {boolean} whether it is short enough to be sent
   */
  settle() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { text, role, call } = this;
    this.model.set("draft", text);
    this.model.set("draft_role", role);
    this.model.set("draft_call", call);
    if (tooLong(this.parts.map((part) => part.text ?? "").concat(text))) {
      this.tray.refuse(TOO_LONG);
      return false;
    }
    return true;
  }

  /**
   * Reorder the parts, or remove some.
   * @param {Attached[]} parts
   */
  arrange(parts) {
    this.asked = false;
    this.model.set("attachments", parts);
    this.save(true);
  }

  /**
   * Return the whole message for a request that makes it a turn; null if it is too long. Until the kernel answers, leaving
   * its field does not bring it back.
   */
  ask() {
    this.asked = this.settle();
    return this.asked ? this.whole : null;
  }

  /**
   * Take dropped or pasted files: one of text becomes a text part, any other is attached.
   * @param {File[]} files
   */
  take(files) {
    const others = files.filter((file) => !isText(file));
    this.tray.add(others);
    for (const file of files) if (!others.includes(file)) void this.takeText(file);
  }

  /** @param {File} file */
  async takeText(file) {
    const text = file.size > 4 * MOST_CHARACTERS ? "" : await file.text();
    if (file.size > 4 * MOST_CHARACTERS || tooLong([text])) this.tray.refuse(TOO_LONG);
    else if (/[\0\ufffd]/.test(text)) this.tray.add([file]); // not UTF-8: the kernel says what it is
    else this.writePart(this.addText(), text);
  }

  addText() {
    const id = `text-${Math.random().toString(36).slice(2)}`;
    this.arrange([...this.parts, { id, kind: "text", text: "" }]);
    return id;
  }

  /** Make it a turn once all its files have arrived; the kernel returns it if that fails. */
  async add() {
    if (this.empty || this.adding) return;
    this.adding = true; // only once, even if asked again while a file arrives
    await this.tray.ready();
    this.adding = false;
    if (this.empty || !this.settle()) return;
    this.model.send({ type: "add", draft: this.whole });
    // At once: text typed while the kernel is busy belongs to the next message.
    this.newer.clear();
    this.model.set("draft", "");
    this.model.set("draft_call", "");
    this.model.set("attachments", []);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}

const TEXT_NAME = /\.(csv|json|jsonl|log|md|rst|tsv|txt|ya?ml)$/i;

/** @param {File} file */
function isText(file) {
  return file.type.startsWith("text/") || (!/^(audio|image|video)\//.test(file.type) && TEXT_NAME.test(file.name));
}

export const TOO_LONG = `a text of more than ${MOST_CHARACTERS.toLocaleString("en-US")} characters cannot be sent from here: set it in a cell, by .messages or .draft`;

/** @param {string[]} texts */
export function tooLong(texts) {
  return texts.reduce((sum, text) => sum + text.length, 0) > MOST_CHARACTERS;
}

/**
 * Make the composer: a field that grows, the parts, and one row of controls. A parent puts the start of the answer into
 * `.mf-start-slot` and its own buttons into `.mf-start-button` and `.mf-run-slot`; *Add* then comes second.
 * @param {TurnStore} store
 * @param {DraftStore} draft
 * @param {AbortSignal} signal
 */
export function composer(store, draft, signal) {
  const { model, tray } = draft;
  const role = rolePick(draft.role, (value) => draft.write({ role: value }), signal, "mf-dim");
  const field = /** @type {HTMLTextAreaElement} */ (
    element("textarea", { class: "mf-prompt", rows: 1, "aria-label": "message" })
  );
  const call = /** @type {HTMLInputElement} */ (
    element("input", { class: "mf-input", "aria-label": "id of the call that this answers" })
  );
  const answers = element("label", { class: "mf-variable", hidden: true }, "answers", call);
  const list = element("ul", { class: "mf-part-list", "aria-label": "parts of the message" });
  const add = textButton("Add", "add it to the conversation (Ctrl-Enter)", () => draft.add(), { icon: "plus", key: "⌃⏎", kind: "mf-primary", class: "mf-add" });
  const sources = sourceMenu(tray, false, { take: () => field.focus(), text: () => focusPart(draft.addText()) }, signal);
  const notice = refusalNotice(tray, signal, () => model.get("warning"));
  const node = element(
    "section",
    { class: "mf-composer", "aria-label": "message" },
    field,
    list,
    sources.place,
    variableForm(store, draft, signal),
    element("div", { class: "mf-start-slot" }),
    notice,
    element(
      "div",
      { class: "mf-controls" },
      sources.plus,
      role.node,
      answers,
      element("span", { class: "mf-start-button" }),
      element("span", { class: "mf-grow" }),
      totalOf(model, signal),
      add,
      element("span", { class: "mf-run-slot" }),
    ),
  );
  /** @type {Map<string, { key: string, row: Row }>} */
  let rows = new Map();

  field.addEventListener("input", () => {
    field.classList.toggle("mf-huge", field.value.length > HUGE_CHARACTERS);
    draft.write({ text: field.value });
  });
  field.addEventListener("change", () => draft.save(true));
  call.addEventListener("input", () => draft.write({ call: call.value }));
  takeFiles(node, (files) => draft.take(files));

  /** @param {string} id */
  function focusPart(id) {
    draw();
    rows.get(id)?.row.field?.focus();
  }

  /**
   * @param {Attached} part
   * @returns {Row}
   */
  function made(part) {
    const { id } = part;
    const place = () => draft.parts.findIndex((other) => other.id === id);
    return partRow(part, tray, {
      can: (by) => draft.parts[place() + by] !== undefined,
      move(by) {
        const [from, parts] = [place(), draft.parts];
        const others = parts.filter((other) => other.id !== id);
        draft.arrange([...others.slice(0, from + by), parts[from], ...others.slice(from + by)]);
      },
      remove() {
        draft.model.set("attachments", draft.parts.filter((other) => other.id !== id));
        tray.remove([id]);
        field.focus();
      },
      text: part.kind === "text" ? (text) => draft.writePart(id, text) : null,
    });
  }

  function draw() {
    if (field.value !== draft.text) field.value = draft.text;
    field.dir = directionOf(draft.text);
    if (call.value !== draft.call) call.value = draft.call;
    const tool = draft.role === "tool";
    const usual = store.turns.length ? "Write the next message" : "Write a message, or paste or drop a picture";
    field.placeholder = tool ? "Write the result of the tool" : `${usual}${draft.others}`;
    call.placeholder = store.openCalls[0] ?? "id of the call";
    answers.hidden = !tool;
    role.show(draft.role);
    /** @type {typeof rows} */
    const next = new Map();
    for (const part of draft.parts) {
      const text = part.kind === "text" ? part.text ?? "" : null;
      // do not redraw a text that is being typed
      const key = JSON.stringify([text === null ? part : part.id, tray.picture(part)]);
      const held = rows.get(part.id);
      const shown = held?.key === key ? held : { key, row: made(part) };
      const box = shown.row.field;
      if (box && text !== null && box.value !== text && !box.matches(":focus")) box.value = text;
      next.set(part.id, shown);
    }
    rows = next;
    for (const { row } of rows.values()) row.refresh();
    const waiting = tray.waiting.map((sending) => sendingRow(sending, tray));
    keepOnly(list, [...[...rows.values()].map(({ row }) => row.node), ...waiting]);
    list.hidden = list.childElementCount === 0;
    add.toggleAttribute("disabled", draft.empty);
    node.classList.toggle("mf-drafted", !draft.empty);
  }

  store.listeners.add(draw);
  draft.listeners.add(draw);
  tray.listeners.add(draw);
  signal.addEventListener("abort", () => {
    store.listeners.delete(draw);
    draft.listeners.delete(draw);
    tray.listeners.delete(draw);
  });
  draw();
  return node;
}

/**
 * Make the line with the estimated tokens of the conversation.
 * @param {Model} model
 * @param {AbortSignal} signal
 */
function totalOf(model, signal) {
  const node = element("span", { class: "mf-total mf-num" });
  const draw = () => {
    const { tokens = 0, unknown = 0, rule = "" } = model.get("estimate");
    node.textContent = tokens || unknown ? `conversation ${tokensText(tokens, unknown)}` : "";
    node.title = `all of it, an estimate: text by its letters, images by ${rule || "no rule that is known for this model"}`;
  };
  onChange(model, "estimate", draw, signal);
  draw();
  return node;
}

/**
 * Make a menu of roles; it also offers an unknown role that a message has.
 * @param {string} chosen
 * @param {(role: string) => void} change
 * @param {AbortSignal} signal
 * @param {string} [kind] further classes
 */
export function rolePick(chosen, change, signal, kind = "") {
  let shown = chosen;
  const names = () => (ROLES.includes(shown) ? ROLES : [...ROLES, shown]);
  const entry = (/** @type {string} */ role) => ({
    label: role,
    checked: role === shown,
    pick() {
      show(role);
      change(role);
    },
  });
  const { node, set } = pickButton("role", () => names().map(entry), signal, kind);
  /** @param {string} role */
  function show(role) {
    shown = role;
    set(role, "as");
  }
  show(chosen);
  return { node, show };
}
