// @ts-check
// Answers as they arrive, in the place where they will stand: reasoning, prefill, words, errors; and the status line.

/** @type {Record<string, [shape: string, word: string]>} */
const STATES = {
  idle: ["○", "ready"],
  asked: ["●", "starting"],
  waiting: ["●", "waiting for the first token"],
  running: ["●", "streaming"],
  approval: ["?", "waiting for your approval"],
  tools: ["●", "running tools"],
  plan: ["●", "running the plan"],
  stopping: ["●", "stopping"],
  complete: ["✓", "complete"],
  stopped: ["■", "stopped"],
  failed: ["✕", "failed"],
};

/**
 * The answers of all sides, beside each other.
 * @param {Play} play
 * @param {HTMLElement} slot where the builder leaves room for them
 * @returns {() => void} draws them
 */
function answers(play, slot) {
  /** @type {ReturnType<typeof answerCard>[]} */
  const cards = [];
  const row = element("div", { class: "mf-answers" });
  const error = element("div", { class: "mf-error", role: "alert", hidden: true });
  slot.append(row, error);
  let said = "";

  return () => {
    while (cards.length < play.sides.length) {
      const card = answerCard(cards.length);
      cards.push(card);
      row.append(card.node);
    }
    row.classList.toggle("mf-two", play.sides.length > 1);
    cards.forEach((card, index) => card.draw(play.sides[index] ?? null, play.sides.length > 1));
    const shown = play.problem ?? play.sides.find((side) => side.error)?.error ?? null;
    const key = JSON.stringify(shown);
    if (key === said) return;
    said = key;
    error.hidden = !shown;
    error.replaceChildren(...(shown ? [element("b", {}, shown[0]), " ", shown[1]] : []));
  };
}

/** @param {number} index */
function answerCard(index) {
  const reasoning = reasoningFold();
  const words = answerWords(index);
  const refusal = element("p", { class: "mf-refusal" });
  const name = element("div", { class: "mf-by" });
  const node = element("div", { class: "mf-turn" }, ...turnColumns("assistant", [name, reasoning.node, words.node, refusal]));

  /**
   * @param {Side | null} side
   * @param {boolean} named
   */
  function draw(side, named) {
    const shown = side !== null && !side.settled && side.state !== "idle" && (side.begun || side.state === "running");
    node.hidden = !shown;
    if (!shown || !side) {
      words.clear();
      return;
    }
    if (name.textContent !== side.model) name.textContent = side.model;
    name.hidden = !named;
    reasoning.draw(side);
    words.draw(side);
    if (refusal.textContent !== side.refusal) refusal.textContent = side.refusal;
    refusal.hidden = !side.refusal;
  }

  return { node, draw };
}

/**
 * The words of an answer: the prefill in its tint, finished blocks as Markdown, the rest as text. What is drawn is not
 * drawn again.
 * @param {number} index
 */
function answerWords(index) {
  const prefill = element("span", { class: "mf-prefill" });
  const blocks = element("div", { class: "mf-blocks" });
  const tail = document.createTextNode("");
  const open = element("div", { class: "mf-tail" }, prefill, tail);
  const label = index ? "second answer" : "answer";
  const node = element("div", { class: "mf-words", "aria-live": "polite", "aria-label": label }, blocks, open);
  let epoch = -1;

  function clear() {
    epoch = -1;
    blocks.replaceChildren();
    tail.data = "";
    prefill.textContent = "";
  }

  /** @param {Side} side */
  function draw(side) {
    if (epoch !== side.epoch) {
      clear();
      epoch = side.epoch;
    }
    node.classList.toggle("mf-code", side.schema !== "");
    node.setAttribute("aria-busy", String(side.state === "running"));
    if (prefill.textContent !== side.prefill) prefill.textContent = side.prefill;
    for (const block of side.blocks.slice(blocks.childElementCount)) blocks.append(sanitised(block));
    if (side.tail.startsWith(tail.data)) tail.appendData(side.tail.slice(tail.data.length));
    else tail.data = side.tail;
  }

  return { node, draw, clear };
}

/** The model's reasoning: open while it thinks, folded once the answer begins. */
function reasoningFold() {
  const text = document.createTextNode("");
  const node = /** @type {HTMLDetailsElement} */ (
    element("details", { class: "mf-reasoning", hidden: true }, element("summary", {}, "reasoning"), text)
  );
  let number = 0;
  let folded = false;

  /** @param {Side} side */
  function draw(side) {
    if (number !== side.number) {
      number = side.number;
      folded = false;
      node.open = true;
    }
    node.hidden = !side.reasoning;
    if (!folded && (side.pieces.length || side.over)) {
      folded = true; // once: what a reader opens again stays open
      node.open = false;
    }
    if (side.reasoning.startsWith(text.data)) text.appendData(side.reasoning.slice(text.data.length));
    else text.data = side.reasoning;
  }

  return { node, draw };
}

/**
 * The line of state, tokens, cost and times.
 * @param {Play} play
 * @param {() => string} note something to add, or ""
 * @returns {{ node: HTMLElement, draw: () => void }}
 */
function statusBar(play, note) {
  const shape = element("span", { class: "mf-shape", "aria-hidden": "true" });
  const word = element("span", { class: "mf-state", role: "status" });
  const figures = element("span", { class: "mf-figures" });
  const aside = element("span", { class: "mf-note" });
  const node = element("footer", { class: "mf-status" }, shape, word, figures, aside);

  function draw() {
    const [first] = play.sides;
    const arriving = play.state === "running" && first.state === "running";
    const work = arriving ? first.phase || (first.begun ? "" : "waiting") : "";
    const key = work ? work : play.busy ? play.state : play.problem ? "failed" : first.state;
    const [symbol, text] = STATES[key] ?? STATES.idle;
    shape.textContent = symbol;
    shape.className = `mf-shape mf-${key}`;
    if (word.textContent !== text) word.textContent = text;
    const lines = play.sides.map((side) => side.status.join(" · "));
    figures.textContent = lines.filter(Boolean).join("   |   ");
    const silent = "The kernel does not answer: it is busy, or was restarted; then run this cell again.";
    aside.textContent = play.silent ? silent : note();
  }

  return { node, draw };
}
