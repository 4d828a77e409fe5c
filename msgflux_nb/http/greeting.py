"""Recognises, by a server's first bytes, a protocol other than HTTP/1.1; pure."""

from __future__ import annotations

import re

__all__ = ["QUOTED_BYTES", "foreign_protocol", "tls_advice"]

QUOTED_BYTES = 1_000
"""Long enough for a whole key, so that the key is recognised and hidden before the text is cut."""

_HTTP2 = "HTTP/2 alone. Use a gateway or a setting of the server that offers HTTP/1.1 too"
_GREETINGS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.S), name)
    for pattern, name in (
        (rb"HTTP/[2-9]", _HTTP2),
        (rb"\x00\x00.\x04[\x00\x01]\x00\x00\x00\x00", _HTTP2),  # its first frame, SETTINGS
        (rb"\x00\x00.\x07\x00\x00\x00\x00\x00", _HTTP2),  # GOAWAY
        (rb"[\x14-\x17]\x03[\x00-\x04]", "TLS on this port. Begin the address with https://"),
        (rb"SSH-", "SSH, a remote shell"),
        (rb"220[ -].*(?:ftp|FTP)", "FTP, which transfers files"),
        (rb"220[ -]", "SMTP or FTP, for mail or files"),
        (rb"\+OK|\* OK", "POP3 or IMAP, for mail"),
        (rb"[-+](?:ERR|PONG|NOAUTH|DENIED)", "the protocol of Redis, a database"),
        (rb"E\x00\x00\x00|[NS]\Z|EFATAL", "the protocol of PostgreSQL, a database"),
        (rb"..\x00\x00[\x0a\xff]", "the protocol of MySQL, a database"),
        (rb"AMQP", "AMQP, a message queue"),
        (rb"RFB \d{3}", "VNC, a remote screen"),
        (rb"RTSP/|ICY ", "a protocol for sound and video"),
        (rb"[\x04\x05][\x00-\x02\xff]", "SOCKS. Name it as a proxy: ALL_PROXY=socks5h://host:port"),
        (rb"\xff[\xfb-\xfe]", "Telnet, a remote terminal"),
        (rb"QUIT|PING|INFO \{", "the protocol of NATS, a message queue"),
    )
)


def foreign_protocol(start: bytes) -> str | None:
    """Return an error text that names the server's protocol; None if the bytes may be an HTTP/1.1 answer.

    Example:
        >>> foreign_protocol(b"SSH-2.0-OpenSSH_9.6")
        "expected an HTTP answer, got b'SSH-2.0-OpenSSH_9.6': the server speaks SSH, a remote shell"
    """
    if start.startswith(b"HTTP/1.") or b"HTTP/1."[: len(start)] == start:
        return None
    quoted = f"{start[:QUOTED_BYTES]!r}"
    for pattern, name in _GREETINGS:
        if pattern.match(start):
            return f"expected an HTTP answer, got {quoted}: the server speaks {name}"
    return f"expected an HTTP answer, got {quoted}"


def tls_advice(message: str) -> str:
    """Return advice to add to a TLS library's message; may be empty."""
    lower = message.lower().replace("_", " ")
    if "no application protocol" in lower:
        return f" (the server speaks {_HTTP2})"
    if "wrong version number" in lower or "record layer" in lower or "http request" in lower:
        return " (the server speaks no TLS on this port: if it is meant, begin the address with http://)"
    return ""
