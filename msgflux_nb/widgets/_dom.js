// @ts-check
// Shared parts of the widgets: building elements, and numbers with units.

/**
 * Build an element. Text is only ever set as text: nothing here takes HTML, so that the words of a model, a file name
 * or an error can do nothing but be read.
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] `on…` adds a listener; true is an empty attribute; null leaves it out
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/**
 * Build elements from HTML of the kernel's one sanitiser (`_markdown.py`); the only place where markup is read.
 * @param {string} html
 * @returns {Node}
 */
function sanitised(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild ?? document.createTextNode("");
}

/**
 * @param {number} bytes
 * @returns {string}
 */
function sizeText(bytes) {
  const [amount, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${amount.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ${unit}`;
}

/**
 * Call `draw` at most once a frame, however often it is asked for.
 * @param {() => void} draw
 * @returns {() => void}
 */
function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
