"""Decodes server-sent events from bytes cut anywhere, and the JSON that an event holds.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, and beyond it what real servers
send:

* an error in an ``error`` field;
* ``[DONE]``, or the next chunk, on the next line without a blank line in between;
* JSON or a web page without a field name: a proxy's error in mid-stream, a stream of JSON lines, the later lines of
  indented JSON;
* a last event without its blank line or its line end.

Lines end at CRLF, LF or CR only. (httpx's ``iter_lines`` also splits at U+2028 and U+0085, which are legal inside
JSON text.)
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from .bulk import check_keys, check_values

__all__ = ["DONE", "Frames", "SSEDecoder", "ServerEvent", "decode_text", "is_stream", "joined", "json_values"]

DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_PLAIN = b"data: "
_NAMED = b"event: "
_FIELDS = frozenset({b"data", b"event", b"error", b"id", b"retry", b""})


_FRAMES, _TRIES = 4, 8
_STARTS = (b"data:", b"event:", b"id:", b"retry:", b"error:", b":")


class ServerEvent(msgspec.Struct, frozen=True, gc=False):
    """An event with a name.

    Attributes:
        data: its data lines, joined with LF.
        name: its ``event`` field.
    """

    data: bytes
    name: str


class SSEDecoder:
    """Turns bytes into events: feed it whatever arrives, and close it at the end.

    An event without a name, as nearly all are, is returned as its data: ``bytes``.
    """

    def __init__(self) -> None:
        self._tail: list[bytes] = []  # pieces of an unfinished line
        self._after_cr = False  # whether an LF that comes next belongs to the last CR
        self._at_start = True
        self._data: list[bytes] = []
        self._name = ""
        self._bare = False  # whether the data came without a field name, so that more such lines continue it

    def feed(self, data: bytes) -> list[bytes | ServerEvent]:
        """Return the events that these bytes complete, in order."""
        events: list[bytes | ServerEvent] = []
        if self._at_start and not self._tail and len(data) >= len(_BOM):
            self._at_start = False
            data = data.removeprefix(_BOM)
        if self._data or self._name or self._after_cr or self._at_start or b"\r" in data:
            self._take_lines(self._lines(data), events)
        elif b"\n" not in data:
            self._tail.append(data)
        else:
            self._take_blocks(b"".join([*self._tail, data]) if self._tail else data, events)
        return events

    def close(self) -> list[bytes | ServerEvent]:
        """Return the events that the end of the stream completes: a last event may lack its blank line or line end."""
        lines = [b"".join(self._tail)] if self._tail else []
        self._tail = []
        events: list[bytes | ServerEvent] = []
        self._take_lines([*lines, b""], events)
        return events

    def _take_blocks(self, data: bytes, events: list[bytes | ServerEvent]) -> None:
        """Read bytes that begin at an event and hold no CR; nearly every event is one line and a blank line."""
        lines = data.split(b"\n")  # one byte is found by memchr, two are not
        tail = lines.pop()
        self._tail = [tail] if tail else []
        paired = len(lines) // 2 * 2
        payloads = [line[6:] for line in lines[:paired:2] if line[:6] == _PLAIN]
        if len(payloads) == paired // 2 and not any(lines[1:paired:2]):
            events += payloads
            del lines[:paired]
        elif lines[0][:7] == _NAMED:
            del lines[: _take_named(lines, events)]
        self._take_lines(lines, events)

    def _lines(self, data: bytes) -> list[bytes]:
        """Return the lines that these bytes complete, with any kind of line end."""
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
        lines = data.splitlines()  # for bytes, only CRLF, LF and CR end a line
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
            if field in _FIELDS:
                self._take_field(field, value.removeprefix(b" "), events)
            elif line.lstrip(b" \t")[:1] in (b"{", b"<"):
                self._add(line, events)
                self._bare = True
            elif self._bare or (self._data and self._data[-1].rstrip()[-1:] in (b"{", b"[")):
                self._data.append(line)
                self._bare = True

    def _take_field(self, field: bytes, value: bytes, events: list[bytes | ServerEvent]) -> None:
        if self._bare:
            self._dispatch(events)
        if field == b"data":
            self._add(value, events)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error":  # not in the standard: GPUStack
            self._name = "error"
            self._data.append(value)

    def _add(self, value: bytes, events: list[bytes | ServerEvent]) -> None:
        """Add a line of data; if it begins a new event without a blank line before it, end the old event first."""
        begins = value.strip()
        if self._data and (begins == DONE or (begins[:1] == b"{" and self._data[-1].rstrip()[-1:] == b"}")):
            self._dispatch(events)
        self._data.append(value)

    def _dispatch(self, events: list[bytes | ServerEvent]) -> None:
        if self._data:
            data = b"\n".join(self._data)
            events.append(ServerEvent(data, self._name) if self._name else data)
        self._data = []
        self._name = ""
        self._bare = False


def _take_named(lines: list[bytes], events: list[bytes | ServerEvent]) -> int:
    """Read events that are a name, one line of data and a blank line; return how many lines were read."""
    for at in range(0, len(lines) - 2, 3):
        name, data = lines[at], lines[at + 1]
        if name[:7] != _NAMED or len(name) == 7 or data[:6] != _PLAIN or lines[at + 2]:
            return at
        events.append(ServerEvent(data[6:], name[7:].decode("utf-8", "replace")))
    return len(lines) // 3 * 3


_PADDING = re.compile(rb'"(?:obfuscation|p)": ?"([A-Za-z0-9]+)"}$')
decode_text = msgspec.json.Decoder(str).decode
"""Decode a JSON string; raises ``ValueError`` for anything else."""


class Frames:
    """The bytes around the text of a chunk, which most streams repeat in every chunk.

    If a chunk differs from an earlier one only in its text, only the text is decoded. It may also differ in the padding
    that OpenAI and Mistral add so that all chunks have one length. If no frame matches for a while, no more are learnt.

    Attributes:
        known: for each frame, the bytes before the text, between text and padding, and at the end; then the text's
            field and the index of its call.
        used: whether a frame has matched since the last one was learnt.
        tries: how many more frames may be learnt before one has to match.
    """

    def __init__(self) -> None:
        self.known: list[tuple[bytes, bytes, bytes, str, int | None]] = []
        self.used = False
        self.tries = _TRIES

    def learn(self, payload: bytes, channel: str, index: int | None, text: str) -> None:
        """Remember the frame of a payload.

        Args:
            payload: a chunk with one text.
            channel: the key of the text, which no other object in a chunk has.
            index: the index of the call that the text belongs to, or None.
            text: the text.
        """
        self.tries = _TRIES if self.used else self.tries - 1
        self.used = False
        key, literal = b'"%b":' % channel.encode(), msgspec.json.encode(text)
        at = payload.rfind(key) + len(key)  # of repeated keys the last one counts
        at += payload[at : at + 1] == b" "
        if key in payload and payload.startswith(literal, at):
            tail = payload[at + len(literal) :]
            padding = _PADDING.search(tail)
            behind = tail[: padding.start(1)] if padding is not None else b""
            tail = tail[padding.end(1) :] if padding is not None else tail
            self.known.insert(0, (payload[:at], behind, tail, channel, index))
        del self.known[_FRAMES if self.tries else 0 :]


def is_stream(start: bytes) -> bool | None:
    """Return whether a body that starts like this is a stream of events or of JSON lines; None if not known yet."""
    if start.startswith(_STARTS):
        return True
    if start[:1] == b"{":
        first = start.splitlines(keepends=True)[0]
        return _is_chunk(first) if first[-1:] in b"\r\n" else None
    return None if any(one.startswith(start) for one in _STARTS) else False


def _is_chunk(line: bytes) -> bool:
    values, rest = json_values(line)
    choices = values[0].get("choices") if len(values) == 1 and not rest and isinstance(values[0], dict) else None
    return isinstance(choices, list) and any(isinstance(one, dict) and "delta" in one for one in choices)


# Filler around and between values.
_BETWEEN = re.compile(r"(?:[\s,\0\ufeff]|data:)*")
_LENIENT = json.JSONDecoder(strict=False)
_SURROGATES = re.compile("[\ud800-\udfff]")
_LONE = re.compile("(?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])")
# Fields in which a lone surrogate may be half of a character that the next chunk completes.
_TEXT: dict[str, Any] = {}
_CALL = {"function": {"arguments": _TEXT}, "custom": {"input": _TEXT}}
_MESSAGE = {
    **dict.fromkeys(("content", "reasoning_content", "reasoning", "reasoning_text", "refusal"), _TEXT),
    "tool_calls": _CALL,
    "function_call": {"arguments": _TEXT},
}
_DELTA = dict.fromkeys(("text", "thinking", "partial_json"), _TEXT)  # on the Messages wire; on Responses a text
_PLACES = {"choices": {"delta": _MESSAGE, "message": _MESSAGE}, "delta": _DELTA}


def json_values(data: bytes) -> tuple[list[Any], str]:
    """Return the JSON values in an event's data, and the rest if it is not JSON.

    Usually there is one value. But some servers put several on a line, repeat ``data:``, or send invalid JSON: NaN,
    bytes that are not UTF-8, a lone surrogate, a line end inside a string.

    Raises:
        NotAnApiError: there are more values than any answer has.
    """
    check_keys(data)
    try:
        value = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        text = data.decode("utf-8", "replace")
    else:
        check_values(data, value)
        return [value], ""
    values: list[Any] = []
    at = _after_dross(text, 0)
    try:
        while at < len(text):
            if text.startswith("[DONE]", at):
                values.append("[DONE]")
                end = at + 6
            else:
                value, end = _LENIENT.raw_decode(text, at)
                check_values(data, value)
                values.append(_without_halves(value, _PLACES))
            at = _after_dross(text, end)
    except (ValueError, RecursionError):
        return values, text[at:]
    return values, ""


def _after_dross(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()


def _without_halves(value: Any, places: dict[str, Any] | None) -> Any:
    """Replace lone surrogates, which cannot be encoded, except where the next chunk may complete the pair."""
    if isinstance(value, dict):
        return {joined(name): _without_halves(one, places.get(name) if places else None) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_halves(one, places) for one in value]
    return joined(value) if isinstance(value, str) and places is not _TEXT and places is not _DELTA else value


def joined(text: str) -> str:
    """Return the text with adjacent surrogates joined to pairs, and lone ones replaced by U+FFFD."""
    if text.isascii() or _SURROGATES.search(text) is None:
        return text
    # The codec's own "replace" takes half a microsecond for each, in which nobody can interrupt.
    return _LONE.sub("\ufffd", text).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
