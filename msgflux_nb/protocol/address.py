"""Finds and removes keys in the query of an address; pure."""

from __future__ import annotations

import re
import urllib.parse

__all__ = ["address_secrets", "without_secrets"]

_MASK = "[key]"
# Query parameters with a key: Google's key, Azure's code, sig and subscription-key, and those of gateways.
_SECRET = re.compile(
    r"(?<=[?&;])((?:[\w\-]{0,30}[_\-])?(?:key|apikey|sig|signature|code|token|secret|password|passwd|pwd|auth|authorization"
    r"|credential|session|jwt)=)([^&;#\s\"'<>`]+)",
    re.I,
)


def without_secrets(text: str) -> str:
    """Return a text in which the secret values of every query are masked.

    Example:
        >>> without_secrets("http://x/v1?api-version=1&code=abc")
        'http://x/v1?api-version=1&code=[key]'
    """
    return _SECRET.sub(rf"\1{_MASK}", text) if "=" in text else text


def address_secrets(address: str) -> tuple[str, ...]:
    """Return the secret values in an address's query, as written and decoded."""
    found = [value for _, value in _SECRET.findall(address)]
    return tuple(dict.fromkeys([*found, *map(urllib.parse.unquote, found)]))
