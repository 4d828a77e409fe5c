"""Notices that the log of an open SQLite file was lost: deleted, replaced or damaged, which SQLite does not notice.

While a connection is open, SQLite never deletes or exchanges the log (``-wal``) or its index (``-shm``). It empties the
log only after it has copied the log's pages into the file, and gives it a new head when it begins again.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

__all__ = ["Log", "identity"]

_HEAD = 32  # bytes
_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


class Log:
    """The log of an open file.

    Args:
        path: the file, which a connection has just opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + "-wal")
        self._held = {one: identity(one) for one in (self.path, path.with_name(path.name + "-shm"))}
        self._head, self._size = self._read()

    def moved(self) -> str | None:
        """Return ``deleted`` or ``replaced by another file``, or None while both files are at their paths."""
        for path, before in self._held.items():
            now = identity(path)
            if before is not None and now != before:
                return "deleted" if now is None else "replaced by another file"
        return None

    def is_damaged(self, connection: sqlite3.Connection) -> bool | None:
        """Whether pages in the log are lost; None if another process prevents that from being known now."""
        head, size = self._read()
        if size == 0 and self._size:
            try:
                (held, _, _) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_IOERR:
                    raise
                return True  # SQLite expects pages in it
            if held:
                return None
        if size and (head[:4] not in _MAGIC or (head == self._head and size < self._size)):
            return True
        self._head, self._size = head, size
        return False

    def clear(self) -> None:
        """Empty a damaged log, so that SQLite copies nothing from it into the file."""
        os.truncate(self.path, 0)

    def _read(self) -> tuple[bytes, int]:
        """Return the log's head and size; SQLite holds no lock on this file that closing it here could release."""
        try:
            with self.path.open("rb") as log:
                size = os.fstat(log.fileno()).st_size  # before the head, which is the first to be written
                head = log.read(_HEAD)
        except FileNotFoundError:
            return b"", 0
        return head, size if head else 0


def identity(path: Path) -> tuple[int, int] | None:
    """Return the device and the number of the file at a path; None if there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
