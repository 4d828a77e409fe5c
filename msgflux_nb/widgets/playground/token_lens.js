// @ts-check
// The token lens: how likely each token of the last answer was, what else it could have been, and going on from that.

const TOKENS_AT_ONCE = 2000;

/** @typedef {[text: string, logprob: number, top: [text: string, logprob: number][]]} Token */

/**
 * @param {Play} play
 * @param {AbortSignal} signal
 */
function tokenLens(play, signal) {
  const { model } = play;
  const ask = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox" }));
  const hint = element("p", { class: "mf-hint" });
  const words = element("div", { class: "mf-tokens", role: "group", "aria-label": "tokens" });
  const others = element("div", { class: "mf-others", role: "group", "aria-label": "other tokens", hidden: true });
  const node = element(
    "div",
    { class: "mf-lens" },
    element("label", { class: "mf-ask" }, ask, "ask for the probabilities of tokens"),
    hint,
    words,
    others,
  );
  let drawn = 0;
  /** @type {Token[]} */
  let tokens = [];

  ask.addEventListener("change", () => {
    model.set("logprobs", ask.checked);
    model.save_changes();
  });
  words.addEventListener("click", ({ target }) => {
    const at = target instanceof HTMLElement ? target.closest("[data-at]") : null;
    if (at instanceof HTMLElement) choose(Number(at.dataset.at));
  });
  words.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const at = event.target instanceof HTMLElement ? event.target.dataset.at : undefined;
    if (by === undefined || at === undefined) return;
    event.preventDefault();
    const next = words.children[Number(at) + by];
    if (next instanceof HTMLElement) next.focus();
  });

  /** @param {any} message */
  function read(message) {
    if (message.type !== "tokens" || message.number !== play.sides[0].number) return;
    tokens = message.rows;
    words.replaceChildren(...tokens.slice(0, TOKENS_AT_ONCE).map(tokenNode));
    others.hidden = true;
  }

  /** @param {number} at */
  function choose(at) {
    const [text, logprob, top] = tokens[at];
    const rows = top.some(([other]) => other === text) ? top : [[text, logprob], ...top];
    others.hidden = false;
    others.replaceChildren(
      element("div", { class: "mf-role" }, `token ${at + 1}`),
      ...rows.map(([other, chance]) => otherRow(at, String(other), Number(chance), other === text)),
    );
    for (const one of words.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
    words.children[at].setAttribute("aria-current", "true");
  }

  /**
   * @param {number} at
   * @param {string} text
   * @param {number} logprob
   * @param {boolean} taken
   */
  function otherRow(at, text, logprob, taken) {
    const share = Math.exp(logprob);
    const bar = element("span", { class: "mf-bar" });
    bar.style.setProperty("--mf-share", String(share));
    const [label, title] = taken
      ? ["from here", "another answer that goes on from here"]
      : ["branch", `go on from ${spelled(text)} in its place`];
    const go = button(label, title, () => play.ask("branch", { index: at, token: text }), "mf-quiet");
    const kind = taken ? "mf-other mf-taken" : "mf-other";
    return element("div", { class: kind }, element("code", {}, spelled(text)), bar, element("span", { class: "mf-figures" }, percent(share)), go);
  }

  function draw() {
    ask.checked = model.get("logprobs");
    const [side] = play.sides;
    const there = side.over && side.tokens;
    hint.hidden = there;
    hint.textContent = model.get("logprobs")
      ? "The next answer comes with them, if its provider gives them."
      : "Tick this, and run: each token of the answer then shows how likely it was, and what else it could have been.";
    words.hidden = !there;
    if (!there) others.hidden = true;
    if (there && drawn !== side.number) {
      drawn = side.number;
      model.send({ type: "tokens", side: 0 });
    }
  }

  play.readers.add(read);
  signal.addEventListener("abort", () => play.readers.delete(read));
  return { node, draw };
}

/**
 * @param {Token} token
 * @param {number} at
 * @returns {HTMLElement}
 */
function tokenNode([text, logprob], at) {
  const share = Math.exp(logprob);
  const node = element(
    "button",
    { type: "button", class: "mf-token", "data-at": at, title: `${spelled(text)} ${percent(share)}`, tabindex: at ? -1 : 0 },
    text,
  );
  node.style.setProperty("--mf-doubt", String(Math.min(1, -logprob / 4)));
  return node;
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(share < 0.001 ? 2 : 1)} %`;
}

/**
 * A token so that its white space can be seen.
 * @param {string} text
 */
function spelled(text) {
  return text.replace(/ /g, "␣").replace(/\n/g, "⏎").replace(/\t/g, "⇥") || "(nothing)";
}
