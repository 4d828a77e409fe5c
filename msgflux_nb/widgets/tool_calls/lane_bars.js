// @ts-check
// The times of a call's fragments: a bar for each, as high as the pause before it was long.

const BAR_WIDTH = 3;
const BAR_HEIGHT = 18;

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Element} children
 */
function svgElement(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** @param {number} ms */
function secondsText(ms) {
  return `${(ms / 1000).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })} s`;
}

/** @param {number} count @param {string} noun */
function countText(count, noun) {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * @param {LaneTrack} track
 * @param {(count: number) => void} seek called with how many fragments to show
 * @returns {{ node: HTMLElement, draw: (count: number) => void }}
 */
function fragmentBars(track, seek) {
  const before = svgElement("path", { class: "mf-bars-past" });
  const after = svgElement("path", { class: "mf-bars-rest" });
  const chart = svgElement("svg", { height: BAR_HEIGHT, role: "img", class: "mf-bars", preserveAspectRatio: "none" }, before, after);
  const figures = element("span", { class: "mf-figures" });
  const said = element("span", { class: "mf-figures mf-when" });
  const label = element("span", { class: "mf-role" }, "fragments");
  const node = element("div", { class: "mf-fragments" }, label, figures, chart, said);
  let drawn = "";
  let lasted = "";

  /** @param {MouseEvent} event */
  function binUnder(event) {
    const { left, width } = chart.getBoundingClientRect();
    return Math.floor(((event.clientX - left) / width) * track.gaps.bins.length);
  }

  /** @param {number} bin */
  function binText(bin) {
    const { size: each } = track.gaps;
    const [first, last] = [bin * each, Math.min((bin + 1) * each, track.times.length) - 1];
    const characters = track.length(last + 1) - track.length(first);
    const one = first === last;
    const which = one ? `#${first + 1}` : `#${first + 1}–${last + 1}`;
    const pause = first ? ` · ${one ? "" : "up to "}+${secondsText(track.gaps.bins[bin])}` : "";
    return `${which} · ${secondsText(track.times[last])}${pause} · ${countText(characters, "character")}`;
  }

  chart.addEventListener("mousemove", (event) => {
    const bin = binUnder(/** @type {MouseEvent} */ (event));
    said.textContent = bin >= 0 && bin < track.gaps.bins.length ? binText(bin) : lasted;
  });
  chart.addEventListener("mouseleave", () => {
    said.textContent = lasted;
  });
  chart.addEventListener("click", (event) => {
    const bin = binUnder(/** @type {MouseEvent} */ (event));
    if (bin >= 0 && bin < track.gaps.bins.length) seek(Math.min((bin + 1) * track.gaps.size, track.times.length));
  });

  /** @param {number} count */
  function draw(count) {
    const { bins, size: each } = track.gaps;
    const key = `${track.times.length} ${count}`;
    if (key === drawn) return;
    drawn = key;
    const longest = Math.max(1, ...bins);
    const past = Math.ceil(count / each);
    const bars = bins.map((gap, bin) => {
      const height = 2 + (BAR_HEIGHT - 2) * Math.sqrt(gap / longest);
      return `M${bin * BAR_WIDTH} ${BAR_HEIGHT}v-${height.toFixed(1)}h2v${height.toFixed(1)}z`;
    });
    before.setAttribute("d", bars.slice(0, past).join(""));
    after.setAttribute("d", bars.slice(past).join(""));
    chart.setAttribute("viewBox", `0 0 ${bins.length * BAR_WIDTH} ${BAR_HEIGHT}`);
    chart.setAttribute("width", String(bins.length * BAR_WIDTH));
    const whole = track.times.length.toLocaleString("en-US");
    figures.textContent = count < track.times.length ? `${count.toLocaleString("en-US")} / ${whole}` : whole;
    const first = track.times[0] ?? 0;
    said.textContent = lasted = track.times.length < 2 ? "" : secondsText((track.times[Math.max(0, count - 1)] ?? first) - first);
    const all = `${countText(track.times.length, "fragment")} in ${secondsText((track.times.at(-1) ?? 0) - first)}`;
    chart.setAttribute("aria-label", `${all}, longest pause ${secondsText(longest > 1 ? longest : Math.max(0, ...bins))}`);
  }

  return { node, draw };
}
