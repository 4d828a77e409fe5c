"""The time of imports, compared with the openai SDK, each in a fresh interpreter.

    python benchmarks/imports.py [--runs 7] [--peers FOLDER]

It runs each statement by turns in an environment with openai and in this one, and prints medians over an empty
interpreter and their ratio; the environment is made as for ``stream.py`` and kept. The last rows include imports on
first use: they end with an answer from a server on the loopback interface. Absolute times are this machine's; the ratio
decides.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from loopback import Server
from stream import load, machine, peer_folder, peer_python

STATEMENTS = {
    "import msgflux_nb": "import msgflux_nb",
    "msgflux_nb, to a client": "import msgflux_nb as mf; mf.Model.chat_completion('openai/x', api_key='x')",
    "msgflux_nb, to the first answer": (
        "import msgflux_nb as mf; model = mf.Model.chat_completion('x', api_key='x', base_url={url!r}); "
        "assert model('Hi').consume() == 'Hello.'"
    ),
    "import openai": "import openai",
    "openai, to a client": "import openai; openai.OpenAI(api_key='x').chat.completions",
    "openai, to the first answer": (
        "import openai; chat = openai.OpenAI(api_key='x', base_url={url!r}).chat.completions; "
        "answer = chat.create(model='x', messages=[{{'role': 'user', 'content': 'Hi'}}]); "
        "assert answer.choices[0].message.content == 'Hello.'"
    ),
}
IMPORT_GOAL = 60  # ms over an empty interpreter
TOLD = 1.0  # ms; shorter times cannot be distinguished from zero
CLIENT_GOAL = 8  # times faster than openai
# Installed packages are compiled; a checkout is only if the interpreter may write bytecode.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(python: str, statement: str) -> float:
    """Time one fresh interpreter that runs the statement."""
    began = time.perf_counter()
    subprocess.run([python, "-c", statement], check=True, env=ENVIRONMENT)
    return time.perf_counter() - began


def measure(python: dict[str, str], runs: int) -> tuple[dict[str, float], dict[str, str]]:
    """Return the medians over an empty interpreter in seconds, and their ranges in ms."""
    empty: dict[str, list[float]] = {interpreter: [] for interpreter in python.values()}
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    with Server() as server:
        for turn in range(runs + 1):  # the first turn only writes the bytecode
            for name, statement in STATEMENTS.items():
                taken = seconds(python[name], statement.format(url=server.url))
                bare = seconds(python[name], "pass")
                if turn:
                    times[name].append(taken)
                    empty[python[name]].append(bare)
    base = {name: statistics.median(empty[python[name]]) for name in STATEMENTS}
    over = {name: statistics.median(times[name]) - base[name] for name in STATEMENTS}
    spread = {name: [(one - base[name]) * 1000 for one in (min(times[name]), max(times[name]))] for name in STATEMENTS}
    return over, {name: f"{low:.1f}, {high:.1f}" for name, (low, high) in spread.items()}


def versions(python: str, *packages: str) -> str:
    """Return the versions of the packages in an environment."""
    code = f"from importlib.metadata import version; print(*[f'{{p}} {{version(p)}}' for p in {packages!r}], sep=', ')"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", type=Path, default=peer_folder(), help="where the peers' environments stay")
    options = parser.parse_args()
    peer = peer_python(options.peers, "openai", {"openai": ["openai"]}, quick=False)
    if peer is None:
        raise SystemExit("an environment with openai could not be made")
    python = {name: peer if "openai" in name.split(",")[0] else sys.executable for name in STATEMENTS}
    before = load()
    over, spread = measure(python, options.runs)
    there = f"{machine()}, load {before} before and {load()} after"
    print(f"{datetime.date.today()}, {there}. Medians of {options.runs} runs.")
    print(f"{versions(sys.executable, 'msgflux-nb', 'msgspec', 'httpx')}; {versions(peer, 'openai', 'httpx')}.\n")
    print("| over an empty interpreter | median ms | from, to |\n|---|--:|--:|")
    for name, value in over.items():
        print(f"| {name} | {value * 1000:.1f} | {spread[name]} |")
    ours = over["import msgflux_nb"] * 1000
    least = "≥ " if ours < TOLD else ""
    print(f"\nimport: openai / msgflux_nb = {least}{over['import openai'] * 1000 / max(ours, TOLD):.1f}")
    print(f"import msgflux_nb: {ours:.1f} ms, goal at most {IMPORT_GOAL}: {verdict(ours <= IMPORT_GOAL)}")
    for what in ("to a client", "to the first answer"):
        ratio = over[f"openai, {what}"] / over[f"msgflux_nb, {what}"]
        goal = f", goal at least {CLIENT_GOAL}: {verdict(ratio >= CLIENT_GOAL)}" if what == "to a client" else ""
        print(f"{what}: openai / msgflux_nb = {ratio:.1f}{goal}")


def verdict(reached: bool) -> str:
    """Return the verdict in words."""
    return "reached" if reached else "missed"


if __name__ == "__main__":
    main()
