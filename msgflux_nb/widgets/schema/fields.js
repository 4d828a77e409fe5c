// @ts-check
// The fields of a type as a table: name, type, limits, default, description.

/**
 * @typedef {{
 *   path: string, name: string, key: string, depth: number, holds: "value" | "record" | "list" | "map", type: string,
 *   limits?: string[], required?: boolean, default?: string, description?: string, unenforced?: string,
 * }} Field
 * @typedef {{
 *   name?: string, doc?: string, fields?: Field[], left?: number, way?: string, notes?: string[], wrapped?: boolean,
 *   error?: [name: string, message: string],
 * }} Described
 */

const COLUMNS = ["field", "type", "limits", "default", "description"];

/**
 * @param {() => Described} described
 * @returns {{ node: HTMLElement, draw: () => void }}
 */
function fieldTable(described) {
  const body = element("tbody");
  const heads = COLUMNS.map((name) => element("th", { scope: "col", role: "columnheader" }, name));
  const node = element(
    "table",
    { class: "mf-fields", role: "table", "aria-label": "fields" },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)),
    body,
  );
  let drawn = "";

  function draw() {
    const { fields = [], left = 0 } = described();
    const key = JSON.stringify([fields, left]);
    if (key === drawn) return;
    drawn = key;
    const more = left ? [element("tr", { role: "row" }, element("td", { colspan: 5 }, `… ${left.toLocaleString("en-US")} more fields`))] : [];
    body.replaceChildren(...fields.map(fieldRow), ...more);
    node.hidden = !fields.length;
  }

  return { node, draw };
}

/**
 * @param {Field} field
 * @returns {HTMLElement}
 */
function fieldRow(field) {
  const head = pathCell(field.path, field.depth);
  const { type, required = true, description = "" } = field;
  return element(
    "tr",
    { role: "row" },
    head,
    element("td", { class: "mf-type", role: "cell", title: type }, type),
    element("td", { class: "mf-limits", role: "cell" }, ...limitTexts(field)),
    element("td", { class: "mf-default", role: "cell" }, required ? "required" : `= ${field.default}`),
    element("td", { role: "cell" }, description),
  );
}

/**
 * A path with what leads to it said quietly, set in by its depth.
 * @param {string} path
 * @param {number} depth
 * @returns {HTMLElement}
 */
function pathCell(path, depth) {
  const at = depth ? path.lastIndexOf(".") + 1 : 0;
  const node = element(
    "th",
    { scope: "row", role: "rowheader", title: path },
    element("span", { class: "mf-above" }, path.slice(0, at)),
    path.slice(at),
  );
  node.style.paddingInlineStart = `${Math.min(depth, 8) * 12}px`;
  return node;
}

/**
 * @param {Field} field
 * @returns {(Node | string)[]}
 */
function limitTexts({ limits = [], unenforced = "" }) {
  const said = limits.join(" · ");
  if (!unenforced) return [said];
  const mark = element(
    "span",
    { class: "mf-shape mf-stopped", role: "img", "aria-label": "not held to by the server", title: `not held to by the server: ${unenforced}` },
    "◇",
  );
  return [said || unenforced, "\u00a0", mark];
}
