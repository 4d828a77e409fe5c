"""Reads the user's network settings from the environment: proxies and certificates."""

from __future__ import annotations

import base64
import functools
import ipaddress
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
        scheme: its kind; our clients support ``http`` and SOCKS, others are used through httpx.
        host: its host.
        port: its port.
        auth: user name and password, or None.
    """

    url: str
    scheme: str
    host: str
    port: int
    auth: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return f"Proxy({self.url})"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers for the proxy."""
        if self.auth is None:
            return []
        return [(b"Proxy-Authorization", b"Basic " + base64.b64encode(":".join(self.auth).encode()))]


def proxy_for(url: httpx.URL) -> Proxy | None:
    """Return the proxy that ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name for an address.

    The variables are read each time, so a change in a running notebook counts. On macOS and Windows the system's
    settings are used if no variable is set. No proxy is used for this machine, and so for the embedded model: a proxy
    would look for it on its own machine.

    Raises:
        httpx.ProxyError: a variable does not hold an address.
    """
    return _proxy_for(url.scheme, url.host, url.port, tuple(map(os.environ.get, _VARIABLES)))


@functools.lru_cache(maxsize=256)
def _proxy_for(scheme: str, host: str, port: int | None, _variables: tuple[str | None, ...]) -> Proxy | None:
    known = urllib.request.getproxies()
    named = known.get(scheme) or known.get("all")
    if not named or _is_this_machine(host):
        return None
    bypass = urllib.request.proxy_bypass
    if bypass(host) or (port is not None and bypass(f"{host}:{port}")):  # NO_PROXY may name a port
        return None
    try:
        parts = urllib.parse.urlsplit(named if "://" in named else f"http://{named}")
        place, at = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        place, at = "", 0
    if not place:
        raise httpx.ProxyError(
            f"the environment names a proxy for {scheme}:// that is not an address. Expected http://host:port, or "
            f"http://user:password@host:port, in {scheme.upper()}_PROXY or ALL_PROXY"
        )
    auth = None
    if parts.username is not None:
        auth = (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or ""))
    address = f"[{place}]" if ":" in place else place
    return Proxy(f"{parts.scheme}://{address}:{at}", parts.scheme, place, at, auth)


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@functools.cache
def certificates() -> ssl.SSLContext:
    """Return the trusted certificate authorities: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` if set, else certifi's.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        context = httpx.create_ssl_context()
    except OSError as error:
        named = os.environ.get("SSL_CERT_FILE", "")
        raise OSError(f"SSL_CERT_FILE names {named}, which cannot be read: {error.strerror or error}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context
