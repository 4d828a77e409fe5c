"""What both transports know before a byte is sent: whom to connect to, and what to write; pure but for the proxies."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import msgspec

from .environment import Proxy, proxy_for
from .http1 import request_head
from .limits import Abort

__all__ = ["BLOCK_BYTES", "IDLE_KEPT", "Route", "message", "patience", "tunnel_head"]

BLOCK_BYTES = 256 * 1024
IDLE_KEPT = 256
"""Connections to one place that are kept although nobody uses them."""


class Route(msgspec.Struct, frozen=True):
    """Whom a request is for, and through whom; connections of the same route are interchangeable.

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
            httpx.UnsupportedProtocol: it is neither http nor https.
        """
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"expected an address with http:// or https://, got {url.scheme}://")
        secure = url.scheme == "https"
        return cls(secure, url.host, url.port or (443 if secure else 80), proxy_for(url))

    @property
    def foreign(self) -> Proxy | None:
        """The proxy, where it is of a kind that only httpx speaks to."""
        return self.proxy if self.proxy is not None and self.proxy.scheme != "http" else None

    @property
    def first_stop(self) -> tuple[str, int]:
        """Where the connection goes."""
        return (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)


def message(request: httpx.Request, route: Route) -> bytes:
    """Return a request as it goes over the wire; a proxy that passes requests on is asked for the whole address."""
    headers = request.headers.raw
    target = request.url.raw_path
    if route.proxy is not None and not route.secure:
        target = str(request.url).encode("ascii")
        headers = [*headers, *((name.encode(), value.encode()) for name, value in route.proxy.headers.items())]
    return request_head(request.method, target, headers) + request.content


def tunnel_head(route: Route) -> bytes:
    """Return what a proxy is asked to open a tunnel with."""
    host = f"[{route.host}]" if ":" in route.host else route.host
    place = f"{host}:{route.port}".encode()
    own = route.proxy.headers.items() if route.proxy is not None else ()
    return request_head("CONNECT", place, [(b"Host", place), *((name.encode(), value.encode()) for name, value in own)])


def patience(request: httpx.Request) -> tuple[Callable[[], float], float, Abort]:
    """Return a request's limits: the seconds that the next wait may last, those for connecting, and its abort."""
    remaining = request.extensions.get("remaining") or _endless
    connect = request.extensions.get("timeout", {}).get("connect")
    return remaining, float("inf") if connect is None else connect, request.extensions.get("abort") or Abort()


def _endless() -> float:
    return float("inf")
