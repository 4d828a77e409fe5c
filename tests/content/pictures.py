"""Makes the pictures of the tests: every source, and every kind of damage."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

from msgflux_nb.content.media import Loaded


def two_halves(size: tuple[int, int] = (40, 20), mode: str = "RGB") -> Image.Image:
    """Return a picture with a red left half and a blue right half, which shows its orientation."""
    image = Image.new("RGB", size, (250, 10, 10))
    image.paste((10, 10, 250), (size[0] // 2, 0, size[0], size[1]))
    return image.convert(mode)


def noise(size: tuple[int, int]) -> Image.Image:
    """Return a picture that no format compresses well."""
    return Image.merge("RGB", [Image.effect_noise(size, 120) for _ in range(3)])


def to_bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def camera_exif(turn: int) -> Image.Exif:
    """Return the metadata of a phone: its orientation, its maker and its place."""
    exif = Image.Exif()
    exif[0x0112] = turn
    exif[0x010F] = "CANARY Phones"
    exif.get_ifd(0x8825)[1] = "CANARY"
    return exif


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def raw_png(size: tuple[int, int], depth: int, colours: int, row_bytes: int, *extra: bytes) -> bytes:
    """Return a black PNG of any depth and colour type, with further chunks before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colours, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(size[1] * (1 + row_bytes)), 9))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + rows + chunk(b"IEND", b"")


def bomb(size: tuple[int, int] = (10_000, 10_000)) -> bytes:
    """Return a PNG of one bit per pixel; 10,000 × 10,000 of them take about 12 kB."""
    return raw_png(size, 1, 0, min(size[0], 10_000) // 8)


def sent(loaded: Loaded) -> Image.Image:
    """Return the picture that the model will see."""
    image = Image.open(io.BytesIO(loaded.data))
    image.load()
    return image


def near(pixel: Any, expected: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(have - want) <= tolerance for have, want in zip(pixel, expected, strict=True))
