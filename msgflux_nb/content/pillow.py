"""Calls Pillow; whatever it raises becomes a MediaError that says what to do."""

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
    """Turn any exception of another library into a MediaError; on damaged files Pillow raises nearly every type.

    Args:
        what: the beginning of the message, such as ``"photo.jpg is damaged or cut off"``.
        advice: the end of the message: what to do.

    Raises:
        MediaError: something else was raised inside; a MediaError and a MemoryError pass unchanged.
    """
    try:
        yield
    except (MediaError, MemoryError):
        raise
    except Exception as error:
        raise MediaError(f"{what}: {reason(error)}. {advice}") from error


def reason(error: BaseException) -> str:
    """Return the message of another library's exception as one short line."""
    text = " ".join(str(error).split()).rstrip(".")
    text = text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}…"
    # A KeyError or struct.error says little without its type.
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}" if text else repr(error)


def open_file(data: bytes, kind: str) -> Image:
    """Open a picture file of a known media type; only its header is read, and no pixel is decoded."""
    from PIL import Image

    pillow_name = PILLOW_NAMES[kind]
    for load_plugins in (Image.preinit, Image.init):
        if pillow_name not in Image.OPEN:
            load_plugins()
    # Not Image.open: it warns about large pictures through the process-wide warning filter, and tries formats other
    # than the one that the bytes show.
    return Image.OPEN[pillow_name][0](io.BytesIO(data), "")
