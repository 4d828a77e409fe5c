// @ts-check
// The controls of all views: buttons, icons, states, menus.

import ICONS from "../../display/icons.json" with { type: "json" };
import { element, svgElement } from "./dom.js";

/** @typedef {keyof typeof ICONS} IconName */
/** @typedef {"none" | "now" | "done" | "look" | "bad"} Standing what a state's colour says */

/** @type {readonly IconName[]} */
const SOLID = ["run", "stop"];
/** @type {readonly IconName[]} */
const DOTTED = ["more", "drag"];

/**
 * Draw an icon. It is decoration: next to it is a word, or its button has a name.
 * @param {IconName} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const node = svgElement("svg", { class: "mf-i", viewBox: "0 0 16 16", "aria-hidden": "true" });
  if (SOLID.includes(name)) node.setAttribute("data-solid", "");
  if (DOTTED.includes(name)) node.setAttribute("data-dots", "");
  node.append(svgElement("path", { d: ICONS[name] }));
  return node;
}

/**
 * Make a button with a label, and optionally an icon before it and a key after it.
 * @param {string} label
 * @param {string} title said on hover
 * @param {() => void} onclick
 * @param {{ icon?: IconName, key?: string, kind?: "" | "mf-line" | "mf-primary", class?: string }} [more]
 * @returns {HTMLElement}
 */
export function textButton(label, title, onclick, more = {}) {
  const node = element("button", { type: "button", class: `mf-btn ${more.kind ?? ""} ${more.class ?? ""}`.trim(), title, onclick });
  if (more.icon) node.append(icon(more.icon));
  node.append(element("span", {}, label));
  if (more.key) node.append(element("kbd", { "aria-hidden": "true" }, more.key));
  return node;
}

/**
 * Make a button of only an icon; its name is shown on hover and read by a screen reader.
 * @param {IconName} name
 * @param {string} title
 * @param {() => void} onclick
 * @param {string} [kind] further classes
 * @returns {HTMLElement}
 */
export function iconButton(name, title, onclick, kind = "") {
  const attributes = { type: "button", class: `mf-icon ${kind}`.trim(), title, "aria-label": title, onclick };
  return element("button", attributes, icon(name));
}

/**
 * Make a state of a mark and a word; `set` draws only changes.
 * @param {Record<string, unknown>} [attributes]
 */
export function stateWord(attributes = {}) {
  const word = element("span", attributes);
  const node = element("span", { class: "mf-is" }, element("i", { class: "mf-dot" }), word);
  let drawn = "";
  return {
    node,
    /**
     * @param {Standing} standing
     * @param {string} text
     * @param {IconName | ""} [mark] by default a dot
     */
    set(standing, text, mark = "") {
      const key = `${standing} ${mark}`;
      if (drawn !== key) {
        drawn = key;
        node.dataset.s = standing;
        node.firstElementChild?.replaceWith(mark ? icon(mark) : element("i", { class: "mf-dot" }));
      }
      if (word.textContent !== text) word.textContent = text;
    },
  };
}

/**
 * An entry of a menu: a line between groups, a heading, a node, or a choice.
 * @typedef {{ label: string, pick: () => void, icon?: IconName, key?: string, detail?: string, checked?: boolean,
 *   several?: boolean, disabled?: boolean, title?: string, stays?: boolean }} Choice
 * @typedef {"-" | { heading: string } | { node: HTMLElement } | Choice} Entry
 */

/**
 * Let a button open a menu. Arrows, Home, End and letters move in it; Esc closes it and returns the focus.
 * @param {HTMLElement} by
 * @param {string} label the menu's name for a reader
 * @param {() => Entry[]} entries called each time it opens
 * @param {AbortSignal} [signal]
 * @returns {{ open(): void, close(): void, redraw(): void }}
 */
