"""A person's notes on rows (corrections, decisions): available at once, written by the store's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import StoreError
from .answers import Store
from .waiting import Table
from .worker import LATE_SECONDS

__all__ = ["Notes"]

Key = tuple[Any, ...]


class Notes:
    """The notes in one table of a store; only :meth:`find` and :meth:`keep` wait for the file.

    Args:
        store: the store.
        table: the table's name.
        key: the columns that identify a note.
        values: its other columns.
        fixed: the value columns that a later note with the same key does not change.
    """

    def __init__(
        self, store: Store, table: str, key: Sequence[str], values: Sequence[str], *, fixed: Sequence[str] = ()
    ) -> None:
        names, told = [*key, *values], ", ".join(key)
        taken = ", ".join(f"{name} = excluded.{name}" for name in values if name not in fixed)
        self._worker, self._store = store.worker, store
        self._key, self._fixed = tuple(key), [number for number, name in enumerate(values) if name in fixed]
        self._put = Table(
            f"INSERT INTO {table} ({', '.join(names)})", len(names), f"ON CONFLICT ({told}) DO UPDATE SET {taken}"
        )
        self._drop = Table(f"DELETE FROM {table} WHERE ({told}) IN (", len(key), ")")  # noqa: S608  # our own names
        self._select = f"SELECT {', '.join(names)} FROM {table} WHERE"  # noqa: S608  # our own names

    def put(self, key: Key, values: tuple[Any, ...]) -> None:
        """Keep a note; it replaces an earlier one with the same key.

        Raises:
            StoreError: the store was closed.
        """
        before = self._worker.waiting.get(self._put, key)
        if before is not None:
            values = self._replaced(before[len(self._key) :], values)
        self._worker.put(self._put, key, (*key, *values))

    def drop(self, key: Key) -> None:
        """Forget a note, if there is one.

        Raises:
            StoreError: the store was closed.
        """
        self._worker.put(self._drop, key, key)
        self._worker.waiting.drop(self._put, key)  # so that a later note does not inherit its fixed values

    def find(self, within: float | None = None, **where: Any) -> dict[Key, tuple[Any, ...]]:
        """Return the notes whose key columns have these values, including unwritten notes.

        Raises:
            StoreError: the store cannot be read within ``within`` seconds.
        """
        waiting = self._waiting()  # read before the file, so that no note is missed between the two
        condition = " AND ".join(f"{name} = ?" for name in where)
        width = len(self._key)
        rows = self._store.rows(f"{self._select} {condition} ORDER BY rowid", *where.values(), within=within)
        found: dict[Key, tuple[Any, ...]] = {row[:width]: row[width:] for row in rows}
        for is_put, row in waiting:
            key = row[:width]
            if any(value != where.get(name, value) for name, value in zip(self._key, key, strict=True)):
                continue
            if not is_put:
                found.pop(key, None)
            else:
                found[key] = self._replaced(found[key], row[width:]) if key in found else row[width:]
        return found

    @property
    def unwritten(self) -> int:
        """How many notes are not written yet."""
        return len(self._waiting())

    @property
    def is_closed(self) -> bool:
        """Whether the store was closed, so that nothing is written any more."""
        return self._worker.closed

    @property
    def trouble(self) -> str | None:
        """Why notes cannot be written, or None."""
        return self._worker.trouble if self._worker.trouble is not None and self._waiting() else None

    def keep(self, within: float = LATE_SECONDS) -> None:
        """Wait until all notes are written, at most ``within`` seconds.

        Raises:
            StoreError: the notes are not written yet; they will be as soon as possible, unless the store was closed.
        """
        left = self._worker.flush(within)
        lost = len(self._waiting()) if self._worker.closed else 0
        if lost:
            raise StoreError(
                f"the store was closed before everything was written; {lost} entries are lost. Repeat what you rated "
                "or corrected last."
            )
        if left and self.trouble is not None:
            raise StoreError(self.trouble)

    def _replaced(self, before: tuple[Any, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(before[number] if number in self._fixed else value for number, value in enumerate(values))

    def _waiting(self) -> list[tuple[bool, tuple[Any, ...]]]:
        ours = (self._put.head, self._drop.head)
        waits = [write for write in self._worker.waiting.everything() if write.table.head in ours]
        return [(write.table.head == self._put.head, write.values) for write in waits]
