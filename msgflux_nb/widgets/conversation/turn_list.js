// @ts-check
// The conversation as a list of turns: moved through by keys, edited in place, redrawn only where it changes.

import { element, keepOnly } from "../base/dom.js";
import { turnContent } from "./turn.js";
import { dragging } from "./turn_drag.js";
import { turnEditor } from "./turn_editor.js";
/** @import { Turn, TurnStore } from "../base/store.js" */
/** @import { FileTray } from "./media.js" */

/**
 * @typedef {{
 *   turn: Turn, pictures: string, node: HTMLElement, plain: boolean, editor: ReturnType<typeof turnEditor> | null,
 * }} Shown
 * @typedef {{ position: number, act: string }} Place a turn and a button in it; without a button, the turn itself
 */

export class TurnList {
  /**
   * @param {TurnStore} store
   * @param {FileTray} tray
   */
  constructor(store, tray) {
    this.store = store;
    this.tray = tray;
    this.node = element("ol", { class: "mf-turns", "aria-label": "conversation" });
    /** @type {Map<string, Shown>} */
    this.shown = new Map();
    this.current = "";
    /** @type {Place | null} the place to focus once the kernel has done what was asked */
    this.wanted = null;
    /** @type {Turn[] | null} */
    this.drawn = null;
    dragging(this.node, (id, to) => {
      const from = this.position(id);
      if (from >= 0) this.move(id, to > from ? to - 1 : to, "");
    });
  }

  /** @param {AbortSignal} signal */
  connect(signal) {
    const draw = () => this.draw();
    this.store.listeners.add(draw);
    this.tray.listeners.add(draw);
    signal.addEventListener("abort", () => {
      this.store.listeners.delete(draw);
      this.tray.listeners.delete(draw);
      for (const { editor } of this.shown.values()) editor?.end();
    });
    this.draw();
  }

  /** @param {string} id */
  position(id) {
    return this.store.turns.findIndex((turn) => turn.id === id);
  }

  // Actions

  /**
   * @param {string} act
   * @param {string} id
   * @param {string} [button] the button to focus afterwards; by default that of the action
   */
  does(act, id, button = act) {
    const position = this.position(id);
    const last = this.store.turns.length - 1;
    if (act === "edit") this.edit(id);
    else if (act === "plain") this.toggle(id, button);
    else if (act === "up" && position > 0) this.move(id, position - 1, button);
    else if (act === "down" && position < last) this.move(id, position + 1, button);
    else if (act === "duplicate") this.ask("duplicate", { id }, { position: position + 1, act: button });
    else if (act === "delete") this.ask("delete", { id }, { position: Math.min(position, last - 1), act: "" });
  }

  /**
   * @param {string} id
   * @param {number} to
   * @param {string} act
   */
  move(id, to, act) {
    if (to !== this.position(id)) this.ask("move", { id, to }, { position: to, act });
  }

  /**
   * @param {string} id
   * @param {number} by
   * @param {string} act
   */
  choose(id, by, act) {
    const position = this.position(id);
    const [index, count] = this.store.turns[position].siblings;
    if (index + by < 0 || index + by >= count) return;
    this.ask("choose", { id, sibling: index + by }, { position, act });
  }

  /**
   * @param {Handled} type
   * @param {Record<string, unknown>} content
   * @param {Place} then
   */
  ask(type, content, then) {
    this.wanted = then;
    this.store.ask(type, content);
  }

  /** @param {string} id */
  edit(id) {
    const held = this.shown.get(id);
    if (!held || held.editor) return;
    held.editor = turnEditor(held.turn, this.store, this.tray, () => {
      held.editor = null;
      this.fill(held);
      this.wanted = { position: this.position(id), act: "" };
      this.focusAt(this.wanted);
    });
    held.node.replaceChildren(held.editor.node);
    held.node.classList.add("mf-editing");
    this.rove();
    held.editor.focus();
  }

  /**
   * @param {string} id
   * @param {string} act
   */
  toggle(id, act) {
    const held = this.shown.get(id);
    if (!held) return;
    held.plain = !held.plain;
    this.fill(held);
    this.focusAt({ position: this.position(id), act });
  }

