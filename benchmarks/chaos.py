"""A batch in which everything goes wrong: refusals, resets, half answers, web pages, hangs, kills, a failing store.

    python benchmarks/chaos.py [--rows 20000] [--kills 20] [--seed 1]

A server plans a fault for each attempt at each row (`tests/tables/chaos.py`). Meanwhile the store is locked, filled,
deleted and replaced, and processes are killed (`tests/tables/chaos_run.py`). It prints the faults, and what must not
happen: wrong values, answers paid for twice, rows in no documented state.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stream import load, machine

from tests.tables.chaos import chaos
from tests.tables.chaos_run import checked, run_and_kill


def main() -> None:
    """Run the batch and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    before, began = load(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, chaos() as server:
        found, killed = run_and_kill(server, Path(folder) / "run.sqlite", options.rows, options.kills, options.seed)
        figures = checked(server, found, options.rows, killed)
    seconds = time.monotonic() - began
    print(f"{datetime.date.today()}, {machine()}, {seconds:,.0f} s, load {before} before and {load()} after.")
    store = ", ".join(f"{what} {count} times" for what, count in sorted(found.met.items()))
    print(f"The store of the last process was {store or 'left alone'}.\n")
    print("| what the server did | times |\n|---|--:|")
    for what, count in server.met.most_common():
        print(f"| {what} | {count:,} |")
    print("\n| | |\n|---|--:|")
    for what, count in figures.items():
        print(f"| {what} | {count:,} |")


if __name__ == "__main__":
    main()
