// @ts-check
// Where parts of a message come from: a row of buttons, and a panel below it for what needs more than a click.

/**
 * @typedef {{ node: HTMLElement, end?: () => void }} Panel
 * @typedef {{ take(ids: string[]): void, text(): void }} Taker
 */

/**
 * A row of buttons: image, audio, PDF, camera, microphone, URL, variable, text.
 * @param {FileTray} tray
 * @param {boolean} loose whether files are for a turn that is being edited
 * @param {Taker} taker
 * @param {AbortSignal} signal
 * @returns {HTMLElement}
 */
function sourceRow(tray, loose, taker, signal) {
  const place = element("div", { class: "mf-panel", hidden: true });
  const row = element("div", { class: "mf-sources", role: "group", "aria-label": "add to the message" });
  /** @type {Panel | null} */
  let panel = null;
  /** @type {HTMLElement | null} */
  let opener = null;

  /** @param {File[]} files */
  const add = (files) => taker.take(tray.add(files, loose));

  function close() {
    panel?.end?.();
    panel = null;
    place.hidden = true;
    place.replaceChildren();
    opener?.setAttribute("aria-expanded", "false");
    opener?.focus();
    opener = null;
  }

  /**
   * @param {HTMLElement} by
   * @param {Panel | Promise<Panel>} opened
   */
  async function open(by, opened) {
    if (panel) close();
    /** @type {Panel} */
    let made;
    try {
      made = await opened;
    } catch (error) {
      tray.refuse(deviceError(error, by.dataset.device ?? "device"));
      return;
    }
    if (signal.aborted) {
      made.end?.();
      return;
    }
    if (panel) close(); // opened while a person was asked for this device
    panel = made;
    opener = by;
    by.setAttribute("aria-expanded", "true");
    place.replaceChildren(panel.node, button("✕", "close", close, "mf-quiet"));
    place.hidden = false;
    /** @type {HTMLElement | null} */ (place.querySelector("input, button, video"))?.focus();
  }

  /**
   * @param {string} label
   * @param {string} title
   * @param {(by: HTMLElement) => Panel | Promise<Panel>} make
   */
  function opening(label, title, make) {
    const by = button(label, title, () => (opener === by ? close() : open(by, make(by))), "mf-quiet");
    by.setAttribute("aria-expanded", "false");
    row.append(by);
    return by;
  }

  for (const [label, title, accept] of [
    ["▣ image", "add images from files; or paste or drop them", "image/*"],
    ["♪ audio", "add sound from a file", "audio/*"],
    ["▤ PDF", "add a PDF from a file", "application/pdf,.pdf"],
  ]) {
    const input = /** @type {HTMLInputElement} */ (
      element("input", { type: "file", accept, multiple: true, hidden: true, "aria-label": `${label.slice(2)} files` })
    );
    input.addEventListener("change", () => {
      add([...(input.files ?? [])]);
      input.value = ""; // so that the same file can be picked again
    });
    row.append(button(label, title, () => input.click(), "mf-quiet"), input);
  }
  const camera = opening("◉ camera", "take a picture", () => cameraPanel((file) => add([file]), close));
  const microphone = opening("● microphone", "record sound", () => microphonePanel((file) => add([file]), close, (problem) => tray.refuse(problem)));
  camera.dataset.device = "camera";
  microphone.dataset.device = "microphone";
  const problem = deviceProblem();
  for (const by of problem ? [camera, microphone] : []) {
    by.toggleAttribute("disabled", true);
    by.title = problem;
  }
  opening("↗ URL", "an image on the web: passed on by its address, not loaded here", () =>
    addressPanel((url) => taker.take([tray.find("address", url, { url }, loose)]), close),
  );
  opening("𝑥 variable", "an image, array or figure of this notebook", () =>
    variablePanel(tray, (name) => taker.take([tray.find("pick", name, { name }, loose)]), close, signal),
  );
  row.append(button("¶ text", "another text, to stand behind an image", taker.text, "mf-quiet"));

  const node = element("div", { class: "mf-from" }, row, place);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !panel) return;
    event.stopPropagation();
    close();
  });
  signal.addEventListener("abort", () => panel?.end?.());
  return node;
}

/**
 * @param {(url: string) => void} take
 * @param {() => void} close
 * @returns {Panel}
 */
function addressPanel(take, close) {
  const field = /** @type {HTMLInputElement} */ (
    element("input", { type: "url", class: "mf-field", "aria-label": "address of an image", placeholder: "https://…" })
  );
  const add = () => {
    if (!field.value.trim()) return;
    take(field.value.trim());
    close();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    add();
  });
  return { node: element("div", { class: "mf-row" }, field, button("add", "add the image by its address", add)) };
}

/**
 * The notebook's pictures by name; the kernel is asked for them now.
 * @param {FileTray} tray
 * @param {(name: string) => void} take
 * @param {() => void} close
 * @param {AbortSignal} signal
 * @returns {Panel}
 */
function variablePanel(tray, take, close, signal) {
  const list = element("div", { class: "mf-variables", role: "group", "aria-label": "pictures of this notebook" });
  tray.variables = null;
  tray.model.send({ type: "pictures" });

  function draw() {
    const found = tray.variables;
    if (found === null) list.replaceChildren("looking …");
    else if (!found.length) list.replaceChildren("no variable of this notebook holds an image, an array of one, or a figure");
    else list.replaceChildren(...found.map(choice));
  }

  /** @param {{ name: string, kind: string, detail: string }} variable */
  function choice({ name, kind, detail }) {
    const pick = () => {
      take(name);
      close();
    };
    const words = element("span", { class: "mf-detail" }, [kind, detail].filter(Boolean).join(", "));
    return element("button", { type: "button", class: "mf-choice", onclick: pick }, element("code", {}, name), words);
  }

  const end = () => tray.listeners.delete(draw);
  tray.listeners.add(draw);
  signal.addEventListener("abort", end);
  draw();
  return { node: list, end };
}

/**
 * Why files were refused, as an alert.
 * @param {FileTray} tray
 * @param {AbortSignal} signal
 * @param {() => string} [more] something else that is wrong
 * @returns {HTMLElement}
 */
function refusalNotice(tray, signal, more = () => "") {
  const node = element("p", { class: "mf-notice", role: "alert", hidden: true });
  const draw = () => {
    const text = [...tray.refusals, more()].filter(Boolean).join("\n");
    if (node.textContent !== text) node.textContent = text;
    node.hidden = !text;
  };
  tray.listeners.add(draw);
  signal.addEventListener("abort", () => tray.listeners.delete(draw));
  draw();
  return node;
}
