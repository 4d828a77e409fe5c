"""What a batch keeps: one record for each request, and one for each run, in the store of answers.

A record is committed before its row is shown as done. It holds the request, the provider's bytes, and the text of the
structure in them, so that the same request is never paid for twice, and an answer can be read again when the schema
that it is decoded to has changed. A request that failed has a record too, which says why; it is no answer, and never
takes the place of one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import StoreError
from .answers import Store

__all__ = ["KEY_BYTES", "Record", "Records", "RunRecord"]

KEY_BYTES = 32  # of a request's key


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request.

    Attributes:
        key: of the whole request.
        question: of the request but for its structure.
        state: how the row ended: ``ok``, ``invalid``, ``refused``, ``truncated``, ``failed``.
        text: the text of the structure.
        request: the body of the request that was answered.
        answer: the provider's bytes, or None where an answer never came whole.
        error: what went wrong, or None.
        attempts: how many requests were sent.
        prompt_tokens: as billed, or None.
        completion_tokens: likewise.
        cost: US dollars, or None.
        seconds: how long it took, or None.
        warnings: what was changed or cut on the way to the answer, one sentence a line; None for nothing.
    """

    key: bytes
    question: bytes
    state: str
    text: str | None
    request: bytes
    answer: bytes | None
    error: str | None = None
    attempts: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    warnings: str | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run over some rows.

    Attributes:
        run: its name.
        began: when, in seconds since 1970.
        model: the model's name.
        schema: the name of the schema.
        prompt: the prompt, or None.
        report: what it did so far, as plain values.
        ended: when it ended, in seconds since 1970; None while it runs, and for ever where its process was killed.
        options: what else it was asked with, as plain values.
        labels: what tells its index from another one, once it has ended.
    """

    run: str
    began: float
    model: str
    schema: str
    prompt: str | None
    report: dict[str, Any]
    ended: float | None = None
    options: dict[str, Any] = {}
    labels: str | None = None


_FIELDS = Record.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_TAKE = "ON CONFLICT (key) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _FIELDS[2:])
# The latest answer counts, but no failure takes the place of one.
_INSERT = (
    f"INSERT INTO rows ({_COLUMNS}) VALUES ({', '.join('?' * len(_FIELDS))}) {_TAKE} "  # noqa: S608  # our own names
    "WHERE excluded.state <> 'failed' OR rows.state = 'failed'"
)
_SELECT = f"SELECT {_COLUMNS} FROM rows"  # noqa: S608  # our own names
# What both have is the same answer or two to the same question: a good one counts more, and else our own.
_MERGE = (
    f"INSERT INTO rows ({_COLUMNS}) SELECT {_COLUMNS} FROM other.rows WHERE true {_TAKE} "  # noqa: S608
    "WHERE excluded.state <> 'failed' AND (rows.state = 'failed' OR (excluded.state = 'ok' AND rows.state <> 'ok'))"
)
_MERGE_RUNS = (
    "INSERT INTO runs (run, began, told, keys) SELECT run, began, told, keys FROM other.runs WHERE true "
    "ON CONFLICT (run) DO NOTHING"
)
_MERGE_CORRECTIONS = "INSERT INTO corrections SELECT * FROM other.corrections WHERE true ON CONFLICT DO NOTHING"

_MERGE_DECISIONS = "INSERT INTO decisions SELECT * FROM other.decisions WHERE true ON CONFLICT DO NOTHING"


class Records:
    """The records of one store; safe for threads and for several processes on one machine."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, key: bytes) -> Record | None:
        """Return the record of a request, or None."""
        row = self.store.row(f"{_SELECT} WHERE key = ?", key)
        return None if row is None else _record(row)

    def related(self, question: bytes) -> list[Record]:
        """Return what is known of the same question with other structures, the latest first."""
        rows = self.store.rows(f"{_SELECT} WHERE question = ? ORDER BY rowid DESC", question)
        return [_record(row) for row in rows]

    def put(self, record: Record) -> None:
        """Keep a record; it is committed when this returns."""
        self.store.row(_INSERT, *(getattr(record, name) for name in _FIELDS))

    def merge(self, other: Records) -> None:
        """Take over what another store on disk has and this one does not: its answers, runs, corrections and decisions.

        Raises:
            StoreError: one of them cannot be used.
        """
        if other.store.path is None:
            raise StoreError("merge: expected a store in a file, got one in memory")
        self.store.take_over(other.store.path, _MERGE, _MERGE_RUNS, _MERGE_CORRECTIONS, _MERGE_DECISIONS)

    def put_run(self, run: RunRecord, keys: bytes = b"") -> None:
        """Keep what a run did so far.

        Args:
            run: the run.
            keys: those of its rows' requests, by position, one after the other; zeros where nothing was to be sent.
                None at all leaves those that it has.
        """
        self.store.row(
            "INSERT INTO runs (run, began, told, keys) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (run) DO UPDATE SET told = excluded.told, keys = coalesce(nullif(excluded.keys, x''), keys)",
            run.run,
            run.began,
            msgspec.json.encode(run),
            keys,
        )

    def run(self, name: str) -> RunRecord | None:
        """Return what a run did, or None."""
        row = self.store.row("SELECT told FROM runs WHERE run = ?", name)
        return None if row is None else msgspec.json.decode(row[0], type=RunRecord)

    def runs(self) -> list[RunRecord]:
        """Return the runs, the oldest first."""
        found = self.store.rows("SELECT told FROM runs ORDER BY began, rowid")
        return [msgspec.json.decode(told, type=RunRecord) for (told,) in found]

    def of_row(self, run: str, position: int) -> Record | None:
        """Return the record of the request that was made for one row of a run, or None."""
        row = self.store.row(
            "SELECT substr(keys, ?, ?) FROM runs WHERE run = ?", position * KEY_BYTES + 1, KEY_BYTES, run
        )
        return None if row is None else self.get(row[0])

    def __len__(self) -> int:
        row = self.store.row("SELECT count(*) FROM rows")
        return 0 if row is None else int(row[0])


def _record(row: tuple[Any, ...]) -> Record:
    return Record(**dict(zip(_FIELDS, row, strict=True)))
