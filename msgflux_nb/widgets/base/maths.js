// @ts-check
// Formulas in a model's words, drawn by what the page has: JupyterLab's MathJax. Elsewhere they stay as they were written.

/** @type {((node: Element) => unknown) | null} */
let typeset = null;

/**
 * Find who draws formulas: a widget's manager in JupyterLab knows it.
 * @param {any} model
 */
export function mathsFrom(model) {
  const drawer = model.widget_manager?.rendermime?.latexTypesetter;
  if (drawer) typeset = (node) => drawer.typeset(node);
}

/**
 * Draw the formulas that the kernel's sanitiser has marked, and nothing else: two prices look like one, and what could do
 * more than be read is not marked.
 * @param {Element} node may be put into the page within this frame
 */
export function drawMaths(node) {
  if (!typeset) return;
  const marked = [...node.querySelectorAll(".mathjax_process")];
  if (!marked.length) return;
  requestAnimationFrame(() => {
    for (const one of marked) if (one.isConnected) void drawn(one); // it measures the letters around it
  });
}

/** @param {Element} one */
async function drawn(one) {
  try {
    await typeset?.(one);
  } catch (error) {
    console.warn(error); // it stands as it was written
  }
}
