// @ts-check
// The rows that ended last, as a table that fills; and what failed, by kind.

/**
 * @typedef {[position: number, label: string, state: string, cells: (string | null)[], error: string, flags: string]} ToldRow
 * @typedef {[state: string, text: string, count: number, label: string]} ToldProblem
 */

/** A table that follows its end as long as the reader is there; what is drawn is not drawn again. */
function rowTable() {
  const head = element("tr");
  const body = element("tbody");
  const hint = element("p", { class: "mf-hint" }, "Rows appear here as the model answers them.");
  const table = element("table", { class: "mf-rows" }, element("thead", {}, head), body);
  const node = element("div", { class: "mf-last", role: "region", "aria-label": "the last rows", tabindex: "0" }, table, hint);
  /** @type {Map<number, { row: HTMLElement, key: string }>} */
  let drawn = new Map();
  let columns = "";

  /** @param {Picture} picture */
  function drawHead(picture) {
    const names = ["row", "state", ...picture.columns, ...(picture.more_columns ? [`+ ${picture.more_columns}`] : [])];
    if (names.join("\n") === columns) return;
    columns = names.join("\n");
    head.replaceChildren(...names.map((name) => element("th", { scope: "col", title: name }, name)));
    table.style.minWidth = `${22 + 14 * picture.columns.length}ch`;
  }

  /** @param {Picture} picture */
  function draw(picture) {
    drawHead(picture);
    const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 24;
    /** @type {typeof drawn} */
    const next = new Map();
    for (const told of picture.rows) {
      const key = JSON.stringify(told);
      const before = drawn.get(told[0]);
      next.set(told[0], before?.key === key ? before : { row: tableRow(told, picture.columns.length), key });
    }
    keepOnly(body, [...next.values()].map(({ row }) => row));
    drawn = next;
    hint.hidden = picture.rows.length > 0;
    if (atEnd) node.scrollTop = node.scrollHeight;
  }

  return { node, draw };
}

/**
 * @param {ToldRow} told
 * @param {number} width
 */
function tableRow([, label, state, cells, error, flags], width) {
  const marks = element("td", {}, stateMark(state));
  if (flags) marks.append(" ", element("span", { class: "mf-flag", title: flags }, "⚠", element("span", { class: "mf-hidden" }, ` ${flags}`)));
  const row = element("tr", {}, element("th", { scope: "row", title: label }, label), marks);
  if (error || !cells.length) {
    row.append(element("td", { class: "mf-said", colspan: Math.max(1, width), title: error }, error));
  } else {
    row.append(...cells.map((cell) => element("td", { class: "mf-cell", title: cell }, cell ?? "–")));
  }
  return row;
}

/** What failed, the most frequent first. */
function problemList() {
  const list = element("ul", { class: "mf-problems" });
  const more = element("div", { class: "mf-more" });
  const node = element("section", { class: "mf-failures", "aria-label": "what failed" }, element("div", { class: "mf-role" }, "what failed"), list, more);
  /** @type {{ item: HTMLElement, key: string, count: HTMLElement, last: HTMLElement, text: HTMLElement }[]} */
  let items = [];

  /** @param {ToldProblem} problem */
  function addItem([state]) {
    const count = element("span", { class: "mf-number" });
    const last = element("span", { class: "mf-number" });
    const text = element("div", { class: "mf-problem" });
    const item = element("li", {}, stateMark(state), " × ", count, " ", last, text);
    list.append(item);
    items.push({ item, key: state, count, last, text });
  }

  /** @param {Picture} picture */
  function draw({ problems, more_problems }) {
    node.hidden = !problems.length;
    if (problems.map(([state]) => state).join() !== items.map(({ key }) => key).join()) {
      items = [];
      list.replaceChildren();
      for (const problem of problems) addItem(problem);
    }
    for (const [place, [, text, count, label]] of problems.entries()) {
      const item = items[place];
      for (const [target, words] of /** @type {[HTMLElement, string][]} */ ([
        [item.count, counted(count)],
        [item.last, `the last: row ${label}`],
        [item.text, text],
      ])) {
        if (target.textContent !== words) target.textContent = words;
      }
    }
    more.textContent = more_problems ? `and ${counted(more_problems)} further kind${more_problems === 1 ? "" : "s"}` : "";
  }

  return { node, draw };
}
