"""The display of a review for a page, of bounded size: one row with the quotes of its fields, and the progress."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import numpy as np
from msgspec import inspect

from ...display.values import beginning, readable
from ...tables.cells import CellError
from ...tables.dtypes import Column
from ...tables.paths import at
from ...tables.reviewing.review import Review
from ...tables.reviewing.written import choices_of, shown_value, writings_of
from ...tables.spans import span_of

__all__ = ["Picture", "row_picture", "segments_of", "status_picture"]

Picture = dict[str, Any]

_TEXT_LIMIT = 100_000  # shown characters of a row
_VALUE_LIMIT = 20_000  # shown characters of a value; a longer one is set from a cell
_QUOTES = 60  # the most values of a row that are looked for in its texts
_PLACES = 40  # places inside words at which a value is tried; the page waits for all of them
_CHOICES = 9
_WORDS: dict[str, str] = {
    "string": "text",
    "integer": "whole number",
    "float": "number",
    "boolean": "yes or no",
    "category": "choice",
    "datetime": "moment",
    "naive": "moment",
    "utc": "moment",
    "date": "day",
    "duration": "duration",
    "list": "list",
}


def row_picture(review: Review, position: int) -> Picture:
    """Return a row for a page.

    Its ``texts`` are pieces, each with the numbers of the fields that quote it. ``found`` of a field is ``yes``, ``no``
    if the row's text does not contain its value, and empty if it need not, or if the value may come from a picture.
    """
    value, sure = review.value(position), review.confidence(position)
    texts, trouble = _texts(review, position)
    media, edited, chances = _media(review, position), review.edited(position), review.chances(position)
    fields, spans, left = [], [], _QUOTES
    for number, column in enumerate(review.columns, 1):
        cell = at(value, column.path) if not column.tags else None
        items = _items(cell)[:left]
        left -= len(items)
        quotes = _quotes(texts, items)
        spans += [(text, start, end, number) for text, start, end in quotes]
        value_text = shown_value(cell) if not column.tags else type(value).__name__
        fields.append(
            {
                "name": column.name,
                "type": _type_of(column),
                "value": _cut(value_text),
                "shown": _cut(value_text if column.tags else readable(beginning(cell, _VALUE_LIMIT))),
                "missing": cell is None and not column.tags,
                "confidence": sure.get(column.name),
                **_choices(review, column, chances.get(column.name, {})),
                "found": _found(column, cell, quotes) if items and (quotes or not media) else "",
                "edited": column.name in edited,
                "fixed": bool(column.tags) or len(value_text) > _VALUE_LIMIT,
            }
        )
    decision = review.decided.get(position)
    return {
        "position": position,
        "number": review.number(position),
        "label": _named(review, position),
        "texts": [
            [name, segments_of(text, [(start, end, number) for where, start, end, number in spans if where == place])]
            for place, (name, text) in enumerate(texts)
        ],
        "media": media,
        "fields": fields,
        "state": "" if decision is None else decision.state,
        "trouble": trouble or review.trouble(position),
    }


def _named(review: Review, position: int) -> str:
    """Return a row's name: the index's name and the label, such as *Letter 2,184*; without a name, *Row*."""
    noun, label = review.run.rows.index.name, review.label(position)
    number = isinstance(label, int | np.integer) and not isinstance(label, bool)
    return f"{'Row' if noun is None else noun} {f'{label:,}' if number else label}"


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_LIMIT else f"{text[:_VALUE_LIMIT]}…"


def status_picture(review: Review) -> Picture:
    """Return the progress of a review, and its estimate so far."""
    found = review.estimate()
    whole = len(review.order) if review.budget is None else min(review.budget, len(review.order))
    by_field = [(column.name, review.estimate(column.name)) for column in review.columns] if found.read else []
    return {
        "decided": len(review.decided),
        "of": whole,
        "rows": len(review.order),
        "share": found.share,
        "low": found.low,
        "high": found.high,
        "said": str(found),
        "fields": [[name, one.share, one.low, one.high] for name, one in by_field],
        "random": review.random,
    }


def segments_of(text: str, spans: list[tuple[int, int, int]]) -> list[list[Any]]:
    """Return a text as pieces in order, each with the numbers of the fields that quote it.

    Args:
        text: the text.
        spans: ranges of characters, each with the number of a field; they may overlap.
    """
    borders = sorted({0, len(text), *(border for start, end, _ in spans for border in (start, end))})
    pieces: list[list[Any]] = []
    for start, end in pairwise(borders):
        numbers = [number for first, last, number in spans if first <= start and end <= last]
        pieces.append([text[start:end], numbers])
    return pieces or [[text, []]]


def _choices(review: Review, column: Column, chances: dict[str, float]) -> Picture:
    """Return the choices of a field, each with its share of all answers and its probability in this row, if known."""
    found = choices_of(column)[:_CHOICES]
    choices = [shown_value(choice) for choice in found]
    shares = [review.share(column.name, choice) for choice in choices]
    known = [chances.get(choice) for choice in choices]
    return {"choices": choices, "words": [*map(readable, found)], "shares": shares, "chances": known}


def _texts(review: Review, position: int) -> tuple[list[tuple[str, str]], str]:
    """Return a row's texts by column, or the reason why there are none."""
    try:
        found = review.run.rows.texts(position)
    except CellError as error:
        return [], str(error)
    shown, left, whole = [], _TEXT_LIMIT, sum(map(len, found.values()))
    for name, text in found.items():
        shown.append((name, text[:left]))
        left -= len(shown[-1][1])
    said = f"only the first {_TEXT_LIMIT:,} of {whole:,} characters are shown" if whole > _TEXT_LIMIT else ""
    return shown, said


def _media(review: Review, position: int) -> list[list[str]]:
    """Return a row's images and files as they were sent: the kind, and a data URL or words instead."""
    rows = review.run.rows
    if not rows.has_media:
        return []
    message, error = rows.tried_message(position)
    if error is not None or not isinstance(message, list):
        return [["words", str(error or "nothing was sent for this row")]]
    parts = message[-1].get("content")
    return [_part(part) for part in parts if part.get("type") != "text"] if isinstance(parts, list) else []


def _part(part: dict[str, Any]) -> list[str]:
    image = part.get("image_url", {}).get("url", "") if part.get("type") == "image_url" else ""
    if image.startswith("data:image/"):
        return ["image", image]
    data = part.get("file", {}).get("file_data", "") if part.get("type") == "file" else ""
    if data.startswith("data:application/pdf"):
        return ["pdf", data]
    return ["words", f"an address that is not loaded here: {image}" if image else "something that cannot be shown here"]


def _items(cell: Any) -> list[Any]:
    """Return a value, or the first items of a list, to look for in the text."""
    return list(islice(cell, _QUOTES)) if isinstance(cell, list | tuple | set | frozenset) else [cell]


def _quotes(texts: list[tuple[str, str]], items: list[Any]) -> list[tuple[int, int, int]]:
    """Return the ranges of values in the texts."""
    found = []
    for item in items:
        for place, (_, text) in enumerate(texts):
            span = next((span for one in writings_of(item) if (span := span_of(text, one, _PLACES)) is not None), None)
            if span is not None:
                found.append((place, *span))
                break
    return found


def _found(column: Column, cell: Any, quotes: list[tuple[int, int, int]]) -> str:
    if quotes:
        return "yes"
    plain = column.kind in ("string", "integer", "float", "date")
    return "no" if plain and writings_of(cell) else ""


def _type_of(column: Column) -> str:
    if column.kind == "list" and isinstance(column.type, inspect.ListType):
        return "list"
    return _WORDS.get(column.kind, "any value")
