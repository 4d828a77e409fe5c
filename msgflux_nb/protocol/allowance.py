"""Reads rate-limit headers: how much may still be sent, and when the limits are reset; pure.

Providers spell these headers in many ways: ``x-ratelimit-remaining-tokens``, ``anthropic-ratelimit-tokens-remaining``,
``x-ratelimit-remaining-tokens-minute``, ``x-ratelimit-reset-requests-day``. So a name is read word by word, in any
order: whether it is a remaining count or the time of a reset, whether it is of requests or tokens, and the other words,
which tell which count and reset belong together. A gateway may send its own headers next to those of the provider: each
family is read separately, and the tightest limit counts.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from .durations import seconds_in

__all__ = ["Allowance", "allowance_of", "resets_of"]

_WORDS = re.compile(r"[^a-z0-9]+")
_FAMILY = re.compile(r"rate-?limit|token-?limit")
_LEFT = frozenset(("remaining", "left", "available"))
_RESET = frozenset(("reset", "resets", "resetting"))
_OF_REQUESTS = frozenset(("request", "requests", "req", "reqs", "calls"))
_OF_TOKENS = frozenset(("token", "tokens", "tok"))
_OF_ANSWERS = frozenset(("output", "completion", "generated"))  # tokens of answers, which are not known beforehand
_NO_MATTER = frozenset(("x", "ms", "azure", "anthropic", "openai", "groq", "after", "at", "time", "in", "project"))
_MAKERS = frozenset(("x", "azure", "anthropic", "openai", "groq"))  # whose headers belong together
_OTHERS = frozenset(("limit", "policy", "used", "cost", "type", "resource", "over", "scope", "timeremaining", "query"))
_NOTHING: tuple[None, float] = (None, 0.0)
# One header for everything, in the IETF's drafts: "limit=100, remaining=50, reset=5", and "default";r=50;t=30.
_TOGETHER = re.compile(r"(?:^|[;,\s])(remaining|reset|r|t)\s*=\s*([\d.]+)")


class Allowance(msgspec.Struct, frozen=True):
    """What may still be sent.

    Attributes:
        requests: how many requests may still be sent; None if unknown.
        requests_seconds: seconds until that count is reset.
        tokens: how many tokens may still be sent; None if unknown.
        tokens_seconds: seconds until that count is reset.
    """

    requests: float | None = None
    requests_seconds: float = 0.0
    tokens: float | None = None
    tokens_seconds: float = 0.0


class _Kind(NamedTuple):
    """Which limit a header belongs to.

    Attributes:
        tokens: whether tokens are limited; else requests.
        scope: the other words of the name, such as ``minute``.
        maker: whose headers they are, as their names say.
    """

    tokens: bool
    scope: str
    maker: str = ""


class _Header(NamedTuple):
    """The meaning of a header's name.

    Attributes:
        left: whether the value is the remaining count; else it is the time of the reset.
        of: the limit.
        milliseconds: whether a plain number means milliseconds.
    """

    left: bool
    of: _Kind
    milliseconds: bool = False


class _Limit(NamedTuple):
    of: _Kind
    left: float | None
    seconds: float


def allowance_of(headers: Iterable[tuple[bytes, bytes]], *, now: float) -> Allowance | None:
    """Return what an answer's headers still allow; None if they do not say.

    Args:
        headers: names and values as received.
        now: seconds since 1970, for resets given as a point in time.

    Example:
        >>> left = [(b"x-ratelimit-remaining-requests", b"0"), (b"x-ratelimit-reset-requests", b"1m30s")]
        >>> allowance_of(left, now=0).requests_seconds
        90.0
    """
    limits = _limits(headers, now)
    if not limits:
        return None
    requests, tokens = _tightest(limits, tokens=False), _tightest(limits, tokens=True)
    if requests is None and tokens is None:
        return None
    return Allowance(*(requests or _NOTHING), *(tokens or _NOTHING))


def resets_of(headers: Iterable[tuple[bytes, bytes]], *, now: float) -> list[tuple[float | None, float]]:
    """Return, for each limit, the remaining count (or None) and the seconds until it is reset."""
    return [(one.left, one.seconds) for one in _limits(headers, now)]


def _limits(headers: Iterable[tuple[bytes, bytes]], now: float) -> list[_Limit]:
    left: dict[_Kind, float | None] = {}
    resets: dict[_Kind, float] = {}
    found: list[_Limit] = []
    all_ = headers if isinstance(headers, tuple) else tuple(headers)
    for place, name in _named(tuple([raw for raw, _ in all_])):
        text = all_[place][1].decode("latin-1").strip()
        if name == "together":
            found += _together(text)
        elif name.left:
            left[name.of] = _count(text)
        else:
            seconds = _span(text)
            if seconds is None:
                seconds = seconds_in(text, now=now)
            elif name.milliseconds and not text.endswith("s"):
                seconds /= 1000
            if seconds is not None:
                resets[name.of] = seconds
    found += [_Limit(of, left.get(of), seconds) for of, seconds in resets.items()]
    if left.keys() <= resets.keys():
        return found
    return found + _shared(left, resets)


def _shared(left: dict[_Kind, float | None], resets: dict[_Kind, float]) -> list[_Limit]:
    """Return limits whose reset has a more general name: one for requests and tokens, or one for all time spans."""
    found = []
    for of in left.keys() - resets.keys():
        count = left[of]
        others = [(of.tokens, of.scope), (of.tokens, ""), *([(False, of.scope)] if of.tokens else [])]
        own = [_Kind(*other, of.maker) for other in others]
        foreign = [other for names in others for other in resets if other[:2] == names]
        seconds = next((resets[other] for other in (*own, *foreign) if other in resets), None)
        if count is not None and seconds is not None:
            found.append(_Limit(of, count, seconds))
    return found


def _tightest(limits: list[_Limit], *, tokens: bool) -> tuple[float, float] | None:
    """Return the limit that leaves least, of several of one kind such as a minute's and a day's."""
    least: tuple[float, float] | None = None
    for (kind, scope, _), left, seconds in limits:
        if kind is tokens and left is not None and scope not in _OF_ANSWERS and (least is None or left <= least[0]):
            least = left, seconds if least is None or left < least[0] else max(seconds, least[1])
    return least


@functools.lru_cache(maxsize=64)
def _named(names: tuple[bytes, ...]) -> tuple[tuple[int, _Header | Literal["together"]], ...]:
    """Return the known headers and their meanings; cached, since a batch reads the same names a million times."""
    return tuple((place, name) for place, name in enumerate(map(_name, names)) if name is not None)


@functools.lru_cache(maxsize=512)
def _name(raw: bytes) -> _Header | Literal["together"] | None:
    """Return the meaning of a header's name."""
    name = raw.decode("latin-1").strip().lower()
    if name in ("ratelimit", "x-ratelimit"):
        return "together"
    family = _FAMILY.search(name)
    if family is None:
        return None
    words = frozenset(_WORDS.split(_FAMILY.sub("", name))) - {""}
    if words & _OTHERS or not words & (_LEFT | _RESET):
        return None
    tokens = bool(words & _OF_TOKENS) or family.group().startswith("token")
    scope = words - _LEFT - _RESET - _OF_REQUESTS - _OF_TOKENS - _NO_MATTER
    of = _Kind(tokens, " ".join(sorted(scope)), " ".join(sorted(words & _MAKERS)))
    return _Header(bool(words & _LEFT), of, name.endswith(("-ms", "_ms")))


@functools.lru_cache(maxsize=512)
def _span(text: str) -> float | None:
    """Return the seconds of a duration; None for a point in time, which depends on the clock."""
    return seconds_in(text)


def _together(text: str) -> list[_Limit]:
    said: dict[str, str] = dict(_TOGETHER.findall(text.lower()))
    left, seconds = _count(said.get("remaining", said.get("r", ""))), _count(said.get("reset", said.get("t", "")))
    return [] if left is None or seconds is None else [_Limit(_Kind(False, ""), left, seconds)]


def _count(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
