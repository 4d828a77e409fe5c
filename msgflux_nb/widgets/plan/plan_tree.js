// @ts-check
// The drawing of a tree of thoughts: one column per level, the value before each thought, one path per class of edges.

import { icon, iconButton, textButton } from "../base/controls.js";
import { element, svgElement, writes } from "../base/dom.js";
import { copyEntry, levelTicks, modelCall, nodeStanding, planNumber, planState } from "./plan_calls.js";
import { captionsOf, pathOf, scaleOf, treeLayout } from "./plan_layout.js";
/** @import { TreeRow } from "./plan_layout.js" */
/** @import { PlanNode, PlanState, PlanStore } from "./plan_store.js" */

const TREE_ROW = 3.6; // units of 4 px
const TREE_TOP = 10;
const TREE_GAPS = [8, 24]; // the least and most space between two columns, for edges
const TREE_TIGHT = 3; // that space where the whole would have no room; then the root's text has several lines
const TREE_ROOTS = [46, 46, 19]; // the widest root: usually, where only heads have two lines, and where all is tight
const TREE_VALUES = [8, 8, 6]; // the width of the value before a thought, likewise
const TREE_WIDEST = 52;
const TREE_FOLDED = 7; // units before *+ 3 pruned*, where other thoughts have their value

/**
 * @param {PlanStore} store
 * @returns {{ nodes: HTMLElement[], draw: () => void, ticks: () => number[], key: (event: KeyboardEvent) => boolean, tools: HTMLElement[], entries: () => import("../base/controls.js").Entry[], state: () => string }}
 */
