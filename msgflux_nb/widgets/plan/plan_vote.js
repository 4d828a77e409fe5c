// @ts-check
// The drawing of self-consistency: one block per answer, one row per value; the leader's certainty; the chosen chain.

import { icon, iconButton } from "../base/controls.js";
import { copied } from "../base/copy.js";
import { element, keepOnly, svgElement } from "../base/dom.js";
import { tableText } from "../base/texts.js";
import { copyEntry, modelCall, planState } from "./plan_calls.js";
import { staysAhead } from "./plan_sure.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { PlanSample, PlanStore } from "./plan_store.js" */

const VOTE_SURE = 0.95;
const VOTE_HEADS = ["answer", "value", "chain"];
const VOTE_LETTER = 6.5; // the width of a letter beside the curve, in px

/**
 * @param {PlanStore} store
 * @returns {{ nodes: HTMLElement[], draw: () => void, ticks: () => number[], key: (event: KeyboardEvent) => boolean, tools: HTMLElement[], entries: () => Entry[], state: () => string }}
 */
export function voteBody(store) {
  const tally = element("div", { class: "mf-tally mf-scroll", role: "group", "aria-label": "answers" });
  const curve = svgElement("svg", { class: "mf-curve", role: "img" });
  const note = element("span", { class: "mf-note" }, "How likely the leader stays ahead, answer by answer");
  const sure = element("div", { class: "mf-sure" }, note, /** @type {any} */ (curve));
  const which = element("span", { class: "mf-title" });
  const says = element("span", { class: "mf-says" });
  const before = iconButton("left", "the answer before (←)", () => walk(-1));
  const after = iconButton("right", "the next answer (→)", () => walk(1));
  const copy = iconButton("copy", "copy as a table", async () => {
    const done = await copied(tableText([VOTE_HEADS, ...voteRows(store.state.samples)]));
    copy.replaceChildren(icon(done ? "check" : "cross"));
    setTimeout(() => copy.replaceChildren(icon("copy")), 1_200);
  }, "mf-mid");
  const head = element("header", {}, which, says, element("span", { class: "mf-grow" }), before, after);
  const chain = element("div", { class: "mf-chain-text mf-scroll", tabindex: "0", role: "region", "aria-label": "chain of thoughts" });
  const aside = element("aside", { class: "mf-chain" }, head, chain);
  const node = element("div", { class: "mf-vote" }, element("div", { class: "mf-left" }, tally, sure), aside);
  /** @type {Map<string, { row: HTMLElement, name: HTMLElement, blocks: HTMLElement, count: HTMLElement }>} */
  const rows = new Map();
  /** @type {Map<number, HTMLElement>} */
  const blocks = new Map();
  let chosen = -1; // the number of the chosen answer; -1 is the newest
  let shown = "";
  let curved = "";

  /** @param {PlanSample} sample */
  const keyOf = (sample) => (sample.group === null ? "none" : String(sample.group));

  function draw() {
    const { samples } = store.state;
    const groups = grouped(samples);
    const known = new Set(samples.map(({ number }) => number));
    for (const [number, block] of blocks) {
      if (known.has(number)) continue;
      block.remove();
      blocks.delete(number);
    }
    for (const [key, row] of rows) {
      if (groups.some((group) => group.key === key)) continue;
      row.row.remove();
      rows.delete(key);
    }
    const most = Math.max(0, ...groups.filter(({ key }) => key !== "none").map(({ samples: same }) => same.length));
    tally.style.setProperty("--mf-most", String(Math.max(1, most))); // blocks are narrower before their row wraps
    for (const group of groups) drawGroup(group, group.samples.length === most && group.key !== "none", samples.length);
    keepOnly(tally, groups.map(({ key }) => /** @type {any} */ (rows.get(key)).row));
    drawChain();
    drawCurve();
  }

  /** @param {PlanSample[]} samples */
  function grouped(samples) {
    /** @type {Map<string, PlanSample[]>} */
    const found = new Map();
    for (const sample of samples) {
      const key = keyOf(sample);
      found.set(key, [...(found.get(key) ?? []), sample]);
    }
    const groups = [...found].map(([key, same]) => ({ key, samples: same }));
    return groups.sort((a, b) => Number(a.key === "none") - Number(b.key === "none") || b.samples.length - a.samples.length || Number(a.key) - Number(b.key));
  }

  /**
   * @param {{ key: string, samples: PlanSample[] }} group
   * @param {boolean} leads
   * @param {number} all
   */
  function drawGroup({ key, samples }, leads, all) {
    let row = rows.get(key);
    if (!row) {
      const name = element("b", { class: "mf-cut" });
      const holder = element("div", { class: "mf-blocks" });
      const count = element("span", { class: "mf-num" });
      row = { row: element("div", { class: "mf-ans" }, name, holder, count), name, blocks: holder, count };
      rows.set(key, row);
    }
    const text = key === "none" ? "not readable" : (samples[0].value ?? "–");
    if (row.name.textContent !== text) row.name.textContent = text;
    row.name.title = text;
    row.row.classList.toggle("mf-none", key === "none");
    row.row.classList.toggle("mf-lead", leads);
    const share = key === "none" ? "" : ` · ${Math.round((100 * samples.length) / all)} %`;
    const count = `${samples.length}${share}`;
    if (row.count.textContent !== count) row.count.textContent = count;
    for (const sample of samples) {
      let block = blocks.get(sample.number);
      if (!block) {
        const title = `answer ${sample.number + 1}`;
        block = element("button", { type: "button", class: "mf-tile mf-block", title, "aria-label": title, "data-number": sample.number, onclick: () => choose(sample.number) }, String(sample.number + 1));
        blocks.set(sample.number, block);
      }
      if (block.parentElement !== row.blocks) row.blocks.append(block);
    }
  }

  /** @param {number} number */
  function choose(number) {
    chosen = number;
    store.tell();
  }

  /** @param {number} by */
  function walk(by) {
    const numbers = store.state.samples.map(({ number }) => number).sort((a, b) => a - b);
    if (!numbers.length) return;
    const at = chosen < 0 ? numbers.length - 1 : numbers.indexOf(chosen);
    choose(numbers[Math.max(0, Math.min(at + by, numbers.length - 1))]);
  }

  function drawChain() {
    const { samples, sampleCalls } = store.state;
    const sample = samples.find(({ number }) => number === chosen) ?? samples.at(-1);
    for (const [number, block] of blocks) {
      const current = number === sample?.number;
      if (current) block.setAttribute("aria-current", "true");
      else block.removeAttribute("aria-current");
      block.setAttribute("tabindex", current ? "0" : "-1");
    }
    const key = sample ? `${store.run} ${sample.number} ${sample.group} ${sample.chain.length}` : "";
    if (key === shown) return;
    shown = key;
    which.textContent = sample ? `Answer ${sample.number + 1}` : "";
    says.replaceChildren(...(sample ? [sample.value === null ? "not readable" : "says ", element("b", {}, sample.value ?? "")] : []));
    if (!sample) {
      chain.replaceChildren();
      return;
    }
    const call = sampleCalls.get(sample.number);
    const words = sample.chain.length ? sample.chain : call?.text && sample.value === null ? [call.text] : [];
    const rest = [...(sample.problem ? [planState("look", sample.problem, "warning")] : []), ...(call ? [modelCall(call)] : [])];
    chain.replaceChildren(element("div", { class: "mf-words" }, ...words.map((each) => element("p", {}, each))), ...rest);
  }

  function drawCurve() {
    const { samples, end } = store.state;
    const width = curve.clientWidth;
    const height = curve.clientHeight;
    const n = Math.max(samples.length, Number(store.told.head.options.n) || 0, 2);
    const key = [samples.length, width, height, n, end?.stopped, store.run].join();
    if (key === curved || !width) return;
    curved = key;
    const x = (/** @type {number} */ count) => 34 + (count / n) * (width - 44);
    const y = (/** @type {number} */ share) => height - 16 - ((share - 0.4) / 0.6) * (height - 24);
    const points = leads(samples);
    const marks = [1, ...[0.25, 0.5, 0.75, 1].map((share) => Math.round(share * n))].filter((mark, index, all) => mark > 0 && all.indexOf(mark) === index);
    curve.replaceChildren(
      svgElement("line", { class: "mf-goal", x1: 34, x2: width, y1: y(VOTE_SURE), y2: y(VOTE_SURE) }),
      svgElement("text", { x: 28, y: y(VOTE_SURE) + 4, "text-anchor": "end" }, "0.95"),
      svgElement("text", { x: 28, y: y(0.5) + 4, "text-anchor": "end" }, "0.5"),
      svgElement("line", { class: "mf-axis", x1: 34, x2: width, y1: height - 16, y2: height - 16 }),
      ...marks.map((mark) => svgElement("text", { x: x(mark), y: height, "text-anchor": "middle" }, String(mark))),
      svgElement("polyline", { points: points.map((share, index) => `${x(index + 1)},${y(share)}`).join(" ") }),
    );
    const last = points.at(-1);
    if (last === undefined) return;
    const left = n - samples.length;
    const early = ["beta", "window", "stop"].includes(end?.stopped) && left > 0;
    const [at, level] = [x(points.length), y(last)];
    const lines = early ? [`${last.toFixed(2)} · stopped here, `, `${left} ${left === 1 ? "call" : "calls"} saved`] : [last.toFixed(2)];
    const told = lines.join("").length * VOTE_LETTER > width - at - 12 ? lines : [lines.join("")];
    const over = Math.max(...told.map((line) => line.length)) * VOTE_LETTER > width - at - 12;
    const place = { x: at + (over ? 0 : 12), "text-anchor": over ? "end" : "start" };
    curve.append(
      svgElement("circle", { class: early ? "mf-stopped-here" : "", cx: at, cy: level, r: 4 }),
      svgElement("text", { class: "mf-told", y: level + (over ? 22 : 16), ...place }, ...told.map((line, index) => svgElement("tspan", { x: place.x, dy: index ? "1.3em" : 0 }, line))),
    );
    curve.setAttribute("aria-label", `after ${points.length} answers the leader stays ahead with ${last.toFixed(2)}${early ? "; the vote was stopped" : ""}`);
  }

  /**
   * Return after each answer the probability that the leader stays ahead.
   * @param {PlanSample[]} samples
   */
  function leads(samples) {
    /** @type {Map<number, number>} */
    const counts = new Map();
    return samples.map(({ group }) => {
      if (group !== null) counts.set(group, (counts.get(group) ?? 0) + 1);
      const [first = 0, second = 0] = [...counts.values()].sort((a, b) => b - a);
      return staysAhead(first, second);
    });
  }

  /** @param {KeyboardEvent} event */
  function key(event) {
    const at = event.target;
    if (!(at instanceof HTMLElement) || !at.closest(".mf-blocks, .mf-chain")) return false;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") walk(event.key === "ArrowLeft" ? -1 : 1);
    else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && at.dataset.number) change(at, event.key === "ArrowUp" ? -1 : 1);
    else return false;
    if (at.dataset.number) requestAnimationFrame(() => blocks.get(chosen)?.focus());
    return true;
  }

  /**
   * Go to the first block of another row.
   * @param {HTMLElement} at
   * @param {number} by
   */
  function change(at, by) {
    const all = [...tally.children];
    const next = all[all.indexOf(/** @type {Element} */ (at.closest(".mf-ans"))) + by]?.querySelector("button");
    if (next) choose(Number(next.dataset.number));
  }

  new ResizeObserver(() => drawCurve()).observe(sure);

  /** Return the moments at which answers came. */
  function ticks() {
    const found = store.moments.flatMap(({ t }, index) => (t === "sample" ? [index + 1] : []));
    return found.length > 60 ? [] : found;
  }

  /** @returns {Entry[]} */
  const entries = () => [copyEntry(VOTE_HEADS, voteRows(store.state.samples))];

  function told() {
    const { samples, end, asking } = store.state;
    const n = Number(store.told.head.options.n) || samples.length;
    if (end?.stopped && samples.length < n) return `stopped after ${samples.length} of ${n}`;
    const flight = asking ? `, ${asking} being asked` : "";
    return `answer ${samples.length} of ${n}${flight}`;
  }

  return { nodes: [node], draw, ticks, key, tools: [copy], entries, state: told };
}

/** @param {PlanSample[]} samples */
function voteRows(samples) {
  return samples.map(({ number, value, chain }) => [String(number + 1), value ?? "not readable", chain.join(" → ")]);
}
