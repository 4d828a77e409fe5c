"""What the cells of one column are, counted as they arrive: shares of texts, a histogram of numbers, how many miss."""

from __future__ import annotations

import datetime
import enum
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ...display.markdown import encodable
from ...tables.dtypes import Column
from ...tables.fields import is_missing

__all__ = ["Distribution", "Histogram", "Shares", "distribution_of", "type_word"]

BARS = 16
_FINE = 512  # places that a histogram counts apart
_FIRST_WIDTH = -60  # powers of two: the width of a place before anything has arrived
_REST = 0.02  # so small a share of the numbers may lie beyond the last bar
_FAR = 1e280  # numbers are drawn up to here: divided by the least width, they are floats still
_NAMES = 2_000  # texts that are counted apart
_SHARES = 7
_LETTERS = 24
_WORDS = {
    "integer": "int",
    "float": "float",
    "boolean": "bool",
    "string": "str",
    "category": "choice",
    "datetime": "time",
    "naive": "time",
    "utc": "time",
    "date": "date",
    "duration": "duration",
    "list": "list",
}
_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def type_word(column: Column) -> str:
    """Name a column's type in one word; nothing for one that may hold anything."""
    return _WORDS.get(column.kind, "")


class Distribution:
    """The cells of one column so far; a subclass counts those that are there.

    Attributes:
        seen: how many cells were counted.
        missing: how many of them hold nothing.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.missing = 0

    def add(self, cells: Sequence[Any]) -> None:
        """Count more cells."""
        self.seen += len(cells)
        there = [cell for cell in cells if not is_missing(cell)]
        self.missing += len(cells) - len(there)
        self._count(there)

    def _count(self, cells: list[Any]) -> None:
        """Count cells that are there."""

    def drawn(self) -> dict[str, Any]:
        """Return what a page draws: ``missing`` as a share, and what the kind of the column adds."""
        return {"missing": self.missing / self.seen if self.seen else 0.0}


class Shares(Distribution):
    """Texts, choices, truth values: how often each of the most frequent occurs.

    Args:
        levels: choices in the order of their declaration, which is kept.
    """

    def __init__(self, levels: Sequence[Any] = ()) -> None:
        super().__init__()
        self._levels = [_name(level) for level in levels]
        self._counts: Counter[str] = Counter(dict.fromkeys(self._levels, 0))
        self._others = 0

    def _count(self, cells: list[Any]) -> None:
        arrived = Counter(map(_name, cells))
        room = _NAMES - len(self._counts)
        for name, count in arrived.items():
            if name in self._counts:
                self._counts[name] += count
            elif room > 0:
                self._counts[name] = count
                room -= 1
            else:
                self._others += count

    def drawn(self) -> dict[str, Any]:
        """Return ``shares``: name and count, the names beyond the first few together; ``distinct`` and ``alike``."""
        found = [(name, count) for name, count in self._counts.items() if count]
        if not self._levels:
            found.sort(key=lambda share: -share[1])
        shown, rest = found[:_SHARES], sum(count for _, count in found[_SHARES:]) + self._others
        distinct = len(found) + (1 if self._others else 0)
        return super().drawn() | {
            "shares": [[name, count] for name, count in shown],
            "others": rest,
            "distinct": distinct,
            "all_differ": distinct > _SHARES and found[0][1] == 1 and not self._others,
            "uncounted": self._others > 0,
        }


class Histogram(Distribution):
    """Numbers, or what can be measured: exact counts in places whose width doubles when there are too many of them.

    A place is ``floor(number / 2**k)``; only those that hold something are kept, so a single number far away costs
    nothing, and any amount of numbers takes the same room.

    Args:
        measure: a cell as a number; it may raise ValueError or OverflowError, and the cell is left out then.
        label: the text for a number at an end of the picture.
        whole: whether only whole numbers occur, so that no bar is narrower than one.
    """

    def __init__(self, measure: Callable[[Any], float], label: Callable[[float], str], *, whole: bool) -> None:
        super().__init__()
        self._measure, self._label, self._whole = measure, label, whole
        self._exponent = 0 if whole else _FIRST_WIDTH
        self._places: Counter[int] = Counter()
        self._least, self._most = math.inf, -math.inf

    def _count(self, cells: list[Any]) -> None:
        for cell in cells:
            try:
                number = self._measure(cell)
            except (ValueError, OverflowError, TypeError):
                continue
            if abs(number) > _FAR:
                continue
            self._least, self._most = min(self._least, number), max(self._most, number)
            self._places[math.floor(math.ldexp(number, -self._exponent))] += 1
            while len(self._places) > _FINE:
                self._widen()

    def _widen(self) -> None:
        self._exponent += 1
        wider: Counter[int] = Counter()
        for place, count in self._places.items():
            wider[place >> 1] += count
        self._places = wider

    def drawn(self) -> dict[str, Any]:
        """Return ``bars`` from the least number to the greatest, and ``ends``; the last bar holds what is far away."""
        if not self._places:
            return super().drawn() | {"bars": [], "ends": ["", ""]}
        low, high, beyond = self._least, self._edge(), False
        if high < self._most:
            beyond = True
        width = (high - low) / BARS
        count = BARS
        if self._whole:
            width = max(1, math.ceil((high - low + 1) / BARS))
            count = math.floor((high - low) / width) + 1
        elif not width:
            count, width = 1, 1.0
        bars = [0] * count
        for place, amount in self._places.items():
            start = max(low, math.ldexp(place, self._exponent))
            bars[min(count - 1, int((start - low) / width))] += amount
        return super().drawn() | {"bars": bars, "ends": [self._label(low), self._label(high) + ("+" if beyond else "")]}

    def _edge(self) -> float:
        """Where the last bar begins to hold the rest: the greatest number, unless a few lie far beyond all others."""
        allowed, held = sum(self._places.values()) * _REST, 0
        edge = self._most
        for place in sorted(self._places, reverse=True):
            held += self._places[place]
            if held > allowed:
                edge = math.ldexp(place + (0 if self._whole and self._exponent == 0 else 1), self._exponent)
                break
        far = self._most - self._least > 2 * (edge - self._least)
        return min(self._most, edge) if far and edge > self._least else self._most


def distribution_of(column: Column) -> Distribution:
    """Return what counts the cells of a column."""
    if column.kind in ("string", "category", "boolean"):
        return Shares((True, False) if column.kind == "boolean" else column.levels)
    if column.kind == "integer":
        return Histogram(float, _number, whole=True)
    if column.kind == "float":
        return Histogram(float, _number, whole=False)
    if column.kind == "list":
        return Histogram(lambda cell: float(len(cell)), _number, whole=True)
    if column.kind == "date":
        return Histogram(lambda cell: float(cell.toordinal()), _day, whole=True)
    if column.kind in ("datetime", "naive", "utc"):
        return Histogram(_moment, lambda seconds: _day(seconds / 86_400 + _EPOCH.toordinal()), whole=False)
    if column.kind == "duration":
        return Histogram(lambda cell: cell.total_seconds(), _seconds, whole=False)
    return Distribution()


def _name(cell: Any) -> str:
    text = str(cell.value if isinstance(cell, enum.Enum) else cell)
    return encodable(text if len(text) <= _LETTERS else f"{text[:_LETTERS]}…")


def _moment(cell: datetime.datetime) -> float:
    return (cell - (_EPOCH if cell.tzinfo is None else _EPOCH_UTC)).total_seconds()


def _day(ordinal: float) -> str:
    return datetime.date.fromordinal(max(1, min(datetime.date.max.toordinal(), int(ordinal)))).isoformat()


def _seconds(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))


def _number(number: float) -> str:
    if number == int(number) and abs(number) < 1e7:
        return f"{int(number):,}"
    return f"{number:,.3g}" if abs(number) < 1e7 and abs(number) >= 1e-3 else f"{number:.1e}"
