// @ts-check
// One turn as it is read: its role, its parts, about how many tokens it is, and what can be done with it.

/** What can be done with a turn. */
const ACTS = /** @type {const} */ ([
  ["edit", "✎", "edit (Enter)"],
  ["up", "↑", "move up (Alt-↑)"],
  ["down", "↓", "move down (Alt-↓)"],
  ["duplicate", "❐", "duplicate (Ctrl-D)"],
  ["delete", "✕", "delete (Delete); undo brings it back"],
]);

/** What only a parent with a model can do: it listens for these events, and its style sheet shows the buttons. */
const PARENT_ACTS = /** @type {const} */ ([
  ["mf-continue", "▶ continue", "let the model go on from the end of this text"],
  ["mf-rerun", "↻ rerun", "ask for another answer in this place"],
  ["mf-compare", "± compare", "compare the versions of this turn"],
]);

/**
 * @typedef {{
 *   does(act: string, id: string): void, choose(id: string, by: number, act: string): void, position(id: string): number,
 * }} TurnHands
 */

/**
 * @param {Turn} turn
 * @param {boolean} plain whether Markdown is shown as text
 * @param {FileTray} tray
 * @param {TurnHands} hands
 * @returns {HTMLElement[]}
 */
function turnContent(turn, plain, tray, hands) {
  const { id, role, parts, note, siblings } = turn;
  const counted = parts.filter(({ tokens }) => tokens !== undefined);
  const unknown = counted.filter(({ tokens }) => tokens === null).length;
  const sum = counted.reduce((total, { tokens }) => total + (tokens ?? 0), 0);
  const nothing = parts.length ? [] : [element("span", { class: "mf-detail" }, "no content")];
  const count = tokensText(sum, unknown);
  const short = count.replace(" tokens", "").replace(/ [\d,]+ unknown/, " –");
  return [
    ...turnColumns(role, [...parts.map((part) => partNode(part, tray, { role, plain })), ...nothing]),
    element(
      "div",
      { class: "mf-beside" },
      toolbar(turn, plain, hands),
      element("span", { class: "mf-count", title: `${count}, an estimate` }, short),
      ...(siblings[1] > 1 ? [versions(id, siblings, hands)] : []),
    ),
    ...(note ? [element("div", { class: "mf-by" }, note)] : []),
  ];
}

/**
 * @param {Turn} turn
 * @param {boolean} plain
 * @param {TurnHands} hands
 */
function toolbar({ id, role, parts, siblings }, plain, hands) {
  const handle = element("span", { class: "mf-handle", draggable: "true", title: "drag to another place" }, "⠿");
  const parents = PARENT_ACTS.filter(([name]) => (name === "mf-compare" ? siblings[1] > 1 : role === "assistant"));
  const events = parents.map(([name, label, title]) => {
    const by = actButton(name, label, title, () => emit(by, name, { position: hands.position(id) }));
    by.classList.add("mf-of-parent");
    return by;
  });
  const acts = ACTS.map(([act, label, title]) => actButton(act, label, title, () => hands.does(act, id)));
  if (parts.some(({ html }) => html)) {
    const title = plain ? "draw it as Markdown" : "show the text as it stands";
    const by = actButton("plain", "¶", title, () => hands.does("plain", id));
    by.setAttribute("aria-pressed", String(plain));
    acts.unshift(by);
  }
  return element(
    "div",
    { class: "mf-tools", role: "toolbar", "aria-label": `${role}'s turn` },
    ...events,
    handle,
    ...acts,
  );
}

/**
 * @param {string} id
 * @param {[number, number]} siblings
 * @param {TurnHands} hands
 */
function versions(id, [index, count], hands) {
  const back = actButton("back", "◀", "the version before (←)", () => hands.choose(id, -1, "back"));
  const on = actButton("on", "▶", "the next version (→)", () => hands.choose(id, 1, "on"));
  back.toggleAttribute("disabled", index === 0);
  on.toggleAttribute("disabled", index === count - 1);
  const place = element("span", { class: "mf-place", title: `version ${index + 1} of ${count}` }, `${index + 1}/${count}`);
  return element("span", { class: "mf-versions", role: "group", "aria-label": "versions" }, back, place, on);
}

/**
 * @param {string} act
 * @param {string} label
 * @param {string} title
 * @param {() => void} does
 */
function actButton(act, label, title, does) {
  const by = button(label, title, does, "mf-quiet");
  by.dataset.act = act;
  return by;
}

/**
 * Tell whoever is around a view, a parent widget for instance.
 * @param {HTMLElement} from
 * @param {string} name
 * @param {Record<string, unknown>} [detail]
 */
function emit(from, name, detail = {}) {
  from.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail }));
}
