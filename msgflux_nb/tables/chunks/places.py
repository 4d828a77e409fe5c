"""Finds the quotes of a row that was read in pieces in its whole text, each in the piece that it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..labels import label_place
from ..run import Run
from ..spans import span_of, text_fields
from .pieces import RowPieces, page_of

__all__ = ["with_piece_spans"]


def with_piece_spans(result: pd.DataFrame, run: Run, fields: Sequence[str] | None) -> pd.DataFrame:
    """Return a result with ``field_start`` and ``field_end`` in the whole text, and ``field_page`` if it has pages.

    A quote is looked for in the piece that the field came from first, then in the whole text. Pages begin with 1.

    Args:
        result: the result.
        run: its run, which was read in pieces.
        fields: the columns to look for; None for all texts.

    Raises:
        ValueError: the table already has a column of such a name.
    """
    assert run.pieces is not None
    positions, items = _rows(result, run)
    texts = {position: run.pieces.text(position) for position in dict.fromkeys(positions)}
    pages = {position: _pages(run.pieces, position) for position in texts}
    found = result.copy()
    for name in text_fields(result, fields):
        columns: dict[str, list[Any]] = {"start": [], "end": [], "page": []}
        for cell, position, item in zip(result[name].tolist(), positions, items, strict=True):
            span = _span(run, name, cell, texts[position], position, item)
            columns["start"].append(None if span is None else span[0])
            columns["end"].append(None if span is None else span[1])
            columns["page"].append(None if span is None or not pages[position] else page_of(pages[position], span[0]))
        for suffix, numbers in columns.items():
            if f"{name}_{suffix}" in result.columns:
                raise ValueError(f"the table has a column {name}_{suffix} already; rename or drop it first")
            if suffix != "page" or any(pages.values()):
                found[f"{name}_{suffix}"] = pd.array(numbers, dtype="Int64")
    return found


def _rows(result: pd.DataFrame, run: Run) -> tuple[list[int], list[int]]:
    """Return for each row of a result the position of its input, and the index of its item in an exploded list."""
    index = run.rows.index
    if run.explode is None and result.index.equals(index):
        return list(range(len(index))), [0] * len(index)
    places = {label: label_place(index, label) for label in dict.fromkeys(result.index)}
    positions = [places[label] for label in result.index]
    seen: Counter[int] = Counter()
    items = []
    for position in positions:
        items.append(seen[position])
        seen[position] += 1
    return positions, items


def _span(run: Run, name: str, cell: Any, text: str, position: int, item: int) -> tuple[int, int] | None:
    pieces, joined = run.pieces, run.joined
    assert pieces is not None
    assert joined is not None
    for number in _origins(joined.origins.get(position, {}), name, run.explode, item):
        start, end = pieces.pieces[pieces.of_rows[position][number]].place
        inside = span_of(text[start:end], cell)
        if inside is not None:
            return start + inside[0], start + inside[1]
    return span_of(text, cell)


def _origins(origins: dict[str, Any], name: str, explode: str | None, item: int) -> list[int]:
    """Return the numbers of the pieces that a cell came from."""
    parts = name.split(".")
    for path in (*(".".join(parts[:count]) for count in range(len(parts), 0, -1)), ""):
        if path not in origins:
            continue
        origin = origins[path]
        if not isinstance(origin, list):
            return [origin]
        is_item = explode is not None and path in (explode, "")
        return origin[item : item + 1] if is_item else list(dict.fromkeys(origin))
    return []


def _pages(pieces: RowPieces, position: int) -> tuple[int, ...]:
    column = pieces.pieces[pieces.of_rows[position][0]].column
    return () if column is None else pieces.pages(position, column)
