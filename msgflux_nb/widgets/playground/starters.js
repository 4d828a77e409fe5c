// @ts-check
// The three starters of an empty playground. Each fills in the message and sends nothing.

import { icon } from "../base/controls.js";
import { element } from "../base/dom.js";
/** @import { IconName } from "../base/controls.js" */
/** @import { Inner } from "./play.js" */

const MAIL =
  "Hello! We would love a table on Saturday, 14 March, around half past seven. There are six of us, two are vegetarian. " +
  "My father uses a wheelchair, so the ground floor would be perfect. You reach me at +351 912 555 018. Thank you! Inês Carvalho, 34, Lisbon";

/**
 * @param {Inner} inner
 * @param {(text: string, more?: { schema?: string, prefill?: string }) => void} begin
 */
export function starters({ picker }, begin) {
  const cards = element("div", { class: "mf-starters" });
  const node = element(
    "div",
    { class: "mf-begin" },
    element("div", {}, element("h3", {}, "What would you like to ask?"), element("p", {}, "Write below, or begin with one of these. Nothing is sent until you press Run.")),
    cards,
  );
  let drawn = "";

  /**
   * @param {IconName} drawing
   * @param {string} title
   * @param {(string | Node)[]} text
   * @param {() => void} onclick
   */
  function card(drawing, title, text, onclick) {
    return element("button", { type: "button", class: "mf-offer", onclick }, icon(drawing), element("strong", {}, title), element("span", {}, ...text));
  }

  function draw() {
    /** @type {[name: string, group: string][]} */
    const offered = picker.model.get("offered");
    const own = offered.find(([, group]) => group !== "plans")?.[0] ?? "";
    const plan = offered.some(([name]) => name === "ChainOfThoughts") ? "ChainOfThoughts" : "";
    const schema = own || plan;
    if (drawn === schema && cards.childElementCount) return;
    drawn = schema;
    const question = "Why is the sky dark at night, although there are stars everywhere?";
    const puzzle = "A bat and a ball cost 1.10 together, and the bat costs 1 more than the ball. What does the ball cost?";
    const fields = own
      ? card("fields", "Turn a text into fields", ["An e-mail that asks for a table becomes a ", element("b", {}, own), ", field by field."], () => begin(MAIL, { schema: own }))
      : card("fields", "Get the answer as fields", ["A puzzle whose steps and answer arrive one by one."], () => begin(puzzle, { schema }));
    cards.replaceChildren(
      card("text", "Ask a question", [question], () => begin(question)),
      fields,
      card("prefill", "Start the answer yourself", ["“Let’s think step by step.” Watch the model go on from your words."], () =>
        begin(puzzle, { prefill: "Let’s think step by step." }),
      ),
    );
  }

  return { node, draw };
}
