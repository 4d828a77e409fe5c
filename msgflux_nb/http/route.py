"""The route of a request (its host and proxy), and the head of the request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import httpx
import msgspec

from .environment import Proxy, proxy_for

__all__ = ["BLOCK_BYTES", "IDLE_KEPT", "Headers", "Route", "request_head"]

Headers = Sequence[tuple[bytes, bytes]]

BLOCK_BYTES = 64 * 1024
IDLE_KEPT = 256
"""How many idle connections are kept for one route."""

_OURS = ("http", "socks4", "socks4a", "socks5", "socks5h")  # proxies that our clients support


class Route(msgspec.Struct, frozen=True):
    """The host and the proxy of a request; connections of equal routes are interchangeable.

    Attributes:
        secure: whether the connection is encrypted.
        host: the host.
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
            httpx.UnsupportedProtocol: the address is neither http nor https, or has no host.
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
        """The proxy, if only httpx supports its kind."""
        return self.proxy if self.proxy is not None and self.proxy.scheme not in _OURS else None

    @property
    def passes_on(self) -> Proxy | None:
        """The proxy, if it forwards requests, which then carry the whole address."""
        return self.proxy if self.proxy is not None and self.proxy.scheme == "http" and not self.secure else None

    @property
    def first_stop(self) -> tuple[str, int]:
        """The host and port to connect to."""
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
