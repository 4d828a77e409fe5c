"""Converts pictures to what every vision model takes: upright, 8-bit grey or RGB, maybe with alpha, small enough.

Pillow is imported inside functions, since most imports of this package need no picture.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import MediaError
from .colour import Samples, samples_of, to_common
from .levels import to_bytes
from .picture_file import PictureFile, orientation, parse_picture
from .pillow import PILLOW_NAMES, guard, open_file, reason
from .profile import from_cicp, from_info, in_boxes

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "MAX_PIXELS",
    "READABLE",
    "Encoded",
    "PictureLimits",
    "Pixels",
    "decode",
    "encode",
    "from_array",
    "from_pillow",
    "size_of",
    "thumbnail",
]

MAX_PIXELS = 80_000_000
# A JPEG can be decoded at a half, a quarter or an eighth of its size, so a large one takes little memory.
_MAX_JPEG_PIXELS = 200_000_000
_QUALITIES = (90, 80, 70, 60, 45)
_SHRINK = 0.75

READABLE = frozenset(PILLOW_NAMES)
_LOSSY = frozenset(("image/jpeg", "image/webp", "image/avif", "image/jp2"))
_METADATA = frozenset(("exif", "xmp", "comment", "icc_profile", "XML:com.adobe.xmp", "photoshop"))
_SAVE_AGAIN = "Save or download it again."
_OPEN_AGAIN = "Open it again, or call its load() first."

_replace = msgspec.structs.replace


class PictureLimits(msgspec.Struct, frozen=True):
    """How large a picture may be.

    Attributes:
        long_edge: pixels of the longer side.
        max_bytes: bytes of the file, before base64 makes it a third longer.
    """

    long_edge: int = 1_568
    max_bytes: int = 3_750_000


class Pixels(msgspec.Struct, frozen=True):
    """A decoded picture.

    Attributes:
        image: a Pillow image, upright; mode L, RGB, LA or RGBA.
        size: pixels across and down in the source, before it was turned.
        kind: media type of the source file; empty if the source was pixels.
        file: bytes of type ``kind`` that can be sent unchanged, because only metadata was removed; else None.
        notes: what was done so far.
        whole: full pixels across and down once upright; ``image`` has fewer if it was decoded at a reduced size.
    """

    image: Any
    size: tuple[int, int]
    kind: str = ""
    file: bytes | None = None
    notes: tuple[str, ...] = ()
    whole: tuple[int, int] = (0, 0)


class Encoded(msgspec.Struct, frozen=True):
    """A picture ready to be sent: its bytes, media type, pixels across and down, and what was done."""

    data: bytes
    kind: str
    size: tuple[int, int]
    notes: tuple[str, ...]


def decode(data: bytes, kind: str, name: str, edge: int | None = None) -> Pixels:
    """Decode a picture file, turn it upright and convert it to a common mode.

    Args:
        data: the whole file.
        kind: its media type, from ``container.sniff``.
        name: the picture's name in error messages.
        edge: how many pixels the longer side needs; a large JPEG is then decoded at a reduced size.

    Raises:
        MediaError: the file is damaged, cut off or too large; the size is checked before a pixel is decoded.
    """
    with guard(f"{name} begins like {kind} but is damaged or cut off", _SAVE_AGAIN):
        file = parse_picture(data, kind)
        plain = file.plain if file is not None else data
        image = open_file(plain, kind)
        whole = image.size
        draft = edge is not None and kind == "image/jpeg"
        _check_size(whole, name, _MAX_JPEG_PIXELS if draft else None)
        held = orientation(file.exif) if file is not None else _turn(image)
        frames = _frame_note(plain, kind, file)
        samples = _samples(image, plain, kind)
        if draft and edge is not None:
            _draft(image, 2 * edge)
        image.load()
        if samples.low is not None:
            samples.low.load()
        left = held if file is not None else _turn(image)
        pixels = _normalise(image, left, samples, _profile_of(image, file, data, kind, name), name)
        notes = frames if held == left else (*frames, "turned upright")  # by Pillow, which does it for TIFF alone
        unchanged = file is not None and file.ready and pixels.image is image and image.size == whole
        stripped = bool(image.info.keys() & _METADATA) if file is None else file.plain != data and not file.animated
    notes = (*notes, "metadata removed") if stripped else notes
    return _replace(
        pixels,
        size=whole,
        whole=_turned(whole, left),
        kind=kind,
        file=plain if unchanged else None,
        notes=(*notes, *pixels.notes),
    )


def _samples(image: Image, plain: bytes, kind: str) -> Samples:
    """Tell how the samples are stored; decode the lower half of 16 bits if a transparent colour needs it."""
    samples = samples_of(image)
    if samples.raw != "RGB;16B" or kind != "image/png" or "transparency" not in image.info:
        return samples
    low: Any = open_file(plain, kind)
    # With the byte order swapped, Pillow's upper eight bits are the lower ones of the file.
    low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
    return _replace(samples, low=low)


def _profile_of(image: Image, file: PictureFile | None, data: bytes, kind: str, name: str) -> bytes:
    """Return the ICC profile of a file; if it describes its colours in several ways, the one its format prefers."""
    boxed, cicp = in_boxes(data, kind)
    cicp = file.cicp if file is not None and file.cicp else cicp
    held = file.profile if file is not None else b""
    if cicp and (kind == "image/png" or "icc_profile" not in image.info):
        made = from_cicp(cicp, name)
        if made or kind == "image/png":
            return made
    return held or from_info(image.info) or boxed


def _draft(image: Image, edge: int) -> None:
    """Have a JPEG decoded at a reduced size of at least ``edge`` pixels along its longer side."""
    scale = edge / max(image.size)
    if scale < 1:
        image.draft(None, (max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale))))


def size_of(data: bytes, kind: str, name: str) -> tuple[int, int]:
    """Read the size of a picture file, pixels across and down, without decoding it.

    Raises:
        MediaError: the file cannot be read.
    """
    with guard(f"{name} begins like {kind} but cannot be read", _SAVE_AGAIN):
        size: tuple[int, int] = open_file(data, kind).size
    return size


def thumbnail(data: bytes, kind: str, edge: int) -> bytes:
    """Return a picture file as a PNG with at most ``edge`` pixels along its longer side.

    Raises:
        MediaError: the file is damaged, cut off or too large.
    """
    image = decode(data, kind, "the image", edge).image
    with guard("the image cannot be made smaller", _SAVE_AGAIN):
        small = image.copy()
        small.thumbnail((edge, edge))
        return _write(small, "image/png", None)


def _check_size(size: tuple[int, int], name: str, most: int | None = None) -> None:
    most = MAX_PIXELS if most is None else most
    if size[0] * size[1] > most:
        raise MediaError(
            f"{name} has {_pixels(size)}, {size[0] * size[1] / 1e6:,.0f} megapixels; at most "
            f"{most // 1_000_000} are decoded. Shrink or crop it first."
        )
    if 0 in size:
        raise MediaError(f"{name} has no pixels: its size is {_pixels(size)}.")


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]:,} × {size[1]:,} px"


def _frame_note(data: bytes, kind: str, file: PictureFile | None) -> tuple[str, ...]:
    if file is not None:
        return ("first frame of an animation",) if file.animated else ()
    try:
        # Opened again: counting reads the whole file, and if that fails the first frame may still be good.
        frames = getattr(open_file(data, kind), "n_frames", 1)
    except Exception as error:
        return (f"first frame; the others cannot be read: {reason(error)}",)
    return (f"first of {frames} frames",) if frames > 1 else ()


def _turn(image: Image) -> int:
    tags = getattr(image, "tag_v2", None)  # a TIFF file is its own EXIF block
    return int(tags.get(0x0112, 1)) if tags is not None else orientation(image.info.get("exif", b""))


def _turned(size: tuple[int, int], turn: int) -> tuple[int, int]:
    return (size[1], size[0]) if 5 <= turn <= 8 else size


def from_pillow(image: Image, name: str) -> Pixels:
    """Copy a Pillow image; turn it upright if its EXIF data holds an orientation.

    Raises:
        MediaError: the image is larger than ``MAX_PIXELS``, or its file can no longer be read.
    """
    with guard(f"{name} cannot be read", _OPEN_AGAIN):
        _check_size(image.size, name)
        samples = samples_of(image)
        own = image.copy()
        pixels = _normalise(own, _turn(image), samples, from_info(image.info), name)
        if getattr(image, "is_animated", False):
            pixels = _replace(pixels, notes=(f"frame {image.tell() + 1} of several", *pixels.notes))
        kind = {pillow_name: kind for kind, pillow_name in PILLOW_NAMES.items()}.get(image.format or "", "")
    return _replace(pixels, kind=kind)


def from_array(array: Any, name: str) -> Pixels:
    """Read a numpy array: rows, columns and 1, 3 or 4 channels of 8- or 16-bit integers, floats or bools.

    Raises:
        MediaError: the shape or the values are not those of a picture; the message says how to convert them.
    """
    from PIL import Image

    values, notes = _as_array(array, name)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    levels, said = to_bytes(values, name)
    with guard(f"{name} cannot be read", "Pass it as uint8: array.astype('uint8')."):
        image = Image.fromarray(levels)
    return Pixels(image=image, size=image.size, whole=image.size, notes=(*notes, *said))


def _as_array(array: Any, name: str) -> tuple[Any, tuple[str, ...]]:
    """Read an array in one of a picture's shapes; masked values become black."""
    import numpy as np

    notes: tuple[str, ...] = ()
    with guard(f"{name} cannot be read as a numpy array", "Pass numbers in rows and columns."):
        # A tensor may be on a GPU or require a gradient.
        values = np.asanyarray(array)
        if isinstance(values, np.ma.MaskedArray):
            count = int(np.ma.getmaskarray(values).sum())
            notes = (f"{count:,} masked values shown as black",) if count else ()
            values = values.filled(0)
        values = np.asarray(values)
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (1, 3, 4))):
        raise MediaError(
            f"{name} has shape {values.shape}; a picture is (rows, columns) or (rows, columns, 1, 3 or 4)."
            f"{_shape_hint(values)}"
        )
    _check_size((values.shape[1], values.shape[0]), name)
    return values, notes


