// @ts-check
// Presents a view: full screen and larger, for a projector.

import { iconButton } from "./controls.js";
import { writes } from "./dom.js";

const PRESENTED_SCALE = 1.6;

/**
 * Make a button that starts and ends the presentation of a view; so does F while no field has the focus.
 * @param {HTMLElement} el the view's root
 * @param {AbortSignal} [signal]
 * @returns {HTMLElement}
 */
export function presentButton(el, signal) {
  const node = iconButton("present", "present: full screen, larger (F)", toggle, "mf-present");
  const usual = () => Number(el.style.getPropertyValue("--mf-scale") || 1);
  let before = "";

  async function toggle() {
    if (el.dataset.present) return end();
    begin("screen");
    try {
      await el.requestFullscreen();
    } catch {
      el.dataset.present = "fixed"; // full screen is not allowed: cover the page instead
    }
  }

  /** @param {string} way */
  function begin(way) {
    before = el.style.getPropertyValue("--mf-scale");
    el.style.setProperty("--mf-scale", String(usual() * PRESENTED_SCALE));
    el.dataset.present = way;
    node.setAttribute("aria-pressed", "true");
  }

  function end() {
    if (!el.dataset.present) return;
    delete el.dataset.present;
    node.setAttribute("aria-pressed", "false");
    if (before) el.style.setProperty("--mf-scale", before);
    else el.style.removeProperty("--mf-scale");
    if (document.fullscreenElement === el) document.exitFullscreen();
  }

  const changed = () => {
    if (el.dataset.present === "screen" && document.fullscreenElement !== el) end();
  };
  document.addEventListener("fullscreenchange", changed, { signal });
  el.addEventListener(
    "keydown",
    (event) => {
      const { key, ctrlKey, metaKey, altKey } = event;
      if (key === "Escape" && el.dataset.present === "fixed") end();
      else if (key.toLowerCase() === "f" && !ctrlKey && !metaKey && !altKey && !writes(event.target)) toggle();
      else return;
      event.preventDefault();
    },
    { signal },
  );
  return node;
}
