"""Images and sound that a model made: foreign data, shown only as the type of their bytes."""

from __future__ import annotations

import base64
import html.parser
import io
import wave
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from msgflux_nb.content.generated import Audio, Image
from msgflux_nb.errors import MediaError

from .pictures import bomb, camera_exif, near, to_bytes, two_halves

PNG = to_bytes(two_halves())
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'
PAGE = b"<!doctype html><script>alert(3)</script>"
HOSTILE = '"><script>alert(4)</script><img src=x onerror=alert(5)>'


def url_of(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


class Tags(html.parser.HTMLParser):
    """Collects the tags of some markup with their attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def names(markup: str) -> set[str]:
    return {tag for tag, _ in Tags(markup).found}


def loaded(markup: str) -> list[str]:
    """Return everything that a browser would load or run."""
    attributes = [attribute for _, given in Tags(markup).found for attribute in given.items()]
    return [value for name, value in attributes if name in ("src", "href", "srcset") or name.startswith("on")]


# Images


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_an_image_is_shown_saved_and_opened(kind: str, tmp_path: Path) -> None:
    data = to_bytes(two_halves(), kind)
    image = Image(url_of(data, "image/whatever-it-says"))
    assert image.data == data
    assert image.media_type == f"image/{kind.lower()}"
    assert loaded(image.html()) == [url_of(data, f"image/{kind.lower()}")]
    assert image.save(tmp_path / "made").read_bytes() == data
    assert image.to_pillow().size == (40, 20)
    assert repr(image).startswith(f"Image(image/{kind.lower()}, ")


@pytest.mark.parametrize("data", [SVG, PAGE, b"", b"\x00" * 64, b"%PDF-1.7", b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_bytes_that_are_not_a_picture_never_become_markup_under_any_name(data: bytes) -> None:
    for kind in ("image/png", "image/svg+xml", "text/html"):
        image = Image(url_of(data, kind))
        assert names(image.html()) == {"span"}
        assert loaded(image.html()) == []
        assert "script" not in image.html()
        assert image._repr_mimebundle_()["text/html"] == image.html()
        with pytest.raises(MediaError, match="cannot be opened as a picture"):
            image.to_pillow()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.com/a.png?q=secret", "example.com"),
        ("http://127.0.0.1:8080/a.png", "127.0.0.1"),
        ("//example.com/a.png", "example.com"),
        ("file:///etc/hostname", "unknown host"),
        ("/etc/hostname", "unknown host"),
        ("javascript:alert(1)", "unknown host"),
        ("https://[::1", "unknown host"),
        (f"https://example.com/{HOSTILE}", "example.com"),
        (f"https://{HOSTILE}/", ""),
        ("", "unknown host"),
    ],
)
def test_an_address_is_named_and_never_loaded_read_or_saved(url: str, words: str, tmp_path: Path) -> None:
    image = Image(url)
    assert image.data is None
    assert image.media_type is None
    assert words in image.html()
    assert names(image.html()) == {"span"}
    assert loaded(image.html()) == []
    assert words in repr(image)
    for use in (lambda: image.save(tmp_path / "made"), image.to_pillow):
        with pytest.raises(MediaError, match="never fetches"):
            use()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,A", "data:image/png", "data:image/png;base64,é", "DATA:,\ud800"]
)
def test_a_damaged_data_url_is_reported_and_shown_as_damaged(url: str) -> None:
    image = Image(url)
    assert names(image.html()) == {"span"}
    assert "Image(" in repr(image)
    with pytest.raises(MediaError):
        image.to_pillow()


def test_a_bomb_is_not_unpacked() -> None:
    image = Image(url_of(bomb()))
    with pytest.raises(MediaError, match=r"megapixel|pixels"):
        image.to_pillow()


def test_an_image_that_is_cut_off_is_reported() -> None:
    with pytest.raises(MediaError):
        Image(url_of(PNG[:60])).to_pillow()


def test_an_image_held_sideways_is_opened_upright() -> None:
    sideways = to_bytes(two_halves(), "JPEG", exif=camera_exif(6), quality=95)
    image = Image(url_of(sideways)).to_pillow()
    assert isinstance(image, Pillow.Image)
    assert image.size == (20, 40)
    assert near(image.getpixel((10, 5)), (250, 10, 10), 40)


# Sound


def wav(samples: bytes = b"\x01\x00" * 240) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(samples)
    return out.getvalue()


@pytest.mark.parametrize("format_", ["wav", None, "mp3"])
def test_sound_that_is_a_file_is_left_as_it_is(format_: str | None, tmp_path: Path) -> None:
    sound = Audio(wav(), "Hello", format_)
    assert sound.file() == (wav(), "audio/wav")
    assert sound.save(tmp_path / "made.wav").read_bytes() == wav()
    assert loaded(sound.html()) == [url_of(wav(), "audio/wav")]
    assert names(sound.html()) == {"audio", "div"}


@pytest.mark.parametrize("format_", ["pcm16", "pcm"])
@pytest.mark.parametrize("extra", [b"", b"\x07"])
def test_bare_samples_get_a_head_that_says_what_they_are(format_: str, extra: bytes, tmp_path: Path) -> None:
    samples = b"\x01\x00\xff\x7f" * 120
    path = Audio(samples + extra, "", format_).save(tmp_path / "made.wav")
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert file.readframes(file.getnframes()) == samples


@pytest.mark.parametrize("data", [SVG, PAGE, b"", b"\x00\x01\x02"])
def test_data_that_is_not_sound_gets_no_player(data: bytes) -> None:
    sound = Audio(data, HOSTILE, "opus")
    assert names(sound.html()) == {"span", "div"}
    assert loaded(sound.html()) == []


def test_a_transcript_is_shown_as_text() -> None:
    for sound in (Audio(wav(), HOSTILE, "wav"), Audio(b"", HOSTILE), Audio(b"", HOSTILE, HOSTILE)):
        assert names(sound.html()) <= {"audio", "div", "span"}
        assert not [value for value in loaded(sound.html()) if not value.startswith("data:audio/wav;")]
        assert sound._repr_mimebundle_()["text/plain"] == f"{sound!r}\n{HOSTILE}"
        assert "\n" not in repr(sound)


def test_a_long_transcript_is_cut_in_one_line() -> None:
    assert len(repr(Audio(wav(), "word " * 1_000, "wav"))) < 150
