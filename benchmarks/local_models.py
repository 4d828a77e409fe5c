"""Compares the embedded models: accuracy, rows per second, memory, seconds to the first answer.

    python benchmarks/local_models.py [--only NAME ...] [--rows N] [--threads] [--quickstart]

The rows are in `data/local_models.jsonl`, invented for this and each with its truth: packages and persons to extract,
reviews to judge, tools to call, small sums. A cell is a value with a known truth; a required call counts as one cell
for its tool and one for its arguments. Each model runs in its own process. `--rows 4` takes the first four of each
kind, for the large model, which is slow. `--threads` measures tokens per second by the number of threads and their
spinning. `--quickstart` runs the table of `notebooks/00_quickstart.ipynb` with each model on all packages of this
environment instead of the first eight, and prints the right cells and the time; `--rows 60` takes the first sixty.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import itertools
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
import pandas as pd
from stream import load, machine

import msgflux_nb as mf
from msgflux_nb.local import server
from msgflux_nb.local.weights import WEIGHTS

ROWS = Path(__file__).parent / "data" / "local_models.jsonl"
NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "00_quickstart.ipynb"
SHOWN = "[:4]"  # the notebook's selection of packages
KINDS = ("package", "person", "review", "tool", "arithmetic")
THREADS = ((1, 1), (1, 2), (2, 2))
SPINS = ("0", "1000", "")
PAIRS = 3


class package(msgspec.Struct):  # noqa: N801 (its name is the kind)
    """A package."""

    package: str
    version: str
    major_version: int


class person(msgspec.Struct):  # noqa: N801
    """A person."""

    name: str
    age: int
    city: str


class review(msgspec.Struct):  # noqa: N801
    """What the writer thinks of it."""

    mood: Literal["good", "bad"]


class arithmetic(msgspec.Struct):  # noqa: N801
    """The answer to a question."""

    result: int


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return city


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def play(song: str) -> str:
    """Play a song."""
    return song


SCHEMAS: dict[str, Any] = {"package": package, "person": person, "review": review, "arithmetic": arithmetic}


def rows_of(kind: str, limit: int) -> list[dict[str, Any]]:
    """Return the first ``limit`` rows of one kind."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["kind"] == kind][: limit or None]


def structures(model: Any, rows: list[dict[str, Any]]) -> list[bool]:
    """Ask for all rows of a kind as a batch, and compare each cell."""
    table = mf.extract([row["text"] for row in rows], SCHEMAS[rows[0]["kind"]], model=model, progress=False)
    cells = []
    for (_, got), row in zip(table.iterrows(), rows, strict=True):
        cells += [str(got[name]) == str(value) for name, value in row["truth"].items()]
    return cells


def calls(model: Any, rows: list[dict[str, Any]]) -> list[bool]:
    """Ask which tool to call; its name and its arguments are one cell each."""
    schemas = mf.tool_schemas([weather, add, play])
    cells = []
    for row in rows:
        made: list[Any] = []
        with contextlib.suppress(mf.MsgfluxError):
            response = model(row["text"], tool_schemas=schemas, tool_choice="required")
            made = [] if response.aggregator is None else response.aggregator.get_calls()
        name, arguments = (made[0].name, made[0].arguments) if made else (None, None)
        truth = row["truth"]
        cells += [name == truth["name"], name == truth["name"] and arguments == truth["arguments"]]
    return cells


def resident_mb() -> float:
    """Return the memory of this process in MB, as Linux reports it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(name: str, limit: int) -> dict[str, Any]:
    """Measure one model, in this process."""
    before = resident_mb()
    model = mf.Model.chat_completion(f"local/{name}", temperature=0, max_tokens=200)
    began = time.monotonic()
    model("What is the capital of France?")
    first = time.monotonic() - began
    told: dict[str, Any] = {"first": first}
    for kind in KINDS:
        rows = rows_of(kind, limit)
        began = time.monotonic()
        cells = (calls if kind == "tool" else structures)(model, rows)
        told[kind] = [sum(cells), len(cells), len(rows), time.monotonic() - began]
    told["memory"] = resident_mb() - before
    return told


def tokens_a_second(name: str) -> dict[str, float]:
    """Measure how fast a model writes one answer, two at once, and reads, with the threads of this process."""
    model = mf.Model.chat_completion(f"local/{name}", temperature=0, max_tokens=48)
    reader = mf.Model.chat_completion(f"local/{name}", max_tokens=1)
    model("Hi")
    told: dict[str, list[float]] = defaultdict(list)
    for number in range(PAIRS):
        response = model(f"{number}. Describe the sea in ten sentences.", stream=True)
        response.finish()
        timed = response.metadata
        writing = timed.seconds - timed.seconds_to_first_token
        told["write"].append((timed.usage.completion_tokens - 1) / writing)
        began = time.monotonic()
        read = reader(f"{number}. " + "The tide comes and goes, and with it boats and birds. " * 30)
        told["read"].append(read.metadata.usage.prompt_tokens / (time.monotonic() - began))
    return {what: max(values) for what, values in told.items()}


def quickstart_table(name: str, limit: int) -> dict[str, Any]:
    """Run the quickstart's table with the code of the notebook and more packages."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    scope: dict[str, Any] = {"__name__": "__main__", "mf": mf, "msgspec": msgspec, "pd": pd}
    scope["model"] = mf.Model.chat_completion(f"local/{name}", temperature=0, max_tokens=400)
    seconds = 0.0
    for cell in cells:
        began = time.monotonic()
        if "distributions()" in cell:
            assert SHOWN in cell
            cell = cell.replace(SHOWN, f"[:{limit or None}]")
        if "distributions()" in cell or "mf.extract(packages" in cell or "truth = " in cell:
            exec(compile(cell, NOTEBOOK.name, "exec", dont_inherit=True), scope)
        if "mf.extract(packages" in cell:
            seconds = time.monotonic() - began
    right, table = scope["right"], scope["table"]
    wrong = table[[*right.columns, "_status"]][~right.all(axis=1)]
    print(wrong.assign(name=scope["truth"]["package"]).to_string(max_colwidth=40), file=sys.stderr)
    shown = right.head(8)
    return {
        "right": {column: int(right[column].sum()) for column in right},
        "shown": [int(shown.to_numpy().sum()), shown.size],
        "rows": len(right),
        "seconds": seconds,
    }


