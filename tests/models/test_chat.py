"""Calls over real HTTP, sync and async: each behaviour is tested with both drivers."""

from __future__ import annotations

import asyncio
import copy
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from tests.moments import quickly
from tests.scripted import Reply, chunk, completion, error, serving, stream


class Person(msgspec.Struct):
    name: str
    age: int


def model_at(url: str, **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion("scripted", base_url=url, **options)


def call_sync(model: mf.ChatCompletion, messages: Any, **keywords: Any) -> Any:
    response = model(messages, **keywords)
    return response.consume(), response


def call_async(model: mf.ChatCompletion, messages: Any, **keywords: Any) -> Any:
    async def main() -> Any:
        response = await model.acall(messages, **keywords)
        return (await response.consume() if keywords.get("stream") else response.consume()), response

    return asyncio.run(main())


both = pytest.mark.parametrize("call", [call_sync, call_async], ids=["sync", "async"])
Call = Callable[..., Any]


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_text_comes_back_with_its_usage(call: Call, streamed: bool) -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7}}\n\n'
    reply = stream("Hel", "lo", chunk(reason="stop"), usage) if streamed else completion("Hello")
    with serving(reply) as server:
        value, response = call(model_at(server.url), "Hi", stream=streamed)
    assert value == "Hello"
    assert response.response_type == "text_generation"
    assert response.metadata.usage.total_tokens == 7
    assert response.metadata.finish_reason == "stop"
    assert response.metadata.attempts == 1
    assert (response.metadata.seconds_to_first_token is not None) is streamed
    assert response.to_messages() == [{"role": "assistant", "content": "Hello"}]


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_structure_comes_back_as_an_instance(call: Call, streamed: bool) -> None:
    reply = stream('{"name": "Ada", ', '"age": 36}') if streamed else completion('{"name": "Ada", "age": 36}')
    with serving(reply) as server:
        value, response = call(model_at(server.url), "Hi", stream=streamed, generation_schema=Person)
        assert server.bodies[0]["response_format"]["json_schema"]["name"] == "Person"
    assert value == Person("Ada", 36)
    assert response.response_type == "structured"
    assert response.metadata.schema_method == "json_schema"


@both
def test_the_callers_messages_are_never_changed(call: Call) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    before = copy.deepcopy(messages)
    with serving(completion('{"name": "Ada", "age": 36}')) as server:
        model = model_at(server.url, profile={"prefill": "continue", "schema_in_prompt": True})
        call(model, messages, system_prompt="Be kind.", generation_schema=Person)
        call(model_at(server.url, profile={"prefill": "continue"}), messages, prefilling="Sure")
    assert messages == before


@both
def test_the_model_keeps_nothing_between_calls(call: Call) -> None:
    with serving(completion("one"), completion("two")) as server:
        model = model_at(server.url)
        call(model, "first", system_prompt="Be kind.")
        call(model, "second")
        assert server.bodies[1]["messages"] == [{"role": "user", "content": "second"}]


@both
def test_zero_and_empty_options_reach_the_wire(call: Call) -> None:
    with serving(completion()) as server:
        call(model_at(server.url, temperature=0.0, top_p=0, stop="", seed=0), "Hi")
        assert {k: server.bodies[0][k] for k in ("temperature", "top_p", "stop", "seed")} == {
            "temperature": 0.0,
            "top_p": 0,
            "stop": "",
            "seed": 0,
        }


@both
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, mf.BadRequestError),
        (401, mf.AuthenticationError),
        (403, mf.PermissionDeniedError),
        (404, mf.NotFoundError),
        (413, mf.BadRequestError),
        (422, mf.BadRequestError),
        (307, mf.NotAnApiError),
    ],
)
def test_an_error_status_is_its_own_exception_and_not_sent_again(call: Call, status: int, kind: type) -> None:
    with serving(error(status, "because", Location="http://elsewhere.invalid/")) as server:
        with pytest.raises(kind) as caught:
            call(model_at(server.url), "Hi")
        assert len(server.bodies) == 1
    assert caught.value.attempts == 1


