"""CPU time per chunk of a streamed answer: ours, openai, litellm, langchain-openai and pydantic-ai.

    python benchmarks/stream.py [--runs 5] [--peers FOLDER] [--quick] [--wires]

Each peer gets its own virtual environment in FOLDER, since together they would resolve to old versions; it is created
at the first run and updated at each. Nothing is installed into this environment. ``--quick`` creates and updates none,
and measures those that exist; ``--wires`` measures only our three wires. The answers come from a server on the loopback
interface, rendered in advance; it is another process, whose time does not count. It measures user and system time of
all threads of the client's process. In each run every client has a fresh process, in random order. Absolute times are
this machine's; the ratio to openai in the same run decides.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import gc
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loopback import PACE, Server, cores, expected
from stream_clients import CLIENTS, ENVIRONMENTS, Client

PEERS = {
    "openai": ["openai"],
    # litellm 1.107.0 is reported as compromised. It needs mcp for calls with tools but does not require it.
    "litellm": ["litellm==1.106.2", "mcp"],
    "langchain-openai": ["langchain-openai"],
    "pydantic-ai": ["pydantic-ai-slim[openai]"],
}
REFERENCE = "openai, `create(stream=True)`"
OURS = [name for name, client in CLIENTS.items() if client.environment == "ours" and "ours" in name]
GOALS = {"text": (35, 6), "tools": (30, 7)}  # factor below openai; µs on a machine where openai takes 216 to 250
TITLES = {"text": "Text", "tools": "Tool-call fragments, three parallel calls interleaved"}
MODES = ("sync", "async")
WIRES = {
    "plain": (".", list(CLIENTS)),
    "padded": (", with an `obfuscation` in each chunk, as OpenAI adds it by default.", [OURS[0], REFERENCE]),
    "paced": (f", one each {PACE} µs, so that each is read on its own.", [OURS[0], REFERENCE]),
}
CHAT = "plain"
OTHER_WIRES = ("responses", "messages")
OTHER_WIRES_MOST = 2  # times the cost of a piece on chat completions
WARM = 99  # pieces of a first answer that is not measured
Cell = tuple[str, str, str, str]  # client, kind, mode, wire
Results = dict[Cell, list[float] | str]


def peer_folder() -> Path:
    """Return the folder of environments, which are kept between runs."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "msgflux-nb" / "peers"


def peer_python(folder: Path, name: str, packages: dict[str, list[str]], *, quick: bool) -> str | None:
    """Return the interpreter of a peer's environment, created or updated unless ``quick``; None if there is none."""
    home = folder / name
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not quick:
        if not python.exists():
            venv.create(home, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "-qq", "--upgrade", "--upgrade-strategy", "eager"]
        subprocess.run([*pip, *packages[name]], check=False)
    return str(python) if python.exists() else None


class Process:
    """The process of one environment's clients."""

    def __init__(self, python: str, environment: str, url: str, log: Any) -> None:
        command = [python, __file__, "--serve", environment, url]
        clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=clean
        )
        self.versions: list[str] = []

    def ready(self) -> bool:
        """Wait until it has reported its versions; return False if it could not start."""
        self.versions = json.loads(self._line() or "[]")
        return bool(self.versions)

    def ask(self, cell: Cell, pieces: int, seconds: float) -> float | str:
        """Measure a client; return the CPU time per piece in µs, or its error."""
        client, kind, mode, wire = cell
        request = {"client": client, "kind": kind, "mode": mode, "wire": wire, "pieces": pieces, "seconds": seconds}
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer: float | str = json.loads(self._line() or '"the process has ended"')
        return answer

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def spent(client: Client, runner: asyncio.Runner, request: dict[str, Any], pieces: int) -> float:
    """Read one answer; return the seconds of CPU time, user and system, of all threads.

    Raises:
        ValueError: the answer is not what was sent.
    """
    model = f"{request['kind']}-{pieces}-{request['wire']}"
    began = time.process_time()
    answer = client.read(model) if request["mode"] == "sync" else runner.run(client.aread(model))
    seconds = time.process_time() - began
    sent = expected(request["kind"], pieces)
    if answer != sent:
        raise ValueError(f"expected {str(sent)[:60]!r}, got {str(answer)[:60]!r}")
    return seconds


