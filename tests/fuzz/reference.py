"""Slow and simple versions of fast code, written from the standards, to compare with."""

from __future__ import annotations

import re

from msgflux_nb.protocol.sse import ServerEvent

__all__ = ["events_of"]


def events_of(data: bytes) -> list[bytes | ServerEvent]:
    """Return the events of a whole stream by the HTML standard, with the four exceptions that ``sse`` names."""
    lines = re.split(rb"\r\n|\n|\r", data.removeprefix(b"\xef\xbb\xbf"))
    events: list[bytes | ServerEvent] = []
    values: list[bytes] = []
    name, bare = "", False
    for line in [*lines, b""]:
        field, colon, value = line.partition(b":")
        if not colon:
            field, value = line, b""
        value = value[1:] if value[:1] == b" " else value
        known = field in (b"data", b"event", b"error", b"id", b"retry") or line[:1] == b":"
        naked = not known and line.strip(b" \t")[:1] in (b"{", b"<")
        bare = bare or (not known and bool(line and values) and values[-1].strip()[-1:] in (b"{", b"["))
        text = value if field in (b"data", b"error") and known else line
        adds = field in (b"data", b"error") or naked or (bare and line and not known)
        ends = not line or (bare and known)
        if adds and not ends and values and not (bare and not naked) and field != b"error":
            ends = text.strip() == b"[DONE]" or (text.strip()[:1] == b"{" and values[-1].strip()[-1:] == b"}")
        if ends:
            if values:
                joined = b"\n".join(values)
                events.append(ServerEvent(joined, name) if name else joined)
            values, name, bare = [], "", False
        if adds and line:
            values.append(text)
            bare = bare or naked
        if field == b"event" and known:
            name = value.decode("utf-8", "replace")
        elif field == b"error" and known:
            name = "error"
    return events
