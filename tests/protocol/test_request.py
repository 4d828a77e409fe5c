"""What a caller asks for to the request that is sent."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from msgflux_nb.errors import BadRequestError, MediaError, PrefillError
from msgflux_nb.models.profiles import COMPATIBLE, PROFILES
from msgflux_nb.protocol.profile import Profile, override
from msgflux_nb.protocol.request import build_request


class Person(msgspec.Struct):
    name: str


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


def body(
    profile: Profile = COMPATIBLE, messages: Any = "Hi", options: dict[str, Any] | None = None, **keywords: Any
) -> Any:
    request = build_request(messages, model="m", profile=profile, options=options or {}, **keywords)
    return json.loads(request.body)


def test_a_text_is_one_user_message_and_nothing_else_is_sent() -> None:
    assert body() == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def test_the_embedded_model_is_shown_the_form_and_given_the_schema() -> None:
    assert body(PROFILES["local"], generation_schema=Person, stream=True, options={"max_tokens": 9}) == {
        "model": "m",
        "messages": [{"role": "user", "content": 'Answer with JSON of this form: {"name": string}\n\nHi'}],
        "max_tokens": 9,
        "response_format": {"type": "json_schema", "json_schema": {"name": "Person", "strict": True, "schema": SCHEMA}},
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_openai_has_its_own_name_for_the_limit_and_is_not_shown_the_form() -> None:
    sent = body(PROFILES["openai"], generation_schema=Person, options={"max_tokens": 9})
    assert sent["max_completion_tokens"] == 9
    assert "max_tokens" not in sent
    assert sent["messages"] == [{"role": "user", "content": "Hi"}]


def test_a_system_prompt_stands_first_and_joins_one_that_is_there() -> None:
    assert body(system_prompt="Be kind.")["messages"][0] == {"role": "system", "content": "Be kind."}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    joined = body(messages=messages, system_prompt="Be kind.")["messages"]
    assert joined == [{"role": "system", "content": "Be kind.\n\nBe brief."}, {"role": "user", "content": "Hi"}]


def test_the_form_goes_in_front_of_the_last_user_message_with_parts() -> None:
    parts = [{"type": "text", "text": "Hi"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "x"}]
    sent = body(PROFILES["local"], messages, generation_schema=Person)["messages"]
    assert sent[0]["content"] == [{"type": "text", "text": 'Answer with JSON of this form: {"name": string}'}, *parts]
    assert parts == [{"type": "text", "text": "Hi"}]


def test_the_form_ends_a_system_message_that_is_there() -> None:
    sent = body(PROFILES["local"], system_prompt="Be kind.", generation_schema=Person)["messages"]
    assert sent == [
        {"role": "system", "content": 'Be kind.\n\nAnswer with JSON of this form: {"name": string}'},
        {"role": "user", "content": "Hi"},
    ]


def test_a_prefill_is_the_last_assistant_message_and_joins_one_that_is_there() -> None:
    sent = body(PROFILES["local"], prefilling="Sure")
    assert sent["messages"][-1] == {"role": "assistant", "content": "Sure"}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well. "}]
    assert body(PROFILES["local"], messages, prefilling="Sure")["messages"][1:] == [
        {"role": "assistant", "content": "Well. Sure"}
    ]


@pytest.mark.parametrize("blank", [None, "", "  \n"])
def test_a_blank_prefill_is_none(blank: str | None) -> None:
    assert len(body(COMPATIBLE, prefilling=blank)["messages"]) == 1


def test_a_prefill_that_a_provider_would_not_continue_is_refused_before_sending() -> None:
    with pytest.raises(PrefillError, match="openai"):
        body(PROFILES["openai"], prefilling="Sure")


def test_a_prefill_that_cannot_begin_the_structure_is_refused() -> None:
    with pytest.raises(PrefillError, match="Person"):
        body(PROFILES["local"], prefilling="Sure!", generation_schema=Person)
    sent = body(PROFILES["local"], prefilling=' {"name": "', generation_schema=Person)
    assert sent["messages"][-1]["content"] == '{"name": "'


def test_an_image_for_a_model_that_takes_text_only_is_refused_with_those_that_take_one() -> None:
    messages = [{"role": "user", "content": [PICTURE]}]
    with pytest.raises(MediaError, match=r"local/m takes text only.*messages\[0\] holds an image.*vision models"):
        body(PROFILES["local"], messages)
    assert body(override(PROFILES["local"], {"modalities": ["text", "image"]}), messages)["messages"] == messages


@pytest.mark.parametrize("messages", [[], ["Hi"], [{"content": "Hi"}], [None]])
def test_what_is_no_message_is_refused(messages: Any) -> None:
    with pytest.raises(BadRequestError, match="message"):
        body(messages=messages)


def test_a_text_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(BadRequestError, match="JSON"):
        body(messages="\ud800")


def test_extra_fields_are_sent_and_win() -> None:
    assert body(options={"temperature": 1}, extra_body={"temperature": 2, "top_k": 3}) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 2,
        "top_k": 3,
    }
