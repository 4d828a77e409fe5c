"""Converts a picture's colours to sRGB: finds or makes its ICC profile, and applies it with LittleCMS."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MediaError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["from_cicp", "from_info", "in_boxes", "to_srgb"]

_Pair = tuple[float, float]
_Curve = Callable[[float], float]

_D65 = (0.3127, 0.3290)
_SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
# ITU-T H.273, table 2: red, green, blue, white.
_PRIMARIES: dict[int, tuple[tuple[_Pair, _Pair, _Pair], _Pair]] = {
    1: (_SRGB, _D65),
    2: (_SRGB, _D65),  # unspecified
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), (0.310, 0.316)),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), _D65),
    6: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), _D65),
    7: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), _D65),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), _D65),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), (0.314, 0.351)),
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), _D65),
    22: (((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), _D65),
}
_HDR = {16: "PQ", 18: "HLG"}
_CURVE_STEPS = 1_024
_SRGB_TOLERANCE = 2  # of 255: not visible, so the file can stay unchanged
_USUAL_GAMMA = (0.445, 0.465)  # what encoders write for sRGB, whose curve is not a power
# A colour box: method (1: a number, 2: a profile), precedence, approximation; then the number or the profile.
_JP2_PROFILE = re.compile(rb"(....)colr[\x02\x03]..", re.DOTALL)
_BOXES_BYTES = 65_536


def _srgb_curve(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _power(exponent: float) -> _Curve:
    return lambda value: float(value**exponent)


# Of the transfer functions of H.273 those for screens; the camera curves (1, 6, 14, 15) are shown as sRGB.
_CURVES: dict[int, _Curve] = {4: _power(2.2), 5: _power(2.8), 8: _power(1.0)}


def from_cicp(numbers: bytes, name: str) -> bytes:
    """Return a profile for the colours that H.273 numbers name; empty if they are sRGB or unknown.

    Raises:
        MediaError: the picture has a high dynamic range, and no single conversion to sRGB is right.
    """
    if len(numbers) < 2:
        return b""
    primaries, transfer = numbers[0], numbers[1]
    if transfer in _HDR:
        raise MediaError(
            f"{name} has a high dynamic range ({_HDR[transfer]}), which models do not read. Export it as SDR, in sRGB."
        )
    if primaries not in _PRIMARIES:
        return b""
    points, white = _PRIMARIES[primaries]
    curve = _CURVES.get(transfer, _srgb_curve)
    return b"" if points is _SRGB and curve is _srgb_curve else _profile(curve, points, white)


def from_info(info: Mapping[Any, Any]) -> bytes:
    """Return the profile that Pillow read, else one made from a PNG's gamma and primaries, else empty."""
    held = info.get("icc_profile")
    if isinstance(held, bytes) and held:
        return held
    gamma, points = info.get("gamma", _USUAL_GAMMA[0]), info.get("chromaticity")
    if "srgb" in info or not 0.05 <= gamma <= 20:
        return b""
    usual = _USUAL_GAMMA[0] <= gamma <= _USUAL_GAMMA[1]
    curve = _srgb_curve if usual else _power(1 / gamma)
    if points is None:
        return b"" if usual else _profile(curve, _SRGB, _D65)
    white, red, green, blue = (points[0:2], points[2:4], points[4:6], points[6:8])
    try:
        return _profile(curve, (red, green, blue), white)
    except (ArithmeticError, struct.error, ValueError):  # LinAlgError is a ValueError
        return b""  # the primaries span no colour space


def in_boxes(data: bytes, kind: str) -> tuple[bytes, bytes]:
    """Return the profile and the H.273 numbers of a JPEG 2000 or AVIF file, which Pillow does not expose."""
    head = data[:_BOXES_BYTES]
    if kind == "image/avif":
        at = head.find(b"colrnclx")
        values = struct.unpack_from(">HH", head, at + 8) if 0 <= at <= len(head) - 12 else (2, 2)
        return b"", bytes(min(value, 255) for value in values)
    found = _JP2_PROFILE.search(data[:_BOXES_BYTES]) if kind == "image/jp2" else None
    if found is None:
        return b"", b""
    end = found.start() + int.from_bytes(found[1], "big")
    return data[found.end() : end], b""


