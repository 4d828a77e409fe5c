// @ts-check
// How many rows ended in which way: a bar, and its legend with a shape, a word and a number for each state.

/** @type {Record<string, [shape: string, word: string]>} by state of a row, in the order in which they are drawn */
const ROW_STATES = {
  ok: ["✓", "ok"],
  cached: ["↺", "cached"],
  invalid: ["✕", "invalid"],
  refused: ["⊘", "refused"],
  truncated: ["…", "truncated"],
  failed: ["!", "failed"],
  skipped: ["–", "skipped"],
  interrupted: ["■", "interrupted"],
  pending: ["○", "pending"],
};

/** @param {number} count */
const counted = (count) => count.toLocaleString("en-US");

/** A shape and a word for the state of one row. @param {string} state */
function stateMark(state) {
  const [shape, word] = ROW_STATES[state] ?? ["?", state];
  const mark = element("span", { class: `mf-shape mf-row-${state}`, "aria-hidden": "true" }, shape);
  return element("span", { class: "mf-mark" }, mark, " ", word);
}

/** All states of a run as a bar, and what its parts mean; every state keeps its place, so that nothing jumps. */
function stateBar() {
  /** @type {Map<string, HTMLElement>} */
  const parts = new Map();
  /** @type {Map<string, { item: HTMLElement, number: HTMLElement }>} */
  const items = new Map();
  for (const state of [...Object.keys(ROW_STATES).slice(0, -1), "asking", "pending"]) {
    parts.set(state, element("span", { class: `mf-part mf-row-${state}` }));
  }
  const bar = element("div", { class: "mf-bar", role: "progressbar", "aria-label": "rows", "aria-valuemin": 0 }, ...parts.values());
  for (const state of Object.keys(ROW_STATES)) {
    const number = element("span", { class: "mf-number" }, "0");
    const item = element("li", { class: "mf-state" }, stateMark(state), " ", number);
    items.set(state, { item, number });
  }
  const legend = element("ul", { class: "mf-legend", "aria-label": "states of the rows" });
  legend.append(...[...items.values()].map(({ item }) => item));

  /** @param {Picture} picture */
  function draw({ counts, total, finished, in_flight }) {
    const asking = Math.max(0, in_flight);
    for (const [state, part] of parts) {
      const count = state === "asking" ? asking : counts[state];
      part.style.flexGrow = String(count);
      part.hidden = count === 0;
    }
    for (const [state, { item, number }] of items) {
      const text = counted(counts[state]);
      if (number.textContent !== text) number.textContent = text;
      item.classList.toggle("mf-none", counts[state] === 0);
    }
    if (total !== null) bar.setAttribute("aria-valuemax", String(total));
    bar.setAttribute("aria-valuenow", String(finished));
    bar.setAttribute("aria-valuetext", progressText(finished, total));
  }

  return { bar, legend, draw };
}

/**
 * @param {number} finished
 * @param {number | null} total null while that is not known
 */
function progressText(finished, total) {
  return `${counted(finished)}${total === null ? "" : ` of ${counted(total)}`} rows`;
}
