"""The door to Pillow: whatever it raises on the way becomes a MediaError that says what to do."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import MediaError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PILLOW_NAMES", "guard", "open_file", "reason"]

PILLOW_NAMES = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
    "image/jp2": "JPEG2000",
    "image/x-icon": "ICO",
    "image/x-portable-anymap": "PPM",
}
_REASON_CHARACTERS = 200


@contextlib.contextmanager
def guard(what: str, advice: str) -> Iterator[None]:
    """Let no exception of another library out: on damaged files Pillow raises most kinds that there are.

    Args:
        what: the beginning of the message, such as ``"photo.jpg is damaged or cut off"``.
        advice: its end: what to do.

    Raises:
        MediaError: something was raised inside; a MediaError and a MemoryError pass as they are.
    """
    try:
        yield
    except (MediaError, MemoryError):
        raise
    except Exception as error:
        raise MediaError(f"{what}: {reason(error)}. {advice}") from error


def reason(error: BaseException) -> str:
    """Say in one short line what an exception of another library says."""
    text = " ".join(str(error).split()).rstrip(".")
    text = text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}…"
    # A KeyError or a struct.error says little without its name.
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}" if text else repr(error)


def open_file(data: bytes, kind: str) -> Image:
    """Open a picture file of a known media type; its head is read, and no pixel is decoded."""
    from PIL import Image

    pillow_name = PILLOW_NAMES[kind]
    for load_plugins in (Image.preinit, Image.init):
        if pillow_name not in Image.OPEN:
            load_plugins()
    # Not Image.open: it warns about bombs through a filter that belongs to the whole process, and would try
    # other formats than the one that the bytes show.
    return Image.OPEN[pillow_name][0](io.BytesIO(data), "")
