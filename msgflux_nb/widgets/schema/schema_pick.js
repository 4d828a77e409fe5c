// @ts-check
// The menu of structures: text, a type, or a plan.

import { pickButton } from "../base/controls.js";
import { onChange } from "../base/dom.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { Model } from "../base/dom.js" */

/** @type {Record<string, string>} the words next to the name of a group */
const FROM = { built: "built here", notebook: "your notebook" };

/**
 * Make a button with the menu, for the picker's own head and for a parent's.
 * @param {Model} model the picker's
 * @param {AbortSignal} signal
 * @param {() => Entry[]} [more] a parent's entries, below the others
 * @returns {{ node: HTMLElement }}
 */
export function schemaPick(model, signal, more = () => []) {
  const pick = pickButton("answer as", entries, signal);
  /** @param {string} name */
  const choose = (name) => {
    model.set("schema", name);
    model.save_changes();
  };
  // A cell may have defined a new type, so look again when a person is about to pick.
  const ask = () => model.send({ type: "offers" });
  for (const event of ["pointerenter", "focus"]) pick.node.addEventListener(event, ask, { signal });

  /** @returns {Entry[]} */
  function entries() {
    /** @type {[name: string, group: string][]} */
    const offered = model.get("offered");
    const chosen = model.get("schema");
    const count = model.get("described").fields?.length ?? 0;
    /** @param {string} name @param {string} [detail] @returns {Entry} */
    const entry = (name, detail = "") => {
      const checked = name === chosen;
      const said = checked && name && count ? `${count} ${count === 1 ? "field" : "fields"}` : detail;
      return { label: name || "text", checked, detail: said, pick: () => choose(name) };
    };
    const own = offered.filter(([, group]) => group !== "plans").map(([name, group]) => entry(name, FROM[group]));
    const plans = offered.filter(([, group]) => group === "plans").map(([name]) => entry(name));
    /** @type {Entry[]} */
    const headed = plans.length ? [{ heading: "plans" }, ...plans] : [];
    const others = more();
    return [{ heading: "answer as" }, entry(""), ...own, ...headed, ...(others.length ? [/** @type {Entry} */ ("-"), ...others] : [])];
  }

  const draw = () => pick.set(model.get("schema") || "text", "answer as");
  onChange(model, "schema", draw, signal);
  onChange(model, "offered", () => pick.menu.redraw(), signal);
  draw();
  return { node: pick.node };
}
