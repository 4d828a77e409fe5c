// @ts-check
// One part of a message, to read or as a row of an editor. Text is set as text; Markdown comes as HTML from the kernel.

import { icon, iconButton, textButton } from "../base/controls.js";
import { element } from "../base/dom.js";
import { tokensText } from "../base/store.js";
import { finishedBlocks } from "../base/turn_columns.js";
import { markNames, withNames } from "./variables.js";
/** @import { IconName } from "../base/controls.js" */
/** @import { Part } from "../base/store.js" */
/** @import { FileTray, Sending } from "./media.js" */

/** @type {Record<string, [shape: IconName, word: string]>} */
const SHAPES = {
  image: ["image", "image"],
  audio: ["audio", "sound"],
  file: ["file", "file"],
  address: ["link", "by address"],
};

/**
 * Make a part to read.
 * @param {Part} part
 * @param {FileTray} tray
 * @param {{ role: string, plain: boolean }} how
 * @returns {HTMLElement}
 */
export function partNode(part, tray, { role, plain }) {
  const text = part.text ?? "";
  if (part.kind === "text") return role === "assistant" ? wordsNode(part, plain) : textNode(text, role, (!plain && part.html) || []);
  if (part.kind in SHAPES) return mediumNode(part, tray);
  if (part.kind === "reasoning") {
    const summary = element("summary", {}, `reasoning · ${text.length.toLocaleString("en-US")} characters`);
    return element("details", { class: "mf-reasoning" }, summary, text);
  }
  if (part.kind === "answers") return element("div", { class: "mf-aside" }, "answers ", element("code", {}, text || "–"));
  if (part.kind === "refusal") return element("div", { class: "mf-error" }, element("b", {}, "refusal"), " ", text);
  const name = element("b", {}, part.name ?? "");
  if (part.kind === "call") return labelled([name, element("span", { class: "mf-detail" }, part.call ?? "")], text);
  return labelled([element("span", { class: "mf-detail" }, part.name ?? "part")], text);
}

/**
 * @param {HTMLElement[]} head
 * @param {string} text
 */
function labelled(head, text) {
  const raw = text ? [element("pre", { class: "mf-raw", tabindex: "0" }, text)] : [];
  return element("div", { class: "mf-kept" }, element("div", { class: "mf-head" }, ...head), ...raw);
}

/**
 * Make a person's text, with its Markdown drawn, or a tool's result as plain text.
 * @param {string} text
 * @param {string} role
 * @param {string[]} html
 */
function textNode(text, role, html) {
  if (html.length) {
    const blocks = finishedBlocks(html);
    markNames(blocks);
    return element("div", { class: "mf-text mf-words", dir: "auto" }, blocks);
  }
  const long = role === "tool" ? { class: "mf-text mf-bounded", tabindex: "0" } : { class: "mf-text" };
  return element("div", { ...long, dir: "auto" }, ...(role === "tool" ? withNames(text) : paragraphs(text)));
}

/**
 * Make a person's paragraphs; blank lines are as low as the gap between a model's.
 * @param {string} text
 */
function paragraphs(text) {
  return text.split(/(\n[ \t]*(?:\n[ \t]*)+)/).flatMap((part, at) => (at % 2 ? [element("span", { class: "mf-blank-lines" }, part)] : withNames(part)));
}

/**
 * Make a model's text as it looked while it arrived: its prefill with a tint, Markdown drawn, a structure as code.
 * @param {Part} part
 * @param {boolean} plain
 */
function wordsNode({ text, html, prefill = 0, code }, plain) {
  const words = text ?? "";
  const drawn = html && !plain ? html : [];
  const rest = html && !plain ? "" : words;
  const blocks = finishedBlocks(drawn);
  const given = element("span", { class: "mf-prefill" }, rest.slice(0, prefill));
  const open = element("div", { class: "mf-tail" }, given, rest.slice(prefill));
  return element("div", { class: code ? "mf-words mf-code" : "mf-words", dir: "auto" }, blocks, open);
}

/**
 * Make a file: its picture or icon, its name, and its size and tokens before and after its conversion.
 * @param {Part} part
 * @param {FileTray} tray
 */
function mediumNode(part, tray) {
  const [shape, word] = SHAPES[part.kind];
  const address = part.kind === "address";
  const url = tray.picture(part);
  const before = part.before ? `${part.before} → ` : "";
  const more = part.tokens_before && part.tokens_before !== part.tokens ? part.tokens_before : 0;
  const tokens = more ? `≈ ${more.toLocaleString("en-US")} → ${tokensText(part.tokens).slice(2)}` : tokensText(part.tokens);
  return element(
    "div",
    { class: "mf-medium", title: part.notes || null },
    url
      ? element("img", { src: url, alt: "" })
      : element("span", { class: "mf-blank" }, icon(shape)),
    element(
      "div",
      { class: "mf-facts" },
      element("div", { class: "mf-name" }, address ? `${part.name} ${word}` : (part.name ?? word)),
      element("div", { class: "mf-detail" }, address ? (part.text ?? "") : before + (part.detail ?? "")),
      element("div", { class: "mf-detail" }, tokens, ...(part.kind === "audio" ? [listenNode(part, tray)] : [])),
    ),
  );
}

