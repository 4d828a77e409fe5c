"""Pixels as every vision model takes them: upright, eight bits, RGB or with alpha, small enough.

Pillow is imported inside functions: a picture is rarer than an import of this package.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import MediaError
from .container import PictureFile, orientation, parse_picture

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "MAX_PIXELS",
    "READABLE",
    "Encoded",
    "Limits",
    "Pixels",
    "decode",
    "encode",
    "from_array",
    "from_pillow",
    "size_of",
]

MAX_PIXELS = 50_000_000
_QUALITIES = (90, 80, 70, 60, 45)
_SHRINK = 0.75

_PILLOW_NAMES = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
    "image/jp2": "JPEG2000",
}
READABLE = frozenset(_PILLOW_NAMES)
_LOSSY = frozenset(("image/jpeg", "image/webp", "image/avif", "image/jp2"))
_METADATA = frozenset(("exif", "xmp", "comment", "icc_profile", "XML:com.adobe.xmp", "photoshop"))

_replace = msgspec.structs.replace


class Limits(msgspec.Struct, frozen=True):
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
        kind: media type of the file it came from; empty when it was pixels already.
        file: bytes of type ``kind`` that can be sent as they stand, because only metadata had to go; else None.
        notes: what was done so far.
    """

    image: Any
    size: tuple[int, int]
    kind: str = ""
    file: bytes | None = None
    notes: tuple[str, ...] = ()


class Encoded(msgspec.Struct, frozen=True):
    """A picture ready to be sent: its bytes, media type, pixels across and down, and what was done."""

    data: bytes
    kind: str
    size: tuple[int, int]
    notes: tuple[str, ...]


def decode(data: bytes, kind: str, name: str) -> Pixels:
    """Decode a picture file and bring it upright into a common mode.

    Args:
        data: the whole file.
        kind: its media type, as ``container.sniff`` tells it.
        name: how an error message calls it.

    Raises:
        MediaError: it is damaged, cut, or larger than ``MAX_PIXELS``; the size is read before a pixel is decoded.
    """
    file = parse_picture(data, kind)
    image = _open(file.plain if file is not None else data, kind, name)
    _check_size(image.size, name)
    notes = _frame_note(image, file)
    held = orientation(file.exif) if file is not None else _turn(image)
    try:
        image.load()
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, zlib.error, ...
        raise MediaError(f"{name} is damaged or cut off: {error}. Save or download it again.") from error
    if file is not None:
        pixels = _normalise(image, held, file.profile)
        sendable = file.plain if file.ready and pixels.image is image else None
        stripped = file.plain != data and not file.animated
    else:
        pixels = _normalise(image, _turn(image), image.info.get("icc_profile", b""))
        sendable, stripped = None, bool(image.info.keys() & _METADATA)
        if held != _turn(image):
            notes = (*notes, "turned upright")  # by Pillow, which does it for TIFF alone
    if stripped:
        notes = (*notes, "metadata removed")
    return _replace(pixels, kind=kind, file=sendable, notes=(*notes, *pixels.notes))


def size_of(data: bytes, kind: str, name: str) -> tuple[int, int]:
    """Read how many pixels across and down a picture file holds; none of them is decoded.

    Raises:
        MediaError: it cannot be read.
    """
    size: tuple[int, int] = _open(data, kind, name).size
    return size


def _open(data: bytes, kind: str, name: str) -> Image:
    from PIL import Image

    pillow_name = _PILLOW_NAMES[kind]
    for load_plugins in (Image.preinit, Image.init):
        if pillow_name not in Image.OPEN:
            load_plugins()
    # Not Image.open: it warns about bombs through a filter that belongs to the whole process, and would try
    # other formats than the one that the bytes show.
    try:
        return Image.OPEN[pillow_name][0](io.BytesIO(data), "")
    except Exception as error:  # the plugins raise SyntaxError, OSError, KeyError, struct.error, RuntimeError, ...
        raise MediaError(
            f"{name} begins like {kind} but cannot be read: {error}. Save or download it again."
        ) from error


def _check_size(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise MediaError(
            f"{name} has {_pixels(size)}, {size[0] * size[1] / 1e6:,.0f} megapixels; at most "
            f"{MAX_PIXELS // 1_000_000} are decoded. Shrink or crop it first."
        )
    if 0 in size:
        raise MediaError(f"{name} has no pixels: its size is {_pixels(size)}.")


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]:,} × {size[1]:,} px"


def _frame_note(image: Image, file: PictureFile | None) -> tuple[str, ...]:
    if file is not None:
        return ("first frame of an animation",) if file.animated else ()
    frames = getattr(image, "n_frames", 1)
    return (f"first of {frames} frames",) if frames > 1 else ()


def _turn(image: Image) -> int:
    tags = getattr(image, "tag_v2", None)  # a TIFF file is its own EXIF block
    return int(tags.get(0x0112, 1)) if tags is not None else orientation(image.info.get("exif", b""))


def from_pillow(image: Image, name: str) -> Pixels:
    """Take a copy of a Pillow image; it is turned upright if it still carries a camera's orientation.

    Raises:
        MediaError: it is larger than ``MAX_PIXELS``, or its file can no longer be read.
    """
    _check_size(image.size, name)
    try:
        own = image.copy()
    except (OSError, ValueError, SyntaxError) as error:
        raise MediaError(f"{name} cannot be read: {error}. Open it again, or call its load() first.") from error
    kind = {pillow_name: kind for kind, pillow_name in _PILLOW_NAMES.items()}.get(image.format or "", "")
    return _replace(_normalise(own, _turn(image), image.info.get("icc_profile", b"")), kind=kind)


