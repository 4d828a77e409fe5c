// @ts-check
// Files of one page: uploads to the kernel, pictures and sounds from it, and reasons for refusals.

import { sizeText } from "../base/texts.js";
import { waveOf } from "./devices.js";
/** @import { Model } from "../base/dom.js" */
/** @import { Part } from "../base/store.js" */

const PIECE_BYTES = 1024 * 1024; // a message above 10 MiB would be lost silently
const UPLOAD_BYTES = 64e6;
const SILENT_MILLISECONDS = 3000;

/**
 * @typedef {Part & { id: string }} Attached
 * @typedef {{ id: string, name: string, detail: string, kind: string, url: string, loose: boolean }} Sending
 */

export class FileTray {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {Map<string, Sending>} */
    this.sending = new Map();
    /** @type {Map<string, Attached>} */
    this.loose = new Map();
    /** @type {Map<string, string>} */
    this.pictures = new Map();
    /** @type {Map<string, string>} */
    this.sounds = new Map();
    /** @type {Set<string>} */
    this.asked = new Set();
    /** @type {string[]} */
    this.refusals = [];
    /** @type {{ name: string, kind: string, detail: string }[] | null} */
    this.variables = null;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  connect() {
    this.model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
    this.model.on("change:attachments", () => this.arrived(this.cards.map(({ id }) => id)));
    this.model.on("change:warning", () => this.tell());
  }

  /** @returns {Attached[]} */
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
      this.refusals.push(message.message);
    } else if (message.type === "attached") {
      this.loose.set(message.card.id, message.card);
      this.arrived([message.card.id]);
    } else if (message.type === "thumbnail") {
      if (buffers.length) this.pictures.set(message.media, urlOf(buffers[0], "image/png"));
    } else if (message.type === "sound") {
      this.sounds.set(message.media, urlOf(buffers[0], "audio/wav"));
    } else if (message.type === "pictures") {
      this.variables = message.items;
    } else return;
    this.tell();
  }

  /** @param {string[]} ids */
  arrived(ids) {
    ids.forEach((id) => this.forget(id));
    this.tell();
  }

  /**
   * Return a part's picture, or ask the kernel for it once.
   * @param {Part} part
   * @returns {string | undefined}
   */
  picture({ kind, media }) {
    if (kind !== "image" || !media) return undefined;
    if (!this.pictures.has(media) && !this.asked.has(media)) {
      this.asked.add(media);
      this.model.send({ type: "thumbnails", media: [media] });
    }
    return this.pictures.get(media);
  }

  /**
   * @param {Iterable<File>} files
   * @param {boolean} [loose] for a turn that is being edited
   * @returns {string[]} their ids
   */
  add(files, loose = false) {
    this.refusals = [];
    const ids = [];
    for (const file of files) {
      if (file.size > UPLOAD_BYTES) {
        const most = `at most ${sizeText(UPLOAD_BYTES)}. Make it smaller first.`;
        this.refusals.push(`${file.name} has ${sizeText(file.size)}; ${most}`);
        continue;
      }
      const name = file.name || "pasted image";
      const id = this.expect(name, `${sizeText(file.size)}, sending …`, loose, file);
      ids.push(id);
      this.upload(id, name, file).catch((error) => {
        this.forget(id);
        this.refusals.push(`${name} cannot be read: ${error}`);
        this.tell();
      });
    }
    this.tell();
    return ids;
  }

  /**
   * @param {string} name
   * @param {string} detail
   * @param {boolean} loose
   * @param {Blob} [file]
   * @returns {string} its id
   */
  expect(name, detail, loose, file) {
    const id = `page-${Math.random().toString(36).slice(2)}`;
    const image = file !== undefined && file.type.startsWith("image/");
    const url = image ? URL.createObjectURL(file) : "";
    this.sending.set(id, { id, name, detail, kind: image ? "image" : "file", url, loose });
    return id;
  }

  /**
   * @param {string} id
   * @param {string} name
   * @param {File} file
   */
  async upload(id, name, file) {
    const data = await playable(file);
    const count = Math.max(1, Math.ceil(data.size / PIECE_BYTES));
    for (let index = 0; index < count; index += 1) {
      const piece = await data.slice(index * PIECE_BYTES, (index + 1) * PIECE_BYTES).arrayBuffer();
      const sending = this.sending.get(id);
      if (!sending) return; // removed or refused
      this.model.send({ type: "piece", id, index, count, name, loose: sending.loose }, undefined, [piece]);
    }
    this.await(id);
  }

  /**
   * Ask the kernel for a file by a variable or an address.
   * @param {"pick" | "address"} type
   * @param {string} name
   * @param {Record<string, string>} content
   * @param {boolean} loose
   * @returns {string} its id
   */
  find(type, name, content, loose) {
    this.refusals = [];
    const id = this.expect(name, "reading …", loose);
    this.model.send({ type, id, loose, ...content });
    this.await(id);
    this.tell();
    return id;
  }

  /**
   * Show a note if the kernel does not answer for a while, because it is busy.
   * @param {string} id
   */
  await(id) {
    setTimeout(() => {
      const sending = this.sending.get(id);
      if (!sending) return;
      this.sending.set(id, { ...sending, detail: "waiting for the kernel, which is busy or was restarted …" });
      this.tell();
    }, SILENT_MILLISECONDS);
  }

  /** Files of the message being written that are still being sent. */
  get waiting() {
    return [...this.sending.values()].filter(({ loose }) => !loose);
  }

  /** Wait until all files of the message being written have arrived. */
  async ready() {
    while (this.waiting.length) {
      await new Promise((done) => {
        const look = () => {
          this.listeners.delete(look);
          done(undefined);
        };
        this.listeners.add(look);
      });
    }
  }

  /** @param {string[]} ids */
  remove(ids) {
    if (!ids.length) return;
    ids.forEach((id) => this.forget(id));
    ids.forEach((id) => this.loose.delete(id));
    this.refusals = [];
    this.model.send({ type: "remove", ids });
    this.tell();
  }

  /** @param {string} problem */
  refuse(problem) {
    this.refusals = [problem];
    this.tell();
  }

  /** @param {string} id */
  forget(id) {
    const sending = this.sending.get(id);
    if (sending?.url) URL.revokeObjectURL(sending.url);
    this.sending.delete(id);
  }

  tell() {
    for (const listener of [...this.listeners]) listener();
  }
}

