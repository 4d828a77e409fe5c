// @ts-check
// The arguments so far: one row per field of the tool's schema, ticked once its value is complete.

import { stateWord } from "../base/controls.js";
import { button, element } from "../base/dom.js";
import { isMoment, shownValue } from "../base/readable.js";
import { sizeText } from "../base/texts.js";
import { Numeral } from "./timeline.js";
/** @import { IconName, Standing } from "../base/controls.js" */
/** @import { PartialJson } from "../base/partial.js" */
/** @import { ToolField } from "./timeline.js" */

const VALUE_WINDOW = 1000; // characters
/** @type {Record<string, [mark: IconName | "", standing: Standing, word: string]>} */
const TICKS = {
  filled: ["check", "done", "filled"],
  growing: ["", "now", "arriving"],
  empty: ["", "none", "not yet"],
  default: ["", "none", "left to its default"],
  missing: ["cross", "bad", "missing"],
  extra: ["plus", "look", "not in the schema"],
};

/**
 * Return the value at a path, or undefined.
 * @param {any} value
 * @param {string[]} path
 */
export function valueAt(value, path) {
  for (const key of path) {
    if (value === null || typeof value !== "object" || value instanceof Numeral) return undefined;
    value = value[key];
  }
  return value;
}

/**
 * Make a box for a growing text: only new text is drawn, and a long text shows only its end until it is expanded.
 * @returns {{ node: HTMLElement, draw: (text: string, grows: boolean) => void }}
 */
function valueBox() {
  const words = document.createTextNode("");
  const more = button("", "show all of the value", showAll, "mf-bare mf-more");
  more.hidden = true;
  const node = element("div", { class: "mf-value mf-tail-box" }, element("div", {}, more, words));
  let [from, to, text, all] = [0, 0, "", false];

  function showAll() {
    all = true;
    redraw();
  }

  function redraw() {
    from = all ? 0 : Math.max(0, text.length - VALUE_WINDOW);
    to = text.length;
    words.data = text.slice(from);
    label();
  }

  function label() {
    more.hidden = from === 0;
    more.textContent = `… ${sizeText(from)} before`;
  }

  /**
   * @param {string} next
   * @param {boolean} grows whether it begins with the drawn text
   */
  function draw(next, grows) {
    text = next;
    const news = next.length - to;
    if (!grows || news < 0 || (news > VALUE_WINDOW && !all)) {
      if (words.data !== next) redraw();
      return;
    }
    if (news) words.appendData(next.slice(to));
    to = next.length;
    if (!all && words.length > 2 * VALUE_WINDOW) {
      from += words.length - VALUE_WINDOW;
      words.deleteData(0, words.length - VALUE_WINDOW);
    }
    label();
  }

  return { node, draw };
}

/**
 * Make one row: name, value, tick, type.
 * @param {ToolField | null} field null for a field that the schema lacks
 * @param {string[]} path
 */
function fieldRow(field, path) {
  const box = valueBox();
  const mark = stateWord({ class: "mf-hidden" });
  const kinds = field ? field.type : "not in the schema";
  const type = element("span", { class: "mf-type", title: kinds }, field ? field.type : "extra");
  const node = element(
    "tr",
    { title: field?.about || null },
    element("th", { scope: "row", title: path.join(".") }, path.join(".")),
    element("td", {}, box.node),
    element("td", { class: "mf-tick" }, type, " ", mark.node),
  );
  /** @type {{ parser: PartialJson | null, kind: string }} */
  let drawn = { parser: null, kind: "" };
  let state = "";

  /**
   * @param {PartialJson} parser
   * @param {string} text the text that the parser has read
   * @param {boolean} over whether nothing follows
   * @returns {boolean} whether it is filled
   */
  function draw(parser, text, over) {
    const value = valueAt(parser.value, path);
    const open = value !== undefined && !over && parser.isOpen(path);
    const filled = value !== undefined && !open;
    const absent = over ? (field?.required === false ? "default" : "missing") : "empty";
    const next = filled ? (field ? "filled" : "extra") : open ? "growing" : absent;
    const kind = value === undefined ? "" : value !== null && typeof value === "object" ? "json" : typeof value;
    const begun = open && Array.isArray(value) && !value.length ? undefined : value;
    const grows = kind === "string" && !isMoment(kinds); // anything else may be written anew as it grows
    if (kind || drawn.kind) box.draw(textOf(begun, kinds, parser, text), grows && drawn.parser === parser && drawn.kind === kind);
    drawn = { parser, kind };
    if (next !== state) {
      state = next;
      const [shape, standing, word] = TICKS[next];
      mark.set(standing, word, shape);
      node.dataset.tick = next;
    }
    return filled;
  }

  return { node, draw, counts: field !== null };
}

/**
 * Return a value as text for people; what holds records stays as it was written.
 * @param {any} value
 * @param {string} type its declared type
 * @param {PartialJson} parser
 * @param {string} text
 */
function textOf(value, type, parser, text) {
  if (value === undefined) return "";
  const plain = Array.isArray(value) ? value.map(unwrapped) : unwrapped(value);
  const holds = (/** @type {any} */ one) => typeof one === "object" && one !== null;
  if (Array.isArray(plain) ? plain.some(holds) : holds(plain)) return text.slice(...parser.span(value));
  return shownValue(plain, type);
}

/** @param {any} value */
const unwrapped = (value) => (value instanceof Numeral ? value.text : value);

/**
 * Make the rows of a call.
 * @param {() => Record<string, ToolField[]>} tools
 */
export function fieldsPane(tools) {
  const body = element("tbody");
  const input = valueBox(); // for the text of a custom tool, or arguments that are not an object
  const node = element(
    "div",
    { class: "mf-parsed", role: "group", "aria-label": "arguments so far" },
    element("table", {}, body),
    input.node,
  );
  /** @type {Map<string, ReturnType<typeof fieldRow>>} */
  const rows = new Map();
  let named = "";

  /**
   * @param {ToolField | null} field
   * @param {string[]} path
   */
  function addRow(field, path) {
    const row = fieldRow(field, path);
    rows.set(JSON.stringify(path), row);
    body.append(row.node);
  }

  /** @param {string} name */
  function reset(name) {
    named = name;
    rows.clear();
    body.replaceChildren();
    for (const field of tools()[name] ?? []) addRow(field, field.path);
  }

  /**
   * Add rows for fields that the schema lacks.
   * @param {any} value
   * @param {ToolField[]} fields
   */
  function addOthers(value, fields) {
    for (const key of Object.keys(value)) {
      if (!rows.has(JSON.stringify([key])) && !fields.some(({ path }) => path[0] === key)) {
        addRow(fields.length || tools()[named] ? null : { path: [key], type: "", required: true, about: "" }, [key]);
      }
    }
  }

  /**
   * @param {string} name the tool's
   * @param {PartialJson | null} parser null for a text that is not JSON
   * @param {string} text what was read
   * @param {boolean} over whether nothing follows
   * @returns {[filled: number, all: number]}
   */
  function draw(name, parser, text, over) {
    if (name !== named) reset(name);
    const value = parser?.value;
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Numeral);
    input.node.hidden = parser !== null && (value === undefined || isObject);
    if (!input.node.hidden) input.draw(text, false);
    if (!parser) return [0, 0];
    if (isObject) addOthers(value, tools()[name] ?? []);
    let [filled, all] = [0, 0];
    for (const row of rows.values()) {
      const whole = row.draw(parser, text, over);
      all += Number(row.counts);
      filled += Number(row.counts && whole);
    }
    return [filled, all];
  }

  return { node, draw };
}
