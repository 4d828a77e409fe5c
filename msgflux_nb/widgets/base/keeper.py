"""Watches the store write a person's decisions, and tells the view while that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...errors import StoreError
from ...storage.notes import Notes
from .run import start_thread

__all__ = ["Keeper"]

_AGAIN_SECONDS = 0.5  # between two checks of a store that cannot be written


class Keeper:
    """Watches notes being written, on a thread that ends when all are written.

    Args:
        notes: the notes of the store; None without a store.
        tell: called on that thread with a sentence for the person, and with an empty one when all is well again.
    """

    def __init__(self, notes: Notes | None, tell: Callable[[str], None]) -> None:
        self._notes, self._tell = notes, tell
        self._told = ""
        self._guard = threading.Lock()
        self._looks = self._more = False
        self._closed = threading.Event()

    def wake(self) -> None:
        """Start watching, because there is a new note; return at once."""
        with self._guard:
            self._more = True
            if self._looks or self._notes is None or self._closed.is_set():
                return
            self._looks = True
        start_thread(self._look, "msgflux-kept")

    def close(self) -> None:
        """Stop watching; waiting notes are still written."""
        self._closed.set()

    def _look(self) -> None:
        notes = self._notes
        assert notes is not None
        while not self._is_over(notes):
            try:
                notes.keep()
                why = ""
            except StoreError as error:
                why = f"not kept yet: {notes.unwritten:,} of your decisions. {error}"
            if why != self._told and not self._closed.is_set():
                self._told = why
                self._tell(why)
            if notes.is_closed:
                self.close()
            elif notes.unwritten:
                self._closed.wait(_AGAIN_SECONDS)

    def _is_over(self, notes: Notes) -> bool:
        with self._guard:
            self._looks = (self._more or bool(self._told) or notes.unwritten > 0) and not self._closed.is_set()
            self._more = False
            return not self._looks
