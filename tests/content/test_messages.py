from __future__ import annotations

import base64
import copy
import io
import json
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from msgflux_nb import ChatBlock, MediaError, ToolCallError
from msgflux_nb.content.media import Loaded, load_image

from .pictures import sent, to_bytes, two_halves

PNG = to_bytes(two_halves())
WAV = (
    b"RIFF"
    + struct.pack("<I", 36)
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 8_000, 1, 8)
    + b"data"
    + bytes(4)
)
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" + bytes(64)
PDF = b"%PDF-1.4\n%%EOF"


def payload(url: str, kind: str) -> bytes:
    head, _, data = url.partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(data, validate=True)


# Messages


def test_a_message_of_text_alone_has_a_plain_str() -> None:
    assert ChatBlock.user("Hi") == {"role": "user", "content": "Hi"}
    assert ChatBlock.user("Hi", media=[]) == ChatBlock.user("Hi", media=None) == ChatBlock.user("Hi")


def test_system_and_assistant_are_plain_messages() -> None:
    assert ChatBlock.system("Be brief.") == {"role": "system", "content": "Be brief."}
    assert ChatBlock.assistant("Sure! ") == {"role": "assistant", "content": "Sure! "}


def test_media_come_after_the_text_in_their_order() -> None:
    message = ChatBlock.user("Compare", media=[ChatBlock.image(PNG), ChatBlock.text("with"), ChatBlock.audio(WAV)])
    assert [part["type"] for part in message["content"]] == ["text", "image_url", "text", "input_audio"]
    assert message["content"][0] == {"type": "text", "text": "Compare"}


def test_an_empty_text_makes_no_empty_part() -> None:
    assert [part["type"] for part in ChatBlock.user("", media=[PNG])["content"]] == ["image_url"]


@pytest.mark.parametrize(
    ("src", "kind"),
    [
        (PNG, "image_url"),
        (WAV, "input_audio"),
        (io.BytesIO(MP3), "input_audio"),
        (PDF, "file"),
        ("data:application/pdf;base64," + base64.b64encode(PDF).decode(), "file"),
        ("https://example.org/a.png", "image_url"),
        (two_halves(), "image_url"),
        (np.zeros((2, 2), dtype=np.uint8), "image_url"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else type(value).__name__,
)
@pytest.mark.parametrize("alone", [True, False])
def test_plain_sources_become_the_part_that_their_bytes_call_for(src: Any, kind: str, alone: bool) -> None:
    message = ChatBlock.user("Look", media=src if alone else [src])
    assert [part["type"] for part in message["content"]] == ["text", kind]


@pytest.mark.parametrize(("data", "kind"), [(PDF, "file"), (MP3, "input_audio"), (PNG, "image_url")])
def test_a_stream_that_can_be_read_once_is_read_once(data: bytes, kind: str) -> None:
    class Once(io.RawIOBase):
        left = data

        def read(self, size: int = -1) -> bytes:
            left, self.left = self.left, b""
            return left

    assert ChatBlock.user("Read", media=Once())["content"][1]["type"] == kind


def test_a_message_shares_nothing_with_the_parts_it_was_built_from() -> None:
    part = ChatBlock.image(PNG)
    before = copy.deepcopy(part)
    message = ChatBlock.user("Look", media=[part])
    message["content"][1]["image_url"]["url"] = "changed"
    assert part == before
    assert ChatBlock.image(PNG) == before


def test_a_list_of_media_is_read_and_not_changed() -> None:
    media: list[Any] = [PNG, ChatBlock.text("x")]
    ChatBlock.user("Look", media=media)
    assert media == [PNG, {"type": "text", "text": "x"}]


def test_a_dict_that_is_no_part_is_refused_with_its_place() -> None:
    with pytest.raises(MediaError, match=r"media\[1\] is a dict without a type"):
        ChatBlock.user("Look", media=[PNG, {"url": "x"}])


@pytest.mark.parametrize("build", [ChatBlock.user, ChatBlock.system, ChatBlock.assistant, ChatBlock.text])
def test_a_text_that_is_not_a_str_is_refused(build: Any) -> None:
    with pytest.raises(TypeError, match=r"the text is a str, not bytes\. Images go into media"):
        build(PNG)


# Tool results


class Weather(msgspec.Struct):
    celsius: float


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("sunny", "sunny"),
        ("", ""),
        (None, "null"),
        (False, "false"),
        (0, "0"),
        ({"a": [1]}, '{"a":[1]}'),
        (Weather(21.5), '{"celsius":21.5}'),
        (np.int64(3), "3"),
        (np.arange(3), "[0,1,2]"),
    ],
)
def test_a_tool_result_is_text_or_json(result: Any, content: str) -> None:
    assert ChatBlock.tool("call_1", result) == {"role": "tool", "tool_call_id": "call_1", "content": content}


