"""What a provider's headers say may still be sent, and for how long that holds; pure.

OpenAI's names, which most providers took over, Anthropic's, those of the IETF's draft, and the ones of gateways. How
long is a number of seconds, a duration such as ``6m0s``, or a point in time.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable

import msgspec

__all__ = ["Allowance", "allowance_of"]

# What is left, and when it is counted anew; of each kind the first pair that is there.
_REQUESTS = (
    (b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    (b"anthropic-ratelimit-requests-remaining", b"anthropic-ratelimit-requests-reset"),
    (b"x-ratelimit-remaining", b"x-ratelimit-reset"),
    (b"ratelimit-remaining", b"ratelimit-reset"),
)
_TOKENS = (
    (b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
    (b"anthropic-ratelimit-tokens-remaining", b"anthropic-ratelimit-tokens-reset"),
)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d*)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_FIRST_DATE = 1e9  # seconds since 1970; a duration of 30 years is none
_MILLISECONDS = 1e12


class Allowance(msgspec.Struct, frozen=True):
    """What may still be sent.

    Attributes:
        requests: how many requests; None where nothing is said.
        requests_seconds: until they are counted anew.
        tokens: how many tokens, likewise.
        tokens_seconds: until these are counted anew.
    """

    requests: float | None = None
    requests_seconds: float = 0.0
    tokens: float | None = None
    tokens_seconds: float = 0.0


def allowance_of(headers: Iterable[tuple[bytes, bytes]], *, now: float) -> Allowance | None:
    """Return what an answer's headers allow; None where they say nothing of it.

    Args:
        headers: names and values as they came.
        now: seconds since 1970, for a point in time.

    Example:
        >>> left = [(b"x-ratelimit-remaining-requests", b"0"), (b"x-ratelimit-reset-requests", b"1m30s")]
        >>> allowance_of(left, now=0).requests_seconds
        90.0
    """
    said = {name.lower(): value for name, value in headers if b"ratelimit" in name.lower()}
    if not said:
        return None
    requests, tokens = (_left(said, names, now) for names in (_REQUESTS, _TOKENS))
    if requests is None and tokens is None:
        return None
    return Allowance(*(requests or (None, 0.0)), *(tokens or (None, 0.0)))


def _left(said: dict[bytes, bytes], names: tuple[tuple[bytes, bytes], ...], now: float) -> tuple[float, float] | None:
    for remaining, reset in names:
        if remaining in said and reset in said:
            count, seconds = _number(said[remaining].decode("latin-1")), _seconds(said[reset].decode("latin-1"), now)
            return None if count is None or seconds is None else (count, seconds)
    return None


def _seconds(text: str, now: float) -> float | None:
    text = text.strip().lower()
    number = _number(text)
    if number is not None:
        if number >= _FIRST_DATE:
            number = number / (1000 if number >= _MILLISECONDS else 1) - now
        return max(0.0, number)
    if _DURATION.fullmatch(text):
        return sum(float(count) * _SECONDS[unit] for count, unit in _PART.findall(text))
    try:
        date = datetime.datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return max(0.0, date.timestamp() - now) if date.tzinfo is not None else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
