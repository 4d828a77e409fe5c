// @ts-check
// All calls on one time axis: one bar per fragment, waiting hatched, running outlined. It also controls the replay: its
// playhead is moved by pointer or keys.

import { icon, iconButton, textButton } from "../base/controls.js";
import { element, setText, svgElement } from "../base/dom.js";
import { countText, secondsText } from "./call_words.js";
import { countUpTo } from "./timeline.js";
/** @import { Look } from "./call_states.js" */
/** @import { LaneTrack, Timeline } from "./timeline.js" */

const SPEEDS = [1, 2, 4, 16, 0.25, 0.5];
const BAR_PIXELS = 4; // the width of a bar with its gap
const LABEL_PIXELS = 78; // room for the words about a phase
const PAUSE_PIXELS = 130; // room for those about a shortened pause
const TICK_STEPS = [1, 2, 5]; // milliseconds, times a power of ten

/**
 * Return the fragments of a call in bins as wide as a bar: the number of fragments up to its end, and its longest pause.
 * @param {LaneTrack} track
 * @param {Timeline} timeline
 * @param {number} bins
 * @returns {Map<number, { last: number, first: number, gap: number }>}
 */
function fragmentBins(track, timeline, bins) {
  /** @type {Map<number, { last: number, first: number, gap: number }>} */
  const found = new Map();
  const total = timeline.total || 1;
  for (let at = 0; at < track.moments.length; at += 1) {
    const bin = Math.min(bins - 1, Math.floor((timeline.place(track.moments[at] + 1) / total) * bins));
    const gap = at ? track.times[at] - track.times[at - 1] : 0;
    const known = found.get(bin);
    if (known) Object.assign(known, { last: at, gap: Math.max(known.gap, gap) });
    else found.set(bin, { first: at, last: at, gap });
  }
  return found;
}

/**
 * Make the row of one call.
 * @param {LaneTrack} track
 * @param {() => Timeline} timelineOf
 */
