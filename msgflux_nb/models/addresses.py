"""The address of an API → the address of a request: extends the path and keeps the query."""

from __future__ import annotations

import functools
import os
import re

from ..errors import BadRequestError
from ..protocol.profile import Profile

__all__ = ["base_url_of", "tidy", "under"]

_CHAT = "/chat/completions"


def tidy(address: str) -> str:
    """Return an address without surrounding white space and without a slash at the end of its path."""
    path, mark, query = address.strip().partition("?")
    return path.rstrip("/") + mark + query


@functools.lru_cache(maxsize=256)
def under(address: str, path: str = _CHAT) -> str:
    """Return the address of a path below an API's address.

    An address that already ends in the path, as copied from a provider's page, is returned unchanged.

    Example:
        >>> under("https://x.example/openai/deployments/gpt-4o?api-version=2024-10-21")
        'https://x.example/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21'
    """
    address = tidy(address)
    if "?" not in address and "#" not in address:
        return address if address.endswith(path) else address + path
    import httpx

    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:  # reported when the request is sent
        return address
    below, _, query = url.raw_path.partition(b"?")
    whole = below.rstrip(b"/")
    whole += b"" if whole.endswith(path.encode()) else path.encode()
    return str(url.copy_with(raw_path=whole + (b"?" + query if query else b""), fragment=None))


def base_url_of(profile: Profile) -> str | None:
    """Return the base URL of a provider's API, from the environment or from its row; None for the embedded server.

    Raises:
        BadRequestError: each user has a different address, and the environment names none.
    """
    if profile.base_url_variable is None:
        return profile.base_url
    named = os.environ.get(profile.base_url_variable, "").strip()
    if not named:
        if profile.base_url is None:
            raise BadRequestError(
                f"{profile.provider} has a different address for each user: set the environment variable "
                f"{profile.base_url_variable}, or pass base_url=."
            )
        return profile.base_url
    if "://" not in named:
        named = _whole_address(named, profile)
    named, path = tidy(named), profile.base_url_path
    if "/openai/deployments/" in named:  # Azure's older addresses, which name the deployment and need a query
        return named
    return under(named, path) if path else named


def _whole_address(host: str, profile: Profile) -> str:
    """Return the address of a host, with or without a port, as in ``OLLAMA_HOST``; https if it needs a key."""
    usual = profile.base_url.partition("://")[2].partition("/")[0].partition(":")[2] if profile.base_url else ""
    port = f":{usual}" if usual and not re.search(r":\d+(/|$)", host) else ""
    return f"{'https' if profile.key_variables else 'http'}://{host}{port}"
