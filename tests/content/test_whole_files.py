"""Files that are cut, encrypted, or of another type than they claim."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import struct
import time
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.content.container import sniff
from msgflux_nb.content.source import read
from msgflux_nb.errors import MediaError

from .pictures import to_bytes, two_halves
from .sounds import mp3, pdf, tone

PNG = to_bytes(two_halves())
LONG = 2_000_000


def tag(length: int) -> bytes:
    return b"ID3\x04\x00\x00" + bytes([0, 0, length >> 7, length & 0x7F]) + bytes(length)


@pytest.mark.parametrize("length", [0, 5, 300])
@pytest.mark.parametrize(
    ("behind", "kind"),
    [
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"MPCKSH", "audio/musepack"),
        (b"MP+\x07", "audio/musepack"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"MAC \x96\x0f", "audio/ape"),
        (b"wvpk", "audio/wavpack"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (tag(7) + b"fLaC", "audio/flac"),
        (bytes(40) + b"fLaC", "audio/flac"),
    ],
)
def test_the_bytes_after_an_id3_tag_decide_the_kind(length: int, behind: bytes, kind: str) -> None:
    assert sniff(tag(length) + behind) == kind


def test_flac_with_a_tag_is_not_sent_as_mp3() -> None:
    with pytest.raises(MediaError, match=r"is audio/flac; sound is sent as WAV or MP3\. Convert it"):
        mf.ChatBlock.audio(tag(40) + b"fLaC\0\0\0\x22" + bytes(80))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tag(40), "it holds no frame of MP3"),
        (tag(4)[:8], "it holds no frame of MP3"),
        (b"\xff\xfb\xf0\x00" + bytes(400), "it holds no frame of MP3"),
        (tone()[:30], "it holds no sound"),
        (tone()[:-100], r"is cut off: it says 16,000 bytes of sound and holds 15,900"),
        (b"RIFF\x04\0\0\0WAVEdata\x04\0\0\0abcd", "does not say how its sound is stored"),
    ],
)
def test_broken_sound_is_refused(data: bytes, message: str) -> None:
    for build in (mf.ChatBlock.audio, lambda source: mf.ChatBlock.user("", media=source)):
        with pytest.raises(MediaError, match=message):
            build(data)


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000])
def test_a_wav_file_that_was_streamed_does_not_know_its_length(length: int) -> None:
    data = tone()
    at = data.index(b"data") + 4
    assert mf.ChatBlock.audio(data[:at] + struct.pack("<I", length) + data[at + 4 :])["type"] == "input_audio"


def test_sound_behind_junk_after_a_tag_is_found() -> None:
    assert mf.ChatBlock.audio(tag(10) + bytes(33) + mp3(3))["input_audio"]["format"] == "mp3"


@pytest.mark.parametrize(
    "front", [b"", b"\xef\xbb\xbf", b"\r\n", b"\n\n  ", b"\0\0", b"HTTP/1.1 200 OK\r\n\r\n", bytes(900)]
)
def test_a_pdf_begins_within_its_first_1024_bytes(front: bytes) -> None:
    assert mf.ChatBlock.file(front + pdf())["type"] == "file"


def test_a_page_that_speaks_of_pdf_is_a_page() -> None:
    assert sniff(b"<!doctype html><p>%PDF-1.4") == "text/html"
    assert sniff(b"a text about %PDF- and its versions") == "text/plain"


ENCRYPTED = pdf().replace(b"<</Root 1 0 R>>", b"<</Root 1 0 R /Encrypt 9 0 R>>")
ENCRYPTED_STREAM = pdf().replace(
    b"trailer<<", b"7 0 obj<</Type /XRef /Encrypt 9 0 R>>stream\n..endstream endobj\ntrailer<<"
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pdf()[:40], "cut off: its end"),
        (pdf()[:-7], "cut off"),
        (pdf() + b"x" * 2_000, "cut off"),
        (ENCRYPTED, "encrypted PDF. Save it without a password"),
        (ENCRYPTED.replace(b"9 0 R", b"<</Filter/Standard>>"), "encrypted PDF"),
        (ENCRYPTED_STREAM, "encrypted PDF"),
    ],
)
def test_a_pdf_that_is_cut_or_encrypted_is_refused(data: bytes, message: str) -> None:
    for build in (mf.ChatBlock.file, lambda source: mf.ChatBlock.user("", media=source)):
        with pytest.raises(MediaError, match=message):
            build(data)


@pytest.mark.parametrize("data", [pdf() + bytes(3_000), pdf().replace(b"/Catalog", b"/Encrypting"), pdf() + b"\r\n \n"])
def test_a_whole_pdf_passes(data: bytes) -> None:
    assert mf.ChatBlock.file(data)["type"] == "file"


@pytest.mark.parametrize("data", ["olá".encode("utf-16"), "olá".encode(), b"\xef\xbb\xbfa", b"a,b\n1,2"])
def test_text_is_sent_as_text(data: bytes) -> None:
    with pytest.raises(MediaError, match=r"is text/plain; expected a PDF\. Send text as text"):
        mf.ChatBlock.file(data)


@pytest.mark.parametrize("piece", [b"trailer ", b"/Type /XRef ", b"/Encrypt ", b"%PDF-1.4\n"])
def test_a_pdf_of_nothing_but_marks_is_looked_at_in_little_time(piece: bytes) -> None:
    began = time.perf_counter()
    data = b"%PDF-1.4\n" + piece * (8_000_000 // len(piece)) + b"%%EOF"
    with contextlib.suppress(MediaError):
        mf.ChatBlock.file(data)
    assert time.perf_counter() - began < 5


# Sources


@pytest.mark.parametrize("lead", ["", "\n"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF"])
def test_base64_alone_is_refused_in_one_short_sentence(kind: str, lead: str) -> None:
    text = lead + base64.b64encode(to_bytes(two_halves((300, 300)), kind) * 40).decode()
    with pytest.raises(MediaError, match=r"is base64, not a path\. Put data:image/png;base64, in front") as caught:
        mf.ChatBlock.image(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "source",
    [
        "x" * LONG,
        "a/" * LONG,
        "data:" + "é" * LONG,
        "data:image/png;base64," + "@" * LONG,
        "ftp://" + "a" * LONG,
        "https://127.0.0.1/" + "a" * LONG,
        Path("y" * LONG),
        {"type": "z" * LONG},
        "\ud800" * LONG,
        "a" * 300,
    ],
    ids=lambda source: repr(source)[:12],
)
def test_no_message_repeats_a_long_input(source: Any) -> None:
    with pytest.raises(MediaError) as caught:
        mf.ChatBlock.image(source)
    assert len(str(caught.value)) < 500
    with pytest.raises(MediaError):
        mf.ChatBlock.image(PNG, detail="x" * 1_000)


@pytest.mark.parametrize(
    "url", ["data:image/png;base64," + base64.urlsafe_b64encode(PNG).decode().rstrip("="), "data:," + "%89"]
)
def test_base64_of_urls_and_without_its_padding_is_read(url: str) -> None:
    assert read(url).data in (PNG, b"\x89")


@pytest.mark.parametrize("position", [0, 8, len(PNG)])
def test_a_file_is_read_from_its_beginning_when_the_rest_is_nothing(position: int) -> None:
    file = io.BytesIO(PNG)
    file.seek(position)
    assert read(file).data == PNG
    assert file.tell() == position


class Pieces(io.RawIOBase):
    """A socket: a few bytes at a time."""

    def __init__(self) -> None:
        self.left = PNG

    def read(self, size: int = -1) -> bytes:
        piece, self.left = self.left[:7], self.left[7:]
        return piece


class Odd:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def seekable(self) -> bool:
        return False

    def read(self, size: int) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_file_that_gives_pieces_is_read_to_its_end() -> None:
    assert read(Pieces()).data == PNG


@pytest.mark.parametrize("answer", [KeyError("gone"), RuntimeError("no"), 7, None, "text"])
def test_an_object_that_only_resembles_a_file_raises_a_media_error(answer: Any) -> None:
    with pytest.raises(MediaError):
        mf.ChatBlock.image(Odd(answer))


def test_a_pipe_a_folder_and_what_claims_to_be_empty_are_not_read(tmp_path: Path) -> None:
    pipe, empty = tmp_path / "pipe", tmp_path / "empty.png"
    os.mkfifo(pipe)
    empty.touch()
    for source in (pipe, str(pipe), tmp_path, "/dev/zero", "/dev/stdin"):
        with pytest.raises(MediaError, match=r"is a folder or a device|does not exist|0 bytes"):
            mf.ChatBlock.image(source)
    for source in (empty, "/proc/self/status"):
        with pytest.raises(MediaError, match="is empty: it has 0 bytes"):
            mf.ChatBlock.image(source)


def test_a_released_memoryview_is_refused() -> None:
    view = memoryview(PNG)
    view.release()
    with pytest.raises(MediaError, match="Pass bytes"):
        mf.ChatBlock.image(view)
