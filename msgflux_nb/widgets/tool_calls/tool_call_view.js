// @ts-check
// The view of tool calls.

import { rootOf } from "../base/dom.js";
import { guarded } from "../base/guard.js";
import { callBoard } from "./call_board.js";
import { CallStore } from "./call_store.js";
import { callState } from "./call_states.js";
/** @import { Model } from "../base/dom.js" */
/** @import { Timeline } from "./timeline.js" */

/** One widget with any number of views: the state is here, and each view draws it. */
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
      callBoard(store, el, { live: true, signal: leave.signal, beside: "beside" in el.dataset });
      return () => leave.abort();
    },
  };
});

/**
 * Return the shown calls with their arguments as text.
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