# -- each in its own process ----------------------------------------------------------------------------------


def apart(*arguments: str, **environment: str) -> Any:
    """Run this file for one measurement in a new process; return its result."""
    command = [sys.executable, __file__, "--here", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    if os.environ.get("SHOW"):
        print(done.stderr, file=sys.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def here(what: str, name: str, *more: str) -> None:
    """Measure one thing and print it as JSON."""
    if what == "rows":
        told = measure(name, int(more[0]))
    elif what == "threads":
        write, read = int(more[0]), int(more[1])
        server.threads = lambda header, cores: (write, read)  # the measured setting
        told = tokens_a_second(name)
    else:
        told = quickstart_table(name, int(more[0]))
    print(json.dumps(told))


def share(told: dict[str, Any], kind: str) -> str:
    right, cells, *_ = told[kind]
    return f"{right} of {cells}"


def accuracy_table(names: list[str], limit: int) -> Iterator[str]:
    """Yield the lines of the main table."""
    heads = "packages | persons | reviews | tools | arithmetic | all | rows a second | MB | first answer"
    yield f"| model | {heads} |"
    yield "|---|" + "--:|" * 9
    for name in names:
        told = apart("rows", name, str(limit))
        right, cells = (sum(told[kind][place] for kind in KINDS) for place in (0, 1))
        rows, seconds = (sum(told[kind][place] for kind in KINDS) for place in (2, 3))
        shares = " | ".join(share(told, kind) for kind in KINDS)
        yield (
            f"| `{name}` | {shares} | {right / cells:.0%} | {rows / seconds:.2f} | {told['memory']:,.0f} "
            f"| {told['first']:.1f} s |"
        )


def threads_table(names: list[str]) -> Iterator[str]:
    """Yield the lines of the table of threads."""
    yield "| model | threads that write, read | spin | tokens written a second | tokens read a second |"
    yield "|---|---|---|--:|--:|"
    for name, (write, read), spin in itertools.product(names, THREADS, SPINS):
        environment = {"GOMP_SPINCOUNT": spin} if spin else {"OMP_WAIT_POLICY": ""}
        told = apart("threads", name, str(write), str(read), **environment)
        spun = spin or "as libgomp has it"
        yield f"| `{name}` | {write}, {read} | {spun} | {told['write']:.1f} | {told['read']:.0f} |"


def quickstart(names: list[str], limit: int) -> Iterator[str]:
    """Yield the lines of the quickstart's table."""
    yield "| model | package | version | major_version | right cells | of the first eight packages | seconds |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for name in names:
        told = apart("quickstart", name, str(limit))
        right = sum(told["right"].values()) / (3 * told["rows"])
        shares = " | ".join(f"{count} of {told['rows']}" for count in told["right"].values())
        shown, cells = told["shown"]
        yield f"| `{name}` | {shares} | {right:.1%} | {shown} of {cells} | {told['seconds']:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=list(WEIGHTS), choices=list(WEIGHTS))
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("--quickstart", action="store_true")
    parser.add_argument("--here", nargs="+")
    options = parser.parse_args()
    if options.here:
        here(*options.here)
        return
    library = importlib.metadata.version("xllamacpp")
    print(f"{datetime.date.today()}, {machine()}, load {load()} before. xllamacpp {library}.")
    if options.threads:
        lines = threads_table(options.only)
    else:
        lines = (quickstart if options.quickstart else accuracy_table)(options.only, options.rows)
    print()
    for line in lines:
        print(line, flush=True)
    print(f"\nload {load()} after")


if __name__ == "__main__":
    main()
