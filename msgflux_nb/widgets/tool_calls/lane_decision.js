// @ts-check
// The decision on a call: approve it, change its arguments, or reject it with a reason.

import { textButton } from "../base/controls.js";
import { element } from "../base/dom.js";
import { PartialJson } from "../base/partial.js";
import { valueAt } from "./lane_fields.js";
/** @import { LaneTrack, ToolField } from "./timeline.js" */

/**
 * @typedef {{ decide: (lane: number, verdict: string, more?: Record<string, unknown>) => void, decided: Map<number, string>, refused: Map<number, string> }} Hands
 */

/**
 * Return a JSON text with one line per value; only white space between values changes.
 * @param {string} text valid JSON
 */
function spreadJson(text) {
  let [out, depth] = ["", 0];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{[]\s*[}\]]|[{}[\],:]|[^\s{}[\],:"]+/gs)) {
    if (token === "}" || token === "]") out += `\n${"  ".repeat((depth -= 1))}${token}`;
    else if (token === "{" || token === "[") out += `${token}\n${"  ".repeat((depth += 1))}`;
    else if (token === ",") out += `,\n${"  ".repeat(depth)}`;
    else out += token === ":" ? ": " : token;
  }
  return out;
}

/**
 * Return what is wrong with a text as the arguments of a tool, or "".
 * @param {string} text
 * @param {ToolField[] | undefined} fields
 */
function argumentsProblem(text, fields) {
  const parser = new PartialJson();
  parser.push(text);
  const { value } = parser;
  if (parser.problem) return `not valid JSON: ${parser.problem}`;
  if (!parser.complete) return text.trim() ? "not valid JSON: it ends in the middle" : "expected a JSON object";
  if (value === null || typeof value !== "object" || Array.isArray(value)) return "expected a JSON object, { … }";
  const missing = (fields ?? []).filter(({ path, required }) => required && valueAt(value, path) === undefined);
  if (missing.length) return `missing: ${missing.map(({ path }) => path.join(".")).join(", ")}`;
  const unknown = fields ? Object.keys(value).filter((key) => !fields.some(({ path }) => path[0] === key)) : [];
  return unknown.length ? `not in the schema: ${unknown.join(", ")}` : "";
}

/**
 * @param {LaneTrack} track
 * @param {Hands} hands
 * @param {() => ToolField[] | undefined} fields
 */
export function decisionBar(track, hands, fields) {
  const number = track.number + 1;
  const field = /** @type {HTMLTextAreaElement} */ (
    element("textarea", { class: "mf-edit mf-input mf-mono", rows: "6", spellcheck: "false", "aria-label": `arguments of call ${number}` })
  );
  const problem = element("div", { class: "mf-problem", role: "status" });
  const use = textButton("Run with these", `run call ${number} with these arguments`, () => edit(), { kind: "mf-primary", class: "mf-main" });
  const editor = element(
    "div",
    { class: "mf-editor", hidden: true },
    problem,
    field,
    element("div", { class: "mf-buttons" }, use, textButton("Cancel", "leave the arguments as they are", () => show("ask"), { kind: "mf-line" })),
  );
  const reason = /** @type {HTMLInputElement} */ (
    element("input", { class: "mf-reason mf-input", placeholder: "why, for the model (optional)", "aria-label": `why call ${number} is rejected` })
  );
  const refusal = element(
    "div",
    { class: "mf-buttons", hidden: true },
    reason,
    textButton("Reject", `reject call ${number}`, () => decide("reject", { reason: reason.value.trim() }), { kind: "mf-primary" }),
    textButton("Cancel", "do not reject", () => show("ask"), { kind: "mf-line" }),
  );
  const key = element("kbd", { "aria-hidden": "true" }, "A");
  const approve = textButton("Approve", `let call ${number} run`, () => decide("approve"), { icon: "check", kind: "mf-line", class: "mf-main" });
  approve.append(key);
  const asked = element(
    "div",
    { class: "mf-buttons" },
    approve,
    textButton("Edit", `run call ${number} with other arguments (E)`, () => show("edit"), { kind: "mf-line" }),
    textButton("Reject…", `do not run call ${number} (R)`, () => show("reject"), { kind: "mf-line" }),
  );
  const waits = element("div", { class: "mf-note", role: "status" });
  const node = element("div", { class: "mf-decision", hidden: true }, asked, editor, refusal, waits);

  /** @param {"ask" | "edit" | "reject"} what */
  function show(what) {
    asked.hidden = what !== "ask";
    editor.hidden = what !== "edit";
    refusal.hidden = what !== "reject";
    if (what === "edit") {
      field.value ||= spreadJson(track.card.final?.arguments ?? track.text);
      check();
      field.focus();
      editor.scrollIntoView({ block: "nearest" }); // scroll to it with its button, which the bottom of the view would cut
    } else (what === "reject" ? reason : approve).focus();
  }

  /**
   * @param {string} verdict
   * @param {Record<string, unknown>} [more]
   */
  function decide(verdict, more) {
    // The buttons disappear, so move the focus to the call.
    /** @type {HTMLElement | null} */ (node.closest(".mf-lane"))?.focus({ preventScroll: true });
    hands.decide(track.number, verdict, more);
  }

  function edit() {
    if (!argumentsProblem(field.value, fields())) decide("edit", { arguments: field.value });
  }

  function check() {
    hands.refused.delete(track.number);
    problem.textContent = argumentsProblem(field.value, fields());
    use.toggleAttribute("disabled", problem.textContent !== "");
  }

  field.addEventListener("input", check);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && asked.hidden) {
      show("ask");
      event.stopPropagation();
    } else if (event.key === "Enter" && event.target === reason) decide("reject", { reason: reason.value.trim() });
    else if (event.key === "Enter" && event.shiftKey && event.target === field) {
      event.preventDefault();
      edit();
    }
  });

  /**
   * @param {boolean} open whether the call waits for a decision
   * @param {boolean} first whether it waits now, with the filled button and the keys
   */
  function draw(open, first) {
    approve.classList.toggle("mf-primary", first);
    approve.classList.toggle("mf-line", !first);
    key.hidden = !first;
    const sent = hands.decided.get(track.number);
    const refused = hands.refused.get(track.number);
    node.hidden = !open;
    waits.hidden = sent === undefined;
    waits.textContent = sent === undefined ? "" : `${sent}, waiting for its turn`;
    for (const control of node.querySelectorAll("button, textarea, input")) control.toggleAttribute("disabled", sent !== undefined);
    if (sent === undefined && refused !== undefined) problem.textContent = refused;
    if (sent === undefined && !editor.hidden) use.toggleAttribute("disabled", argumentsProblem(field.value, fields()) !== "");
  }

  return { node, draw, show, approve: () => decide("approve") };
}
