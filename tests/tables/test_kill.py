"""A process is killed while it works: no stored answer is paid for again.

``MSGFLUX_KILLS`` says how often each kind of kill is tried.
"""

from __future__ import annotations

import collections
import itertools
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import open_store
from msgflux_nb.storage.batches import BatchRecords, Record
from tests.moments import LONG
from tests.scripted import Reply, error
from tests.tables.counting import KEY, Counting, Person, counting, named, restart_kernel
from tests.tables.forks import FORKS, preload

__all__ = ["counting"]

ROWS, AT_ONCE = 400, 16
SILENT_FROM = 3 * ROWS // 4
TEXTS = [f"row {number}" for number in range(ROWS)]
TIMES = range(int(os.environ.get("MSGFLUX_KILLS", "2")))


def batch(url: str, path: Path, deadly: int) -> None:
    """Ask for all rows, in a separate process; kill it in the middle of that write."""
    store, put, puts = open_store(path), BatchRecords.put_soon, itertools.count(1)

    def put_or_die(records: BatchRecords, record: Record) -> None:
        if next(puts) == deadly:  # SIGKILL from within SQLite, while it executes the statement
            store.worker.file._connection.set_progress_handler(lambda: os.kill(os.getpid(), signal.SIGKILL), 8)
        put(records, record)

    BatchRecords.put_soon = put_or_die  # type: ignore[method-assign]
    options = {"max_retries": 0, "profile": {"reasks": 0}}
    model = mf.Model.chat_completion("scripted", base_url=url, api_key=KEY, **options)
    mf.extract(TEXTS, Person, model=model, store=path, max_concurrency=AT_ONCE, progress=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


def start(counting: Counting, path: Path, *, deadly: int = 0) -> ForkServerProcess:
    """Start the batch in a separate process, which kills itself in the middle of that write."""
    preload()
    process = FORKS.Process(target=batch, args=(counting.server.url, path, deadly))
    process.start()
    return process


def check_that_it_was_killed(process: ForkServerProcess) -> None:
    """Wait for the end of a process, and check that a signal ended it."""
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def unhurried(text: str) -> Reply:
    reply = named(text)
    return Reply([0.02, *reply.pieces], headers=reply.headers)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.0001)


@contextmanager
def to_be_killed(counting: Counting, path: Path) -> Iterator[None]:
    """Start the batch, let it ask for half of its rows, and kill it at the end.

    The server falls silent after three quarters, so that the batch is never over before.
    """

    def reply(text: str) -> Reply:
        found = usual(text)
        return replace(found, pieces=[LONG, *found.pieces]) if counting.calls > SILENT_FROM else found

    usual, counting.reply = counting.reply, reply
    child = start(counting, path)
    try:
        wait_until(lambda: counting.calls >= ROWS // 2)
        yield
    finally:
        child.kill()
        check_that_it_was_killed(child)
        counting.reply = usual


def kill_at_half(counting: Counting, path: Path) -> None:
    with to_be_killed(counting, path):
        pass


def kill_while_the_log_grows(counting: Counting, path: Path) -> None:
    """Each answer is a few pages of the log, written one after the other."""
    log = path.with_name(f"{path.name}-wal")
    with to_be_killed(counting, path):
        size = log.stat().st_size
        wait_until(lambda: log.stat().st_size != size or counting.calls > SILENT_FROM)


def kill_in_a_statement(counting: Counting, path: Path) -> None:
    check_that_it_was_killed(start(counting, path, deadly=ROWS // 2))


KILLS = {"half": kill_at_half, "log": kill_while_the_log_grows, "statement": kill_in_a_statement}


@pytest.mark.parametrize("_time", TIMES)
@pytest.mark.parametrize("kill", KILLS)
def test_at_most_the_calls_in_flight_are_billed_twice(
    counting: Counting, path: Path, monkeypatch: pytest.MonkeyPatch, kill: str, _time: int
) -> None:
    counting.reply = unhurried
    KILLS[kill](counting, path)
    assert ROWS // 2 <= counting.calls < ROWS
    frame = again(counting, path)
    assert counting.calls <= ROWS + AT_ONCE
    assert max(collections.Counter(counting.texts).values()) <= 2
    check(frame)
    restart_kernel(monkeypatch)
    calls = counting.calls
    assert set(again(counting, path)["_status"]) == {"cached"}
    assert counting.calls == calls


def test_a_log_that_was_cut_in_the_middle_of_a_write_costs_what_was_written_together(
    counting: Counting, path: Path
) -> None:
    """As after a power cut: the last page of the log is only there in part, and so is what was committed with it."""
    counting.reply = unhurried
    kill_at_half(counting, path)
    log = path.with_name(f"{path.name}-wal")
    os.truncate(log, log.stat().st_size - 1000)
    frame = again(counting, path)
    assert counting.calls <= ROWS + 2 * AT_ONCE
    check(frame)


def test_a_run_that_was_killed_is_listed_and_goes_on(counting: Counting, path: Path) -> None:
    counting.reply = unhurried
    kill_at_half(counting, path)
    (row,) = mf.runs(path).to_dict("records")
    assert (row["state"], row["rows"]) == ("unfinished", ROWS)
    frame = mf.resume(row["run"], TEXTS, Person, model=counting.model(), max_concurrency=AT_ONCE, progress=False)
    check(frame)
    assert counting.calls <= ROWS + AT_ONCE
    assert mf.runs(path)["state"].tolist() == ["complete"]


def test_what_was_killed_ends_as_if_it_had_not_been(counting: Counting, path: Path) -> None:
    """An unbroken run with a bad row gives the same table."""

    def reply(text: str) -> Reply:
        return error(400, "no such row") if text == "row 7" else unhurried(text)

    counting.reply = reply
    kill_at_half(counting, path)
    broken = again(counting, path)
    unbroken = again(counting, path.with_name("other.sqlite"))
    pd.testing.assert_frame_equal(broken[["name", "age", "_error"]], unbroken[["name", "age", "_error"]])
    assert broken["_status"].isin(["ok", "cached"]).sum() == ROWS - 1
    assert broken["_status"][7] == unbroken["_status"][7] == "failed"
    assert "no such row" in broken["_error"][7]


def again(counting: Counting, path: Path) -> pd.DataFrame:
    return counting.extract(TEXTS, store=path, max_concurrency=AT_ONCE)


def check(frame: pd.DataFrame) -> None:
    """Every row is there, and right."""
    assert frame["name"].tolist() == TEXTS
    assert frame["_status"].isin(["ok", "cached"]).all()


def test_a_killed_process_leaves_a_complete_file(counting: Counting, path: Path) -> None:
    """The log that a killed process leaves is taken into the file by whoever opens it next."""
    counting.reply = unhurried
    kill_at_half(counting, path)
    with sqlite3.connect(path) as connection:
        (kept,) = connection.execute("SELECT count(*) FROM rows WHERE state = 'ok'").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert ROWS // 2 - AT_ONCE <= kept <= counting.calls
