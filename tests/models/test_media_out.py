"""Images and sound in answers over real HTTP, whole and streamed."""

from __future__ import annotations

import base64
import json
import re
import wave
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.content.generated import Audio
from msgflux_nb.protocol.events import AudioDelta, ImageDelta
from tests.content.pictures import to_bytes, two_halves
from tests.models.test_chat import Call, both, model_at
from tests.scripted import Reply, chunk, completion, serving, stream

PNG = to_bytes(two_halves())
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
PICTURE = {"type": "image_url", "image_url": {"url": DATA_URL}}
REMOTE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
SAMPLES = bytes(range(256)) * 20
SOUND = {"voice": "alloy", "format": "pcm16"}


def letters(data: bytes) -> str:
    return base64.b64encode(data).decode()


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_images_are_what_consume_returns(call: Call, streamed: bool) -> None:
    pieces = stream("Here.", chunk(images=[PICTURE]), chunk(images=[REMOTE]))
    with serving(pieces if streamed else completion("Here.", images=[PICTURE, REMOTE])) as server:
        value, response = call(model_at(server.url, modalities=["image", "text"]), "Draw", stream=streamed)
        assert server.bodies[0]["modalities"] == ["image", "text"]
    assert [image.url for image in value] == [DATA_URL, REMOTE["image_url"]["url"]]  # type: ignore[index]  # a dict
    assert value == response.images
    assert response.response_type == "image_generation"
    assert response.text == "Here."
    assert value[0].to_pillow().size == (40, 20)


@both
def test_an_image_alone_is_an_answer(call: Call) -> None:
    with serving(completion(None, images=[PICTURE])) as server:
        assert len(call(model_at(server.url), "Draw")[0]) == 1


def test_an_image_arrives_as_an_event() -> None:
    with serving(stream(chunk(images=[PICTURE]))) as server:
        events = list(model_at(server.url)("Draw", stream=True).events())
    assert [event.url for event in events if isinstance(event, ImageDelta)] == [DATA_URL]


def sound_chunk(**audio: Any) -> bytes:
    choice = {"index": 0, "delta": {"audio": audio}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def sound_stream(step: int) -> Reply:
    text = letters(SAMPLES)
    pieces = [sound_chunk(data=text[start : start + step]) for start in range(0, len(text), step)]
    words = [sound_chunk(id="audio_1", transcript="It is "), sound_chunk(transcript="noon.")]
    return stream(*words, *pieces, sound_chunk(expires_at=99))


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_sound_is_what_consume_returns(call: Call, streamed: bool, tmp_path: Path) -> None:
    audio = {"id": "audio_1", "data": letters(SAMPLES), "transcript": "It is noon.", "expires_at": 99}
    with serving(sound_stream(400) if streamed else completion(None, audio=audio)) as server:
        model = model_at(server.url, modalities=["text", "audio"], audio=SOUND)
        value, response = call(model, "Say the time", stream=streamed)
        assert server.bodies[0]["audio"] == SOUND
    assert value == Audio(SAMPLES, "It is noon.", "pcm16", "audio_1", 99)
    assert value == response.audio
    assert response.response_type == "audio_generation"
    with wave.open(str(value.save(tmp_path / "noon.wav"))) as file:
        assert file.readframes(file.getnframes()) == SAMPLES


@pytest.mark.parametrize("step", [1, 2, 3, 5, 4_096])
def test_sound_is_whole_wherever_its_letters_are_cut(step: int) -> None:
    with serving(sound_stream(step)) as server:
        assert model_at(server.url, audio=SOUND)("Hi", stream=True).consume().data == SAMPLES


def test_sound_can_be_heard_while_it_arrives() -> None:
    with serving(sound_stream(400)) as server:
        answer = model_at(server.url, audio=SOUND)("Hi", stream=True)
        heard = [event.data for event in answer.events() if isinstance(event, AudioDelta)]
    assert b"".join(heard) == SAMPLES
    assert len([data for data in heard if data]) > 5


@both
def test_sound_that_is_cut_off_is_an_error_and_what_came_is_kept(call: Call) -> None:
    cut = stream(sound_chunk(id="audio_1", data=letters(SAMPLES[:300])), done=False, cut=True)
    with serving(cut) as server, pytest.raises(mf.StreamInterruptedError) as caught:
        call(model_at(server.url, audio=SOUND), "Hi", stream=True)
    assert caught.value.snapshot.audio.data == SAMPLES[:300]


def test_an_answer_shows_no_markup_of_the_models() -> None:
    hostile = {
        "type": "image_url",
        "image_url": {"url": "data:image/svg+xml;base64," + letters(b"<svg onload=alert(1)>")},
    }
    with serving(completion("<script>alert(2)</script>", images=[hostile, REMOTE])) as server:
        shown = model_at(server.url)("Draw")._repr_mimebundle_()["text/html"]
    assert "<svg" not in re.sub(
        r'<svg class="mf-i" [^>]*>(<path d="[\w .,-]*"></?path>|<path d="[\w .,-]*" ?/>)*</svg>', "", shown
    )
    assert "onload" not in shown
    assert "<script>alert" not in shown
    assert "https://example.com/a.png" not in shown