export function treeBody(store) {
  const edges = svgElement("svg", { class: "mf-edges", "aria-hidden": "true" });
  const lines = Object.fromEntries(["out", "kept", "best", "lit"].map((kind) => [kind, svgElement("path", { class: `mf-${kind}` })]));
  edges.append(...Object.values(lines));
  const caps = element("div", { class: "mf-caps" });
  const canvas = element("div", { class: "mf-canvas", role: "tree", "aria-label": "thoughts" }, /** @type {any} */ (edges), caps);
  const scroll = element("div", { class: "mf-tree mf-scroll" }, canvas);
  const why = element("aside", { class: "mf-why mf-scroll", "aria-live": "polite" });
  const node = element("div", { class: "mf-wood" }, scroll, why);
  const field = /** @type {HTMLInputElement} */ (element("input", { class: "mf-input", type: "search", placeholder: "search the thoughts", "aria-label": "search the thoughts", hidden: true }));
  const search = iconButton("search", "search the thoughts (/)", openSearch);
  /** @type {Map<string, { box: HTMLElement, key: string }>} */
  const boxes = new Map();
  /** @type {Set<number>} */
  const opened = new Set();
  /** @type {{ levels: TreeRow[][], height: number }} */
  let layout = { levels: [], height: 1 };
  /** @type {number[]} the left of each column, in units */
  let columns = [];
  /** @type {boolean[]} the levels without a value once the plan is over, whose thoughts need no place for it */
  let bare = [];
  /** @type {PlanNode | null} the node under the pointer, and the clicked one */
  let lit = null;
  /** @type {number | null} */
  let pinned = null;
  let hide = false;
  let drawnKey = "";
  let moved = false; // whether a person has scrolled; then the view stays where it is
  let unit = 4;
  let room = 0; // the width of the drawing's place, in px
  let tight = 0; // 1: the heads have two lines; 2: all is as narrow as it can be
  let font = "";
  let sought = "";
  const measure = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  /** @type {Map<string, number>} */
  const widths = new Map();

  function redraw() {
    drawnKey = "";
    store.tell();
  }

  function draw() {
    const { state } = store;
    const key = [store.run, state.version, state.count, hide, opened.size, unit, room].join();
    if (key === drawnKey) return;
    drawnKey = key;
    layout = treeLayout(state, opened, hide);
    bare = state.levels.map((nodes) => state.end !== null && nodes.every(({ value }) => value === null));
    place(state);
    const best = state.best;
    const scale = scaleOf(state);
    /** @type {Set<string>} */
    const there = new Set();
    drawBox("root", state.root, 0, rootY(), rootText(), best, scale, there);
    layout.levels.forEach((rows, level) => {
      for (const row of rows) {
        const id = row.node ? String(row.node.id) : `folded ${row.parent.id}`;
        const text = row.node ? row.node.text : `+ ${row.folded.length} pruned`;
        drawBox(id, row.node, level + 1, row.y, text, best, scale, there, row.node ? null : row.parent);
      }
    });
    for (const [id, { box }] of boxes) {
      if (there.has(id)) continue;
      box.remove();
      boxes.delete(id);
    }
    drawCaps(state);
    canvas.classList.toggle("mf-over", state.end !== null);
    drawEdges(best);
    drawWhy();
    showPath(best);
  }

  /** Scroll to the root and the best path, unless a person has scrolled. @param {Set<number>} best */
  function showPath(best) {
    if (moved || !scroll.clientHeight || scroll.scrollHeight <= scroll.clientHeight) return;
    const tops = ["root", ...best].flatMap((id) => boxes.get(String(id))?.box.offsetTop ?? []);
    const [from, to] = [Math.min(...tops), Math.max(...tops)];
    const middle = to - from < scroll.clientHeight - 60 ? (from + to) / 2 : tops[0]; // if both have no room, the root
    scroll.scrollTop = Math.max(0, middle - scroll.clientHeight / 2);
  }

  function rootText() {
    const line = store.told.head.task.split("\n", 1)[0];
    return line || "start";
  }

  const valueWidth = () => TREE_VALUES[tight];

  function rootWidth() {
    return Math.min(TREE_ROOTS[tight], widthOf(rootText()) * (14 / 11) + 1);
  }

  function rootY() {
    const first = layout.levels[0];
    return first?.length ? (first[0].y + first[first.length - 1].y) / 2 : 0;
  }

  /** Return the width of a thought in units, measured without the page. @param {string} text */
  function widthOf(text) {
    let found = widths.get(text);
    if (found === undefined) {
      found = Math.min(TREE_WIDEST, measure.measureText(text.slice(0, 160)).width / unit + 2);
      if (widths.size > 5000) widths.clear();
      widths.set(text, found);
    }
    return found;
  }

  /** Return the font of thoughts once the page shows them; bold ones are the widest. */
  function fontOf() {
    const style = getComputedStyle(canvas);
    const size = parseFloat(style.fontSize) || 13;
    return { size, font: `700 ${(size * 11) / 13}px ${style.fontFamily || "sans-serif"}` };
  }

  /** @param {PlanState} state */
  function place(state) {
    const { size, font: now } = fontOf();
    if (now !== font) {
      font = now;
      unit = (size * 4) / 13;
      widths.clear();
      measure.font = font;
    }
    room = scroll.clientWidth;
    tight = 0;
    let sizes = sizesOf(state);
    const wholeOf = () => sizes.reduce((sum, one) => sum + one, 0);
    while (room && tight < 2 && room / unit < wholeOf() + 6 + TREE_GAPS[0] * (sizes.length - 1)) {
      tight += 1;
      sizes = sizesOf(state);
    }
    canvas.classList.toggle("mf-two-lines", tight > 0);
    canvas.classList.toggle("mf-tight", tight === 2);
    const whole = wholeOf();
    const gap = Math.max(tight === 2 ? TREE_TIGHT : TREE_GAPS[0], Math.min(TREE_GAPS[1], (room / unit - whole - 6) / Math.max(1, sizes.length - 1)));
    columns = [tight === 2 ? 1.5 : 3];
    for (const one of sizes) columns.push(/** @type {number} */ (columns.at(-1)) + one + gap);
    canvas.style.width = `${unit * (/** @type {number} */ (columns.at(-1)) - gap + 2)}px`;
    canvas.style.height = `${unit * (TREE_TOP + TREE_ROW * (layout.height + 1))}px`;
  }

  /** Return the widths of the columns. @param {PlanState} state */
  function sizesOf(state) {
    const captions = captionsOf(state);
    return state.levels.map((nodes, level) => {
      if (!level) return rootWidth();
      const caption = widthOf(tight ? captions[level][1] : captions[level].join(" ")) - (level + 1 < state.levels.length ? TREE_GAPS[0] : 0); // it may stand over edges
      return Math.max(tight === 2 ? 0 : caption, valueWidth() + Math.max(10, ...nodes.map(({ text }) => widthOf(text))));
    });
  }

  /** @param {PlanNode} node @param {Set<number>} best */
  const kindOf = (node, best) => (best.has(node.id) ? "best" : node.state);

  /**
   * @param {string} id
   * @param {PlanNode | null} node null for several that are folded
   * @param {number} level
   * @param {number} y
   * @param {string} text
   * @param {Set<number>} best
   * @param {(value: number) => number} scale
   * @param {Set<string>} there
   * @param {PlanNode | null} [parent] of those that are folded
   */
  function drawBox(id, node, level, y, text, best, scale, there, parent = null) {
    there.add(id);
    const value = node?.value ?? null;
    const kind = node ? (level ? kindOf(node, best) : "root") : "folded";
    const share = value === null ? null : scale(value);
    const hit = sought && text.toLowerCase().includes(sought) ? " mf-hit" : "";
    const key = [kind, level, y, text, share, node?.state, columns[level], unit, hit, bare[level]].join("|");
    let known = boxes.get(id);
    if (known?.key === key) return;
    if (!known) {
      const box = element("button", { type: "button", class: "mf-tile mf-node", role: "treeitem", tabindex: id === "root" ? "0" : "-1", "data-id": id });
      known = { box, key: "" };
      boxes.set(id, known);
      canvas.append(box);
      box.addEventListener("click", () => (parent ? unfold(parent) : pin(node)));
    }
    known.key = key;
    const { box } = known;
    box.className = `mf-tile mf-node mf-is-${kind}${hit}`;
    box.style.left = `${unit * columns[level]}px`;
    box.style.top = `${unit * (TREE_TOP + TREE_ROW * y)}px`;
    const mark = node?.state === "solved" ? [element("span", { class: "mf-is", "data-s": "done" }, icon("check"))] : share === null ? (bare[level] ? [] : [element("span", { class: "mf-v mf-no-value" })]) : [element("span", { class: "mf-v" }, element("i", { style: `width: ${share}%` }))];
    box.replaceChildren(...(level && node ? mark : []), element("span", { class: "mf-cut" }, text));
    box.setAttribute("aria-level", String(level + 1));
    box.setAttribute("aria-label", node && level ? `${text}, ${value === null ? "no value" : `value ${planNumber(value)}`}, ${node.state}` : text);
  }

  /** @param {PlanState} state */
  function drawCaps(state) {
    const words = captionsOf(state);
    const key = JSON.stringify([words, columns, unit, tight]);
    if (caps.dataset.key === key) return;
    caps.dataset.key = key;
    caps.replaceChildren(...words.map(([name, rest], level) => element("span", { class: "mf-cut", style: `left: ${unit * columns[level]}px; max-width: ${unit * (columns[level + 1] - columns[level] - 2)}px`, title: `${name} ${rest}`.trim() }, element("b", {}, name), " ", tight === 2 ? rest.replace(/ thoughts?/, "") : rest)));
  }

  /** @param {Set<number>} best */
  function drawEdges(best) {
    /** @type {Record<string, string[]>} */
    const paths = { out: [], kept: [], best: [], lit: [] };
    /** @type {Map<PlanNode, number>} */
    const places = new Map([[store.state.root, rootY()]]);
    for (const rows of layout.levels) for (const { node, y } of rows) if (node) places.set(node, y);
    const lights = pathOf(lit);
    layout.levels.forEach((rows, level) => {
      for (const { node, parent, y } of rows) {
        const goesOn = node?.state === "kept" || (node?.state === "open" && !store.state.end);
        const kind = node === null ? "out" : lights.has(node) ? "lit" : best.has(node.id) ? "best" : goesOn ? "kept" : "out";
        paths[kind].push(edge(parent, level, places.get(parent) ?? 0, y, node ? 0 : TREE_FOLDED));
      }
    });
    for (const [kind, path] of Object.entries(lines)) path.setAttribute("d", paths[kind].join(""));
  }

  /**
   * @param {PlanNode} parent
   * @param {number} level of the parent
   * @param {number} from
   * @param {number} to
   * @param {number} beyond units from the column's left to its end
   */
  function edge(parent, level, from, to, beyond) {
    const text = level ? widthOf(parent.text) + valueWidth() : rootWidth();
    const [x1, x2] = [unit * (columns[level] + text), unit * columns[level + 1]];
    const [y1, y2] = [from, to].map((y) => Math.round(10 * unit * (TREE_TOP + TREE_ROW * y)) / 10);
    const middle = x2 - Math.min(unit * 12, (x2 - x1) * 0.62);
    return `M${x1.toFixed(1)} ${y1}C${middle.toFixed(1)} ${y1} ${middle.toFixed(1)} ${y2} ${x2.toFixed(1)} ${y2}h${unit * beyond}`;
  }

  /** Return the node that the side panel shows: the one under the pointer, the clicked one, or the end of the best path. */
  function subject() {
    const { state } = store;
    const known = lit && (lit === state.root || state.nodes.get(lit.id) === lit) ? lit : null;
    const chosen = pinned === null ? null : (state.nodes.get(pinned) ?? (pinned === -1 ? state.root : null));
    const end = state.end?.best ?? null;
    return known ?? chosen ?? (end === null ? null : (state.nodes.get(end) ?? null));
  }

  function drawWhy() {
    const about = subject();
    const key = about ? [store.run, about.id, about.changed, about.calls.length, about.id === pinned].join() : "";
    if (why.dataset.key === key) return;
    why.dataset.key = key;
    for (const [id, { box }] of boxes) {
      const current = about !== null && id === (about.id < 0 ? "root" : String(about.id));
      if (current) box.setAttribute("aria-current", "true");
      else box.removeAttribute("aria-current");
    }
    if (!about) {
      why.replaceChildren(element("p", { class: "mf-note" }, "Point at a thought to read it whole; click on it to see its calls."));
      return;
    }
    const path = [...pathOf(about)].reverse();
    const list = element("ol", { class: "mf-path" }, ...path.map((each) => element("li", {}, element("span", {}, each.parent ? each.text : store.told.head.task), each.value === null ? "" : element("small", {}, planNumber(each.value)))));
    const judged = path.some(({ value }) => value !== null);
    const values = judged ? [element("p", { class: "mf-note" }, "The numbers are values: the higher, the more promising.")] : [];
    const parts = [list, ...(about.parent ? [planState(...nodeStanding(about, store.state.end !== null))] : []), ...values];
    if (about.calls.length && about.id === pinned) parts.push(...about.calls.map(modelCall));
    else if (about.calls.length) parts.push(textButton(about.calls.length === 1 ? "its call" : `its ${about.calls.length} calls`, "show prompt and answer (Enter)", () => pin(about), { icon: "eye", kind: "mf-line" }));
    why.replaceChildren(...parts);
  }

  /** @param {PlanNode | null} about */
  function point(about) {
    if (lit === about) return;
    lit = about;
    drawEdges(store.state.best);
    drawWhy();
  }

  /** @param {PlanNode | null} about */
  function pin(about) {
    pinned = about && about.id !== pinned ? about.id : null;
    drawWhy();
  }

  /** @param {PlanNode} parent */
  function unfold(parent) {
    opened.add(parent.id);
    redraw();
  }

  /** @param {EventTarget | null} target */
  function nodeAt(target) {
    const id = target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest(".mf-node"))?.dataset.id : undefined;
    if (id === undefined) return null;
    return id === "root" ? store.state.root : (store.state.nodes.get(Number(id)) ?? null);
  }

  canvas.addEventListener("pointerover", (event) => {
    const about = nodeAt(event.target);
    if (about) point(about);
  });
  scroll.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("focusin", (event) => point(nodeAt(event.target)));

  function openSearch() {
    field.hidden = !field.hidden;
    if (field.hidden) field.value = "";
    else field.focus();
    seek();
  }

  function seek() {
    sought = field.value.trim().toLowerCase();
    redraw();
  }

  field.addEventListener("input", seek);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") /** @type {HTMLElement | null} */ (canvas.querySelector(".mf-hit"))?.focus();
    else if (event.key === "Escape") openSearch();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  /** @param {KeyboardEvent} event */
  function key(event) {
    if (event.key === "/" && !writes(event.target)) {
      if (field.hidden) openSearch();
      else field.focus();
      return true;
    }
    const at = event.target instanceof HTMLElement && event.target.classList.contains("mf-node") ? event.target : null;
    const about = nodeAt(at);
    if (!at || !about) return false;
    const rows = about.level ? (layout.levels[about.level - 1] ?? []).flatMap((row) => (row.node ? [row.node] : [])) : [];
    const place = rows.indexOf(about);
    /** @type {Record<string, () => PlanNode | null | undefined>} */
    const next = {
      ...{ ArrowUp: () => rows[place - 1], ArrowDown: () => rows[place + 1], ArrowLeft: () => about.parent },
      ...{ ArrowRight: () => about.kids.find((kid) => boxes.has(String(kid.id))), Home: () => rows[0], End: () => rows.at(-1) },
    };
    if (!(event.key in next)) return false;
    const to = next[event.key]();
    const box = to ? boxes.get(to.id < 0 ? "root" : String(to.id))?.box : undefined;
    if (box) {
      at.setAttribute("tabindex", "-1");
      box.setAttribute("tabindex", "0");
      box.focus();
    }
    return true;
  }

  new ResizeObserver(() => {
    if (fontOf().font !== font || scroll.clientWidth !== room) redraw();
    else showPath(store.state.best);
  }).observe(node);
  for (const event of ["wheel", "pointerdown", "keydown", "touchstart"]) scroll.addEventListener(event, () => void (moved = true), { passive: true });

  const entries = () => [
    { label: "Hide what was pruned", checked: hide, several: true, pick() {
      hide = !hide;
      redraw();
    } },
    copyEntry(["step", "thought", "after", "value", "state"], [...store.state.nodes.values()].map((each) => [String(each.level), each.text, each.parent?.text ?? "", each.value === null ? "" : String(each.value), each.state])),
  ];

  function told() {
    const { levels, asking, end } = store.state;
    const step = levels.length - 1;
    if (end?.stopped === "solved") return `solved at step ${step}`;
    const count = store.state.nodes.size;
    return `step ${step}, ${count.toLocaleString("en-US")} ${count === 1 ? "thought" : "thoughts"}${asking ? `, ${asking} being asked` : ""}`;
  }

  return { nodes: [node], draw, ticks: () => levelTicks(store), key, tools: [field, search], entries, state: told };
}
