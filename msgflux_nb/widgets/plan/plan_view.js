// @ts-check
// The view of plans.

import { rootOf } from "../base/dom.js";
import { guarded } from "../base/guard.js";
import { planBoard } from "./plan_board.js";
import { PlanStore } from "./plan_store.js";
/** @import { Model } from "../base/dom.js" */

/** One widget with any number of views: the state is here, and each view draws it. */
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
