"""The behaviour of every model on each wire: the embedded model, llama.cpp's server, hosted profiles."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.http.limits import Timeout
from msgflux_nb.local.server import ensure_server
from msgflux_nb.protocol.events import TextDelta, ToolCallDelta
from tests.models.hosted import ANSWER, hosting
from tests.thorough import few

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
ASKED = "What is the weather in Paris in C?"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8Dw"
    "HwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
TEXT = "Maria Silva, 34, lives in Lisbon."
MOST_TOKENS = 48  # each answer that is compared fits; a list of colours would go on


class Person(msgspec.Struct):
    name: str
    age: int
    city: str


def embedded() -> Iterator[mf.ChatCompletion]:
    yield mf.Model.chat_completion(temperature=0, max_tokens=MOST_TOKENS)


def llamacpp() -> Iterator[mf.ChatCompletion]:
    """The same llama.cpp, but as somebody's server: over HTTP, with its address and key."""
    server = ensure_server("smollm2-135m")
    forced = {"forced_call": {"prefill": "<tool_call>\n", "stop": "</tool_call>"}}
    yield mf.Model.chat_completion(
        "llamacpp/any",
        base_url=server.base_url,
        api_key=server.key,
        temperature=0,
        max_tokens=MOST_TOKENS,
        profile=forced,
    )


def embedded_on(wire: Any) -> Any:
    """The smaller embedded model on another wire, which llama.cpp's server speaks too."""

    def world() -> Iterator[mf.ChatCompletion]:
        yield mf.Model.chat_completion("local/smollm2-135m", temperature=0, max_tokens=MOST_TOKENS, wire=wire)

    return world


def hosted(name: str, *, echoes: bool = False, options: dict[str, Any] | None = None, **profile: Any) -> Any:
    def world() -> Iterator[mf.ChatCompletion]:
        with hosting(echoes=echoes) as server:
            given = {"base_url": server.url, "api_key": "some-key", "profile": profile, "max_retries": 0}
            yield mf.Model.chat_completion(name, **given, **(options or {}))

    return world


WORLDS = {
    "embedded": embedded,
    "llamacpp": llamacpp,
    "vllm": hosted("vllm/qwen"),
    "mistral": hosted("mistral/mistral-small-latest", echoes=True),
    "groq": hosted("groq/llama-3.3-70b-versatile"),
    "unknown, echoes": hosted("anything", echoes=True, prefill="continue"),
    "embedded, responses": embedded_on("responses"),
    "embedded, messages": embedded_on("messages"),
    # OpenAI does not continue a prefill, so it is asked for in words.
    "responses": hosted("openai/gpt-5", options={"prefill_mode": "emulate"}),
    "messages": hosted("anthropic/claude-sonnet-4-5"),
}
LOCAL = ("embedded", "llamacpp", "embedded, responses", "embedded, messages")
HOSTED = [name for name in WORLDS if name not in LOCAL]


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.local if name in LOCAL else ()) for name in WORLDS],
)
def model(request: pytest.FixtureRequest) -> Iterator[mf.ChatCompletion]:
    yield from WORLDS[request.param]()


@pytest.fixture(scope="module", params=HOSTED)
def hosted_model(request: pytest.FixtureRequest) -> Iterator[mf.ChatCompletion]:
    """Return a model whose server does what the request asks for."""
    yield from WORLDS[request.param]()


def ask(model: mf.ChatCompletion, driver: str, *args: Any, **keywords: Any) -> tuple[Any, Any, list[Any]]:
    """Return the value, the response and the events of a call that is made in one of four ways."""
    streamed = driver.endswith("stream")

    async def main() -> tuple[Any, Any, list[Any]]:
        response = await model.acall(*args, stream=streamed, **keywords)
        events = [event async for event in response.events()] if streamed else []
        return (await response.consume() if streamed else response.consume()), response, events

    if driver.startswith("async"):
        return asyncio.run(main())
    response = model(*args, stream=streamed, **keywords)
    events = list(response.events()) if streamed else []
    return response.consume(), response, events


drivers = pytest.mark.parametrize("driver", few(["whole", "stream", "async", "async stream"], 2))


@drivers
def test_a_text_comes_whole_and_in_pieces(model: mf.ChatCompletion, driver: str) -> None:
    value, response, events = ask(model, driver, "What is the capital of France?")
    assert "Paris" in value
    assert response.text == value
    assert response.metadata.finish_reason == "stop"
    assert response.metadata.usage.completion_tokens > 0
    assert response.metadata.attempts == 1
    [turn] = response.to_messages()
    assert (turn["role"], turn["content"]) == ("assistant", value)
    if driver.endswith("stream"):
        pieces = [event.text for event in events if isinstance(event, TextDelta)]
        assert len(pieces) > 2
        assert "".join(pieces) == value
        assert response.metadata.seconds_to_first_token is not None


@drivers
def test_a_prefill_stands_in_the_answer_exactly_once(model: mf.ChatCompletion, driver: str) -> None:
    value, response, _ = ask(model, driver, "Name three colours.", prefilling="Sure! 1. Red")
    assert value.startswith("Sure! 1. Red")
    assert value.count("Sure! 1. Red") == 1
    assert response.continuation == value.removeprefix("Sure! 1. Red") != ""


@drivers
def test_a_structure_is_an_instance(model: mf.ChatCompletion, driver: str) -> None:
    value, response, _ = ask(model, driver, TEXT, generation_schema=Person)
    assert value == Person("Maria Silva", 34, "Lisbon")
    streamed_groq = response.metadata.provider == "groq" and driver.endswith("stream")
    assert response.metadata.schema_method == ("tool" if streamed_groq else "json_schema")


