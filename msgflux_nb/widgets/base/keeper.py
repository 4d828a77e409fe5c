"""Writes what a person decided in a view, on its store's own thread; tells the view while that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...errors import StoreError
from ...storage.notes import Notes
from .run import start_thread

__all__ = ["Keeper"]

_AGAIN_SECONDS = 0.5  # between two looks at a store that cannot be written


class Keeper:
    """Looks on while notes are written, on a thread that ends with the last of them.

    Args:
        notes: what was decided; None if it is not written at all.
        tell: called on that thread with what a person should know, and with nothing when all is well again.
    """

    def __init__(self, notes: Notes | None, tell: Callable[[str], None]) -> None:
        self._notes, self._tell = notes, tell
        self._told = ""
        self._guard = threading.Lock()
        self._looks = self._more = False
        self._closed = threading.Event()

    def wake(self) -> None:
        """Something was decided; returns at once."""
        with self._guard:
            self._more = True
            if self._looks or self._notes is None or self._closed.is_set():
                return
            self._looks = True
        start_thread(self._look, "msgflux-kept")

    def close(self) -> None:
        """Look on no longer; what waits is written all the same."""
        self._closed.set()

    def _look(self) -> None:
        notes = self._notes
        assert notes is not None
        while not self._is_over(notes):
            try:
                notes.keep()
                why = ""
            except StoreError as error:
                why = f"not kept yet: {notes.unwritten:,} of what you decided. {error}"
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
