"""Tests the warnings about what a request changed or left out; changes that every request needs have none."""

from __future__ import annotations

import base64
import io
from typing import Any

import msgspec
import pytest
from PIL import Image

import msgflux_nb as mf
from msgflux_nb.models.profiles import PROFILES
from msgflux_nb.protocol.profile import override
from msgflux_nb.protocol.request import ChatRequest, build_request
from tests.scripted import completion, serving


class Person(msgspec.Struct):
    name: str


def built(
    messages: Any = "Hi", provider: str = "openai", changes: dict[str, Any] | None = None, **asked: Any
) -> ChatRequest:
    profile = override(PROFILES[provider], changes or {})
    return build_request(messages, model="m", profile=profile, options=asked.pop("options", {}), **asked)


def picture(edge: int) -> dict[str, Any]:
    data = io.BytesIO()
    Image.new("RGB", (edge, edge // 2), "red").save(data, "PNG")
    url = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize("provider", ["openai", "vllm", "ollama", "gemini", "anthropic", "mistral", "groq"])
@pytest.mark.parametrize("schema", [None, Person])
def test_a_usual_request_has_no_warning(provider: str, schema: Any) -> None:
    options = {"temperature": 0, "max_tokens": 5}
    request = built(provider=provider, options=options, generation_schema=schema, system_prompt="Be brief.")
    assert request.warnings == ()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("schema", [None, Person])
def test_images_that_are_made_smaller_for_a_provider_are_counted(count: int, schema: Any) -> None:
    turn = {"role": "user", "content": [{"type": "text", "text": "What?"}, *[picture(600)] * count, picture(100)]}
    request = built([turn], "vllm", {"image_long_edge": 300, "schema_in_prompt": True}, generation_schema=schema)
    (said,) = request.warnings
    assert ("an image was" if count == 1 else "2 images were") in said


def test_images_that_fit_are_not_named() -> None:
    assert built([{"role": "user", "content": [picture(100)]}], "vllm", {"image_long_edge": 300}).warnings == ()


def test_a_picture_of_another_model_that_stays_out_is_named() -> None:
    origin = {"provider": "gemini", "model": "g"}
    turn = {"role": "assistant", "content": "", "images": [picture(10)], "_msgflux": origin}
    (said,) = built([turn, {"role": "user", "content": "Again"}]).warnings
    assert "[image]" in said


def test_white_space_that_a_provider_refuses_at_the_end_of_a_prefill_is_named() -> None:
    assert "white space" in built(provider="anthropic", prefilling="The end ", changes=TRIMMED).warnings[0]
    assert built(provider="anthropic", prefilling="The end", changes=TRIMMED).warnings == ()
    assert built(provider="anthropic", prefilling="The end ", prefill_mode="emulate", changes=TRIMMED).warnings == ()


TRIMMED = {"prefill": "continue", "prefill_trimmed": True}


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"temperature": 1}, "temperature"),
        ({"response_format": {"type": "text"}}, "response_format"),
        ({"messages": []}, "messages"),
        ({"temperature": 0}, None),
        ({"top_k": 5}, None),
    ],
)
def test_what_extra_body_replaces_is_named(extra: dict[str, Any], named: str | None) -> None:
    request = built(options={"temperature": 0}, generation_schema=Person, extra_body=extra)
    assert [named in said for said in request.warnings if named] == ([True] if named else [])
    assert bool(request.warnings) == (named is not None)


def test_every_row_of_a_batch_says_what_its_request_left_out() -> None:
    with serving(completion('{"name": "Ada"}')) as server:
        model = mf.Model.chat_completion("m", base_url=server.url, temperature=0, extra_body={"temperature": 1})
        table = mf.extract(["a", "b"], Person, model=model, progress=False, store=False)
        assert list(table["_warnings"]) == list(model("a", generation_schema=Person).metadata.warnings) * 2
