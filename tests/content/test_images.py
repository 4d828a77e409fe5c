from __future__ import annotations

import io
import struct
import sys
import types
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from msgflux_nb.content import picture
from msgflux_nb.content.container import sniff
from msgflux_nb.content.media import load_image
from msgflux_nb.content.picture import PictureLimits, decode
from msgflux_nb.errors import MediaError

from .pictures import bomb, camera_exif, near, noise, raw_png, sent, to_bytes, two_halves

RED, BLUE = (250, 10, 10), (10, 10, 250)


# Pictures that are sent unchanged


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_complies_goes_out_byte_for_byte(kind: str) -> None:
    data = to_bytes(two_halves(), kind)
    loaded = load_image(data)
    assert loaded.data == data
    assert loaded.report.notes == ()
    assert loaded.report.sent_type == f"image/{kind.lower()}"


def test_a_picture_at_the_limit_is_not_touched() -> None:
    data = to_bytes(two_halves((1_568, 700)))
    assert load_image(data).data == data


def test_a_small_picture_is_never_enlarged() -> None:
    assert load_image(to_bytes(two_halves((3, 1)), "GIF")).report.sent_size == (3, 1)


# Upright, and without metadata


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_held_sideways_is_sent_upright_without_its_metadata(kind: str) -> None:
    loaded = load_image(to_bytes(two_halves(), kind, exif=camera_exif(6)))
    image = sent(loaded)
    # Orientation 6: the camera's left is the top once it is upright.
    assert image.size == (20, 40)
    assert near(image.convert("RGB").getpixel((10, 4)), RED)
    assert near(image.convert("RGB").getpixel((10, 36)), BLUE)
    assert b"CANARY" not in loaded.data
    assert not image.getexif()
    assert "turned upright" in loaded.report.notes


