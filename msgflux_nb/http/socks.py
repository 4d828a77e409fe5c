"""The handshakes with proxies: CONNECT, SOCKS 4 and SOCKS 5; bytes in, bytes out.

A handshake is a generator that yields bytes to send and is sent received bytes. The standard library's ``http.client``
reads an HTTP proxy's answer; the optional package ``socksio`` handles SOCKS.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Generator
from typing import Any, cast

import httpx

from .bounds import bounds, too_large
from .environment import Proxy
from .greeting import QUOTED_BYTES, foreign_protocol
from .route import Route, request_head

__all__ = ["Conversation", "conversation"]

Conversation = Generator[bytes, bytes, None]
"""Yields bytes to send (empty: only wait); is sent received bytes (empty: the connection has ended)."""


def conversation(route: Route) -> Conversation | None:
    """Return the handshake that a route's proxy needs; None if it needs none.

    Raises:
        httpx.ProxyError: a package is missing.
    """
    proxy = route.proxy
    if proxy is None or (proxy.scheme == "http" and not route.secure):
        return None
    if proxy.scheme == "http":
        return _connect(route, proxy)
    try:
        import socksio
    except ImportError:
        raise httpx.ProxyError(
            f"the environment names the proxy {proxy.url}, which needs one more package. Install it with: "
            'pip install "socksio==1.*", or name an http:// proxy'
        ) from None
    return _socks5(socksio, route, proxy) if proxy.scheme.startswith("socks5") else _socks4(socksio, route, proxy)


def _connect(route: Route, proxy: Proxy) -> Conversation:
    host = f"[{route.host}]" if ":" in route.host else route.host
    place = f"{host}:{route.port}".encode()
    held, status, seen = b"", 100, 0
    came = yield request_head("CONNECT", place, [(b"Host", place), *proxy.headers])
    while True:
        held += _some(came)
        while status < 200 and (end := _end_of_head(held)):
            status, held = _status(held[:end]), held[end:]
            seen += end
        if status >= 200:
            break
        foreign = foreign_protocol(held)
        if foreign is not None:
            raise OSError(foreign)
        if seen + len(held) > bounds().head:
            raise too_large("head", bounds())
        came = yield b""
    if status >= 300:
        wants = " It wants another user name and password." if status == 407 else ""
        raise OSError(f"it refuses a connection to {route.host} with status {status}.{wants}")


def _some(came: bytes) -> bytes:
    if not came:
        raise OSError("it closed the connection before it answered")
    return came


def _end_of_head(held: bytes) -> int:
    ends = [at + len(mark) for mark in (b"\n\r\n", b"\n\n") if (at := held.find(mark)) >= 0]
    return min(ends, default=0)


def _status(head: bytes) -> int:
    """Read the status of a head; an interim (1xx) head has no body and is read like a whole answer."""
    if head[:5] == b"HTTP/" and head[8:10] == b" 1":
        return 100
    answer = http.client.HTTPResponse(cast(socket.socket, _SocketFile(head)), method="CONNECT")
    try:
        answer.begin()
    except http.client.HTTPException as error:
        raise OSError(foreign_protocol(head) or f"expected an HTTP answer, got {type(error).__name__}") from None
    finally:
        answer.close()
    return answer.status


class _SocketFile:
    """Offers bytes in the form of a socket, for ``http.client``."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


class _ProxyBytes:
    """Holds the unread bytes of a SOCKS proxy."""

    def __init__(self) -> None:
        self._held = b""
        self._begun = False

    def read(self, send: bytes, size: int) -> Generator[bytes, bytes, bytes]:
        """Send, then wait for the given number of bytes; only the first of several calls sends."""
        while len(self._held) < size or send:
            came = yield send
            send = b""
            self._held += _some(came)
            if not self._begun and self._held[0] > 5:  # a SOCKS reply begins with a version, or 0
                raise OSError(f"expected a SOCKS proxy, got {self._held[:QUOTED_BYTES]!r}")
            self._begun = True
        data, self._held = self._held[:size], self._held[size:]
        return data


def _socks5(socksio: Any, route: Route, proxy: Proxy) -> Conversation:
    """https://www.rfc-editor.org/rfc/rfc1928 and 1929; the proxy looks the name up, even with ``socks5``."""
    v5, unread = socksio.socks5, _ProxyBytes()
    talk, wanted = v5.SOCKS5Connection(), v5.SOCKS5AuthMethod.NO_AUTH_REQUIRED
    if proxy.auth is not None:
        wanted = v5.SOCKS5AuthMethod.USERNAME_PASSWORD
    try:
        talk.send(v5.SOCKS5AuthMethodsRequest([wanted]))
        if talk.receive_data((yield from unread.read(talk.data_to_send(), 2))).method != wanted:
            raise OSError(
                "it refused the way to log in. Put user and password in its address, socks5h://USER:PASSWORD@HOST, or "
                "remove them if it takes none"
            )
        if proxy.auth is not None:
            user, password = (part.encode()[:255] for part in proxy.auth)
            talk.send(v5.SOCKS5UsernamePasswordRequest(user, password))
            if not talk.receive_data((yield from unread.read(talk.data_to_send(), 2))).success:
                raise OSError("it refused the user name or the password in its address")
        talk.send(v5.SOCKS5CommandRequest.from_address(v5.SOCKS5Command.CONNECT, (route.host, route.port)))
        start = yield from unread.read(talk.data_to_send(), 5)
        left = {1: 5, 4: 17}.get(start[3], start[4] + 2)
        reply = talk.receive_data(start + (yield from unread.read(b"", left)))
    except socksio.SOCKSError as error:
        raise OSError(f"expected a SOCKS5 proxy, got: {error}") from None
    if reply.reply_code != v5.SOCKS5ReplyCode.SUCCEEDED:
        raise OSError(f"it refuses a connection to {route.host}: {_words(reply.reply_code)}")


def _socks4(socksio: Any, route: Route, proxy: Proxy) -> Conversation:
    """SOCKS 4 for an IPv4 address, 4A for a name."""
    v4, unread = socksio.socks4, _ProxyBytes()
    user = b"" if proxy.auth is None else proxy.auth[0].encode()
    talk, place = v4.SOCKS4Connection(user), (route.host, route.port)
    if ":" in route.host:
        raise OSError("SOCKS 4 has no IPv6 addresses: name the proxy as socks5://, if it speaks that too")
    numeric = route.host.replace(".", "").isdigit()
    kind = v4.SOCKS4Request if numeric else v4.SOCKS4ARequest
    try:
        # A user is required; the package leaves it out unless it is non-empty bytes.
        request = kind.from_address(v4.SOCKS4Command.CONNECT, place, user_id=user or b"msgflux")
        talk.send(request)
        reply = talk.receive_data((yield from unread.read(talk.data_to_send(), 8)))
    except socksio.SOCKSError as error:
        raise OSError(f"expected a SOCKS4 proxy, got: {error}") from None
    if reply.reply_code != v4.SOCKS4ReplyCode.REQUEST_GRANTED:
        raise OSError(f"it refuses a connection to {route.host}: {_words(reply.reply_code)}")


def _words(code: Any) -> str:
    return str(code.name).lower().replace("_", " ")
