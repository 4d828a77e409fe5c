// @ts-check
// Jupyter's "interrupt the kernel", for a Stop that a busy kernel cannot handle.

const KERNEL = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Ask Jupyter's server to interrupt a kernel, as the button in the notebook's tool bar does. This needs the browser's
 * session with the server; from a page that Jupyter does not serve, nothing is sent.
 * @param {string} kernel its id
 * @returns {Promise<boolean>} whether the server has done it
 */
export async function interruptKernel(kernel) {
  const base = jupyterBase();
  if (!base || !KERNEL.test(kernel)) return false;
  const [, token = ""] = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie) ?? [];
  try {
    const answer = await fetch(new URL(`api/kernels/${kernel}/interrupt`, base), {
      method: "POST",
      credentials: "same-origin",
      headers: { "X-XSRFToken": decodeURIComponent(token) },
    });
    return answer.ok;
  } catch {
    return false;
  }
}

/** Return the base address of this page's server; null if the page is not Jupyter's, or the server is elsewhere. */
function jupyterBase() {
  try {
    const told = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}").baseUrl;
    const base = typeof told === "string" ? new URL(told, location.origin) : null;
    return base?.origin === location.origin ? base : null;
  } catch {
    return null;
  }
}
