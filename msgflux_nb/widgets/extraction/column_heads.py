"""The heads of a batch's columns: types and distributions so far; a row is counted when it is drawn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from ...tables.dtypes import columns
from ...tables.fields import Cells
from ...tables.run import Run
from .distribution import Histogram, distribution_of, type_word

__all__ = ["SHOWN_COLUMNS", "ColumnHeads", "empty_heads"]

SHOWN_COLUMNS = 8
_CHUNK = 5_000  # rows that are counted before other threads may run
_NUMBERS = ("integer", "float", "duration")


class ColumnHeads:
    """The heads of the columns of a run.

    Args:
        run: the run, whose schema gives the columns.
        positions: the rows that already have values.
    """

    def __init__(self, run: Run, positions: Iterable[int] = ()) -> None:
        self._run = run
        self._columns = columns(run.schema)[:SHOWN_COLUMNS]
        self._distributions = [distribution_of(column) for column in self._columns]
        self._fresh: deque[int] = deque(positions)
        self._counting = threading.Lock()

    def add(self, position: int) -> None:
        """Note a row that has a value now; fast, from any thread."""
        self._fresh.append(position)

    def drawn(self) -> list[dict[str, Any]]:
        """Count the rows that were added, and return a head for each column."""
        with self._counting:
            while self._fresh:
                chunk = [self._fresh.popleft() for _ in islice(range(_CHUNK), len(self._fresh))]
                ledger = self._run.batch.ledger
                cells = Cells([ledger.values[position] for position in chunk])
                for column, distribution in zip(self._columns, self._distributions, strict=True):
                    distribution.add(cells.of(column))
            heads = empty_heads(self._run.schema)
            return [head | found.drawn() for head, found in zip(heads, self._distributions, strict=True)]


def empty_heads(schema: Any) -> list[dict[str, Any]]:
    """Return the heads before anything has arrived: ``type`` in a word, and ``number`` for right-aligned columns."""
    return [
        {
            "type": type_word(column),
            "number": column.kind in _NUMBERS,
            "kind": "bars" if isinstance(distribution_of(column), Histogram) else "shares",
        }
        for column in columns(schema)[:SHOWN_COLUMNS]
    ]
