// @ts-check
// The playground: header, message, answer, status. Shared parts stand in front of this text, joined by _base.py.

const GROUPS = [
  ["given", "given"],
  ["notebook", "in this notebook"],
  ["plans", "plans"],
];

/** One widget, any number of views: what runs is kept here, each view draws it. */
export default () => {
  /** @type {AnswerStore} */
  let store;
  /** @type {ImageTray} */
  let tray;

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      store = new AnswerStore(model);
      tray = new ImageTray(model);
      tray.connect();
      store.connect();
    },

    /** @param {{ model: Model, el: HTMLElement }} props */
    render({ model, el }) {
      const leave = new AbortController();
      const composer = composerPane(model, tray, leave.signal);
      const picker = schemaPicker(model, leave.signal);
      const answer = answerPane(store, picker.picked);
      const status = statusBar(store, () => (store.over && store.settled ? staleNote(el, model) : ""));
      const run = button("▶ run", "run (Shift-Enter)", ask);
      const stop = button("■ stop", "stop (Esc)", () => store.stop());
      const header = element(
        "header",
        { class: "mf-header" },
        element("span", { class: "mf-model" }, model.get("model_name")),
        element("span", { class: "mf-options" }, model.get("model_options")),
        element("label", { class: "mf-schema" }, "schema", picker.node),
        element("span", { class: "mf-space" }),
        stop,
        run,
      );
      // JupyterLab takes keys in the capture phase, where stopPropagation comes too late; this attribute keeps it out.
      el.setAttribute("data-lm-suppress-shortcuts", "true");
      el.classList.add("msgflux-live", "msgflux-playground");
      el.setAttribute("role", "group");
      el.setAttribute("aria-label", `Playground, ${model.get("model_name")}`);
      el.append(header, element("div", { class: "mf-panes" }, composer.node, answer.node), status.node);
      el.addEventListener("keydown", keys);

      async function ask() {
        if (!store.free) return;
        if (!composer.prompt.value.trim() && !tray.cards.length && !tray.sending.size) {
          composer.prompt.focus();
          return;
        }
        await Promise.all(tray.uploads); // an image still on its way belongs to the message
        const question = { prompt: composer.prompt.value, prefilling: composer.prefilling.value };
        store.ask({ ...question, schema: picker.node.value });
      }

      /** @param {KeyboardEvent} event */
      function keys(event) {
        const asks = event.key === "Enter" && (event.shiftKey || event.ctrlKey || event.metaKey);
        if (asks) {
          event.preventDefault();
          ask();
        } else if (event.key === "Escape" && store.busy) {
          event.preventDefault();
          store.stop();
        }
        event.stopPropagation();
      }

      const draw = oncePerFrame(() => {
        run.toggleAttribute("disabled", !store.free);
        stop.toggleAttribute("disabled", store.state !== "running");
        el.dataset.state = store.state;
        answer.draw();
        status.draw();
      });
      store.listeners.add(draw);
      picker.node.addEventListener("change", draw);
      model.on("change:schema_options", draw);
      model.on("change:schema", draw);
      draw();
      return () => {
        leave.abort();
        store.listeners.delete(draw);
        model.off("change:schema_options", draw);
        model.off("change:schema", draw);
      };
    },
  };
};

/**
 * A select of what the answer is decoded to.
 * @param {Model} model
 * @param {AbortSignal} signal
 */
function schemaPicker(model, signal) {
  const node = /** @type {HTMLSelectElement} */ (element("select", { "aria-label": "schema" }));
  let drawn = "";

  /** @returns {{ name: string, group: string, rows: Row[] }[]} */
  const options = () => model.get("schema_options");

  function draw() {
    const key = JSON.stringify(options().map(({ name, group }) => [name, group]));
    if (key !== drawn) {
      drawn = key;
      const groups = GROUPS.map(([group, label]) => {
        const members = options().filter((option) => option.group === group);
        return element("optgroup", { label }, ...members.map(({ name }) => element("option", { value: name }, name)));
      });
      node.replaceChildren(
        element("option", { value: "" }, "text"),
        ...groups.filter((group) => group.childElementCount > 0),
      );
    }
    node.value = model.get("schema");
  }

  node.addEventListener("change", () => {
    model.set("schema", node.value);
    model.save_changes();
  });
  // A cell may have defined a Struct since: look again when somebody is about to pick.
  for (const event of ["pointerenter", "focus"]) {
    node.addEventListener(event, () => model.send({ type: "schemas" }));
  }
  onChange(model, ["schema_options", "schema"], draw, signal);
  draw();
  return { node, picked: () => options().find(({ name }) => name === node.value) ?? null };
}