/**
 * Make a button that becomes a player; the sound is requested when it is pressed.
 * @param {Part} part
 * @param {FileTray} tray
 */
function listenNode({ media = "", name = "" }, tray) {
  const node = element("span", { class: "mf-listen" });
  const listen = textButton("listen", `listen to ${name}`, hear, { icon: "run", class: "mf-small" });
  const play = () => {
    const src = tray.sounds.get(media);
    if (!src) return;
    tray.listeners.delete(play);
    const player = /** @type {HTMLAudioElement} */ (element("audio", { controls: true, src, "aria-label": name }));
    node.replaceChildren(player);
    player.play().catch(() => {}); // if autoplay is not allowed, the person presses play
  };
  function hear() {
    listen.toggleAttribute("disabled", true);
    tray.listeners.add(play);
    if (tray.sounds.has(media)) play();
    else tray.model.send({ type: "sound", media });
  }
  node.append(listen);
  return node;
}

/**
 * @typedef {{
 *   can(by: number): boolean, move(by: number): void, remove(): void, text: ((text: string) => void) | null,
 * }} Hands the actions of a row
 * @typedef {{ node: HTMLElement, field: HTMLTextAreaElement | HTMLInputElement | null, refresh(): void }} Row
 */

/**
 * Make a part of an editor: a field for a text, else the part itself, with buttons to move and remove it. A row is kept
 * as long as its part, so that it keeps the focus.
 * @param {Part} part
 * @param {FileTray} tray
 * @param {Hands} hands
 * @returns {Row}
 */
export function partRow(part, tray, hands) {
  const what = part.kind === "text" ? "text" : `${part.kind} ${part.name ?? ""}`.trim();
  const { text: change } = hands;
  const shown = change ? fieldNode(part, what, change) : partNode(part, tray, { role: "", plain: true });
  const up = iconButton("arrow-up", `move ${what} up (Alt-↑)`, () => hands.move(-1));
  const down = iconButton("arrow-down", `move ${what} down (Alt-↓)`, () => hands.move(1));
  const remove = iconButton("cross", `remove ${what}`, hands.remove);
  const node = element(
    "li",
    { class: "mf-part" },
    element("div", { class: "mf-shown" }, shown),
    element("div", { class: "mf-acts" }, up, down, remove),
  );
  node.addEventListener("keydown", (event) => {
    const by = event.altKey ? { ArrowUp: -1, ArrowDown: 1 }[event.key] : undefined;
    if (by === undefined || !hands.can(by)) return;
    event.preventDefault();
    hands.move(by);
  });
  return {
    node,
    field: change && node.querySelector("textarea, input"),
    refresh() {
      up.toggleAttribute("disabled", !hands.can(-1));
      down.toggleAttribute("disabled", !hands.can(1));
      up.hidden = down.hidden = !hands.can(-1) && !hands.can(1);
    },
  };
}

/**
 * @param {Part} part
 * @param {string} what
 * @param {(text: string) => void} change
 */
function fieldNode(part, what, change) {
  const answers = part.kind === "answers";
  const label = answers ? "id of the call that this answers" : what;
  const attributes = { class: answers ? "mf-input" : "mf-prompt", "aria-label": label, ...(answers ? {} : { rows: 1 }) };
  const field = /** @type {HTMLTextAreaElement} */ (element(answers ? "input" : "textarea", attributes));
  field.value = part.text ?? "";
  field.addEventListener("input", () => change(field.value));
  return answers ? element("label", { class: "mf-variable" }, "answers call", field) : field;
}

/**
 * Make the row of a file that is being sent.
 * @param {Sending} sending
 * @param {FileTray} tray
 * @returns {HTMLElement}
 */
export function sendingRow({ id, name, detail, kind, url }, tray) {
  const shape = SHAPES[kind][0];
  return element(
    "li",
    { class: "mf-part mf-sending" },
    element(
      "div",
      { class: "mf-medium" },
      url ? element("img", { src: url, alt: "" }) : element("span", { class: "mf-blank" }, icon(shape)),
      element(
        "div",
        { class: "mf-facts" },
        element("div", { class: "mf-name" }, name),
        element("div", { class: "mf-detail", role: "status" }, detail),
      ),
    ),
    element("div", { class: "mf-acts" }, iconButton("cross", `remove ${name}`, () => tray.remove([id]))),
  );
}
