// @ts-check
// All calls of a run as they are drawn, live or in a twin: header, slider, lanes, answer.

/** @type {Record<string, [shape: string, word: string]>} */
const RUN_STATES = {
  idle: ["○", "ready"],
  running: ["●", "running"],
  asked: ["?", "waiting for you"],
  complete: ["✓", "complete"],
  stopped: ["■", "stopped"],
  failed: ["✕", "failed"],
};

/**
 * The whole view: header, slider, lanes, answer, status.
 * @param {CallStore} store
 * @param {HTMLElement} el
 * @param {{ live: boolean, signal: AbortSignal }} options
 */
function callBoard(store, el, { live, signal }) {
  const state = badge();
  const count = element("span", { class: "mf-figures" });
  const waiting = button("decide", "go to the call that waits for you", () => goTo(store.open[0]));
  const all = button("approve all", "let every call that waits run", approveAll);
  const stop = button("■ stop", "stop (Esc)", () => store.model?.send({ type: "stop" }));
  const line = scrubber(
    { timeline: () => store.timeline, changed: () => store.tell(), touched, busy: () => store.told.state === "running" },
    signal,
  );
  const lanes = element("div", { class: "mf-lanes", role: "group", "aria-label": "calls" });
  const hint = element("p", { class: "mf-hint" }, "Tool calls appear here, fragment by fragment, as a model writes them.");
  const answer = element("div", { class: "mf-answer-text" });
  const said = element("section", { class: "mf-said-last", hidden: true }, element("div", { class: "mf-role" }, "assistant"), answer);
  const error = element("div", { class: "mf-error", role: "alert", hidden: true });
  const figures = element("span", { class: "mf-figures" });
  const spoken = element("div", { class: "mf-hidden", role: "status" });
  const head = element("header", { class: "mf-header" }, element("b", { class: "mf-title" }, "tool calls"), state.node, count);
  head.append(...(live ? [waiting, all, stop] : []), line.node);
  const body = element("div", { class: "mf-body" }, hint, lanes, said, error);
  el.append(head, body, element("footer", { class: "mf-status" }, figures), spoken);
  /** @type {{ view: ReturnType<typeof laneView>, drawn: string, told: string }[]} */
  let views = [];
  /** @type {Timeline | null} */
  let timeline = null;

  /** Ask the kernel to leave the live view alone, once. */
  function touched() {
    if (live && !el.dataset.kept) store.model?.send({ type: "keep" });
    el.dataset.kept = "true";
  }

  /** @param {number} number */
  function goTo(number) {
    if (!store.timeline.following) store.timeline.follow();
    store.tell();
    requestAnimationFrame(() => {
      const control = /** @type {HTMLElement | null} */ (views[number]?.view.node.querySelector(".mf-main"));
      control?.scrollIntoView({ block: "nearest" });
      control?.focus();
    });
  }

  function approveAll() {
    for (const lane of store.open) store.decide(lane, "approve");
  }

  const board = {
    tools: () => store.told.tools,
    timeline: () => store.timeline,
    get hands() {
      return live ? store.hands : null;
    },
    /**
     * @param {LaneTrack} track
     * @param {number} fragments
     */
    seek: (track, fragments) => line.seek(fragments ? track.moments[fragments - 1] + 1 : 0),
  };

  /** @param {LaneTrack} track */
  function addLane(track) {
    const view = laneView(track, board);
    const before = store.timeline.tracks[track.number - 1];
    if (before && before.card.step !== track.card.step) {
      lanes.append(element("div", { class: "mf-step mf-role" }, `step ${track.card.step}`));
    }
    view.node.setAttribute("tabindex", track.number ? "-1" : "0");
    lanes.append(view.node);
    views.push({ view, drawn: "", told: "" });
  }

  function drawLanes() {
    if (timeline !== store.timeline) {
      timeline = store.timeline;
      views = [];
      lanes.replaceChildren();
    }
    const atEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 24;
    const known = views.length;
    for (const track of timeline.tracks.slice(views.length)) addLane(track);
    const news = [];
    for (const [number, one] of views.entries()) {
      const track = timeline.tracks[number];
      const { count: fragments, phase, settled, begun } = timeline.look(track);
      const key = [fragments, phase, settled, begun, track.version, timeline.following].join();
      if (key === one.drawn) continue;
      one.drawn = key;
      const told = one.view.draw();
      if (told !== one.told && one.told) news.push(told);
      one.told = told;
    }
    if (news.length && timeline.following) spoken.textContent = news.slice(-3).join("; ");
    if (views.length > known && known && atEnd && timeline.following) body.scrollTop = body.scrollHeight;
  }

  function drawRest() {
    const { told, timeline: time, problem } = store;
    const waits = store.open.length;
    const key = waits && told.state === "running" ? "asked" : told.state;
    state.draw(key, RUN_STATES[key]);
    count.textContent = time.tracks.length ? countText(time.tracks.length, "call") : "";
    waiting.hidden = !waits;
    all.hidden = waits < 2;
    stop.hidden = !told.running;
    hint.hidden = time.tracks.length > 0 || told.state !== "idle";
    said.hidden = !told.answer;
    said.classList.toggle("mf-unseen", time.shown < time.times.length);
    if (answer.textContent !== told.answer) answer.textContent = told.answer;
    const wrong = problem ?? told.error;
    error.hidden = !wrong;
    const text = wrong ? wrong.join(": ") : "";
    if (error.textContent !== text) error.textContent = text;
    figures.textContent = [...told.status, told.note ?? ""].filter(Boolean).join(" · ");
  }

  const draw = oncePerFrame(() => {
    if (signal.aborted) return;
    drawLanes();
    line.draw();
    drawRest();
  });

  lanes.addEventListener("keydown", (event) => {
    const nodes = views.map(({ view }) => view.node);
    const place = nodes.indexOf(/** @type {HTMLElement} */ (event.target));
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (place < 0 || step === undefined) return;
    event.preventDefault();
    const next = nodes[Math.max(0, Math.min(place + step, nodes.length - 1))];
    nodes[place].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
  el.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && store.told.running) store.model?.send({ type: "stop" });
  });
  store.listeners.add(draw);
  signal.addEventListener("abort", () => store.listeners.delete(draw));
  store.tell();
}

/**
 * Put the replay into the place of a twin's static cards.
 * @param {HTMLOrSVGScriptElement | null} script the one that runs
 */
function replayInTwin(script) {
  const twin = script?.closest(".msgflux-twin");
  const still = twin?.querySelector(".msgflux-static");
  const data = twin?.querySelector("script[type='application/json']")?.textContent;
  if (!twin || !data || !(still instanceof HTMLElement)) return;
  const store = new CallStore(null);
  store.load(JSON.parse(data));
  const el = element("div");
  rootOf(el, "msgflux-tool-calls", "tool calls, as a replay");
  callBoard(store, el, { live: false, signal: new AbortController().signal });
  still.hidden = true;
  twin.append(el);
}