@both
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_a_failure_that_may_pass_is_tried_again(call: Call, status: int) -> None:
    with serving(error(status, retry_after_ms="1"), completion("at last")) as server:
        value, response = call(model_at(server.url), "Hi")
        assert len(server.bodies) == 2
    assert value == "at last"
    assert response.metadata.attempts == 2


@both
def test_after_the_last_retry_the_error_says_how_often_it_was_sent(call: Call) -> None:
    with serving(error(503, retry_after_ms="1")) as server:
        with pytest.raises(mf.ServerError) as caught:
            call(model_at(server.url, max_retries=3), "Hi")
        assert len(server.bodies) == 4
    assert caught.value.attempts == 4


@both
def test_nothing_is_sent_again_once_text_was_shown(call: Call) -> None:
    broken = b'data: {"error":{"code":502,"message":"gone"}}\n\n'
    with serving(stream("Hel", broken, done=False)) as server:
        with pytest.raises(mf.ServerError) as caught:
            call(model_at(server.url), "Hi", stream=True)
        assert len(server.bodies) == 1
    assert caught.value.snapshot.text == "Hel"


@both
def test_nothing_is_sent_again_after_text_that_followed_an_empty_chunk(call: Call) -> None:
    broken = b'data: {"error":{"code":502,"message":"gone"}}\n\n'
    with serving(stream(chunk(role="assistant"), "Hel", 0.05, broken, done=False)) as server:
        with pytest.raises(mf.ServerError):
            call(model_at(server.url), "Hi", stream=True)
        assert len(server.bodies) == 1


@both
def test_an_error_in_a_stream_before_any_text_is_tried_again(call: Call) -> None:
    broken = b'event: error\ndata: {"error":{"type":"overloaded_error","message":"busy"}}\n\n'
    with serving(stream(chunk(), broken, done=False), stream("fine")) as server:
        assert call(model_at(server.url), "Hi", stream=True)[0] == "fine"


@both
def test_a_stream_that_is_cut_is_interrupted_and_keeps_its_text(call: Call) -> None:
    with serving(stream("Hel", done=False, cut=True)) as server, pytest.raises(mf.StreamInterruptedError) as caught:
        call(model_at(server.url), "Hi", stream=True)
    assert caught.value.snapshot.text == "Hel"


@both
def test_a_json_answer_to_a_stream_is_the_answer(call: Call) -> None:
    with serving(completion("Hello")) as server:
        assert call(model_at(server.url), "Hi", stream=True)[0] == "Hello"


@both
def test_a_web_page_is_not_an_api(call: Call) -> None:
    page = Reply([b"<html><title>Sign in</title></html>"], headers={"Content-Type": "text/html"})
    with serving(page) as server, pytest.raises(mf.NotAnApiError, match="Sign in"):
        call(model_at(server.url), "Hi")


@both
def test_a_server_that_is_not_there_is_reported(call: Call) -> None:
    with serving(completion()) as server:
        url = server.url
    with pytest.raises(mf.ConnectionFailedError, match=r"127\.0\.0\.1"):
        call(model_at(url, max_retries=0), "Hi")


@both
def test_keep_alives_do_not_count_as_content(call: Call) -> None:
    pings = [piece for _ in range(600) for piece in (b": ping\n\n", 0.05)]
    timeout = mf.Timeout(first=5, between=0.4, total=30)
    with (
        serving(stream("Hel", *pings)) as server,
        quickly(after=0.3),
        pytest.raises(mf.StalledStreamError) as caught,
    ):
        call(model_at(server.url, timeout=timeout), "Hi", stream=True)
    assert caught.value.snapshot.text == "Hel"


@both
def test_no_answer_in_time_is_a_timeout(call: Call) -> None:
    with serving(Reply([1.5, b"{}"])) as server, pytest.raises(mf.RequestTimeoutError):
        call(model_at(server.url, timeout=0.2, max_retries=0), "Hi")


