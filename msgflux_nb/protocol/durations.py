"""Reads durations and points in time from text, in seconds; pure.

It knows numbers of seconds, durations such as ``6m0s``, ``250ms``, ``1 minute 30 seconds``, ``PT1M30S`` or
``00:01:30``, points in time (seconds or milliseconds since 1970, RFC 3339, HTTP dates), and sentences such as *try
again in 1.5s*.
"""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

__all__ = ["Wait", "number_in", "seconds_in", "wait_in_prose"]

Wait = float | None

_UNITS = {"ms": 0.001, "millis": 0.001, "millisecond": 0.001, "msec": 0.001}
_UNITS |= dict.fromkeys(("s", "sec", "second"), 1.0) | dict.fromkeys(("m", "min", "minute"), 60.0)
_UNITS |= dict.fromkeys(("h", "hr", "hour"), 3600.0) | dict.fromkeys(("d", "day"), 86400.0)
_UNIT = r"(?:milliseconds?|millis|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
_ONE_PART = {"s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = r"\d{1,15}(?:\.\d{0,12})?"
_PART = re.compile(rf"({_NUMBER}|\ban?\b|\bone\b)\s?(?:more\s)?({_UNIT})", re.I)
_DURATION = re.compile(
    rf"(?:{_NUMBER}\s?(?:more\s)?|(?:an?|one)\s){_UNIT}(?:,?\s?(?:and\s)?{_NUMBER}\s?{_UNIT}){{0,5}}", re.I
)
_WISH = re.compile(
    r"(?:try(?:ing)?(?: your request)? again|retry(?:ing)?|wait|resets?|available(?: again)?)(?: (?:in"
    r"|after|for|at least"
    r"|until|about|approximately|another|the|request|your|it|at)){0,4}[ :]{1,3}"
    rf"(?:({_DURATION.pattern})(?![A-Za-z0-9])"
    r"|(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?: ?UTC|Z| ?GMT|[+-]\d\d:\d\d)))",
    re.I,
)
_HEADER = re.compile(r"\bretry-after: ?(\d{1,6}(?:\.\d{1,6})?)(?![\w.-])", re.I)
_ISO = re.compile(
    r"PT(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,7}(?:\.\d{1,9})?)S)?|(\d\d):(\d\d):(\d\d(?:\.\d{1,9})?)", re.I
)
_FIRST_DATE = 1e9  # from here on a number is seconds since 1970: nobody asks to wait for 30 years
_MILLISECONDS = 1e12


def seconds_in(value: Any, *, now: float | None = None) -> Wait:
    """Return the seconds that a value means: a number, a duration or a point in time; None if it is none of them.

    Args:
        value: a number or a text.
        now: seconds since 1970; without it, a point in time counts as None.

    Example:
        >>> seconds_in("1m30s"), seconds_in("250ms"), seconds_in("soon")
        (90.0, 0.25, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()[:64]
    number = number_in(text)
    if number is not None:
        return _from_now(number / (1000 if number >= _MILLISECONDS else 1), now) if number >= _FIRST_DATE else number
    short = _ONE_PART.get(text[-1:])
    if short is not None:  # the usual "12s" and "1.5m"
        number = number_in(text[:-1])
        if number is not None:
            return number * short
    if _DURATION.fullmatch(text):
        return sum(_count(count) * _UNITS[_singular(unit)] for count, unit in _PART.findall(text))
    iso = _ISO.fullmatch(text)
    if iso is not None and any(iso.groups()):
        hours, minutes, rest = (float(one or 0) for one in (iso.groups()[:3] if iso[4] is None else iso.groups()[3:]))
        return hours * 3600 + minutes * 60 + rest
    return None if now is None else _until_date(text, now)


def wait_in_prose(prose: str, *, now: float | None = None) -> Wait:
    """Return the seconds that a sentence asks to wait; None if it asks for none.

    Args:
        prose: the sentence.
        now: seconds since 1970; without it, a point in time counts as None.

    Example:
        >>> wait_in_prose("Rate limit reached. Please try again in 1m2.5s.")
        62.5
    """
    found = _WISH.search(prose)
    if found is None:
        header = _HEADER.search(prose)
        return None if header is None else float(header[1])
    return seconds_in(found[1] or re.sub(r" ?(?:UTC|GMT)$", "Z", found[2], flags=re.I), now=now)


def _count(text: str) -> float:
    return float(text) if text[0].isdigit() else 1.0


def _until_date(text: str, now: float) -> Wait:
    try:
        date = datetime.datetime.fromisoformat(text.upper())
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            date = parsedate_to_datetime(text)
        except (ValueError, OverflowError, TypeError, IndexError):
            return None
    else:
        if date.tzinfo is None:
            return None
    try:
        return _from_now(date.timestamp(), now)
    except (ValueError, OverflowError, OSError):
        return None


def _from_now(point: float, now: float | None) -> Wait:
    return None if now is None else max(0.0, point - now)


def _singular(unit: str) -> str:
    unit = unit.lower()
    return unit if unit in _UNITS else unit.removesuffix("s")


def number_in(text: str) -> float | None:
    """Return a number that is finite and not negative, or None."""
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
