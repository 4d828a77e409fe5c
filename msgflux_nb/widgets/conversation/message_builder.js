// @ts-check
// The message builder: the conversation, a place for an arriving answer, and the composer.

import { iconButton, opensMenu } from "../base/controls.js";
import { copied } from "../base/copy.js";
import { element, onChange, rootOf, staleNote } from "../base/dom.js";
import { follow } from "../base/follow.js";
import { guarded } from "../base/guard.js";
import { TurnStore } from "../base/store.js";
import { composer, DraftStore } from "./draft.js";
import { FileTray, takeFiles } from "./media.js";
import { emit } from "./turn.js";
import { TurnList } from "./turn_list.js";
/** @import { Model } from "../base/dom.js" */

const KEEPING_MILLISECONDS = 1500;

/** One widget with any number of views: the state is here, and each view draws it. */
export default guarded(() => {
  /** @type {TurnStore} */
  let store;
  /** @type {FileTray} */
  let tray;
  /** @type {DraftStore} */
  let draft;

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      store = new TurnStore(model);
      tray = new FileTray(model);
      draft = new DraftStore(model, tray);
      store.connect();
      tray.connect();
      draft.connect();
      return {
        model,
        ready: () => tray.ready(),
        /** Return the message being written, for a parent that sends it in its own request; null if it is too long. */
        draft: () => draft.ask(),
        /** @type {TurnStore["settle"]} */
        settle: (card, words) => store.settle(card, words),
        resync: () => store.resync(),
        /** Write the text of the message being written, without sending it. @param {string} text */
        write: (text) => draft.write({ text }),
        invite: (/** @type {string} */ others) => draft.invite(others),
        blank: () => draft.empty && !store.turns.length,
        empty: () => !store.turns.length,
        undo: () => store.ask("undo"),
        clear: () => store.ask("clear"),
        drafts: draft.listeners,
        turns: store.listeners,
      };
    },

    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} props */
    render({ model, el, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-builder", "messages");
      const turns = new TurnList(store, tray);
      const write = composer(store, draft, leave.signal);
      const hint = element(
        "p",
        { class: "mf-hint" },
        "No messages yet: write one below and add it. Text, pictures, sound and PDFs; {{names}} become a form.",
      );
      const slot = element("div", { class: "mf-slot" });
      const problem = element("div", { class: "mf-error", role: "alert", hidden: true });
      const scroller = element("div", { class: "mf-talking mf-scroll" }, hint, turns.node, slot);
      const foot = footer(model, store, leave.signal);
      write.querySelector(".mf-total")?.before(foot.note);
      write.querySelector(".mf-total")?.after(foot.node);
      write.prepend(problem);
      el.append(scroller, write);
      turns.connect(leave.signal);
      follow(scroller, { signal: leave.signal });
      takeFiles(scroller, (files) => draft.take(files));
      write.addEventListener("keydown", (event) => keys(event, write));

      const draw = () => {
        hint.hidden = store.turns.length > 0 || slot.childElementCount > 0;
        problem.hidden = !store.problem;
        problem.replaceChildren(...(store.problem ? [element("b", {}, store.problem[0]), " ", store.problem[1]] : []));
      };
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      let timer;
      // The kernel updates the saved output a little after the number of the twin.
      const kept = () => {
        clearTimeout(timer);
        foot.say("");
        timer = setTimeout(() => foot.say(staleNote(el, model)), KEEPING_MILLISECONDS);
      };
      const slotted = new MutationObserver(draw);
      slotted.observe(slot, { childList: true });
      store.listeners.add(draw);
      onChange(model, "kept", kept, leave.signal);
      leave.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        slotted.disconnect();
        store.listeners.delete(draw);
      });
      kept();
      draw();
      return () => leave.abort();
    },
  };

  /**
   * @param {KeyboardEvent} event
   * @param {HTMLElement} from
   */
  function keys(event, from) {
    const { key, shiftKey, ctrlKey, metaKey } = event;
    if (key !== "Enter" || !(shiftKey || ctrlKey || metaKey)) return;
    event.preventDefault();
    emit(from, "mf-run");
    // Outside of a playground there is nothing to run, so add the message.
    if (!from.closest(".msgflux-playground")) draft.add();
  }
});

/**
 * Make the footer: undo and a menu, which a parent has in its head, and the note about the saved notebook.
 * @param {Model} model
 * @param {TurnStore} store
 * @param {AbortSignal} signal
 */
function footer(model, store, signal) {
  const note = element("span", { class: "mf-note" });
  const undo = iconButton("undo", "undo: take the last change back", () => store.ask("undo"));
  const more = iconButton("more", "more", () => {});
  const all = () => store.turns.map(({ role, parts }) => `${role}: ${parts.map(({ text }) => text ?? "").join("\n\n")}`).join("\n\n");
  const entries = () => [
    { label: "Copy all as text", icon: /** @type {const} */ ("copy"), disabled: !store.turns.length, pick: () => void copied(all()) },
    { label: "Start over", icon: /** @type {const} */ ("trash"), title: "undo brings it back", disabled: !store.turns.length, pick: () => store.ask("clear") },
  ];
  opensMenu(more, "more", entries, signal);
  const draw = () => undo.toggleAttribute("disabled", !model.get("undoable"));
  onChange(model, "undoable", draw, signal);
  draw();
  const node = element("span", { class: "mf-alone" }, undo, more);
  return { node, note, say: (/** @type {string} */ text) => void (note.textContent = text) };
}
