"""The answers to the pieces of one text → one answer: joins lists, and takes other fields from one piece.

* Lists, tuples of any length and sets: the items of all pieces in order. An item that two neighbours both found is kept
  once if it is in their overlap, and twice if each piece has it outside of the overlap.
* Dicts: the keys of all pieces; the first value of a key that occurs twice.
* Records: field by field.
* Anything else: the value of the piece with the highest confidence, or the first of equal ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..compare import normalised
from ..fields import field_names, field_of, plain
from .cut import Range

__all__ = ["Answered", "Merged", "merged"]

_SEQUENCES = (list, tuple, set, frozenset)


class Answered(msgspec.Struct, frozen=True):
    """One piece that was answered.

    Attributes:
        number: the number of the piece in the text.
        place: its range of characters.
        value: the answer.
        sure: the confidence of its fields, by column.
    """

    number: int
    place: Range
    value: Any
    sure: dict[str, float] = {}


class Merged(msgspec.Struct, frozen=True):
    """One answer made of several.

    Attributes:
        value: the answer.
        origins: the piece of each field, by its dotted name; for a list, the pieces of its items.
        sure: the confidence of its fields, by column.
    """

    value: Any
    origins: dict[str, Any]
    sure: dict[str, float]


def merged(text: str, pieces: Sequence[Answered]) -> Merged:
    """Merge the answers to the pieces of a text.

    Args:
        text: the whole text.
        pieces: the pieces that were answered, in order; at least one.
    """
    work = _Merge(text, pieces)
    value = work.value([piece.value for piece in pieces], "")
    return Merged(value, work.origins, work.sure())


class _Merge:
    def __init__(self, text: str, pieces: Sequence[Answered]) -> None:
        self._text, self._pieces = text, pieces
        self.origins: dict[str, Any] = {}

    def value(self, values: list[Any], path: str) -> Any:
        """Merge the values of the pieces at a path."""
        present = [value for value in values if not _is_nothing(value)]
        kind = type(present[0]) if present else type(None)
        if kind in _SEQUENCES and not hasattr(kind, "_fields"):
            return kind(self._items(values, path))
        if present and issubclass(kind, dict) and not field_names(kind):
            return {key: one for value in reversed(present) for key, one in value.items()}
        names = field_names(kind)
        if names and all(type(value) is kind for value in present):
            fields = {
                name: self.value([field_of(value, name) for value in values], f"{path}.{name}" if path else name)
                for name in names
            }
            return _replaced(present[0], fields)
        place = self._surest(values, path)
        self.origins[path] = self._pieces[place].number
        return values[place]

    def sure(self) -> dict[str, float]:
        """Return the confidence of each column: the lowest of the pieces that it came from."""
        found: dict[str, float] = {}
        for column in dict.fromkeys(name for piece in self._pieces for name in piece.sure):
            origin = self._origin(column)
            numbers = None if origin is None else set(origin if isinstance(origin, list) else [origin])
            known = [
                piece.sure[column]
                for piece in self._pieces
                if column in piece.sure and (not numbers or piece.number in numbers)
            ]
            if known:
                found[column] = min(known)
        return found

    def _origin(self, column: str) -> Any:
        if "" in self.origins:
            return self.origins[""]
        parts = column.split(".")
        paths = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((self.origins[path] for path in paths if path in self.origins), None)

    def _surest(self, values: list[Any], path: str) -> int:
        candidates = [place for place, value in enumerate(values) if not _is_nothing(value)] or [0]
        return max(candidates, key=lambda place: (self._sureness(place, path), -place))

    def _sureness(self, place: int, path: str) -> float:
        sure = self._pieces[place].sure
        return min(
            (one for name, one in sure.items() if not path or name == path or name.startswith(f"{path}.")), default=-1
        )

    def _items(self, values: list[Any], path: str) -> list[Any]:
        found: list[Any] = []
        origins: list[int] = []
        before: list[str] = []  # the items of the piece before, as texts to compare
        for place, value in enumerate(values):
            items = [] if _is_nothing(value) else list(value)
            said = list(map(_said, items))
            left = list(before)
            for item, text in zip(items, said, strict=True):
                if place and text in left and self._is_double(place, item):
                    left.remove(text)
                    continue
                found.append(item)
                origins.append(self._pieces[place].number)
            before = said
        self.origins[path] = origins
        return found

    def _is_double(self, place: int, item: Any) -> bool:
        """Whether an item is the same mention as an equal item of the piece before, because it is in their overlap."""
        here, before = self._pieces[place], self._pieces[place - 1]
        if here.number != before.number + 1 or here.place[0] >= before.place[1]:
            return False  # no overlap
        own_before = normalised(self._text[before.place[0] : here.place[0]])
        own_here = normalised(self._text[before.place[1] : here.place[1]])
        leaves = list(_leaves(plain(item)))
        return not (leaves and all(leaf in own_before and leaf in own_here for leaf in leaves))


def _replaced(record: Any, fields: dict[str, Any]) -> Any:
    if isinstance(record, msgspec.Struct):
        return msgspec.structs.replace(record, **fields)
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return dataclasses.replace(record, **fields)
    replace: Callable[..., Any] = record._replace
    return replace(**fields)


def _is_nothing(value: Any) -> bool:
    return value is None or value is msgspec.UNSET or (isinstance(value, str) and not value.strip())


def _said(item: Any) -> str:
    return repr(_normal(plain(item)))


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return normalised(value)
    if isinstance(value, list):
        return [_normal(one) for one in value]
    return {key: _normal(one) for key, one in value.items()} if isinstance(value, dict) else value


def _leaves(value: Any) -> Any:
    """Yield the texts and numbers of an item, in the form in which a text may hold them."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif value is not None and not isinstance(value, bool) and str(value).strip():
        yield normalised(str(value))