def _shape_hint(values: Any) -> str:
    if values.ndim == 3:
        first = values.shape[0] in (1, 3, 4)
        return f" {'Move the channels last: np.moveaxis(array, 0, -1)' if first else 'Pick one: array[:, :, 0]'}."
    if values.ndim > 3:
        return " Pass one picture at a time: array[0]."
    return " The bytes of a file are passed as array.tobytes()." if values.ndim == 1 else ""


def _normalise(image: Image, turn: int, samples: Samples, profile: bytes, name: str) -> Pixels:
    """Convert an image to upright sRGB in mode L, RGB, LA or RGBA; return the same object if it already is."""
    common, notes = to_common(image, samples, profile, name)
    upright = _upright(common, turn)
    if upright is not common:
        notes = (*notes, "turned upright")
    return Pixels(image=upright, size=image.size, notes=notes, whole=upright.size)


def _upright(image: Image, turn: int) -> Image:
    from PIL.Image import Transpose

    steps = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(steps[turn]) if turn in steps else image


def encode(pixels: Pixels, limits: PictureLimits, name: str) -> Encoded:
    """Write a picture within the limits; return its own bytes if they already fit.

    It is never enlarged. Transparent pictures stay PNG and are shrunk until they fit; others become JPEG, at falling
    quality, if PNG is too large.

    Raises:
        MediaError: not even one pixel fits.
    """
    image, whole = pixels.image, pixels.whole
    if pixels.file is not None and max(whole) <= limits.long_edge and len(pixels.file) <= limits.max_bytes:
        return Encoded(data=pixels.file, kind=pixels.kind, size=whole, notes=pixels.notes)
    with guard(f"{name} cannot be encoded", "Save it as PNG and pass the file."):
        return _encode(_without_idle_alpha(image), pixels, limits, name)


