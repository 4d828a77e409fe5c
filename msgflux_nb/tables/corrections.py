"""A person's corrections of a result, kept with the answers and applied to the same rows in every later run.

A correction belongs to the content of a row, not to its label, its place or its request. So it survives when rows move
or when the prompt, the examples or the model change, and it applies to every row with the same texts. The answer
itself does not change.
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
        field: the dotted name of the field; empty for the whole answer.
        value: the right value, as JSON.
        was: the answer's value, as JSON.
    """

    field: str
    value: bytes
    was: bytes


_FIELDS = Correction.__struct_fields__


def _read(told: Sequence[Any]) -> list[Correction]:
    """Return a stored correction in a list; an empty list if it was not written by this package."""
    try:
        return [msgspec.convert(dict(zip(_FIELDS, told, strict=True)), Correction)]
    except msgspec.ValidationError:
        return []


class Corrections:
    """The corrections to the rows of a run, chosen from all corrections of the same schema.

    Args:
        records: the store that keeps them; None to keep them as long as this object.
        schema: the type of the answers.
        rows: the rows.
        keys: the keys of the rows' requests, one after the other in the order of positions; they grow.

    Attributes:
        schema_name: the name under which corrections to this schema are kept.
    """

    def __init__(self, records: BatchRecords | None, schema: Any, rows: Rows, keys: bytearray) -> None:
        self._rows, self._keys = rows, keys
        key, values = ("subject", "schema", "field"), ("value", "was")
        self._notes = None if records is None else Notes(records.store, "corrections", key, values, fixed=("was",))
        self._schema = schema
        self.schema_name = str(getattr(schema, "__qualname__", schema))
        self._own: dict[bytes | None, dict[str, Correction]] = {}
        self._subjects: dict[int, bytes] = {}  # cached for rows that stay: computing one takes some 10 µs

    def put(self, position: int, correction: Correction) -> None:
        """Add a correction, which replaces an earlier one of the same field; :meth:`keep` waits until it is written.

        Raises:
            ValueError: the content of the row is no longer known: it came from an iterator, without a store.
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
            StoreError: they are not written yet; they will be as soon as that is possible.
        """
        if self._notes is not None:
            self._notes.keep()

    def of_row(self, position: int) -> dict[str, Correction]:
        """Return the corrections of one row by field, as they were last read from the store."""
        return dict(self._own.get(self.subject(position), {}))

    def of_rows(self, within: float | None = None) -> dict[int, dict[str, Correction]]:
        """Return the corrections by position and field, for the rows that have any.

        Raises:
            StoreError: the store cannot be read within ``within`` seconds.
        """
        known = self._all(within)
        if not known:
            return {}
        found = {position: self.subject(position) for position in range(len(self._rows))}
        return {position: known[subject] for position, subject in found.items() if subject in known}

    def set_right(self, values: list[Any], within: float | None = None) -> None:
        """Apply the corrections to decoded answers, by position; a row without an answer becomes a dict of corrections.

        A correction that does not fit the present schema is ignored.

        Raises:
            StoreError: the store cannot be read within ``within`` seconds.
        """
        for position, corrections in self.of_rows(within).items():
            for correction in corrections.values():
                values[position] = self.applied(values[position], correction)

    def applied(self, value: Any, correction: Correction) -> Any:
        """Return one answer with a correction applied."""
        path = correction.field.split(".") if correction.field else []
        try:
            kind = type_at(self._schema, path, value)
            return replaced(value, path, msgspec.json.decode(correction.value, type=kind))
        except (LookupError, ValueError, RecursionError):
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
        """Return what identifies a row by its content; the key of its request if the row was not kept."""
        if position in self._subjects:
            return self._subjects[position]
        media = self._rows.media(position)
        try:
            told = _subject_of(self._rows.texts(position), media)
        except CellError:  # the unreadable content identifies the row
            texts = self._rows.readable_texts(position)
            others = [self._rows.cell(name, position) for name in texts if not texts[name]]
            told = _subject_of(texts, [*media, *(one for one in others if not is_missing(one))])
        if told is not None and self._rows.stay:
            self._subjects[position] = told
        key = bytes(self._keys[position * KEY_BYTES : (position + 1) * KEY_BYTES])
        return told or (key if any(key) else None)


def _subject_of(cells: dict[str, str], media: Sequence[Any] = ()) -> bytes | None:
    """Return the identity of a row's content.

    Args:
        cells: its texts by column.
        media: the sources of its images and files.

    Returns:
        A hash; None for a blank row, and for a row whose media are neither texts nor bytes.
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
