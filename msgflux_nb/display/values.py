"""Writes a value for people: no brackets and quotes, no zero seconds, a dash for None.

``readable.js`` has the same rules for an answer that still arrives. Exports and copies do not use them.
"""

from __future__ import annotations

import datetime
import enum
import re
from typing import Any

import msgspec

from ..errors import brief

__all__ = ["beginning", "readable"]

_MOMENT = re.compile(r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d:\d\d)(?::(\d\d(?:\.\d+)?))?(Z|[+-]\d\d:\d\d)?")
_WORDS = {None: "–", True: "yes", False: "no"}
_QUOTES = "“”"


def readable(value: Any) -> str:
    """Return a value as a person writes it: ``19:30``, ``yes``, ``a, b``; what holds records stays JSON."""
    text = _scalar(value)
    if text is None and isinstance(value, list | tuple | set | frozenset):
        text = _listed([_scalar(item) for item in value])
    return _json(value) if text is None else text


def beginning(value: Any, length: int) -> Any:
    """Return as many items of a list as so many characters can show; other values as they are."""
    return value[: length // 3 + 1] if isinstance(value, list | tuple) else value


def _scalar(value: Any) -> str | None:
    """Return the text of one plain value; None for what holds others."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime.datetime | datetime.time):
        return _moment(value.isoformat())
    encoded = _json(value)
    return encoded if encoded[:1] not in ("[", "{") else None


def _moment(text: str) -> str:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    day, minutes, seconds, zone = found.groups(default="")
    exact = f"{minutes}:{seconds}" if seconds.strip("0.") else minutes
    return " ".join(filter(None, [day, exact, "UTC" if zone in ("Z", "+00:00") else zone]))


def _listed(items: list[str | None]) -> str | None:
    """Join the items of a list; one with a comma is quoted. None if they would not be told apart."""
    if any(item is None or set(item) & set(_QUOTES) for item in items):
        return None
    return ", ".join(_item(item) for item in items if item is not None) or "none"


def _item(text: str) -> str:
    plain = text and text == text.strip() and not set(text) & set(",\n")
    return text if plain else f"“{text}”"


def _json(value: Any) -> str:
    try:
        encoded = msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return brief(value, 1_000_000)
    return encoded[1:-1] if encoded.startswith('"') else encoded  # a date and the like, without JSON's quotes
