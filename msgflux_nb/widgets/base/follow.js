// @ts-check
// Keeps a box scrolled to its end while it grows and its reader is there; else offers a button that leads back.

import { textButton } from "./controls.js";
import { element } from "./dom.js";

const NEAR = 24; // pixels from the end that count as the end

/**
 * Keep scrolling a box to its end while the reader is at the end.
 * @param {HTMLElement} scroller
 * @param {{ growing?: Iterable<Element>, signal?: AbortSignal }} [more] `growing` are what is followed; by default the box and its
 *   children
 */
export function follow(scroller, { growing = [scroller, ...scroller.children], signal } = {}) {
  const back = textButton("to the end", "scroll to the end, and follow it", goBack, { icon: "arrow-down", kind: "mf-line" });
  const place = element("div", { class: "mf-to-end", hidden: true }, back);
  let atEnd = true;
  let [top, height] = [0, 0];

  /** Return how many pixels are below what is seen. */
  const below = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;

  function look() {
    // Moved up although nothing was removed: only a reader does that.
    const away = scroller.scrollTop < top && scroller.scrollHeight >= height;
    atEnd = below() < NEAR || (atEnd && !away);
    [top, height] = [scroller.scrollTop, scroller.scrollHeight];
    if (place.hidden !== atEnd) place.hidden = atEnd;
  }

  function goBack() {
    scroller.scrollTop = scroller.scrollHeight;
    look();
    scroller.tabIndex = -1; // so that the focus, which the button had, stays here
    scroller.focus({ preventScroll: true });
    scroller.addEventListener("blur", () => scroller.removeAttribute("tabindex"), { once: true });
  }

  const grown = new ResizeObserver(() => {
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
    else look();
  });
  for (const child of growing) grown.observe(child);
  scroller.append(place);
  scroller.addEventListener("scroll", look);
  signal?.addEventListener("abort", () => grown.disconnect());
}