function scoreRow(track, timelineOf) {
  const label = element("code", { class: "mf-cut" });
  const name = element("div", { class: "mf-score-name" }, element("span", { class: "mf-no", "aria-hidden": "true" }, String(track.number + 1)), label);
  const past = svgElement("path", { class: "mf-bars-past" });
  const rest = svgElement("path", { class: "mf-bars-rest" });
  const last = svgElement("path", { class: "mf-bars-last" });
  const chart = svgElement("svg", { role: "img", class: "mf-bars", preserveAspectRatio: "none" }, rest, past, last);
  const spans = element("div", { class: "mf-spans" });
  const node = element("div", { class: "mf-track", "data-call": track.number }, chart, spans);
  /** @type {ReturnType<typeof fragmentBins>} */
  let bins = new Map();
  let [drawn, marked, count] = ["", "", 1];

  /** @param {number} width of the axis in pixels */
  function draw(width) {
    const timeline = timelineOf();
    const look = timeline.look(track);
    setText(label, look.name || "…");
    label.title = look.name;
    name.classList.toggle("mf-later", !look.begun);
    drawBars(timeline, look, width);
    drawMarks(timeline, look, width);
  }

  /**
   * @param {Timeline} timeline
   * @param {Look} look
   * @param {number} width
   */
  function drawBars(timeline, { count: shown }, width) {
    const key = `${track.times.length} ${shown} ${timeline.total} ${width}`;
    if (key === drawn) return;
    drawn = key;
    count = Math.max(1, Math.floor(width / BAR_PIXELS));
    bins = fragmentBins(track, timeline, count);
    const longest = Math.max(1, ...[...bins.values()].map(({ gap }) => gap));
    let [before, after, now] = ["", "", ""];
    for (const [bin, { first, last: end, gap }] of bins) {
      const high = 4 + 28 * Math.sqrt(gap / longest);
      const bar = `M${bin * BAR_PIXELS} 36v-${high.toFixed(1)}h3v${high.toFixed(1)}z`;
      if (first >= shown) after += bar;
      else before += bar;
      if (first < shown && shown <= end + 1 && shown < track.times.length) now = bar;
    }
    past.setAttribute("d", before);
    rest.setAttribute("d", after);
    last.setAttribute("d", now);
    chart.setAttribute("viewBox", `0 0 ${count * BAR_PIXELS} 36`);
    const pauses = track.times.slice(1).map((ms, at) => ms - track.times[at]);
    const whole = secondsText((track.times.at(-1) ?? 0) - (track.times[0] ?? 0));
    const worst = pauses.reduce((most, each) => Math.max(most, each), 0);
    chart.setAttribute("aria-label", `${countText(track.times.length, "fragment")} in ${whole}, longest pause ${secondsText(worst)}`);
  }

  /**
   * Draw the phases of a call up to the shown moment: waiting hatched, running outlined.
   * @param {Timeline} timeline
   * @param {Look} look
   * @param {number} width
   */
  function drawMarks(timeline, { phase }, width) {
    const { total, shown } = timeline;
    const now = timeline.position;
    const marks = track.marks.filter(({ moment }) => moment < shown);
    const key = `${marks.length} ${total} ${now} ${track.card.seconds} ${width}`;
    if (key === marked) return;
    marked = key;
    /** @type {Node[]} */
    const nodes = [];
    for (const [at, { moment, phase: kind }] of marks.entries()) {
      const next = marks[at + 1];
      const from = timeline.place(moment + 1);
      const to = next ? timeline.place(next.moment + 1) : now;
      if (kind !== "asked" && kind !== "running") continue;
      const part = (/** @type {number} */ place) => `${(100 * place) / (total || 1)}%`;
      nodes.push(element("i", { class: `mf-span-${kind}`, style: `left: ${part(from)}; width: ${part(Math.max(0, to - from))}` }));
      const said = kind === "asked" ? (phase === "asked" && !next ? "waits for you" : "") : next && track.card.seconds !== null ? `ran ${secondsText(1000 * track.card.seconds)}` : "";
      const fits = ((total - from) / (total || 1)) * width > LABEL_PIXELS; // else it would stand over bars, or be cut
      if (said && fits) nodes.push(element("span", { class: "mf-score-said", style: `left: ${part(from)}` }, said));
    }
    spans.replaceChildren(...nodes);
  }

  /**
   * Return the words about the fragment under the pointer.
   * @param {number} share of the axis, from 0 to 1
   */
  function under(share) {
    const middle = Math.floor(share * count);
    const bin = [middle, middle - 1, middle + 1].map((each) => bins.get(each)).find(Boolean);
    if (!bin) return "";
    const { first, last: end, gap } = bin;
    const characters = track.length(end + 1) - track.length(first);
    const which = first === end ? `#${first + 1}` : `#${first + 1}–${end + 1}`;
    const pause = first ? ` · ${first === end ? "" : "up to "}+${secondsText(gap)}` : "";
    return `${which} · ${secondsText(track.times[end])}${pause} · ${countText(characters, "character")}`;
  }

  return { name, node, draw, under, joins: () => bins.size < track.times.length };
}

/**
 * Make the axis with all calls, the playhead and its controls. It follows the end of a stream until touched.
 * @param {{ timeline: () => Timeline, changed: () => void, touched: () => void, busy: () => boolean }} board
 * @param {AbortSignal} signal
 */
