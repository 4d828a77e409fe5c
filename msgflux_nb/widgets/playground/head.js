// @ts-check
// The head of a playground: the model and its options, the structure, the tools, and actions on the conversation.

import { iconButton, opensMenu, pickButton, textButton } from "../base/controls.js";
import { element, onChange } from "../base/dom.js";
import { presentButton } from "../base/present.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { Inner, Play } from "./play.js" */

/** @typedef {{ code(): void, table(): void, grid(): void, panel(): void, hidden(): boolean, probabilities(): void, structure(): void }} HeadActs */

/**
 * @param {Play} play
 * @param {HTMLElement} el the view's root
 * @param {Inner} inner
 * @param {HeadActs} acts
 * @param {AbortSignal} signal
 */
export function playHead(play, el, inner, acts, signal) {
  const { model } = play;
  const first = pickButton("model", () => [...modelEntries(play, 0), "-", ...callEntries(play, acts)], signal);
  const settings = element("button", { type: "button", class: "mf-pick mf-wide", title: "settings of the call", onclick: () => first.menu.open() });
  const second = pickButton("compare with", () => modelEntries(play, 1), signal);
  const end = iconButton("cross", "end the comparison", () => model.send({ type: "pick", side: 1, name: "" }), "mf-mid");
  const schema = inner.picker.select(signal, structureEntries);
  const tools = pickButton("tools", () => toolEntries(play), signal, "mf-mid");
  const compare = textButton("compare", "let another model answer next to it", () => {}, { icon: "compare", class: "mf-wide" });
  const comparing = opensMenu(compare, "compare with", () => modelEntries(play, 1), signal);
  const differences = textButton("differences", "mark the words that only one of them has", () => play.mark(!play.marked), { icon: "compare", class: "mf-wide" });
  const undo = iconButton("undo", "undo: take the last change back", () => inner.builder.undo());
  const code = iconButton("code", "copy as code that asks the same", acts.code, "mf-mid");
  const more = iconButton("more", "more", () => {});
  const menu = opensMenu(more, "more", () => moreEntries(), signal);
  const present = presentButton(el, signal);
  const and = element("span", { class: "mf-note mf-mid" }, "and");
  const node = element(
    "header",
    { class: "mf-top" },
    first.node,
    settings,
    and,
    second.node,
    end,
    element("i", { class: "mf-sep mf-wide" }),
    schema,
    tools.node,
    compare,
    element("span", { class: "mf-grow" }),
    differences,
    undo,
    code,
    present,
    more,
  );

  /** Start over: stop an arriving answer, which undo brings back with the conversation. */
  function beginAgain() {
    play.stop();
    inner.builder.clear();
  }

  /** @returns {Entry[]} */
  function structureEntries() {
    const unfold = (/** @type {"form" | "sent"} */ part) => () => {
      inner.picker.open(part, true);
      acts.structure();
    };
    return [
      { label: "Build one by form …", icon: "plus", pick: unfold("form") },
      { label: "What is sent …", icon: "eye", disabled: !inner.picker.model.get("schema"), pick: unfold("sent") },
    ];
  }

  /** @returns {Entry[]} */
  function moreEntries() {
    return [
      { label: "Copy as code", icon: "code", pick: acts.code },
      { label: "Copy as a table", icon: "fields", pick: acts.table, disabled: !play.sides[0].rows.length },
      { label: "Make a grid of this …", icon: "compare", title: "the code of a grid: prompts and models over many inputs", pick: acts.grid },
      "-",
      { label: acts.hidden() ? "Show the panel" : "Hide the panel", icon: "panel", pick: acts.panel },
      { label: "Compare with another model …", icon: "compare", pick: () => setTimeout(() => (second.node.hidden ? comparing : second.menu).open()) },
      { label: "Present", icon: "present", key: "F", pick: () => present.click() },
      "-",
      { label: "Begin again", icon: "trash", title: "without turns; undo brings them back", pick: beginAgain },
      "-",
      { heading: "keys" },
      ...KEYS_SAID.map(([key, does]) => ({ node: element("div", { class: "mf-key-line" }, element("span", {}, does), element("kbd", {}, key)) })),
    ];
  }

  const asked = () => model.send({ type: "models" });
  for (const by of [first.node, second.node, compare]) by.addEventListener("pointerdown", asked, { signal });
  first.node.addEventListener("keydown", asked, { signal });
  onChange(model, ["offered", "prices"], () => [first.menu, second.menu, comparing].forEach((menu) => menu.redraw()), signal);

  function draw() {
    const [one, two] = model.get("chosen");
    const names = model.get("tool_names");
    const settled = model.get("call_options");
    first.set(one);
    settings.replaceChildren(element("span", {}, settled.temperature === undefined ? "settings" : `T ${settled.temperature}`));
    settings.hidden = Boolean(two); // the menu of the first model has them
    settings.title = model.get("model_options") || "settings of the call";
    second.set(two);
    node.classList.toggle("mf-versus", Boolean(two));
    for (const node of [and, second.node, end]) node.hidden = !two;
    compare.hidden = Boolean(two);
    differences.hidden = play.sides.length < 2;
    differences.setAttribute("aria-pressed", String(play.marked));
    tools.set(String(names.length), "tools");
    tools.node.hidden = !names.length || Boolean(two);
    tools.node.title = names.join(", ");
    undo.toggleAttribute("disabled", !inner.builder.model.get("undoable"));
  }

  return { node, draw, keys: () => menu.open() };
}

