"""Tests the request that is built from what a caller asks for."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from msgflux_nb.errors import BadRequestError, MediaError, PrefillError
from msgflux_nb.models.profiles import COMPATIBLE, PROFILES
from msgflux_nb.protocol.profile import Profile, Wire, override, with_probabilities
from msgflux_nb.protocol.request import build_request, schema_methods


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
def test_a_blank_prefill_counts_as_no_prefill(blank: str | None) -> None:
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
def test_a_value_that_is_not_a_message_is_refused(messages: Any) -> None:
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


def test_the_ways_to_ask_for_a_structure_depend_on_stream_tools_and_prefill() -> None:
    groq, deepseek = PROFILES["groq"], override(PROFILES["deepseek"], {"forced_tool_choice": False})
    assert schema_methods(groq) == ("json_schema", "tool", "json_object", "prompt")
    assert schema_methods(groq, stream=True) == ("tool", "prompt")
    assert schema_methods(groq, prefill=True) == ("json_schema", "json_object", "prompt")
    assert schema_methods(groq, prefill=True, stream=True) == ("prompt",)
    assert schema_methods(groq, tools=True) == ("prompt",)
    assert schema_methods(deepseek) == ("json_object", "prompt")
    assert schema_methods(override(groq, {"schema_methods": ["tool"]}), prefill=True) == ("prompt",)


def test_a_way_that_was_refused_is_passed_over_in_that_case_only() -> None:
    refused = {("json_schema", False, False, False), ("tool", False, False, False)}
    told: dict[str, Any] = {"model": "m", "profile": COMPATIBLE, "options": {}, "generation_schema": Person}
    request = build_request("Hi", refused=refused, **told)
    assert (request.schema_method, request.later_methods) == ("json_object", ("prompt",))
    assert request.way == ("json_object", False, False, False)
    assert build_request("Hi", refused=refused, stream=True, **told).schema_method == "json_schema"
    everything = {(method, False, False, False) for method in COMPATIBLE.schema_methods}
    assert build_request("Hi", refused=everything, **told).schema_method == "prompt"


def test_a_text_has_no_way_to_a_structure() -> None:
    request = build_request("Hi", model="m", profile=COMPATIBLE, options={})
    assert (request.way, request.schema_method, request.later_methods) == (None, None, ())


def test_a_blank_prefill_rules_no_way_out() -> None:
    sent = body(override(COMPATIBLE, {"schema_methods": ["tool"]}), prefilling=" ", generation_schema=Person)
    assert sent["tools"][0]["function"]["name"] == "Person"


def test_a_server_that_takes_no_strict_schema_is_told_so() -> None:
    sent = body(override(COMPATIBLE, {"strict_schemas": False}), generation_schema=Person)
    assert sent["response_format"]["json_schema"]["strict"] is False


def test_plain_history_leaves_out_even_the_providers_own_fields() -> None:
    turn = {"role": "assistant", "content": "Hi", "images": [], "_msgflux": {"provider": "openai", "model": "m"}}
    messages = [{"role": "user", "content": "Hi"}, turn]
    assert set(body(PROFILES["openai"], messages)["messages"][1]) == {"role", "content", "images"}
    assert set(body(PROFILES["openai"], messages, plain_history=True)["messages"][1]) == {"role", "content"}


@pytest.mark.parametrize(
    ("provider", "wanted", "asked"),
    [
        ("openai", None, {"logprobs": True, "top_logprobs": 20}),
        ("openai", 5, {"logprobs": True, "top_logprobs": 5}),
        ("xai", 20, {"logprobs": True, "top_logprobs": 8}),
        ("together", 20, {"logprobs": 5}),
        ("groq", 5, None),
        ("mistral", None, None),
    ],
)
def test_probabilities_are_asked_for_as_a_provider_gives_them(
    provider: str, wanted: int | None, asked: dict[str, Any] | None
) -> None:
    found = with_probabilities({"seed": 1}, PROFILES[provider], "chat", alternatives=wanted)
    assert found == (None if asked is None else {"seed": 1, **asked})


def test_probabilities_are_not_asked_for_on_a_wire_or_of_a_server_that_has_none() -> None:
    assert with_probabilities({}, PROFILES["openrouter"], "messages") is None
    assert with_probabilities({}, override(COMPATIBLE, {"top_logprobs": 0}), "chat") is None


@pytest.mark.parametrize(("wire", "name"), [("responses", "max_output_tokens"), ("messages", "max_tokens")])
def test_an_option_that_a_provider_renames_has_its_usual_name_on_the_other_wires(wire: Wire, name: str) -> None:
    profile = msgspec.structs.replace(PROFILES["openai"], option_names={"max_tokens": "max_new_tokens"})
    assert body(profile, options={"max_tokens": 9})["max_new_tokens"] == 9
    assert body(profile, options={"max_tokens": 9}, only_wire=wire)[name] == 9


def test_a_renamed_option_that_only_chat_completions_have_keeps_the_request_there() -> None:
    profile = msgspec.structs.replace(PROFILES["openai"], wire="responses", option_names={"seed": "random_seed"})
    assert body(profile, options={"seed": 3})["random_seed"] == 3
    with pytest.raises(BadRequestError, match="seed= does not exist on the Responses wire"):
        body(profile, options={"seed": 3}, only_wire="responses")
