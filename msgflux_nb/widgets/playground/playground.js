// @ts-check
// The playground: header, conversation, what stands beside it, status. The widgets inside draw themselves.

let playgrounds = 0; // so that the tabs of each have ids of their own

/** One widget, any number of views: what runs is kept here, each view draws it. */
export default guarded(() => {
  /** @type {Play} */
  let play;

  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      play = new Play(model);
      play.connect();
    },

    /** @param {{ model: Model, el: HTMLElement, host: Host, signal?: AbortSignal }} props */
    async render({ model, el, host, signal }) {
      const leave = new AbortController();
      signal?.addEventListener("abort", () => leave.abort());
      rootOf(el, "msgflux-playground", "Playground");
      const left = element("div", { class: "mf-pane mf-talk" });
      el.append(element("div", { class: "mf-panes" }, left));
      const names = /** @type {const} */ (["builder", "prefill", "picker", "calls", "plan"]);
      const [builder, prefill, picker, calls, plan] = await Promise.all(names.map((name) => host.getWidget(model.get(name))));
      play.filled({ builder: builder.exports, prefill: prefill.exports, picker: picker.exports });
      const places = { structure: element("div"), tools: element("div"), plan: element("div") };
      if (leave.signal.aborted) return; // it was removed before it was there
      await draws(builder, left, leave.signal);
      const start = /** @type {HTMLElement} */ (left.querySelector(".mf-start-slot"));
      const slot = /** @type {HTMLElement} */ (left.querySelector(".mf-slot"));
      await Promise.all([
        draws(prefill, start, leave.signal),
        draws(picker, places.structure, leave.signal),
        draws(calls, places.tools, leave.signal),
        draws(plan, places.plan, leave.signal),
      ]);
      if (leave.signal.aborted) return;
      whole(model, el, { slot, places, picker: picker.exports, builder: builder.exports, prefill: prefill.exports }, leave.signal);
      return () => leave.abort();
    },
  };

  /**
   * @param {Model} model
   * @param {HTMLElement} el
   * @param {{ slot: HTMLElement, places: Record<"structure" | "tools" | "plan", HTMLElement> } & Inner} inner
   * @param {AbortSignal} signal
   */
  function whole(model, el, { slot, places, picker, builder, prefill }, signal) {
    playgrounds += 1;
    const lens = tokenLens(play, signal);
    const code = codePanel(play, signal);
    const plan = planPanel(play, places.plan, signal);
    const panels = [
      { name: "structure", node: places.structure },
      { name: "tools", node: places.tools },
      plan.panel,
      { name: "tokens", ...lens },
      versionsPanel(play, () => tabs.open("versions"), signal),
      rawPanel(play, signal),
      code.panel,
    ];
    const tabs = tabbed(panels, `mf-play-${playgrounds}`);
    const status = statusBar(play, () => (play.kept && !play.busy ? staleNote(el, model) : ""));
    const head = header(play, picker.select(signal), { run, code: copies }, signal);
    const drawAnswers = answers(play, slot);
    el.prepend(head.node);
    el.querySelector(".mf-panes")?.append(tabs.node);
    el.append(status.node);

    async function run() {
      if (!play.free) return;
      await builder.ready(); // a file still on its way belongs to the message
      const draft = play.free ? builder.draft() : null;
      if (draft) play.ask("run", { draft, prefill: prefill.value(), schema: picker.model.get("schema") });
    }

    function copies() {
      code.want();
      tabs.open("code");
    }

    function listen() {
      el.addEventListener("mf-run", run, { signal });
      for (const [name, type] of /** @type {const} */ ([["mf-rerun", "rerun"], ["mf-continue", "continue"]])) {
        el.addEventListener(name, (event) => play.ask(type, { position: positionOf(event) }), { signal });
      }
      el.addEventListener("mf-compare", (event) => model.send({ type: "compare", position: positionOf(event) }), { signal });
      el.addEventListener("keydown", keys, { signal });
      play.listeners.add(draw);
      onChange(model, ["model_options", "kept", "plan_driver"], draw, signal);
      signal.addEventListener("abort", () => play.listeners.delete(draw));
      draw();
    }

    /** @param {KeyboardEvent} event */
    function keys(event) {
      if (event.key !== "Escape" || play.state !== "running") return;
      event.preventDefault();
      play.stop();
    }

    /** Which answer was at work when the tools were brought to the front. */
    let toolsOf = 0;
    let plansOf = 0; // and the plan

    const draw = oncePerFrame(() => {
      const [side] = play.sides;
      el.dataset.state = play.busy ? play.state : side.state;
      head.draw();
      drawAnswers();
      status.draw();
      filling(side);
      tabs.offer("plan", plan.there());
      if (side.phase === "plan" && plansOf !== side.number) {
        plansOf = side.number;
        tabs.open("plan");
      }
      tabs.draw();
      const waits = model.get("tool_names").length && play.state === "running" && places.tools.querySelector(".mf-lane");
      if (waits && toolsOf !== side.number && tabs.current() === "structure" && !side.schema) {
        toolsOf = side.number;
        tabs.open("tools");
      }
    });

    let filled = "";
    listen();

    /** @param {Side} side */
    function filling(side) {
      const key = `${side.number} ${side.seq} ${side.state}`;
      if (key === filled || side.state === "idle") return;
      filled = key;
      const decoded = { rows: side.state === "complete" && side.rows.length ? side.rows : null, error: side.error };
      if (side.schema) picker.show({ text: side.prefill + side.text, done: side.over, ...decoded });
    }
  }
});

