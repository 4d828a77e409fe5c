// @ts-check
// The open answer: its input, its differences from the first prompt's answer, its bill and its rating.

import { icon, textButton } from "../base/controls.js";
import { element } from "../base/dom.js";

/**
 * @typedef {{
 *   row: number, column: number, label: string, input: string, who: string, against: string, error: string,
 *   fields: [name: string, pieces: [kind: "same" | "gone" | "new", text: string][]][],
 *   figures: [value: string, unit: string][], rating: "" | "good" | "bad", rateable: boolean, code: string, copied: string,
 * }} ToldAnswer
 */

/** @param {(rating: "good" | "bad") => void} rate */
export function openedAnswer(rate) {
  const asked = element("div");
  const said = element("div");
  const good = textButton("good", "good (+)", () => rate("good"), { icon: "good", key: "+", kind: "mf-line" });
  const bad = textButton("bad", "bad (-)", () => rate("bad"), { icon: "bad", key: "−", kind: "mf-line" });
  const node = element("section", { class: "mf-opened", "aria-label": "the answer that is open", "aria-live": "polite" }, asked, said, element("div", { class: "mf-rate" }, good, bad));

  /** @param {[kind: string, text: string][]} pieces */
  function words(pieces) {
    return pieces.flatMap(([kind, text]) => {
      if (kind === "same") return [text];
      const [, before, words, after] = /** @type {RegExpMatchArray} */ (text.match(/^(\s*)(.*?)(\s*)$/s)); // spaces stay outside of the mark
      return [before, ...(words ? [element(kind === "gone" ? "del" : "ins", {}, words)] : []), after];
    });
  }

  return {
    node,
    /** @param {ToldAnswer} told */
    draw(told) {
      node.hidden = told.row === undefined;
      if (node.hidden) return;
      asked.replaceChildren(element("header", {}, element("span", { class: "mf-role" }, told.label)), element("p", { class: "mf-words mf-input-text", dir: "auto" }, told.input));
      const against = told.against ? `${told.who}, against ${told.against}` : told.who;
      said.replaceChildren(element("header", {}, element("span", { class: "mf-role" }, "answer"), element("span", { class: "mf-note mf-cut" }, against)));
      said.append(element("div", { class: "mf-said" }, ...told.fields.map(([name, pieces]) => element("p", { class: "mf-words", dir: "auto" }, ...(name ? [element("dfn", {}, name), " "] : []), ...words(pieces)))));
      if (told.error) said.append(element("p", { class: "mf-is", "data-s": "bad" }, icon("cross"), told.error));
      const figures = element("p", { class: "mf-note mf-num" });
      told.figures.forEach(([value, unit], place) => figures.append(place ? (unit === "out" ? " · " : "\u2003") : "", element("b", {}, value), ` ${unit}`));
      if (told.figures.length) said.append(figures);
      good.setAttribute("aria-pressed", String(told.rating === "good"));
      bad.setAttribute("aria-pressed", String(told.rating === "bad"));
      for (const button of [good, bad]) button.toggleAttribute("disabled", !told.rateable);
    },
  };
}
