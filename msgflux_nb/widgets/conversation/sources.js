// @ts-check
// The sources of a message's parts: one menu, and a panel for sources that need more than a click.

import { icon, iconButton, opensMenu, textButton } from "../base/controls.js";
import { element } from "../base/dom.js";
import { cameraPanel, deviceError, deviceProblem, microphonePanel } from "./devices.js";
/** @import { Entry } from "../base/controls.js" */
/** @import { FileTray } from "./media.js" */

/**
 * @typedef {{ node: HTMLElement, end?: () => void }} Panel
 * @typedef {{ take(ids: string[]): void, text(): void }} Taker
 */

/**
 * Make the menu of parts to add: picture, sound, PDF, camera, microphone, address, variable, text.
 * @param {FileTray} tray
 * @param {boolean} loose whether files are for a turn that is being edited
 * @param {Taker} taker
 * @param {AbortSignal} signal
 * @returns {{ plus: HTMLElement, place: HTMLElement }} the button, and the place for panels
 */
export function sourceMenu(tray, loose, taker, signal) {
  const place = element("div", { class: "mf-panel", hidden: true });
  const plus = element("span", { class: "mf-from" });
  const opener = iconButton("plus", "add a picture, a sound, a file …", () => {});
  /** @type {Panel | null} */
  let panel = null;

  /** @param {File[]} files */
  const add = (files) => taker.take(tray.add(files, loose));

  function close() {
    panel?.end?.();
    panel = null;
    place.hidden = true;
    place.replaceChildren();
    opener.focus();
  }

  let opening = 0;

  /**
   * @param {Panel | Promise<Panel>} opened
   * @param {string} device
   */
  async function open(opened, device) {
    const number = (opening += 1);
    if (panel) close();
    /** @type {Panel} */
    let made;
    try {
      made = await opened;
    } catch (error) {
      tray.refuse(deviceError(error, device));
      return;
    }
    if (signal.aborted || number !== opening) {
      made.end?.(); // another panel was opened while the browser asked for permission
      return;
    }
    panel = made;
    place.replaceChildren(panel.node, iconButton("cross", "close", close));
    place.hidden = false;
    /** @type {HTMLElement | null} */ (place.querySelector("input, button:not([disabled]), video"))?.focus();
  }

  /** @param {[name: string, accept: string]} of */
  const input = ([name, accept]) => {
    const node = /** @type {HTMLInputElement} */ (
      element("input", { type: "file", accept, multiple: true, hidden: true, "aria-label": `${name} files` })
    );
    node.addEventListener("change", () => {
      add([...(node.files ?? [])]);
      node.value = ""; // so that the same file can be picked again
    });
    return node;
  };
  const [image, audio, pdf] = /** @type {[string, string][]} */ ([
    ["image", "image/*"],
    ["audio", "audio/*"],
    ["PDF", "application/pdf,.pdf"],
  ]).map(input);

  /** @returns {Entry[]} */
  function entries() {
    const problem = deviceProblem();
    const device = problem ? { disabled: true, title: problem } : {};
    return [
      { label: "Picture …", icon: "image", title: "from files; or paste or drop them", pick: () => image.click() },
      { label: "Sound …", icon: "audio", pick: () => audio.click() },
      { label: "PDF …", icon: "file", pick: () => pdf.click() },
      { label: "Camera", icon: "camera", ...device, pick: () => open(cameraPanel((file) => add([file]), close), "camera") },
      {
        label: "Microphone",
        icon: "mic",
        ...device,
        pick: () => open(microphonePanel((file) => add([file]), close, (said) => tray.refuse(said)), "microphone"),
      },
      {
        label: "Address of a picture …",
        icon: "link",
        title: "passed on by its address, not loaded here",
        pick: () => open(addressPanel((url) => taker.take([tray.find("address", url, { url }, loose)]), close), ""),
      },
      {
        label: "Variable of the notebook …",
        icon: "variable",
        title: "a picture, an array or a figure",
        pick: () => open(variablePanel(tray, (name) => taker.take([tray.find("pick", name, { name }, loose)]), close, signal), ""),
      },
      { label: "Another text", icon: "text", title: "such as one after a picture", pick: taker.text },
    ];
  }

  opensMenu(opener, "add to the message", entries, signal);
  plus.append(opener, image, audio, pdf);
  for (const node of [place, plus]) {
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !panel) return;
      event.stopPropagation();
      close();
    });
  }
  signal.addEventListener("abort", () => panel?.end?.());
  return { plus, place };
}

/**
 * @param {(url: string) => void} take
 * @param {() => void} close
 * @returns {Panel}
 */
function addressPanel(take, close) {
  const field = /** @type {HTMLInputElement} */ (
    element("input", { type: "url", class: "mf-input", "aria-label": "address of an image", placeholder: "https://…" })
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
  return { node: element("div", { class: "mf-row" }, field, textButton("Add", "add the picture by its address", add, { kind: "mf-line" })) };
}

/**
 * Make a panel of the notebook's pictures by name; asks the kernel for them now.
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
    return element("button", { type: "button", class: "mf-btn mf-line", onclick: pick }, element("code", {}, name), words);
  }

  const end = () => tray.listeners.delete(draw);
  tray.listeners.add(draw);
  signal.addEventListener("abort", end);
  draw();
  return { node: list, end };
}

/**
 * Make an alert of reasons why files were refused, which can be closed.
 * @param {FileTray} tray
 * @param {AbortSignal} signal
 * @param {() => string} [more] another problem to show
 * @returns {HTMLElement}
 */
export function refusalNotice(tray, signal, more = () => "") {
  const words = element("span", { class: "mf-grow" });
  let closed = "";
  const hide = () => {
    closed = words.textContent ?? "";
    node.hidden = true;
  };
  const close = iconButton("cross", "close this note", hide, "mf-small");
  const node = element("p", { class: "mf-notice", role: "alert", hidden: true }, icon("warning"), words, close);
  const draw = () => {
    const text = [...tray.refusals, more()].filter(Boolean).join("\n");
    if (words.textContent !== text) words.textContent = text;
    if (text !== closed) closed = "";
    node.hidden = !text || text === closed;
  };
  tray.listeners.add(draw);
  signal.addEventListener("abort", () => tray.listeners.delete(draw));
  draw();
  return node;
}
