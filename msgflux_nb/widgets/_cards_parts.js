// @ts-check
// One part of a message: as it is read, and as a row of an editor. Text is text; a model's Markdown comes from the kernel.

/** @type {Record<string, [shape: string, word: string]>} */
const SHAPES = {
  image: ["▣", "image"],
  audio: ["♪", "sound"],
  file: ["▤", "file"],
  address: ["↗", "by address"],
};

/**
 * A part to be read.
 * @param {Part} part
 * @param {FileTray} tray
 * @param {{ role: string, plain: boolean }} how
 * @returns {HTMLElement}
 */
function partNode(part, tray, { role, plain }) {
  const text = part.text ?? "";
  if (part.kind === "text") return role === "assistant" ? wordsNode(part, plain) : textNode(text, role);
  if (part.kind in SHAPES) return mediumNode(part, tray);
  if (part.kind === "reasoning") {
    const summary = element("summary", {}, `reasoning · ${text.length.toLocaleString("en-US")} characters`);
    return element("details", { class: "mf-reasoning" }, summary, text);
  }
  if (part.kind === "answers") return element("div", { class: "mf-aside" }, "answers ", element("code", {}, text || "–"));
  if (part.kind === "refusal") return element("div", { class: "mf-error" }, element("b", {}, "refusal"), " ", text);
  const name = element("b", {}, part.name ?? "");
  if (part.kind === "call") return labelled([name, element("span", { class: "mf-detail" }, part.call ?? "")], text);
  return labelled([element("span", { class: "mf-detail" }, part.name ?? "part")], text);
}

/**
 * @param {HTMLElement[]} head
 * @param {string} text
 */
function labelled(head, text) {
  const raw = text ? [element("pre", { class: "mf-raw", tabindex: "0" }, text)] : [];
  return element("div", { class: "mf-kept" }, element("div", { class: "mf-head" }, ...head), ...raw);
}

/**
 * @param {string} text
 * @param {string} role
 */
function textNode(text, role) {
  const long = role === "tool" ? { class: "mf-text mf-bounded", tabindex: "0" } : { class: "mf-text" };
  return element("div", long, ...withNames(text));
}

/**
 * What a model wrote, as it looked while it arrived: its prefill in its tint, Markdown drawn, a structure as it stands.
 * @param {Part} part
 * @param {boolean} plain
 */
function wordsNode({ text, html, prefill = 0, code }, plain) {
  const words = text ?? "";
  const blocks = element("div", { class: "mf-blocks" });
  const open = element("div", { class: "mf-tail" });
  if (html && !plain) blocks.append(...html.map(sanitised));
  else open.append(element("span", { class: "mf-prefill" }, words.slice(0, prefill)), words.slice(prefill));
  return element("div", { class: code ? "mf-words mf-code" : "mf-words" }, blocks, open);
}

/**
 * A file: its picture or shape, its name, and its size and tokens before and after what was done to it.
 * @param {Part} part
 * @param {FileTray} tray
 */
function mediumNode(part, tray) {
  const [shape, word] = SHAPES[part.kind];
  const address = part.kind === "address";
  const url = tray.picture(part);
  const before = part.before ? `${part.before} → ` : "";
  const more = part.tokens_before && part.tokens_before !== part.tokens ? part.tokens_before : 0;
  const tokens = more ? `≈ ${more.toLocaleString("en-US")} → ${tokensText(part.tokens).slice(2)}` : tokensText(part.tokens);
  return element(
    "div",
    { class: "mf-medium", title: part.notes || null },
    url
      ? element("img", { src: url, alt: "" })
      : element("span", { class: "mf-blank", "aria-hidden": "true" }, shape),
    element(
      "div",
      { class: "mf-facts" },
      element("div", { class: "mf-name" }, address ? `${part.name} ${word}` : (part.name ?? word)),
      element("div", { class: "mf-detail" }, address ? (part.text ?? "") : before + (part.detail ?? "")),
      element("div", { class: "mf-detail" }, tokens, ...(part.kind === "audio" ? [listenNode(part, tray)] : [])),
    ),
  );
}

