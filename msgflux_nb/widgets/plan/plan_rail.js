// @ts-check
// The replay of a plan: a rail with a tick at each step, moved by pointer or keys; it follows the end until touched.

import { icon, iconButton } from "../base/controls.js";
import { element } from "../base/dom.js";
/** @import { PlanStore } from "./plan_store.js" */

/**
 * @param {PlanStore} store
 * @param {{ ticks: () => number[], words: () => string, touched: () => void }} board ticks: the moments at which steps end
 * @param {AbortSignal} signal
 */
export function planRail(store, board, signal) {
  const past = element("i", { class: "mf-past" });
  const at = element("i", { class: "mf-at" });
  const ticks = element("span", { class: "mf-ticks" });
  const rail = element("div", { class: "mf-rail", role: "slider", tabindex: "0", "aria-label": "replay", "aria-valuemin": "0" }, past, ticks, at);
  const play = iconButton("run", "play (space)", () => (playing ? pause() : start()));
  const told = element("span", { class: "mf-num" });
  const node = element("div", { class: "mf-replay" }, play, rail, told);
  let playing = false;
  let place = 0; // the position between two moments while it plays
  let before = 0;
  let drawnTicks = "";

  function start() {
    if (!store.moments.length) return;
    playing = true;
    board.touched();
    const fromStart = store.state.count === store.moments.length && !store.running;
    place = fromStart ? 0 : store.place(store.state.count);
    if (fromStart) store.show(0);
    store.following = false;
    before = performance.now();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) jump();
    else requestAnimationFrame(step);
    store.tell();
  }

  /** Play from step to step, half a second each, if motion is reduced. */
  function jump() {
    if (!playing || signal.aborted) return;
    const next = board.ticks().find((tick) => tick > store.state.count) ?? store.moments.length;
    store.show(next);
    store.tell();
    if (next < store.moments.length) setTimeout(jump, 500);
    else pause();
  }

  function pause() {
    playing = false;
    store.tell();
  }

  /** @param {number} now */
  function step(now) {
    if (!playing || signal.aborted) return;
    place += Math.max(0, now - before);
    before = now;
    const count = store.countAt(place);
    if (count !== store.state.count) {
      store.show(count);
      store.tell();
    }
    if (count < store.moments.length) requestAnimationFrame(step);
    else pause();
  }

  /** @param {number} count of moments */
  function seek(count) {
    playing = false;
    board.touched();
    store.show(count);
    store.tell();
  }

  /** @param {PointerEvent} event */
  function drag(event) {
    if (!event.buttons && event.type !== "pointerdown") return;
    const box = rail.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    seek(store.countAt(share * store.total + 0.001));
  }

  rail.addEventListener("pointerdown", (event) => {
    rail.setPointerCapture(event.pointerId);
    drag(event);
  });
  rail.addEventListener("pointermove", drag);
  rail.addEventListener("keydown", (event) => {
    const { count } = store.state;
    const steps = board.ticks();
    /** @type {Record<string, () => number>} */
    const targets = {
      ...{ ArrowLeft: () => count - 1, ArrowDown: () => count - 1, ArrowRight: () => count + 1, ArrowUp: () => count + 1 },
      ...{ PageUp: () => steps.find((tick) => tick > count) ?? store.moments.length },
      ...{ PageDown: () => steps.findLast((tick) => tick < count) ?? 0, Home: () => 0, End: () => store.moments.length },
    };
    if (event.key in targets) seek(targets[event.key]());
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  function draw() {
    const { moments, total } = store;
    const { count } = store.state;
    const share = total ? (100 * (playing ? Math.min(place, total) : store.place(count))) / total : 0;
    past.style.width = at.style.left = `${share}%`;
    const steps = total ? board.ticks().map((tick) => Math.round((1000 * store.place(tick)) / total) / 10) : [];
    const key = steps.join();
    if (key !== drawnTicks) {
      drawnTicks = key;
      ticks.replaceChildren(...steps.filter((left) => left > 0 && left < 100).map((left) => element("i", { style: `left: ${left}%` })));
    }
    rail.setAttribute("aria-valuemax", String(moments.length));
    rail.setAttribute("aria-valuenow", String(count));
    rail.setAttribute("aria-valuetext", board.words());
    if (told.textContent !== board.words()) told.textContent = board.words();
    const name = playing ? "pause" : "run";
    if (play.dataset.icon !== name) {
      play.dataset.icon = name;
      play.replaceChildren(icon(name));
      play.title = playing ? "pause (space)" : "play (space)";
      play.setAttribute("aria-label", play.title);
    }
    play.toggleAttribute("disabled", !moments.length);
  }

  return { node, draw, toggle: () => (playing ? pause() : start()) };
}
