// @ts-check
// The layout of a tree: one column per level, children next to their parent, no overlap.

/** @import { PlanNode, PlanState } from "./plan_store.js" */

const FAMILY_GAP = 0.6; // rows
const MOST_ROWS = 36; // per level; with more, pruned nodes are folded

/**
 * A row: a thought, or several folded ones that were pruned.
 * @typedef {{ node: PlanNode | null, parent: PlanNode, folded: PlanNode[], y: number }} TreeRow
 */

/**
 * Return the rows of each level except the root's, with their places in rows from the top.
 * @param {PlanState} state
 * @param {Set<number>} opened the ids of parents whose pruned nodes are shown
 * @param {boolean} hide whether to leave out pruned nodes
 * @returns {{ levels: TreeRow[][], height: number }}
 */
export function treeLayout(state, opened, hide) {
  /** @type {TreeRow[][]} */
  const levels = [];
  let parents = [state.root];
  for (const nodes of state.levels.slice(1)) {
    const fold = nodes.length > MOST_ROWS;
    const rows = parents.flatMap((parent) => familyOf(parent, fold && !opened.has(parent.id), hide));
    levels.push(rows);
    parents = rows.flatMap(({ node }) => (node ? [node] : []));
  }
  if (!levels.length) return { levels, height: 1 };
  const densest = levels.reduce((best, rows, level) => (rows.length > levels[best].length ? level : best), 0);
  stack(levels[densest]);
  const height = Math.max(1, ...levels[densest].map(({ y }) => y + 1));
  for (let level = densest - 1; level >= 0; level--) evenly(levels[level], height);
  for (let level = densest + 1; level < levels.length; level++) besideParent(levels[level], levels[level - 1], height);
  return { levels, height };
}

/**
 * @param {PlanNode} parent
 * @param {boolean} fold
 * @param {boolean} hide
 * @returns {TreeRow[]}
 */
function familyOf(parent, fold, hide) {
  const out = (/** @type {PlanNode} */ node) => node.kids.length === 0 && (node.state === "pruned" || node.state === "dead");
  const folded = fold || hide ? parent.kids.filter(out) : [];
  const few = folded.length < 3 && !hide;
  const rows = parent.kids.filter((node) => few || !(fold || hide) || !out(node)).map((node) => ({ node: /** @type {PlanNode | null} */ (node), parent, folded: /** @type {PlanNode[]} */ ([]), y: 0 }));
  return folded.length && !few && !hide ? [...rows, { node: null, parent, folded, y: 0 }] : rows;
}

/** @param {TreeRow[]} rows */
function stack(rows) {
  let y = 0;
  rows.forEach((row, index) => {
    if (index && rows[index - 1].parent !== row.parent) y += FAMILY_GAP;
    row.y = y;
    y += 1;
  });
}

/**
 * Spread the rows of a level over the whole height; their order is that of their children, so no edges cross.
 * @param {TreeRow[]} rows
 * @param {number} height
 */
function evenly(rows, height) {
  rows.forEach((row, index) => {
    row.y = rows.length === 1 ? (height - 1) / 2 : (index * (height - 1)) / (rows.length - 1);
  });
}

/**
 * @param {TreeRow[]} rows
 * @param {TreeRow[]} above
 * @param {number} height
 */
function besideParent(rows, above, height) {
  const places = new Map(above.map(({ node, y }) => [node, y]));
  /** @type {Map<PlanNode, number>} */
  const sizes = new Map();
  for (const { parent } of rows) sizes.set(parent, (sizes.get(parent) ?? 0) + 1);
  /** @type {Map<PlanNode, number>} */
  const seen = new Map();
  for (const row of rows) {
    const number = seen.get(row.parent) ?? 0;
    seen.set(row.parent, number + 1);
    row.y = (places.get(row.parent) ?? 0) + number - ((sizes.get(row.parent) ?? 1) - 1) / 2;
  }
  apart(rows, height);
}

/**
 * Move overlapping rows apart and all rows into the drawing, in the same order.
 * @param {TreeRow[]} rows
 * @param {number} height
 */
function apart(rows, height) {
  let free = 0;
  for (const row of rows) {
    row.y = Math.max(row.y, free);
    free = row.y + 1;
  }
  let limit = Math.max(height, rows.length) - 1;
  for (const row of [...rows].reverse()) {
    row.y = Math.min(row.y, limit);
    limit = row.y - 1;
  }
}

/**
 * Return the heads of the levels.
 * @param {PlanState} state
 * @returns {[name: string, rest: string][]}
 */
export function captionsOf(state) {
  return state.levels.map((nodes, level) => {
    if (!level) return ["start", ""];
    const count = (/** @type {string} */ kind) => nodes.filter((node) => node.state === kind).length;
    const solved = count("solved");
    const rest = solved ? `, ${solved} solved` : count("kept") ? `, ${count("kept")} kept` : "";
    return [`step ${level}`, `${nodes.length} ${nodes.length === 1 ? "thought" : "thoughts"}${rest}`];
  });
}

/**
 * Return a scale from values to percent: of 0 to 1 if all are in this range, else from the least to the greatest.
 * @param {PlanState} state
 */
export function scaleOf(state) {
  let [low, high] = [0, 1];
  for (const { value } of state.nodes.values()) {
    if (value === null) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return (/** @type {number} */ value) => Math.round(100 * ((value - low) / (high - low)));
}

/**
 * Return a thought with all before it.
 * @param {PlanNode | null} end
 */
export function pathOf(end) {
  /** @type {Set<PlanNode>} */
  const found = new Set();
  for (let at = end; at; at = at.parent) found.add(at);
  return found;
}
