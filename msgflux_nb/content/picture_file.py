"""Takes picture files apart, and puts them together without their metadata.

No pixel is decoded here: a file is a list of segments, and those with metadata only (EXIF with its GPS position, XMP,
comments, previews, bytes after the end) are left out. A picture that needs no other change is not encoded again.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator

import msgspec

__all__ = ["PictureFile", "orientation", "parse_picture"]

_PROFILE_BYTES = 4_000_000


class PictureFile(msgspec.Struct, frozen=True):
    """A picture file taken apart.

    Attributes:
        plain: the same picture, pixel for pixel, without metadata and colour profile.
        exif: the EXIF block, from its TIFF header on; empty when there is none.
        profile: the ICC colour profile; empty when there is none.
        ready: whether every vision model reads ``plain``: eight bits per channel, no palette, one frame.
        animated: whether the file holds more frames than the one in ``plain``.
        cicp: four numbers that name the colours of a PNG or AVIF (ITU-T H.273); they outrank a profile in a PNG.
    """

    plain: bytes
    exif: bytes
    profile: bytes
    ready: bool
    animated: bool = False
    cicp: bytes = b""


def parse_picture(data: bytes, kind: str) -> PictureFile | None:
    """Take a JPEG, PNG or WebP file apart; return None for other kinds and for a file that violates its format.

    Args:
        data: the whole file.
        kind: its media type, from ``sniff``.
    """
    parse = _PARSERS.get(kind)
    if parse is None:
        return None
    try:
        return parse(data)
    except (IndexError, ValueError, struct.error, zlib.error):
        # A decoder may be more lenient than this parser; the picture that it decodes is then encoded again.
        return None


# Tables, frames, restart interval, scan: what a JPEG decoder needs. 0xC0 to 0xC2 are the Huffman-coded frames.
_JPEG_SCAN = 0xDA
_JPEG_END = 0xD9
_JPEG_KEPT = frozenset((0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xEE, _JPEG_SCAN, _JPEG_END))
_JPEG_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JFIF_BYTES = 14  # without a thumbnail


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield (marker, body, start, end) up to the end marker included; a scan's pixels belong to its segment."""
    at, marker = 2, 0
    while marker != _JPEG_END:
        if data[at] != 0xFF:
            raise ValueError("no marker where one should be")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1  # a fill byte
            continue
        length = 0 if marker == _JPEG_END else int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        body = data[at + 4 : end]
        if marker == _JPEG_SCAN:
            end = _end_of_scan(data, end)
        yield marker, body, at, end
        at = end


def _end_of_scan(data: bytes, start: int) -> int:
    found = _SCAN_END.search(data, start)
    if found is None:
        raise ValueError("the scan has no end")
    return found.start()


def _parse_jpeg(data: bytes) -> PictureFile:
    kept: list[bytes] = [data[:2]]
    exif, profile, depth = b"", [], 0
    for marker, body, start, end in _jpeg_segments(data):
        if marker in _JPEG_KEPT or (marker == 0xE0 and len(body) == _JFIF_BYTES):
            kept.append(data[start:end])
        elif marker == 0xE1 and body.startswith(b"Exif\x00\x00"):
            exif = body[6:]
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\x00"):
            profile.append((body[12], body[14:]))
        elif 0xC0 <= marker <= 0xCF:
            raise ValueError("a frame that few decoders know")
        if marker in _JPEG_FRAMES:
            depth = body[0]
    joined = b"".join(part for _, part in sorted(profile))
    return PictureFile(plain=b"".join(kept), exif=exif, profile=joined, ready=depth == 8)


_PNG_KEPT = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs"))
_PNG_PALETTE = 3


def _parse_png(data: bytes) -> PictureFile:
    kept: list[bytes] = [data[:8]]
    exif = profile = cicp = b""
    depth, colours = data[24], data[25]
    animated = False
    at, name = 8, b""
    while name != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        name = data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        end = at + 12 + length
        if end > len(data):
            raise ValueError("a chunk goes past the end")
        if name in _PNG_KEPT:
            kept.append(data[at:end])
        elif name == b"eXIf":
            exif = body
        elif name == b"iCCP":
            # Bounded: a few compressed kilobytes can hold gigabytes.
            packed = body[body.index(b"\x00") + 2 :]
            profile = zlib.decompressobj().decompress(packed, _PROFILE_BYTES)
        elif name == b"cICP":
            cicp = body
        animated = animated or name == b"acTL"
        at = end
    ready = depth == 8 and colours != _PNG_PALETTE and not animated
    plain = b"".join(kept)
    return PictureFile(plain=plain, exif=exif, profile=profile, ready=ready, animated=animated, cicp=cicp)


_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"ALPH"))
_WEBP_ALPHA_FLAG = 0x10


def _parse_webp(data: bytes) -> PictureFile:
    kept: list[bytes] = []
    exif = profile = b""
    at, stop = 12, 8 + int.from_bytes(data[4:8], "little")
    if stop > len(data):
        raise ValueError("the file is shorter than it says")
    while at < stop:
        name = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        body = data[at + 8 : at + 8 + length]
        end = at + 8 + length + length % 2
        if name in _WEBP_KEPT:
            kept.append(data[at:end])
        elif name == b"VP8X":
            # The flags say which chunks follow; of those only alpha is kept.
            kept.append(data[at : at + 8] + bytes([body[0] & _WEBP_ALPHA_FLAG]) + body[1:])
        elif name == b"EXIF":
            exif = body.removeprefix(b"Exif\x00\x00")
        elif name == b"ICCP":
            profile = body
        elif name == b"ANIM":
            raise ValueError("its frames are not separate chunks")
        at = end
    chunks = b"".join(kept)
    head = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP"
    return PictureFile(plain=head + chunks, exif=exif, profile=profile, ready=True)


_PARSERS: dict[str, Callable[[bytes], PictureFile]] = {
    "image/jpeg": _parse_jpeg,
    "image/png": _parse_png,
    "image/webp": _parse_webp,
}

_ORIENTATION_TAG = 0x0112


def orientation(exif: bytes) -> int:
    """Read the orientation from an EXIF block: 1 (upright) to 8; 1 if the block does not say.

    Nothing else is read, since Pillow's reader warns about any damage in the block.
    """
    exif = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for i in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * i)
            if tag == _ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
