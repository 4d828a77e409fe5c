"""Unusable answers: an answer that does not fit its schema is sent back once, a stopped answer is not."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from tests.models.test_chat import Call, both, call_sync, model_at
from tests.scripted import Reply, chunk, completion, error, serving, stream

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7}}\n\n'


class Offer(msgspec.Struct, forbid_unknown_fields=True):
    """A type with limits of every kind, which servers do not enforce."""

    price: Annotated[float, Meta(ge=0, lt=100)] = 1.0
    amount: Annotated[int, Meta(multiple_of=5)] = 5
    code: Annotated[str, Meta(pattern="^[A-Z]+$", max_length=4)] = "A"
    lines: Annotated[list[int], Meta(min_length=1)] = msgspec.field(default_factory=lambda: [1])


GOOD = '{"price": 2.5, "amount": 10, "code": "AB", "lines": [1, 2]}'


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def reply(text: str, streamed: bool) -> Reply:
    return stream(text, chunk(reason="stop"), USAGE) if streamed else completion(text)


def offer(**changes: Any) -> str:
    return json.dumps({**json.loads(GOOD), **changes})


BAD = [
    (offer(amount=7), "$.amount"),
    (offer(price=-0.5), "$.price"),
    (offer(price=100.0), "$.price"),
    (offer(code="ab"), "$.code"),
    (offer(code="ABCDE"), "$.code"),
    (offer(lines=[]), "$.lines"),
    (offer(lines=[1, "x"]), "$.lines[1]"),
    (offer(extra=1), "$"),
    ("not json at all", "$"),
]


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("text", "path"), BAD)
def test_an_answer_that_breaks_a_limit_goes_back_once_with_the_place(
    call: Call, streamed: bool, text: str, path: str
) -> None:
    with serving(reply(text, streamed), reply(GOOD, streamed)) as server:
        value, response = call(model_at(server.url), "Hi", generation_schema=Offer, stream=streamed)
        first, second = (body["messages"] for body in server.bodies)
    assert value == Offer(2.5, 10, "AB", [1, 2])
    assert second[: len(first)] == first
    assert second[len(first)] == {"role": "assistant", "content": text}
    assert second[len(first) + 1]["role"] == "user"
    assert path == "$" or f"`{path}`" in second[len(first) + 1]["content"]
    assert response.metadata.attempts == 2
    assert response.metadata.usage.total_tokens == 14


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("text", "path"), BAD)
def test_what_fails_twice_is_an_error_with_the_place_the_text_and_the_bill(
    call: Call, streamed: bool, text: str, path: str
) -> None:
    with serving(reply("no", streamed), reply(text, streamed)) as server:
        with pytest.raises(mf.ValidationFailedError) as caught:
            call(model_at(server.url), "Hi", generation_schema=Offer, stream=streamed)
        assert len(server.bodies) == 2
    assert (caught.value.path, caught.value.raw) == (path, text)
    assert caught.value.attempts == 2
    assert caught.value.usage.total_tokens == 14
    assert caught.value.snapshot.text == text


def test_an_item_that_is_twice_in_a_set_is_dropped() -> None:
    with serving(completion('{"value": ["a", "a", "b"]}')) as server:
        assert model_at(server.url)("Hi", generation_schema=set[str]).consume() == {"a", "b"}
        assert len(server.bodies) == 1


@both
@pytest.mark.parametrize("reasks", [0, 1, 3])
def test_how_often_an_answer_goes_back_is_the_profiles_to_say(call: Call, reasks: int) -> None:
    with serving(completion("no")) as server:
        with pytest.raises(mf.ValidationFailedError) as caught:
            call(model_at(server.url, profile={"reasks": reasks}), "Hi", generation_schema=Offer)
        assert len(server.bodies) == caught.value.attempts == reasks + 1


@both
def test_at_most_two_thousand_characters_go_back(call: Call) -> None:
    with serving(completion("x" * 50_000), completion(GOOD)) as server:
        call(model_at(server.url), "Hi", generation_schema=Offer)
        assert len(server.bodies[1]["messages"][1]["content"]) == 2_000
        assert len(json.dumps(server.bodies[1]["messages"])) < 5_000


@pytest.mark.parametrize("shown", [False, True])
def test_the_form_is_described_with_the_error_exactly_once(shown: bool) -> None:
    with serving(completion("no"), completion(GOOD)) as server:
        model_at(server.url, profile={"schema_in_prompt": shown})("Hi", generation_schema=Offer)
        assert json.dumps(server.bodies[1]).count("JSON of this form") == 1


def test_a_system_prompt_and_a_prefill_are_not_sent_twice() -> None:
    profile = {"prefill": "continue", "echo": False}
    with serving(completion(' "x"}'), completion(GOOD)) as server:
        model = model_at(server.url, profile=profile)
        answer = model("Hi", system_prompt="Be exact.", prefilling='{"price":', generation_schema=Offer)
        assert [message["role"] for message in server.bodies[1]["messages"]] == ["system", "user", "assistant", "user"]
        assert server.bodies[1]["messages"][2]["content"] == '{"price": "x"}'
    assert answer.consume() == Offer(2.5, 10, "AB", [1, 2])
    assert answer.text == GOOD


@both
def test_a_failing_second_request_leaves_the_first_error(call: Call) -> None:
    with serving(completion(offer(amount=7)), error(503, retry_after_ms="1")) as server:
        with pytest.raises(mf.ValidationFailedError) as caught:
            call(model_at(server.url, max_retries=1), "Hi", generation_schema=Offer)
        assert len(server.bodies) == caught.value.attempts == 3
    assert caught.value.path == "$.amount"
    assert caught.value.usage.total_tokens == 7


def test_a_reader_of_the_stream_sees_the_first_answer_only() -> None:
    with serving(reply(offer(amount=7), True), reply(GOOD, True)) as server:
        answer = model_at(server.url)("Hi", generation_schema=Offer, stream=True)
        assert "".join(answer) == answer.text == offer(amount=7)
        assert answer.metadata.usage.total_tokens == 7
        assert answer.metadata.finish_reason == "stop"
        assert len(server.bodies) == 1
        assert answer.consume() == Offer(2.5, 10, "AB", [1, 2])
        assert len(server.bodies) == 2
        assert answer.text == GOOD


@pytest.mark.parametrize("text", ["no", offer(amount=7)])
def test_the_last_part_is_what_consume_returns(text: str) -> None:
    with serving(reply(text, True), reply(GOOD, True)) as server:
        answer = model_at(server.url)("Hi", generation_schema=Offer, stream=True)
        assert list(answer.partials())[-1] == answer.consume() == Offer(2.5, 10, "AB", [1, 2])


def test_a_stream_that_is_cancelled_is_not_asked_again() -> None:
    with serving(reply("no", True)) as server:
        answer = model_at(server.url)("Hi", generation_schema=Offer, stream=True)
        for _ in answer:
            pass
        answer.cancel()
        with pytest.raises(mf.ValidationFailedError) as caught:
            answer.consume()
        assert len(server.bodies) == 1
    assert caught.value.raw == answer.text == "no"


# Groq's way of saying that an answer does not fit


def failed(raw: str, code: str = "json_validate_failed") -> Reply:
    said = {"message": "Generated JSON does not match the expected schema.", "code": code, "failed_generation": raw}
    return Reply([json.dumps({"error": said}).encode()], status=400)


@both
def test_a_failed_generation_is_an_answer_that_does_not_fit(call: Call) -> None:
    with serving(failed('{"amount": 7}'), completion(GOOD)) as server:
        value, response = call(model_at(server.url), "Hi", generation_schema=Offer)
        assert server.bodies[1]["messages"][1] == {"role": "assistant", "content": '{"amount": 7}'}
        assert server.bodies[1]["response_format"]["type"] == "json_schema"
    assert value == Offer(2.5, 10, "AB", [1, 2])
    assert response.metadata.attempts == 2


def test_a_generation_that_fails_at_the_end_of_its_stream_is_shown_and_asked_for_again_in_silence() -> None:
    said = {"message": "no fit", "code": "json_validate_failed", "failed_generation": '{"amount": 7}'}
    failing = stream('{"amount"', ": 7}", b"data: " + json.dumps({"error": said}).encode() + b"\n\n", done=False)
    with serving(failing, stream(GOOD)) as server:
        answer = model_at(server.url)("Hi", generation_schema=Offer, stream=True)
        assert list(answer) == ['{"amount"', ": 7}"]
        assert len(server.bodies) == 1
        assert answer.consume() == Offer(2.5, 10, "AB", [1, 2])
        assert server.bodies[1]["messages"][1] == {"role": "assistant", "content": '{"amount": 7}'}


@both
def test_a_generation_that_fails_every_time_is_a_validation_error_with_the_last_text(call: Call) -> None:
    profile = {"schema_methods": ["json_schema", "prompt"]}
    with serving(failed("one"), failed("two"), error(400, "enough")) as server:
        with pytest.raises(mf.ValidationFailedError) as caught:
            call(model_at(server.url, profile=profile), "Hi", generation_schema=Offer)
        assert len(server.bodies) == caught.value.attempts == 3
    assert caught.value.raw == "two"


def test_a_failed_call_of_the_callers_tool_is_the_servers_error() -> None:
    with serving(failed("<function=f>", code="tool_use_failed")) as server, pytest.raises(mf.BadRequestError) as caught:
        model_at(server.url)("Hi")
    assert caught.value.body["error"]["failed_generation"] == "<function=f>"


# Stopped answers are not sent back


def ending(reason: str, **delta: Any) -> Reply:
    return Reply([chunk(**delta), chunk(reason=reason), USAGE, b"data: [DONE]\n\n"])


STOPS = [
    (completion('{"price": 2', reason="length"), ending("length", text='{"price": 2'), mf.TruncatedError),
    (completion(None, refusal="No."), ending("stop", refusal="No."), mf.RefusedError),
    (completion(None, reason="content_filter"), ending("content_filter"), mf.FilteredError),
    (completion("", reasoning_content="hm"), ending("stop", reasoning_content="hm"), mf.EmptyOutputError),
    (
        completion("", reasoning_content="hm", reason="length"),
        ending("length", reasoning_content="hm"),
        mf.TruncatedError,
    ),
]


@both
@pytest.mark.parametrize(("whole", "streamed", "kind"), STOPS)
@pytest.mark.parametrize("stream_", [False, True])
def test_each_stop_is_its_own_error_with_its_usage_and_no_second_request(
    call: Call, whole: Reply, streamed: Reply, kind: type, stream_: bool
) -> None:
    with serving(streamed if stream_ else whole) as server:
        with pytest.raises(kind) as caught:
            call(model_at(server.url), "Hi", generation_schema=Offer, stream=stream_)
        assert len(server.bodies) == 1
    assert type(caught.value) is kind
    assert caught.value.usage.total_tokens == 7
    assert caught.value.attempts == 1


@pytest.mark.parametrize("stop", STOPS)
def test_an_answer_that_is_stopped_after_one_that_did_not_fit_says_so(stop: tuple[Reply, Reply, type]) -> None:
    with serving(completion("no"), stop[0]) as server:
        with pytest.raises(stop[2]) as caught:
            call_sync(model_at(server.url), "Hi", generation_schema=Offer)
        assert len(server.bodies) == caught.value.attempts == 2
    assert caught.value.usage.total_tokens == 14


def test_a_text_that_a_filter_cut_is_a_text() -> None:
    with serving(completion("Once", reason="content_filter")) as server:
        value, response = call_sync(model_at(server.url), "Hi")
    assert (value, response.metadata.finish_reason) == ("Once", "content_filter")