def to_srgb(image: Image, profile: bytes) -> tuple[Image, str]:
    """Convert a picture of mode L, LA, RGB, RGBA or CMYK to sRGB, and say what was done.

    Returns:
        the image and what was done: the same object and an empty text if the profile is sRGB in effect or says nothing.
        The image may still be CMYK.
    """
    from PIL import ImageCms

    if not profile:
        return image, ""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        mode = _mode_for(image, space)
        if mode is None:
            return image, f"its colour profile is for {space}, not for {image.mode}, and was left out"
        if mode == "RGB" and _is_srgb(source):
            return image, ""
        return _converted(image, source, mode), "colours converted to sRGB"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # As browsers do: a broken profile is ignored.
        return image, "its colour profile is damaged and was left out"


def _mode_for(image: Image, space: str) -> str | None:
    """Return the image mode to which a profile of this colour space applies; None if it does not fit."""
    if image.mode == "CMYK" or space == "CMYK":
        return "CMYK" if image.mode == space else None
    if space == "GRAY":
        return "L" if image.mode in ("L", "LA") else None
    return "RGB" if space == "RGB" else None


def _transform(source: Any, mode: str) -> Any:
    from PIL import ImageCms

    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def _is_srgb(source: Any) -> bool:
    """Whether a profile leaves 729 colours, spread over the RGB cube, as they are."""
    from PIL import Image, ImageCms

    steps = [round(255 * step / 8) for step in range(9)]
    cube = bytes(value for red in steps for green in steps for blue in steps for value in (red, green, blue))
    probe = Image.frombytes("RGB", (27, 27), cube)
    seen = ImageCms.applyTransform(probe, _transform(source, "RGB"))
    return seen is not None and all(
        abs(before - after) <= _SRGB_TOLERANCE for before, after in zip(cube, seen.tobytes(), strict=True)
    )


def _converted(image: Image, source: Any, mode: str) -> Image:
    from PIL import ImageCms

    colours = image if image.mode == mode else image.convert(mode)
    result = ImageCms.applyTransform(colours, _transform(source, mode))
    if result is None:
        raise ValueError("no transform in place was asked for")
    if mode == "L":
        result = result.convert("L")
    if image.mode in ("LA", "RGBA"):
        result.putalpha(image.getchannel("A"))
    return result


def _profile(curve: _Curve, points: tuple[_Pair, _Pair, _Pair], white: _Pair) -> bytes:
    """Write an ICC profile of version 2: a matrix and one curve for the three channels."""
    table = [round(65_535 * min(1.0, curve(step / (_CURVE_STEPS - 1)))) for step in range(_CURVE_STEPS)]
    trc = b"curv" + bytes(4) + struct.pack(f">I{_CURVE_STEPS}H", _CURVE_STEPS, *table)
    colours = _to_d50(points, white)
    tags = [(name, _xyz(colour)) for name, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours, strict=True)]
    tags += [(b"wtpt", _xyz(_D50)), (b"desc", _described()), (b"cprt", b"text" + bytes(4) + b"none\0")]
    start = 128 + 4 + 12 * (len(tags) + 3)
    entries, body = [], b""
    for name, data in tags:
        entries.append(struct.pack(">4sII", name, start + len(body), len(data)))
        body += data + bytes(-len(data) % 4)
    entries += [struct.pack(">4sII", name, start + len(body), len(trc)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    body += trc
    head = struct.pack(">I4sI4s4s4s12x4s28x3i", start + len(body), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp",
                       0xF6D6, 0x10000, 0xD32D)  # fmt: skip
    return head.ljust(128, b"\0") + struct.pack(">I", len(entries)) + b"".join(entries) + body


def _described() -> bytes:
    return b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\0" + bytes(4 + 4 + 2 + 1 + 67)


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65_536) for value in values))


_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50 = (0.9642, 1.0, 0.8249)


def _to_d50(points: tuple[_Pair, _Pair, _Pair], white: _Pair) -> list[list[float]]:
    """Return red, green and blue as XYZ under D50, the white point of profiles."""
    import numpy as np

    columns = np.array([_lift(point) for point in points]).T
    native = columns * np.linalg.solve(columns, _lift(white))
    cones = np.array(_BRADFORD)
    gains = cones @ _D50 / (cones @ _lift(white))
    adapted = np.linalg.inv(cones) @ (gains[:, None] * cones) @ native
    colours: list[list[float]] = adapted.T.tolist()
    return colours


def _lift(point: _Pair) -> tuple[float, float, float]:
    x, y = point
    return x / y, 1.0, (1 - x - y) / y
