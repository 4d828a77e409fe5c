"""Images in the playground: from the page's pieces to the request, and never into the widget's state."""

from __future__ import annotations

import base64
import json

import pytest

import msgflux_nb as mf
from tests.content.pictures import to_bytes, two_halves
from tests.scripted import serving, stream

from .bench import Bench, answers


def upload(bench: Bench, data: bytes, name: str = "two halves.png", pieces: int = 1) -> None:
    size = -(-len(data) // pieces)
    for index in range(pieces):
        piece = data[index * size : (index + 1) * size]
        bench.receive("piece", [piece], id="p1", index=index, count=pieces, name=name)


@answers(stream("Hi"))
def test_an_image_for_a_model_of_text_is_warned_about_and_refused_before_sending(bench: Bench) -> None:
    upload(bench, to_bytes(two_halves()), pieces=3)
    assert "scripted/one takes text only" in bench.playground.warning
    assert "vision models, such as" in bench.playground.warning
    bench.playground.prompt = "What is this?"
    with pytest.raises(mf.MediaError, match="takes text only"):
        bench.playground.run(wait=True)
    assert bench.server.bodies == []
    bench.receive("remove", id="p1")
    assert (bench.playground.warning, bench.playground.attachments) == ("", [])
    bench.playground.run(wait=True)
    assert bench.playground.value == "Hi"


def test_an_image_for_a_model_that_sees_arrives_byte_for_byte() -> None:
    data = to_bytes(two_halves())
    with serving(stream("Red and blue.")) as server:
        model = mf.Model.chat_completion("eye", base_url=server.url, profile={"modalities": ["text", "image"]})
        playground = mf.Playground(model, prompt="What is this?")
        playground.attach(data, name="two.png")
        assert playground.warning == ""
        playground.run(wait=True)
        text, image = server.bodies[0]["messages"][0]["content"]
        playground.close()
    assert text == {"type": "text", "text": "What is this?"}
    assert base64.b64decode(image["image_url"]["url"].partition(",")[2]) == data


@answers(stream("Hi"))
def test_what_is_no_image_is_refused_by_name(bench: Bench) -> None:
    upload(bench, b"<svg/>", name="<b>drawing</b>.svg")
    [refused] = bench.of("refused")
    assert refused["id"] == "p1"
    assert refused["message"].startswith("<b>drawing</b>.svg is ")
    assert bench.playground.attachments == []


@answers(stream("Hi"))
def test_no_pixels_are_in_the_widgets_state(bench: Bench) -> None:
    data = to_bytes(two_halves((400, 400)))
    upload(bench, data)
    state = json.dumps(bench.playground.get_state(), default=str)
    assert base64.b64encode(data).decode()[40:80] not in state
    assert "two halves.png" in state


@answers(stream("Hi"))
def test_thumbnails_are_sent_as_bytes_to_a_page_that_has_none(bench: Bench) -> None:
    bench.playground.attach(two_halves((800, 400)), name="a.png")
    [card] = bench.playground.attachments
    bench.receive("thumbnails", ids=[card["id"], "gone"])
    assert bench.sent[-1] == {"type": "thumbnails", "ids": [card["id"]]}
    assert bench.buffers[-1][0].startswith(b"\x89PNG")


@answers(stream("Hi"))
def test_images_attached_by_a_cell_have_ids_of_their_own(bench: Bench) -> None:
    for _ in range(2):
        bench.playground.attach(two_halves())
    assert len({card["id"] for card in bench.playground.attachments}) == 2
    bench.receive("remove", id=bench.playground.attachments[0]["id"])
    bench.playground.attach(two_halves())
    assert len({card["id"] for card in bench.playground.attachments}) == 2
