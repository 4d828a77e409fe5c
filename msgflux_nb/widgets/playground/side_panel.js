// @ts-check
// The panel next to the conversation: appears once there is something to show, and stays until a person hides it.

import { element } from "../base/dom.js";
import { fieldPlaces } from "./json_places.js";
/** @import { Play } from "./play.js" */

/**
 * @param {Play} play
 * @param {HTMLElement} panes
 * @param {HTMLElement} node
 * @param {() => boolean} picked whether a structure is picked
 */
export function sidePanel(play, panes, node, picked) {
  /** @type {boolean | null} the person's choice; null if there is none, then it depends on the content */
  let wanted = null;
  let there = false;

  function draw() {
    there ||= picked() || play.sides[0].state !== "idle" || play.state !== "idle";
    const shown = wanted ?? (there && !(play.choosing && play.sides.length > 1));
    panes.classList.toggle("mf-both", shown);
    node.hidden = !shown;
  }

  draw();
  return {
    draw,
    hidden: () => node.hasAttribute("hidden"),
    show() {
      wanted = true;
      draw();
    },
    toggle() {
      wanted = node.hasAttribute("hidden");
      draw();
    },
  };
}

/**
 * Make the lower edge, by which the height of the panes is dragged; a double click resets it.
 * @param {HTMLElement} panes
 */
export function lowerEdge(panes) {
  let [from, height] = [0, 0];
  const drag = (/** @type {PointerEvent} */ { clientY }) => panes.style.setProperty("height", `${height + clientY - from}px`);
  const node = element("div", { class: "mf-lower-edge", title: "drag to change the height", ondblclick: () => panes.style.removeProperty("height") });
  node.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    [from, height] = [event.clientY, panes.offsetHeight];
    node.setPointerCapture(event.pointerId);
    node.addEventListener("pointermove", drag);
  });
  for (const over of ["pointerup", "pointercancel"]) node.addEventListener(over, () => node.removeEventListener("pointermove", drag));
  return node;
}

/**
 * Link the text of a structure and its table: pointing at a field on one side highlights it on the other.
 * @param {HTMLElement} el
 * @param {AbortSignal} signal
 */
export function linkFields(el, signal) {
  const highlight = sharedHighlight("mf-lit");
  if (!highlight) return; // a browser without highlights only shows the table
  signal.addEventListener("abort", () => highlight.clear());
  const texts = () => /** @type {HTMLElement | undefined} */ ([...el.querySelectorAll(".mf-talk .mf-words.mf-code")].filter((one) => /** @type {HTMLElement} */ (one).offsetParent).at(-1));
  const rows = () => /** @type {HTMLElement[]} */ ([...el.querySelectorAll(".mf-side [data-field]")]);

  /** @param {string} path */
  function light(path) {
    highlight?.clear();
    for (const row of rows()) row.classList.toggle("mf-on", row.dataset.field === path && path !== "");
    const text = path ? texts() : undefined;
    const range = text && fieldRange(text, path);
    if (range) highlight?.add(range);
  }

  el.addEventListener(
    "pointermove",
    (event) => {
      const target = event.target instanceof Element ? event.target : null;
      const row = target?.closest("[data-field]");
      if (row instanceof HTMLElement) return light(row.dataset.field ?? "");
      const words = texts();
      if (!words || !target || !words.contains(target)) return light("");
      return light(fieldUnder(words, event.clientX, event.clientY));
    },
    { signal },
  );
  el.addEventListener("pointerleave", () => light(""), { signal });
  el.addEventListener(
    "focusin",
    ({ target }) => {
      const row = target instanceof Element ? target.closest("[data-field]") : null;
      if (row instanceof HTMLElement) light(row.dataset.field ?? "");
    },
    { signal },
  );
}

/**
 * Return the page's highlight of a name, which a style sheet draws; null if the browser has no highlights.
 * @param {string} name
 */
export function sharedHighlight(name) {
  if (typeof Highlight !== "function" || !CSS.highlights) return null;
  const found = CSS.highlights.get(name) ?? new Highlight();
  CSS.highlights.set(name, found);
  return found;
}

/**
 * @param {HTMLElement} words
 * @param {string} path
 * @returns {Range | null}
 */
function fieldRange(words, path) {
  const place = fieldPlaces(words.textContent ?? "").find(([of]) => of === path);
  return place ? rangeIn(words, place[1], place[2]) : null;
}

/**
 * @param {HTMLElement} words
 * @param {number} x
 * @param {number} y
 * @returns {string} the path of the field there, or ""
 */
function fieldUnder(words, x, y) {
  const position = document.caretPositionFromPoint?.(x, y);
  const [node, offset] = position ? [position.offsetNode, position.offset] : [null, 0];
  if (!node || !words.contains(node)) return "";
  const before = document.createRange();
  before.setStart(words, 0);
  before.setEnd(node, offset);
  const at = before.toString().length;
  const inside = fieldPlaces(words.textContent ?? "").filter(([, start, end]) => start <= at && at <= end);
  return inside.sort((a, b) => a[2] - a[1] - (b[2] - b[1]))[0]?.[0] ?? "";
}

/**
 * @param {HTMLElement} words
 * @param {number} start
 * @param {number} end
 * @returns {Range}
 */
function rangeIn(words, start, end) {
  const range = document.createRange();
  const walker = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
  let passed = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const size = node.textContent?.length ?? 0;
    if (start >= passed && start <= passed + size) range.setStart(node, start - passed);
    if (end <= passed + size) {
      range.setEnd(node, end - passed);
      break;
    }
    passed += size;
  }
  return range;
}
