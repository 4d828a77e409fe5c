"""A third party's server: llmock speaks several providers' dialects, fails on demand, and checks its client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from llmock.pytest_plugin import LLMock
from llmock.testing import LLMockServer

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from tests.models.test_chat import Call, both
from tests.models.test_endings import quick
from tests.moments import LONG, quickly

TEXT = "The quick brown fox jumps over the lazy dog, and then it rests for a while."
NAMES = {
    "openai": "openai/gpt-4.1-nano",
    "groq": "groq/openai/gpt-oss-20b",
    "mistral": "mistral/mistral-small-latest",
    "together": "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "xai": "xai/grok-4.3",
}
every_dialect = pytest.mark.parametrize("provider", NAMES)
whole_and_streamed = pytest.mark.parametrize("streamed", [False, True])


class Person(msgspec.Struct):
    name: str
    age: int


def get_weather(city: str) -> str:
    """Say what the weather in a city is like."""
    return f"4 °C in {city}"


@pytest.fixture(scope="module")
def server() -> Iterator[LLMockServer]:
    with LLMockServer() as running:
        yield running


@pytest.fixture
def llmock(server: LLMockServer, monkeypatch: pytest.MonkeyPatch) -> LLMock:
    monkeypatch.setattr(server_quirks, "_known", {})
    return LLMock(server).reset()


def model(llmock: LLMock, provider: str = "openai", **options: Any) -> mf.ChatCompletion:
    asked = {"wire": "chat", **options}  # the wire that it speaks for each provider
    return mf.Model.chat_completion(
        NAMES[provider], base_url=llmock.base_url(provider), api_key="sk-of-nobody-0123456789", **asked
    )


# Answers


@both
@every_dialect
@whole_and_streamed
def test_a_text_comes_back_from_every_dialect(call: Call, provider: str, streamed: bool, llmock: LLMock) -> None:
    llmock.reply(TEXT)
    value, response = call(model(llmock, provider), "Hi", stream=streamed)
    assert value == TEXT
    assert response.metadata.finish_reason == "stop"
    assert response.metadata.attempts == 1
    assert streamed or response.metadata.usage.total_tokens > 0
    llmock.assert_resilient(strict=True)


@every_dialect
def test_a_stream_comes_in_pieces(provider: str, llmock: LLMock) -> None:
    llmock.reply(TEXT)
    pieces = list(model(llmock, provider)("Hi", stream=True))
    assert "".join(pieces) == TEXT
    assert len(pieces) > 3


@both
@every_dialect
@whole_and_streamed
def test_a_tool_is_called_in_every_dialect(call: Call, provider: str, streamed: bool, llmock: LLMock) -> None:
    llmock.call_tool("get_weather", {"city": "Oslo"})
    value, response = call(model(llmock, provider), "Weather?", tool_schemas=[get_weather], stream=streamed)
    assert [(one.name, one.arguments) for one in value.get_calls()] == [("get_weather", {"city": "Oslo"})]
    assert response.metadata.finish_reason == "tool_calls"


@every_dialect
def test_tools_run_until_the_answer_comes(provider: str, llmock: LLMock) -> None:
    llmock.call_tool("get_weather", {"city": "Oslo"}).reply(TEXT)
    final = mf.run_tools(model(llmock, provider), "Weather?", tools=[get_weather])
    assert final.text == TEXT
    assert "4 °C in Oslo" in str(llmock.last_request.body)
    llmock.assert_resilient(strict=True)


@both
@whole_and_streamed
def test_a_structure_is_an_instance(call: Call, streamed: bool, llmock: LLMock) -> None:
    value, response = call(model(llmock), "Who?", generation_schema=Person, stream=streamed)
    assert isinstance(value, Person)
    assert response.metadata.schema_method == "json_schema"


@both
@whole_and_streamed
def test_a_structure_that_does_not_fit_is_asked_for_again(call: Call, streamed: bool, llmock: LLMock) -> None:
    llmock.reply('{"name": "Ada", "age": "old"}').reply('{"name": "Ada", "age": 36}')
    value, response = call(model(llmock), "Who?", generation_schema=Person, stream=streamed)
    assert (value, response.metadata.attempts) == (Person("Ada", 36), 2)


# Errors


@both
@whole_and_streamed
def test_a_rate_limit_is_waited_out_as_long_as_it_asks(call: Call, streamed: bool, llmock: LLMock) -> None:
    llmock.rate_limit(times=2, retry_after=0.1).reply(TEXT)
    value, response = call(model(llmock), "Hi", stream=streamed)
    assert (value, response.metadata.attempts) == (TEXT, 3)
    llmock.assert_resilient(strict=True)


@both
@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(call: Call, status: int, llmock: LLMock) -> None:
    llmock.fail(status, retry_after=0.01).reply(TEXT)
    assert call(model(llmock), "Hi")[0] == TEXT
    llmock.assert_resilient(strict=True)


@both
@whole_and_streamed
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, mf.BadRequestError),
        (401, mf.AuthenticationError),
        (403, mf.PermissionDeniedError),
        (404, mf.NotFoundError),
        (422, mf.BadRequestError),
    ],
)
def test_what_will_not_pass_is_an_error_at_once(
    call: Call, streamed: bool, status: int, kind: type, llmock: LLMock
) -> None:
    llmock.fail(status)
    with pytest.raises(kind) as caught:
        call(model(llmock), "Hi", stream=streamed)
    assert caught.value.attempts == len(llmock.requests) == 1
    llmock.assert_resilient(strict=True)


@both
def test_an_outage_ends_in_an_error_after_the_last_retry(call: Call, llmock: LLMock) -> None:
    llmock.outage()
    with pytest.raises(mf.ServerError) as caught:
        call(model(llmock, max_retries=1), "Hi")
    assert caught.value.attempts == len(llmock.requests) == 2
    llmock.assert_resilient(strict=True)


@both
@every_dialect
def test_messages_that_are_too_long_are_their_own_error(call: Call, provider: str, llmock: LLMock) -> None:
    llmock.context_overflow()
    with pytest.raises(mf.ContextLengthError):
        call(model(llmock, provider), "Hi")
    llmock.assert_resilient(strict=True)


@both
def test_a_real_context_limit_is_the_same_error(call: Call, llmock: LLMock) -> None:
    llmock.limits(context_window=120)
    with pytest.raises(mf.ContextLengthError) as caught:
        call(model(llmock), "word " * 500)
    assert caught.value.context_tokens == 120


# Faults in the middle of a stream


@both
@pytest.mark.parametrize("fault", ["truncate", "disconnect"])
def test_a_stream_that_breaks_off_is_an_error_and_what_came_is_kept(call: Call, fault: str, llmock: LLMock) -> None:
    llmock.reply(TEXT)
    getattr(llmock, fault)(after_chunks=4)
    with pytest.raises(mf.StreamInterruptedError) as caught:
        call(model(llmock), "Hi", stream=True)
    assert caught.value.snapshot.text
    assert TEXT.startswith(caught.value.snapshot.text)
    assert caught.value.attempts == len(llmock.requests) == 1
    # Text was shown, so it is the caller who asks again; then nothing is left to blame.
    llmock.reply(TEXT)
    assert call(model(llmock), "Hi", stream=True)[0] == TEXT
    llmock.assert_resilient(strict=True)


@both
@pytest.mark.parametrize("fault", ["truncate", "disconnect"])
def test_a_stream_that_breaks_off_before_its_first_word_is_asked_for_again(
    call: Call, fault: str, llmock: LLMock
) -> None:
    llmock.reply(TEXT, times=2)
    getattr(llmock, fault)(after_chunks=1)
    value, response = call(model(llmock), "Hi", stream=True)
    assert value == TEXT
    assert response.metadata.attempts == 2
    llmock.assert_resilient(strict=True)


@both
def test_a_chunk_that_is_not_json_is_an_error_instead_of_a_gap_in_the_text(call: Call, llmock: LLMock) -> None:
    llmock.reply(TEXT).corrupt(after_chunks=4)
    with pytest.raises(mf.MsgfluxError) as caught:
        call(model(llmock), "Hi", stream=True)
    assert TEXT.startswith(caught.value.snapshot.text)
    assert len(llmock.requests) == 1


@both
def test_a_stream_that_falls_silent_is_left_in_time(call: Call, llmock: LLMock) -> None:
    llmock.reply(TEXT).stall(after_chunks=4, seconds=LONG)
    with quickly(), pytest.raises(mf.StalledStreamError) as caught:
        call(model(llmock, timeout=mf.Timeout(between=0.3)), "Hi", stream=True)
    assert TEXT.startswith(caught.value.snapshot.text)


@both
def test_a_first_word_that_takes_too_long_is_not_waited_for(call: Call, llmock: LLMock) -> None:
    llmock.reply(TEXT).slow_first_token(LONG)
    with pytest.raises(mf.RequestTimeoutError):
        call(model(llmock, timeout=mf.Timeout(first=0.3), max_retries=0), "Hi", stream=True)
    llmock.reset().reply(TEXT).slow_first_token(0.2)
    _, response = call(model(llmock), "Hi", stream=True)
    assert response.metadata.seconds_to_first_token > 0.15


@both
def test_a_whole_answer_that_takes_too_long_is_not_waited_for(call: Call, llmock: LLMock) -> None:
    llmock.reply(TEXT).delay(LONG)
    with quickly(), pytest.raises(mf.RequestTimeoutError):
        call(model(llmock, timeout=0.3, max_retries=0), "Hi")


def test_text_is_there_while_the_rest_is_still_written(llmock: LLMock) -> None:
    llmock.reply(TEXT).pace(30)
    arrivals = [time.monotonic() for _ in model(llmock)("Hi", stream=True)]
    assert arrivals[-1] - arrivals[0] > 0.1


# Broken calls


@both
@whole_and_streamed
def test_a_call_whose_arguments_are_not_json_is_not_executed(call: Call, streamed: bool, llmock: LLMock) -> None:
    llmock.call_tool("get_weather", {"city": "Oslo"}).break_tool_call("malformed_arguments")
    value, response = call(model(llmock), "Weather?", tool_schemas=[get_weather], stream=streamed)
    assert value.get_calls() == []
    assert [(one.name, one.arguments) for one in response.tool_calls] == [("get_weather", None)]
    assert value.states[0].error


def test_a_call_of_an_unknown_tool_is_answered_with_an_error_and_the_model_goes_on(llmock: LLMock) -> None:
    llmock.call_tool("get_weather", {"city": "Oslo"}).break_tool_call("unknown_tool").reply(TEXT)
    final = mf.run_tools(model(llmock), "Weather?", tools=[get_weather])
    assert final.text == TEXT
    assert "4 °C" not in str(llmock.last_request.body)


# Wires


ON_A_WIRE = {"responses": ("openai", "openai/gpt-5"), "messages": ("anthropic", "anthropic/claude-sonnet-4-5")}


def model_on(llmock: LLMock, wire: str) -> mf.ChatCompletion:
    place, name = ON_A_WIRE[wire]
    return mf.Model.chat_completion(
        name, base_url=f"{llmock.base_url(place).removesuffix('/v1')}/v1", api_key="sk-of-nobody-0123456789"
    )


@both
@pytest.mark.parametrize("wire", ON_A_WIRE)
@whole_and_streamed
def test_a_text_comes_back_on_every_wire(call: Call, wire: str, streamed: bool, llmock: LLMock) -> None:
    llmock.reply(TEXT)
    value, response = call(model_on(llmock, wire), "Hi", stream=streamed)
    assert value == TEXT
    assert (response.metadata.wire, response.metadata.finish_reason, response.metadata.attempts) == (wire, "stop", 1)
    assert response.metadata.usage.total_tokens > 0


@both
@pytest.mark.parametrize("wire", ON_A_WIRE)
@whole_and_streamed
def test_an_error_of_the_moment_is_tried_again_on_every_wire(
    call: Call, wire: str, streamed: bool, llmock: LLMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msgflux_nb.models.exchange.retry_delay", quick)
    llmock.fail(503)
    llmock.reply(TEXT)
    value, response = call(model_on(llmock, wire), "Hi", stream=streamed)
    assert (value, response.metadata.attempts) == (TEXT, 2)
