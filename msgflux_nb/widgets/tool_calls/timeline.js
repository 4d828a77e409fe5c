// @ts-check
// Tool calls in time: each fragment and each change of phase is a moment; a view shows the state at one of them.

import { PartialJson } from "../base/partial.js";

/**
 * @typedef {[call: number, milliseconds: number, id: string | null, name: string | null, text: string | null]} CallFragment
 * @typedef {"" | "asked" | "running" | "done" | "failed" | "rejected" | "stopped"} CallPhase
 * @typedef {{
 *   id: string, name: string, status: "streaming" | "complete" | "invalid", repaired: boolean, late: boolean,
 *   error: string | null, arguments: string | null,
 * }} CallFinal the call as the kernel assembled it; `arguments` if they differ from the fragments
 * @typedef {{
 *   step: number, custom: boolean, phase: CallPhase, marks: [number, CallPhase][], edited: string | null,
 *   reason: string, result: string | null, left: number, seconds: number | null, final?: CallFinal,
 * }} CallCard
 * @typedef {{ path: string[], type: string, required: boolean, about: string }} ToolField
 */

const LONGEST_WAIT = 1500; // the longest pause on the slider, in milliseconds
const TIMELESS_STEP = 40;
const WAITING = 0.14; // share of the slider
const MARGIN = 0.04; // share of the slider after the last moment, so that its head stays inside

/** A number as it was written: JavaScript's own loses digits. */
export class Numeral {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** A reader that keeps numbers as they were written. */
function exactJson() {
  return new PartialJson({ number: (text) => new Numeral(text) });
}

/**
 * Return how many of the sorted numbers are at most `limit`.
 * @param {number} count
 * @param {(index: number) => number} at
 * @param {number} limit
 */
export function countUpTo(count, at, limit) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(middle) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One call: its fragments in time, and its arguments after any number of them. */
export class LaneTrack {
  /** @param {number} number */
  constructor(number) {
    this.number = number;
    /** @type {CallCard} */
    this.card = {
      ...{ step: 1, custom: false, phase: "", marks: [], edited: null, reason: "" },
      ...{ result: null, left: 0, seconds: null },
    };
    /** @type {number[]} the moment of each fragment */
    this.moments = [];
    /** @type {number[]} the number of characters after each */
    this.ends = [];
    /** @type {number[]} */
    this.times = [];
    this.text = "";
    /** @type {{ count: number, id: string, name: string, late: boolean }[]} */
    this.identities = [{ count: 0, id: "", name: "", late: false }];
    /** @type {{ moment: number, ms: number, phase: CallPhase }[]} */
    this.marks = [];
    this.version = 0;
    this.parser = exactJson();
    this.parsed = 0;
    /** @type {PartialJson | null} */
    this.other = null;
  }

  /**
   * @param {CallFragment} fragment
   * @param {number} moment
   * @param {number} ms
   */
  take([, , id, name, text], moment, ms) {
    this.moments.push(moment);
    this.times.push(ms);
    if (id || name) this.identify(id ?? "", name ?? "");
    this.text += text ?? "";
    this.ends.push(this.text.length);
  }

  /**
   * Take an id and a name: an empty one never overwrites; a name may come in pieces before the arguments begin.
   * @param {string} id
   * @param {string} name
   */
  identify(id, name) {
    const last = this.identities[this.identities.length - 1];
    const next = { ...last, count: this.moments.length };
    if (id && !last.id) Object.assign(next, { id, late: this.text !== "" });
    if (name.startsWith(last.name)) next.name = name;
    else if (name && !this.text) next.name += name;
    if (next.id !== last.id || next.name !== last.name) this.identities.push(next);
  }

  /**
   * Return the parser after `count` fragments; going backwards it parses from the start.
   * @param {number} count
   */
  parserAt(count) {
    if (count < this.parsed) {
      this.parser = exactJson();
      this.parsed = 0;
    }
    if (count > this.parsed) this.parser.push(this.text.slice(this.length(this.parsed), this.length(count)));
    this.parsed = count;
    return this.parser;
  }

  /**
   * Return a parser of the kernel's arguments, if they differ from the fragments.
   * @param {string} text
   */
  otherReading(text) {
    if (this.other === null || this.other.length !== text.length) {
      this.other = exactJson();
      this.other.push(text);
    }
    return this.other;
  }

