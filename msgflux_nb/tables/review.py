"""Corrections of a result, examples made from them, and the places of answers in the rows' texts."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from ..errors import StoreError, brief
from .arrays import objects, python_value, to_array
from .chunks.places import with_piece_spans
from .corrections import Correction
from .dtypes import columns
from .fields import Cells, plain
from .labels import label_place, row_place
from .paths import at, type_at
from .run import Run
from .runs import find_run
from .spans import with_spans

__all__ = ["correct", "corrections", "examples", "live_run", "spans"]


def correct(
    result: pd.DataFrame, row: Any, field: str | None, value: Any, *, position: int | None = None
) -> pd.DataFrame:
    """Return a result with one cell corrected, and keep the correction; see ``df.mf.correct``."""
    run = live_run(result)
    if run.explode is not None:
        raise ValueError(
            "correct: the rows of an exploded result are parts of an answer. Extract again without explode= (nothing "
            "is asked for again), correct the list there, and explode then"
        )
    index = run.rows.index
    place = row_place(index, row, position)
    here = place if result.index.equals(index) else label_place(result.index, index[place])
    path = _path(run.schema, field)
    values = run.settled().values
    answered = values[place]
    run.corrections.set_right(values)
    correction = Correction(
        ".".join(path),
        value=_written(value, type_at(run.schema, path, values[place]), field),
        was=msgspec.json.encode(plain(at(answered, path))),
    )
    run.corrections.put(place, correction)
    run.corrections.keep()
    return _changed(result, here, run.schema, path, run.corrections.applied(values[place], correction))


def corrections(result: pd.DataFrame) -> pd.DataFrame:
    """Return the corrections of a result; see ``df.mf.corrections``."""
    run = live_run(result)
    found = [(place, one) for place, known in run.corrections.of_rows().items() for one in known.values()]
    table = pd.DataFrame(
        {
            "field": pd.array([one.field for _, one in found], dtype="string"),
            "was": objects([msgspec.json.decode(one.was) for _, one in found]),
            "now": objects([msgspec.json.decode(one.value) for _, one in found]),
        }
    )
    table.index = run.rows.index[[place for place, _ in found]]
    return table


def examples(result: pd.DataFrame) -> list[tuple[str | dict[str, str], Any]]:
    """Return the corrected rows as examples; see ``df.mf.examples``."""
    run = live_run(result)
    values = run.settled().values
    run.corrections.set_right(values)
    pairs = []
    for position in run.corrections.of_rows():
        texts = run.rows.texts(position)
        try:
            answer = msgspec.json.decode(msgspec.json.encode(values[position]), type=run.schema)
        except msgspec.ValidationError:
            continue
        if any(texts.values()) and not run.rows.has_media:
            pairs.append((next(iter(texts.values())) if len(texts) == 1 else texts, answer))
    return pairs


def spans(result: pd.DataFrame, texts: Any = None, *, fields: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a result with the range of characters that each text field quotes; see ``df.mf.spans``."""
    if texts is not None and not isinstance(texts, str):
        return with_spans(result, texts, fields=fields)
    run = live_run(result)
    if run.pieces is not None:
        return with_piece_spans(result, run, fields)
    rows = [run.rows.readable_texts(position) for position in range(len(run.rows))]
    names = list(rows[0]) if rows else ["" if texts is None else texts]
    wanted = names if texts is None else [name for name in names if name == texts]
    if len(wanted) != 1:
        raise ValueError(f"spans: expected the texts, or one of the columns {names}, got {brief(texts)}")
    own = pd.Series(objects([row[wanted[0]] for row in rows]))
    own.index = run.rows.index
    return with_spans(result, own, fields=fields)


def live_run(result: pd.DataFrame) -> Run:
    """Return the run behind a result, with its rows.

    Raises:
        StoreError: the run's kernel has ended.
    """
    found = find_run(result)
    if found.live is None:
        raise StoreError(
            f"the kernel of run {found.name!r} has ended, so its rows are not in memory. Repeat the call first; "
            "answers in its store are not paid for again"
        )
    return found.live


def _path(schema: Any, field: str | None) -> tuple[str, ...]:
    if field is None:
        return ()
    found = columns(schema)
    inner = [column for column in found if column.name == field or column.name.startswith(f"{field}.")]
    if not inner:
        raise KeyError(f"no field {brief(field)}; the fields: {', '.join(column.name for column in found)}")
    if inner[0].name == field and inner[0].tags:
        raise ValueError(
            f"{brief(field)} is the tag of a union and cannot be corrected alone; correct the whole record"
        )
    return inner[0].path if inner[0].name == field else inner[0].path[: field.count(".") + 1]


def _written(value: Any, kind: Any, field: str | None) -> bytes:
    """Check that a value fits a type, and return it as JSON."""
    given = _python(value)
    days = [given.date()] if isinstance(given, datetime.datetime) and given.time() == datetime.time() else []
    fault: Exception | None = None
    for one in (given, *days):
        try:
            written = msgspec.json.encode(one)
            msgspec.json.decode(written, type=kind)
            return written
        except (msgspec.ValidationError, TypeError, ValueError, RecursionError) as error:
            fault = fault or error
    raise ValueError(f"{brief(value)} does not fit the field {brief(field)}: {fault}")


def _python(value: Any) -> Any:
    value = value.tolist() if isinstance(value, np.ndarray) else python_value(value)
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.to_pytimedelta() if isinstance(value, pd.Timedelta) else value


def _changed(result: pd.DataFrame, place: int, schema: Any, path: tuple[str, ...], value: Any) -> pd.DataFrame:
    """Return a copy of the result with the cells of one field of one row replaced."""
    changed = result.copy()
    names = list(changed.columns)
    for column in columns(schema):
        if column.path[: len(path)] == path and column.name in names:
            number = names.index(column.name)
            made = pd.Series(to_array(column, Cells([value]).of(column)))
            changed.isetitem(number, _with_cell(changed.iloc[:, number], place, made))
    return changed


def _with_cell(column: pd.Series[Any], place: int, made: pd.Series[Any]) -> Any:
    """Return a column's array with one cell of another column; of objects if its dtype does not hold the cell."""
    cell = made.tolist()[0]
    if column.dtype != object:
        try:
            if isinstance(cell, list | dict):
                parts = [column.iloc[:place], made.astype(column.dtype), column.iloc[place + 1 :]]
                return pd.concat(parts, ignore_index=True).array
            array = column.array.copy()
            array[place] = cell
            return array
        except (TypeError, ValueError, OverflowError):
            pass
    cells = column.tolist()
    cells[place] = cell
    return objects(cells).array
