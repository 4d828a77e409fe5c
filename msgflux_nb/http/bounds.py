"""Limits on every size that a server controls; each error names its limit and how to raise it."""

from __future__ import annotations

import functools
import os

import msgspec

from ..errors import NotAnApiError

__all__ = ["Bounds", "Meter", "bounds", "too_large"]

_MB = 1024 * 1024


class Bounds(msgspec.Struct, frozen=True):
    """How much of an answer is read, in bytes, before it is refused.

    Attributes:
        answer: a whole answer, both as received and as decoded.
        stream: a streamed answer, both as received and as decoded.
        event: one event of a stream.
        head: the heads of an answer together, interim (1xx) heads included.
        headers: the number of headers in one head.
        trailers: the trailers after the last chunk.
        error: the body of an error; the rest is not read.
    """

    answer: int = 64 * _MB
    stream: int = 96 * _MB
    event: int = 64 * _MB
    head: int = 64 * 1024
    headers: int = 100
    trailers: int = 64 * 1024
    error: int = 64 * 1024


_VARIABLES = {
    "answer": "MSGFLUX_MAX_ANSWER_MB",
    "stream": "MSGFLUX_MAX_STREAM_MB",
    "event": "MSGFLUX_MAX_EVENT_MB",
    "head": "MSGFLUX_MAX_HEAD_MB",
    "trailers": "MSGFLUX_MAX_HEAD_MB",
}
_NAMES = {
    "answer": "the answer",
    "stream": "the streamed answer",
    "event": "one event of the stream",
    "head": "the head of the answer",
    "headers": "the head of the answer",
    "trailers": "the part behind the last chunk, the trailers,",
}


def bounds() -> Bounds:
    """Return the current limits; ``MSGFLUX_MAX_ANSWER_MB`` and the like change them, even in a running notebook.

    Raises:
        ValueError: a variable is not a number above 0.
    """
    return _bounds(tuple(map(os.environ.get, _VARIABLES.values())))


@functools.lru_cache(maxsize=16)
def _bounds(values: tuple[str | None, ...]) -> Bounds:
    found: dict[str, int] = {}
    for (field, variable), value in zip(_VARIABLES.items(), values, strict=True):
        if value is None or not value.strip():
            continue
        try:
            size = float(value)
        except ValueError:
            size = 0.0
        if not 0 < size < float("inf"):
            raise ValueError(f"{variable}: expected a number of megabytes above 0, got {value!r}")
        found[field] = max(1, int(size * _MB))
    return Bounds(**found)


def too_large(which: str, limits: Bounds) -> NotAnApiError:
    """Return the error for an answer that exceeds a limit."""
    size = getattr(limits, which)
    if which == "headers":
        return NotAnApiError(f"the answer has more than {size} headers, which is a fixed limit. Check base_url.")
    said = f"{size // _MB} MB" if size >= _MB and size % _MB == 0 else f"{size:,} bytes"
    advice = "" if which in ("head", "trailers") else " Ask for less, or"
    raised = f"{advice or ' Check base_url, or'} raise the limit with the environment variable {_VARIABLES[which]}."
    return NotAnApiError(f"{_NAMES[which]} is larger than {said}.{raised}")


class Meter:
    """Counts the bytes of one body, both as received and as decoded.

    Args:
        limits: the limits on size.
        stream: whether the answer is streamed as events.
    """

    def __init__(self, limits: Bounds, *, stream: bool) -> None:
        self._limits = limits
        self._which = "stream" if stream else "answer"
        self._most: int = getattr(limits, self._which)
        self._stream = stream
        self._sum = 0
        self._event = 0  # bytes since the last blank line

    def take(self, data: bytes) -> None:
        """Count bytes of the body.

        Raises:
            NotAnApiError: the body is too large.
        """
        self._sum += len(data)
        if self._sum > self._most:
            raise too_large(self._which, self._limits)
        if self._stream:
            self._take_events(data)

    def _take_events(self, data: bytes) -> None:
        at = data.rfind(b"\n\n")
        if self._event + len(data) > self._limits.event:
            begun = data if at < 0 else data[: data.find(b"\n\n")]
            if self._event + len(begun) > self._limits.event:
                raise too_large("event", self._limits)
        if at < 0:
            at = max(data.rfind(b"\n\r\n"), data.rfind(b"\r\r"))
        if at >= 0:
            self._event = len(data) - at
            return
        self._event += len(data)
