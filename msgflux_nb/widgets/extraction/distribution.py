"""The distribution of one column's cells, counted as they arrive: shares of texts, or a histogram of numbers."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ...display.markdown import encodable
from ...display.values import readable
from ...tables.dtypes import Column
from ...tables.fields import is_missing

__all__ = ["Distribution", "Histogram", "Shares", "distribution_of", "type_word"]

BARS = 16
_FINE = 512  # the most bins that a histogram counts
_FIRST_WIDTH = -60  # the first width of a bin is 2 to this power
_REST = 0.02  # the most numbers, as a share, that the last bar may collect
_FAR = 1e280  # larger numbers are not drawn: divided by the first width they would overflow
_NAMES = 2_000  # the most texts that are counted
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
    """Return a column's type in one word; empty if it may hold anything."""
    return _WORDS.get(column.kind, "")


class Distribution:
    """The cells of one column so far; a subclass counts those with a value.

    Attributes:
        seen: the number of cells.
        missing: the number of missing ones.
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
        """Count cells with a value."""

    def drawn(self) -> dict[str, Any]:
        """Return the drawing for a page: the share ``missing``, and fields of the subclass."""
        return {"missing": self.missing / self.seen if self.seen else 0.0}


class Shares(Distribution):
    """Counts the most frequent texts, choices or booleans.

    Args:
        levels: the choices in declared order, which is kept.
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
        """Return ``shares`` as names and counts, with all but the first few as one; ``distinct`` and ``alike``."""
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
    """Counts numbers exactly in bins whose width doubles when there are too many bins.

    A bin is ``floor(number / 2**k)``. Only bins with numbers are kept, so an outlier costs nothing and memory is
    bounded.

    Args:
        measure: returns a cell as a number; if it raises ValueError or OverflowError, the cell is left out.
        label: returns the text for a number at an end of the drawing.
        whole: whether all numbers are whole, so that no bar is narrower than one.
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
        """Return ``bars`` from the least number to the greatest, and ``ends``; the last bar collects outliers."""
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
        return super().drawn() | {
            "bars": bars,
            "from": low,
            "width": width,
            "ends": [self._label(low), self._label(high) + ("+" if beyond else "")],
        }

    def _edge(self) -> float:
        """Return the number at which the last bar ends: the greatest, unless a few are far beyond all others."""
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
    """Return the counter for the cells of a column."""
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
    text = readable(cell)
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
