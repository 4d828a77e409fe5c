// @ts-check
// The last rows as a table: a gutter of marks, words only for exceptions, and rows that open.

import { icon } from "../base/controls.js";
import { element, keepOnly } from "../base/dom.js";
import { columnHead } from "./heads.js";
import { rowState } from "./row_words.js";
/** @import { IconName } from "../base/controls.js" */
/** @import { Picture } from "./extraction_view.js" */
/** @import { Head } from "./heads.js" */

/**
 * @typedef {[position: number, label: string, state: string, cells: (string | null)[], error: string, flags: string]} ToldRow
 * @typedef {{ position: number, text: string, spans: [number, number, number][], said: string[], error: string, asked: string, request: string, answer: string }} Opened
 */

const BUSY_MS = 1_200; // if a row does not open within this time, a note is shown
const BUSY = "The kernel is busy: the row opens when its cell has ended.";

/**
 * Make a table that follows its end while the reader is at the end; only changes are drawn.
 * @param {(position: number) => void} ask asks the kernel for the details of a row
 * @param {() => void} turned is called when the table begins or ceases to follow its end
 */
export function rowTable(ask, turned) {
  const columnsOf = element("colgroup");
  const head = element("tr");
  const body = element("tbody");
  const hint = element("p", { class: "mf-hint mf-note" }, "Rows appear here as the model answers them.");
  const table = element("table", { class: "mf-table" }, columnsOf, element("thead", {}, head), body);
  const node = element("div", { class: "mf-last mf-scroll", role: "region", "aria-label": "the last rows", tabindex: "0" }, table, hint);
  /** @type {Map<number, { row: HTMLElement, key: string }>} */
  let drawn = new Map();
  /** @type {ReturnType<typeof columnHead>[]} */
  let heads = [];
  /** @type {HTMLElement[]} */
  let ghosts = [];
  let [columns, ghostKey] = ["", ""];
  let longest = 0; // characters of the longest label so far: the gutter grows and does not shrink
  /** @type {number | null} */
  let open = null;
  /** @type {string[]} */
  let names = [];
  /** @type {ToldRow[]} */
  let told = [];
  /** @type {(string | null)[] | null} the cells of the open row */
  let chosen = null;
  let atEnd = true;
  /** @type {HTMLElement | null} */
  let detail = null;
  /** @type {number | undefined} */
  let patience;

  /** @param {Picture} picture */
  function drawHead(picture) {
    const key = JSON.stringify([picture.columns, picture.more_columns, picture.heads.map(({ type }) => type)]);
    if (key !== columns) {
      columns = key;
      names = picture.columns;
      heads = picture.columns.map((name, place) => columnHead(name, picture.heads[place]));
      const more = picture.more_columns ? [element("th", { scope: "col", class: "mf-more" }, `+ ${picture.more_columns}`)] : [];
      head.replaceChildren(element("th", { scope: "col", class: "mf-gutter" }, "row"), ...heads.map((one) => one.node), ...more);
      const numbers = picture.heads.filter(({ number }) => number).length;
      const texts = picture.columns.length - numbers;
      const share = texts ? Math.min(16, 60 / Math.max(1, numbers)) : 100 / numbers;
      columnsOf.replaceChildren(
        element("col", { class: "mf-gutter" }),
        ...picture.heads.map(({ number }) => element("col", number && texts ? { style: `width: ${share}%` } : {})),
        ...more.map(() => element("col", { class: "mf-more" })),
      );
      table.style.setProperty("--mf-least", String(34 * texts + 25 * numbers));
      requestAnimationFrame(measure);
    }
    heads.forEach((one, place) => one.draw(picture.heads[place], picture.state === "running"));
  }

  /** @param {Picture} picture */
  function drawGhosts({ asking, columns: all, heads: kinds, only }) {
    const key = JSON.stringify([asking, columns, only]);
    if (key === ghostKey) return;
    ghostKey = key;
    ghosts = (only ? [] : asking).map((label) =>
      element(
        "tr",
        { class: "mf-now" },
        element("th", { scope: "row", class: "mf-gutter" }, label),
        ...all.map((_, place) => element("td", { class: kinds[place].number ? "mf-number" : null }, element("span", { class: "mf-ghost", style: `width: ${kinds[place].number ? 34 : 44 + ((place * 17) % 30)}%` }))),
      ),
    );
  }

  /** @param {Picture} picture */
  function draw(picture) {
    drawHead(picture);
    drawGhosts(picture);
    const room = String(Math.min(12, Math.max(3, picture.total ?? 12)));
    if (node.style.getPropertyValue("--mf-shown") !== room) node.style.setProperty("--mf-shown", room);
    told = picture.rows;
    /** @type {typeof drawn} */
    const next = new Map();
    for (const one of told) {
      const key = JSON.stringify([one, columns]);
      const before = drawn.get(one[0]);
      next.set(one[0], before?.key === key ? before : { row: tableRow(one, picture), key });
    }
    if (open !== null && !next.has(open)) {
      const kept = drawn.get(open); // keep the row that is being read
      if (kept) next.set(open, kept);
    }
    drawn = next;
    drawChosen();
    const label = Math.max(longest, ...told.map((one) => one[1].length));
    if (label > longest) node.style.setProperty("--mf-label", String((longest = label)));
    place();
    hint.hidden = picture.rows.length + ghosts.length > 0;
  }

  function place() {
    const rows = [];
    for (const [position, { row }] of drawn) {
      row.classList.toggle("mf-open", position === open);
      rows.push(row);
      if (position === open && detail) rows.push(detail);
    }
    keepOnly(body, [...rows, ...ghosts]);
    node.classList.toggle("mf-opened", open !== null && detail !== null);
  }

  /** Mark the cells of the open row in the drawings of their columns. */
  function drawChosen() {
    const cells = open === null ? null : told.find(([position]) => position === open)?.[3] ?? chosen;
    chosen = cells;
    heads.forEach((one, at) => one.choose(cells?.length ? cells[at] : undefined));
  }

  let followed = true;
  const follows = () => atEnd && open === null;
  function tell() {
    if (followed === follows()) return;
    followed = !followed;
    turned();
  }

  /** Follow the end: the page is laid out here, so this comes last in a drawing. */
  function settle() {
    if (atEnd && open === null) node.scrollTop = node.scrollHeight;
  }

  /**
   * @param {ToldRow} told
   * @param {Picture} picture
   */
  function tableRow([position, label, state, cells, error, flags], picture) {
    const [standing, said, mark] = rowState(state);
    const exception = standing === "bad" || standing === "look";
    const shown = flags && !exception ? /** @type {const} */ (["warning", "look"]) : [mark, standing];
    const gutter = element("th", { scope: "row", class: "mf-gutter", title: label }, label);
    if (exception || flags) gutter.append(" ", icon(/** @type {IconName} */ (shown[0])), element("span", { class: "mf-hidden" }, ` ${flags ? "changed on the way" : said}`));
    const row = element("tr", { tabindex: "-1", "data-position": position, "data-s": exception || flags ? shown[1] : null }, gutter);
    if (error || !cells.length) {
      row.append(element("td", { class: "mf-why", colspan: Math.max(1, picture.columns.length), title: error }, element("div", { class: "mf-cut" }, element("b", {}, said), error ? ` · ${error.replace(/^[A-Z]\w*(?:Error|Exception): /, "")}` : "")));
    } else {
      row.append(...cells.map((cell, at) => element("td", { class: cellClass(cell, picture.heads[at]), title: cell }, cell ?? "–")));
    }
    if (flags) row.title = flags;
    return row;
  }

  // -- an opened row

  /** @param {number} position */
  function toggle(position) {
    clearTimeout(patience);
    detail = null;
    open = open === position ? null : position;
    chosen = null;
    drawChosen();
    if (open !== null) {
      ask(position);
      patience = setTimeout(() => {
        if (open === position && !detail) show([element("p", { class: "mf-note" }, BUSY)]);
      }, BUSY_MS);
    }
    place();
    settle();
    tell();
  }

  /** @param {(Node | string)[]} content */
  function show(content) {
    const width = Math.max(1, names.length) + (head.querySelector(".mf-more") ? 1 : 0);
    detail = element("tr", { class: "mf-detail" }, element("td", {}), element("td", { colspan: width }, element("div", {}, ...content)));
    place();
    measure();
  }

  /** Give head and open row their room, and scroll so that this row is in sight and the first one below the head is whole. */
  function measure() {
    const tall = /** @type {HTMLElement | undefined} */ (head.children[0])?.offsetHeight;
    if (!tall) return; // not on the page
    node.style.setProperty("--mf-heads", `${tall}px`);
    settle();
    if (!detail?.offsetHeight) return;
    node.style.setProperty("--mf-detail", `${detail.offsetHeight}px`);
    detail.scrollIntoView({ block: "nearest" });
    const top = head.children[0].getBoundingClientRect().bottom; // its cells stick, not the row
    const first = [...body.children].map((row) => row.getBoundingClientRect()).find(({ bottom }) => bottom > top + 1);
    if (!first) return;
    const lower = detail.getBoundingClientRect().bottom + top - first.top;
    node.scrollTop += lower <= node.getBoundingClientRect().bottom ? first.top - top : first.bottom - top;
  }

  /** @param {Opened} told */
  function opened(told) {
    if (told.position !== open) return;
    clearTimeout(patience);
    const folded = /** @type {[string, string][]} */ ([[told.asked, told.request], ["the answer", told.answer]]);
    show([
      ...(told.error ? [element("p", { class: "mf-problem" }, told.error)] : []),
      element("p", { class: "mf-words", dir: "auto" }, ...marked(told)),
      ...(told.said.length ? [element("p", { class: "mf-note" }, told.said.join(" · "))] : []),
      ...folded.filter(([, text]) => text).map(([title, text]) => element("details", {}, element("summary", { class: "mf-note" }, title), element("pre", { class: "mf-mono" }, text))),
    ]);
  }

  /** Return a row's text with the quotes of its cells marked. @param {Opened} told */
  function marked({ text, spans }) {
    /** @type {(Node | string)[]} */
    const parts = [];
    let at = 0;
    for (const [start, end, column] of spans) {
      parts.push(letters(text, at, start), element("mark", { title: names[column] ?? "" }, letters(text, start, end)));
      at = end;
    }
    return [...parts, letters(text, at)];
  }

  /** Close the open row, go to the end, and follow it. */
  function toEnd() {
    if (open !== null) toggle(open);
    atEnd = true;
    node.scrollTop = node.scrollHeight;
    node.focus();
    tell();
  }

  /** Fade the right edge while there are columns beyond it. */
  function drawEdge() {
    node.classList.toggle("mf-beyond", node.scrollWidth - node.clientWidth - Math.abs(node.scrollLeft) > 2);
  }

  let width = 0;
  new ResizeObserver(() => {
    drawEdge();
    if (width !== node.clientWidth) requestAnimationFrame(measure);
    width = node.clientWidth;
  }).observe(node);
  node.addEventListener("scroll", () => {
    drawEdge();
    atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 24;
    tell();
  });
  body.addEventListener("click", (event) => {
    const row = /** @type {Element} */ (event.target).closest("tr[data-position]");
    if (row instanceof HTMLElement && !getSelection()?.toString()) toggle(Number(row.dataset.position));
  });
  node.addEventListener("keydown", (event) => {
    const rows = /** @type {HTMLElement[]} */ ([...body.querySelectorAll("tr[data-position]")]);
    const at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (event.key === "ArrowDown") rows[Math.min(rows.length - 1, at + 1)]?.focus();
    else if (event.key === "ArrowUp") rows[at < 0 ? rows.length - 1 : Math.max(0, at - 1)]?.focus();
    else if (event.key === "Enter" && at >= 0) toggle(Number(rows[at].dataset.position));
    else if (event.key === "End") toEnd();
    else return;
    event.preventDefault();
  });

  return { node, draw, settle, opened, toEnd, follows, leave: () => clearTimeout(patience) };
}

/**
 * Slice a text by Python's characters, which count one beyond U+FFFF as one.
 * @param {string} text
 * @param {number} start
 * @param {number} [end]
 */
function letters(text, start, end) {
  return [...text].slice(start, end).join("");
}

/**
 * @param {string | null} cell
 * @param {Head} head
 */
function cellClass(cell, head) {
  return `mf-cell${head?.number ? " mf-number" : ""}${cell === null ? " mf-miss" : ""}`;
}