def microseconds(client: Client, runner: asyncio.Runner, request: dict[str, Any]) -> float:
    """Read answers for some seconds of CPU time; return the CPU time per piece."""
    spent(client, runner, request, WARM)
    gc.collect()
    seconds, read, began = 0.0, 0, time.perf_counter()
    while seconds < request["seconds"] and time.perf_counter() - began < 5 * request["seconds"]:
        seconds += spent(client, runner, request, request["pieces"])
        read += 1
    return seconds / read / request["pieces"] * 1e6


def serve(environment: str, url: str) -> None:
    """Serve an environment's clients: read a request per line, and answer with the µs per piece, or an error."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a client's own output must not come between our lines
    bound = cores()
    if bound is not None:
        os.sched_setaffinity(0, {bound[1]})
    clients: dict[str, Client] = {}
    print(json.dumps([f"{name} {version(name)}" for name in ENVIRONMENTS[environment]]), file=out)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            request = json.loads(line)
            name = request["client"]
            try:
                if name not in clients:
                    clients[name] = CLIENTS[name](url)
                answer: Any = microseconds(clients[name], runner, request)
            except Exception as error:
                answer = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
            print(json.dumps(answer), file=out)
    os._exit(0)  # some clients leave threads that would block the exit


def cells(environments: list[str], *, alone: bool) -> list[Cell]:
    """Return all measurements of a run; ``alone`` for only our wires."""
    wires = [(OURS[0], kind, mode, wire) for wire in (CHAT, *OTHER_WIRES) for kind in GOALS for mode in MODES]
    if alone:
        return wires
    return [cell for cell in wires if cell[3] != CHAT] + [
        (name, kind, mode, wire)
        for wire, (_, names) in WIRES.items()
        for name in names
        if CLIENTS[name].environment in environments
        for kind in CLIENTS[name].kinds
        for mode in MODES
    ]


def measure(python: dict[str, str], options: argparse.Namespace) -> tuple[Results, dict[str, list[str]]]:
    """Measure everything several times; return the times and the versions."""
    results: Results = {}
    versions: dict[str, list[str]] = {}
    with Server() as server, tempfile.TemporaryFile("w+") as log:
        for run in range(options.runs):
            processes = {name: Process(path, name, server.url, log) for name, path in python.items()}
            ready = {name: process for name, process in processes.items() if process.ready()}
            versions |= {name: process.versions for name, process in ready.items()}
            order = cells(list(ready), alone=options.wires)
            random.shuffle(order)
            for cell in order:
                taken = ready[CLIENTS[cell[0]].environment].ask(cell, options.pieces, options.seconds)
                add(results, cell, taken)
            for process in processes.values():
                process.close()
            print(f"run {run + 1} of {options.runs}", file=sys.stderr)
        if len(versions) < len(python):
            log.seek(0)
            print(log.read()[-2_000:], file=sys.stderr)
    return results, versions


def add(results: Results, cell: Cell, taken: float | str) -> None:
    """Add a time; an error is kept and not replaced."""
    held = results.setdefault(cell, [])
    if isinstance(taken, str):
        results[cell] = taken
    elif isinstance(held, list):
        held.append(taken)


def number(value: float) -> str:
    """Return a number with the digits that the measurement supports."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def row(results: Results, name: str, kind: str, wire: str, notes: list[str]) -> str:
    """Return one client's line: its time, its factor below openai, and whether our goal is reached."""
    parts, verdicts = [name], []
    for mode in MODES:
        times, openai = results[name, kind, mode, wire], results.get((REFERENCE, kind, mode, wire))
        if isinstance(times, str):
            notes.append(f"{name}, {mode}: {times}")
            parts += [f"raises ({len(notes)})", "–"]
            continue
        middle = statistics.median(times)
        parts.append(f"{number(middle)} ({number(min(times))}–{number(max(times))})")
        if not isinstance(openai, list):
            parts.append("–")
            continue
        ratio = statistics.median(openai) / middle
        parts.append(number(ratio))
        if name in OURS and wire != "paced":  # the system takes most of the time there
            verdicts.append(f"{mode} {'reached' if ratio >= GOALS[kind][0] else 'missed'}")
    return f"| {' | '.join([*parts, ', '.join(verdicts) or '–'])} |"


