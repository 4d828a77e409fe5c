"""Converts a Pillow image of any mode to 8-bit grey or RGB in sRGB, with or without alpha."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .levels import brightness, to_bytes
from .profile import to_srgb

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Samples", "samples_of", "to_common"]

_GREY_BITS = {"L;2": 2, "L;4": 4, "L;2I": 2, "L;4I": 4}
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_COMMON = ("L", "RGB", "LA", "RGBA", "CMYK")


class Samples(msgspec.Struct, frozen=True):
    """How a file stores its samples; Pillow forgets it once the pixels are decoded.

    Attributes:
        raw: Pillow's name of the layout, such as ``"L;2"`` or ``"RGB;16B"``; empty when unknown.
        top: the largest sample of a grey image of more than eight bits.
        inverted: whether 0 is white in such a grey image.
        deep: whether 32-bit integers hold 16-bit samples, whatever values occur.
        low: the lower eight bits of 16-bit RGB, as another image; None for other images.
    """

    raw: str = ""
    top: int = 65_535
    inverted: bool = False
    deep: bool = False
    low: Any = None


def samples_of(image: Image) -> Samples:
    """Read how an opened file stores its samples, before it is decoded."""
    tiles = getattr(image, "tile", None) or [None]
    args = getattr(tiles[0], "args", None)
    raw = args if isinstance(args, str) else args[0] if isinstance(args, tuple) and args else ""
    tags = getattr(image, "tag_v2", None) or {}
    bits = tags.get(_TIFF_BITS, (16,))[0]
    return Samples(
        raw=raw if isinstance(raw, str) else "",
        top=(1 << bits) - 1 if image.mode.startswith("I;16") and 8 < bits <= 16 else 65_535,
        inverted=tags.get(_TIFF_PHOTOMETRIC) == 0 and image.mode[0] in "IF",
        deep=image.format == "PPM" and image.mode == "I",
    )


def to_common(image: Image, samples: Samples, profile: bytes, name: str) -> tuple[Image, tuple[str, ...]]:
    """Convert an image to L, LA, RGB or RGBA in sRGB; return the same object if it is already in that form.

    Raises:
        MediaError: the range of its samples does not say which number is white.
    """
    common, notes = _common_mode(image, samples, name)
    managed, said = to_srgb(common, profile)
    if managed.mode == "CMYK":
        managed = managed.convert("RGB")
        said = said or "inks without a colour profile: its colours are approximate"
    if managed.mode != image.mode:
        notes = (f"mode {image.mode} converted to {managed.mode}", *notes)
    return managed, (*notes, said) if said else notes


def _common_mode(image: Image, samples: Samples, name: str) -> tuple[Image, tuple[str, ...]]:
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _from_deep(image, samples, name)
    if "transparency" in image.info and mode in ("1", "L", "RGB"):
        return _with_alpha(image, _key_mask(image, samples)), ()
    if image.has_transparency_data and mode not in ("LA", "RGBA"):
        return image.convert("LA" if mode == "La" else "RGBA"), ()
    if mode in _COMMON:
        return image, ()
    return image.convert("L" if mode == "1" else "RGB"), ()


def _from_deep(image: Image, samples: Samples, name: str) -> tuple[Image, tuple[str, ...]]:
    import numpy as np
    from PIL import Image as Pictures

    values = np.asarray(image)
    notes: tuple[str, ...] = ()
    if image.mode.startswith("I;16"):
        levels = brightness(values, samples.top, inverted=samples.inverted)
    elif samples.deep:
        levels = brightness(np.maximum(values, 0), samples.top)
    else:
        levels, notes = to_bytes(values, name, pillow=True)
        levels = 255 - levels if samples.inverted else levels
    grey = Pictures.fromarray(levels)
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return grey, notes
    return _with_alpha(grey, Pictures.fromarray((values != key).astype(np.uint8) * np.uint8(255))), notes


def _with_alpha(image: Image, alpha: Image) -> Image:
    result = image.convert("RGB" if image.mode == "RGB" else "L")
    result.info = {}  # from a transparent colour in it, Pillow would make another alpha channel
    result.putalpha(alpha)
    return result


def _key_mask(image: Image, samples: Samples) -> Image:
    """Return the alpha of a picture in which one colour is transparent."""
    from PIL import ImageChops

    key = image.info["transparency"]
    keys = key if isinstance(key, tuple) else (key,)
    bits = _GREY_BITS.get(samples.raw)
    if bits is not None:
        keys = tuple(value * 255 // ((1 << bits) - 1) for value in keys)
    bands = list((image if image.mode != "1" else image.convert("L")).split())
    if samples.low is not None or max(keys) > 255:  # sixteen bits; Pillow keeps the upper eight
        lower, keys = [value & 255 for value in keys], tuple(value >> 8 for value in keys)
        if samples.low is not None:
            bands, keys = [*bands, *samples.low.split()], (*keys, *lower)
    mask = None
    for band, value in zip(bands, keys, strict=True):
        same = band.point([0 if level == value else 255 for level in range(256)])
        mask = same if mask is None else ImageChops.lighter(mask, same)
    assert mask is not None
    return mask
