"""What a person thinks of a grid's answers: good or bad, kept in the grid's store by request and answer."""

from __future__ import annotations

import hashlib

import msgspec

from ...storage.batches import KEY_BYTES
from ..fields import plain
from ..ledger import Ledger
from .grid_run import GridRun

__all__ = ["Ratings"]

_KIND = "rating"
_PUT = "INSERT INTO decisions (subject, kind, told) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET told = excluded.told"
_DROP = "DELETE FROM decisions WHERE subject = ? AND kind = ?"
_GET = "SELECT subject, told FROM decisions WHERE kind = ?"


class Ratings:
    """The ratings of a grid's answers; they count for the same answer to the same request in any later grid.

    Args:
        run: the grid.
        ledger: its answers.
    """

    def __init__(self, run: GridRun, ledger: Ledger) -> None:
        self._run = run
        self._store = None if run.records is None else run.records.store
        self._own: dict[int, bool] = {}
        self.look_at(ledger)

    def look_at(self, ledger: Ledger) -> None:
        """Go on with more answers: those that were rated before are known again."""
        self._ledger = ledger
        known = {} if self._store is None else dict(self._store.rows(_GET, _KIND))
        if known:
            subjects = {position: self._subject(position) for position in range(len(self._run.rows))}
            found = {position: known[one] for position, one in subjects.items() if one in known}
            self._own |= {position: msgspec.json.decode(told, type=bool) for position, told in found.items()}

    def get(self, position: int) -> bool | None:
        """Return whether an answer was found good; None for one that is not rated."""
        return self._own.get(position)

    def of_all(self) -> dict[int, bool]:
        """Return the ratings by position."""
        return dict(self._own)

    def put(self, position: int, good: bool | None) -> None:
        """Rate an answer, or take its rating back with None; it is kept when this returns."""
        if self._ledger.values[position] is None:
            raise ValueError("there is no answer to rate here")
        if good is None:
            self._own.pop(position, None)
        else:
            self._own[position] = good
        subject = self._subject(position)
        if self._store is None or subject is None:
            return
        if good is None:
            self._store.row(_DROP, subject, _KIND)
        else:
            self._store.row(_PUT, subject, _KIND, msgspec.json.encode(good))

    def _subject(self, position: int) -> bytes | None:
        """Return what an answer is known by: its request, and what it says."""
        key = bytes(self._run.keys[position * KEY_BYTES : (position + 1) * KEY_BYTES])
        value = self._ledger.values[position]
        if not any(key) or value is None:
            return None
        return hashlib.sha256(key + msgspec.json.encode(plain(value), enc_hook=str)).digest()
