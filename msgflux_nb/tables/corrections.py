"""What a person corrected in a result, kept with the answers, so that the same row is right in every later run.

A correction belongs to a row by what the row holds, and not by its label, its place or the request that was made for
it: it stays when rows move, when the prompt's wording, the examples or the model change, and it holds for every row of
the same texts. The answer itself is not touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from ..storage.batches import KEY_BYTES, BatchRecords
from ..storage.notes import Notes
from .cells import CellError, UnreadableCell
from .fields import is_missing
from .paths import replaced, type_at
from .rows import Rows

__all__ = ["Correction", "Corrections"]


class Correction(msgspec.Struct, frozen=True):
    """One corrected field of a row.

    Attributes:
        field: the names that lead to it, with dots; empty for the whole answer.
        value: what is right, as JSON.
        was: what the answer said, as JSON.
    """

    field: str
    value: bytes
    was: bytes


_FIELDS = Correction.__struct_fields__


def _read(told: Sequence[Any]) -> list[Correction]:
    """Return a correction as it was written; none for what somebody else has written."""
    try:
        return [msgspec.convert(dict(zip(_FIELDS, told, strict=True)), Correction)]
    except msgspec.ValidationError:
        return []


class Corrections:
    """The corrections to the rows of a run, among all that were made to rows read as the same schema.

    Args:
        records: the store in which they are kept; None to keep them as long as this object.
        schema: the type of the answers.
        rows: the rows.
        keys: those of the rows' requests, by position, one after the other; they grow.

    Attributes:
        schema_name: what corrections to answers of this type are kept under.
    """

    def __init__(self, records: BatchRecords | None, schema: Any, rows: Rows, keys: bytearray) -> None:
        self._rows, self._keys = rows, keys
        key, values = ("subject", "schema", "field"), ("value", "was")
        self._notes = None if records is None else Notes(records.store, "corrections", key, values, fixed=("was",))
        self._schema = schema
        self.schema_name = str(getattr(schema, "__qualname__", schema))
        self._own: dict[bytes | None, dict[str, Correction]] = {}
        self._subjects: dict[int, bytes] = {}  # of rows that stay; finding out takes some 10 µs a row

    def put(self, position: int, correction: Correction) -> None:
        """Keep a correction; :meth:`keep` says that it is written. A later one of the same field takes its place.

        Raises:
            ValueError: the row is not known any more: one of an iterator, without a store.
            StoreError: the store was closed.
        """
        subject = self.subject(position)
        if subject is None:
            raise ValueError(
                "correct: the content of this row was not kept, so no correction can be kept with it. The row is "
                "blank, came from an iterator, or has an image that is neither a path nor bytes: give `extract` a list "
                "or a DataFrame"
            )
        known = self._own.setdefault(subject, {}).get(correction.field, correction)
        if self._notes is not None:
            self._notes.put((subject, self.schema_name, correction.field), (correction.value, correction.was))
        self._own[subject][correction.field] = msgspec.structs.replace(correction, was=known.was)

    def drop(self, position: int, field: str) -> None:
        """Forget the correction of a field; nothing happens if there is none."""
        subject = self.subject(position)
        if self._notes is not None and subject is not None:
            self._notes.drop((subject, self.schema_name, field))
        self._own.get(subject, {}).pop(field, None)

    def keep(self) -> None:
        """Wait until all corrections are written, for a second at most.

        Raises:
            StoreError: they are not, for now; they are written as soon as that is possible.
        """
        if self._notes is not None:
            self._notes.keep()

    def of_row(self, position: int) -> dict[str, Correction]:
        """Return the corrections of one row by field, as of the last look at all of them; no store is asked."""
        return dict(self._own.get(self.subject(position), {}))

    def of_rows(self, within: float | None = None) -> dict[int, dict[str, Correction]]:
        """Return the corrections by position, for the rows that have any, and by field.

        Raises:
            StoreError: the store cannot be read, or not within so many seconds.
        """
        known = self._all(within)
        if not known:
            return {}
        found = {position: self.subject(position) for position in range(len(self._rows))}
        return {position: known[subject] for position, subject in found.items() if subject in known}

    def set_right(self, values: list[Any], within: float | None = None) -> None:
        """Put what is right into decoded answers, by position; a row that has none becomes a dict of what is known.

        What does not fit the schema of today is left as it was.

        Raises:
            StoreError: the store cannot be read, or not within so many seconds.
        """
        for position, corrections in self.of_rows(within).items():
            for correction in corrections.values():
                values[position] = self.applied(values[position], correction)

    def applied(self, value: Any, correction: Correction) -> Any:
        """Return one answer with what is right in it."""
        path = correction.field.split(".") if correction.field else []
        try:
            kind = type_at(self._schema, path, value)
            return replaced(value, path, msgspec.json.decode(correction.value, type=kind))
        except (LookupError, msgspec.DecodeError, RecursionError):
            return value

    def _all(self, within: float | None = None) -> dict[bytes | None, dict[str, Correction]]:
        if self._notes is not None:
            found: dict[bytes | None, dict[str, Correction]] = {}
            for (subject, _, field), told in self._notes.find(within, schema=self.schema_name).items():
                for correction in _read((field, *told)):
                    found.setdefault(subject, {})[correction.field] = correction
            self._own = found
        return self._own

    def subject(self, position: int) -> bytes | None:
        """Return what identifies a row; the key of its request if the row was not kept."""
        if position in self._subjects:
            return self._subjects[position]
        media = self._rows.media(position)
        try:
            told = _subject_of(self._rows.texts(position), media)
        except CellError:  # then the row is known by what could not be read
            texts = self._rows.readable_texts(position)
            others = [self._rows.cell(name, position) for name in texts if not texts[name]]
            told = _subject_of(texts, [*media, *(one for one in others if not is_missing(one))])
        if told is not None and self._rows.stay:
            self._subjects[position] = told
        key = bytes(self._keys[position * KEY_BYTES : (position + 1) * KEY_BYTES])
        return told or (key if any(key) else None)


def _subject_of(cells: dict[str, str], media: Sequence[Any] = ()) -> bytes | None:
    """Return what a row is known by.

    Args:
        cells: its texts by column.
        media: what its images and files are made from.

    Returns:
        A hash; None for a blank row, and for one with media that are not told by a text or bytes.
    """
    told = [_told(one) for one in media]
    if not any((*cells.values(), *told)) or None in told:
        return None
    return hashlib.sha256(msgspec.json.encode((cells, told), order="sorted")).digest()


def _told(source: Any) -> str | None:
    if isinstance(source, UnreadableCell):
        return _told(source.source)
    if isinstance(source, bytes | bytearray | memoryview):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, str):
        return source if source.isascii() else source.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return str(source) if hasattr(source, "__fspath__") else None
