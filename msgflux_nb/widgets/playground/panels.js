// @ts-check
// The panels next to the conversation, one at a time: structure, tools, tokens, versions, raw, code.

import { iconButton, opensMenu, pickButton, textButton } from "../base/controls.js";
import { copyButton } from "../base/copy.js";
import { element } from "../base/dom.js";
/** @import { Play } from "./play.js" */

/** @typedef {{ name: string, node: HTMLElement, draw?: () => void, opened?: () => void }} Panel */

/**
 * @param {Panel[]} panels
 * @param {string} prefix makes ids unique on the page
 * @param {AbortSignal} signal
 */
export function tabbed(panels, prefix, signal) {
  const list = element("div", { class: "mf-tabbar", role: "tablist", "aria-label": "next to the conversation" });
  const rest = iconButton("more", "more tabs", () => {});
  const bar = element("div", { class: "mf-tabs" }, list, rest);
  const node = element("section", { class: "mf-pane mf-side", "aria-label": "details" }, bar);
  let current = panels[0].name;
  const tabs = panels.map(({ name, node: body }) => {
    const attributes = { type: "button", role: "tab", class: "mf-tab", id: `${prefix}-tab-${name}`, "aria-controls": `${prefix}-${name}` };
    const tab = element("button", { ...attributes, onclick: () => open(name) }, name[0].toUpperCase() + name.slice(1));
    const panel = element("div", { class: "mf-panel", role: "tabpanel", id: `${prefix}-${name}`, "aria-labelledby": attributes.id }, body);
    list.append(tab);
    node.append(panel);
    return { name, tab, panel };
  });
  list.addEventListener("keydown", ({ key }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (by === undefined) return;
    const shown = tabs.filter(({ tab }) => !tab.hidden);
    const next = shown[(shown.findIndex(({ name }) => name === current) + by + shown.length) % shown.length];
    open(next.name);
    next.tab.focus();
  });

  /** @param {string} name */
  function open(name) {
    current = name;
    for (const one of tabs) {
      const chosen = one.name === name;
      one.tab.setAttribute("aria-selected", String(chosen));
      one.tab.tabIndex = chosen ? 0 : -1;
      one.panel.hidden = !chosen;
    }
    const panel = panels.find((one) => one.name === name);
    fit();
    panel?.opened?.();
    panel?.draw?.();
  }

  /**
   * Show or hide a tab; if the front one is hidden, the first tab comes to the front.
   * @param {string} name
   * @param {boolean} there
   */
  function offer(name, there) {
    const tab = tabs.find((one) => one.name === name)?.tab;
    if (!tab || tab.hidden === !there) return;
    tab.hidden = !there;
    if (!there && current === name) open(panels[0].name);
    fit();
  }

  /** Put the last tabs without room into the menu behind them; the open one stays. */
  function fit() {
    for (const { tab } of tabs) tab.classList.remove("mf-no-room");
    rest.hidden = list.scrollWidth <= list.clientWidth;
    for (const { tab, name } of tabs.toReversed()) {
      if (rest.hidden || list.scrollWidth <= list.clientWidth) break;
      if (name !== current && !tab.hidden) tab.classList.add("mf-no-room");
    }
  }

  opensMenu(rest, "more tabs", () => tabs.filter(({ tab }) => tab.matches(".mf-no-room")).map(({ name, tab }) => ({ label: tab.textContent ?? name, pick: () => open(name) })), signal);
  const sizes = new ResizeObserver(fit);
  sizes.observe(bar);
  signal.addEventListener("abort", () => sizes.disconnect());
  open(current);
  /**
   * Set a small number at a tab.
   * @param {string} name
   * @param {string} text
   */
  function mark(name, text) {
    const tab = tabs.find((one) => one.name === name)?.tab;
    const held = tab?.querySelector("sup");
    if (!tab || (held?.textContent ?? "") === text) return;
    held?.remove();
    if (text) tab.append(element("sup", {}, text));
    fit();
  }

  return { node, open, offer, mark, draw: () => panels.find(({ name }) => name === current)?.draw?.(), current: () => current };
}

/**
 * Make the panel of two versions of a turn and their differences.
 * @param {Play} play
 * @param {() => void} show brings this panel to the front
 * @param {AbortSignal} signal
 * @returns {Panel}
 */