/**
 * A button that becomes a player; the sound is asked for when somebody wants to listen.
 * @param {Part} part
 * @param {FileTray} tray
 */
function listenNode({ media = "", name = "" }, tray) {
  const node = element("span", { class: "mf-listen" });
  const listen = button("▶ listen", `listen to ${name}`, hear, "mf-quiet");
  const play = () => {
    const src = tray.sounds.get(media);
    if (!src) return;
    tray.listeners.delete(play);
    const player = /** @type {HTMLAudioElement} */ (element("audio", { controls: true, src, "aria-label": name }));
    node.replaceChildren(player);
    player.play().catch(() => {}); // where it must not begin by itself, a person presses play
  };
  function hear() {
    listen.toggleAttribute("disabled", true);
    tray.listeners.add(play);
    if (tray.sounds.has(media)) play();
    else tray.model.send({ type: "sound", media });
  }
  node.append(listen);
  return node;
}

/**
 * @typedef {{
 *   up: (() => void) | null, down: (() => void) | null, remove: () => void, text: ((text: string) => void) | null,
 * }} Hands what a row can do; null for what it cannot
 */

/**
 * A part in an editor: a field for a text, else the part as it is, with buttons to move it and take it out.
 * @param {Part} part
 * @param {FileTray} tray
 * @param {Hands} hands
 * @returns {HTMLElement}
 */
function partRow(part, tray, hands) {
  const what = part.kind === "text" ? "text" : `${part.kind} ${part.name ?? ""}`.trim();
  const { text: change } = hands;
  const shown = change ? fieldNode(part, what, change) : partNode(part, tray, { role: "", plain: true });
  const act = (/** @type {string} */ label, /** @type {string} */ title, /** @type {(() => void) | null} */ does) => {
    const node = button(label, title, () => does?.(), "mf-quiet");
    node.toggleAttribute("disabled", !does);
    return node;
  };
  return element(
    "li",
    { class: "mf-part" },
    element("div", { class: "mf-shown" }, shown),
    element(
      "div",
      { class: "mf-acts" },
      act("↑", `move ${what} up`, hands.up),
      act("↓", `move ${what} down`, hands.down),
      act("✕", `remove ${what}`, hands.remove),
    ),
  );
}

/**
 * @param {Part} part
 * @param {string} what
 * @param {(text: string) => void} change
 */
function fieldNode(part, what, change) {
  const answers = part.kind === "answers";
  const label = answers ? "id of the call that this answers" : what;
  const attributes = { class: answers ? "mf-field" : "mf-prompt", "aria-label": label, ...(answers ? {} : { rows: 1 }) };
  const field = /** @type {HTMLTextAreaElement} */ (element(answers ? "input" : "textarea", attributes));
  field.value = part.text ?? "";
  field.addEventListener("input", () => change(field.value));
  return answers ? element("label", { class: "mf-variable" }, "answers call", field) : field;
}

/**
 * A file on its way.
 * @param {Sending} sending
 * @param {FileTray} tray
 * @returns {HTMLElement}
 */
function sendingRow({ id, name, detail, kind, url }, tray) {
  const shape = SHAPES[kind][0];
  return element(
    "li",
    { class: "mf-part mf-sending" },
    element(
      "div",
      { class: "mf-medium" },
      url ? element("img", { src: url, alt: "" }) : element("span", { class: "mf-blank", "aria-hidden": "true" }, shape),
      element(
        "div",
        { class: "mf-facts" },
        element("div", { class: "mf-name" }, name),
        element("div", { class: "mf-detail", role: "status" }, detail),
      ),
    ),
    element("div", { class: "mf-acts" }, button("✕", `remove ${name}`, () => tray.remove([id]), "mf-quiet")),
  );
}
