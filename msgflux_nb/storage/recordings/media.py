"""Long base64 in a text → a mark with its hash, and back: large media are stored next to a recording; pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from typing import Any

__all__ = ["LONGEST", "each_text", "grown", "shrunk"]

LONGEST = 4096
"""Characters of base64 that may stand in a recording."""

_RUN = re.compile(rf"[A-Za-z0-9+/_-]{{{LONGEST + 1},}}={{0,2}}")
_MARK = re.compile(r"<media:([0-9a-f]{64}):(base64|text)>")


def shrunk(text: str, keep: Callable[[str, bytes], object] = lambda name, data: None) -> str:
    """Return a text with long runs of base64 replaced.

    Args:
        text: any text.
        keep: is told the hash and the bytes of each.
    """
    if len(text) <= LONGEST:
        return text

    def replaced(found: re.Match[str]) -> str:
        data, way = _decoded(found[0])
        name = hashlib.sha256(data).hexdigest()
        keep(name, data)
        return f"<media:{name}:{way}>"

    return _RUN.sub(replaced, text)


def grown(text: str, load: Callable[[str], bytes]) -> str:
    """Return a text with its marks replaced by what they stand for.

    Args:
        text: what :func:`shrunk` gave.
        load: returns the bytes of a hash.
    """
    if "<media:" not in text:
        return text

    def replaced(found: re.Match[str]) -> str:
        data = load(found[1])
        return base64.b64encode(data).decode() if found[2] == "base64" else data.decode()

    return _MARK.sub(replaced, text)


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return JSON with every text in it changed, the names of fields too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(name): each_text(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [each_text(inner, change) for inner in value]
    return value


def _decoded(run: str) -> tuple[bytes, str]:
    try:
        data = base64.b64decode(run, validate=True)
    except (binascii.Error, ValueError):
        return run.encode(), "text"
    return (data, "base64") if base64.b64encode(data).decode() == run else (run.encode(), "text")
