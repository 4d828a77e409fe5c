"""Tells whether a PDF is complete and not encrypted, without reading its content."""

from __future__ import annotations

import re

__all__ = ["fault"]

_END_BYTES = 1_024
_PADDING = b"\x00\t\n\x0c\r "
_ENCRYPT = re.compile(rb"/Encrypt\s{0,99}(?:\d+\s+\d+\s+R|<<)")
_DICTIONARY_BYTES = 4_096
_TRAILER = re.compile(rb"\btrailer\b")
_XREF_STREAM = re.compile(rb"/Type\s{0,9}/XRef\b")
_LOOKED_AT = 16


def fault(data: bytes) -> str | None:
    """Say why a model cannot read a PDF, as the end of a sentence; None if nothing is wrong."""
    if b"%%EOF" not in data.rstrip(_PADDING)[-_END_BYTES:]:
        return "is a PDF that is cut off: its end (%%EOF) is missing. Download or save it again"
    if any(_ENCRYPT.search(region) for region in _trailers(data)):
        return "is an encrypted PDF. Save it without a password (qpdf --decrypt INPUT OUTPUT)"
    return None


def _trailers(data: bytes) -> list[bytes]:
    """Return the dictionaries about the whole file: trailers, and those of cross-reference streams."""
    regions = []
    for start in _ends_of(_TRAILER, data):
        end = data.find(b"startxref", start, start + _DICTIONARY_BYTES)
        regions.append(data[start : end if end >= 0 else start + _DICTIONARY_BYTES])
    for at in _ends_of(_XREF_STREAM, data):
        start = data.rfind(b"obj", max(0, at - _DICTIONARY_BYTES), at)
        end = data.find(b"stream", at, at + _DICTIONARY_BYTES)
        regions.append(data[max(start, 0) : end if end >= 0 else at + _DICTIONARY_BYTES])
    return regions


def _ends_of(pattern: re.Pattern[bytes], data: bytes) -> list[int]:
    """Return where the first and the last matches end; a later save replaced what stands between them."""
    found = [match.end() for match in pattern.finditer(data)]
    return found if len(found) <= 2 * _LOOKED_AT else found[:_LOOKED_AT] + found[-_LOOKED_AT:]