export function opensMenu(by, label, entries, signal) {
  by.setAttribute("aria-haspopup", "menu");
  by.setAttribute("aria-expanded", "false");
  /** @type {HTMLElement | null} */
  let menu = null;
  const items = () => /** @type {HTMLElement[]} */ ([...(menu?.querySelectorAll("[role^=menuitem]:not([disabled]), input") ?? [])]);

  function open() {
    if (menu) return;
    menu = element("div", { class: "mf-menu", "aria-label": label, popover: "manual" });
    menu.addEventListener("keydown", keys);
    fill();
    by.parentElement?.insertBefore(menu, by.nextSibling);
    menu.showPopover?.();
    place();
    by.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside, true);
    window.addEventListener("scroll", scrolled, true);
    window.addEventListener("resize", close);
    items()[0]?.focus();
  }

  function fill() {
    const all = entries();
    const mixed = all.some((entry) => entry !== "-" && "node" in entry);
    menu?.setAttribute("role", mixed ? "dialog" : "menu");
    menu?.replaceChildren(...(mixed ? parted(all) : all.map(drawn)));
  }

  /**
   * ARIA allows only choices in a menu, so choices between other elements become menus themselves.
   * @param {Entry[]} all
   * @returns {HTMLElement[]}
   */
  function parted(all) {
    /** @type {HTMLElement[]} */
    const parts = [];
    /** @type {HTMLElement | null} */
    let group = null;
    for (const entry of all) {
      const own = entry === "-" || !("label" in entry);
      if (own) {
        group = null;
        parts.push(drawn(entry));
      } else {
        if (!group) parts.push((group = element("div", { role: "menu", "aria-label": label })));
        group.append(drawn(entry));
      }
    }
    return parts;
  }

  /**
   * @param {Entry} entry
   * @returns {HTMLElement}
   */
  function drawn(entry) {
    if (entry === "-") return element("hr");
    if ("heading" in entry) return element("span", { class: "mf-role", role: "presentation" }, entry.heading);
    if ("node" in entry) return entry.node;
    return choice(entry);
  }

  /** @param {Choice} entry */
  function choice(entry) {
    const { checked } = entry;
    const role = checked === undefined ? "menuitem" : entry.several ? "menuitemcheckbox" : "menuitemradio";
    const pick = () => {
      if (!entry.stays) close();
      entry.pick();
    };
    const attributes = { type: "button", role, tabindex: -1, onclick: pick, disabled: entry.disabled ?? false, title: entry.title ?? null };
    const node = element("button", { ...attributes, "aria-checked": checked === undefined ? null : String(checked) });
    const mark = checked ? "check" : entry.icon;
    node.append(mark ? icon(mark) : element("i", { class: "mf-blank" }), element("span", {}, entry.label));
    if (entry.detail) node.append(element("small", {}, entry.detail));
    if (entry.key) node.append(element("kbd", { "aria-hidden": "true" }, entry.key));
    return node;
  }

  /** Put the menu below its button if there is room, else above; inside its view if that is wide enough. */
  function place() {
    if (!menu) return;
    const [anchor, size] = [by.getBoundingClientRect(), menu.getBoundingClientRect()];
    const below = anchor.bottom + 4 + size.height <= window.innerHeight || anchor.top < size.height + 4;
    const top = below ? Math.min(anchor.bottom + 4, window.innerHeight - size.height) : anchor.top - 4 - size.height;
    menu.style.top = `${Math.max(0, top)}px`;
    const frame = (by.closest(".mf") ?? document.body).getBoundingClientRect();
    const right = Math.max(frame.left, frame.right - size.width - 4);
    menu.style.left = `${Math.max(0, Math.min(anchor.left, right, window.innerWidth - size.width - 4))}px`;
  }

  function close() {
    if (!menu) return;
    const held = menu.contains(document.activeElement);
    menu.remove();
    menu = null;
    by.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    window.removeEventListener("scroll", scrolled, true);
    window.removeEventListener("resize", close);
    if (held) by.focus();
  }

  /** @param {Event} event */
  function outside(event) {
    const at = event.target;
    if (at instanceof Node && !menu?.contains(at) && !by.contains(at)) close();
  }

  /** @param {Event} event */
  function scrolled(event) {
    const at = event.target;
    if (at instanceof Node && at.contains(by)) place(); // keep the menu at its button
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    const all = items();
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const { key } = event;
    const inField = event.target instanceof HTMLInputElement;
    if (key === "Escape" || key === "Tab") close();
    else if (key === "ArrowDown") all[(at + 1) % all.length]?.focus();
    else if (key === "ArrowUp") all[(at - 1 + all.length) % all.length]?.focus();
    else if (key === "Home" && !inField) all[0]?.focus();
    else if (key === "End" && !inField) all[all.length - 1]?.focus();
    else if (/^\p{L}$/u.test(key) && !inField && !event.ctrlKey && !event.metaKey) {
      const next = [...all.slice(at + 1), ...all.slice(0, at + 1)];
      next.find((one) => one.textContent?.trim().toLowerCase().startsWith(key.toLowerCase()))?.focus();
    } else return;
    if (key !== "Tab") event.preventDefault();
    event.stopPropagation();
  }

  by.addEventListener("click", () => (menu ? close() : open()));
  by.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || menu) return;
    event.preventDefault();
    open();
  });
  signal?.addEventListener("abort", close);
  /** Draw its entries again while it is open; the focus stays at its place. */
  function redraw() {
    if (!menu) return;
    const at = items().indexOf(/** @type {HTMLElement} */ (document.activeElement));
    fill();
    place();
    items()[at]?.focus();
  }

  return { open, close, redraw };
}

/**
 * Make a button that shows a choice and opens a menu; `set` changes its label.
 * @param {string} title
 * @param {() => Entry[]} entries
 * @param {AbortSignal} [signal]
 * @param {string} [kind] further classes
 */
export function pickButton(title, entries, signal, kind = "") {
  const before = element("span", { class: "mf-mid" });
  const chosen = element("b", { class: "mf-cut" });
  const node = element("button", { type: "button", class: `mf-pick ${kind}`.trim(), title }, before, chosen, icon("down"));
  const menu = opensMenu(node, title, entries, signal);
  return {
    node,
    menu,
    /**
     * @param {string} text the choice
     * @param {string} [words] the words before it
     */
    set(text, words = "") {
      const name = text.slice(text.indexOf("/") + 1);
      if (chosen.textContent !== text) chosen.replaceChildren(element("span", { class: "mf-provider" }, text.slice(0, text.length - name.length)), name);
      if (before.textContent !== words) before.textContent = words;
      before.hidden = !words;
      node.setAttribute("aria-label", `${title}: ${text}`);
    },
  };
}

/**
 * Make a figure with its unit, with the numbers emphasised. Words that do not begin with a number are not changed.
 * @param {string} text such as `212 in · 94 out`
 */
export function figure(text) {
  const parts = /^(< )?[$\d]/.test(text) ? text.split(/((?:< )?\$?\d[\d,.]*)/) : [text];
  return element("span", {}, ...parts.map((part, place) => (place % 2 ? element("b", {}, part) : part)));
}

/**
 * Make a key with its description; names with a space between them are separate keys.
 * @param {string} names such as `← →`
 * @param {string} does
 */
export function keyHint(names, does) {
  return element("span", {}, ...names.split(" ").map((name) => element("kbd", {}, name)), does);
}