/**
 * @param {DataView} data
 * @param {string} type
 */
function urlOf(data, type) {
  return URL.createObjectURL(new Blob([/** @type {any} */ (data)], { type }));
}

/**
 * Return a sound in a format that providers accept: WAV and MP3 unchanged, anything else that the browser can play as
 * WAV. Any other file is returned unchanged, and the kernel reports what is wrong with it.
 * @param {File} file
 * @returns {Promise<Blob>}
 */
async function playable(file) {
  const known = /^audio\/(mpeg|mp3|wav|wave|x-wav|vnd\.wave)$/.test(file.type);
  if (!file.type.startsWith("audio/") || known) return file;
  try {
    return await waveOf(file);
  } catch {
    return file;
  }
}

/**
 * Take pasted and dropped files for a part of the page.
 * @param {HTMLElement} node
 * @param {(files: File[]) => void} take
 */
export function takeFiles(node, take) {
  /**
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  const handle = (event, data) => {
    node.classList.remove("mf-over");
    const files = [...(data?.files ?? [])];
    if (event.type === "paste" || files.length) event.stopPropagation(); // else the notebook would paste a cell
    if (!files.length) return;
    event.preventDefault();
    take(files);
  };
  node.addEventListener("paste", (event) => handle(event, event.clipboardData));
  node.addEventListener("drop", (event) => handle(event, event.dataTransfer));
  node.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    node.classList.add("mf-over");
  });
  node.addEventListener("dragleave", () => node.classList.remove("mf-over"));
}
