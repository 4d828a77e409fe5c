"""Makes the colour profiles of the tests."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from PIL import Image, ImageCms

from msgflux_nb.content.profile import from_cicp


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def display_p3() -> bytes:
    return from_cicp(bytes([12, 13, 0, 1]), "a test")


def wide_and_linear() -> bytes:
    """Return a profile with the primaries of Rec. 2020 and without a curve."""
    return from_cicp(bytes([9, 8, 0, 1]), "a test")


def named_srgb_and_is_not() -> bytes:
    """Return a profile with wide primaries whose text says sRGB."""
    return wide_and_linear().replace(b"made\0", b"sRGB\0")


def srgb_without_the_word() -> bytes:
    return srgb().replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be")).replace(b"sRGB", b"mine")


def grey(gamma: float = 1.0) -> bytes:
    """Return a grey profile of version 2 with a power as its curve."""
    tags = [
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78)),
        (b"wtpt", b"XYZ " + bytes(4) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)),
        (b"kTRC", b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)),
        (b"cprt", b"text" + bytes(4) + b"none"),
    ]
    return _profile(b"mntr", b"GRAY", b"XYZ ", tags)


def inks() -> bytes:
    """Return a CMYK profile: a table of 3 x 3 x 3 x 3 ink values to Lab, in which black ink is a little brown."""

    def lab(c: float, m: float, y: float, k: float) -> tuple[float, float, float]:
        light = 100 * (1 - 0.55 * c) * (1 - 0.5 * m) * (1 - 0.1 * y) * (1 - 0.85 * k)
        return light, (-35 * c + 70 * m) * (1 - k) + 4 * k, (-45 * c - 5 * m + 85 * y) * (1 - k) + 6 * k

    steps = [step / 2 for step in range(3)]
    nodes = [lab(c, m, y, k) for c in steps for m in steps for y in steps for k in steps]
    table = b"".join(
        struct.pack(">3H", *(round(v) for v in (n[0] * 652.8, (n[1] + 128) * 256, (n[2] + 128) * 256))) for n in nodes
    )
    identity = struct.pack(">2H", 0, 65_535)
    head = b"mft2" + bytes(4) + bytes([4, 3, 3, 0])
    matrix = struct.pack(">9i", 65_536, 0, 0, 0, 65_536, 0, 0, 0, 65_536)
    lut = head + matrix + struct.pack(">2H", 2, 2) + identity * 4 + table + identity * 3
    tags = [
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"inks\0" + bytes(78)),
        (b"wtpt", b"XYZ " + bytes(4) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)),
        (b"A2B0", lut),
        (b"cprt", b"text" + bytes(4) + b"none"),
    ]
    return _profile(b"prtr", b"CMYK", b"Lab ", tags)


def _profile(kind: bytes, space: bytes, between: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    start = 132 + 12 * len(tags)
    entries, body = b"", b""
    for name, data in tags:
        entries += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12x4s28x3i", start + len(body), b"", 0x02400000, kind, space, between, b"acsp",
        0xF6D6, 0x10000, 0xD32D,
    )  # fmt: skip
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + body


def by_littlecms(image: Image.Image, profile: bytes) -> Image.Image:
    """Return LittleCMS's conversion of a picture of mode L, RGB, CMYK or LAB."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    result = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert result is not None
    return result


PROFILES: dict[str, Callable[[], bytes]] = {
    "sRGB": srgb,
    "Display P3": display_p3,
    "wide and linear": wide_and_linear,
    "named sRGB and is not": named_srgb_and_is_not,
    "sRGB without the word": srgb_without_the_word,
}
