"""Fuzz targets: files for a model: pictures of every format that Pillow writes, sound and PDFs, cut and damaged."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from PIL import Image

import msgflux_nb as mf
from msgflux_nb.content import picture
from msgflux_nb.content.generated import Audio
from msgflux_nb.content.generated import Image as MadeImage
from msgflux_nb.content.media import load_image, media_part
from msgflux_nb.content.sound import seconds
from msgflux_nb.errors import MediaError
from msgflux_nb.widgets.conversation.attachments import attachment
from msgflux_nb.widgets.conversation.parts import thumbnail
from tests.content.pictures import camera_exif, noise, two_halves
from tests.content.profiles import display_p3, grey, inks
from tests.content.sounds import mp3, pdf, tone

__all__ = ["MEDIA_SEEDS", "MEDIA_TARGETS"]

SECONDS = 5.0
MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "I", "F", "LAB", "YCbCr")


def pictures(data: bytes) -> None:
    """Check that any bytes are a picture that can be opened again, or a MediaError, in every form of a source."""
    ways: list[Callable[[bytes], object]] = [as_bytes, as_bytes, as_file, as_part, as_attachment, as_pillow, as_made]
    began = time.process_time()
    # A damaged head may claim many pixels, and decoding those that are allowed would take most of the time.
    small = mock.patch.multiple(picture, MAX_PIXELS=2_000_000, _MAX_JPEG_PIXELS=4_000_000)
    with small, warnings.catch_warnings(), contextlib.suppress(MediaError):
        warnings.simplefilter("error")
        ways[data[0] % len(ways) if data else 0](data[1:])
    assert time.process_time() - began < SECONDS


def as_bytes(data: bytes) -> None:
    loaded = load_image(data)
    with Image.open(io.BytesIO(loaded.data)) as image:
        image.load()
        assert image.size == loaded.report.sent_size
        assert image.mode in ("L", "LA", "RGB", "RGBA")


def as_file(data: bytes) -> None:
    mf.ChatBlock.image(io.BytesIO(data))


def as_part(data: bytes) -> None:
    media_part("data:;base64," + base64.b64encode(data).decode())


def as_attachment(data: bytes) -> None:
    made = attachment("1", data, "a.png")
    made.card()
    thumbnail(made.part)


def as_made(data: bytes) -> None:
    made = MadeImage("data:image/png;base64," + base64.b64encode(data).decode())
    made.html()
    repr(made)
    made.to_pillow()


def as_pillow(data: bytes) -> None:
    try:
        image = Image.open(io.BytesIO(data))
    except Exception:  # Pillow's own affair
        return
    load_image(image)


def sounds(data: bytes) -> None:
    """Check that any bytes are sound with a length, or a MediaError."""
    began = time.process_time()
    length = seconds(data)
    assert length is None or length >= 0
    Audio(data, format="pcm16" if data[:1] == b"\0" else None).html()
    with contextlib.suppress(MediaError):
        mf.ChatBlock.audio(data)
    with contextlib.suppress(MediaError):
        attachment("1", io.BytesIO(data), "a.mp3").card()
    assert time.process_time() - began < SECONDS


def files(data: bytes) -> None:
    """Check that any bytes are a file, or a MediaError, also as the text of a data URL or of a path."""
    began = time.process_time()
    for source in (data, data.decode("latin-1"), "data:" + data.decode("utf-8", "surrogateescape")):
        for build in (mf.ChatBlock.file, media_part, functools.partial(attachment, "1")):
            with contextlib.suppress(MediaError):
                build(source)
    assert time.process_time() - began < SECONDS


def picture_seeds() -> list[bytes]:
    """Return a file of every format that Pillow writes, in every mode that the format takes."""
    return [b"\0" + data for data in dict.fromkeys(written())]


def written() -> Iterator[bytes]:
    Image.init()
    for kind in sorted(Image.SAVE):
        for mode in MODES:
            yield from saved(image_of(mode), kind)
    small, more = two_halves((14, 9)), [noise((14, 9)), noise((14, 9))]
    for kind in ("GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"):
        yield from saved(small, kind, save_all=True, append_images=more)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        yield from saved(small, kind, exif=camera_exif(6), icc_profile=display_p3(), xmp=b"<x/>")
    for compression in ("tiff_lzw", "jpeg", "tiff_deflate", "packbits", "tiff_adobe_deflate", "lzma", "zstd", "webp"):
        yield from saved(small, "TIFF", compression=compression)
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield from saved(small.convert("1"), "TIFF", compression=compression)
    yield from saved(small, "JPEG", progressive=True)
    yield from saved(small.convert("CMYK"), "JPEG", icc_profile=inks())
    yield from saved(small.convert("L"), "PNG", icc_profile=grey(), transparency=10)
    yield from saved(small, "PNG", transparency=(250, 10, 10))
    yield from saved(small.convert("P"), "PNG", transparency=b"\0\x80\xff", bits=4)
    yield from saved(small, "JPEG2000", irreversible=True)
    yield from saved(small, "JPEG2000", no_jp2=True)


def image_of(mode: str) -> Image.Image:
    image = two_halves((14, 9))
    return image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> Iterator[bytes]:
    out = io.BytesIO()
    with contextlib.suppress(Exception), warnings.catch_warnings():  # not every format takes every mode
        warnings.simplefilter("ignore")
        image.save(out, kind, **options)
        yield out.getvalue()


def sound_seeds() -> list[bytes]:
    heads = [b"fLaC\0\0\0\x22", b"OggS\0\2", b"MPCKSH", b"\xff\xf1\x50\x80", b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42"]
    tagged = [b"ID3\4\0\0\0\0\0\x05" + bytes(5) + head + bytes(60) for head in heads]
    return [tone(0.02), mp3(3), mp3(3, tag=40), mp3(2, kilobits=320), *tagged, *(head + bytes(60) for head in heads)]


def file_seeds() -> list[bytes]:
    stream = pdf().replace(b"trailer<<", b"2 0 obj<</Type/XRef/Encrypt 3 0 R>>stream\nx\nendstream endobj\ntrailer<<")
    texts = [b"a text", "Olá".encode("utf-16"), b"{\\rtf1}", b"image/png;base64,iVBORw0KGgo=", b"https://example.org/a"]
    return [pdf(), b"\xef\xbb\xbf\r\n" + pdf(), stream, base64.b64encode(pdf()), b"/9j/" + b"A" * 90, *texts]


MEDIA_TARGETS: dict[str, Callable[[bytes], None]] = {"pictures": pictures, "sounds": sounds, "files": files}
MEDIA_SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "pictures": picture_seeds,
    "sounds": sound_seeds,
    "files": file_seeds,
}