const KEYS_SAID = [
  ["⇧⏎", "run"],
  ["esc", "stop"],
  ["⌃⏎", "add only"],
  ["↑ ↓", "between turns"],
  ["← →", "versions of a turn"],
  ["⏎", "edit a turn"],
  ["A E R", "approve, edit, reject a call"],
  ["1 2", "go on with one of two answers"],
];

/**
 * @param {Play} play
 * @param {number} side 1 for the model to compare with
 * @returns {Entry[]}
 */
function modelEntries({ model }, side) {
  const chosen = model.get("chosen")[side];
  /** @type {Entry[]} */
  const offered = model.get("offered").map((name) => {
    const label = String(name);
    const detail = String(/** @type {Record<string, unknown>} */ (model.get("prices"))[label] ?? (label.startsWith("local/") ? "free" : ""));
    const title = detail.startsWith("$") ? `${detail}: dollars for a million tokens in, and out` : undefined;
    return { label, checked: label === chosen, detail, title, pick: () => model.send({ type: "pick", side, name: label }) };
  });
  return [{ heading: side ? "compare with" : "model" }, ...offered];
}

/**
 * @param {Play} play
 * @param {HeadActs} acts
 * @returns {Entry[]}
 */
function callEntries({ model }, acts) {
  const said = model.get("call_options");
  const send = (/** @type {string} */ name, /** @type {number | null} */ value) => model.send({ type: "option", name, value });
  const rows = element(
    "div",
    { class: "mf-settings" },
    ...sliderRow("temperature", { min: 0, max: 2, step: 0.1 }, said.temperature, (value) => send("temperature", value)),
    ...sliderRow("at most", { min: 50, max: 4000, step: 50 }, said.max_tokens, (value) => send("max_tokens", value)),
    ...seedRow(said.seed, (value) => send("seed", value)),
  );
  return [
    { node: rows },
    { label: "Reset these", icon: "undo", disabled: !said.changed, pick: () => model.send({ type: "option", name: "", value: null }) },
    "-",
    { label: "ask for token probabilities", checked: model.get("logprobs"), several: true, pick: acts.probabilities },
  ];
}

/**
 * @param {string} label
 * @param {{ min: number, max: number, step: number }} range
 * @param {number | undefined} value
 * @param {(value: number) => void} change
 */
function sliderRow(label, range, value, change) {
  const unset = value === undefined;
  const shown = element("output", { title: unset ? "not sent: the provider's own default" : null }, unset ? "default" : String(value));
  const input = /** @type {HTMLInputElement} */ (element("input", { type: "range", ...range, "aria-label": label, "aria-valuetext": unset ? "the provider's default" : null, class: unset ? "mf-unset" : null }));
  input.value = String(value ?? (range.min + range.max) / 2);
  input.addEventListener("input", () => {
    input.classList.remove("mf-unset");
    input.removeAttribute("aria-valuetext");
    shown.textContent = input.value;
    shown.title = "";
  });
  input.addEventListener("change", () => change(Number(input.value)));
  // here the arrow keys move the slider, not between entries
  input.addEventListener("keydown", (event) => event.key.startsWith("Arrow") && event.stopPropagation());
  return [element("span", {}, label), input, shown];
}

/**
 * @param {number | undefined} value
 * @param {(value: number | null) => void} change
 */
function seedRow(value, change) {
  const input = /** @type {HTMLInputElement} */ (element("input", { class: "mf-input", inputmode: "numeric", "aria-label": "seed", placeholder: "–" }));
  input.value = value === undefined ? "" : String(value);
  input.addEventListener("change", () => change(/^\d+$/.test(input.value) ? Number(input.value) : null));
  return [element("span", {}, "seed"), input, element("span")];
}

/**
 * @param {Play} play
 * @returns {Entry[]}
 */
function toolEntries({ model }) {
  /** @type {Entry[]} */
  const names = model.get("tool_names").map((name) => ({ label: String(name), checked: true, several: true, disabled: true, title: "the model may call it", pick() {} }));
  const asks = model.get("asks_first");
  const change = () => {
    model.set("asks_first", !asks);
    model.save_changes();
  };
  return [{ heading: "tools" }, ...names, "-", { label: "ask before each call", checked: asks, several: true, pick: change }];
}
