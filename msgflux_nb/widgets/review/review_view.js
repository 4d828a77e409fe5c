// @ts-check
// The view of a review: the row's source on the left, its fields on the right, the estimate below.

import { iconButton, opensMenu, pickButton, stateWord, textButton } from "../base/controls.js";
import { element, oncePerFrame, onChange, rootOf, writes } from "../base/dom.js";
import { guarded } from "../base/guard.js";
import { presentButton } from "../base/present.js";
import { readingNodes, wordPicker } from "./reading.js";
import { recordForm } from "./record.js";
/** @import { Model } from "../base/dom.js" */
/** @import { Reading } from "./reading.js" */
/** @import { ToldField } from "./record.js" */

/**
 * @typedef {Reading & {
 *   position: number, number: number, label: string, fields: ToldField[], state: "" | "accepted" | "unusable", trouble: string,
 * }} ToldRow
 * @typedef {{
 *   decided: number, of: number, rows: number, share: number | null, low: number, high: number, said: string,
 *   fields: [name: string, share: number | null, low: number, high: number][], random: number, unkept: string,
 * }} Status
 */

const ORDERS = /** @type {const} */ ([["least sure first", 0.2], ["at random only", 1]]);

export default guarded(() => ({
  /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
  render({ model, el, signal }) {
    const leave = new AbortController();
    signal?.addEventListener("abort", () => leave.abort());
    rootOf(el, "msgflux-review", "review");
    el.classList.add("mf-view");
    el.tabIndex = 0;
    reviewBoard(model, el, leave.signal);
    return () => leave.abort();
  },
}));

/**
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {AbortSignal} signal
 */
