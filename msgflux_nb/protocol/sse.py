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
_PLAIN = b"data: "


class ServerEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that has a name.

    Attributes:
        data: its data lines, joined with LF.
        name: its ``event`` field.
    """

    data: bytes
    name: str


class SSEDecoder:
    """Turns bytes into events. Feed it whatever arrives; close it at the end.

    An event without a name, as nearly all are, is its data alone: ``bytes``.
    """

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # pieces of an unfinished line
        self._after_cr = False  # an LF that comes next belongs to the CR before it
        self._at_start = True
        self._data: list[bytes] = []
        self._name = ""

    def feed(self, data: bytes) -> list[bytes | ServerEvent]:
        """Return the events that these bytes complete, in order."""
        events: list[bytes | ServerEvent] = []
        if self._data or self._name or self._after_cr or self._at_start or b"\r" in data:
            self._take_lines(self._lines(data), events)
        elif b"\n" not in data:
            self._tail.append(data)
        else:
            self._take_blocks(b"".join([*self._tail, data]) if self._tail else data, events)
        return events

    def close(self) -> list[bytes | ServerEvent]:
        """Return what the end of the stream completes: a last event may lack its blank line, or its line end."""
        lines = [b"".join(self._tail)] if self._tail else []
        self._tail = []
        events: list[bytes | ServerEvent] = []
        self._take_lines([*lines, b""], events)
        return events

    def _take_blocks(self, data: bytes, events: list[bytes | ServerEvent]) -> None:
        """Take bytes that begin a line outside any event and hold no CR: nearly every event is one line between LFs."""
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        for block in blocks:
            if block[:6] == _PLAIN and b"\n" not in block:
                events.append(block[6:])
            else:
                self._take_lines([*block.split(b"\n"), b""], events)
        *lines, tail = rest.split(b"\n")
        self._take_lines(lines, events)
        self._tail = [tail] if tail else []

    def _lines(self, data: bytes) -> list[bytes]:
        """Return the lines that these bytes complete, whichever way they end."""
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
        return lines

    def _take_lines(self, lines: list[bytes], events: list[bytes | ServerEvent]) -> None:
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

    def _dispatch(self, events: list[bytes | ServerEvent]) -> None:
        if self._data:
            data = b"\n".join(self._data)
            events.append(ServerEvent(data, self._name) if self._name else data)
        self._data = []
        self._name = ""
