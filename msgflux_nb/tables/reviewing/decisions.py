"""What a person decided about rows, kept as corrections are: by what a row holds, for every later run of such rows."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...storage.batches import Records
from ..corrections import Corrections

__all__ = ["Decision", "Decisions"]

_PUT = "INSERT INTO decisions (subject, kind, told) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET told = excluded.told"
_DROP = "DELETE FROM decisions WHERE subject = ? AND kind = ?"
_GET = "SELECT subject, told FROM decisions WHERE kind = ?"


class Decision(msgspec.Struct, frozen=True):
    """What was decided about a row.

    Attributes:
        state: ``accepted``, or ``unusable``: there is no right answer to this row.
        value: the right answer as JSON; None of an unusable row.
        made: when, in seconds since 1970.
        before: the fields that this decision corrected, each with the correction that it had before, as JSON, or None.
    """

    state: Literal["accepted", "unusable"]
    value: str | None
    made: float
    before: dict[str, str | None] = {}


class Decisions:
    """The decisions about the rows of a run, among all about rows read as the same schema.

    Args:
        records: the store in which they are kept; None to keep them as long as this object.
        corrections: of the same run; they know what a row is known by.
    """

    def __init__(self, records: Records | None, corrections: Corrections) -> None:
        self._store = None if records is None else records.store
        self._subject = corrections.subject
        self._kind = f"review {corrections.schema_name}"
        self._own: dict[bytes, bytes] = {}

    def put(self, position: int, decision: Decision) -> None:
        """Keep a decision; it is committed when this returns. It counts for every row that holds the same.

        Raises:
            ValueError: what the row holds is not known, so that nothing can be kept with it.
        """
        subject = self._subject(position)
        if subject is None:
            raise ValueError(
                "what this row holds was not kept, so that no decision can be kept with it. It came from an iterator, "
                "or has an image that is no path and no bytes: give `extract` a list or a DataFrame"
            )
        told = msgspec.json.encode(decision)
        if self._store is None:
            self._own[subject] = told
        else:
            self._store.row(_PUT, subject, self._kind, told)

    def drop(self, position: int) -> None:
        """Forget a row's decision."""
        subject = self._subject(position)
        if self._store is None:
            self._own.pop(subject or b"", None)
        else:
            self._store.row(_DROP, subject, self._kind)

    def of_rows(self, positions: list[int]) -> dict[int, Decision]:
        """Return the decisions by position, for the rows that have one."""
        known = dict(self._own) if self._store is None else dict(self._store.rows(_GET, self._kind))
        if not known:
            return {}
        decisions = {subject: msgspec.json.decode(told, type=Decision) for subject, told in known.items()}
        found = {position: self._subject(position) for position in positions}
        return {position: decisions[subject] for position, subject in found.items() if subject in decisions}
