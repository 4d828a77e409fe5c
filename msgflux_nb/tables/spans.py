"""Finds the exact range of characters that an answer quotes from a row's text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from .report import RUN_COLUMNS, named_columns

__all__ = ["span_of", "text_fields", "with_spans"]

# The most places that are looked at: a quote of one repeated letter is found everywhere, and comparing a long one is
# slow.
_FEWEST_PLACES, _MOST_PLACES = 20, 10_000
_WORK = 10  # characters compared per character of the text


def with_spans(result: pd.DataFrame, texts: Any, *, fields: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a result with two more columns for each text field, ``field_start`` and ``field_end``.

    ``text[start:end]`` is exactly the cell; both are missing if the text does not contain it. Of several places the
    first is used, and a whole word before a part of a word. At most 10,000 places are looked at.

    Args:
        result: any table.
        texts: a Series with the same labels, or one text per row, in the rows' order.
        fields: the columns to look for; None for all of dtype ``string``.

    Raises:
        KeyError: a field does not exist.
        ValueError: the texts do not belong to the rows, or the table already has a column of such a name.

    Example:
        >>> frame = pd.DataFrame({"city": pd.array(["Ur", "Rome"], dtype="string")})
        >>> with_spans(frame, ["Ursula lives in Ur.", "Nobody lives there."])
           city  city_start  city_end
        0    Ur          16        18
        1  Rome        <NA>      <NA>
    """
    sources = _aligned(texts, result.index)
    found = result.copy()
    for name in text_fields(result, fields):
        cells = result[name].tolist()
        spans = [span_of(text, cell) or (None, None) for text, cell in zip(sources, cells, strict=True)]
        for place, suffix in enumerate(("start", "end")):
            if f"{name}_{suffix}" in result.columns:
                raise ValueError(f"the table has a column {name}_{suffix} already; rename or drop it first")
            found[f"{name}_{suffix}"] = pd.array([span[place] for span in spans], dtype="Int64")
    return found


def span_of(text: Any, quote: Any, most: int = _MOST_PLACES) -> tuple[int, int] | None:
    """Return the range of a quote in a text; None if it is not in it, or if either is not a text.

    Args:
        text: the text.
        quote: the quote.
        most: how many places inside words are passed over; then the first place is the answer.
    """
    if not isinstance(text, str) or not isinstance(quote, str) or not quote.strip():
        return None
    first = start = text.find(quote)
    places = min(most, _FEWEST_PLACES + _WORK * len(text) // len(quote))
    while start >= 0 and places:
        end = start + len(quote)
        if not (_inside_word(text, start) or _inside_word(text, end)):
            return start, end
        start = text.find(quote, start + 1)
        places -= 1
    return None if first < 0 else (first, first + len(quote))


def _inside_word(text: str, place: int) -> bool:
    return 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()


def text_fields(result: pd.DataFrame, fields: Sequence[str] | None) -> list[str]:
    """Return the named columns, or all columns of texts."""
    if fields is None:
        dtypes = result.dtypes.items()
        return [str(name) for name, dtype in dtypes if _is_text(dtype) and name not in RUN_COLUMNS]
    return named_columns(result, fields)


def _is_text(dtype: Any) -> bool:
    return isinstance(dtype, pd.StringDtype) or (isinstance(dtype, pd.ArrowDtype) and dtype.type is str)


def _aligned(texts: Any, index: pd.Index[Any]) -> list[Any]:
    if isinstance(texts, pd.Series) and not texts.index.equals(index):
        if not texts.index.is_unique:
            raise ValueError(
                "texts: expected the table's index, got another one with duplicate labels. Pass a list in row order, "
                "or a Series with a unique index."
            )
        return texts.reindex(index).tolist()
    sources = list(texts)
    if len(sources) != len(index):
        raise ValueError(f"texts: expected {len(index):,}, one for each row, got {len(sources):,}")
    return sources
