// @ts-check
// The editor of a turn: its role and its parts, in any order; nothing changes before it is saved.

import { textButton } from "../base/controls.js";
import { element, keepOnly } from "../base/dom.js";
import { rolePick, TOO_LONG, tooLong } from "./draft.js";
import { takeFiles } from "./media.js";
import { refusalNotice, sourceMenu } from "./sources.js";
import { partRow, sendingRow } from "./turn_parts.js";
/** @import { Part, Turn, TurnStore } from "../base/store.js" */
/** @import { FileTray } from "./media.js" */
/** @import { Row } from "./turn_parts.js" */

/** @typedef {Part & { key?: string, attachment?: string, changed?: boolean, token: string }} Edited */

/**
 * @param {Turn} turn
 * @param {TurnStore} store
 * @param {FileTray} tray
 * @param {() => void} leave called when the editor closes
 * @returns {{ node: HTMLElement, focus: () => void, end: () => void }}
 */
export function turnEditor(turn, store, tray, leave) {
  const ended = new AbortController();
  let numbered = 0;
  let chosen = turn.role;
  /** @type {Edited[]} */
  let parts = turn.parts.map((part) => ({ ...part, token: part.key }));
  /** @type {string[]} */
  const files = [];
  /** @type {Map<string, { picture?: string, row: Row }>} */
  const rows = new Map();

  const chooses = (/** @type {string} */ value) => {
    chosen = value;
    if (value === "tool" && !parts.some(({ kind }) => kind === "answers")) {
      const key = "field:tool_call_id";
      parts = [{ kind: "answers", key, token: key, text: store.openCalls[0] ?? "", changed: true }, ...parts];
    }
    draw();
  };
  const role = rolePick(turn.role, chooses, ended.signal, "mf-line");
  const list = element("ul", { class: "mf-part-list", "aria-label": "parts of the turn" });
  const taker = { take: (/** @type {string[]} */ ids) => void files.push(...ids), text: () => addText() };
  const save = textButton("Save", "save this version (Ctrl-Enter)", commit, { icon: "check", kind: "mf-line" });
  const sources = sourceMenu(tray, true, taker, ended.signal);
  const node = element(
    "section",
    { class: "mf-editor", "aria-label": `edit the ${turn.role}'s turn` },
    role.node,
    list,
    sources.place,
    refusalNotice(tray, ended.signal),
    element("div", { class: "mf-row" }, sources.plus, save, textButton("Cancel", "leave it as it was (Esc)", cancel)),
  );
  takeFiles(node, (given) => taker.take(tray.add(given, true)));
  node.addEventListener("keydown", (event) => {
    const saves = event.key === "Enter" && (event.ctrlKey || event.metaKey || event.shiftKey);
    if (!saves && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (saves) commit();
    else cancel();
  });

  function addText() {
    const token = `new-${(numbered += 1)}`;
    parts = [...parts, { kind: "text", text: "", token }];
    draw();
    focusOn(token);
  }

  /** @param {string} token */
  function focusOn(token) {
    rows.get(token)?.row.field?.focus();
  }

  /** Append files that have arrived. */
  function collect() {
    for (const id of files) {
      const card = tray.loose.get(id);
      if (card && !parts.some(({ attachment }) => attachment === id)) {
        parts = [...parts, { ...card, attachment: id, token: id }];
      }
    }
    draw();
  }

  /**
   * Return whether a part can be moved: fields of the message besides its content have fixed places.
   * @param {Edited | undefined} part
   */
  const movable = (part) => part !== undefined && (part.key === undefined || part.key.startsWith("content"));

  /**
   * @param {Edited} part
   * @returns {Row}
   */
  function made({ token, kind, attachment, left }) {
    const place = () => parts.findIndex((other) => other.token === token);
    return partRow(/** @type {Edited} */ (parts[place()]), tray, {
      can: (by) => movable(parts[place()]) && movable(parts[place() + by]),
      move(by) {
        const [from, part] = [place(), parts[place()]];
        const others = parts.filter((other) => other !== part);
        parts = [...others.slice(0, from + by), part, ...others.slice(from + by)];
        draw();
      },
      remove() {
        parts = parts.filter((other) => other.token !== token);
        if (attachment) tray.remove([attachment]);
        draw();
        save.focus();
      },
      text: !left && (kind === "text" || kind === "answers") ? (text) => write(token, text) : null,
    });
  }

  /**
   * @param {string} token
   * @param {string} text
   */
  function write(token, text) {
    parts = parts.map((part) => (part.token === token ? { ...part, text, changed: true } : part));
  }

  function draw() {
    for (const part of parts) {
      const picture = tray.picture(part);
      const held = rows.get(part.token);
      if (!held || held.picture !== picture) rows.set(part.token, { picture, row: made(part) });
    }
    const shown = parts.map(({ token }) => /** @type {any} */ (rows.get(token)).row);
    shown.forEach((row) => row.refresh());
    const waiting = files.flatMap((id) => tray.sending.get(id) ?? []);
    keepOnly(list, [...shown.map(({ node: row }) => row), ...waiting.map((sending) => sendingRow(sending, tray))]);
    save.toggleAttribute("disabled", waiting.length > 0);
  }

  function commit() {
    if (save.hasAttribute("disabled")) return;
    const told = parts.map(({ key, attachment, text, changed }) => {
      if (attachment !== undefined) return { attachment };
      return key === undefined ? { text: text ?? "" } : { key, ...(changed ? { text: text ?? "" } : {}) };
    });
    if (tooLong(told.map(({ text }) => text ?? ""))) {
      tray.refuse(TOO_LONG);
      return;
    }
    store.ask("edit", { id: turn.id, role: chosen, parts: told });
    end();
    leave();
  }

  function cancel() {
    tray.remove(files.filter((id) => tray.loose.has(id) || tray.sending.has(id)));
    end();
    leave();
  }

  function end() {
    tray.listeners.delete(collect);
    ended.abort();
  }

  tray.listeners.add(collect);
  draw();
  return { node, focus: () => focusOn(parts.find(({ kind }) => kind === "text")?.token ?? ""), end };
}
