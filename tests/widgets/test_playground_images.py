"""Images in the playground: refused if the model takes none, else sent byte for byte; never in the widget's state."""

from __future__ import annotations

import base64
import json

import pytest

import msgflux_nb as mf
from tests.content.pictures import to_bytes, two_halves
from tests.scripted import serving, stream

from .bench import PROFILE, Bench, answers, model_of


@answers(stream("Hi"))
def test_an_image_for_a_model_of_text_is_warned_about_and_refused_before_sending(bench: Bench) -> None:
    playground = bench.playground
    playground.attach(two_halves(), name="two.png")
    assert "takes text only" in playground.builder.warning
    playground.prompt = "What is this?"
    with pytest.raises(mf.MediaError, match="takes text only"):
        playground.run(wait=True)
    assert bench.server.bodies == []
    playground.undo()
    assert playground.builder.warning == ""
    playground.prompt = "Hello"
    playground.run(wait=True)
    assert playground.value == "Hi"


def test_an_image_for_a_model_that_sees_arrives_byte_for_byte() -> None:
    data = to_bytes(two_halves())
    with serving(stream("Red and blue."), stream("Still.")) as server:
        model = model_of(server, profile={**PROFILE, "modalities": ["text", "image"]})
        playground = mf.Playground(model, prompt="What is this?")
        playground.attach(data, name="two.png")
        assert playground.builder.warning == ""
        playground.run(wait=True)
        playground.prompt = "And now?"
        playground.run(wait=True)
        asked = [body["messages"][0]["content"] for body in server.bodies]
        states = [part.get_state() for part in (playground, playground.builder)]
        drawn, text = playground._drawn()
        playground.close()
    assert asked[0] == asked[1]
    words, image = asked[0]
    assert words == {"type": "text", "text": "What is this?"}
    assert base64.b64decode(image["image_url"]["url"].partition(",")[2]) == data
    pixels = base64.b64encode(data).decode()[40:80]
    assert pixels not in json.dumps(states, default=str) + drawn + text
    assert "user: [image: two.png, " in text
    assert list(playground.media.values()) == [image]


@answers(stream("Hi"))
def test_a_file_that_is_not_an_image_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(mf.MediaError, match=r"<b>drawing</b>\.svg"):
        bench.playground.attach(b"<svg/>", name="<b>drawing</b>.svg")
    assert bench.playground.media == {}
