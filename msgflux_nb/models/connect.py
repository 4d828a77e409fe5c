"""What both transports know before a byte is sent: whom to connect to, and what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import httpx
import msgspec

from .environment import Proxy, certificates, proxy_for
from .http1 import ProtocolError, ResponseReader, request_head
from .timeouts import Abort

__all__ = ["BLOCK_BYTES", "IDLE_KEPT", "Route", "check_tunnel", "foreign_transport", "message", "patience"]

BLOCK_BYTES = 64 * 1024
IDLE_KEPT = 256
"""Connections to one place that are kept although nobody uses them."""

T = TypeVar("T")


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
            httpx.UnsupportedProtocol: it is neither http nor https, or no place on the net.
            httpx.ProxyError: the proxy that the environment names is no address.
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
        """The proxy, where it is of a kind that only httpx speaks to."""
        return self.proxy if self.proxy is not None and self.proxy.scheme != "http" else None

    @property
    def tunnel(self) -> bytes:
        """What the proxy is asked first, so that it passes an encrypted connection on; empty where there is no need."""
        if self.proxy is None or not self.secure:
            return b""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{host}:{self.port}".encode()
        return request_head("CONNECT", place, [(b"Host", place), *self.proxy.headers])

    @property
    def first_stop(self) -> tuple[str, int]:
        """Where the connection goes."""
        return (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)

    def failure(self, error: Exception) -> httpx.ConnectError | httpx.ProxyError:
        """Say in httpx's words that a connection does not come about."""
        kind = httpx.ConnectError if self.proxy is None else httpx.ProxyError
        through = "" if self.proxy is None else f"through the proxy {self.proxy.url}: "
        return kind(f"{through}{error or type(error).__name__}")


def message(request: httpx.Request, route: Route) -> bytes:
    """Return a request as it goes over the wire; a proxy that passes requests on is asked for the whole address."""
    headers = request.headers.raw
    target = request.url.raw_path
    if route.proxy is not None and not route.secure:
        target = b"http://" + request.url.netloc + target
        headers = [*headers, *route.proxy.headers]
    return request_head(request.method, target, headers) + request.content


def check_tunnel(reader: ResponseReader, route: Route) -> bool:
    """Whether the proxy has opened the tunnel; False while its answer is still to come.

    Raises:
        ProtocolError: it refuses.
    """
    if reader.head is None:
        return False
    if not 200 <= reader.head.status < 300:
        wants = " It wants another user name and password." if reader.head.status == 407 else ""
        raise ProtocolError(f"it refuses a connection to {route.host} with status {reader.head.status}.{wants}")
    return True


def foreign_transport(kind: Callable[..., T], proxy: Proxy) -> T:
    """Return a transport of httpx's own for a proxy of another kind.

    Raises:
        httpx.ProxyError: httpx cannot speak to it.
    """
    try:
        trust = certificates()
        return kind(
            verify=trust,
            proxy=httpx.Proxy(proxy.url, auth=proxy.auth, ssl_context=trust if proxy.scheme == "https" else None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=IDLE_KEPT),
        )
    except ImportError:
        raise httpx.ProxyError(
            f"for the proxy {proxy.url}, which the environment names, httpx needs one more package. Run "
            "pip install 'httpx[socks]', or name an http:// proxy"
        ) from None
    except OSError as error:
        raise httpx.ProxyError(str(error)) from error
    except ValueError:
        raise httpx.ProxyError(
            f"expected a proxy with http://, https:// or socks5:// in the environment, got {proxy.url}"
        ) from None


def patience(request: httpx.Request) -> tuple[Callable[[], float], float, Abort]:
    """Return a request's limits: the seconds that the next wait may last, those for connecting, and its abort."""
    remaining = request.extensions.get("remaining") or _endless
    connect = request.extensions.get("timeout", {}).get("connect")
    return remaining, float("inf") if connect is None else connect, request.extensions.get("abort") or Abort()


def _endless() -> float:
    return float("inf")
