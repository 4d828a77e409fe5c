"""What a batch keeps: one record for each request, and one for each run, in the store of answers.

A record is committed before its row is shown as done. It holds the request, the provider's bytes, and the text of the
structure in them, so that the same request is never paid for twice, and an answer can be read again when the schema
that it is decoded to has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from .store import Store

__all__ = ["Record", "Records", "RunRecord"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request.

    Attributes:
        key: of the whole request.
        question: of the request but for its structure.
        state: how the row ended: ``ok``, ``invalid``, ``refused``, ``truncated``.
        text: the text of the structure.
        request: the request's body.
        answer: the provider's bytes, or None where an answer never came whole.
        error: what went wrong, or None.
        attempts: how many requests were sent.
        prompt_tokens: as billed, or None.
        completion_tokens: likewise.
        cost: US dollars, or None.
        seconds: how long it took, or None.
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


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run over some rows.

    Attributes:
        run: its name.
        began: when, in seconds since 1970.
        model: the model's name.
        schema: the name of the schema.
        prompt: the prompt, or None.
        report: what it did so far, as plain values.
    """

    run: str
    began: float
    model: str
    schema: str
    prompt: str | None
    report: dict[str, Any]


_FIELDS = Record.__struct_fields__
_INSERT = (
    f"INSERT INTO rows ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))}) "  # noqa: S608  # our own names
    "ON CONFLICT (key) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _FIELDS[2:])
)
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM rows"  # noqa: S608  # our own names


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
        """Take over what another store has and this one does not."""
        for row in other.store.rows(_SELECT):
            record = _record(row)
            if self.get(record.key) is None:
                self.put(record)

    def put_run(self, run: RunRecord) -> None:
        """Keep what a run did so far."""
        self.store.row(
            "INSERT INTO runs (run, began, told) VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE SET told = excluded.told",
            run.run,
            run.began,
            msgspec.json.encode(run),
        )

    def runs(self) -> Iterator[RunRecord]:
        """Yield the runs, the oldest first."""
        for (told,) in self.store.rows("SELECT told FROM runs ORDER BY began"):
            yield msgspec.json.decode(told, type=RunRecord)

    def __len__(self) -> int:
        row = self.store.row("SELECT count(*) FROM rows")
        return 0 if row is None else int(row[0])


def _record(row: tuple[Any, ...]) -> Record:
    return Record(**dict(zip(_FIELDS, row, strict=True)))
