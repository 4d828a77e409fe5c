"""Replaces long base64 in a text by marks with its hash, and restores it; media are stored in files; pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from typing import Any

__all__ = ["LONGEST", "each_text", "with_media", "without_media"]

LONGEST = 4096
"""The longest base64, in characters, that is kept inside a recording."""

_RUN = re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{LONGEST + 1},}}={{0,2}}")
_MARK = re.compile(r"<media:([0-9a-f]{64}):(base64|text)>")
_RUN_OR_MARK = re.compile(f"{_RUN.pattern}|{_MARK.pattern}")


def without_media(text: str, keep: Callable[[str, bytes], object] = lambda name, data: None) -> str:
    """Return a text with long runs of base64, and texts that look like marks, replaced by marks.

    Args:
        text: any text.
        keep: called with the hash and the bytes of each.
    """
    if len(text) <= LONGEST and "<media:" not in text:
        return text

    def replaced(found: re.Match[str]) -> str:
        data, way = _decoded(found[0])
        name = hashlib.sha256(data).hexdigest()
        keep(name, data)
        return f"<media:{name}:{way}>"

    return _RUN_OR_MARK.sub(replaced, text)


def with_media(text: str, load: Callable[[str], bytes]) -> str:
    """Return a text with its marks replaced by the media.

    Args:
        text: a result of :func:`without_media`.
        load: returns the bytes for a hash.
    """
    if "<media:" not in text:
        return text

    def replaced(found: re.Match[str]) -> str:
        data = load(found[1])
        return base64.b64encode(data).decode() if found[2] == "base64" else data.decode()

    return _MARK.sub(replaced, text)


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Apply a function to every text in JSON, field names included."""
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