export function score(board, signal) {
  const names = element("div", { class: "mf-score-names" });
  const head = element("div", { class: "mf-playhead", role: "slider", tabindex: "0", "aria-label": "replay", "aria-valuemin": "0" });
  const lines = element("div", { class: "mf-score-lines" });
  const over = (/** @type {boolean} */ on) => () => node.classList.toggle("mf-over", on);
  const gaps = element("div", { class: "mf-gaps", "aria-hidden": "true" });
  const tracks = element("div", { class: "mf-tracks", onpointerenter: over(true), onpointerleave: over(false) }, lines, gaps, head);
  const play = iconButton("run", "play (space)", () => toggle());
  const speed = textButton("1×", "speed", faster, { class: "mf-note mf-mid mf-tight" });
  const end = iconButton("end", "go to the end, and follow it", toEnd);
  const time = element("span", { class: "mf-num mf-note mf-time" });
  const axis = element("div", { class: "mf-axis", "aria-hidden": "true" });
  const rows_ = element("div", { class: "mf-score-rows mf-scroll" }, names, tracks);
  const node = element("section", { class: "mf-score", "aria-label": "the calls in time", hidden: true }, rows_, element("div", { class: "mf-plays" }, play, speed, end, time), axis);
  /** @type {ReturnType<typeof scoreRow>[]} */
  let rows = [];
  /** @type {Timeline | null} */
  let timeline = null;
  let [playing, place, before, width, rate, said] = [false, 0, 0, 600, 0, ""];

  const sizes = new ResizeObserver(([entry]) => {
    width = Math.round(entry.contentRect.width) || width;
    board.changed();
  });
  sizes.observe(lines);
  signal.addEventListener("abort", () => sizes.disconnect());

  function faster() {
    rate = (rate + 1) % SPEEDS.length;
    setText(/** @type {Node} */ (speed.firstChild), `${SPEEDS[rate]}×`);
    board.touched();
  }

  function toggle() {
    if (playing) pause();
    else start();
  }

  function start() {
    const now = board.timeline();
    if (!now.times.length) return;
    playing = true;
    board.touched();
    const fromStart = now.shown === now.times.length && !board.busy();
    place = fromStart ? 0 : now.place(now.shown);
    if (fromStart) now.show(0);
    now.following = false;
    before = performance.now();
    requestAnimationFrame(step);
    board.changed();
  }

  function pause() {
    playing = false;
    board.changed();
  }

  /** @param {number} moment */
  function step(moment) {
    if (!playing || signal.aborted) return;
    const now = board.timeline();
    place += Math.max(0, moment - before) * SPEEDS[rate];
    before = moment;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) place = Math.max(place, now.place(now.countAt(place) + 1)); // by moments
    const count = now.countAt(place);
    if (count !== now.shown) now.show(count);
    board.changed();
    if (count < now.times.length) {
      now.following = false;
      requestAnimationFrame(step);
    } else if (board.busy()) toEnd();
    else pause();
  }

  function toEnd() {
    playing = false;
    board.timeline().follow();
    board.changed();
  }

  /** @param {number} count of moments */
  function seek(count) {
    playing = false;
    board.touched();
    board.timeline().show(count);
    board.changed();
  }

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was a key of the replay
   */
  function key(event) {
    const { shown, times } = board.timeline();
    const page = Math.max(1, Math.round(times.length / 10));
    /** @type {Record<string, number>} */
    const targets = {
      ...{ ArrowLeft: shown - 1, ArrowDown: shown - 1, ArrowRight: shown + 1, ArrowUp: shown + 1 },
      ...{ PageDown: shown - page, PageUp: shown + page, Home: 0, End: times.length },
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === " ") toggle();
    else if (event.key in targets) seek(targets[event.key]);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }
  head.addEventListener("keydown", key);

  /** @param {PointerEvent} event */
  function share(event) {
    const { left, width: whole } = lines.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - left) / (whole || 1)));
  }
  /** @param {PointerEvent} event */
  const drag = (event) => seek(share(event) >= 1 ? board.timeline().times.length : board.timeline().countAt(share(event) * board.timeline().total));
  tracks.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    drag(event);
    tracks.setPointerCapture(event.pointerId);
    tracks.addEventListener("pointermove", drag);
    head.focus({ preventScroll: true });
  });
  for (const over of ["pointerup", "pointercancel"]) tracks.addEventListener(over, () => tracks.removeEventListener("pointermove", drag));
  tracks.addEventListener("pointermove", (event) => {
    const track = /** @type {Element} */ (event.target).closest(".mf-track");
    said = track instanceof HTMLElement ? rows[Number(track.dataset.call)]?.under(share(event)) ?? "" : "";
    drawTime();
  });
  tracks.addEventListener("pointerleave", () => {
    said = "";
    drawTime();
  });

  function drawTime() {
    const now = board.timeline();
    const { shown, times, timeless } = now;
    const first = times[0] ?? 0;
    const at = secondsText((times[Math.max(0, shown - 1)] ?? 0) - first);
    const whole = secondsText((times.at(-1) ?? 0) - first);
    setText(time, said || (timeless ? "no times" : at));
    const told = timeless ? `moment ${shown} of ${times.length}` : `${at} of ${whole}, moment ${shown} of ${times.length}`;
    head.setAttribute("aria-valuetext", told);
    head.setAttribute("aria-valuemax", String(times.length));
    head.setAttribute("aria-valuenow", String(shown));
    time.title = told;
  }

  /** Return what a bar is, in one sentence. */
  function caption() {
    const { tracks: calls, timeless } = board.timeline();
    const count = calls.reduce((sum, { times: each }) => sum + each.length, 0);
    const pieces = countText(count, "piece");
    if (count < 2 || timeless) return count < calls.length + 1 ? "" : `${pieces}, all at once.`;
    const own = calls[0].times;
    const span = calls.length === 1 ? ` in ${secondsText(own[own.length - 1] - own[0])}` : "";
    const joined = rows.some((row) => row.joins());
    return `${pieces}${span}; a bar is ${joined ? "one or more pieces, its height the longest pause" : "one piece, its height the pause before it"}.`;
  }

  /** Draw round times below the axis, and a break across it where a long pause was shortened. */
  function drawAxis() {
    const now = board.timeline();
    const key_ = `${now.total} ${now.times.length} ${width}`;
    if (axis.dataset.drawn === key_) return;
    axis.dataset.drawn = key_;
    const marks = now.timeless || !now.total ? [] : roundTimes(now, width > 420 ? 6 : 4);
    const times = marks.map(([part, text]) => element("span", { class: part > 0.96 ? "mf-at-end" : null, style: `left: ${100 * part}%` }, text));
    const breaks = now.breaks.map(({ after, ms }) => {
      const [from, to] = [now.places[after] / now.total, now.places[after + 1] / now.total];
      return { text: `a pause of ${(ms / 1000).toLocaleString("en-US", { maximumFractionDigits: 1 })} s`, room: (to - from) * width, style: `left: ${50 * (from + to)}%` };
    });
    gaps.replaceChildren(...breaks.map(({ text, style }) => element("i", { style, title: `${text}, shortened here` })));
    const pauses = breaks.filter(({ room }) => room > PAUSE_PIXELS).map(({ text, style }) => element("span", { class: "mf-pause", style }, text));
    axis.replaceChildren(...times, ...pauses);
  }

  function draw() {
    if (timeline !== board.timeline()) {
      timeline = board.timeline();
      rows = [];
      names.replaceChildren();
      lines.replaceChildren();
      playing = false;
    }
    for (const track of timeline.tracks.slice(rows.length)) {
      const row = scoreRow(track, board.timeline);
      rows.push(row);
      names.append(row.name);
      lines.append(row.node);
    }
    node.hidden = !rows.length;
    node.toggleAttribute("data-one", rows.length === 1);
    for (const row of rows) row.draw(width);
    const total = timeline.total || 1;
    head.style.left = `${(100 * (playing ? Math.min(place, total) : timeline.position)) / total}%`;
    drawTime();
    drawAxis();
    if (play.dataset.playing !== String(playing)) {
      play.dataset.playing = String(playing);
      play.replaceChildren(icon(playing ? "pause" : "run"));
      play.title = playing ? "pause (space)" : "play (space)";
      play.setAttribute("aria-label", playing ? "pause" : "play");
    }
    end.toggleAttribute("disabled", timeline.following);
    for (const control of [play, speed]) control.toggleAttribute("disabled", !timeline.times.length);
  }

  return { node, draw, key, caption };
}