  /**
   * @param {KeyboardEvent} event
   * @param {string} id
   * @param {HTMLElement} item
   */
  keys(event, id, item) {
    const { key, altKey, ctrlKey, metaKey, target } = event;
    const inTools = target instanceof Element && target.closest(".mf-beside") !== null;
    if (target !== item && !inTools) return;
    const command = ctrlKey || metaKey;
    const position = this.position(id);
    if (key === "ArrowUp" && altKey) this.does("up", id, "");
    else if (key === "ArrowDown" && altKey) this.does("down", id, "");
    else if (key === "ArrowUp") this.focusAt({ position: position - 1, act: "" });
    else if (key === "ArrowDown") this.focusAt({ position: position + 1, act: "" });
    else if (key === "ArrowLeft") this.choose(id, -1, "");
    else if (key === "ArrowRight") this.choose(id, 1, "");
    else if (key === "Enter" && target === item) this.does("edit", id);
    else if (key === "Delete" || (key === "Backspace" && command)) this.does("delete", id);
    else if (key === "d" && command) this.does("duplicate", id, "");
    else if (key === "z" && command) this.ask("undo", {}, { position, act: "" });
    else return;
    event.preventDefault();
  }

  /**
   * @param {Place} place
   */
  focusAt({ position, act }) {
    const held = this.shown.get(this.store.turns[position]?.id);
    if (!held) return;
    const by = act ? held.node.querySelector(`[data-act="${act}"]:not([disabled])`) : null;
    this.current = held.turn.id;
    this.rove();
    /** @type {HTMLElement} */ (by ?? held.node).focus();
  }

  /** Make Tab reach only one turn and its buttons (roving tabindex). */
  rove() {
    if (!this.shown.has(this.current)) this.current = this.store.turns.at(-1)?.id ?? "";
    for (const [id, { node, editor }] of this.shown) {
      const reached = id === this.current ? 0 : -1;
      node.tabIndex = editor ? -1 : reached;
      for (const by of node.querySelectorAll(".mf-beside button")) /** @type {HTMLElement} */ (by).tabIndex = reached;
    }
  }

  // Drawing

  draw() {
    const { store, node } = this;
    const active = activeIn(node);
    const free = active === null || node.contains(active);
    /** @type {Map<string, Shown>} */
    const next = new Map();
    store.turns.forEach((turn, position) => {
      const held = this.shown.get(turn.id) ?? this.made(turn);
      this.renew(held, turn);
      held.node.setAttribute("aria-label", `${turn.role}, turn ${position + 1} of ${store.turns.length}`);
      next.set(turn.id, held);
    });
    for (const [id, { editor }] of this.shown) if (!next.has(id)) editor?.end();
    this.shown = next;
    keepOnly(node, [...next.values()].map((held) => held.node));
    this.rove();
    if (this.drawn === store.turns) return;
    this.drawn = store.turns;
    if (this.wanted && free) this.focusAt(this.wanted);
    this.wanted = null;
  }

  /**
   * @param {Turn} turn
   * @returns {Shown}
   */
  made(turn) {
    const node = element("li", { class: "mf-turn", "data-id": turn.id });
    node.addEventListener("focusin", () => {
      this.current = turn.id;
      this.rove();
    });
    node.addEventListener("keydown", (event) => this.keys(event, turn.id, node));
    node.addEventListener("dblclick", ({ target }) => {
      const control = target instanceof Element && target.closest("button, summary, audio, input, textarea, select");
      if (!control) this.edit(turn.id);
    });
    const held = { turn, pictures: this.pictures(turn), node, plain: false, editor: null };
    this.fill(held);
    return held;
  }

  /**
   * Redraw a turn if it has changed.
   * @param {Shown} held
   * @param {Turn} turn
   */
  renew(held, turn) {
    const pictures = this.pictures(turn);
    const same = held.turn === turn || JSON.stringify(held.turn) === JSON.stringify(turn);
    const kept = same && held.pictures === pictures;
    held.turn = turn;
    held.pictures = pictures;
    if (!kept && !held.editor) this.fill(held);
  }

  /** @param {Turn} turn */
  pictures({ parts }) {
    return parts.map((part) => this.tray.picture(part) ?? "").join(" ");
  }

  /** @param {Shown} held */
  fill({ turn, node, plain }) {
    node.classList.remove("mf-editing");
    node.dataset.role = turn.role;
    node.replaceChildren(...turnContent(turn, plain, this.tray, this));
  }
}

/**
 * Return the element with the focus, also in a shadow tree, as marimo uses; null if there is none.
 * @param {Node} node
 */
function activeIn(node) {
  const root = node.getRootNode();
  const active = root instanceof ShadowRoot ? root.activeElement : document.activeElement;
  return active === document.body ? null : active;
}
