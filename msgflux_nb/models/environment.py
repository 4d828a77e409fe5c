"""What the user's environment says about the network: proxies and certificates."""

from __future__ import annotations

import base64
import functools
import os
import ssl
import urllib.parse
import urllib.request

import httpx
import msgspec

__all__ = ["Proxy", "certificates", "proxy_for"]


_VARIABLES = [
    spelling
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")
    for spelling in (name, name.upper())
]


class Proxy(msgspec.Struct, frozen=True):
    """A proxy to go through.

    Attributes:
        url: its address, without user name and password.
        scheme: ``http`` for the kind that every transport here speaks; others go through httpx's own.
        host: its host.
        port: its port.
        authorization: the value of ``Proxy-Authorization``; empty for none.
    """

    url: str
    scheme: str
    host: str
    port: int
    authorization: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.url})"

    @property
    def headers(self) -> dict[str, str]:
        """What the proxy itself is sent."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(url: httpx.URL) -> Proxy | None:
    """Return the proxy that ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name for an address.

    The variables are looked at each time, so that a change in a running notebook counts. On macOS and Windows the
    system's settings hold where no variable is set.
    """
    return _proxy_for(url.scheme, url.host, tuple(map(os.environ.get, _VARIABLES)))


@functools.lru_cache(maxsize=256)
def _proxy_for(scheme: str, target: str, _variables: tuple[str | None, ...]) -> Proxy | None:
    known = urllib.request.getproxies()
    named = known.get(scheme) or known.get("all")
    if not named or urllib.request.proxy_bypass(target):
        return None
    parts = urllib.parse.urlsplit(named if "://" in named else f"http://{named}")
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    authorization = ""
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    address = f"[{host}]" if ":" in host else host
    return Proxy(f"{parts.scheme}://{address}:{port}", parts.scheme, host, port, authorization)


@functools.cache
def certificates() -> ssl.SSLContext:
    """Return whom to trust: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` where one is set, else the authorities of certifi."""
    return httpx.create_ssl_context()