def report(results: Results) -> None:
    """Print the tables."""
    notes: list[str] = []
    head = (
        "| client | µs a piece, sync (from–to) | openai ÷ this | µs a piece, async (from–to) | openai ÷ this | goal |"
    )
    for wire, (how, names) in WIRES.items():
        for kind, (times, absolute) in GOALS.items():
            goal = f" Goal: at least {times} times less than openai ({absolute} µs where that takes 216 to 250)."
            print(f"\n{TITLES[kind]}{how}{'' if wire == 'paced' else goal}\n\n{head}\n|---|--:|--:|--:|--:|---|")
            for name in names:
                if (name, kind, MODES[0], wire) in results:
                    print(row(results, name, kind, wire, notes))
    for place, note in enumerate(notes, 1):
        print(f"\n({place}) {note}")


def report_wires(results: Results) -> None:
    """Print the cost of a piece on each of our wires, and its factor over chat completions."""
    for kind, title in TITLES.items():
        print(f"\n{title}, on each wire. Goal: at most {OTHER_WIRES_MOST} times what chat completions cost.\n")
        print("| wire | µs a piece, sync (from–to) | ÷ chat | µs a piece, async (from–to) | ÷ chat | goal |")
        print("|---|--:|--:|--:|--:|---|")
        for wire in (CHAT, *OTHER_WIRES):
            parts, verdicts = [{CHAT: "chat"}.get(wire, wire)], []
            for mode in MODES:
                times, chat = (results[OURS[0], kind, mode, one] for one in (wire, CHAT))
                if isinstance(times, str) or isinstance(chat, str):
                    parts += [f"raises: {times}", "–"]
                    continue
                ratio = statistics.median(times) / statistics.median(chat)
                middle = number(statistics.median(times))
                parts += [f"{middle} ({number(min(times))}–{number(max(times))})", number(ratio)]
                verdicts += [f"{mode} {'reached' if ratio <= OTHER_WIRES_MOST else 'missed'}"] if wire != CHAT else []
            print(f"| {' | '.join([*parts, ', '.join(verdicts) or '–'])} |")


def machine() -> str:
    """Return the machine in words."""
    kind = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        kind = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), kind)
    return f"{kind}, {os.cpu_count()} cores, Python {platform.python_version()}"


def places() -> str:
    """Return the cores of the server and the clients, in words."""
    bound = cores()
    return f"server on core {bound[0]}, clients on core {bound[1]}" if bound else "not bound to cores"


def load() -> str:
    """Return the load of the machine as a number of cores."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, help="5, or 2 with --quick")
    parser.add_argument("--pieces", type=int, default=2_000, help="pieces of an answer")
    parser.add_argument("--peers", type=Path, default=peer_folder(), help="where the peers' environments stay")
    parser.add_argument("--quick", action="store_true", help="a short run with the peers that are there")
    parser.add_argument("--wires", action="store_true", help="our three wires alone")
    options = parser.parse_args()
    options.runs = options.runs or (2 if options.quick else 5)
    options.seconds = 0.1 if options.quick else 0.3
    peers = {
        name: peer_python(options.peers, name, PEERS, quick=options.quick) for name in (() if options.wires else PEERS)
    }
    python = {"ours": sys.executable, **{name: found for name, found in peers.items() if found is not None}}
    before = load()
    results, versions = measure(python, options)
    there = f"{machine()}, {places()}, load {before} before and {load()} after"
    print(f"{datetime.date.today()}, {there}. Medians of {options.runs} runs, answers of {options.pieces:,} pieces.")
    print(f"{'; '.join(map(', '.join, versions.values()))}.")
    missing = [name for name in ENVIRONMENTS if name not in versions]
    if missing and not options.wires:
        print(f"Without {', '.join(missing)}.")
    if not options.wires:
        report(results)
    report_wires(results)


if __name__ == "__main__":
    serve(*sys.argv[2:]) if sys.argv[1:2] == ["--serve"] else main()
