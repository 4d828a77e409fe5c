// @ts-check
// The card of a tool call that waits for a person: approve, edit or reject it.

import { icon, stateWord, textButton } from "../base/controls.js";
import { element } from "../base/dom.js";
/** @import { AskedCall } from "../base/stream.js" */
/** @import { Play } from "./play.js" */

/** @typedef {AskedCall} WaitingCall */

/**
 * Make the rows of a call's arguments.
 * @param {AskedCall} call
 */
function argumentRows({ rows }) {
  return rows.map((row) => element("li", {}, element("dfn", {}, row.field), element("output", { dir: "auto" }, row.value), element("small", {}, row.type)));
}

/**
 * Make the card of a call that nobody is asked about.
 * @param {AskedCall} call
 */
export function callCard(call) {
  const head = element("header", {}, icon("tools"), element("code", {}, call.name));
  const rows = call.rows.length ? [element("ol", { class: "mf-rows" }, ...argumentRows(call))] : [];
  return element("section", { class: "mf-card", "aria-label": `call of ${call.name}` }, head, ...rows);
}

/**
 * @param {Play} play
 * @param {() => void} decided called when the card is gone
 */
export function waitingCard(play, decided) {
  const name = element("code");
  const state = stateWord();
  const rows = element("ol", { class: "mf-rows" });
  const problem = element("p", { class: "mf-error", role: "alert", hidden: true });
  const field = /** @type {HTMLTextAreaElement} */ (
    element("textarea", { class: "mf-input mf-arguments", rows: 4, spellcheck: "false", "aria-label": "arguments of the call" })
  );
  const reason = /** @type {HTMLInputElement} */ (
    element("input", { class: "mf-input mf-grow", placeholder: "why not, for the model", "aria-label": "why the call is rejected" })
  );
  const cancel = () => textButton("Cancel", "leave the call as it is", () => show("ask"));
  const approve = textButton("Approve", "let the call run (A)", () => decide("approve"), { icon: "check", key: "A", kind: "mf-primary" });
  const approveAll = textButton("approve all", "run this call and all later ones without asking", all, { class: "mf-note mf-last-of" });
  approveAll.firstElementChild?.append(element("span", { class: "mf-from-now" }, "\u00a0from now on"));
  const asks = element(
    "footer",
    {},
    approve,
    textButton("Edit", "run the call with other arguments (E)", () => show("edit"), { icon: "edit", kind: "mf-line" }),
    textButton("Reject…", "do not run the call (R)", () => show("reject"), { kind: "mf-line" }),
    approveAll,
  );
  const edits = element("footer", { hidden: true }, textButton("Run with these", "run the call with these arguments", edit, { kind: "mf-primary" }), cancel());
  const rejects = element(
    "footer",
    { hidden: true },
    reason,
    textButton("Reject", "reject the call", () => decide("reject", { reason: reason.value.trim() }), { kind: "mf-primary" }),
    cancel(),
  );
  const node = element(
    "section",
    { class: "mf-card mf-waiting", hidden: true },
    element("header", {}, icon("tools"), name, element("span", { class: "mf-grow" }), state.node),
    rows,
    field,
    problem,
    asks,
    edits,
    rejects,
  );
  state.set("look", "waits for you", "clock");
  /** @type {WaitingCall | null} */
  let shown = null;

  /** @param {"ask" | "edit" | "reject"} what */
  function show(what) {
    asks.hidden = what !== "ask";
    edits.hidden = field.hidden = what !== "edit";
    rows.hidden = what === "edit";
    rejects.hidden = what !== "reject";
    problem.hidden = true;
    if (what === "edit") field.focus();
    else if (what === "reject") reason.focus();
    else approve.focus();
  }

  /**
   * @param {string} verdict
   * @param {Record<string, unknown>} [more]
   */
  function decide(verdict, more = {}) {
    play.model.send({ type: "decide", verdict, ...more });
  }

  function all() {
    play.model.set("asks_first", false);
    play.model.save_changes();
  }

  function edit() {
    try {
      const value = JSON.parse(field.value);
      if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("expected a JSON object, { … }");
      decide("edit", { arguments: field.value });
    } catch (error) {
      refuse(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {string} said */
  function refuse(said) {
    problem.textContent = said;
    problem.hidden = false;
  }

  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && asks.hidden) {
      event.stopPropagation();
      show("ask");
    } else if (event.key === "Enter" && event.target === reason) decide("reject", { reason: reason.value.trim() });
    else if (event.key === "Enter" && event.shiftKey && event.target === field) {
      event.preventDefault();
      event.stopPropagation();
      edit();
    }
  });

  /** @param {WaitingCall | null} call */
  function draw(call) {
    if (call === shown) return;
    const held = node.contains(document.activeElement);
    shown = call;
    node.hidden = !call;
    if (!call) {
      if (held) decided();
      return;
    }
    name.textContent = call.name;
    node.setAttribute("aria-label", `${call.name} waits for your approval`);
    rows.replaceChildren(...argumentRows(call));
    field.value = call.arguments;
    reason.value = "";
    asks.hidden = false;
    edits.hidden = rejects.hidden = field.hidden = problem.hidden = true;
    rows.hidden = false;
    node.scrollIntoView?.({ block: "nearest" });
  }

  return {
    node,
    draw,
    refuse,
    /** Handle a key while a call waits. @param {string} key @returns {boolean} whether it was handled */
    key(key) {
      if (!shown || asks.hidden) return false;
      if (key === "a") decide("approve");
      else if (key === "e") show("edit");
      else if (key === "r") show("reject");
      else return false;
      return true;
    },
  };
}