function reviewBoard(model, el, signal) {
  const rowNow = () => /** @type {ToldRow} */ (model.get("row"));
  const statusNow = () => /** @type {Status} */ (model.get("status"));
  let gone = false;
  /** @param {"accept" | "unusable"} type */
  const decide = (type) => gone || model.send({ type, position: rowNow().position });
  /** @param {string} field @param {string} text */
  const set = (field, text) => gone || model.send({ type: "set", position: rowNow().position, field, text });
  /** @param {number} by */
  const go = (by) => gone || model.send({ type: "go", by });
  const undo = () => gone || model.send({ type: "undo" });

  const pane = element("section", { class: "mf-reading mf-scroll", tabindex: 0, "aria-label": "what was read" });
  const picker = wordPicker(pane);
  const form = recordForm({ set, point: light, leave: () => el.focus({ preventScroll: true }) });
  const head = headOf();
  const [accept, edit, reject] = [
    textButton("Accept", "accept this row (Enter)", () => decide("accept"), { icon: "check", key: "⏎", kind: "mf-primary" }),
    textButton("Edit", "edit the open field (e)", form.write, { key: "e", kind: "mf-line" }),
    textButton("Not usable", "this row has no right answer (x)", () => decide("unusable"), { key: "x" }),
  ];
  const standing = stateWord({ class: "mf-decided" });
  const note = element("p", { class: "mf-trouble", role: "alert", hidden: true });
  const unkept = element("p", { class: "mf-trouble mf-unkept", role: "alert", hidden: true });
  const record = element("section", { class: "mf-record", "aria-label": "the record" }, unkept, note, form.node,
    element("footer", {}, accept, edit, standing.node, element("span", { class: "mf-grow" }), reject));
  const panes = element("div", { class: "mf-panes" }, pane, record);
  const foot = footOf();
  el.append(head.node, panes, foot.node);

  function headOf() {
    const title = element("span", { class: "mf-title mf-cut" });
    const order = pickButton("order", () => ORDERS.map(([label, random]) => ({
      label, checked: statusNow().random === random, pick: () => model.send({ type: "order", random }),
    })), signal, "mf-wide mf-dim");
    const count = element("span", { class: "mf-note mf-num mf-mid" });
    const bar = element("i");
    const more = iconButton("more", "more: right by field", () => {});
    opensMenu(more, "more", () => [
      { heading: "right so far, by field" },
      ...statusNow().fields.map(([name, share, low, high]) => ({ label: name, detail: share === null ? "not known yet" : `${percent(share)} · ${range(low, high)}`, disabled: true, pick() {} })),
    ], signal);
    const node = element("header", { class: "mf-top" }, title, order.node, element("span", { class: "mf-grow" }), count,
      element("span", { class: "mf-meter mf-mid mf-far" }, bar),
      iconButton("left", "the row before (p)", () => go(-1)), iconButton("right", "the next row (n)", () => go(1)),
      iconButton("undo", "take the last decision back (u)", undo), presentButton(el, signal), more);
    return { node, title, order, count, bar };
  }

  function footOf() {
    const said = element("span", { class: "mf-num", role: "status" });
    const [span, dot] = [element("i"), element("b")];
    const interval = element("span", { class: "mf-interval mf-mid", "aria-hidden": "true" }, span, dot);
    const keys = element("span", { class: "mf-keys mf-wide" });
    for (const [names, word] of /** @type {[string[], string][]} */ ([[["⏎"], "accept"], [["1", "…", "9"], "choose"], [["t"], "pick words"], [["n", "p"], "on, back"], [["u"], "undo"]])) {
      keys.append(element("span", {}, ...names.map((name) => (name === "…" ? "–" : element("kbd", {}, name))), word));
    }
    const hint = element("span", { class: "mf-hint" });
    return { node: element("footer", { class: "mf-bottom" }, said, interval, element("span", { class: "mf-grow" }), hint, keys), said, interval, span, dot, hint, keys };
  }

  /** Highlight a field and its words. @param {number} number */
  function light(number) {
    const shown = number || form.openNumber();
    for (const quote of pane.querySelectorAll(".mf-quote")) {
      quote.classList.toggle("mf-on", quote instanceof HTMLElement && (quote.dataset.fields ?? "").split(" ").includes(String(shown)));
    }
  }

  let drawn = -1;
  function drawRow() {
    const row = rowNow();
    const empty = row.position === undefined;
    el.classList.toggle("mf-empty", empty);
    if (empty) return void pane.replaceChildren(element("p", { class: "mf-note" }, "No rows to review."));
    const fresh = drawn !== row.position;
    const before = drawn;
    drawn = row.position;
    head.title.textContent = head.title.title = row.label;
    pane.replaceChildren(...readingNodes(row));
    form.show(row.fields, fresh);
    if (fresh) {
      picker.forget();
      pane.scrollTop = 0;
      say("");
      if (before >= 0) moved();
    }
    say(row.trouble);
    light(0);
    pane.querySelector(".mf-quote.mf-on")?.scrollIntoView({ block: "nearest" });
    standing.node.hidden = row.state === "";
    standing.set(row.state === "unusable" ? "look" : "done", row.state, row.state === "unusable" ? "cross" : "check");
  }

  /** Animate another row coming in from the right. */
  function moved() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    panes.animate([{ opacity: 0.4, transform: "translateX(12px)" }, { opacity: 1, transform: "none" }], { duration: 120, easing: "ease-out" });
  }

  /** @param {string} text */
  function say(text) {
    note.textContent = text;
    note.hidden = !text;
  }

  function drawStatus() {
    const status = statusNow();
    head.order.set(ORDERS.find(([, random]) => random === status.random)?.[0] ?? `${percent(status.random)} at random`);
    unkept.textContent = status.unkept;
    unkept.hidden = !status.unkept;
    head.count.textContent = `${status.decided.toLocaleString("en-US")} of ${status.of.toLocaleString("en-US")} read`;
    head.bar.style.width = `${status.of ? Math.min(100, (100 * status.decided) / status.of) : 0}%`;
    const known = status.share !== null;
    foot.said.replaceChildren(...(known ? ["so far ", element("b", {}, percent(status.share ?? 0)), " of rows all right", element("span", { class: "mf-mid" }, status.low < status.high ? ` · ${range(status.low, status.high)}` : "")] : [status.decided ? "the accuracy of the other rows is not known yet" : "nothing is decided yet"]));
    foot.interval.hidden = !known;
    foot.span.style.cssText = `left: ${100 * status.low}%; width: ${100 * (status.high - status.low)}%`;
    foot.dot.style.left = `${100 * (status.share ?? 0)}%`;
    head.title.dataset.of = String(status.rows);
  }

  function drawHint() {
    const picked = picker.selected();
    foot.hint.textContent = picked ? `press a field's number: “${picked.length > 24 ? `${picked.slice(0, 24)}…` : picked}” is its value` : "";
    foot.keys.hidden = picked !== "";
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
    if (event.target instanceof Element && event.target.closest("[role=menu]")) return;
    if (!act(event)) return;
    event.preventDefault();
  }

  /**
   * Handle a key; return whether it was handled.
   * @param {KeyboardEvent} event
   */
  function act(event) {
    const { key } = event;
    const inText = document.activeElement === pane;
    if (/^[1-9]$/.test(key)) return digit(Number(key));
    if (inText && picker.key(event)) return true;
    /** @type {Record<string, () => void>} */
    const commands = {
      e: form.write, n: () => go(1), p: () => go(-1), u: undo, x: () => decide("unusable"), t: toText,
      ArrowDown: () => form.move(1), ArrowUp: () => form.move(-1),
    };
    if (key === "Enter" && !(event.target instanceof HTMLButtonElement)) decide("accept");
    else if (key === "Escape" && (inText || picker.selected())) fromText();
    else if (commands[key]) commands[key]();
    else return false;
    return true;
  }

  function toText() {
    pane.focus();
    picker.begin();
  }

  function fromText() {
    getSelection()?.removeAllRanges();
    el.focus({ preventScroll: true });
  }

  /** Handle a digit: with selected words it names their field; else it picks a choice or opens a field. @param {number} number */
  function digit(number) {
    const picked = picker.selected();
    if (picked) {
      const field = form.field(number);
      if (!field || field.fixed) return false;
      form.choose(number - 1);
      set(field.name, picked);
      fromText();
      return true;
    }
    const choice = form.open()?.choices[number - 1];
    if (choice !== undefined) set(form.open()?.name ?? "", choice);
    else form.choose(number - 1);
    return true;
  }

  el.addEventListener("keydown", keys, { signal });
  pane.addEventListener("pointerover", (event) => {
    const quote = event.target instanceof Element ? event.target.closest(".mf-quote") : null;
    const number = quote instanceof HTMLElement ? Number((quote.dataset.fields ?? "0").split(" ")[0]) : 0;
    form.light(number);
    light(number);
  }, { signal });
  document.addEventListener("selectionchange", oncePerFrame(drawHint), { signal });
  /** @param {boolean} now */
  const readOnly = (now) => {
    gone = now;
    form.readOnly(now);
    for (const button of [accept, edit, reject]) button.toggleAttribute("disabled", now);
  };
  el.addEventListener("mf-gone", () => readOnly(true), { signal });
  el.addEventListener("mf-back", () => readOnly(false), { signal });
  onChange(model, "row", drawRow, signal);
  onChange(model, "status", drawStatus, signal);
  /** @param {{ type: string, message: string }} message */
  const heard = (message) => {
    if (message.type === "problem") say(message.message);
  };
  model.on("msg:custom", heard);
  signal.addEventListener("abort", () => model.off("msg:custom", heard));
  drawRow();
  drawStatus();
}

/** @param {number} share */
function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** @param {number} low @param {number} high */
function range(low, high) {
  return `between ${Math.floor(100 * low)} and ${Math.ceil(100 * high)} %`;
}
