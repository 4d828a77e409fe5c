from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image

from msgflux_nb.content.container import sniff
from msgflux_nb.content.picture_file import orientation, parse_picture

from .pictures import camera_exif, chunk, noise, raw_png, to_bytes, two_halves

KINDS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


def with_metadata(kind: str, turn: int = 6) -> bytes:
    return to_bytes(noise((64, 48)), KINDS[kind], exif=camera_exif(turn), icc_profile=b"PROFILE" * 40, xmp=b"<CANARY/>")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", None),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"\xff\xf3\x40\xc0", "audio/mpeg"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "image/heic"),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00avifmif1miaf", "image/avif"),
        (b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42", "audio/mp4"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isomavc1", "video/mp4"),
        (b"<!DOCTYPE html><html><body><svg/></body></html>", "text/html"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="x"/>', "image/svg+xml"),
        (b"<svg viewBox='0 0 1 1'/>", "image/svg+xml"),
        (b"<?xml version='1.0'?><note/>", "text/plain"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "text/x-git-lfs-pointer"),
        ("Olá, mundo".encode(), "text/plain"),
        (("é" * 2_000).encode(), "text/plain"),
        (b"\x00\x01\x02\x03", None),
        (b"\x80\x81\x82\x83\x84", None),
        (b"", None),
    ],
)
def test_the_kind_is_told_from_the_first_bytes(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_the_kind_of_each_format_that_pillow_writes_is_told(name: str) -> None:
    kind = sniff(to_bytes(two_halves(), name))
    assert kind == {"JPEG2000": "image/jp2"}.get(name, f"image/{name.lower()}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_file_is_kept_byte_for_byte(kind: str) -> None:
    data = to_bytes(two_halves(), KINDS[kind])
    file = parse_picture(data, kind)
    assert file is not None
    assert file.plain == data
    assert file.ready


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_and_profile_are_left_out_and_the_pixels_stay(kind: str) -> None:
    data = with_metadata(kind)
    assert b"CANARY" in data
    file = parse_picture(data, kind)
    assert file is not None
    assert b"CANARY" not in file.plain
    assert b"PROFILE" not in file.plain
    assert Image.open(io.BytesIO(file.plain)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_orientation_and_profile_are_handed_out(kind: str) -> None:
    file = parse_picture(with_metadata(kind, turn=8), kind)
    assert file is not None
    assert orientation(file.exif) == 8
    assert file.profile == b"PROFILE" * 40


@pytest.mark.parametrize("kind", KINDS)
def test_what_trails_the_end_is_left_out(kind: str) -> None:
    data = to_bytes(two_halves(), KINDS[kind])
    file = parse_picture(data + b"CANARY film", kind)
    assert file is not None
    assert file.plain == data


def test_a_progressive_jpeg_keeps_all_its_scans() -> None:
    data = to_bytes(noise((64, 48)), "JPEG", progressive=True)
    file = parse_picture(data, "image/jpeg")
    assert file is not None
    assert file.plain == data
    assert data.count(b"\xff\xda") > 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_never_taken_for_whole(kind: str) -> None:
    data = to_bytes(two_halves((16, 8)), KINDS[kind])
    assert all(parse_picture(data[:end], kind) is None for end in range(len(data)))


@pytest.mark.parametrize(
    ("image", "ready"),
    [
        (two_halves(mode="P"), False),
        (two_halves(mode="1"), False),
        (Image.new("I;16", (4, 4)), False),
        (two_halves(mode="L"), True),
        (two_halves(mode="RGBA"), True),
    ],
)
def test_only_eight_bits_a_channel_without_palette_are_ready(image: Image.Image, ready: bool) -> None:
    file = parse_picture(to_bytes(image), "image/png")
    assert file is not None
    assert file.ready is ready


def test_sixteen_bits_of_colour_are_not_ready() -> None:
    file = parse_picture(raw_png((2, 2), 16, 2, 12), "image/png")
    assert file is not None
    assert not file.ready


def test_a_jpeg_of_a_rare_coding_is_left_to_the_decoder() -> None:
    arithmetic = to_bytes(two_halves(), "JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1)
    assert parse_picture(arithmetic, "image/jpeg") is None


def test_a_profile_in_several_segments_is_joined_in_their_order() -> None:
    data = to_bytes(two_halves(), "JPEG")

    def segment(number: int, body: bytes) -> bytes:
        body = b"ICC_PROFILE\x00" + bytes([number, 2]) + body
        return b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body

    file = parse_picture(data[:2] + segment(2, b"world") + segment(1, b"hello ") + data[2:], "image/jpeg")
    assert file is not None
    assert file.profile == b"hello world"
    assert file.plain == data


def test_a_profile_that_unpacks_to_gigabytes_is_cut() -> None:
    packed = b"name\x00\x00" + zlib.compress(bytes(20_000_000), 9)
    file = parse_picture(raw_png((2, 2), 8, 0, 2, chunk(b"iCCP", packed)), "image/png")
    assert file is not None
    assert len(file.profile) == 4_000_000


def test_a_webp_without_its_metadata_no_longer_says_that_it_has_some() -> None:
    file = parse_picture(with_metadata("image/webp"), "image/webp")
    assert file is not None
    flags = file.plain[file.plain.index(b"VP8X") + 8]
    assert flags == 0


def test_an_animated_png_is_its_first_frame_and_says_so() -> None:
    data = to_bytes(two_halves(), "PNG", save_all=True, append_images=[noise((40, 20))])
    file = parse_picture(data, "image/png")
    assert file is not None
    assert file.animated
    assert not file.ready
    assert Image.open(io.BytesIO(file.plain)).n_frames == 1


@pytest.mark.parametrize("order", ["II", "MM"])
def test_orientation_is_read_in_both_byte_orders(order: str) -> None:
    little = order == "II"

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "little" if little else "big")

    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(5, 2) + b"\x00\x00"
    exif = order.encode() + number(42, 2) + number(8, 4) + number(1, 2) + entry
    assert orientation(exif) == 5
    assert orientation(b"Exif\x00\x00" + exif) == 5


@pytest.mark.parametrize("exif", [b"", b"II", b"II*\x00\xff\xff\xff\xff", b"II*\x00\x08\x00\x00\x00\xff\xff", b"junk"])
def test_a_broken_exif_block_means_upright(exif: bytes) -> None:
    assert orientation(exif) == 1


def test_an_orientation_out_of_range_means_upright() -> None:
    assert orientation(camera_exif(9).tobytes()) == 1