def from_array(array: Any, name: str) -> Pixels:
    """Read a numpy array: rows, columns and 1, 3 or 4 channels; whole numbers 0 to 255, floats 0 to 1, or bool.

    Raises:
        MediaError: its shape or its values are others, and the message says how to bring them there.
    """
    from PIL import Image

    values = _as_bytes(array, name)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    image = Image.fromarray(values)
    return Pixels(image=image, size=image.size)


def _as_bytes(array: Any, name: str) -> Any:
    """Bring an array to uint8 in one of the three shapes."""
    import numpy as np

    try:
        values = np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU, or one that still needs its gradient
        raise MediaError(f"{name} cannot be read as a numpy array: {error}") from error
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (1, 3, 4))):
        hint = " Move the channels last: np.moveaxis(array, 0, -1)." if values.ndim == 3 else ""
        raise MediaError(
            f"{name} has shape {values.shape}; a picture is (rows, columns) or (rows, columns, 1, 3 or 4).{hint}"
        )
    _check_size((values.shape[1], values.shape[0]), name)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise MediaError(f"{name} holds {values.dtype}; a picture holds numbers: uint8, or floats from 0 to 1.")
    low, high = values.min(), values.max()
    top = 1.0 if values.dtype.kind == "f" else 255
    if not 0 <= low <= high <= top:
        raise MediaError(
            f"{name} holds {values.dtype} from {low} to {high}; expected whole numbers 0 to 255 or floats 0 to 1. "
            "Scale it: (array - array.min()) / (array.max() - array.min())."
        )
    return np.rint(values * 255).astype(np.uint8) if top == 1.0 else values.astype(np.uint8)


def _normalise(image: Image, turn: int, profile: bytes) -> Pixels:
    """Bring an image upright, to sRGB, and to mode L, RGB, LA or RGBA; the same object when it already is."""
    notes: list[str] = []
    common = _common_mode(image)
    managed = _to_srgb(common, profile)
    if managed.mode == "CMYK":
        managed = managed.convert("RGB")
    if managed.mode != image.mode:
        notes.append(f"mode {image.mode} converted to {managed.mode}")
    if managed is not common and profile:
        notes.append("colours converted to sRGB")
    upright = _upright(managed, turn)
    if upright is not managed:
        notes.append("turned upright")
    return Pixels(image=upright, size=image.size, notes=tuple(notes))


def _common_mode(image: Image) -> Image:
    """Leave L, RGB, LA, RGBA and CMYK (whose profile has to be read first); convert others to one of them."""
    mode = image.mode
    if mode == "La":
        return image.convert("LA")
    if "transparency" in image.info or mode in ("PA", "RGBa"):
        return image.convert("RGBA")
    if mode in ("L", "RGB", "LA", "RGBA", "CMYK"):
        return image
    if mode.startswith("I") or mode == "F":
        return _eight_bits(image)
    return image.convert("L" if mode == "1" else "RGB")


def _to_srgb(image: Image, profile: bytes) -> Image:
    # A profile that names sRGB is taken for it: comparing curves would cost more than it could show.
    if not profile or b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile:
        return image
    if image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    from PIL import ImageCms

    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        # A broken profile says nothing about the colours; they are shown as they are, as browsers do.
        return image
    return converted if converted is not None else image


def _eight_bits(image: Image) -> Image:
    """Scale deep greys to 0..255: 16 bits by their full range, 32 bits and floats by the values that occur."""
    deep: Any = image.convert("F")
    low, high = (0.0, 65_535.0) if image.mode.startswith("I;16") else deep.getextrema()
    scale = 255.0 / ((high - low) or 1.0)
    # Converting to L cuts the fraction off, hence the half.
    grey: Image = deep.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")
    return grey


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


def encode(pixels: Pixels, limits: Limits, name: str) -> Encoded:
    """Write a picture within the limits; as the bytes it came in where those already are.

    It is made smaller, never larger. Transparent pictures stay PNG and lose pixels until they fit; others become JPEG,
    at falling quality, when PNG is too large.

    Raises:
        MediaError: not even one pixel fits.
    """
    image, notes = pixels.image, pixels.notes
    if pixels.file is not None and max(image.size) <= limits.long_edge and len(pixels.file) <= limits.max_bytes:
        return Encoded(data=pixels.file, kind=pixels.kind, size=image.size, notes=notes)
    image = _without_idle_alpha(image)
    size = _fit(image.size, limits.long_edge)
    while True:
        smaller = image if size == image.size else image.resize(size, _lanczos(), reducing_gap=3.0)
        for kind, quality in _attempts(image, pixels.kind in _LOSSY):
            data = _write(smaller, kind, quality)
            if len(data) <= limits.max_bytes:
                written = _written(image.size, size, quality, kind != pixels.kind)
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
    # A fresh image carries no EXIF, comment or profile into the file.
    bare = image.copy()
    bare.info = {}
    if kind == "image/png":
        bare.save(out, "PNG")
    else:
        bare.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()
