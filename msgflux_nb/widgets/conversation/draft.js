// @ts-check
// The message being written: its role, text and parts, the same in all views; the kernel is told after a pause.

import { pickButton, textButton } from "../base/controls.js";
import { element, keepOnly, onChange } from "../base/dom.js";
import { directionOf, sizeText } from "../base/texts.js";
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
const TEXT_BYTES = 8e6; // a message above 10 MiB would be lost without a word

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
    /** @type {Map<string, string>} texts of parts that are newer here */
    this.newer = new Map();
    /** @type {number | undefined} */
    this.timer = undefined;
    this.adding = false;
    this.asked = false; // it went to the kernel with a wish, and has not been changed since
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  connect() {
    for (const name of /** @type {const} */ (["draft", "draft_role", "draft_call", "attachments"])) {
      this.model.on(`change:${name}`, () => this.follow());
    }
    this.follow();
  }

  /** Take what the kernel says, unless something newer has been typed here. */
  follow() {
    this.asked &&= this.model.get("draft") === this.text; // no: the kernel has said what became of it
    if (this.timer === undefined) {
      this.text = this.model.get("draft");
      this.role = this.model.get("draft_role");
      this.call = this.model.get("draft_call");
    }
    const ids = this.tray.cards.map(({ id }) => id);
    for (const id of this.newer.keys()) if (!ids.includes(id)) this.newer.delete(id);
    this.tell();
  }

  /** Its parts other than the text. */
  get parts() {
    return this.tray.cards.map((card) => ({ ...card, text: this.newer.get(card.id) ?? card.text }));
  }

  /** All of it, as the kernel takes it. */
  get whole() {
    const { text, role, call, parts } = this;
    const texts = parts.filter(({ kind }) => kind === "text").map(({ id, text: words }) => [id, words ?? ""]);
    return { text, role, call, ids: parts.map(({ id }) => id), texts: Object.fromEntries(texts) };
  }

  /** Whether there is anything to send. */
  get empty() {
    return !this.text.trim() && !this.tray.waiting.length && this.parts.every(({ kind, text }) => kind === "text" && !text);
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

  /** @param {boolean} [left] whether its field was left: worth keeping in the notebook */
  save(left = false) {
    if (this.timer === undefined && (!left || this.asked)) return;
    if (this.settle()) this.model.send({ type: "draft", draft: this.whole, left, at: Date.now() });
  }

  /**
   * Make this page's traits say what was typed, so that a change in the kernel is seen as one. They are set and never
   * saved: the draft travels in messages, which arrive in their order.
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
   * Bring the parts into another order, or leave some out.
   * @param {Attached[]} parts
   */
  arrange(parts) {
    this.asked = false;
    this.model.set("attachments", parts);
    this.save(true);
  }

  /**
   * All of it, for a wish that makes it a turn; null if it is too long. Until the kernel says what became of it, its
   * field can be left without bringing it back.
   */
  ask() {
    this.asked = this.settle();
    return this.asked ? this.whole : null;
  }

  addText() {
    const id = `text-${Math.random().toString(36).slice(2)}`;
    this.arrange([...this.parts, { id, kind: "text", text: "" }]);
    return id;
  }

  /** Make it a turn, once all its files have arrived; the kernel gives it back if it cannot be one. */
  async add() {
    if (this.empty || this.adding) return;
    this.adding = true; // once, however often it is asked for while a file arrives
    await this.tray.ready();
    this.adding = false;
    if (this.empty || !this.settle()) return;
    this.model.send({ type: "add", draft: this.whole });
    // At once: what is typed while the kernel is busy is of the next message.
    this.newer.clear();
    this.model.set("draft", "");
    this.model.set("draft_call", "");
    this.model.set("attachments", []);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}

export const TOO_LONG = `a text of more than ${sizeText(TEXT_BYTES)} cannot be sent from here: set it in a cell, by .messages or .draft`;

/** @param {string[]} texts */
export function tooLong(texts) {
  return texts.reduce((sum, text) => sum + text.length, 0) * 3 > TEXT_BYTES && new Blob(texts).size > TEXT_BYTES;
}

/**
 * Where the next message is written: a field that grows, its parts, and one row of controls. A parent puts the start of
 * the answer into `.mf-start-slot`, its own buttons into `.mf-start-button` and `.mf-run-slot`; *Add* is then its second.
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
  takeFiles(node, (files) => tray.add(files));

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
    field.placeholder = tool ? "Write the result of the tool" : usual;
    call.placeholder = store.openCalls[0] ?? "id of the call";
    answers.hidden = !tool;
    role.show(draft.role);
    /** @type {typeof rows} */
    const next = new Map();
    for (const part of draft.parts) {
      const text = part.kind === "text" ? part.text ?? "" : null;
      // A text that is being typed is not drawn again.
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
 * About how many tokens the conversation is.
 * @param {Model} model
 * @param {AbortSignal} signal
 */
function totalOf(model, signal) {
  const node = element("span", { class: "mf-total mf-num" });
  const draw = () => {
    const { tokens = 0, unknown = 0, rule = "" } = model.get("estimate");
    node.textContent = tokens || unknown ? tokensText(tokens, unknown) : "";
    node.title = `all of it, an estimate: text by its letters, images by ${rule || "no rule that is known for this model"}`;
  };
  onChange(model, "estimate", draw, signal);
  draw();
  return node;
}

/**
 * A menu of roles; one that a message has and that is not among ours is offered too.
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
