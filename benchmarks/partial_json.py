"""The time to parse JSON in 4-byte fragments and read it after each, compared with jiter, ijson and LangChain.

    python benchmarks/partial_json.py [--runs 3] [--peers FOLDER]

It installs jiter and ijson into a temporary folder, never into this environment. To keep the folder, and to include
LangChain's parser, make it first:

    pip install --target /tmp/peers jiter ijson langchain-core
    python benchmarks/partial_json.py --peers /tmp/peers

It prints CPU time of this process, as the median of runs by turns; the ratios decide. A parser that would take longer
than 30 s, because each read parses everything again, is estimated from evenly spaced reads and marked ≈.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from typing import Any

from stream import load, machine

from msgflux_nb.protocol.partial_json import PartialJSON

FRAGMENT = 4
LIMIT_SECONDS = 30
LOOKS = 25  # evenly spaced reads, for an estimate
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
VALUE, TAIL = "ours, `value`", "ours, `open_string`"
Step, Result = Callable[[str], None], Callable[[], Any]
Measure = Callable[[str], tuple[float, bool]]  # document → CPU seconds, and whether they are estimated


def nested(size: int) -> str:
    """Return usual arguments of a tool: objects in a list, short texts, numbers, escapes."""
    rng = random.Random(7)
    items: list[dict[str, Any]] = []
    length = 0
    while length < size:
        note = " ".join(rng.choices(WORDS, k=12)) + ' "quoted" é\n'
        item = {"id": len(items), "name": " ".join(rng.choices(WORDS, k=2)), "score": round(rng.random(), 4)}
        items.append({**item, "active": rng.random() < 0.5, "parent": None, "tags": rng.sample(WORDS, 3), "note": note})
        length += len(json.dumps(items[-1])) + 2
    return json.dumps({"title": "extraction", "items": items})


def giant(size: int) -> str:
    """Return the arguments of a tool that writes a file."""
    return json.dumps({"text": " ".join(random.Random(7).choices(WORDS, k=size // 3))[:size]})


def ours_by_value() -> tuple[Step, Result]:
    parser = PartialJSON()

    def step(fragment: str) -> None:
        parser.feed(fragment)
        _ = parser.value

    return step, lambda: parser.value


def ours_by_tail() -> tuple[Step, Result]:
    parser, look = PartialJSON(), None

    def step(fragment: str) -> None:
        nonlocal look
        parser.feed(fragment)
        look = parser.open_string(look)

    return step, lambda: parser.value


def by_ijson(ijson: Any) -> tuple[Step, Result]:
    """Push into ijson, whose result can be read at any time, but with a string only once it has ended."""
    events, builder = ijson.sendable_list(), ijson.common.ObjectBuilder()
    parser = ijson.basic_parse_coro(events, use_float=True)

    def step(fragment: str) -> None:
        parser.send(fragment.encode())
        for event, value in events:
            builder.event(event, value)
        del events[:]

    return step, lambda: builder.value


def growing(begin: Callable[[], tuple[Step, Result]]) -> Measure:
    """Measure a parser that continues where it was."""

    def seconds(step: Step, text: str) -> float:
        fragments = [text[start : start + FRAGMENT] for start in range(0, len(text), FRAGMENT)]
        began = time.process_time()
        for fragment in fragments:
            step(fragment)
        return time.process_time() - began

    def measure(document: str) -> tuple[float, bool]:
        step, result = begin()
        taken, part, window = 0.0, len(document) // LOOKS, LOOKS * FRAGMENT
        for start in range(0, part * LOOKS, part):  # fragments in the middle of each part, the rest at once
            middle = start + part // 2
            step(document[start:middle])
            taken += seconds(step, document[middle : middle + window])
            step(document[middle + window : start + part])
        estimate = taken * part / window
        if estimate > LIMIT_SECONDS:
            return estimate, True
        step, result = begin()
        taken = seconds(step, document)
        assert result() == json.loads(document)
        return taken, False

    return measure


def restarting(read: Callable[[Any], Any], encode: Callable[[str], Any]) -> Measure:
    """Measure a parser that parses everything again for each fragment; cutting the text is not counted."""

    def seconds(text: Any, ends: Iterable[int]) -> float:
        taken = 0.0
        for end in ends:
            beginning = text[:end]
            began = time.process_time()
            read(beginning)
            taken += time.process_time() - began
        return taken

    def measure(document: str) -> tuple[float, bool]:
        text, fragments = encode(document), len(document) / FRAGMENT
        assert read(text) == json.loads(document)
        ends = [round((look + 0.5) / LOOKS * fragments) * FRAGMENT for look in range(LOOKS)]
        estimate = seconds(text, ends) / LOOKS * fragments
        if estimate > LIMIT_SECONDS:
            return estimate, True
        return seconds(text, range(FRAGMENT, len(text) + FRAGMENT, FRAGMENT)), False

    return measure


def parsers() -> dict[str, Measure]:
    """Return our parser and those of installed peers."""
    found = {VALUE: growing(ours_by_value), TAIL: growing(ours_by_tail)}
    for name in ("jiter", "ijson", "langchain_core.utils.json"):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            print(f"Without {name.partition('.')[0]} ({error}); the head of this file says how to install it.\n")
            continue
        if name == "jiter":
            read = partial(module.from_json, partial_mode="trailing-strings")
            found[f"jiter {module.__version__}"] = restarting(read, str.encode)
        elif name == "ijson":
            found[f"ijson {module.__version__} ({module.backend})"] = growing(partial(by_ijson, module))
        else:
            found[f"langchain-core {version('langchain-core')}"] = restarting(module.parse_partial_json, str)
    return found


def report(name: str, sizes: list[int], make: Callable[[int], str], runs: int) -> None:
    """Print the rows of one kind of document."""
    smallest: dict[str, float] = {}
    for size in sizes:
        document = make(size)
        fragments = len(document) / FRAGMENT
        taken: dict[str, list[tuple[float, bool]]] = {parser: [] for parser in PARSERS}
        for _ in range(runs):
            for parser, measure in PARSERS.items():
                taken[parser].append(measure(document))
        seconds = {parser: statistics.median(each for each, _ in times) for parser, times in taken.items()}
        for parser, each in seconds.items():
            about = "≈ " if any(estimated for _, estimated in taken[parser]) else ""
            cost = each / fragments * 1e6
            ratios = [each / seconds[VALUE], each / seconds[TAIL], cost / smallest.setdefault(parser, cost)]
            row = [f"{name}, {size // 1000:,} kB", parser, f"{about}{cost:,.2f}", f"{about}{each:,.3f}"]
            print(f"| {' | '.join([*row, *(f'{ratio:,.2f}' for ratio in ratios)])} |", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--peers", help="a folder with the peers, as pip install --target makes it")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if chosen.peers is None:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", temporary, "jiter", "ijson"]
            subprocess.run(pip, check=False)
        sys.path.append(chosen.peers or temporary)
        PARSERS = parsers()
        print(f"{datetime.date.today()}, {machine()}, load {load()} before. msgflux-nb {version('msgflux-nb')}.\n")
        print(f"| document | parser | µs a fragment | CPU s | ÷ {VALUE} | ÷ {TAIL} | µs ÷ smallest |")
        print("|---|---|--:|--:|--:|--:|--:|")
        report("nested", [20_000, 200_000, 2_000_000], nested, chosen.runs)
        report("one string", [200_000, 2_000_000], giant, chosen.runs)
