from __future__ import annotations

from msgflux_nb.tables.ledger import Ledger
from msgflux_nb.tables.outcome import Outcome


def ledger(count: int = 6) -> Ledger:
    found = Ledger()
    found.grow(count)
    found.end(0, Outcome("ok", "a", attempts=1, cost=0.5))
    found.end(1, Outcome("failed", error="it broke", attempts=3))
    return found


def test_when_a_batch_stops_every_row_has_ended() -> None:
    begun = ledger()
    whole = begun.settled(frozenset([3]), "stopped")
    assert [whole.state(position) for position in range(6)] == [
        *("ok", "failed", "pending", "interrupted", "pending", "pending")
    ]
    errors = whole.columns()["errors"]
    assert errors[:3] == [None, "it broke", "not sent: stopped"]
    assert errors[3].startswith("interrupted while")
    assert whole.finished == 6
    assert whole.counts == {"ok": 1, "failed": 1, "interrupted": 1, "pending": 3}
    assert begun.finished == 2


def test_a_row_that_ended_meanwhile_is_not_interrupted() -> None:
    assert ledger(2).settled(frozenset([0, 1]), None).state(0) == "ok"


def test_reopened_rows_can_end_again() -> None:
    again, positions = ledger().settled(frozenset(), "stopped").reopened(["pending", "failed"])
    assert positions == [1, 2, 3, 4, 5]
    assert (again.finished, again.failed) == (1, 0)
    again.end(2, Outcome("ok", "c", attempts=1))
    whole = again.settled(frozenset(), "again")
    assert whole.columns()["errors"] == [None, *["not sent: again"], None, *["not sent: again"] * 3]


def test_a_million_rows_that_are_never_sent_take_no_memory_for_texts() -> None:
    whole = ledger(1_000_000).settled(frozenset(), "stopped")
    assert len(whole.errors) == 1
    assert len({id(error) for error in whole.columns()["errors"]}) == 3
