// @ts-check
// The view of a batch: parts stand in front of this text, joined by _base.py.

/**
 * @typedef {{
 *   state: string, schema: string, model: string, total: number | null, finished: number, in_flight: number,
 *   counts: Record<string, number>, figures: [name: string, value: string][], columns: string[], more_columns: number,
 *   rows: ToldRow[], problems: ToldProblem[], more_problems: number, note: string, forecast: string,
 *   action: "" | "go" | "stop", action_label: string, error: string,
 * }} Picture
 */

/** @type {Record<string, [shape: string, word: string]>} */
const RUN_STATES = {
  idle: ["○", "ready"],
  running: ["●", "running"],
  stopping: ["●", "stopping"],
  complete: ["✓", "complete"],
  sampled: ["✓", "sample tried"],
  stopped: ["■", "stopped"],
  failed: ["✕", "failed"],
};
const SPOKEN_MS = 5_000; // between two sentences for a reader of the screen
const PATIENCE_MS = 2_000; // after which a Stop that was not heard is explained
const DOUBLE_CLICK_MS = 500; // in which the same button does not mean its next label yet
const DEAF = "This kernel hears buttons only between two cells: use the notebook's own ■ (interrupt the kernel). The rows so far are kept.";

export default guarded(() => {
  /** @type {string} what went wrong in the kernel, for all views */
  let problem = "";
  /** @type {Set<() => void>} */
  const views = new Set();

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      const tell = () => {
        for (const draw of views) draw();
      };
      model.on("msg:custom", (message) => {
        if (message.type !== "problem") return;
        problem = `${message.name}: ${message.message}`;
        tell();
      });
      model.on("change:picture", () => {
        const { state } = /** @type {Picture} */ (model.get("picture"));
        if (state === "running") problem = "";
        tell();
      });
    },

    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
    render({ model, el, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-extraction", "extraction");
      const board = extractionBoard(model, el, () => problem, leave.signal);
      const draw = oncePerFrame(() => {
        if (!leave.signal.aborted) board();
      });
      views.add(draw);
      leave.signal.addEventListener("abort", () => views.delete(draw));
      board();
      return () => leave.abort();
    },
  };
});

/**
 * Build one view; what is returned draws it.
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {() => string} problem
 * @param {AbortSignal} signal
 */
function extractionBoard(model, el, problem, signal) {
  const shape = element("span", { class: "mf-shape", "aria-hidden": "true" });
  const word = element("span", { class: "mf-word" });
  const about = element("span", { class: "mf-about" });
  const act = button("", "", press);
  const states = stateBar();
  const figures = figureList();
  const rows = rowTable();
  const problems = problemList();
  const forecast = element("p", { class: "mf-forecast", hidden: true });
  const note = element("p", { class: "mf-note", hidden: true });
  const deaf = element("p", { class: "mf-note", role: "status", hidden: true }, DEAF);
  const error = element("div", { class: "mf-error", role: "alert", hidden: true });
  const spoken = element("div", { class: "mf-hidden", role: "status" });
  const head = element("header", { class: "mf-header" }, element("b", {}, "extraction"), element("span", { class: "mf-badge" }, shape, " ", word), about, act);
  const body = element("div", { class: "mf-body" }, rows.node, forecast, note, deaf, error, problems.node);
  el.append(head, states.bar, states.legend, figures.node, body, spoken);

  /** @type {number | undefined} */
  let waiting;
  let changed = -Infinity;
  let spokenAt = 0;
  let state = "";

  /** @returns {Picture} */
  const picture = () => /** @type {any} */ (model.get("picture"));

  function press() {
    const { action } = picture();
    if (!action || performance.now() - changed < DOUBLE_CLICK_MS) return;
    model.send({ type: action });
    if (action !== "stop") return;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      deaf.hidden = picture().state !== "running";
    }, PATIENCE_MS);
  }

  /** @param {Picture} told */
  function drawHead(told) {
    const [mark, said] = RUN_STATES[told.state] ?? RUN_STATES.idle;
    [shape.textContent, word.textContent] = [mark, said];
    shape.className = `mf-shape mf-${told.state === "sampled" ? "complete" : told.state}`;
    about.textContent = `${told.schema} ← ${told.model}`;
    about.title = about.textContent;
    const label = told.action_label || "■ stop";
    if (act.textContent !== label) {
      act.textContent = label;
      if (state) changed = performance.now();
    }
    // It keeps its place, and a focus that is on it.
    act.classList.toggle("mf-away", !told.action && told.state !== "stopping");
    act.setAttribute("aria-disabled", String(!told.action));
    act.title = told.action === "stop" ? "stop, and keep what came (Esc)" : label.replace(/^\W+/, "");
  }

  /** @param {Picture} told */
  function speak(told) {
    const now = performance.now();
    if (told.state === state && now - spokenAt < SPOKEN_MS) return;
    if (told.state !== "idle") {
      const failed = ["invalid", "refused", "truncated", "failed"].reduce((sum, name) => sum + told.counts[name], 0);
      spoken.textContent = `${RUN_STATES[told.state]?.[1] ?? ""}: ${progressText(told.finished, told.total)}, ${counted(failed)} failed`;
    }
    spokenAt = now;
  }

  el.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && picture().action === "stop") press();
  });
  signal.addEventListener("abort", () => clearTimeout(waiting));

  return () => {
    const told = picture();
    if (!told?.state) return;
    drawHead(told);
    states.draw(told);
    figures.draw(told);
    rows.draw(told);
    problems.draw(told);
    show(forecast, told.forecast);
    show(note, told.note);
    show(error, problem() || told.error);
    if (told.state !== "running") deaf.hidden = true;
    speak(told);
    el.dataset.state = state = told.state;
  };
}

/**
 * @param {HTMLElement} node
 * @param {string} text
 */
function show(node, text) {
  node.hidden = !text;
  if (node.textContent !== text) node.textContent = text;
}

/** Names and values, each in its place. */
function figureList() {
  const node = element("dl", { class: "mf-figures" });
  /** @type {{ name: HTMLElement, value: HTMLElement }[]} */
  const pairs = [];

  /** @param {Picture} picture */
  function draw({ figures }) {
    for (const [place, [name, value]] of figures.entries()) {
      if (!pairs[place]) {
        const pair = { name: element("dt", { class: "mf-role" }), value: element("dd") };
        node.append(element("div", {}, pair.name, pair.value));
        pairs.push(pair);
      }
      if (pairs[place].name.textContent !== name) pairs[place].name.textContent = name;
      if (pairs[place].value.textContent !== value) pairs[place].value.textContent = value;
    }
  }

  return { node, draw };
}
