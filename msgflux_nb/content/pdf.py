"""Whether a PDF is whole and open, told without reading what is in it."""

from __future__ import annotations

import re

__all__ = ["fault"]

_END_BYTES = 1_024
_PADDING = b"\x00\t\n\x0c\r "
_ENCRYPT = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")
_DICTIONARY_BYTES = 4_096


def fault(data: bytes) -> str | None:
    """Say why a PDF cannot be read by a model, as the end of a sentence; None if nothing is seen."""
    if b"%%EOF" not in data.rstrip(_PADDING)[-_END_BYTES:]:
        return "is a PDF that is cut off: its end (%%EOF) is missing. Download or save it again"
    if any(_ENCRYPT.search(region) for region in _trailers(data)):
        return "is an encrypted PDF. Save it without a password (qpdf --decrypt INPUT OUTPUT)"
    return None


def _trailers(data: bytes) -> list[bytes]:
    """The dictionaries that say what the file as a whole is: after ``trailer``, or of a cross-reference stream."""
    regions = []
    for found in re.finditer(rb"\btrailer\b", data):
        end = data.find(b"startxref", found.end())
        regions.append(data[found.end() : min(end if end >= 0 else len(data), found.end() + _DICTIONARY_BYTES)])
    for found in re.finditer(rb"/Type\s*/XRef\b", data):
        start = data.rfind(b"obj", max(0, found.start() - _DICTIONARY_BYTES), found.start())
        end = data.find(b"stream", found.end(), found.end() + _DICTIONARY_BYTES)
        regions.append(data[max(start, 0) : end if end >= 0 else found.end() + _DICTIONARY_BYTES])
    return regions
