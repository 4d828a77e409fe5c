"""Tells the media type of a file from its bytes alone, never from its name or a declared type."""

from __future__ import annotations

import re

__all__ = ["behind_tags", "sniff"]

_TEXT_BYTES = 2_048
_PDF_BYTES = 1_024  # readers look for a PDF's header in these first bytes

_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),  # BigTIFF
    (b"MM\x00+", "image/tiff"),
    (b"\x00\x00\x00\x0cjP  ", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),  # a codestream without the box around it
    (b"BM", "image/bmp"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL ", "image/jxl"),
    (b"%PDF-", "application/pdf"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"MPCK", "audio/musepack"),
    (b"MP+", "audio/musepack"),
    (b"MAC ", "audio/ape"),
    (b"wvpk", "audio/wavpack"),
    (b"TTA1", "audio/tta"),
    (b"#!AMR", "audio/amr"),
    (b"MThd", "audio/midi"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"PK\x03\x04", "application/zip"),
    (b"version https://git-lfs", "text/x-git-lfs-pointer"),
    (b"\xff\xfe", "text/plain"),  # UTF-16 and UTF-32 with a byte order mark
    (b"\xfe\xff", "text/plain"),
)

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a]")
_PDF_HEADER = re.compile(rb"%PDF-\d\.\d")
_NETPBM = re.compile(rb"P[1-6]\s+(?:#[^\n]*+\n\s*+){0,20}+\d+\s+\d+\s")

_RIFF_KINDS = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_FORM_KINDS = {b"AIFF": "audio/aiff", b"AIFC": "audio/aiff"}

_HEIF_BRANDS = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"))


def sniff(data: bytes) -> str | None:
    """Return the media type of a file by its first bytes, or None if they do not tell.

    Text that is not SVG or HTML is ``text/plain``.
    """
    if data[:3] == b"ID3":
        return _sniff_tagged(data)
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] in (b"RIFF", b"RF64"):
        return _RIFF_KINDS.get(data[8:12])
    if data[:4] == b"FORM":
        return _FORM_KINDS.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _sniff_brands(data)
    return _sniff_frame(data) or _sniff_text(data)


def behind_tags(data: bytes) -> int:
    """Return where the sound begins, after ID3 tags; their length is written in bytes of seven bits."""
    start = 0
    while data[start : start + 3] == b"ID3" and len(data) >= start + 10:
        flags, *size = data[start + 5 : start + 10]
        start += 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]) + (10 if flags & 0x10 else 0)
    return start


def _sniff_tagged(data: bytes) -> str:
    """Tell the media type of a file that begins with an ID3 tag, which is not always MP3."""
    start = behind_tags(data)
    behind = data[start : start + _PDF_BYTES].lstrip(b"\x00")
    kind = sniff(behind) if behind[:3] != b"ID3" else None
    return kind if kind is not None and kind.startswith("audio/") else "audio/mpeg"


def _sniff_frame(data: bytes) -> str | None:
    """Tell the type of sound without a file header by its first frame: 11 or 12 set bits, then the layer."""
    if len(data) < 2 or data[0] != 0xFF:
        return None
    if data[1] & 0xF6 == 0xF0:
        return "audio/aac"
    return "audio/mpeg" if data[1] & 0xE6 == 0xE2 else None


def _sniff_brands(data: bytes) -> str:
    """Tell the type of a file that begins with an ``ftyp`` box: AVIF, HEIC, M4A or video."""
    size = int.from_bytes(data[:4], "big")
    major = data[8:12]
    brands = {major, *(data[i : i + 4] for i in range(16, min(size, 256), 4))}
    if b"avif" in brands or b"avis" in brands:
        return "image/avif"
    if brands & _HEIF_BRANDS:
        return "image/heic"
    return "audio/mp4" if major in (b"M4A ", b"M4B ") else "video/mp4"


def _sniff_text(data: bytes) -> str | None:
    head = data[:_TEXT_BYTES]
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) and not _CONTROL.search(text):
        return "text/html"
    if _PDF_HEADER.search(head[:_PDF_BYTES]):
        return "application/pdf"
    if _NETPBM.match(head):
        return "image/x-portable-anymap"
    if not text or _CONTROL.search(text):
        return None
    if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        return "image/svg+xml"
    # The cut at _TEXT_BYTES may fall inside a character, so the last three bytes may be invalid.
    readable = head.decode("utf-8", "ignore").encode()
    return "text/plain" if len(head) - len(readable) <= 3 else None