@both
def test_a_structure_cut_at_the_limit_is_truncated_and_keeps_its_text_and_usage(call: Call) -> None:
    with serving(completion('{"name": "A', reason="length")) as server, pytest.raises(mf.TruncatedError) as caught:
        call(model_at(server.url), "Hi", generation_schema=Person)
    assert caught.value.snapshot.text == '{"name": "A'
    assert caught.value.usage.total_tokens == 7


@both
def test_a_text_cut_at_the_limit_is_a_text(call: Call) -> None:
    with serving(completion("Once upon", reason="length")) as server:
        value, response = call(model_at(server.url), "Hi")
    assert (value, response.metadata.finish_reason) == ("Once upon", "length")


@both
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (completion(None, refusal="No."), mf.RefusedError),
        (completion(None, reason="content_filter"), mf.FilteredError),
        (completion("", reasoning_content="hm", reason="length"), mf.TruncatedError),
        (completion("", reasoning_content="hm"), mf.EmptyOutputError),
        (completion("no json here"), mf.ValidationFailedError),
        (completion('{"name": "Ada"}'), mf.ValidationFailedError),
    ],
)
def test_an_answer_without_a_structure_says_why(call: Call, reply: Reply, kind: type) -> None:
    with serving(reply) as server, pytest.raises(kind) as caught:
        call(model_at(server.url), "Hi", generation_schema=Person)
    assert caught.value.usage.total_tokens == 7 * caught.value.attempts  # what does not fit was asked for twice


@both
@pytest.mark.parametrize(("streamed", "echoes"), [(False, True), (True, False)])
def test_a_prefill_is_there_exactly_once_whether_or_not_the_server_echoes(
    call: Call, streamed: bool, echoes: bool
) -> None:
    answer = "Sure! 1. Red, Blue" if echoes else ", Blue"
    reply = stream(answer) if streamed else completion(answer)
    profile = {"prefill": "continue", "echo": True, "echo_stream": False}
    with serving(reply) as server:
        value, response = call(model_at(server.url, profile=profile), "Hi", prefilling="Sure! 1. Red", stream=streamed)
        assert server.bodies[0]["messages"][-1] == {"role": "assistant", "content": "Sure! 1. Red"}
    assert (value, response.continuation) == ("Sure! 1. Red, Blue", ", Blue")


def test_text_arrives_while_the_answer_is_written() -> None:
    with serving(stream("one ", 0.3, "two")) as server:
        arrivals = [(text, time.monotonic()) for text in model_at(server.url)("Hi", stream=True)]
    assert [text for text, _ in arrivals] == ["one ", "two"]
    assert arrivals[1][1] - arrivals[0][1] > 0.2


def test_leaving_a_loop_closes_the_connection_and_keeps_the_text() -> None:
    with serving(stream("one ", 5.0, "two")) as server:
        response = model_at(server.url)("Hi", stream=True)
        for _ in response:
            break
        assert server.left.wait(10)
        assert response.snapshot.text == "one "
        with pytest.raises(mf.StreamInterruptedError, match="left before its end"):
            response.consume()


def test_leaving_an_async_loop_closes_the_connection() -> None:
    async def main(url: str, left: threading.Event) -> bool:
        response = await model_at(url).acall("Hi", stream=True)
        async for _ in response:
            break
        gc.collect()
        for _ in range(100):
            await asyncio.sleep(0.02)
            if left.is_set():
                return True
        return False

    with serving(stream("one ", 5.0, "two")) as server:
        assert asyncio.run(main(server.url, server.left))


def test_cancel_from_another_thread_ends_a_silent_stream_at_once() -> None:
    with serving(stream("one ", 30.0, "two")) as server:
        response = model_at(server.url)("Hi", stream=True)
        threading.Timer(0.2, response.cancel).start()
        with quickly():
            assert list(response) == ["one "]
        assert server.left.wait(10)
    with pytest.raises(mf.StreamInterruptedError) as caught:
        response.consume()
    assert caught.value.snapshot.text == "one "


