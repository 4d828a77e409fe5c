"""Tests that colours are converted as LittleCMS does: modes, depths, transparency and profiles."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from msgflux_nb.content.media import load_image
from msgflux_nb.content.picture import decode, from_pillow
from msgflux_nb.errors import MediaError

from .pictures import chunk, raw_png, sent, to_bytes
from .profiles import PROFILES, by_littlecms, display_p3, grey, inks, srgb, wide_and_linear

TOLERANCE = 2


def colours() -> Image.Image:
    """Return 512 colours from all parts of the colour cube."""
    steps = [0, 36, 73, 109, 146, 182, 219, 255]
    data = bytes(value for red in steps for green in steps for blue in steps for value in (red, green, blue))
    return Image.frombytes("RGB", (32, 16), data)


def greys() -> Image.Image:
    return Image.frombytes("L", (16, 16), bytes(range(256)))


def seen(source: Any) -> Image.Image:
    """Return the sent picture as RGB."""
    return sent(load_image(source)).convert("RGB")


def differ(one: Image.Image, other: Image.Image) -> int:
    """Return the largest difference in any channel."""
    assert one.size == other.size
    return int(np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max())


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF", "pixels"])
def test_a_profile_is_applied_as_littlecms_does(profile: str, kind: str) -> None:
    icc = PROFILES[profile]()
    options: dict[str, Any] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(
        kind, {}
    )
    data = to_bytes(colours(), "PNG" if kind == "pixels" else kind, icc_profile=icc, **options)
    decoded = Image.open(io.BytesIO(data))
    found = from_pillow(decoded, "a test") if kind == "pixels" else decode(data, f"image/{kind.lower()}", "a test")
    assert differ(found.image, by_littlecms(decoded.convert("RGB"), icc)) <= TOLERANCE


@pytest.mark.parametrize("mode", ["RGBA", "P", "PA", "YCbCr", "HSV", "LA", "L", "1", "RGBX", "RGBa", "La"])
def test_every_mode_is_brought_to_rgb_before_its_profile_is_applied(mode: str) -> None:
    image = colours().convert("LA" if mode == "La" else "RGBA" if mode == "RGBa" else mode if mode != "PA" else "P")
    image = image.convert(mode)
    expected = by_littlecms(
        image.convert("RGBA" if mode == "RGBa" else "LA" if mode == "La" else mode).convert("RGB"), wide_and_linear()
    )
    image.info["icc_profile"] = wide_and_linear()
    assert differ(seen(image), expected) <= TOLERANCE


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_is_applied_to_grey(mode: str) -> None:
    image = greys().convert(mode)
    image.info["icc_profile"] = grey(1.0)
    assert differ(seen(image), by_littlecms(greys(), grey(1.0))) <= TOLERANCE


def test_sixteen_bits_of_grey_keep_their_profile() -> None:
    deep = Image.fromarray(np.asarray(greys(), dtype=np.uint16) * 257)
    data = to_bytes(deep, "PNG", icc_profile=grey(1.0))
    assert differ(seen(data), by_littlecms(greys(), grey(1.0))) <= TOLERANCE


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_are_converted_by_their_own_profile(kind: str) -> None:
    image = colours().convert("CMYK")
    data = to_bytes(image, kind, icc_profile=inks(), **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    expected = by_littlecms(Image.open(io.BytesIO(data)), inks())
    assert differ(expected, image.convert("RGB")) > 40
    assert differ(decode(data, f"image/{kind.lower()}", "a test").image, expected) <= TOLERANCE
    assert differ(seen(image_with(image, inks())), by_littlecms(image, inks())) <= TOLERANCE


def image_with(image: Image.Image, profile: bytes) -> Image.Image:
    image = image.copy()
    image.info["icc_profile"] = profile
    return image


def test_inks_without_a_profile_say_that_they_are_approximate() -> None:
    notes = load_image(to_bytes(colours().convert("CMYK"), "TIFF")).report.notes
    assert "inks without a colour profile: its colours are approximate" in notes


def test_lab_is_what_littlecms_makes_of_it() -> None:
    lab = ImageCms.profileToProfile(
        colours(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    back = ImageCms.profileToProfile(
        lab, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert back is not None
    assert differ(seen(to_bytes(lab, "TIFF")), back) <= TOLERANCE


def test_a_picture_whose_profile_is_srgb_under_any_name_stays_as_it_is() -> None:
    for name in ("sRGB", "sRGB without the word"):
        data = to_bytes(colours(), "PNG", icc_profile=PROFILES[name]())
        assert load_image(data).report.notes == ("metadata removed",)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_kept_beside_a_profile(mode: str) -> None:
    image = colours().convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = to_bytes(image, "PNG", icc_profile=display_p3())
    assert sent(load_image(data)).getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_a_profile_for_other_colours_is_left_out_and_reported() -> None:
    loaded = load_image(image_with(colours(), inks()))
    assert differ(sent(loaded), colours()) == 0
    assert "its colour profile is for CMYK, not for RGB, and was left out" in loaded.report.notes


# Colours that a PNG states without a profile


def png_with(*chunks: bytes) -> bytes:
    data = to_bytes(colours(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


P3_CHROMATICITIES = struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)


@pytest.mark.parametrize("opened", [False, True])
def test_gamma_and_primaries_of_a_png_are_applied(opened: bool) -> None:
    data = png_with(chunk(b"gAMA", struct.pack(">I", 45_455)), chunk(b"cHRM", P3_CHROMATICITIES))
    source = Image.open(io.BytesIO(data)) if opened else data
    assert differ(seen(source), by_littlecms(colours(), display_p3())) <= TOLERANCE


def test_a_linear_png_becomes_lighter() -> None:
    image = seen(png_with(chunk(b"gAMA", struct.pack(">I", 100_000))))
    linear = np.asarray(colours()) / 255
    expected = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(np.asarray(image) - expected).max() <= TOLERANCE


def test_the_usual_gamma_of_a_png_is_srgb() -> None:
    data = png_with(chunk(b"gAMA", struct.pack(">I", 45_455)))
    assert load_image(data).data == data


def test_srgb_outranks_gamma_and_a_profile_outranks_both() -> None:
    linear, declared = chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"sRGB", b"\0")
    assert differ(seen(png_with(declared, linear)), colours()) == 0
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(display_p3()))
    assert differ(seen(png_with(profile, linear)), by_littlecms(colours(), display_p3())) <= TOLERANCE


def test_colours_named_by_number_outrank_a_profile() -> None:
    named, profile = chunk(b"cICP", bytes([12, 13, 0, 1])), chunk(b"iCCP", b"p\0\0" + zlib.compress(wide_and_linear()))
    assert differ(seen(png_with(named, profile)), by_littlecms(colours(), display_p3())) <= TOLERANCE
    assert differ(seen(png_with(chunk(b"cICP", bytes([1, 13, 0, 1])), profile)), colours()) == 0


@pytest.mark.parametrize("transfer", [16, 18])
def test_a_high_dynamic_range_is_refused(transfer: int) -> None:
    with pytest.raises(MediaError, match=r"high dynamic range .*Export it as SDR"):
        load_image(png_with(chunk(b"cICP", bytes([9, transfer, 0, 1]))))


@pytest.mark.parametrize("body", [bytes(32), b"\xff" * 32, struct.pack(">8I", *[31_270, 32_900] * 4)])
def test_primaries_that_span_no_colours_change_nothing(body: bytes) -> None:
    assert differ(seen(png_with(chunk(b"cHRM", body))), colours()) == 0


# Transparent colours


def grey_png(depth: int, values: list[int], key: int) -> bytes:
    """Return a grey PNG of one row in which one value is transparent."""
    bits = "".join(f"{value:0{depth}b}" for value in values)
    row = int(bits.ljust((len(bits) + 7) // 8 * 8, "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", len(values), 1, depth, 0, 0, 0, 0))
    rest = chunk(b"tRNS", struct.pack(">H", key)) + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + rest


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_transparent_value_of_a_grey_png_is_found_at_every_depth(depth: int, opened: bool) -> None:
    top = (1 << depth) - 1
    values = [0, top // 3, top // 3 + 1, top] if depth > 1 else [0, 1, 1, 0]
    data = grey_png(depth, values, values[1])
    image = sent(load_image(Image.open(io.BytesIO(data)) if opened else data))
    assert image.mode == "LA"
    assert list(image.getchannel("L").tobytes()) == [round(value * 255 / top) for value in values]
    assert list(image.getchannel("A").tobytes()) == [0 if value == values[1] else 255 for value in values]


def test_the_transparent_colour_of_sixteen_bits_is_compared_in_all_of_them() -> None:
    rows = b"\0" + struct.pack(">9H", 1_000, 2_000, 3_000, 1_000, 2_000, 3_001, 60_000, 2_000, 3_000)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 16, 2, 0, 0, 0))
    tail = chunk(b"tRNS", struct.pack(">3H", 1_000, 2_000, 3_000)) + chunk(b"IDAT", zlib.compress(rows))
    image = sent(load_image(b"\x89PNG\r\n\x1a\n" + head + tail + chunk(b"IEND", b"")))
    assert list(image.getchannel("A").tobytes()) == [0, 255, 255]
    assert image.getpixel((2, 0)) == (60_000 >> 8, 2_000 >> 8, 3_000 >> 8, 255)


def test_the_transparent_colour_of_eight_bits_is_found() -> None:
    image = sent(load_image(to_bytes(colours(), "PNG", transparency=(255, 255, 255))))
    assert image.getchannel("A").tobytes().count(0) == 1
    assert image.getpixel((31, 15))[3] == 0  # type: ignore[index]


# Deep greys


@pytest.mark.parametrize(
    ("mode", "value", "level"),
    [
        ("I", 128, 128),
        ("I", 0, 0),
        ("I", 255, 255),
        ("I", 32_896, 128),
        ("F", 128.0, 128),
        ("F", 0.5, 128),
        ("F", 1.0, 255),
    ],
)
def test_a_uniform_deep_grey_keeps_its_brightness(mode: str, value: float, level: int) -> None:
    assert set(sent(load_image(Image.new(mode, (4, 3), value))).tobytes()) == {level}


def test_one_infinite_pixel_does_not_darken_the_others() -> None:
    values = np.full((4, 4), 0.5, dtype=np.float32)
    values[0, 0], values[0, 1], values[0, 2] = np.inf, np.nan, -np.inf
    for source in (Image.fromarray(values), values, to_bytes(Image.fromarray(values), "TIFF")):
        loaded = load_image(source)
        levels = sent(loaded).tobytes()
        assert set(levels[4:]) == {128}
        assert levels[1] == levels[2] == 0
        assert any("nan or inf" in note for note in loaded.report.notes)


@pytest.mark.parametrize("value", [-1, 70_000])
def test_whole_numbers_outside_sixteen_bits_are_refused(value: int) -> None:
    with pytest.raises(MediaError, match="Scale it"):
        load_image(Image.new("I", (4, 3), value))


def test_a_deep_tiff_whose_zero_is_white_is_not_a_negative() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    deep = Image.fromarray(np.array([[0, 257 * 100, 65_535]], dtype=np.uint16))
    data = to_bytes(deep, "TIFF", tiffinfo=tags)
    if Image.open(io.BytesIO(data)).tag_v2[262] != 0:  # Pillow writes its own tag
        at = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
        data = data[:at] + struct.pack("<H", 0) + data[at + 2 :]
    assert list(sent(load_image(data)).tobytes()) == [255, 155, 0]


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (np.array([[0, 257 * 100, 65_535]], dtype=np.uint16), [0, 100, 255]),
        (np.array([[0, 100, 255]], dtype=np.uint16), [0, 100, 255]),
        (np.array([[0, 100, 255]], dtype=np.int32), [0, 100, 255]),
        (np.array([[0, 100, 255]], dtype=np.float64), [0, 100, 255]),
        (np.array([[0, 0.5, 1]], dtype=np.float16), [0, 128, 255]),
        (np.ma.masked_array([[7, 8, 9]], mask=[[0, 1, 0]], dtype=np.uint8), [7, 0, 9]),
    ],
)
def test_the_numbers_of_an_array_are_taken_for_what_they_are(values: Any, levels: list[int]) -> None:
    assert list(sent(load_image(values)).tobytes()) == levels


@pytest.mark.parametrize("values", [np.full((4, 4), 1.5), np.full((4, 4), 300.0), np.full((4, 4), 300, dtype=np.int32)])
def test_an_array_that_does_not_say_what_is_white_is_refused(values: Any) -> None:
    with pytest.raises(MediaError, match="Scale it"):
        load_image(values)


def test_a_grey_png_of_a_wrong_profile_keeps_its_greys() -> None:
    data = raw_png((2, 2), 8, 0, 2, chunk(b"iCCP", b"p\0\0" + zlib.compress(srgb())))
    assert set(sent(load_image(data)).tobytes()) == {0}