@pytest.mark.parametrize("turn", range(1, 9))
def test_each_of_the_eight_orientations_comes_upright(turn: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = turn
    data = to_bytes(noise((20, 12)), "PNG", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert sent(load_image(data)).tobytes() == expected.tobytes()


def test_an_upright_photo_loses_its_metadata_without_being_encoded_again() -> None:
    picture = noise((64, 48))
    data = to_bytes(picture, "JPEG", exif=camera_exif(1))
    loaded = load_image(data)
    assert b"CANARY" not in loaded.data
    assert sent(loaded).tobytes() == Image.open(io.BytesIO(data)).tobytes()
    assert loaded.report.notes == ("metadata removed",)


def test_a_pil_image_with_an_orientation_is_turned_too() -> None:
    opened = Image.open(io.BytesIO(to_bytes(two_halves(), "JPEG", exif=camera_exif(6))))
    loaded = load_image(opened)
    assert sent(loaded).size == (20, 40)
    assert b"CANARY" not in loaded.data
    assert opened.size == (40, 20)


# Sizes


def test_a_large_picture_is_shrunk_to_the_long_edge() -> None:
    loaded = load_image(to_bytes(two_halves((3_000, 1_000))))
    assert loaded.report.source_size == (3_000, 1_000)
    assert loaded.report.sent_size == sent(loaded).size == (1_568, 523)
    assert loaded.report.notes == ("shrunk from 3,000 × 1,000 px to 1,568 × 523 px",)


def test_a_very_flat_picture_keeps_one_row() -> None:
    assert load_image(to_bytes(two_halves((9_000, 1)))).report.sent_size == (1_568, 1)


def test_a_picture_of_too_many_bytes_becomes_jpeg_of_falling_quality() -> None:
    picture = noise((1_500, 1_500))
    data = to_bytes(picture)
    assert len(data) > 3_750_000
    loaded = load_image(data)
    assert len(loaded.data) <= 3_750_000
    assert loaded.report.sent_type == "image/jpeg"
    assert loaded.report.sent_size == (1_500, 1_500)
    assert loaded.report.notes[-1].startswith("encoded as JPEG, quality ")


def test_quality_falls_before_pixels_do() -> None:
    data = to_bytes(noise((200, 200)), "JPEG", quality=95)
    at_90, at_45 = (len(to_bytes(Image.open(io.BytesIO(data)), "JPEG", quality=q, optimize=True)) for q in (90, 45))
    loaded = load_image(data, limits=PictureLimits(max_bytes=(at_90 + at_45) // 2))
    assert loaded.report.sent_size == (200, 200)


def test_a_transparent_picture_of_too_many_bytes_stays_png_and_loses_pixels() -> None:
    picture = noise((400, 400))
    picture.putalpha(Image.effect_noise((400, 400), 100))
    loaded = load_image(to_bytes(picture), limits=PictureLimits(max_bytes=100_000))
    assert loaded.report.sent_type == "image/png"
    assert len(loaded.data) <= 100_000
    assert sent(loaded).mode == "RGBA"
    assert max(loaded.report.sent_size) < 400


def test_limits_that_no_picture_can_meet_are_an_error() -> None:
    with pytest.raises(MediaError, match="cannot be made smaller than 10 bytes"):
        load_image(to_bytes(two_halves()), limits=PictureLimits(max_bytes=10))


# Modes


@pytest.mark.parametrize(
    ("image", "kind", "mode"),
    [
        (two_halves(mode="CMYK"), "JPEG", "RGB"),
        (two_halves(mode="P"), "PNG", "RGB"),
        (two_halves(mode="P"), "GIF", "RGB"),
        (two_halves(mode="1"), "PNG", "L"),
        (two_halves(mode="L"), "BMP", "L"),
        (two_halves(mode="LAB"), "TIFF", "RGB"),
        (two_halves(mode="YCbCr"), "TIFF", "RGB"),
        (two_halves(mode="RGBA"), "TIFF", "RGB"),
    ],
)
def test_modes_are_converted(image: Image.Image, kind: str, mode: str) -> None:
    picture = sent(load_image(to_bytes(image, kind)))
    assert picture.mode == mode
    seen, expected = picture.convert("RGB"), image.convert("RGB")
    assert all(near(seen.getpixel((x, 5)), expected.getpixel((x, 5))) for x in (5, 35))


MODES = [*Image.MODES, "I;16B", "I;16L", "I;16N"]


@pytest.mark.parametrize("mode", MODES)
def test_a_pil_image_of_every_mode_can_be_sent(mode: str) -> None:
    assert sent(load_image(Image.new(mode, (4, 3)))).mode in ("L", "RGB", "LA", "RGBA")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_become_eight(kind: str) -> None:
    deep = Image.fromarray(np.array([[0, 257 * 100, 65_535]], dtype=np.uint16))
    assert list(sent(load_image(to_bytes(deep, kind))).tobytes()) == [0, 100, 255]


def test_sixteen_bits_of_colour_become_eight() -> None:
    loaded = load_image(raw_png((2, 2), 16, 2, 12))
    assert loaded.data[24] == 8


def test_floats_of_a_tiff_that_do_not_say_what_is_white_are_refused() -> None:
    deep = Image.fromarray(np.array([[-2.0, 0.0, 2.0]], dtype=np.float32))
    with pytest.raises(MediaError, match=r"from -2\.0 to 2\.0; expected .*Scale it"):
        load_image(to_bytes(deep, "TIFF"))


def test_transparency_is_kept_as_png() -> None:
    picture = two_halves(mode="RGBA")
    picture.putpixel((0, 0), (1, 2, 3, 0))
    loaded = load_image(to_bytes(picture, "TIFF"))
    assert loaded.report.sent_type == "image/png"
    assert sent(loaded).getpixel((0, 0))[3] == 0


def test_a_transparent_colour_of_a_palette_is_kept() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((0, 0), 0)
    image = sent(load_image(to_bytes(picture, "PNG", transparency=0)))
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0))[3] == 0
    assert image.getpixel((1, 1)) == (0, 0, 255, 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame_with_a_note(kind: str) -> None:
    data = to_bytes(two_halves(), kind, save_all=True, append_images=[noise((40, 20)), noise((40, 20))])
    loaded = load_image(data)
    assert near(sent(loaded).convert("RGB").getpixel((5, 5)), RED)
    assert getattr(sent(loaded), "n_frames", 1) == 1
    assert loaded.report.notes[0] == ("first frame of an animation" if kind == "PNG" else "first of 3 frames")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG"])
def test_a_pil_image_of_several_frames_gives_the_one_that_it_shows(kind: str) -> None:
    blue = Image.new("RGB", (40, 20), BLUE)
    opened = Image.open(
        io.BytesIO(to_bytes(Image.new("RGB", (40, 20), RED), kind, save_all=True, append_images=[blue]))
    )
    opened.seek(1)
    loaded = load_image(opened)
    assert near(sent(loaded).convert("RGB").getpixel((5, 5)), BLUE)
    assert loaded.report.notes[0] == "frame 2 of several"


def test_a_profile_that_cannot_be_applied_is_left_out() -> None:
    data = to_bytes(two_halves(), "PNG", icc_profile=b"not a profile at all")
    loaded = load_image(data)
    assert sent(loaded).tobytes() == two_halves().tobytes()
    assert loaded.report.notes == ("metadata removed", "its colour profile is damaged and was left out")


def swapped_profile() -> bytes:
    """Return sRGB with its red and blue primaries exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")


def test_colours_of_another_profile_become_srgb() -> None:
    loaded = load_image(to_bytes(two_halves(), "PNG", icc_profile=swapped_profile()))
    assert "colours converted to sRGB" in loaded.report.notes
    assert near(sent(loaded).getpixel((5, 5)), BLUE, 30)
    assert "icc_profile" not in sent(loaded).info


def test_a_profile_that_names_srgb_is_dropped_without_touching_the_pixels() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    loaded = load_image(to_bytes(two_halves(), "PNG", icc_profile=profile))
    assert sent(loaded).tobytes() == two_halves().tobytes()
    assert loaded.report.notes == ("metadata removed",)


# Arrays


@pytest.mark.parametrize(
    ("array", "mode", "first"),
    [
        (np.full((4, 6), 7, dtype=np.uint8), "L", 7),
        (np.full((4, 6, 1), 7, dtype=np.int64), "L", 7),
        (np.full((4, 6, 3), 7, dtype=np.uint8), "RGB", (7, 7, 7)),
        (np.full((4, 6, 4), 7, dtype=np.uint8), "RGBA", (7, 7, 7, 7)),
        (np.full((4, 6), 0.5), "L", 128),
        (np.ones((4, 6, 3), dtype=np.float32), "RGB", (255, 255, 255)),
        (np.ones((4, 6), dtype=bool), "L", 255),
        (np.full((6, 4, 3), 7, dtype=np.uint8).transpose(1, 0, 2), "RGB", (7, 7, 7)),
    ],
)
def test_arrays_are_pictures(array: Any, mode: str, first: Any) -> None:
    loaded = load_image(array)
    image = sent(loaded)
    assert image.size == (6, 4)
    assert image.mode == mode
    assert image.getpixel((0, 0)) == first
    assert loaded.report.source_type == "array"
    assert loaded.report.source_bytes is None


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 64, 64)), r"shape \(3, 64, 64\).*np.moveaxis"),
        (np.zeros(9), r"shape \(9,\)"),
        (np.zeros((9, 9, 2)), r"shape \(9, 9, 2\).*Pick one: array"),
        (np.zeros((0, 5)), "no pixels"),
        (np.full((4, 4), 300), "from 300 to 300"),
        (np.full((4, 4), -0.5), "Scale it"),
        (np.full((4, 4), np.nan), "nan"),
        (np.array([["a", "b"]]), "holds <U1"),
        (np.zeros((4, 4), dtype=complex), "holds complex128"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000)), "100 megapixels"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused_with_the_way_out(array: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        load_image(array)


# Refused


def test_a_bomb_is_refused_from_its_header_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bomb()
    assert len(data) < 20_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # which would decode it
    with pytest.raises(MediaError, match=r"10,000 × 10,000 px, 100 megapixels"):
        load_image(data)


@pytest.mark.parametrize("size", [(9_500, 9_500), (65_000, 65_000)])
def test_no_warning_of_pillow_about_bombs_is_seen(size: tuple[int, int]) -> None:
    data = bomb(size)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(MediaError):
            load_image(data)
    assert seen == []


def test_a_pil_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    opened = Image.open(io.BytesIO(bomb((9_000, 9_000))))
    with pytest.raises(MediaError, match="megapixels"):
        load_image(opened)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_a_picture_that_is_cut_off_is_refused(kind: str) -> None:
    data = to_bytes(noise((64, 64)), kind)
    with pytest.raises(MediaError, match=r"damaged or cut off|cannot be read"):
        load_image(data[: len(data) // 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_damage_anywhere_ends_in_a_picture_or_a_media_error(kind: str) -> None:
    data = to_bytes(two_halves((16, 8)), kind)
    for at in range(0, len(data), max(1, len(data) // 60)):
        try:
            load_image(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        except MediaError:
            continue


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG.*Render it to PNG"),
        (b"<!doctype html><title>Not found</title>", "an HTML page"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC.*Export it as JPEG"),
        (b"%PDF-1.4", r"ChatBlock\.file"),
        (b"ID3\x04", r"ChatBlock\.audio"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"just words", "text/plain"),
        (b"\x00\x01\x02", "00 01 02"),
        (b"", "0 bytes"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_way_out(data: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        load_image(data)


# The report


def test_the_report_reads_as_a_sentence() -> None:
    report = load_image(to_bytes(two_halves((2_000, 1_000)), "JPEG", exif=camera_exif(6))).report
    assert report.source_type == report.sent_type == "image/jpeg"
    assert report.source_size == (2_000, 1_000)
    assert report.sent_size == (784, 1_568)
    text = str(report)
    assert text.startswith("image/jpeg 2,000 × 1,000 px, ")
    assert text.endswith(
        "metadata removed; turned upright; shrunk from 1,000 × 2,000 px to 784 × 1,568 px; encoded as JPEG, quality 90"
    )


def test_the_report_of_an_untouched_picture_says_so() -> None:
    assert str(load_image(to_bytes(two_halves())).report).endswith(": sent as it is")


@pytest.mark.parametrize("src", [to_bytes(two_halves(), "BMP"), two_halves(), np.zeros((2, 2), dtype=np.uint8)])
def test_a_change_of_format_alone_is_reported(src: Any) -> None:
    assert load_image(src).report.notes == ("encoded as PNG",)


def test_a_file_is_read_while_another_thread_imports_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", types.ModuleType("PIL.Image"))
    with pytest.raises(MediaError, match="not an image"):
        load_image(b"plain text")


# Large photos


def test_a_phones_photo_of_fifty_megapixels_is_shrunk() -> None:
    photo = Image.new("L", (8_160, 6_144), 90)
    photo.paste(200, (0, 0, 4_080, 6_144))
    exif = Image.Exif()
    exif[0x0112] = 6
    report = load_image(to_bytes(photo, "JPEG", exif=exif)).report
    assert (report.source_size, report.sent_size) == ((8_160, 6_144), (1_181, 1_568))
    assert "shrunk from 6,144 × 8,160 px to 1,181 × 1,568 px" in report.notes
    assert load_image(photo).report.sent_size == (1_568, 1_181)


def test_a_large_jpeg_is_decoded_at_a_part_of_its_size() -> None:
    data = to_bytes(two_halves((4_000, 2_000)), "JPEG")
    pixels = decode(data, "image/jpeg", "a photo", 400)
    assert (pixels.image.size, pixels.whole, pixels.file) == ((1_000, 500), (4_000, 2_000), None)
    assert decode(data, "image/jpeg", "a photo").image.size == (4_000, 2_000)


@pytest.mark.parametrize(("kind", "most"), [("JPEG", 200), ("PNG", 80)])
def test_each_kind_has_its_own_limit_of_pixels(kind: str, most: int) -> None:
    data = to_bytes(Image.new("1", (4, 4)).convert("L"), kind)
    size = struct.pack(">II" if kind == "PNG" else ">HH", 50_000, 50_000)
    at = data.index(b"IHDR") + 4 if kind == "PNG" else data.index(b"\xff\xc0") + 5
    data = data[:at] + size + data[at + len(size) :]
    if kind == "PNG":
        data = data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
    with pytest.raises(MediaError, match=f"2,500 megapixels; at most {most} are decoded"):
        load_image(data)


# The guard


@pytest.mark.parametrize(
    "error",
    [
        IndexError("x"),
        struct.error("x"),
        KeyError("x"),
        SyntaxError("x"),
        zlib.error("x"),
        UserWarning("x"),
        EOFError(),
    ],
)
@pytest.mark.parametrize("step", ["open_file", "to_common", "_write", "_turn"])
def test_nothing_that_pillow_raises_gets_out(step: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(picture, step, broken)
    for source in (to_bytes(two_halves(), "TIFF"), two_halves()):
        if step == "open_file" and not isinstance(source, bytes):
            continue
        with pytest.raises(MediaError, match=type(error).__name__) as caught:
            load_image(source)
        assert caught.value.__cause__ is error


def test_running_out_of_memory_is_not_blamed_on_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(picture, "to_common", full)
    with pytest.raises(MemoryError):
        load_image(two_halves())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("GIF", {"save_all": True}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {"save_all": True}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("AVIF", {}),
        ("JPEG2000", {"no_jp2": True}),
        ("ICO", {}),
        ("PPM", {}),
    ],
)
def test_a_file_that_is_cut_is_refused_or_loses_nothing_of_its_first_frame(kind: str, options: dict[str, Any]) -> None:
    frames = {"append_images": [noise((20, 16))]} if "save_all" in options else {}
    data = to_bytes(noise((20, 16)), kind, **options, **frames)
    media_type = sniff(data)
    assert media_type is not None
    whole = decode(data, media_type, "a file").image.tobytes()
    for end in range(20, len(data), max(1, len(data) // 40)):
        try:
            found = decode(data[:end], media_type, "a file").image.tobytes()
        except MediaError:
            continue
        assert found == whole