def _encode(image: Image, pixels: Pixels, limits: PictureLimits, name: str) -> Encoded:
    notes, whole = pixels.notes, pixels.whole
    size = _fit(whole, limits.long_edge)
    while True:
        smaller = image if size == image.size else image.resize(size, _lanczos(), reducing_gap=3.0)
        for kind, quality in _attempts(image, pixels.kind in _LOSSY):
            data = _write(smaller, kind, quality)
            if len(data) <= limits.max_bytes:
                written = _written(whole, size, quality, kind != pixels.kind)
                return Encoded(data=data, kind=kind, size=size, notes=(*notes, *written))
        if size == (1, 1):
            raise MediaError(f"{name} cannot be made smaller than {limits.max_bytes:,} bytes.")
        size = _fit(size, max(1, int(max(size) * _SHRINK)))


def _written(before: tuple[int, int], after: tuple[int, int], quality: int | None, other_kind: bool) -> Iterator[str]:
    if after != before:
        yield f"shrunk from {_pixels(before)} to {_pixels(after)}"
    if quality is not None:
        yield f"encoded as JPEG, quality {quality}"
    elif other_kind:
        yield "encoded as PNG"


def _lanczos() -> Any:
    from PIL.Image import Resampling

    return Resampling.LANCZOS


def _fit(size: tuple[int, int], long_edge: int) -> tuple[int, int]:
    scale = min(1.0, long_edge / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _attempts(image: Image, lossy: bool) -> Iterator[tuple[str, int | None]]:
    """Yield media type and quality, the best first."""
    transparent = image.mode in ("LA", "RGBA")
    if transparent or not lossy:
        yield "image/png", None
    if not transparent:
        for quality in _QUALITIES:
            yield "image/jpeg", quality


def _without_idle_alpha(image: Image) -> Image:
    if image.mode not in ("LA", "RGBA") or image.getchannel("A").getextrema() != (255, 255):
        return image
    return image.convert("L" if image.mode == "LA" else "RGB")


def _write(image: Image, kind: str, quality: int | None) -> bytes:
    out = io.BytesIO()
    # A copy without info carries no EXIF, comment or profile into the file.
    bare = image.copy()
    bare.info = {}
    if kind == "image/png":
        bare.save(out, "PNG")
        return out.getvalue()
    # At the best quality colours keep their full resolution, so that thin coloured lines stay sharp.
    sampling = {"subsampling": 0} if quality == _QUALITIES[0] else {}
    try:
        bare.save(out, "JPEG", quality=quality, optimize=True, **sampling)
    except OSError:  # Pillow's buffer for optimising is too small for noisy pictures
        out = io.BytesIO()
        bare.save(out, "JPEG", quality=quality, **sampling)
    return out.getvalue()
