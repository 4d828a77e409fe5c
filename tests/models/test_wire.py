"""Answers over real HTTP, with both drivers: every recorded exchange in pieces of every size, and ends of answers."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.protocol.snapshot import Choice
from tests.each import each
from tests.scripted import Reply, Server, chunk, completion, serving, stream
from tests.wire import RECORDED, missing, recorded

# Exchanges that we read differently from their ``expected``, with the reason.
WRONG: dict[str, str] = {
    "rig-d0e9bb5f41": "its only token opens the reasoning: that mark is no text",
}
LARGEST = {1: 4_000, 7: 40_000, 1000: 10**9, None: 10**9}  # bodies that are still served in pieces of a size
CLASSES = {
    400: mf.BadRequestError,
    401: mf.AuthenticationError,
    402: mf.QuotaError,
    403: mf.PermissionDeniedError,
    404: mf.NotFoundError,
    413: mf.BadRequestError,
    422: mf.BadRequestError,
    429: mf.RateLimitError,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Reply([])) as running:

        class AtOnce(running.RequestHandlerClass):  # type: ignore[name-defined,misc]  # a class that is known at run time
            disable_nagle_algorithm = True  # each piece goes out by itself, and at once

        running.RequestHandlerClass = AtOnce
        yield running


def read_sync(model: mf.ChatCompletion, stream: bool) -> tuple[Any, str | None]:
    response = model("Hi", stream=stream)
    return response, "".join(response) if stream else None


def read_async(model: mf.ChatCompletion, stream: bool) -> tuple[Any, str | None]:
    async def main() -> tuple[Any, str | None]:
        response = await model.acall("Hi", stream=stream)
        return response, "".join([text async for text in response]) if stream else None

    return asyncio.run(main())


def served(exchange: dict[str, Any], size: int | None) -> Reply:
    body = exchange["body"].encode()
    step = size or max(len(body), 1)
    pieces: list[bytes | float] = [body[at : at + step] for at in range(0, len(body), step)]
    return Reply(pieces, status=exchange["status"], headers=exchange["response_headers"])


def cases() -> list[Any]:
    exchanges = [exchange for exchange in recorded() if exchange["id"] not in WRONG]
    if not exchanges:
        return [pytest.param(None, marks=missing(), id="none")]
    return [pytest.param(exchange, id=exchange["id"]) for exchange in exchanges]


@pytest.mark.parametrize("exchange", cases())
def test_a_recorded_exchange_reads_as_expected(exchange: dict[str, Any] | None, server: Server) -> None:
    """The test uses both drivers, streams and whole answers, and pieces of every size that is fast enough."""
    assert exchange is not None, f"MSGFLUX_WIRE is set, but there is no {RECORDED}"
    ways = [
        (f"in pieces of {size}, stream={stream}, {read.__name__}", (exchange, size, stream, read, server))
        for size, largest in LARGEST.items()
        if len(exchange["body"]) <= largest
        for stream in (True, False)
        for read in (read_sync, read_async)
    ]
    each(ways, check_reading)


def check_reading(
    exchange: dict[str, Any], size: int | None, stream: bool, read: Callable[..., Any], server: Server
) -> None:
    server.replies = [served(exchange, size)]
    model = mf.Model.chat_completion("recorded", base_url=server.url, max_retries=0)
    expected = exchange["expected"]
    if "error" in expected or expected["kind"] == "bad_body":
        with pytest.raises(mf.MsgfluxError) as caught:
            read(model, stream)
        check_error(caught.value, expected)
        return
    response, text = read(model, stream)
    if text is not None:
        assert text == response.continuation == expected["choices"][0]["text"]
    check_answer(response.choices, response.metadata, expected)
    raws = {state.id: state.raw for state in response.aggregator.states} if response.aggregator else {}
    for call in response.tool_calls:
        if call.arguments is None:
            assert raws[call.id] in [one["args_raw"] for one in expected_calls(expected)]


def expected_calls(expected: dict[str, Any]) -> list[dict[str, Any]]:
    return [call for choice in expected["choices"] for call in choice["tool_calls"]]


def check_answer(choices: tuple[Choice, ...], metadata: Any, expected: dict[str, Any]) -> None:
    usage = metadata.usage
    assert (None if usage is None else usage.total_tokens) == expected["usage_total_tokens"]
    assert metadata.model == (expected["model"] or None)
    assert [choice.index for choice in choices] == [choice["index"] for choice in expected["choices"]]
    for choice, said in zip(choices, expected["choices"], strict=True):
        check_choice(choice, said)


def check_choice(choice: Choice, expected: dict[str, Any]) -> None:
    assert choice.text == expected["text"]
    assert (choice.reasoning or "") == expected["reasoning"]
    assert choice.raw_finish_reason == (expected["finish_reason"] or None)
    assert choice.refusal == expected.get("refusal")
    assert len(choice.annotations) == expected.get("n_annotations", 0)
    if "text_is_json" in expected:
        assert is_json(choice.text) is expected["text_is_json"]
    legacy = expected.get("function_call") or {}
    calls = [*expected["tool_calls"], *([legacy_call(legacy)] if legacy.get("name") else [])]
    assert [call.name for call in choice.tool_calls] == [call["name"] for call in calls]
    for call, said in zip(choice.tool_calls, calls, strict=True):
        assert (call.id == said["id"]) if said["id"] else (len(call.id) == 9)
        assert call.arguments == expected_arguments(said)
    assert (choice.audio is None) is (expected.get("audio") is None)
    if choice.audio is not None:
        sound = expected["audio"]
        assert (choice.audio.id, choice.audio.transcript) == (sound["id"], sound["transcript"])
        assert len(base64.b64encode(choice.audio.data)) == sound["data_chars"]


def legacy_call(legacy: dict[str, Any]) -> dict[str, Any]:
    valid = is_json(legacy["args_raw"] or "{}")
    arguments = json.loads(legacy["args_raw"] or "{}") if valid else None
    return {"id": None, "name": legacy["name"], "args": arguments, "args_valid_json": valid, "args_raw": None}


def expected_arguments(call: dict[str, Any]) -> dict[str, Any] | None:
    """Return the recorded arguments; {}, "", null and [] are the same for a function without parameters."""
    if call.get("type") == "custom":
        return {"input": call["args_raw"]}
    if not call["args_valid_json"]:
        return None
    return call["args"] or {}


def check_error(error: mf.MsgfluxError, expected: dict[str, Any]) -> None:
    assert error.attempts == 1
    said = expected.get("error") or {}
    assert (said.get("message") or "") in str(error)
    if expected["kind"] == "bad_body":
        return
    assert isinstance(error, mf.ProviderError)
    if said.get("code") is not None:
        assert said["code"] in (error.code, error.status)
    if expected["kind"] == "http_error":
        assert error.status == expected["status"]
        assert isinstance(error, CLASSES.get(expected["status"], mf.ServerError))
        return
    # llama.cpp says in mid-stream that the context is full.
    assert isinstance(error, CLASSES[400] if error.status == 400 else mf.ServerError | mf.ContextLengthError)
    if expected["kind"] == "stream_error":
        assert (error.usage and error.usage.total_tokens) == expected["usage_total_tokens"]
        assert error.snapshot.model == expected["model"]
        assert len(error.snapshot.choices) == len(expected["choices"])
        for choice, partial in zip(error.snapshot.choices, expected["choices"], strict=True):
            check_choice(choice, partial)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


# How an answer ends: field guide, tests 11 and 22.


class Person(msgspec.Struct):
    name: str


def consume_sync(model: mf.ChatCompletion, streamed: bool) -> Any:
    return model("Hi", stream=streamed, generation_schema=Person).consume()


def consume_async(model: mf.ChatCompletion, streamed: bool) -> Any:
    async def main() -> Any:
        response = await model.acall("Hi", stream=streamed, generation_schema=Person)
        return (await response.consume()) if streamed else response.consume()

    return asyncio.run(main())


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7}}\n\n'
STOPS: dict[str, tuple[dict[str, Any], str, type]] = {
    "cut at the limit": ({"content": '{"name": "A'}, "length", mf.TruncatedError),
    "declined": ({"content": None, "refusal": "No."}, "stop", mf.RefusedError),
    "filtered": ({"content": None}, "content_filter", mf.FilteredError),
    "nothing but reasoning": ({"content": None, "reasoning_content": "hm"}, "stop", mf.EmptyOutputError),
}


@pytest.mark.parametrize("consume", [consume_sync, consume_async])
@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("name", STOPS)
def test_an_answer_that_holds_no_structure_says_why_once_and_keeps_its_usage(
    name: str, streamed: bool, consume: Callable[..., Any], server: Server
) -> None:
    message, reason, kind = STOPS[name]
    text = message["content"]
    others = {key: value for key, value in message.items() if key != "content"}
    whole = completion(text, reason=reason, **others)
    server.replies = [
        stream(chunk(text or "", **others), chunk(reason=reason), USAGE, b"data: [DONE]\n\n", done=False)
        if streamed
        else whole
    ]
    server.bodies.clear()
    model = mf.Model.chat_completion("made", base_url=server.url, profile={"reasks": 2})
    with pytest.raises(kind) as caught:
        consume(model, streamed)
    assert len(server.bodies) == 1  # it is not asked again, since no other answer would fit better
    assert caught.value.usage.total_tokens == 7
    assert caught.value.snapshot.text == (text or "")
    assert caught.value.snapshot.reasoning == message.get("reasoning_content")


@pytest.mark.parametrize("read", [read_sync, read_async])
@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_web_page_is_not_an_api_but_a_failing_proxy_is_a_server_that_may_come_back(
    status: int, read: Callable[..., Any], server: Server
) -> None:
    page = b"<html><head><title>502 Bad Gateway</title></head></html>"
    server.replies = [Reply([page], status=status, headers={"Content-Type": "text/html"})]
    model = mf.Model.chat_completion("made", base_url=server.url, max_retries=0)
    with pytest.raises(mf.ServerError if status == 502 else mf.NotAnApiError, match="502 Bad Gateway"):
        read(model, True)