@drivers
def test_a_prefilled_structure_decodes(model: mf.ChatCompletion, driver: str) -> None:
    value, response, _ = ask(model, driver, TEXT, generation_schema=Person, prefilling='{"name": "Maria Silva", "')
    assert value == Person("Maria Silva", 34, "Lisbon")
    assert response.text.startswith('{"name": "Maria Silva", "')


@drivers
def test_a_forced_call_comes_in_fragments_and_whole(model: mf.ChatCompletion, driver: str) -> None:
    value, response, events = ask(model, driver, ASKED, tool_schemas=[WEATHER], tool_choice="get_weather")
    assert isinstance(value, mf.ToolCallAggregator)
    assert [(call.name, call.arguments) for call in value.get_calls(strict=True)] == [
        ("get_weather", {"city": "Paris", "unit": "C"})
    ]
    assert response.response_type == "tool_call"
    if driver.endswith("stream"):
        fragments = [event for event in events if isinstance(event, ToolCallDelta) and event.arguments]
        assert len(fragments) > 3
        assert "".join(event.arguments for event in fragments) == value.states[0].raw
    value.insert_results({value.get_calls()[0].id: "18 C"})
    assert [message["role"] for message in response.to_messages()] == ["assistant", "tool"]


@drivers
def test_messages_that_do_not_fit_say_both_numbers(model: mf.ChatCompletion, driver: str) -> None:
    with pytest.raises(mf.ContextLengthError) as caught:
        ask(model, driver, "word " * 6_000)
    assert caught.value.context_tokens == 4_096
    assert caught.value.prompt_tokens > 4_096
    assert caught.value.attempts == 1


@drivers
def test_a_prefill_that_no_structure_begins_with_sends_nothing(model: mf.ChatCompletion, driver: str) -> None:
    with pytest.raises(mf.PrefillError, match="begin"):
        ask(model, driver, TEXT, generation_schema=Person, prefilling="Sure!")


@drivers
def test_a_structure_grows_while_it_arrives(model: mf.ChatCompletion, driver: str) -> None:
    if not driver.endswith("stream"):
        return

    async def main() -> list[Any]:
        stream = await model.acall(TEXT, generation_schema=Person, stream=True)
        return [partial async for partial in stream.partials()]

    partials = asyncio.run(main()) if driver.startswith("async") else None
    partials = partials or list(model(TEXT, generation_schema=Person, stream=True).partials())
    assert partials[-1] == Person("Maria Silva", 34, "Lisbon")
    assert len(partials) > 2
    assert partials[0].city is None


# -- what a small model does not do when it is asked ------------------------------------------------------------


@drivers
def test_calls_come_side_by_side_and_their_results_go_back(hosted_model: mf.ChatCompletion, driver: str) -> None:
    asked = "What is the weather in Paris and in Rome in C?"
    value, response, _ = ask(hosted_model, driver, asked, tool_schemas=[WEATHER], tool_choice="required")
    calls = value.get_calls(strict=True)
    assert [call.arguments["city"] for call in calls] == ["Paris", "Rome"]
    assert len({call.id for call in calls}) == 2
    value.insert_results({call.id: f"18 C in {call.arguments['city']}" for call in calls})
    turns = [{"role": "user", "content": asked}, *response.to_messages()]
    text, _, _ = ask(hosted_model, driver, turns, tool_schemas=[WEATHER])
    assert text == "It is 18 C."


@drivers
def test_an_image_is_seen(hosted_model: mf.ChatCompletion, driver: str) -> None:
    pixel = {"type": "image_url", "image_url": {"url": PIXEL}}
    if "image" not in hosted_model.profile.modalities:
        with pytest.raises(mf.MediaError):
            ask(hosted_model, driver, [mf.ChatBlock.user("What is it?", media=[pixel])])
        return
    text, _, _ = ask(hosted_model, driver, [mf.ChatBlock.user("What is it?", media=[pixel])])
    assert text == "I see an image."


@drivers
def test_a_refused_key_is_an_error_of_the_account(hosted_model: mf.ChatCompletion, driver: str) -> None:
    with pytest.raises(mf.AuthenticationError, match="That key is unknown") as caught:
        ask(hosted_model, driver, "Refuse the key.")
    assert (caught.value.status, caught.value.attempts) == (401, 1)


@pytest.mark.parametrize("driver", ["stream", "async stream"])
def test_a_stream_that_breaks_off_says_so_and_keeps_what_came(hosted_model: mf.ChatCompletion, driver: str) -> None:
    with pytest.raises((mf.StreamInterruptedError, mf.ConnectionFailedError)) as caught:
        ask(hosted_model, driver, "Break off.")
    assert ANSWER.startswith(caught.value.snapshot.text)
    assert caught.value.snapshot.text


def test_a_stream_can_be_cancelled(hosted_model: mf.ChatCompletion) -> None:
    stream = hosted_model("Wait.", stream=True)
    texts = iter(stream)
    first = next(texts)
    stream.cancel()
    assert ANSWER.startswith(first + "".join(texts))
    with pytest.raises(mf.StreamInterruptedError, match="cancelled"):
        stream.consume()


def test_a_stream_that_stalls_ends_at_its_limit(hosted_model: mf.ChatCompletion) -> None:
    wire = hosted_model.profile.wire
    name = {"responses": "openai/gpt-5", "messages": "anthropic/claude-sonnet-4-5", "chat": "vllm/qwen"}[wire]
    with hosting() as server:
        limited = {"timeout": Timeout(between=0.2), "max_retries": 0}
        model = mf.Model.chat_completion(name, base_url=server.url, api_key="some-key", **limited)
        with pytest.raises(mf.RequestTimeoutError, match="stayed open"):
            model("Wait.", stream=True).consume()
