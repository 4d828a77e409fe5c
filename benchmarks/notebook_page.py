"""What a person at the screen notices: frames, long tasks, bytes and waits, in real JupyterLab and Chromium.

A part of ``benchmarks/notebook.py``. Frames are counted by ``requestAnimationFrame``, long tasks by the browser's
``PerformanceObserver``, bytes at the page's websocket. The browser draws without a graphics card and shares the cores
with server and kernel; the load is next to the figures. The CPU time of the tasks comes from the browser's own trace,
so other programs do not count.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))  # the browser tests' JupyterLab

from tests.browser.chromium import ARGUMENTS, find_chromium
from tests.browser.lab import Lab, Notebook

__all__ = ["Felt", "page_figures"]

FRAME_MS = 50.0
LONG_TASK_MS = 100.0
KILOBYTES_A_SECOND = 40.0
DRAWN_MS = 300.0
SECONDS_A_FRAME = 1 / 60

MODEL = """import msgspec, time
import msgflux_nb as mf

def model(name):
    return mf.Model.chat_completion(name, base_url={url!r}, api_key='x', max_retries=0)
"""
WATCH = """() => {
  window.felt = { frames: [], tasks: [], on: true };
  const heard = (list) => felt.tasks.push(...list.getEntries().map((entry) => entry.duration));
  new PerformanceObserver(heard).observe({ type: "longtask" });
  let before = performance.now();
  const step = (now) => {
    if (!felt.on) return;
    felt.frames.push(now - before);
    before = now;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}"""
SCROLL = """async (selector) => {
  const all = [...document.querySelectorAll(selector)].filter((node) => node.scrollHeight > node.clientHeight + 40);
  const box = all.sort((a, b) => b.scrollHeight - a.scrollHeight)[0];
  if (!box) throw new Error("nothing scrolls");
  box.scrollTop = 0;
  await new Promise((done) => setTimeout(done, 500));
  felt.frames = []; felt.tasks = [];
  const length = box.scrollHeight - box.clientHeight;
  for (let frame = 0; frame <= 120; frame += 1) {
    box.scrollTop = (length * frame) / 120;
    await new Promise(requestAnimationFrame);
  }
  return [box.scrollHeight, length];
}"""
# One row per millisecond, as fast as the fastest models here.
ROWS = """
import asyncio
from typing import Literal

class Sighting(msgspec.Struct):
    species: str
    count: int
    place: str | None
    behaviour: Literal["feeding", "resting", "singing", "flying"]
    distance: float

SPECIES = ["Teal", "Lapwing", "Reed bunting", "Marsh harrier", "Kingfisher", "Little egret", "Starling"]
"""


class Felt(NamedTuple):
    """One figure; ``reached`` is None for a figure without a goal."""

    what: str
    value: str
    goal: str = "–"
    reached: bool | None = None


def page_figures(url: str, *, runs: int, rows: int, tokens: int) -> Iterator[Felt]:
    """Open JupyterLab in Chromium and measure each case.

    Args:
        url: a server that answers at a steady pace.
        runs: how often a Playground is drawn.
        rows: the rows of the watched table.
        tokens: the tokens of each of two answers that stream next to each other.
    """
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        lab = Lab(Path(folder))
        try:
            yield from _drawn(lab, browser, url, runs)
            for kind in ("prose", "table"):
                yield from _two_columns(lab, browser, url, tokens, kind)
            yield from _scrolled(lab, browser, url)
            yield from _watched_table(lab, browser, url, rows)
        finally:
            browser.close()
            lab.stop()


@contextlib.contextmanager
def _opened(lab: Lab, browser: Browser, cells: list[str]) -> Iterator[Notebook]:
    path = lab.write(f"bench-{time.monotonic_ns()}.ipynb", cells)
    notebook = lab.open(browser, path, viewport={"width": 1440, "height": 1000})
    try:
        yield notebook
    finally:
        notebook.shut_down_kernel()
        notebook.close()


def _felt(page: Page) -> tuple[list[float], list[float]]:
    """Return the frames and long tasks since the beginning, in milliseconds."""
    told: dict[str, Any] = page.evaluate("() => ({ frames: felt.frames, tasks: felt.tasks })")
    return sorted(told["frames"]), sorted(told["tasks"])


def _frames(what: str, frames: list[float], *, goal: float = FRAME_MS) -> Iterator[Felt]:
    middle, late = statistics.median(frames), frames[int(0.99 * len(frames))]
    over = sum(frame > goal for frame in frames)
    yield Felt(f"{what}: frames", f"{middle:,.0f} ms median, {late:,.0f} ms of 99 in 100, {len(frames):,} frames")
    yield Felt(
        f"{what}: longest frame",
        f"{frames[-1]:,.0f} ms, {over} over {goal:,.0f} ms",
        f"at most {goal:,.0f} ms",
        frames[-1] <= goal,
    )


def _heard(page: Page) -> list[tuple[float, int]]:
    """Return a list that gets the time and the size of each frame of the page's next websockets."""
    received: list[tuple[float, int]] = []

    def listen(socket: Any) -> None:
        socket.on("framereceived", lambda data: received.append((time.monotonic(), len(data))))

    page.on("websocket", listen)
    return received


def _told(what: str, size: int, seconds: float) -> Felt:
    rate = size / 1000 / seconds
    return Felt(
        f"{what}: to the page",
        f"{size / 1000:,.0f} kB, {rate:,.1f} kB a second",
        f"at most {KILOBYTES_A_SECOND:,.0f} kB a second",
        rate <= KILOBYTES_A_SECOND,
    )


@contextlib.contextmanager
def _traced(browser: Browser, page: Page) -> Iterator[list[float]]:
    """Trace the page; at the end the list has the CPU times of its main thread's tasks in milliseconds, sorted."""
    times: list[float] = []
    browser.start_tracing(page=page, categories=["-*", "toplevel", "__metadata"])
    try:
        yield times
    finally:
        events = json.loads(browser.stop_tracing())["traceEvents"]
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    found: dict[tuple[int, int], list[float]] = {}
    for event in events:
        thread = event["pid"], event["tid"]
        if event["name"] == "ThreadControllerImpl::RunTask" and names.get(thread) == "CrRendererMain":
            found.setdefault(thread, []).append(event.get("tdur", 0) / 1000)
    times += sorted(max(found.values(), key=sum))  # of several pages, the one that works


def _cpu(what: str, times: list[float], seconds: float) -> Iterator[Felt]:
    """The CPU time of a page's tasks, with JupyterLab's own and the browser's garbage collection."""
    late, share = times[int(0.999 * len(times))], sum(times) / seconds / 10
    yield Felt(
        f"{what}: CPU time of the page's tasks",
        f"longest {times[-1]:,.0f} ms, {late:,.0f} ms of 999 in 1,000, {share:,.0f} % of a core",
    )


def _drawn(lab: Lab, browser: Browser, url: str, runs: int) -> Iterator[Felt]:
    """Measure the time from the end of a cell, on the page, until a person can write into a Playground."""
    setup = MODEL.format(url=url)
    shows = "playground = mf.Playground(model('prose-10-plain'))\nplayground"
    # By the page's clock; the cell has ended when the kernel's reply has arrived.
    waits = """async (index) => {
      const panel = window.jupyterapp.shell.currentWidget;
      const kernel = panel.sessionContext.session.kernel;
      panel.content.activeCellIndex = index;
      let ended = 0;
      const heard = (_, { msg }) => {
        if (msg.header.msg_type === "execute_reply") ended ||= performance.now();
      };
      kernel.anyMessage.connect(heard);
      window.jupyterapp.commands.execute("notebook:run-cell");
      // JupyterLab may replace the cell's element, so find it again in each frame.
      const cell = () => document.querySelector(`.jp-Cell[data-windowed-list-index="${index}"]`);
      const fields = () => [...(cell()?.querySelectorAll(".msgflux-playground textarea") ?? [])];
      const field = () => fields().find((one) => one.offsetHeight > 0);
      const until = performance.now() + 30_000;
      while (!(field() && ended)) {
        if (performance.now() > until) {
          throw new Error(`cell ${index}: ended at ${ended}, ${cell()?.innerText.slice(0, 300)}`);
        }
        await new Promise(requestAnimationFrame);
      }
      kernel.anyMessage.disconnect(heard);
      return performance.now() - ended;
    }"""
    with _opened(lab, browser, [setup, *[shows] * (runs + 1)]) as notebook:
        notebook.run_cell(0)
        times = []
        for index in range(1, runs + 2):
            notebook.show_cell(index)
            notebook.page.wait_for_timeout(300)
            times.append(notebook.page.evaluate(waits, index))
            notebook.wait_idle()
        first, rest = times[0], times[1:]
    middle = statistics.median(rest)
    yield Felt("a Playground: drawn after its cell's end, the first in a notebook", f"{first:,.0f} ms")
    yield Felt(
        f"a Playground: drawn after its cell's end, median of {len(rest)}",
        f"{middle:,.0f} ms ({min(rest):,.0f}–{max(rest):,.0f})",
        f"at most {DRAWN_MS:,.0f} ms",
        middle <= DRAWN_MS,
    )


def _two_columns(lab: Lab, browser: Browser, url: str, tokens: int, kind: str) -> Iterator[Felt]:
    """Measure two answers next to each other, at a hundred tokens per second each: frames, and bytes to the page."""
    name = f"{kind}-{tokens}-paced10000"
    show = f"playground = mf.Playground(model({name!r}), compare=model({name!r}), prompt='Write.')\nplayground"
    with _opened(lab, browser, [MODEL.format(url=url) + show, "playground.run()"]) as notebook:
        page = notebook.page
        received = _heard(page)
        notebook.run_cell(0)
        notebook.show_cell(0)
        page.wait_for_selector(".msgflux-playground textarea:visible")
        notebook.run_cell(1)
        page.wait_for_timeout(500)
        seconds = tokens / 100 - 1.5
        with _traced(browser, page) as times:
            page.evaluate(WATCH)
            before, began = len(received), time.monotonic()
            page.wait_for_timeout(1000 * seconds)
            size, took = sum(amount for _, amount in received[before:]), time.monotonic() - began
            frames, tasks = _felt(page)
    what = f"two columns of {kind}, 100 tokens a second each"
    yield from _frames(what, frames)
    yield from _cpu(what, times, seconds)
    yield Felt(f"{what}: long tasks", f"{len(tasks)}, longest {max(tasks, default=0):,.0f} ms")
    yield _told(what, size, took)


def _scrolled(lab: Lab, browser: Browser, url: str) -> Iterator[Felt]:
    """Measure a long conversation and a long answer, scrolled from end to end in two seconds."""
    text = "words = 'The sea is wide, and **nobody** knows how deep. ' * 12\n"
    turns = "turns = [{'role': role, 'content': words} for _ in range(30) for role in ('user', 'assistant')]\n"
    long = "'\\n\\n'.join('A paragraph of *some* words, number %d. ' % n * 6 for n in range(130))[:30000]"
    answer = f"turns = [{{'role': 'user', 'content': 'Write.'}}, {{'role': 'assistant', 'content': {long}}}]\n"
    show = "playground = mf.Playground(model('prose-10-plain'), messages=turns)\nplayground"
    for what, made in (("60 turns", text + turns), ("an answer of 30,000 characters", answer)):
        with _opened(lab, browser, [MODEL.format(url=url) + made + show]) as notebook:
            notebook.run_cell(0)
            notebook.show_cell(0)
            page = notebook.page
            page.wait_for_selector(".msgflux-playground textarea:visible")
            page.wait_for_timeout(1000)
            page.evaluate(WATCH)
            height, _ = page.evaluate(SCROLL, ".msgflux-playground *")
            frames, _tasks = _felt(page)
        middle = statistics.median(frames)
        late = frames[int(0.95 * len(frames))]
        yield Felt(
            f"{what}, {height:,} px scrolled in 120 steps",
            f"{1000 / middle:,.0f} frames a second, {late:,.0f} ms of 95 in 100, longest {frames[-1]:,.0f} ms",
            "60 frames a second",
            middle <= 1000 * SECONDS_A_FRAME + 0.5,
        )


def _watched_table(lab: Lab, browser: Browser, url: str, rows: int) -> Iterator[Felt]:
    """Measure a batch in an ExtractionView: frames on the page, and bytes to it."""
    scripted = (
        "from tests.tables.scripted_model import Metadata, Scripted, Usage\n"
        "def answer(text):\n"
        "    n = int(text.split()[1])\n"
        "    if n % 97 == 0:\n"
        "        raise mf.ValidationFailedError(f'count: expected int, got {n!r}')\n"
        "    return Sighting(SPECIES[n * n % 7], n % 41, None if n % 9 == 0 else f'place {n % 23}',\n"
        "                    ('feeding', 'resting', 'singing', 'flying')[n % 4], n % 500 / 7)\n"
        f"view = mf.ExtractionView([f'text {{n}}' for n in range({rows})], Sighting, store=False,\n"
        "    model=Scripted(answer, delay=0.015, parallel=16, metadata=Metadata(usage=Usage(100, 20), cost=0.0001)))\n"
        "view"
    )
    with _opened(lab, browser, [MODEL.format(url=url) + ROWS + scripted, "view.run()"]) as notebook:
        page = notebook.page
        received = _heard(page)
        notebook.run_cell(0)
        notebook.show_cell(0)
        page.wait_for_selector(".msgflux-extraction")
        page.evaluate(WATCH)
        began = time.monotonic()
        page.evaluate("() => { window.felt.tasks = []; window.felt.frames = []; }")
        with _traced(browser, page) as times:
            notebook.run_cell(1)
            page.wait_for_selector(".msgflux-twin:visible", timeout=600_000)
            seconds = time.monotonic() - began
            frames, tasks = _felt(page)
        size = sum(amount for at, amount in received if at >= began)
    what = f"ExtractionView, {rows:,} rows in {seconds:,.0f} s"
    yield from _frames(what, frames, goal=LONG_TASK_MS)
    yield from _cpu(what, times, seconds)
    longest = max(tasks, default=0.0)
    yield Felt(
        f"{what}: long tasks",
        f"{len(tasks)}, longest {longest:,.0f} ms",
        f"at most {LONG_TASK_MS:,.0f} ms",
        longest <= LONG_TASK_MS,
    )
    yield _told(what, size, seconds)
