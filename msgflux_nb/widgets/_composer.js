// @ts-check
// Writing a message: text, images by file, drop and paste, and the start of the answer.

const PIECE_BYTES = 1024 * 1024; // a message above 10 MiB would be lost without a word
const UPLOAD_BYTES = 64e6;

/**
 * @typedef {{ id: string, name: string, detail: string, notes: string }} Card
 * @typedef {{ id: string, name: string, detail: string, url: string }} Sending
 */

/**
 * Images of one page: those on their way, and pictures of those that the kernel has.
 */
class ImageTray {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {Map<string, Sending>} */
    this.sending = new Map();
    /** @type {Map<string, string>} */
    this.pictures = new Map();
    /** @type {Set<string>} */
    this.asked = new Set();
    /** @type {Set<Promise<void>>} */
    this.uploads = new Set();
    this.refusal = "";
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  connect() {
    this.model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
    this.model.on("change:attachments", () => this.arrived());
    this.model.on("change:warning", () => this.tell());
    this.arrived();
  }

  /** @returns {Card[]} */
  get cards() {
    return this.model.get("attachments");
  }

  /**
   * @param {any} message
   * @param {DataView[]} buffers
   */
  receive(message, buffers) {
    if (message.type === "refused") {
      this.forget(message.id);
      this.refusal = message.message;
    } else if (message.type === "thumbnails") {
      message.ids.forEach((/** @type {string} */ id, /** @type {number} */ i) => {
        const blob = new Blob([/** @type {any} */ (buffers[i])], { type: "image/png" });
        this.pictures.set(id, URL.createObjectURL(blob));
      });
    } else return;
    this.tell();
  }

  /** The kernel's list has changed; ask for pictures of what this page has not sent itself. */
  arrived() {
    const missing = [];
    for (const { id } of this.cards) {
      this.sending.delete(id);
      if (!this.pictures.has(id) && !this.asked.has(id)) missing.push(id);
    }
    missing.forEach((id) => this.asked.add(id));
    if (missing.length) this.model.send({ type: "thumbnails", ids: missing });
    this.tell();
  }

  /** @param {Iterable<File>} files */
  add(files) {
    this.refusal = "";
    for (const file of files) {
      if (file.size > UPLOAD_BYTES) {
        this.refusal = `${file.name} has ${sizeText(file.size)}; at most ${sizeText(UPLOAD_BYTES)}. Make it smaller first.`;
        continue;
      }
      const upload = this.upload(file).catch((error) => {
        this.refusal = `${file.name} cannot be read: ${error}`;
        this.tell();
      });
      this.uploads.add(upload);
      upload.finally(() => this.uploads.delete(upload));
    }
    this.tell();
  }

  /** @param {File} file */
  async upload(file) {
    const id = `page-${Math.random().toString(36).slice(2)}`;
    const name = file.name || "pasted image";
    const url = URL.createObjectURL(file);
    this.pictures.set(id, url);
    this.sending.set(id, { id, name, detail: `${sizeText(file.size)}, sending …`, url });
    this.tell();
    const count = Math.max(1, Math.ceil(file.size / PIECE_BYTES));
    for (let index = 0; index < count; index += 1) {
      const data = await file.slice(index * PIECE_BYTES, (index + 1) * PIECE_BYTES).arrayBuffer();
      if (!this.sending.has(id)) return; // removed, or refused
      this.model.send({ type: "piece", id, index, count, name }, undefined, [data]);
    }
  }

  /** @param {string} id */
  remove(id) {
    this.forget(id);
    this.refusal = "";
    this.model.send({ type: "remove", id });
    this.tell();
  }

  /** @param {string} id */
  forget(id) {
    this.sending.delete(id);
    const url = this.pictures.get(id);
    if (url) URL.revokeObjectURL(url);
    this.pictures.delete(id);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}

/**
 * The pane of the message.
 * @param {Model} model
 * @param {ImageTray} tray
 * @param {AbortSignal} signal
 */
function composerPane(model, tray, signal) {
  const prompt = boundText(
    model,
    "prompt",
    { class: "mf-prompt", rows: 5, "aria-label": "message", placeholder: "Write a message · paste or drop an image" },
    signal,
  );
  const prefilling = boundText(
    model,
    "prefilling",
    { class: "mf-start", rows: 1, "aria-label": "start the answer with", placeholder: "for example: Let's think step by step" },
    signal,
  );
  const input = /** @type {HTMLInputElement} */ (
    element("input", { type: "file", accept: "image/*", multiple: true, hidden: true, "aria-label": "image files" })
  );
  const attach = element(
    "button",
    { type: "button", class: "mf-quiet", title: "add an image from a file", onclick: () => input.click() },
    "▣ add image",
  );
  const system = element("p", { class: "mf-system" });
  const images = element("ul", { class: "mf-images", "aria-label": "images" });
  const notice = element("p", { class: "mf-notice", role: "alert", hidden: true });
  const node = element(
    "section",
    { class: "mf-pane mf-composer", "aria-label": "message" },
    system,
    element("div", { class: "mf-role" }, "user"),
    prompt,
    images,
    element("div", { class: "mf-row" }, attach, input),
    notice,
    element("label", { class: "mf-begin" }, element("span", {}, "start the answer with:"), prefilling),
  );

  input.addEventListener("change", () => {
    tray.add([...(input.files ?? [])]);
    input.value = ""; // so that the same file can be picked again
  });
  node.addEventListener("paste", (event) => takeFiles(event, event.clipboardData));
  node.addEventListener("dragover", (event) => {
    event.preventDefault();
    event.stopPropagation();
    node.classList.add("mf-over");
  });
  node.addEventListener("dragleave", () => node.classList.remove("mf-over"));
  node.addEventListener("drop", (event) => {
    node.classList.remove("mf-over");
    takeFiles(event, event.dataTransfer);
  });

  /**
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  function takeFiles(event, data) {
    event.stopPropagation(); // the notebook would paste a cell
    const files = [...(data?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    tray.add(files);
  }

  function draw() {
    const instructions = model.get("system_prompt");
    system.hidden = !instructions;
    system.replaceChildren(element("span", { class: "mf-role" }, "system"), ` ${instructions}`);
    const waiting = [...tray.sending.values()];
    images.replaceChildren(
      ...tray.cards.map((card) => imageCard(card, tray)),
      ...waiting.map((card) => imageCard({ ...card, notes: "" }, tray)),
    );
    images.hidden = images.childElementCount === 0;
    notice.textContent = tray.refusal || model.get("warning");
    notice.hidden = !notice.textContent;
  }

  tray.listeners.add(draw);
  model.on("change:system_prompt", draw);
  signal.addEventListener("abort", () => {
    tray.listeners.delete(draw);
    model.off("change:system_prompt", draw);
  });
  draw();
  return { node, prompt, prefilling };
}

/**
 * @param {Card} card
 * @param {ImageTray} tray
 * @returns {HTMLElement}
 */
function imageCard({ id, name, detail, notes }, tray) {
  const url = tray.pictures.get(id);
  return element(
    "li",
    { class: "mf-image", title: notes || null },
    url ? element("img", { src: url, alt: "" }) : element("span", { class: "mf-blank", "aria-hidden": "true" }, "▣"),
    element("span", { class: "mf-name" }, name),
    element("span", { class: "mf-detail" }, detail),
    element(
      "button",
      { type: "button", class: "mf-quiet", "aria-label": `remove ${name}`, title: "remove", onclick: () => tray.remove(id) },
      "✕",
    ),
  );
}
