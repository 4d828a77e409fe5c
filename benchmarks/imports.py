"""How long imports take, side by side with the openai SDK, each in a fresh interpreter, in turn.

    python benchmarks/imports.py [--runs 7]

Builds a virtual environment with openai in a temporary folder, runs every statement in it and in this one by turns,
and prints medians over an empty interpreter and the ratio. Absolute times are this machine's; the ratio decides.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

STATEMENTS = {
    "import msgflux_nb": "import msgflux_nb",
    "msgflux_nb, to a client": "import msgflux_nb as mf; mf.Model.chat_completion('openai/x', api_key='none')",
    "import openai": "import openai",
    "openai, to a client": "import openai; openai.OpenAI(api_key='none')",
}


def seconds(python: str, statement: str) -> float:
    """Time one fresh interpreter that runs the statement."""
    began = time.perf_counter()
    subprocess.run([python, "-c", statement], check=True)
    return time.perf_counter() - began


def peer_python(folder: str) -> str:
    """Make an environment with openai in it."""
    venv.create(folder, with_pip=True)
    python = str(Path(folder) / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "openai"], check=True)
    return python


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        peer = peer_python(folder)
        python = {name: peer if "openai" in name.split(",")[0] else sys.executable for name in STATEMENTS}
        empty: dict[str, list[float]] = {sys.executable: [], peer: []}
        times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
        for turn in range(runs + 1):  # the first turn only writes the bytecode
            for name, statement in STATEMENTS.items():
                taken = seconds(python[name], statement)
                bare = seconds(python[name], "pass")
                if turn:
                    times[name].append(taken)
                    empty[python[name]].append(bare)
    over = {name: statistics.median(times[name]) - statistics.median(empty[python[name]]) for name in STATEMENTS}
    print("| over an empty interpreter | median ms |\n|---|---|")
    for name, value in over.items():
        print(f"| {name} | {value * 1000:.0f} |")
    print(f"\nimport: openai / msgflux_nb = {over['import openai'] / over['import msgflux_nb']:.1f}")
    print(f"to a client: openai / msgflux_nb = {over['openai, to a client'] / over['msgflux_nb, to a client']:.1f}")


if __name__ == "__main__":
    main()
