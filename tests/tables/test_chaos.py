"""Everything goes wrong at once, and every row still ends as it has to.

``MSGFLUX_CHAOS_ROWS=10000`` runs it in full size.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

import msgflux_nb as mf
from tests.tables.chaos import Chaos, chaos, ends

ROWS = int(os.environ.get("MSGFLUX_CHAOS_ROWS", "500"))
RETRIES = 3


class Item(msgspec.Struct):
    name: str
    number: int


def model(server: Chaos) -> mf.ChatCompletion:
    return mf.Model.chat_completion(
        "chaos",
        base_url=server.url,
        api_key="none",
        max_retries=RETRIES,
        timeout=mf.Timeout(connect=5, total=3),
        profile={"reasks": 0},
    )


def test_every_row_ends_as_it_has_to_and_no_answer_is_lost(tmp_path: Path) -> None:
    rows = [f"row {number}" for number in range(ROWS)]
    store = tmp_path / "run.sqlite"
    with chaos() as server:
        frame = mf.extract(rows, Item, model=model(server), store=store, max_concurrency=128, progress=False)
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

        again = mf.extract(rows, Item, model=model(server), store=store, max_concurrency=128, progress=False)
        assert (again["_status"] == "cached").sum() >= len(good)
        assert max(server.answered.values()) == 1
