// @ts-check
// An error in a view: its sentence in one line, and behind a button all of it, to read and to copy.

import { icon, textButton } from "./controls.js";
import { copyButton } from "./copy.js";
import { element } from "./dom.js";

const LONGEST = 200; // characters of the sentence

/**
 * Make the line of an error.
 * @param {HTMLElement[]} [first] buttons before *details*
 * @returns {{ node: HTMLElement, say: (error: [name: string, message: string] | null) => void }} say draws only changes
 */
export function mishapLine(first = []) {
  const words = element("span", { class: "mf-error", role: "alert" });
  const all = element("pre", { class: "mf-raw", tabindex: "0" });
  const rest = element("div", { class: "mf-mishap-rest", hidden: true }, all, copyButton("copy", "copy what happened", () => all.textContent ?? ""));
  const details = textButton("details", "show the whole error, to copy it", () => open(rest.hasAttribute("hidden")), { class: "mf-dim mf-small" });
  const acts = element("span", { class: "mf-mishap-acts" }, ...first, details);
  const node = element("div", { class: "mf-mishap", hidden: true }, acts, icon("cross"), words, rest);
  let said = "";

  /** @param {boolean} whole */
  function open(whole) {
    rest.hidden = !whole;
    details.setAttribute("aria-expanded", String(whole));
  }

  return {
    node,
    say(error) {
      const key = JSON.stringify(error);
      if (key === said) return;
      said = key;
      node.hidden = !error;
      open(false);
      const [name, message] = error ?? ["", ""];
      all.textContent = [name, message].filter(Boolean).join(": ");
      // A word or two mean little without the error's class.
      const sentence = /\s\S+\s/.test(message) ? message : all.textContent;
      const line = sentence.trim().split("\n", 1)[0].slice(0, LONGEST);
      words.textContent = line === sentence.trim() ? line : `${line} …`;
    },
  };
}

/**
 * Return an error's class and message, which the kernel has joined.
 * @param {string} text
 * @returns {[name: string, message: string] | null}
 */
export function errorOf(text) {
  const name = /^([\p{L}_]\w*): /u.exec(text)?.[1] ?? "";
  return text ? [name, name ? text.slice(name.length + 2) : text] : null;
}
