"""The time of a frame of ``PlanView`` in Chromium while a plan grows and while it is replayed.

    python benchmarks/plan_frames.py [--batches 50]

The moments come from real drivers without a model: a tree of 500 thoughts on four levels, and 40 chains, in batches as
a view sends them, 25 per second. A frame is all work of the page for a batch: script, drawing, style and layout. The
goal is less than 50 ms.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Page, sync_playwright
from stream import load, machine

import msgflux_nb as mf
from msgflux_nb.widgets.plan.plan_view import PlanView
from tests.browser.chromium import ARGUMENTS, find_chromium
from tests.browser.page_server import page_server
from tests.browser.widget_page import WidgetPage

GOAL_MS = 50
MEASURE = """(batches) => new Promise((done) => {
  const times = [];
  const next = () => {
    const batch = batches.shift();
    if (!batch) return done(times);
    const began = performance.now();
    model.deliver(batch, []);
    requestAnimationFrame(() => {
      // The page has drawn in this frame, before this callback; style and layout are still to be done.
      document.querySelector(".msgflux-plan").getBoundingClientRect();
      times.push(performance.now() - began);
      setTimeout(next, 5);
    });
  };
  next();
})"""
REPLAY = """(places) => new Promise((done) => {
  const rail = document.querySelector(".mf-rail");
  const box = rail.getBoundingClientRect();
  const times = [];
  const next = () => {
    const place = places.shift();
    if (place === undefined) return done(times);
    const began = performance.now();
    const at = { clientX: box.left + place * box.width, clientY: box.top + 2, buttons: 1, bubbles: true };
    rail.dispatchEvent(new PointerEvent("pointermove", at));
    requestAnimationFrame(() => {
      document.querySelector(".msgflux-plan").getBoundingClientRect();
      times.push(performance.now() - began);
      setTimeout(next, 5);
    });
  };
  next();
})"""


class Telling(PlanView):
    """A view that keeps its messages."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__()

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(content)


def tree(on_event: Callable[[Any], Any]) -> Any:
    """Run a tree of 500 thoughts: 20 first ones, then 16 for each of ten kept ones, on three more levels."""
    words = "then the next step is to look at what is left of it"

    def propose(path: tuple[str, ...]) -> list[str]:
        return [f"{words[: 12 + 3 * n]} {n}" for n in range(16 if path else 20)]

    return mf.plan.tree_of_thoughts(
        None,
        "a long search",
        breadth=10,
        depth=4,
        propose=propose,
        value=lambda path: (number(path) % 1000) / 1000,
        check=lambda path: False if number(path) % 7 == 0 else None,
        on_event=on_event,
    )


def number(path: tuple[str, ...]) -> int:
    return zlib.crc32("".join(path).encode())


def vote(on_event: Callable[[Any], Any]) -> Any:
    """Run a vote of 40 long chains."""
    answers = [n % 5 if n % 9 else "no number" for n in range(40)]
    given = iter(answers)
    return mf.plan.self_consistency(lambda task: next(given), "?", n=40, answer=int, on_event=on_event)


def messages(run: Callable[..., Any], batches: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a view's first message, and its moments in batches."""
    with closing(Telling()) as view:
        run(view.on_event)
        view._sender.flush()
        told = view.sent
    number = max(message["run"] for message in told)
    moments = [moment for message in told for moment in message.get("moments", ())]
    head = next(message["head"] for message in told if message.get("head", {}).get("kind"))
    first = [{"type": kind, "run": number, "state": "running", "head": head} for kind in ("start", "state")]
    size = -(-len(moments) // batches)
    parts = [moments[at : at + size] for at in range(0, len(moments), size)]
    return first, [{"type": "batch", "run": number, "seq": seq, "moments": part} for seq, part in enumerate(parts, 1)]


def measured(page: Page, run: Callable[..., Any], batches: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each frame, while the plan grows and while it is replayed."""
    widget = WidgetPage(page, PlanView, {"plan": {}})
    first, rest = messages(run, batches)
    widget.deliver(*first)
    widget.settle()
    grown = page.evaluate(MEASURE, rest)
    page.locator(".mf-rail").focus()
    places = [n / 40 for n in range(41)] + [n / 40 for n in range(40, -1, -1)]
    replayed = page.evaluate(REPLAY, places)
    errors = widget.errors()
    if errors:
        raise SystemExit("\n".join(errors))
    return grown, replayed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batches", type=int, default=50)
    options = parser.parse_args()
    print(f"{datetime.date.today()}, {machine()}, load {load()} before.\n")
    print("| plan | | frames | median ms | 95% ms | longest ms | goal |")
    print("|---|---|--:|--:|--:|--:|---|")
    with page_server() as arguments, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*ARGUMENTS, *arguments])
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        for name, run in (("tree of 500 thoughts", tree), ("40 chains", vote)):
            measured(page, run, options.batches)  # warm up the page's compiler
            for what, times in zip(("grows", "replayed"), measured(page, run, options.batches), strict=True):
                high = sorted(times)[int(0.95 * (len(times) - 1))]
                reached = "reached" if high < GOAL_MS else "missed"
                middle = statistics.median(times)
                told = f"{middle:.1f} | {high:.1f} | {max(times):.1f} | less than {GOAL_MS} ms, 95%: {reached}"
                print(f"| {name} | {what} | {len(times)} | {told} |")
        browser.close()
    print(f"\nload {load()} after")


if __name__ == "__main__":
    main()