  /** @param {number} count of fragments */
  length(count) {
    return count ? this.ends[count - 1] : 0;
  }
}

/** All calls of a run. */
export class Timeline {
  constructor() {
    /** @type {LaneTrack[]} */
    this.tracks = [];
    /** @type {number[]} the time of each moment */
    this.times = [];
    /** @type {number[]} its place on the slider, where long pauses are shortened */
    this.places = [];
    /** @type {{ after: number, ms: number }[]} the pauses that are shortened there, each with the moment before it */
    this.breaks = [];
    this.shown = 0;
    this.following = true;
  }

  /**
   * Take new fragments and cards.
   * @param {CallFragment[]} fragments
   * @param {Record<string, CallCard>} cards
   */
  take(fragments, cards) {
    /** @type {{ ms: number, track: LaneTrack, fragment?: CallFragment, phase?: CallPhase }[]} */
    const news = fragments.map((fragment) => ({ ms: fragment[1], track: this.track(fragment[0]), fragment }));
    for (const [number, card] of Object.entries(cards)) {
      const track = this.track(Number(number));
      for (const [ms, phase] of card.marks.slice(track.card.marks.length)) news.push({ ms, track, phase });
      track.card = card;
      track.version += 1;
    }
    if (Object.keys(cards).length) news.sort((a, b) => a.ms - b.ms);
    for (const { ms, track, fragment, phase } of news) {
      const moment = this.times.length;
      const now = this.add(ms);
      if (fragment) track.take(fragment, moment, now);
      else if (phase !== undefined) track.marks.push({ moment, ms: now, phase });
    }
    if (this.following) this.shown = this.times.length;
  }

  /** @param {number} number */
  track(number) {
    while (this.tracks.length <= number) this.tracks.push(new LaneTrack(this.tracks.length));
    return this.tracks[number];
  }

  /** @param {number} ms */
  add(ms) {
    const before = this.times.at(-1) ?? ms;
    const now = Math.max(ms, before);
    const pause = now - before;
    if (pause > LONGEST_WAIT) this.breaks.push({ after: this.times.length - 1, ms: pause });
    this.places.push((this.places.at(-1) ?? 0) + Math.min(pause, LONGEST_WAIT));
    this.times.push(now);
    return now;
  }

  /** Whether there are no useful times, as for an answer that came whole. */
  get timeless() {
    return this.times.length > 1 && this.places[this.places.length - 1] === 0;
  }

  /** Whether a call waits for a person. */
  get waits() {
    return !this.timeless && this.tracks.some(({ marks }) => marks.at(-1)?.phase === "asked");
  }

  /** The place of the end; a call that waits for a person has a share of the slider, since its wait has no length yet. */
  get end() {
    const place = this.place(this.times.length);
    return this.waits ? place / (1 - WAITING) : place;
  }

  /** The length of the slider. */
  get total() {
    return this.end / (1 - MARGIN);
  }

  /** The place of the shown moment. */
  get position() {
    return this.shown === this.times.length ? this.end : this.place(this.shown);
  }

  /**
   * Return the place on the slider after `count` moments.
   * @param {number} count
   */
  place(count) {
    if (count === 0) return 0;
    return this.timeless ? count * TIMELESS_STEP : this.places[count - 1];
  }

  /** @param {number} place on the slider */
  countAt(place) {
    if (this.timeless) return Math.min(this.times.length, Math.floor(place / TIMELESS_STEP));
    return countUpTo(this.places.length, (index) => this.places[index], place);
  }

  /**
   * Show the state after `count` moments.
   * @param {number} count
   */
  show(count) {
    this.shown = Math.max(0, Math.min(count, this.times.length));
    this.following = this.shown === this.times.length; // at the end, follow new moments
  }

  follow() {
    this.following = true;
    this.shown = this.times.length;
  }

  /**
   * Return the state of a call at the shown moment.
   * @param {LaneTrack} track
   */
  look(track) {
    const count = countUpTo(track.moments.length, (index) => track.moments[index], this.shown - 1);
    const marks = countUpTo(track.marks.length, (index) => track.marks[index].moment, this.shown - 1);
    const names = countUpTo(track.identities.length, (index) => track.identities[index].count, count);
    const { card } = track;
    const last = marks === track.marks.length;
    const { id, name, late } = track.identities[Math.max(0, names - 1)];
    const final = count === track.moments.length ? card.final : undefined;
    return {
      count,
      id: final?.id ?? id,
      name: final?.name ?? name,
      late: final?.late ?? late,
      final,
      begun: count > 0 || marks > 0,
      phase: marks ? track.marks[marks - 1].phase : /** @type {CallPhase} */ (""),
      /** whether its outcome is shown */
      settled: last && final !== undefined,
    };
  }
}
