"""A person's typed or selected text ⇄ a value of a field's type."""

from __future__ import annotations

import datetime
import enum
import re
from typing import Any

import msgspec

from ..dtypes import Column
from ..fields import plain

__all__ = ["choices_of", "read_value", "shown_value", "writings_of"]

_NUMBER = re.compile(r"-?\d[\d\s.,'\u00a0\u202f\u2009]*")
_GROUPS = re.compile(r"(?<=\d)[\s,'\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_DAYS = ("%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%d/%m/%Y", "%d %b %Y")


def choices_of(column: Column) -> list[Any]:
    """Return the choices of a field; empty if it has none."""
    return [True, False] if column.kind == "boolean" else list(column.levels)


def shown_value(value: Any) -> str:
    """Return a value as text to read and edit; empty for a missing one."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value).removesuffix(".0")
    return msgspec.json.encode(value, enc_hook=str).decode()


def read_value(text: str, kind: Any) -> Any:
    """Read a text as a value of a type.

    Args:
        text: the typed or selected text.
        kind: the field's type.

    Raises:
        ValueError: the text is not such a value.
    """
    readings = [
        *([None] if not text.strip() else []),
        text,
        text.strip(),
        *_numbers(text),
        *_moments(text),
    ]
    for reading in readings:
        for strict in (True, False):
            try:
                return msgspec.convert(reading, kind, strict=strict)
            except (msgspec.ValidationError, TypeError, ValueError):
                continue
    try:
        return msgspec.json.decode(text.encode(), type=kind)
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, ValueError) as fault:
        raise ValueError(f"{text[:60]!r} cannot be read as {_named(kind)}: {fault}") from None


def writings_of(value: Any) -> list[str]:
    """Return the ways in which a text may write a value, such as thousands separators or names of months."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int):
        grouped = f"{value:,}"
        return [str(value), *(grouped.replace(",", mark) for mark in (",", " ", ".", "\u00a0", "\u202f", "'"))]
    if isinstance(value, float):
        whole = [str(int(value)), f"{int(value):,}"] if value.is_integer() else []
        return [repr(value), f"{value:.2f}", f"{value:,.2f}", repr(value).replace(".", ","), *whole]
    if isinstance(value, datetime.date):
        days = [value.strftime(form) for form in _DAYS]
        return [value.isoformat(), value.isoformat()[:10], *days, *(re.sub(r"\b0(\d)", r"\1", day) for day in days)]
    return []


def _numbers(text: str) -> list[str]:
    """Return the numbers that a text may mean, such as 1911 for ``1,911 €`` and 2.5 for ``2,5``."""
    found = _NUMBER.search(text)
    if found is None or len(_NUMBER.findall(text)) > 1:
        return []
    number = _GROUPS.sub("", found[0].strip().rstrip(".,"))
    return [number, number.replace(",", "."), re.sub(r"\.(?=\d{3}(?!\d))", "", number)]


def _moments(text: str) -> list[Any]:
    found: list[Any] = []
    for form in _DAYS:
        try:
            found.append(datetime.datetime.strptime(text.strip(), form).date())  # a date has no zone
        except ValueError:
            continue
    return [moment.isoformat() for moment in found]


def _named(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
