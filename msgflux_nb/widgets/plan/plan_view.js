// @ts-check
// The view of plans: parts stand in front of this text, joined by view.py.

import { rootOf } from "../base/dom.js";
import { guarded } from "../base/guard.js";
import { planBoard } from "./plan_board.js";
import { PlanStore } from "./plan_store.js";
/** @import { Model } from "../base/dom.js" */

/** One widget, any number of views: what is known is kept here, each view draws it. */
export default guarded(() => {
  /** @type {PlanStore} */
  let store;

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      store = new PlanStore(model);
      store.connect();
    },

    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
    render({ el, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-plan", "plan");
      planBoard(store, el, { live: true, signal: leave.signal });
      return () => leave.abort();
    },
  };
});
