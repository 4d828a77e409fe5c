"""Reads how long a provider asks to wait, from headers and from the fields of a body; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .allowance import resets_of
from .durations import Wait, number_in, seconds_in

__all__ = ["reset_seconds", "retry_after_seconds", "wait_in_fields"]

# Names of fields, in lower case and without separators.
_FIELD_SECONDS = frozenset(
    (
        *("retrydelay", "retryafter", "retryafterseconds", "retryaftersecs", "retryaftersec", "retryafters"),
        *("retryin", "retryinseconds", "waitseconds", "secondstowait", "cooldownseconds", "retryat"),
        *("resetsinseconds", "resetinseconds", "resetsat", "resetat", "estimatedtime"),
    )
)
_FIELD_MILLISECONDS = frozenset(("retryafterms", "retryaftermillis", "retrydelayms", "retryaftermilliseconds"))
_DEPTH = 6


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> Wait:
    """Return how long the provider asks to wait: ``retry-after-ms`` first, then ``retry-after``, then Azure's names.

    None if there is no such header, or its value makes no sense (negative, not finite).
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = number_in(headers.get(name, ""))
        if milliseconds is not None:
            return milliseconds / 1000
    for name in ("retry-after", "x-retry-after"):
        text = headers.get(name)
        seconds = seconds_in(text, now=now)
        if seconds is None and text:  # a repeated header, joined on the way
            seconds = seconds_in(text.partition(",")[0], now=now)
        if seconds is not None:
            return seconds
    return None


def reset_seconds(headers: Mapping[str, str], *, now: float) -> Wait:
    """Return the seconds until an exhausted limit is reset, or None; header names are in lower case."""
    # Bytes that are no UTF-8 are surrogates here; no rate limit has any.
    raw = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    resets = resets_of(raw, now=now)
    used_up = [seconds for left, seconds in resets if left is not None and left <= 0]
    if not used_up and len(resets) == 1 and resets[0][0] is None:
        used_up = [resets[0][1]]
    return max(used_up, default=None)


def wait_in_fields(payload: Any, *, now: float | None = None) -> Wait:
    """Return the wait that a field of a body asks for, or None.

    Google sends ``retryDelay``, others ``retry_after`` and the like; gateways copy headers into the body.
    """
    for name, value in _fields(payload, _DEPTH):
        plain = re.sub(r"[^a-z]", "", name.lower())
        if plain in _FIELD_SECONDS:
            seconds = _of_google(value) if isinstance(value, dict) else seconds_in(value, now=now)
        elif plain in _FIELD_MILLISECONDS:
            milliseconds = number_in(str(value))
            seconds = None if milliseconds is None else milliseconds / 1000
        elif plain == "headers" and isinstance(value, dict) and now is not None:
            texts = {key.lower(): str(one) for key, one in value.items() if isinstance(one, str | int | float)}
            asked = retry_after_seconds(texts, now=now)
            seconds = reset_seconds(texts, now=now) if asked is None else asked
        else:
            continue
        if seconds is not None:
            return seconds
    return None


def _fields(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield every field of a body, the outer ones first."""
    if depth and isinstance(value, dict):
        yield from ((name, inner) for name, inner in value.items() if isinstance(name, str))
        for inner in value.values():
            yield from _fields(inner, depth - 1)
    elif depth and isinstance(value, list):
        for inner in value[:20]:
            yield from _fields(inner, depth - 1)


def _of_google(value: dict[str, Any]) -> Wait:
    """Read a ``google.protobuf.Duration`` that is written as an object."""
    seconds, nanos = number_in(str(value.get("seconds", 0))), number_in(str(value.get("nanos", 0)))
    return None if seconds is None or nanos is None or not value else seconds + nanos / 1e9
