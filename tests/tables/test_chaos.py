"""Tests that every row ends in the right state even if all kinds of faults happen at once.

``MSGFLUX_CHAOS_ROWS=10000`` runs it in full size; ``benchmarks/chaos.py`` prints its table.
"""

from __future__ import annotations

import os
import random
import threading
import warnings
from collections import Counter
from pathlib import Path

import msgflux_nb as mf
from msgflux_nb.storage.answers import open_store
from tests.tables.chaos import chaos, ends
from tests.tables.chaos_run import ALL_FAULTS, RETRIES, Item, checked, model, run_and_kill, trouble

ROWS = int(os.environ.get("MSGFLUX_CHAOS_ROWS", "2000"))


def test_every_row_ends_as_it_has_to_and_no_answer_is_lost(tmp_path: Path) -> None:
    rows = [f"row {number}" for number in range(ROWS)]
    store = tmp_path / "run.sqlite"
    with chaos() as server:
        frame = mf.extract(rows, Item, model=model(server.url), store=store, max_concurrency=128, progress=False)
        report = frame.attrs["report"]
        assert report["stopped"] is None
        assert len(frame) == sum(report["states"].values()) == ROWS
        planned = {row: ends(row, RETRIES + 1) for row in rows}
        found = dict(zip(rows, frame["_status"], strict=True))
        wrong = {row: (found[row], planned[row]) for row in rows if found[row] != planned[row][0]}
        assert wrong == {}
        good = [row for row in rows if planned[row][0] == "ok"]
        assert frame["name"].dropna().tolist() == good
        assert {row for row in rows if server.answered[row]} == set(good)
        assert max(server.answered.values()) == 1
        assert [server.tried[row] for row in rows] == [planned[row][1] for row in rows]
        assert server.met["429"] > 0
        assert frame.loc[frame["_status"] != "ok", "_error"].str.len().min() > 10

        again = mf.extract(rows, Item, model=model(server.url), store=store, max_concurrency=128, progress=False)
        assert (again["_status"] == "cached").sum() >= len(good)
        assert max(server.answered.values()) == 1


def test_a_store_that_fails_in_between_costs_nothing(tmp_path: Path) -> None:
    rows = [f"row {number}" for number in range(ROWS // 8)]
    store, over, met = tmp_path / "run.sqlite", threading.Event(), Counter[str]()
    with chaos() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", mf.StoreWarning)
        options = {"model": model(server.url), "store": store, "max_concurrency": 32, "progress": False}
        open_store(store)
        thread = threading.Thread(target=trouble, args=(store, random.Random(3), over, met, ALL_FAULTS))
        thread.start()
        frame = mf.extract(rows, Item, **options)
        over.set()
        thread.join()
        assert sum(met.values()) > 0
        planned = {row: ends(row, RETRIES + 1)[0] for row in rows}
        assert dict(zip(rows, frame["_status"], strict=True)) == planned
        assert open_store(store).worker.flush(5) == 0
        again = mf.extract(rows, Item, **options)
        assert (again["_status"] == "cached").sum() >= sum(state == "ok" for state in planned.values())
        assert max(server.answered.values()) == 1


def test_a_process_that_is_killed_pays_twice_for_what_was_in_flight_at_most(tmp_path: Path) -> None:
    with chaos() as server:
        found, killed = run_and_kill(server, tmp_path / "run.sqlite", ROWS // 4, 1, seed=1)
        figures = checked(server, found, ROWS // 4, killed)
    assert killed == 1
    assert figures["rows"] == ROWS // 4
    for name in (
        "wrong values",
        "rows in no documented state",
        "of these more than the kills explain",
        "answers not in the store at the end",
    ):
        assert figures[name] == 0, figures
