"""Server-sent events from bytes, at any split point.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, with what real servers need
beside it: an error in a field of its own, ``[DONE]`` without a blank line before it, and a last event without one.

Lines end at CRLF, LF or CR only. (httpx's ``iter_lines`` also splits at U+2028 and U+0085, which are legal inside
JSON text.)
"""

from __future__ import annotations

import msgspec

__all__ = ["DONE", "SSEDecoder", "ServerEvent"]

DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"


class ServerEvent(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        data: its data lines, joined with LF.
        name: its ``event`` field; empty when there is none.
    """

    data: bytes
    name: str = ""


class SSEDecoder:
    """Turns bytes into events. Feed it whatever arrives; close it at the end."""

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # pieces of an unfinished line
        self._after_cr = False  # an LF that comes next belongs to the CR before it
        self._at_start = True
        self._data: list[bytes] = []
        self._name = ""

    def feed(self, data: bytes) -> list[ServerEvent]:
        """Return the events that these bytes complete, in order."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if not data:
            return []
        if b"\n" not in data and b"\r" not in data:
            self._tail.append(data)
            return []
        self._after_cr = data.endswith(b"\r")
        if self._tail:
            data = b"".join([*self._tail, data])
            self._tail = []
        lines = data.splitlines()  # of bytes: CRLF, LF and CR only
        if not data.endswith((b"\n", b"\r")):
            self._tail.append(lines.pop())
        return self._take(lines)

    def close(self) -> list[ServerEvent]:
        """Return what the end of the stream completes: a last event may lack its blank line, or its line end."""
        lines = [b"".join(self._tail)] if self._tail else []
        self._tail = []
        return self._take([*lines, b""])

    def _take(self, lines: list[bytes]) -> list[ServerEvent]:
        events: list[ServerEvent] = []
        if self._at_start and lines:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        for line in lines:
            if not line:
                self._dispatch(events)
                continue
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                if value == DONE:  # some servers put it right under the last chunk
                    self._dispatch(events)
                self._data.append(value)
            elif field == b"event":
                self._name = value.decode("utf-8", "replace")
            elif field == b"error":  # not in the standard: GPUStack
                self._name = "error"
                self._data.append(value)
        return events

    def _dispatch(self, events: list[ServerEvent]) -> None:
        if self._data:
            events.append(ServerEvent(b"\n".join(self._data), self._name))
        self._data = []
        self._name = ""
