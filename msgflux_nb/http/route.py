"""The route of a request: its host, and the proxy in between; and the request's head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import httpx
import msgspec

from .environment import Proxy, proxy_for

__all__ = ["BLOCK_BYTES", "IDLE_KEPT", "Headers", "Route", "request_head"]

Headers = Sequence[tuple[bytes, bytes]]

BLOCK_BYTES = 64 * 1024
IDLE_KEPT = 256
"""Idle connections that are kept for one route."""

_OURS = ("http", "socks4", "socks4a", "socks5", "socks5h")  # proxies that our clients speak to


class Route(msgspec.Struct, frozen=True):
    """The host of a request, and the proxy in between; connections of the same route are interchangeable.

    Attributes:
        secure: whether it is encrypted.
        host: its host.
        port: its port.
        proxy: the proxy to go through, or None.
    """

    secure: bool
    host: str
    port: int
    proxy: Proxy | None

    @classmethod
    def of(cls, url: httpx.URL) -> Route:
        """Return the route to an address.

        Raises:
            httpx.UnsupportedProtocol: it is neither http nor https, or has no host.
            httpx.ProxyError: the environment's proxy is not an address.
        """
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.UnsupportedProtocol("expected an address with http:// or https:// and a host")
        secure = url.scheme == "https"
        port = url.port or (443 if secure else 80)
        if port > 65_535:
            raise httpx.UnsupportedProtocol(f"expected a port up to 65535, got {port}")
        return cls(secure, url.raw_host.decode("ascii"), port, proxy_for(url))

    @property
    def foreign(self) -> Proxy | None:
        """The proxy, if only httpx speaks to its kind."""
        return self.proxy if self.proxy is not None and self.proxy.scheme not in _OURS else None

    @property
    def passes_on(self) -> Proxy | None:
        """The proxy, if it takes the whole address and passes the request on."""
        return self.proxy if self.proxy is not None and self.proxy.scheme == "http" and not self.secure else None

    @property
    def first_stop(self) -> tuple[str, int]:
        """Where the connection goes."""
        return (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)

    def failure(self, error: BaseException) -> httpx.ConnectError | httpx.ProxyError:
        """Return the httpx exception for a failed connection."""
        kind = httpx.ConnectError if self.proxy is None else httpx.ProxyError
        through = "" if self.proxy is None else f"through the proxy {self.proxy.url}: "
        return kind(f"{through}{error or type(error).__name__}")


def request_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request.

    Raises:
        httpx.LocalProtocolError: a header holds a line end; the message does not show it.
    """
    lines = [b"%b %b HTTP/1.1" % (method.encode(), target)]
    for name, value in headers:
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise httpx.LocalProtocolError(f"the header {name.decode('latin-1')} holds a line end or a NUL")
        lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join([*lines, b"", b""])
