// @ts-check
// The token lens: the probability of each token of the last answer, its alternatives, the effect of another temperature,
// and continuing from another token.

import { keyHint, textButton } from "../base/controls.js";
import { element, oncePerFrame, writes } from "../base/dom.js";
/** @import { Play } from "./play.js" */

const TOKENS_AT_ONCE = 2000;
/** @type {[key: string, does: string][]} */
const KEYS = [["← →", "token"], ["↑ ↓", "candidate"], ["⏎", "branch"]];
const LONG_WORD = 30; // characters; a longer word may break between its tokens
const LETTERS = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{N}]/u;
const PAUSE_MILLISECONDS = 400; // between two requests for new tokens

/** @typedef {[text: string, logprob: number, top: [text: string, logprob: number][]]} Token */
/** @typedef {{ text: string, share: number, taken: boolean }} Candidate */

/**
 * @param {Play} play
 * @param {AbortSignal} signal
 */
export function tokenLens(play, signal) {
  const { model } = play;
  const ask = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox" }));
  const hint = element("p", { class: "mf-hint" });
  const words = element("div", { class: "mf-tokens mf-scroll", role: "group", "aria-label": "tokens", dir: "auto" });
  const given = element("span", { class: "mf-prefill", title: "the beginning that was given" });
  const list = element("span");
  words.append(given, list);
  const strip = element("div", { class: "mf-strip", "aria-hidden": "true" });
  const others = element("div", { class: "mf-others", role: "group", "aria-label": "other tokens" });
  const heat = temperatureSlider(() => drawHeat());
  const surprise = element("span", {}, "Surprise");
  const was = element("p", { class: "mf-note mf-was-said", hidden: true }, element("i", {}), "the line: its share at temperature 1");
  const legend = element("div", { class: "mf-legend" }, surprise, element("span", { class: "mf-grow" }), "sure", element("span", { class: "mf-ramp" }, ...rampSteps()), "unlikely");
  legend.title = "stronger is less likely, in the words, the strip and the bars alike";
  const wide = textButton("expand", "use the whole view for the tokens", () => expand(true), { icon: "panel", class: "mf-dim" });
  const back = textButton("conversation", "back to the conversation", () => expand(false), { icon: "left" });
  const said = element("span", { class: "mf-note mf-cut mf-mid" }, "how likely each token of the answer was, and what else could have stood there");
  const head = element("div", { class: "mf-lens-head", hidden: true }, back, element("b", { class: "mf-title" }, "Tokens"), said);
  const keysSaid = element("span", { class: "mf-lens-keys mf-wide", "aria-hidden": "true", hidden: true }, ...KEYS.map(([key, does]) => keyHint(key, does)));
  const shown = element(
    "div",
    { class: "mf-lens-shown", hidden: true },
    element("section", { class: "mf-lens-read" }, words, legend, strip),
    element("section", { class: "mf-lens-next" }, others, was, heat.node),
  );
  const node = element("div", { class: "mf-lens" }, element("div", { class: "mf-ask" }, element("label", {}, ask, "ask for the probabilities of tokens"), element("span", { class: "mf-grow" }), wide), hint, shown);
  let current = 0;
  let of = 0; // the number of the answer of these tokens
  let chosen = false; // whether a reader has chosen a token
  /** @type {{ number: number, whole: boolean, at: number }} the last request for tokens: the answer, whether all, and the time */
  let asked = { number: 0, whole: false, at: 0 };
  /** @type {Token[]} */
  let tokens = [];
  /** @type {HTMLElement[]} */
  let buttons = [];

  ask.addEventListener("change", () => {
    model.set("logprobs", ask.checked);
    model.save_changes();
  });
  const choosing = (/** @type {Event} */ { target }) => {
    const at = target instanceof HTMLElement ? target.closest("[data-at]") : null;
    if (!(at instanceof HTMLElement)) return;
    chosen = true;
    choose(Number(at.dataset.at));
  };
  words.addEventListener("click", choosing);
  words.addEventListener("focusin", choosing);
  strip.addEventListener("click", choosing);
  node.addEventListener("keydown", keys);

  /** @param {KeyboardEvent} event */
  function keys(event) {
    const { key, target } = event;
    if (writes(target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const inWords = target instanceof Node && words.contains(target);
    const steps = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: tokens.length - 1 };
    if (inWords && key in steps) focusToken(steps[/** @type {keyof typeof steps} */ (key)]);
    else if (key === "ArrowDown" && inWords) candidates()[0]?.focus();
    else if ((key === "ArrowDown" || key === "ArrowUp") && !inWords && target !== heat.input) walk(key === "ArrowDown" ? 1 : -1);
    else if (key.toLowerCase() === "t" && !shown.hidden) heat.input.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  const candidates = () => /** @type {HTMLElement[]} */ ([...others.querySelectorAll(".mf-other button")]);

  /** @param {number} by */
  function walk(by) {
    const all = candidates();
    const next = all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + by;
    if (next < 0) focusToken(current);
    else all[next]?.focus();
  }

  /** @param {number} at */
  function focusToken(at) {
    buttons[at]?.focus();
  }

  /** @param {boolean} on */
  function expand(on) {
    node.closest(".mf-panes")?.classList.toggle("mf-lens-wide", on);
    node.closest(".msgflux-playground")?.toggleAttribute("data-lens", on);
    head.hidden = keysSaid.hidden = !on;
    (on ? back : wide).focus();
  }

  /** @param {any} message */
  function read(message) {
    if (message.type !== "tokens" || message.number !== play.sides[0].number) return;
    const [side] = play.sides;
    const since = message.since ?? 0;
    if (since !== (since ? tokens.length : 0)) return; // the request was for an earlier answer
    const news = message.rows.slice(0, TOKENS_AT_ONCE - since);
    const [stays, focused] = [chosen && of === side.number ? current : -1, list.contains(document.activeElement)];
    if (!since) begin(side.number);
    tokens = [...tokens, ...news];
    news.forEach(add);
    strip.append(...news.map((/** @type {Token} */ _, /** @type {number} */ at) => element("i", { "data-at": since + at })));
    if (given.textContent !== side.prefill) given.textContent = side.prefill;
    hint.hidden = tokens.length > 0;
    shown.hidden = !tokens.length;
    drawHeat();
    chosen ||= stays >= 0 && stays < tokens.length;
    if (chosen && !since) choose(stays);
    else if (tokens.length && !chosen) choose(side.over ? mostSurprising(tokens) : tokens.length - 1);
    if (focused && !since) focusToken(current);
  }

  /** Add a token to the words; what belongs to one word stays on one line. @param {Token} token */
  function add(token) {
    const at = buttons.length;
    const [before, button, after] = tokenNodes(token, at);
    const word = list.lastElementChild;
    const joins = at > 0 && !before && word && list.lastChild === word && word.textContent.length < LONG_WORD && inOneWord(tokens[at - 1][0], token[0]);
    if (joins) word.append(button);
    else list.append(before, element("span", { class: "mf-word" }, button));
    list.append(...(after ? [after] : []));
    buttons.push(button);
  }

  /** @param {number} number of the answer */
  function begin(number) {
    of = number;
    tokens = [];
    buttons = [];
    current = 0;
    chosen = false;
    for (const node of [list, strip, others]) node.replaceChildren();
    heat.reset();
  }

  /** @param {number} at */
  function choose(at) {
    current = at;
    for (const places of [list, strip]) for (const one of places.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
    for (const one of [buttons[at], strip.children[at]]) one?.setAttribute("aria-current", "true");
    const [room, place] = [words, buttons[at] ?? list].map((one) => one.getBoundingClientRect());
    if (place.top < room.top || place.bottom > room.bottom) words.scrollTop += place.top - room.top - (room.height - place.height) / 2;
    for (const [place, one] of buttons.entries()) one.tabIndex = place === at ? 0 : -1;
    const nearby = tokens.slice(Math.max(0, at - 6), at).map(([text]) => text).join("");
    const before = at < 6 ? play.sides[0].prefill.slice(-24) + nearby : nearby;
    const title = element("p", { class: "mf-note mf-cut" }, before ? "After " : "At the beginning", element("b", {}, before ? `“…${before.trimStart()}”` : ""), " could come");
    others.replaceChildren(title, ...rowsOf(at), restRow());
    drawCandidates();
  }

  /** @param {number} at */
  function rowsOf(at) {
    return candidatesOf(tokens[at]).map(({ text, taken }) => {
      const [label, said] = taken
        ? ["go on from here", "another answer that goes on from here"]
        : ["branch", `go on from ${spelled(text)} in its place`];
      const go = textButton(label, said, () => play.ask("branch", { index: at, token: text }), { kind: "mf-line", class: "mf-dim mf-small mf-go" });
      const code = element("code", {}, spelled(text));
      const name = element("span", { class: "mf-cut" }, code, ...(taken ? [element("small", {}, " taken")] : []));
      return element("div", { class: taken ? "mf-other mf-taken" : "mf-other" }, name, barTrack(), element("output", { class: "mf-figures" }), go);
    });
  }

  function drawCandidates() {
    const token = tokens[current];
    if (!token) return;
    const [now, was] = [reweighed(token, heat.value()), reweighed(token, 1)];
    const rows = /** @type {HTMLElement[]} */ ([...others.querySelectorAll(".mf-other, .mf-rest")]);
    rows.forEach((row, index) => {
      const share = [...now.shares, now.rest][index] ?? 0;
      const before = [...was.shares, was.rest][index] ?? 0;
      row.style.setProperty("--mf-share", String(share));
      row.style.setProperty("--mf-was", String(before));
      row.style.setProperty("--mf-doubt", String(doubtOf(share)));
      row.classList.toggle("mf-moved", Math.abs(share - before) > 0.002);
      /** @type {HTMLElement} */ (row.querySelector("output")).textContent = percent(share);
    });
  }

  const drawHeat = oncePerFrame(() => {
    let bits = 0;
    tokens.forEach((token, at) => {
      const share = takenShare(token, heat.value());
      const doubt = doubtOf(share).toFixed(3);
      const [word, bar] = [buttons[at], strip.children[at]];
      if (word) word.style.setProperty("--mf-doubt", doubt);
      if (bar instanceof HTMLElement) bar.style.setProperty("--mf-doubt", doubt);
      bits += Math.log2(1 / Math.max(share, 1e-9));
      if (word) word.title = `${spelled(token[0])} ${percent(share)}`;
    });
    const at = heat.value() === 1 ? "" : ` at ${heat.value()}`;
    was.hidden = heat.value() === 1;
    surprise.textContent = tokens.length ? `Surprise${at}: ${(bits / tokens.length).toFixed(2)} bits a token` : "Surprise";
    drawCandidates();
  });

  function draw() {
    const [side] = play.sides;
    const itself = side.over && side.tokens && !model.get("logprobs"); // the model's own options ask for them
    ask.checked = model.get("logprobs") || itself;
    ask.disabled = itself;
    ask.title = itself ? "the model's own options ask for them" : "";
    const comes = side.state === "running" && side.begun && model.get("logprobs");
    const there = side.over && side.tokens;
    const held = asked.number === side.number && tokens.length > 0;
    hint.hidden = there || (comes && held);
    hint.textContent = model.get("logprobs")
      ? "The next answer comes with them, if its provider gives them. Anthropic's own models give none."
      : "Tick this, and run: each token of the answer then shows how likely it was, and what else it could have been.";
    if (!hint.hidden) shown.hidden = true;
    wide.hidden = !there;
    if (!there && !comes && !head.hidden) expand(false);
    const now = performance.now();
    const due = there ? !(asked.number === side.number && asked.whole) : comes && now - asked.at > PAUSE_MILLISECONDS;
    if (!due) return;
    const since = held && !there ? tokens.length : 0;
    asked = { number: side.number, whole: there, at: now };
    if (since < TOKENS_AT_ONCE) model.send({ type: "tokens", side: 0, since });
  }

  play.readers.add(read);
  signal.addEventListener("abort", () => play.readers.delete(read));
  return { node, draw, head, keys: keysSaid };
}

/** @returns {HTMLElement} */
function barTrack() {
  return element("span", { class: "mf-track" }, element("i", { class: "mf-bar" }), element("i", { class: "mf-was", title: "the model's own probability, at temperature 1" }));
}

function restRow() {
  return element("div", { class: "mf-rest", title: "tokens that are not in the list, counted as many equally likely ones" }, element("span", {}, "all others"), barTrack(), element("output", { class: "mf-figures" }));
}

/** @param {Token[]} tokens */
function mostSurprising(tokens) {
  return tokens.reduce((best, [, logprob], at) => (logprob < tokens[best][1] ? at : best), 0);
}

/** @returns {HTMLElement[]} */
function rampSteps() {
  return [0, 0.25, 0.5, 0.75, 1].map((doubt) => element("i", { style: `--mf-doubt: ${doubt}` }));
}

/** @param {() => void} changed */
function temperatureSlider(changed) {
  const input = /** @type {HTMLInputElement} */ (element("input", { type: "range", min: 0, max: 2, step: 0.05, "aria-label": "temperature" }));
  const shown = element("output", { class: "mf-num" });
  const write = () => {
    shown.textContent = Number(input.value).toFixed(2).replace(/0$/, "");
    input.setAttribute("aria-valuetext", `temperature ${shown.textContent}`);
  };
  input.value = "1";
  input.addEventListener("input", () => {
    write();
    changed();
  });
  write();
  const ticks = element("div", { class: "mf-ticks" }, element("span", {}, "0 · always the first"), element("span", {}, "1 · as the model thinks"), element("span", {}, "2 · nearly anything"));
  return {
    input,
    node: element("div", { class: "mf-heat" }, element("b", {}, "Temperature"), shown, input, ticks),
    value: () => Number(input.value),
    reset() {
      input.value = "1";
      write();
    },
  };
}

/**
 * Return the candidates for a place, the likeliest first, with the chosen one among them.
 * @param {Token} token
 * @returns {Candidate[]}
 */
function candidatesOf([text, logprob, top]) {
  const rows = top.some(([other]) => other === text) ? top : [.../** @type {[string, number][]} */ (top), /** @type {[string, number]} */ ([text, logprob])];
  return rows.map(([other, chance]) => ({ text: other, share: Math.exp(chance), taken: other === text })).sort((a, b) => b.share - a.share);
}

/**
 * Return the probabilities at another temperature: p^(1/T), normalised. Tokens that are not in the list count as equally
 * likely ones, none likelier than the last of the list.
 * @param {Token} token
 * @param {number} temperature
 * @returns {{ shares: number[], rest: number }}
 */
function reweighed(token, temperature) {
  const shares = candidatesOf(token).map(({ share }) => share);
  const rest = Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0));
  if (temperature < 0.01) return { shares: shares.map((_, at) => (at ? 0 : 1)), rest: 0 };
  const least = Math.max(shares.at(-1) ?? 1e-6, 1e-6);
  const many = Math.max(1, Math.ceil(rest / least));
  const powers = shares.map((share) => share ** (1 / temperature));
  const restPower = rest ? many * (rest / many) ** (1 / temperature) : 0;
  const sum = powers.reduce((total, power) => total + power, restPower) || 1;
  return { shares: powers.map((power) => power / sum), rest: restPower / sum };
}

/**
 * @param {Token} token
 * @param {number} temperature
 */
function takenShare(token, temperature) {
  const at = candidatesOf(token).findIndex(({ taken }) => taken);
  return temperature === 1 ? Math.exp(token[1]) : reweighed(token, temperature).shares[at] ?? 0;
}

/**
 * Return the doubt about a token: from 0 for certain to 1 for four bits of surprise or more.
 * @param {number} share
 */
function doubtOf(share) {
  return Math.min(1, Math.log2(1 / Math.max(share, 0.01)) / 4);
}

/**
 * Return a token as a button, between its white space: a space would indent a line, and a line end breaks none in a button.
 * @param {Token} token
 * @param {number} at
 * @returns {[before: string, button: HTMLElement, after: string]}
 */
function tokenNodes([text, logprob], at) {
  const title = `${spelled(text)} ${percent(Math.exp(logprob))}`;
  const tail = /\s*\n\s*$/.exec(text)?.[0] ?? "";
  const rest = text.slice(0, text.length - tail.length);
  const lead = /^\s+(?=\S)/.exec(rest)?.[0] ?? "";
  const ends = element("i", { class: "mf-line-end" }, "⏎".repeat(tail.split("\n").length - 1));
  const word = element("span", {}, rest.slice(lead.length), ...(tail ? [ends] : []));
  return [lead, element("button", { type: "button", class: "mf-tile mf-token", "data-at": at, title, tabindex: at ? -1 : 0 }, word), tail];
}

/**
 * Whether a token that follows another without white space belongs to its word: letters, or a mark after a word.
 * @param {string} before
 * @param {string} token
 */
function inOneWord(before, token) {
  return /^[.,;:!?)\]}'’”"%]/.test(token) || (LETTERS.test(before.slice(-1)) && LETTERS.test(token.charAt(0)));
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(share < 0.001 ? 2 : 1)} %`;
}

/**
 * Return a token with visible white space.
 * @param {string} text
 */
function spelled(text) {
  return text.replace(/ /g, "␣").replace(/\n/g, "⏎").replace(/\t/g, "⇥") || "(nothing)";
}