@pytest.mark.parametrize("result", [object(), {"x": object()}, [lambda: None]])
def test_a_tool_result_without_a_json_form_is_refused_by_name(result: Any) -> None:
    with pytest.raises(ToolCallError, match="The result of call 'call_1' has no JSON form"):
        ChatBlock.tool("call_1", result)


# Parts


def test_an_image_is_embedded_as_it_is_when_it_complies() -> None:
    part = ChatBlock.image(PNG)
    assert part["type"] == "image_url"
    assert set(part["image_url"]) == {"url"}
    assert payload(part["image_url"]["url"], "image/png") == PNG


def test_what_is_embedded_is_what_the_report_speaks_of() -> None:
    big = to_bytes(two_halves((2_000, 1_000)), "JPEG")
    loaded: Loaded = load_image(big)
    assert ChatBlock.image(big)["image_url"]["url"] == loaded.url
    assert payload(loaded.url, loaded.report.sent_type) == loaded.data
    assert sent(loaded).size == loaded.report.sent_size


@pytest.mark.parametrize("detail", ["auto", "low", "high"])
def test_detail_reaches_the_part(detail: str) -> None:
    assert ChatBlock.image(PNG, detail=detail)["image_url"]["detail"] == detail


def test_a_misspelled_detail_is_refused() -> None:
    with pytest.raises(MediaError, match='detail is "auto", "low" or "high", not \'hihg\''):
        ChatBlock.image(PNG, detail="hihg")


def test_an_https_url_of_an_image_is_passed_on() -> None:
    url = "https://example.org/a.png"
    assert ChatBlock.image(url) == {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize("src", ["file:///etc/passwd", "http://169.254.169.254/latest", "https://localhost/a.png"])
def test_addresses_that_reach_inside_are_refused(src: str) -> None:
    with pytest.raises(MediaError):
        ChatBlock.image(src)


@pytest.mark.parametrize(("data", "sound"), [(WAV, "wav"), (MP3, "mp3"), (MP3[10:], "mp3")])
def test_sound_is_sent_as_wav_or_mp3(data: bytes, sound: str) -> None:
    part = ChatBlock.audio(data)
    assert part == {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": sound}}


@pytest.mark.parametrize(
    ("src", "message"),
    [
        (b"fLaC\x00", "is audio/flac; sound is sent as WAV or MP3. Convert it: ffmpeg"),
        (b"", "0 bytes"),
        (PNG, "is image/png"),
        ("https://example.org/a.mp3", "never fetched"),
    ],
)
def test_other_sound_is_refused_with_the_way_out(src: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        ChatBlock.audio(src)


def test_sound_above_the_limit_is_refused() -> None:
    with pytest.raises(MediaError, match="at most 20,000,000 are sent"):
        ChatBlock.audio(MP3 + bytes(20_000_000))


def test_a_pdf_goes_with_its_own_name_and_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "report 2026.pdf"
    path.write_bytes(PDF)
    part = ChatBlock.file(path)
    assert part["type"] == "file"
    assert part["file"]["filename"] == "report 2026.pdf"
    assert payload(part["file"]["file_data"], "application/pdf") == PDF
    with path.open("rb") as file:
        assert ChatBlock.file(file) == part


def test_a_pdf_without_a_name_is_given_one() -> None:
    assert ChatBlock.file(PDF)["file"]["filename"] == "document.pdf"
    assert ChatBlock.file(PDF, filename="a.pdf")["file"]["filename"] == "a.pdf"


@pytest.mark.parametrize(("src", "message"), [(b"PK\x03\x04", "application/zip; expected a PDF"), (b"\x01", "01")])
def test_a_file_that_is_no_pdf_is_refused(src: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        ChatBlock.file(src)


def test_a_pdf_above_the_limit_is_refused() -> None:
    with pytest.raises(MediaError, match="at most 32,000,000 are sent"):
        ChatBlock.file(PDF + bytes(32_000_000))


def test_a_video_is_passed_on_by_its_url() -> None:
    url = "https://example.org/film.mp4"
    assert ChatBlock.video(url) == {"type": "video_url", "video_url": {"url": url}}


@pytest.mark.parametrize("url", ["film.mp4", "http://example.org/a.mp4", "https://127.0.0.1/a.mp4", b"bytes"])
def test_any_other_video_is_refused(url: Any) -> None:
    with pytest.raises(MediaError):
        ChatBlock.video(url)


def test_every_block_is_plain_json() -> None:
    blocks = [
        ChatBlock.user("a", media=[Image.new("RGB", (2, 2)), WAV, PDF, ChatBlock.video("https://example.org/v.mp4")]),
        ChatBlock.tool("c", [1]),
    ]
    assert json.loads(json.dumps(blocks)) == blocks
