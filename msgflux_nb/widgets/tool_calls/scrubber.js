// @ts-check
// The slider over a stream: forwards, back, at any speed; it follows the end of a stream until it is touched.

const SPEEDS = [0.25, 0.5, 1, 2, 4, 16];

/**
 * @param {{ timeline: () => Timeline, changed: () => void, touched: () => void, busy: () => boolean }} board
 * @param {AbortSignal} signal
 */
function scrubber(board, signal) {
  const slider = /** @type {HTMLInputElement} */ (
    element("input", { type: "range", class: "mf-slider", min: "0", max: "0", step: "any", "aria-label": "replay" })
  );
  const play = button("▶", "play", () => (playing ? pause() : start()), "mf-button mf-play");
  const end = button("end", "go to the end, and follow it", toEnd);
  const time = element("span", { class: "mf-figures mf-time" });
  const speed = /** @type {HTMLSelectElement} */ (
    element("select", { "aria-label": "speed" }, ...SPEEDS.map((each) => element("option", { value: String(each) }, `${each}×`)))
  );
  const node = element("div", { class: "mf-scrubber" }, play, slider, time, speed, end);
  let playing = false;
  let place = 0; // while it plays, between two moments
  let before = 0;
  speed.value = "1";
  speed.addEventListener("change", () => board.touched());

  function start() {
    const timeline = board.timeline();
    if (!timeline.times.length) return;
    playing = true;
    board.touched();
    const fromStart = timeline.shown === timeline.times.length && !board.busy();
    place = fromStart ? 0 : timeline.place(timeline.shown);
    if (fromStart) timeline.show(0);
    timeline.following = false;
    before = performance.now();
    requestAnimationFrame(step);
    board.changed();
  }

  function pause() {
    playing = false;
    board.changed();
  }

  /** @param {number} now */
  function step(now) {
    if (!playing || signal.aborted) return;
    const timeline = board.timeline();
    place += Math.max(0, now - before) * Number(speed.value);
    before = now;
    const count = timeline.countAt(place);
    if (count !== timeline.shown) {
      timeline.show(count);
      board.changed();
    }
    if (count < timeline.times.length) requestAnimationFrame(step);
    else if (board.busy()) toEnd();
    else pause();
  }

  function toEnd() {
    playing = false;
    board.timeline().follow();
    board.changed();
  }

  /** @param {number} count of moments */
  function seek(count) {
    playing = false;
    board.touched();
    board.timeline().show(count);
    board.changed();
  }

  slider.addEventListener("input", () => seek(board.timeline().countAt(Number(slider.value))));
  slider.addEventListener("keydown", (event) => {
    const { shown, times } = board.timeline();
    const page = Math.max(1, Math.round(times.length / 10));
    /** @type {Record<string, number>} */
    const targets = {
      ...{ ArrowLeft: shown - 1, ArrowDown: shown - 1, ArrowRight: shown + 1, ArrowUp: shown + 1 },
      ...{ PageDown: shown - page, PageUp: shown + page, Home: 0, End: times.length },
    };
    if (event.key === " ") (playing ? pause : start)();
    else if (event.key in targets) seek(targets[event.key]);
    else return;
    event.preventDefault();
  });

  function draw() {
    const timeline = board.timeline();
    const { shown, times, total } = timeline;
    const first = times[0] ?? 0;
    const now = secondsText((times[Math.max(0, shown - 1)] ?? 0) - first);
    slider.max = String(total);
    slider.value = String(playing ? Math.min(place, total) : timeline.place(shown));
    const whole = secondsText((times.at(-1) ?? 0) - first);
    const told = timeline.timeless ? `moment ${shown} of ${times.length}` : `${now} of ${whole}, moment ${shown} of ${times.length}`;
    slider.setAttribute("aria-valuetext", told);
    time.textContent = timeline.timeless ? "no times" : timeline.following || shown === times.length ? whole : `${now} / ${whole}`;
    time.title = told;
    play.textContent = playing ? "❚❚" : "▶";
    play.title = playing ? "pause" : "play";
    play.setAttribute("aria-label", play.title);
    end.toggleAttribute("disabled", timeline.following);
    for (const control of [play, slider, speed]) control.toggleAttribute("disabled", !times.length);
  }

  return { node, draw, seek };
}
