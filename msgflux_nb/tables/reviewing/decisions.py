"""A person's decisions about rows, kept by the content of a row, like corrections, for every later run."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ...storage.batches import BatchRecords
from ...storage.notes import Notes
from ..corrections import Corrections

__all__ = ["Decision", "Decisions"]


class Decision(msgspec.Struct, frozen=True):
    """A decision about a row.

    Attributes:
        state: ``accepted``, or ``unusable`` if the row has no right answer.
        value: the right answer as JSON; None for an unusable row.
        made: the time of the decision, in seconds since 1970.
        before: the fields that this decision corrected, each with its earlier correction as JSON, or None.
    """

    state: Literal["accepted", "unusable"]
    value: str | None
    made: float
    before: dict[str, str | None] = {}


class Decisions:
    """The decisions about the rows of a run, chosen from all decisions of the same schema.

    Args:
        records: the store that keeps them; None to keep them as long as this object.
        corrections: the corrections of the run, which identify rows by their content.

    Attributes:
        notes: writes the decisions to the store; None without a store.
    """

    def __init__(self, records: BatchRecords | None, corrections: Corrections) -> None:
        key, values = ("subject", "kind"), ("told",)
        self.notes = None if records is None else Notes(records.store, "decisions", key, values)
        self._subject = corrections.subject
        self._kind = f"review {corrections.schema_name}"
        self._own: dict[bytes, bytes] = {}

    def put(self, position: int, decision: Decision) -> None:
        """Add a decision, which applies to every row with the same content; it is written in the background.

        Raises:
            StoreError: the store was closed.
            ValueError: the content of the row was not kept, so no decision can be kept with it.
        """
        subject = self._subject(position)
        if subject is None:
            raise ValueError(
                "the content of this row was not kept, so no decision can be kept with it. The row came from an "
                "iterator, or has an image that is neither a path nor bytes: give `extract` a list or a DataFrame"
            )
        told = msgspec.json.encode(decision)
        if self.notes is None:
            self._own[subject] = told
        else:
            self.notes.put((subject, self._kind), (told,))

    def drop(self, position: int) -> None:
        """Forget a row's decision."""
        subject = self._subject(position)
        if subject is None:
            return
        if self.notes is None:
            self._own.pop(subject, None)
        else:
            self.notes.drop((subject, self._kind))

    def of_rows(self, positions: list[int]) -> dict[int, Decision]:
        """Return the decisions by position, for the rows that have one.

        Raises:
            StoreError: the store cannot be read.
        """
        known = {subject: _read(told) for subject, told in self._known().items()}
        if not known:
            return {}
        found = {position: known.get(self._subject(position)) for position in positions}
        return {position: decision for position, decision in found.items() if decision is not None}

    def _known(self) -> dict[Any, Any]:
        if self.notes is None:
            return dict(self._own)
        return {key[0]: told for key, (told,) in self.notes.find(kind=self._kind).items()}


def _read(told: Any) -> Decision | None:
    """Return a stored decision; None if it was not written by this package."""
    try:
        decision = msgspec.json.decode(told, type=Decision)
        for value in (decision.value, *decision.before.values()):
            msgspec.json.decode("null" if value is None else value)
    except (msgspec.DecodeError, TypeError, RecursionError, UnicodeError):
        return None
    return decision
