// @ts-check
// Formulas in a model's words, drawn by JupyterLab's MathJax. On other pages they stay as the model wrote them.

/** @type {((node: Element) => unknown) | null} */
let typeset = null;

/** @type {WeakMap<Element, string>} drawn formulas, as they were written */
const drawnFormulas = new WeakMap();

/**
 * Return what a drawn formula was drawn from.
 * @param {Element} node
 */
export const drawnFrom = (node) => drawnFormulas.get(node);

/**
 * Find the page's typesetter, which JupyterLab's widget manager knows.
 * @param {any} model
 */
export function mathsFrom(model) {
  const drawer = model.widget_manager?.rendermime?.latexTypesetter;
  if (drawer) typeset = (node) => drawer.typeset(node);
}

/**
 * Draw only the formulas that the kernel's sanitiser has marked: two prices look like a formula, and unsafe ones are not
 * marked.
 * @param {Element} node may be added to the page later in this frame
 */
export function drawMaths(node) {
  if (!typeset) return;
  const marked = [...node.querySelectorAll(".mathjax_process")].filter((one) => !drawnFormulas.has(one));
  if (!marked.length) return;
  for (const one of marked) drawnFormulas.set(one, one.textContent ?? "");
  requestAnimationFrame(() => {
    for (const one of marked) if (one.isConnected) void drawn(one); // MathJax measures the letters around it
  });
}

/** @param {Element} one */
async function drawn(one) {
  try {
    await typeset?.(one);
  } catch (error) {
    console.warn(error); // leave it as it was written
  }
}