export function versionsPanel(play, show, signal) {
  const hint = element("p", { class: "mf-hint" }, "Where a turn has versions, its compare shows two of them, word by word.");
  const shown = { left: 0, right: 0 };
  const [left, right] = [picks("left", "first version"), picks("right", "second version")];
  const head = element("div", { class: "mf-versions-of", hidden: true }, left.node, "→", right.node);
  const words = element("div", { class: "mf-words mf-difference" });
  let [position, count] = [0, 0];

  /**
   * @param {"left" | "right"} side
   * @param {string} title
   */
  function picks(side, title) {
    const pick = (/** @type {number} */ at) => () => play.model.send({ type: "compare", position, ...shown, [side]: at });
    const entries = () => Array.from({ length: count }, (_, at) => ({ label: `version ${at + 1}`, checked: at === shown[side], pick: pick(at) }));
    return pickButton(title, entries, signal);
  }

  /** @param {any} message */
  function read(message) {
    if (message.type !== "difference") return;
    ({ position, count } = message);
    Object.assign(shown, { left: message.left, right: message.right });
    hint.hidden = true;
    head.hidden = false;
    left.set(`version ${shown.left + 1}`);
    right.set(`version ${shown.right + 1}`);
    words.replaceChildren(...message.pieces.map(differing));
    show();
  }

  play.readers.add(read);
  signal.addEventListener("abort", () => play.readers.delete(read));
  return { name: "versions", node: element("div", {}, hint, head, words) };
}

/** @param {[kind: string, text: string]} piece */
function differing([kind, text]) {
  if (kind === "same") return document.createTextNode(text);
  return element(kind === "gone" ? "del" : "ins", {}, text);
}

/**
 * Make the panel of raw texts, which are requested when it is opened.
 * @param {Play} play
 * @param {AbortSignal} signal
 * @returns {Panel}
 */
export function rawPanel(play, signal) {
  const node = element("div", {}, element("p", { class: "mf-hint" }, "The request and the answer appear here after a run."));

  /** @param {any} message */
  function read(message) {
    if (message.type !== "raw" || !message.parts.length) return;
    const parts = message.parts.flatMap((/** @type {[string, string]} */ [title, text]) => [
      element("div", { class: "mf-role" }, title),
      element("pre", { class: "mf-raw", tabindex: 0 }, text),
    ]);
    node.replaceChildren(...parts);
  }

  let asked = 0;
  const opened = () => {
    asked = 0;
  };
  const draw = () => {
    const [side] = play.sides;
    if (!play.sides.every(({ over }) => over) || asked === side.number) return;
    asked = side.number;
    play.model.send({ type: "raw" });
  };
  play.readers.add(read);
  signal.addEventListener("abort", () => play.readers.delete(read));
  return { name: "raw", node, draw, opened };
}

/**
 * Make the panel of the code that asks the same.
 * @param {Play} play
 * @param {AbortSignal} signal
 */
export function codePanel(play, signal) {
  const text = element("pre", { class: "mf-raw", tabindex: 0 });
  const copy = copyButton("copy", "copy this code", () => text.textContent ?? "");
  const asGrid = () => {
    wanted = true;
    play.model.send({ type: "code", grid: true });
  };
  const grid = textButton("as a grid", "show the code of a grid of this: prompts and models over many inputs, side by side", asGrid);
  const head = element("header", {}, element("span", { class: "mf-title" }, "The code that asks the same"), element("span", { class: "mf-grow" }), grid, copy);
  const node = element("div", { class: "mf-code-panel" }, head, text);
  let wanted = false;

  /** @param {any} message */
  function read(message) {
    if (message.type !== "code") return;
    text.textContent = message.text;
    if (!wanted) return;
    wanted = false;
    copy.click();
  }

  let shown = "";
  const opened = () => {
    shown = "";
  };
  const draw = () => {
    const { number, over } = play.sides[0];
    if (shown === `${number} ${over}`) return;
    shown = `${number} ${over}`; // the question has changed
    play.model.send({ type: "code" });
  };
  play.readers.add(read);
  signal.addEventListener("abort", () => play.readers.delete(read));
  /** @type {Panel} */
  const panel = { name: "code", node, draw, opened };
  return {
    panel,
    /** Copy the code as soon as it comes. */
    want() {
      wanted = true;
    },
    grid: asGrid,
  };
}
