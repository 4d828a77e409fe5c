"""A person's notes on rows: a note that waits to be written is found like a written one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import Store
from msgflux_nb.storage.notes import Notes
from tests.tables.test_store_faults import locked, wait_until

KEY = (b"a row", "Person", "name")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "run.sqlite")
    yield opened
    opened.close()


def notes_of(store: Store, table: str = "corrections") -> Notes:
    if table == "decisions":
        return Notes(store, table, ("subject", "kind"), ("told",))
    return Notes(store, table, ("subject", "schema", "field"), ("value", "was"), fixed=("was",))


ACTS = [acts for count in (1, 2, 3, 4) for acts in itertools.product(("put", "drop"), repeat=count)]


@pytest.mark.parametrize("acts", ACTS, ids="-".join)
@pytest.mark.parametrize("there", [False, True])
def test_a_fixed_column_keeps_its_first_value_whatever_waits_to_be_written(
    store: Store, acts: tuple[str, ...], there: bool
) -> None:
    notes, path = notes_of(store), store.path
    assert path is not None
    expected: tuple[bytes, bytes] | None = None
    if there:
        expected = b"0", b"was 0"
        notes.put(KEY, expected)
        notes.keep(10)
    with locked(path):
        for number, act in enumerate(acts, 1):
            value, was = b"%d" % number, b"was %d" % number
            if act == "put":
                expected = value, was if expected is None else expected[1]
                notes.put(KEY, (value, was))
            else:
                expected = None
                notes.drop(KEY)
        pending = {one.values[:3]: one.table.head for one in store.worker.waiting.everything()}
        assert list(pending) == [KEY]
    wait_until(lambda: notes.unwritten == 0)
    found = store.rows("SELECT value, was FROM corrections")
    assert found == ([] if expected is None else [expected])
    assert notes.find(schema="Person") == ({} if expected is None else {KEY: expected})


@pytest.mark.parametrize("acts", ACTS, ids="-".join)
def test_what_waits_is_found_as_it_will_be_written(store: Store, acts: tuple[str, ...]) -> None:
    notes = notes_of(store)
    store.worker._write = lambda: None  # type: ignore[method-assign]  # nothing is written
    expected: tuple[bytes, bytes] | None = None
    for number, act in enumerate(acts, 1):
        value, was = b"%d" % number, b"was %d" % number
        if act == "put":
            expected = value, was if expected is None else expected[1]
            notes.put(KEY, (value, was))
        else:
            expected = None
            notes.drop(KEY)
    assert notes.find(schema="Person") == ({} if expected is None else {KEY: expected})
    del store.worker._write


@pytest.mark.parametrize("table", ["decisions", "corrections"])
def test_a_note_after_the_store_was_closed_is_an_error_and_is_not_there(store: Store, table: str) -> None:
    notes = notes_of(store, table)
    store.close()
    assert notes.is_closed
    key, values = (KEY, (b"1", b"0")) if table == "corrections" else (KEY[:2], (b"1",))
    with pytest.raises(mf.StoreError, match="it was closed"):
        notes.put(key, values)
    with pytest.raises(mf.StoreError, match="it was closed"):
        notes.drop(key)
    assert notes.unwritten == 0
    notes.keep()  # nothing waits, so that nothing is lost


def test_notes_that_a_closed_store_has_not_written_are_reported(store: Store) -> None:
    notes, path = notes_of(store), store.path
    assert path is not None
    with locked(path):
        notes.put(KEY, (b"1", b"0"))
        store.close()
        wait_until(lambda: notes.is_closed)
        assert notes.unwritten == 1
        with pytest.raises(mf.StoreError, match=r"closed before everything was written|locked"):
            notes.keep()
