// @ts-check
// The view of tool calls: parts stand in front of this text, joined by _base.py.

import { rootOf } from "../base/dom.js";
import { guarded } from "../base/guard.js";
import { callBoard } from "./call_board.js";
import { CallStore } from "./call_store.js";
import { callState } from "./call_states.js";
/** @import { Model } from "../base/dom.js" */
/** @import { Timeline } from "./timeline.js" */

/** One widget, any number of views: what is known is kept here, each view draws it. */
export default guarded(() => {
  /** @type {CallStore} */
  let store;

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      store = new CallStore(model);
      store.connect();
      return { calls: () => laneTexts(store.timeline) };
    },

    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
    render({ el, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-tool-calls", "tool calls");
      callBoard(store, el, { live: true, signal: leave.signal });
      return () => leave.abort();
    },
  };
});

/**
 * Every call as it is shown, with its arguments as text.
 * @param {Timeline} timeline
 */
function laneTexts(timeline) {
  return timeline.tracks.map((track) => {
    const look = timeline.look(track);
    const text = look.final?.arguments ?? track.text.slice(0, track.length(look.count));
    const parser = track.card.custom ? null : track.parserAt(look.count);
    return { id: look.id, name: look.name, state: callState(look, parser), arguments: text };
  });
}
