"""Tests how images from the page become parts of a message."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from msgflux_nb.errors import MediaError
from msgflux_nb.widgets.conversation import attachments as _attachments
from msgflux_nb.widgets.conversation.attachments import Uploads, attachment
from msgflux_nb.widgets.conversation.parts import thumbnail
from tests.content.pictures import to_bytes, two_halves


def test_pieces_in_any_order_make_the_file() -> None:
    uploads = Uploads()
    assert uploads.add("a", 2, 3, b"!") is None
    assert uploads.add("a", 0, 3, memoryview(b"Hel")) is None
    assert uploads.add("a", 1, 3, b"lo") == b"Hello!"


def test_a_file_that_is_whole_is_forgotten() -> None:
    uploads = Uploads()
    assert uploads.add("a", 0, 1, b"first") == b"first"
    assert uploads.add("a", 1, 2, b"B") is None


def test_two_uploads_at_once_do_not_mix() -> None:
    uploads = Uploads()
    uploads.add("a", 0, 2, b"a")
    uploads.add("b", 0, 2, b"b")
    assert uploads.add("a", 1, 2, b"A") == b"aA"
    assert uploads.add("b", 1, 2, b"B") == b"bB"


def test_a_file_that_is_too_large_is_refused_and_its_pieces_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_attachments, "_UPLOAD_LIMIT", 5)
    uploads = Uploads()
    uploads.add("a", 0, 9, b"1234")
    with pytest.raises(MediaError, match="larger than"):
        uploads.add("a", 1, 9, b"56")
    assert uploads.add("a", 0, 1, b"again") == b"again"


def test_an_image_says_its_name_and_the_size_that_is_sent() -> None:
    data = to_bytes(two_halves())
    image = attachment("1", data, "two halves.png")
    card = image.card()
    assert card == {
        "id": "1",
        "kind": "image",
        "name": "two halves.png",
        "detail": f"40 × 20 px, {len(data) / 1000:.1f} kB",
        "before": "",
        "notes": image.facts.notes,
        "media": card["media"],
        "tokens": None,
        "tokens_before": None,
    }
    assert base64.b64decode(image.part["image_url"]["url"].partition(",")[2]) == data


def test_a_card_holds_no_pixels() -> None:
    image = attachment("1", to_bytes(two_halves((600, 400))), "a.png")
    assert len(msgspec.json.encode(image.card())) < 300


def test_a_large_image_is_shrunk_and_says_so() -> None:
    card = attachment("1", two_halves((4000, 1000)), "wide.png").card()
    assert card["detail"].startswith("1,568 × 392 px")
    assert "4,000 × 1,000" in card["notes"]


def test_a_file_that_is_not_an_image_is_refused_by_its_name() -> None:
    with pytest.raises(MediaError, match=r"^drawing\.png is SVG"):
        attachment("1", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing.png")


def test_a_path_gives_its_own_name_without_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(to_bytes(two_halves()))
    names = [attachment("1", source).card()["name"] for source in (path, str(path), two_halves())]
    assert names == ["photo.png", "photo.png", "image"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_thumbnail_is_a_small_png_of_the_same_picture(kind: str) -> None:
    pixels = thumbnail(attachment("1", to_bytes(two_halves((800, 400)), kind), "a").part)
    assert pixels is not None
    with Image.open(io.BytesIO(pixels)) as small:
        assert (small.format, small.size) == ("PNG", (192, 96))
        red, _, blue = small.convert("RGB").getpixel((10, 50))  # type: ignore[misc]  an RGB pixel is a tuple
        assert red > 200
        assert blue < 60
