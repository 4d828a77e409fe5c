// @ts-check
// One turn to read: its role and its parts; below them, on hover and focus, its tokens and its actions.

import { iconButton, opensMenu, textButton } from "../base/controls.js";
import { copied } from "../base/copy.js";
import { element } from "../base/dom.js";
import { tokensText } from "../base/store.js";
import { turnColumns } from "../base/turn_columns.js";
import { partNode } from "./turn_parts.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { Turn } from "../base/store.js" */
/** @import { FileTray } from "./media.js" */

/** Actions of a parent that has a model: it listens for these events, and its style sheet shows the buttons. */
const PARENT_ACTS = /** @type {const} */ ([
  ["mf-continue", "continue", "continue", "let the model go on from the end of this text"],
  ["mf-rerun", "rerun", "rerun", "ask for another answer in this place"],
  ["mf-compare", "compare", "compare", "compare the versions of this turn"],
]);

/**
 * @typedef {{
 *   does(act: string, id: string, button?: string): void, choose(id: string, by: number, act: string): void, position(id: string): number,
 * }} TurnHands
 */

/**
 * @param {Turn} turn
 * @param {boolean} plain whether Markdown is shown as text
 * @param {FileTray} tray
 * @param {TurnHands} hands
 * @returns {HTMLElement[]}
 */
export function turnContent(turn, plain, tray, hands) {
  const { id, role, parts, note, siblings } = turn;
  const counted = parts.filter(({ tokens }) => tokens !== undefined);
  const unknown = counted.filter(({ tokens }) => tokens === null).length;
  const sum = counted.reduce((total, { tokens }) => total + (tokens ?? 0), 0);
  const nothing = parts.length ? [] : [element("span", { class: "mf-detail" }, "no content")];
  const [gutter, shown] = turnColumns(role, [...parts.map((part) => partNode(part, tray, { role, plain })), ...nothing]);
  gutter.draggable = true;
  gutter.title = "drag to another place";
  gutter.classList.add("mf-handle");
  return [
    gutter,
    shown,
    element(
      "div",
      { class: "mf-beside" },
      ...(siblings[1] > 1 ? [versions(id, siblings, hands)] : []),
      ...(note ? [element("span", { class: "mf-by" }, note)] : []),
      element("span", { class: "mf-count mf-num", title: "an estimate" }, tokensText(sum, unknown)),
      toolbar(turn, plain, hands),
    ),
  ];
}

/**
 * @param {Turn} turn
 * @param {boolean} plain
 * @param {TurnHands} hands
 */
function toolbar(turn, plain, hands) {
  const { id, role, siblings } = turn;
  const parents = PARENT_ACTS.filter(([name]) => (name === "mf-compare" ? siblings[1] > 1 : role === "assistant"));
  const events = parents.map(([name, drawing, label, title]) => {
    const by = textButton(label, title, () => emit(by, name, { position: hands.position(id) }), { icon: drawing, class: "mf-of-parent mf-dim mf-small" });
    by.dataset.act = name;
    return by;
  });
  const edit = textButton("edit", "edit (Enter)", () => hands.does("edit", id), { icon: "edit", class: "mf-dim mf-small" });
  edit.dataset.act = "edit";
  const more = iconButton("more", "more for this turn", () => {}, "mf-small");
  more.dataset.act = "more";
  opensMenu(more, `${role}'s turn`, () => turnMenu(turn, plain, hands));
  return element("div", { class: "mf-tools", role: "toolbar", "aria-label": `${role}'s turn` }, ...events, edit, more);
}

/**
 * @param {Turn} turn
 * @param {boolean} plain
 * @param {TurnHands} hands
 * @returns {Entry[]}
 */
function turnMenu({ id, parts }, plain, hands) {
  const does = (/** @type {string} */ act) => () => hands.does(act, id, "more");
  const texts = parts.filter(({ kind }) => kind === "text").map(({ text }) => text ?? "");
  /** @type {Entry[]} */
  const markdown = parts.some(({ html }) => html) ? [{ label: plain ? "Draw as Markdown" : "Show as plain text", icon: "text", pick: does("plain") }] : [];
  return [
    ...markdown,
    { label: "Copy the text", icon: "copy", pick: () => void copied(texts.join("\n\n")), disabled: !texts.length },
    { label: "Duplicate", icon: "plus", key: "⌃D", pick: does("duplicate") },
    { label: "Move up", icon: "arrow-up", key: "⌥↑", pick: does("up") },
    { label: "Move down", icon: "arrow-down", key: "⌥↓", pick: does("down") },
    "-",
    { label: "Remove", icon: "trash", key: "⌦", title: "undo brings it back", pick: does("delete") },
  ];
}

/**
 * @param {string} id
 * @param {[number, number]} siblings
 * @param {TurnHands} hands
 */
function versions(id, [index, count], hands) {
  const back = iconButton("left", "the version before (←)", () => hands.choose(id, -1, "back"), "mf-small");
  const on = iconButton("right", "the next version (→)", () => hands.choose(id, 1, "on"), "mf-small");
  back.dataset.act = "back";
  on.dataset.act = "on";
  back.toggleAttribute("disabled", index === 0);
  on.toggleAttribute("disabled", index === count - 1);
  const place = element("span", { class: "mf-place mf-num", title: `version ${index + 1} of ${count}` }, `${index + 1} of ${count}`);
  return element("span", { class: "mf-versions", role: "group", "aria-label": "versions" }, back, place, on);
}

/**
 * Send an event to what is around a view, such as a parent widget.
 * @param {HTMLElement} from
 * @param {string} name
 * @param {Record<string, unknown>} [detail]
 */
export function emit(from, name, detail = {}) {
  from.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail }));
}
