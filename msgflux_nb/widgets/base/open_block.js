// @ts-check
// The block of Markdown that is still being written: what stays the same stays in the page, and keeps a selection.

import { framed, markdownBlock } from "./copy.js";
import { sanitised } from "./dom.js";
import { drawMaths, drawnFrom } from "./maths.js";

const INNER = ".mf-code-block, blockquote, div, li, ol, p, pre, pre > code, table, tbody, td, th, thead, tr, ul";

/**
 * Draw blocks into a place: finished ones, then one that is still being written.
 * @param {HTMLElement} place
 */
export function openBlock(place) {
  /** @type {HTMLElement | null} */
  let node = null;
  /** @type {Element | null} */
  let caret = null;
  let [drawn, added] = ["", ""];

  function clear() {
    place.replaceChildren();
    node = caret = null;
    drawn = added = "";
  }

  /** @param {string} html */
  function put(html) {
    caret?.classList.remove("mf-caret");
    if (node) change(node, added ? "" : drawn, html);
    else place.append((node = /** @type {HTMLElement} */ (markdownBlock(html))));
    [drawn, added] = [html, ""];
  }

  /** @param {string} html a block that does not change any more */
  function finish(html) {
    if (html !== drawn || added) put(html);
    caret?.classList.remove("mf-caret");
    node?.classList.remove("mf-open");
    node = caret = null;
    drawn = added = "";
  }

  /**
   * @param {string} html the open block; empty for none
   * @param {string} text what stands after it
   * @param {boolean} arriving whether a caret stands at its end
   */
  function draw(html, text, arriving) {
    if (html === drawn && text === added && arriving === (caret?.classList.contains("mf-caret") ?? false)) return;
    if (!html) {
      node?.remove();
      node = caret = null;
      drawn = added = "";
      return;
    }
    if (html !== drawn || !text.startsWith(added)) put(html);
    if (!node) return;
    node.classList.add("mf-open");
    const place = endOf(node);
    const end = place.lastChild;
    if (end instanceof Text) end.appendData(text.slice(added.length));
    else if (text) place.append(text);
    added = text;
    place.classList.toggle("mf-caret", arriving);
    caret = place;
  }

  return { clear, finish, draw };
}

/**
 * Return the innermost block in which the text ends: of a row, the last cell that has words.
 * @param {Element} node
 * @returns {Element}
 */
function endOf(node) {
  /** @type {Element | null} */
  let empty = null;
  for (let inner = node.lastElementChild; inner; inner = inner.previousElementSibling) {
    if (!inner.matches(INNER)) continue;
    if (inner.textContent?.trim()) return endOf(inner);
    empty ??= inner;
  }
  return empty ? endOf(empty) : node;
}

/**
 * Change a drawn block into another one.
 * @param {HTMLElement} node
 * @param {string} before its HTML; "" if it differs
 * @param {string} html
 */
function change(node, before, html) {
  const rows = newRows(before, html);
  const body = rows ? node.querySelector("tbody") : null;
  const fresh = sanitised(body ? `<table><tbody>${rows}</tbody></table>` : html);
  if (body) renew(body, /** @type {Element} */ (fresh.firstChild), body.lastElementChild);
  else if (fresh instanceof Element) renew(node, fresh);
  framed(node);
  drawMaths(node);
}

/**
 * Return the HTML of a table's rows from the last drawn one on, if nothing else has changed; else "". So a long table that
 * grows costs as much as a short one.
 * @param {string} before
 * @param {string} html
 */
function newRows(before, html) {
  const [body, row, end] = [before.indexOf("<tbody>"), before.lastIndexOf("<tr"), before.lastIndexOf("</tbody>")];
  const [start, rest] = [before.slice(0, row), before.slice(end)];
  if (body < 0 || row < body || start.includes("</tbody>") || !html.startsWith(start) || !html.endsWith(rest)) return "";
  const rows = html.slice(row, html.length - rest.length);
  return rows.includes("</tbody>") ? "" : rows;
}

/**
 * @param {Element} old
 * @param {Element} fresh its children may be moved
 * @param {Node | null} first the first child that may change
 */
function renew(old, fresh, first = null) {
  const [had, has] = [[...old.childNodes], [...fresh.childNodes]];
  if (first) had.splice(0, had.indexOf(/** @type {ChildNode} */ (first)));
  has.forEach((to, at) => {
    const outer = had[at];
    const from = outer instanceof Element && outer.matches(".mf-code-block") ? outer.firstChild : outer;
    if (!from) old.append(to);
    else if (from.nodeName !== to.nodeName || !kept(from, to)) outer.replaceWith(to);
  });
  for (const more of had.slice(has.length)) more.remove();
}

/**
 * Make a node like a fresh one of the same name; return whether that is possible.
 * @param {Node} from
 * @param {Node} to
 */
function kept(from, to) {
  if (from instanceof Text && to instanceof Text) {
    if (to.data.startsWith(from.data)) from.appendData(to.data.slice(from.data.length));
    else from.data = to.data;
  }
  if (!(from instanceof Element && to instanceof Element)) return true;
  const formula = drawnFrom(from);
  if (formula !== undefined) return formula === to.textContent;
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  renew(from, to);
  return true;
}
