"""A person's ratings of a grid's answers, good or bad, kept in the grid's store by request and answer."""

from __future__ import annotations

import contextlib
import hashlib

import msgspec

from ...errors import StoreError
from ...storage.batches import KEY_BYTES
from ...storage.notes import Notes
from ...storage.worker import LATE_SECONDS
from ..fields import plain
from ..ledger import Ledger
from .grid_run import GridRun

__all__ = ["Ratings"]

_KIND = "rating"


class Ratings:
    """The ratings of a grid's answers; they apply to the same answer to the same request in any later grid.

    Args:
        run: the grid.
        ledger: its answers.

    Attributes:
        notes: writes the ratings to the store; None without a store.

    Raises:
        StoreError: the store cannot be read.
    """

    def __init__(self, run: GridRun, ledger: Ledger) -> None:
        self._run = run
        records = run.records
        self.notes = None if records is None else Notes(records.store, "decisions", ("subject", "kind"), ("told",))
        self._own: dict[int, bool] = {}
        self._known = {} if self.notes is None else self.notes.find(kind=_KIND)
        self._recall(ledger)

    def look_at(self, ledger: Ledger) -> None:
        """Continue with another ledger: look up which of its answers were rated before."""
        if self.notes is not None:
            with contextlib.suppress(StoreError):
                self._known = self.notes.find(within=LATE_SECONDS, kind=_KIND)
        self._recall(ledger)

    def _recall(self, ledger: Ledger) -> None:
        self._ledger, known = ledger, self._known
        if known:
            subjects = {position: self._subject(position) for position in range(len(self._run.rows))}
            found = {position: _read(*known.get((one, _KIND), (b"",))) for position, one in subjects.items()}
            self._own |= {position: good for position, good in found.items() if good is not None}

    def get(self, position: int) -> bool | None:
        """Return whether an answer was rated good; None if it is not rated."""
        return self._own.get(position)

    def of_all(self) -> dict[int, bool]:
        """Return all ratings by position."""
        return dict(self._own)

    def put(self, position: int, good: bool | None) -> None:
        """Rate an answer, or remove its rating with None; the store writes it in the background.

        Raises:
            StoreError: the store was closed; the rating is unchanged.
            ValueError: there is no answer.
        """
        if self._ledger.values[position] is None:
            raise ValueError("there is no answer to rate here")
        subject = self._subject(position)
        if self.notes is not None and subject is not None:
            if good is None:
                self.notes.drop((subject, _KIND))
            else:
                self.notes.put((subject, _KIND), (msgspec.json.encode(good),))
        if good is None:
            self._own.pop(position, None)
        else:
            self._own[position] = good

    def _subject(self, position: int) -> bytes | None:
        """Return the identity of an answer: a hash of its request and its content."""
        key = bytes(self._run.keys[position * KEY_BYTES : (position + 1) * KEY_BYTES])
        value = self._ledger.values[position]
        if not any(key) or value is None:
            return None
        return hashlib.sha256(key + msgspec.json.encode(plain(value), enc_hook=str)).digest()


def _read(told: object) -> bool | None:
    """Return a stored rating; None if it was not written by this package."""
    return {b"true": True, b"false": False}.get(told) if isinstance(told, bytes) else None
