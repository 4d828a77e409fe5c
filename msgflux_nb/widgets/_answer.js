// @ts-check
// The answer as it arrives: prefill tinted, text appended, structure as a table, errors as alerts, a status line.

/** @type {Record<string, [shape: string, word: string]>} */
const STATES = {
  idle: ["○", "ready"],
  asked: ["●", "starting"],
  waiting: ["●", "waiting for the first token"],
  running: ["●", "streaming"],
  stopping: ["●", "stopping"],
  complete: ["✓", "complete"],
  stopped: ["■", "stopped"],
  failed: ["✕", "failed"],
};

/**
 * The pane of the answer.
 * @param {AnswerStore} store
 * @param {() => { name: string, rows: Row[] } | null} picked the structure that the next run would ask for
 * @returns {{ node: HTMLElement, draw: () => void }}
 */
function answerPane(store, picked) {
  const { node: words, draw: drawWords } = answerWords(store);
  const reasoning = reasoningFold(store);
  const hint = element("p", { class: "mf-hint" }, "The answer appears here. Shift-Enter runs, Esc stops.");
  const body = element("tbody");
  const caption = element("caption");
  const table = element("table", { class: "mf-structure" }, caption, body);
  const error = element("div", { class: "mf-error", role: "alert", hidden: true });
  const node = element(
    "section",
    { class: "mf-pane mf-answer", "aria-label": "answer", tabindex: "0" },
    element("div", { class: "mf-role" }, "assistant"),
    hint,
    reasoning.node,
    words,
    table,
    error,
  );
  let tableKey = "";
  let errorKey = "";

  function drawTable() {
    const next = picked();
    const structure = store.schema && store.rows.length ? { name: store.schema, rows: store.rows } : null;
    // While a run is under way the fields it asked for are shown, and after it what they hold.
    const shown = structure && (!next || next.name === store.schema) ? structure : next;
    const key = JSON.stringify([shown, store.run]);
    if (key === tableKey) return;
    tableKey = key;
    table.hidden = !shown;
    caption.textContent = shown?.name ?? "";
    body.replaceChildren(...(shown?.rows ?? []).map(structureRow));
  }

  function drawError() {
    const shown = store.problem ?? store.error;
    const key = JSON.stringify(shown);
    if (key === errorKey) return;
    errorKey = key;
    error.hidden = !shown;
    error.replaceChildren(...(shown ? [element("b", {}, shown[0]), " ", shown[1]] : []));
  }

  function draw() {
    const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 24;
    hint.hidden = store.run > 0 || store.busy || store.problem !== null;
    reasoning.draw();
    drawWords();
    drawTable();
    drawError();
    if (atEnd) node.scrollTop = node.scrollHeight;
  }

  return { node, draw };
}

/**
 * The words of an answer: the prefill in its tint, finished blocks as Markdown, the rest as text. What is drawn is not
 * drawn again.
 * @param {AnswerStore} store
 * @returns {{ node: HTMLElement, draw: () => void }}
 */
function answerWords(store) {
  const prefill = element("span", { class: "mf-prefill" });
  const blocks = element("div", { class: "mf-blocks" });
  const tail = document.createTextNode("");
  const open = element("div", { class: "mf-tail" }, prefill, tail);
  const node = element("div", { class: "mf-words", "aria-live": "polite", "aria-label": "answer" }, blocks, open);
  let epoch = -1;

  function draw() {
    if (epoch !== store.epoch) {
      epoch = store.epoch;
      blocks.replaceChildren();
      tail.data = "";
    }
    node.classList.toggle("mf-code", store.schema !== "");
    node.setAttribute("aria-busy", String(store.busy));
    if (prefill.textContent !== store.prefill) prefill.textContent = store.prefill;
    for (const block of store.blocks.slice(blocks.childElementCount)) blocks.append(sanitised(block));
    if (store.tail.startsWith(tail.data)) tail.appendData(store.tail.slice(tail.data.length));
    else tail.data = store.tail;
  }

  return { node, draw };
}

/**
 * The model's reasoning: open while it thinks, folded once the answer begins.
 * @param {AnswerStore} store
 * @returns {{ node: HTMLElement, draw: () => void }}
 */
function reasoningFold(store) {
  const text = document.createTextNode("");
  const node = /** @type {HTMLDetailsElement} */ (
    element("details", { class: "mf-reasoning", hidden: true }, element("summary", {}, "reasoning"), text)
  );
  let run = 0;
  let folded = false;

  function draw() {
    if (run !== store.run) {
      run = store.run;
      folded = false;
      node.open = true;
    }
    node.hidden = !store.reasoning;
    if (!folded && (store.pieces.length || store.calls.length || store.over)) {
      folded = true; // once: what a reader opens again stays open
      node.open = false;
    }
    if (store.reasoning.startsWith(text.data)) text.appendData(store.reasoning.slice(text.data.length));
    else text.data = store.reasoning;
  }

  return { node, draw };
}

/**
 * @param {Row} row
 * @returns {HTMLElement}
 */
function structureRow({ field, value, type }) {
  const known = value !== null;
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, field),
    element("td", { class: known ? "mf-value" : "mf-value mf-unknown" }, known ? value : "–"),
    element(
      "td",
      { class: "mf-type" },
      element("span", { class: known ? "mf-shape mf-complete" : "mf-shape", "aria-hidden": "true" }, known ? "✓" : "○"),
      ` ${type}`,
    ),
  );
}

/**
 * The line of state, tokens, cost and times.
 * @param {AnswerStore} store
 * @param {() => string} note something to add, or ""
 * @returns {{ node: HTMLElement, draw: () => void }}
 */
function statusBar(store, note) {
  const shape = element("span", { class: "mf-shape", "aria-hidden": "true" });
  const word = element("span", { class: "mf-state", role: "status" });
  const figures = element("span", { class: "mf-figures" });
  const aside = element("span", { class: "mf-note" });
  const node = element("footer", { class: "mf-status" }, shape, word, figures, aside);

  function draw() {
    const begun = store.pieces.length + store.calls.length > 0 || store.reasoning !== "";
    const waiting = store.state === "running" && !begun;
    const key = waiting ? "waiting" : store.state;
    const [symbol, text] = STATES[key] ?? STATES.idle;
    shape.textContent = symbol;
    shape.className = `mf-shape mf-${store.state}`;
    if (word.textContent !== text) word.textContent = text;
    figures.textContent = store.status.join(" · ");
    const silent = store.silent ? "The kernel does not answer: it is busy, or was restarted; then run this cell again." : "";
    aside.textContent = silent || note();
  }

  return { node, draw };
}
