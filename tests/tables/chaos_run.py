"""A batch against the server with every kind of fault, in a process that may be killed, with a store that fails.

    python -m tests.tables.chaos_run URL STORE ROWS SEED KILLED

prints the state and the value of each row, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import msgflux_nb as mf
from msgflux_nb.storage.answers import open_store
from tests.tables.chaos import Chaos, may_end

__all__ = ["ALL_FAULTS", "RETRIES", "Found", "Item", "checked", "model", "run_and_kill", "trouble"]

RETRIES, AT_ONCE = 3, 128
ALL_FAULTS = ("locked", "full", "deleted", "exchanged")
STATES = {"ok", "cached", "invalid", "truncated", "failed"}


class Item(msgspec.Struct):
    """The schema of the answers."""

    name: str
    number: int


def model(url: str) -> mf.ChatCompletion:
    """Return a model at the server."""
    return mf.Model.chat_completion(
        "chaos",
        base_url=url,
        api_key="none",
        max_retries=RETRIES,
        timeout=mf.Timeout(connect=5, total=3),
        profile={"reasks": 0},
    )


def trouble(path: Path, chance: random.Random, over: threading.Event, met: Counter[str], faults: Sequence[str]) -> None:
    """Break the store in the requested ways, one after the other, until the batch is over."""
    while not open_store(path).users and not over.wait(0.01):
        pass  # one that fails before a batch has begun is an error, and nothing is sent
    while not over.wait(chance.uniform(0.3, 1.0)):
        what = chance.choice(faults)
        met[what] += 1
        if what == "locked":
            with contextlib.suppress(sqlite3.Error):
                other = sqlite3.connect(path, isolation_level=None)
                other.execute("BEGIN IMMEDIATE")
                over.wait(chance.uniform(0.1, 1.5))
                other.close()
        elif what == "full":
            _pragma(path, 1)
            over.wait(chance.uniform(0.1, 1.0))
            _pragma(path, 1_000_000)
        else:
            if what == "exchanged":
                path.with_name("exchanged").write_bytes(b"")
                os.replace(path.with_name("exchanged"), path)
            else:
                path.unlink(missing_ok=True)
            # A kill before the store is there again would lose it, as its deletion was meant to.
            end = time.monotonic() + 5
            while time.monotonic() < end and not (path.exists() and path.stat().st_size):
                open_store(path).worker.follow()


def _pragma(path: Path, pages: int) -> None:
    worker: Any = open_store(path).worker
    with contextlib.suppress(mf.StoreError):
        worker.ask(lambda: worker.file.execute(f"PRAGMA max_page_count={pages}", ()))


class Found(NamedTuple):
    """The result of a process that was not killed.

    Attributes:
        rows: the state, the name and the number of each row.
        store_error: the last error of the store.
        not_stored: the number of answers that are not in the store.
        met: the faults of the store.
    """

    rows: list[tuple[str, str | None, int | None]]
    store_error: str | None
    not_stored: int
    met: dict[str, int]


def run_and_kill(server: Chaos, path: Path, rows: int, kills: int, seed: int) -> tuple[Found, int]:
    """Run the batch in processes of which some are killed, the last one to its end; return the number of kills."""
    chance = random.Random(seed)
    command = [sys.executable, "-m", "tests.tables.chaos_run", server.url, str(path), str(rows)]
    killed = 0
    while True:
        last = "" if killed < kills else "last"
        child = subprocess.Popen(
            [*command, str(seed + killed), last], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        if killed < kills:
            before = sum(server.tried.values())
            end = time.monotonic() + chance.uniform(0.5, 4.0) + 10
            wanted = before + rows // (2 * kills + 2)
            while sum(server.tried.values()) < wanted and child.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                child.communicate()
                killed += 1
                continue
        printed, _ = child.communicate(timeout=900)
        assert child.returncode == 0
        return msgspec.convert(json.loads(printed.splitlines()[-1]), Found), killed


def checked(server: Chaos, found: Found, rows: int, killed: int) -> dict[str, int]:
    """Return the figures of a run; check that those are 0 that must be."""
    names = [f"row {number}" for number in range(rows)]
    wrong = unplanned = 0
    for name, (state, said, number) in zip(names, found.rows, strict=True):
        wrong += state in ("ok", "cached") and (said, number) != (name, len(name))
        allowed = may_end(name, server.tried[name])
        unplanned += state not in STATES or (state if state != "cached" else "ok") not in allowed
    twice = sum(count - 1 for count in server.answered.values() if count > 1)
    return {
        "rows": len(found.rows),
        "ok": sum(state in ("ok", "cached") for state, *_ in found.rows),
        "failed, invalid or truncated": sum(state not in ("ok", "cached") for state, *_ in found.rows),
        "requests": sum(server.met.values()),
        "processes killed": killed,
        "wrong values": wrong,
        "rows in no documented state": unplanned,
        "answers paid for twice": twice,
        "of these more than the kills explain": max(0, twice - killed * AT_ONCE),
        "answers not in the store at the end": found.not_stored,
    }


def main(url: str, store: str, rows: str, seed: str, last: str) -> None:
    """Run the batch and print its result."""
    # A store that is deleted, and whose process is killed before it was made again, is lost: that is no fault of ours.
    faults = ALL_FAULTS if last else ALL_FAULTS[:2]
    path, over, met = Path(store), threading.Event(), Counter[str]()
    open_store(path)
    thread = threading.Thread(target=trouble, args=(path, random.Random(seed), over, met, faults), daemon=True)
    thread.start()
    warnings.simplefilter("ignore", mf.StoreWarning)
    names = [f"row {number}" for number in range(int(rows))]
    options: dict[str, Any] = {"model": model(url), "store": path, "max_concurrency": AT_ONCE, "progress": False}
    frame = mf.extract(names, Item, **options)
    over.set()
    thread.join()
    end = time.monotonic() + 10
    while (left := open_store(path).worker.flush(5)) and time.monotonic() < end:
        time.sleep(0.1)
    ended: list[tuple[str, str | None, int | None]] = []
    for state, name, number in zip(frame["_status"], frame["name"], frame["number"], strict=True):
        good = state in ("ok", "cached")
        ended.append((state, str(name) if good else None, int(number) if good else None))
    found = Found(ended, frame.attrs["report"]["store_error"], left, dict(met))
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