/** @param {Event} event */
function positionOf(event) {
  return event instanceof CustomEvent ? event.detail.position : -1;
}

/**
 * Draw a widget in a place of ours.
 * @param {Child} child
 * @param {HTMLElement} place
 * @param {AbortSignal} signal
 */
async function draws(child, place, signal) {
  const el = element("div");
  place.append(el);
  await child.render({ el, signal });
}

/**
 * @param {Play} play
 * @param {HTMLElement} schema
 * @param {{ run: () => void, code: () => void }} does
 * @param {AbortSignal} signal
 */
function header(play, schema, does, signal) {
  const { model } = play;
  const options = element("span", { class: "mf-options" });
  const tools = element("span", { class: "mf-options" });
  const first = modelSelect(play, 0, signal);
  const second = modelSelect(play, 1, signal);
  const code = button("❐ code", "copy the code that asks the same", does.code);
  const stop = button("■ stop", "stop (Esc)", () => play.stop());
  const run = button("▶ run", "run (Shift-Enter)", does.run);
  const node = element(
    "header",
    { class: "mf-header" },
    first,
    options,
    second,
    element("label", { class: "mf-schema" }, "schema", schema),
    tools,
    element("span", { class: "mf-acts" }, code, stop, run),
  );

  function draw() {
    const names = model.get("tool_names");
    options.textContent = model.get("model_options");
    tools.textContent = names.length ? `tools ${names.length}` : "";
    tools.title = names.join(", ");
    run.toggleAttribute("disabled", !play.free);
    stop.toggleAttribute("disabled", play.state !== "running");
  }

  return { node, draw };
}

/**
 * @param {Play} play
 * @param {number} side 1 for the model to compare with
 * @param {AbortSignal} signal
 */
function modelSelect(play, side, signal) {
  const { model } = play;
  const label = side ? "compare with" : "model";
  const node = /** @type {HTMLSelectElement} */ (element("select", { class: "mf-model", "aria-label": label, title: label }));
  let drawn = "";
  const draw = () => {
    const key = JSON.stringify(model.get("offered"));
    if (key !== drawn) fill();
    drawn = key;
    node.value = model.get("chosen")[side];
  };
  const fill = () => {
    const none = side ? [element("option", { value: "" }, "compare with –")] : [];
    const offered = model.get("offered").map((name) => element("option", { value: name }, side ? `± ${name}` : name));
    node.replaceChildren(...none, ...offered);
  };
  node.addEventListener("change", () => model.send({ type: "pick", side, name: node.value }));
  // A cell may have made a model since: look again when somebody is about to pick.
  for (const event of ["pointerenter", "focus"]) node.addEventListener(event, () => model.send({ type: "models" }));
  onChange(model, ["offered", "chosen"], draw, signal);
  draw();
  return node;
}