def test_cancel_before_the_first_byte_and_before_the_start_ends_quietly() -> None:
    with serving(stream(30.0, "never")) as server:
        waiting = model_at(server.url)("Hi", stream=True)
        threading.Timer(0.2, waiting.cancel).start()
        assert list(waiting) == []
        unstarted = model_at(server.url)("Hi", stream=True)
        unstarted.cancel()
        assert list(unstarted) == []
        assert len(server.bodies) == 1


def test_cancel_during_the_wait_before_a_retry_ends_it() -> None:
    with serving(error(503, retry_after="30")) as server:
        response = model_at(server.url)("Hi", stream=True)
        threading.Timer(0.2, response.cancel).start()
        with quickly():
            assert list(response) == []


def test_leaving_a_with_block_ends_the_stream() -> None:
    with serving(stream("one ", 30.0, "two")) as server:
        with model_at(server.url)("Hi", stream=True) as response:
            assert next(iter(response)) == "one "
        assert server.left.wait(10)


def test_the_next_request_is_answered_after_streams_were_left() -> None:
    with serving(stream("one ", 5.0, "two")) as server:
        for _ in range(3):
            for _ in model_at(server.url)("Hi", stream=True):
                break
        server.replies = [completion("prompt")]
        with quickly():
            assert model_at(server.url)("Hi").consume() == "prompt"


def test_many_async_calls_share_one_loop() -> None:
    async def main(url: str) -> list[str]:
        model = model_at(url)
        answers = await asyncio.gather(*(model.acall(str(i)) for i in range(20)))
        return [answer.consume() for answer in answers]

    with serving(completion("same")) as server:
        assert asyncio.run(main(server.url)) == ["same"] * 20


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="temprature"):
        mf.Model.chat_completion(temprature=1)  # type: ignore[call-arg]  # the mistake under test


def test_an_unknown_profile_field_is_a_type_error_that_names_the_fields() -> None:
    with pytest.raises(TypeError, match=r"modality.*modalities"):
        mf.Model.chat_completion("x", base_url="http://127.0.0.1/v1", profile={"modality": []})


def test_an_unknown_provider_is_named_with_those_that_are_known() -> None:
    with pytest.raises(mf.NotFoundError, match="openai"):
        mf.Model.chat_completion("nowhere/model")


def test_a_response_shows_itself_in_one_line() -> None:
    with serving(completion()) as server:
        assert repr(model_at(server.url)("Hi")) == "ModelResponse(text, stop, 7 tokens)"


def test_a_response_becomes_a_row() -> None:
    with serving(completion('{"name": "Ada", "age": 36}')) as server:
        frame = model_at(server.url)("Hi", generation_schema=Person).to_frame()
    assert frame.to_dict("records") == [{"name": "Ada", "age": 36}]


PNG = "data:image/png;base64,iVBORw0KGgo="


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("message", "rows"),
    [
        ({"text": "Hello"}, [{"text": "Hello"}]),
        (
            {"text": "Two:", "images": [image(PNG), image("https://a.example/b.png")]},
            [
                {"text": "Two:", "media_type": "image/png", "data": b"\x89PNG\r\n\x1a\n", "url": None},
                {"text": "Two:", "media_type": None, "data": None, "url": "https://a.example/b.png"},
            ],
        ),
        (
            {"text": None, "audio": {"id": "a", "data": "UklGRg==", "transcript": "Hello"}},
            [{"text": "Hello", "format": None, "data": b"RIFF"}],
        ),
        (
            {"text": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a": [1]}'}}]},
            [{"id": "c", "name": "f", "arguments": {"a": [1]}}],
        ),
    ],
    ids=["text", "images", "sound", "calls"],
)
def test_an_answer_of_any_kind_becomes_rows_that_survive_a_file(
    message: dict[str, Any], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    with serving(completion(**message)) as server:
        frame = model_at(server.url)("Hi").to_frame()
    frame.to_parquet(tmp_path / "a.parquet")
    for found in (frame, pd.read_parquet(tmp_path / "a.parquet")):
        records = found.astype(object).where(found.notna(), None).to_dict("records")
        assert records == rows