/**
 * Return round times of a run, each with its place on the axis: in even steps, and none within a shortened pause.
 * @param {Timeline} timeline
 * @param {number} most the maximum number
 * @returns {[part: number, text: string][]}
 */
function roundTimes({ times, places, total, waits }, most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, total / most)));
  const step = [...TICK_STEPS, 10].map((one) => one * power).find((one) => total / one <= most) ?? 10 * power;
  const digits = Math.max(0, 3 - Math.floor(Math.log10(step)));
  const [first, last] = [times[0], times.length - 1];
  // After the last moment time goes on, but not while a call waits.
  const whole = times[last] - first + (waits ? 0 : total - places[last]);
  /** @type {[number, string][]} */
  const found = [];
  for (let ms = 0; ms <= whole; ms += step) {
    const before = Math.max(0, countUpTo(times.length, (index) => times[index], first + ms) - 1);
    const after = first + ms - times[before];
    const shortened = before < last && times[before + 1] - times[before] > places[before + 1] - places[before];
    const part = (places[before] + after) / total;
    if ((shortened && after) || part > 1 || (found.length && part - found[found.length - 1][0] < 0.5 / most)) continue;
    const text = ms ? (ms / 1000).toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits }) : "0";
    found.push([part, `${text} s`]);
  }
  return found;
}
