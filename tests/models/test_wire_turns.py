"""Calls on the Responses and Messages wires beyond one answer: tools, pauses, refusals, other providers."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.generation.tool_schema import Tool
from tests.scripted import Reply, Server, serving
from tests.wire import missing_2, recorded_on

TEXT = {"type": "text", "text": "Hello"}


class City(msgspec.Struct):
    name: str


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Reply([])) as running:
        yield running


def whole(body: dict[str, Any], status: int = 200, **headers: str) -> Reply:
    return Reply([json.dumps(body).encode()], status=status, headers={"Content-Type": "application/json", **headers})


def sse(*events: dict[str, Any]) -> Reply:
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    return Reply([*lines], headers={"Content-Type": "text/event-stream"})


def message(*blocks: dict[str, Any], reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 3}
    same = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
    return {**same, "content": [*blocks], "stop_reason": reason, "usage": usage, **fields}


def message_stream(*blocks: dict[str, Any], reason: str = "end_turn") -> Reply:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**message(), "stop_reason": None}}]
    for index, block in enumerate(blocks):
        events += [
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_stop", "index": index},
        ]
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}
    return sse(*events, end, {"type": "message_stop"})


def response(*items: dict[str, Any], status: str = "completed", **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
    same = {"id": "resp_1", "object": "response", "model": "gpt-5"}
    return {**same, "status": status, "output": [*items], "usage": usage, **fields}


def said(text: str, **fields: Any) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": text, "annotations": [], **fields}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": parts}


def model_on(server: Server, wire: str, name: str | None = None, **options: Any) -> mf.ChatCompletion:
    usual = {"responses": "openai/gpt-5", "messages": "anthropic/claude-sonnet-4-5", "chat": "openai/gpt-4.1"}[wire]
    return mf.Model.chat_completion(
        name or usual, base_url=server.url, api_key="some-key", **{"max_retries": 0, "wire": wire, **options}
    )


def ask(model: mf.ChatCompletion, driver: str, *args: Any, **keywords: Any) -> Any:
    """Return the response of a call that is made in one of four ways, read to its end."""
    streamed = driver.endswith("stream")

    async def main() -> Any:
        answer = await model.acall(*args, stream=streamed, **keywords)
        return answer, "".join([text async for text in answer]) if streamed else None

    if driver.startswith("async"):
        answer, text = asyncio.run(main())
    else:
        answer = model(*args, stream=streamed, **keywords)
        text = "".join(answer) if streamed else None
    assert text is None or text == answer.text
    return answer


drivers = pytest.mark.parametrize("driver", ["whole", "stream", "async", "async stream"])

# -- pauses ------------------------------------------------------------------------------------------------------------

SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
SEARCHES: dict[str, Any] = {"extra_body": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}


@drivers
def test_a_paused_answer_is_sent_back_as_it_is_and_goes_on(server: Server, driver: str) -> None:
    first, second = [TEXT, SEARCH, FOUND], [{"type": "text", "text": " world"}]
    if driver.endswith("stream"):
        server.replies = [message_stream(*first, reason="pause_turn"), message_stream(*second)]
    else:
        server.replies = [whole(message(*first, reason="pause_turn")), whole(message(*second))]
    answer = ask(model_on(server, "messages", **SEARCHES), driver, "Hi", system_prompt="Be brief.")
    assert answer.text == "Hello world"
    assert (answer.metadata.finish_reason, answer.metadata.attempts) == ("stop", 2)
    assert answer.metadata.usage.completion_tokens == 6
    assert server.bodies[1]["messages"] == [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": first}]
    assert server.bodies[1]["system"] == "Be brief."
    [turn] = answer.to_messages()
    assert turn["content_blocks"] == [*first, *second]


def test_an_answer_that_pauses_again_and_again_is_named(server: Server) -> None:
    server.replies = [whole(message(TEXT, reason="pause_turn"))]
    answer = model_on(server, "messages", **SEARCHES)("Hi")
    assert len(server.bodies) == 9
    assert answer.text == "Hello" * 9
    assert "paused its answer more than 8 times" in " ".join(answer.metadata.warnings)


def test_a_paused_answer_is_tried_again_where_its_continuation_breaks(server: Server) -> None:
    paused = whole(message(TEXT, reason="pause_turn"))
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    server.replies = [paused, whole(error, 529, **{"Retry-After": "0"}), whole(message({"type": "text", "text": "!"}))]
    answer = model_on(server, "messages", max_retries=1, **SEARCHES)("Hi")
    assert answer.text == "Hello!"
    assert answer.metadata.attempts == 3


def test_a_continuation_that_fails_raises_with_what_had_come(server: Server) -> None:
    server.replies = [whole(message(TEXT, reason="pause_turn")), whole({"type": "error", "error": {}}, 500)]
    with pytest.raises(mf.ServerError) as caught:
        model_on(server, "messages", **SEARCHES)("Hi")
    assert caught.value.attempts == 2


# -- answers that are none ---------------------------------------------------------------------------------------------


@drivers
def test_a_refusal_says_why(server: Server, driver: str) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "It is about weapons."}
    server.replies = [whole(message(reason="refusal", stop_details=details))]
    answer = ask(model_on(server, "messages"), driver, "Hi")
    with pytest.raises(mf.RefusedError, match="It is about weapons"):
        asyncio.run(answer.consume()) if driver == "async stream" else answer.consume()


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_an_answer_that_is_not_there_yet_is_an_error_with_a_sentence(server: Server, status: str) -> None:
    server.replies = [whole(response(status=status, background=True, usage=None))]
    with pytest.raises(mf.IncompleteOutputError, match=f'has not answered yet .status "{status}"'):
        model_on(server, "responses")("Hi").consume()


def test_an_answer_in_the_background_is_refused_before_it_is_sent(server: Server) -> None:
    with pytest.raises(mf.BadRequestError, match="background=True starts an answer that has to be fetched later"):
        model_on(server, "responses", extra_body={"background": True})("Hi")
    assert not server.bodies
    server.replies = [whole(response(said("Hi")))]
    assert model_on(server, "responses", extra_body={"background": False})("Hi").text == "Hi"


def test_a_filtered_answer_is_an_error(server: Server) -> None:
    server.replies = [whole(response(status="incomplete", incomplete_details={"reason": "content_filter"}))]
    with pytest.raises(mf.FilteredError):
        model_on(server, "responses")("Hi").consume()


def test_an_answer_that_fills_the_context_is_cut(server: Server) -> None:
    server.replies = [whole(message({"type": "text", "text": '{"a'}, reason="model_context_window_exceeded"))]
    answer = model_on(server, "messages")("Hi", generation_schema=dict[str, int])
    assert answer.metadata.finish_reason == "length"
    with pytest.raises(mf.TruncatedError):
        answer.consume()


@pytest.mark.parametrize(("status", "kind"), [(529, "overloaded_error"), (500, "api_error"), (429, "rate_limit_error")])
def test_an_error_of_the_moment_is_tried_again(server: Server, status: int, kind: str) -> None:
    error = whole({"type": "error", "error": {"type": kind, "message": "No."}}, status, **{"Retry-After": "0"})
    server.replies = [error, whole(message(TEXT))]
    answer = model_on(server, "messages", max_retries=1)("Hi")
    assert (answer.text, answer.metadata.attempts) == ("Hello", 2)


def test_overload_is_the_endpoints_fault(server: Server) -> None:
    server.replies = [whole({"type": "error", "error": {"type": "overloaded_error", "message": "No."}}, 529)]
    with pytest.raises(mf.ServerError) as caught:
        model_on(server, "messages")("Hi")
    assert caught.value.fault is mf.errors.Fault.LOAD


def test_broken_arguments_of_a_call_stay_readable_and_do_not_run(server: Server) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    begun = {"type": "content_block_start", "index": 0, "content_block": call}
    delta = {"type": "input_json_delta", "partial_json": '{"a": oops'}
    server.replies = [
        sse(
            {"type": "message_start", "message": {**message(), "stop_reason": None}},
            begun,
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
            {"type": "message_stop"},
        )
    ]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    stream = model_on(server, "messages")("Hi", tool_schemas=[tool], stream=True)
    calls = stream.consume()
    assert calls.states[0].raw == '{"a": oops'
    assert calls.get_calls() == []


# -- turns that go elsewhere -------------------------------------------------------------------------------------------

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "AB"}
CITED = {**TEXT, "citations": [{"type": "web_search_result_location", "url": "https://a.example"}]}
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "EE"}


def turns_of(server: Server, wire: str) -> list[dict[str, Any]]:
    """Return a conversation of one question and its answer, after a round trip through JSON."""
    answer = message(THOUGHT, SEARCH, FOUND, CITED) if wire == "messages" else response(REASONING, said("Hello"))
    server.replies = [whole(answer)]
    [turn] = model_on(server, wire)("Hi").to_messages()
    turns: list[dict[str, Any]] = json.loads(json.dumps([{"role": "user", "content": "Hi"}, turn]))
    return [*turns, {"role": "user", "content": "And now?"}]


def test_a_turn_goes_back_to_its_provider_as_it_came(server: Server) -> None:
    for wire, place, sent in (
        ("messages", "messages", {"role": "assistant", "content": [THOUGHT, SEARCH, FOUND, CITED]}),
        ("responses", "input", REASONING),
    ):
        turns = turns_of(server, wire)
        answer = model_on(server, wire)(turns)
        assert server.bodies[-1][place][1] == sent
        assert answer.metadata.warnings == ()


@pytest.mark.parametrize("to", ["chat", "messages", "responses"])
@pytest.mark.parametrize("wire", ["messages", "responses"])
def test_what_cannot_travel_to_another_provider_is_left_out_and_named(server: Server, wire: str, to: str) -> None:
    turns = turns_of(server, wire)
    bodies = {
        "chat": {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]},
        "messages": message(TEXT),
        "responses": response(said("Hello")),
    }
    server.replies = [whole(bodies[to])]
    name = {"chat": "groq/llama-3.3-70b", "messages": "anthropic/claude-opus-5", "responses": "openai/gpt-5.1"}[to]
    answer = model_on(server, to, name)(turns)
    place = "input" if to == "responses" else "messages"
    kind = {"type": "message"} if to == "responses" else {}
    assert server.bodies[-1][place][1] == {**kind, "role": "assistant", "content": "Hello"}
    known = {"messages": "reasoning, what its own tools did, citations", "responses": "reasoning"}
    assert answer.metadata.warnings == (
        f"left out of the history, since this provider, model or wire does not support it: {known[wire]}.",
    )


@pytest.mark.parametrize("wire", ["messages", "responses"])
def test_an_edited_turn_goes_back_as_it_reads_now(server: Server, wire: str) -> None:
    turns = turns_of(server, wire)
    turns[1] = {**turns[1], "content": "Goodbye"}
    answer = model_on(server, wire)(turns)
    kind = {"type": "message"} if wire == "responses" else {}
    sent = server.bodies[-1]["input" if wire == "responses" else "messages"][1]
    assert sent == {**kind, "role": "assistant", "content": "Goodbye"}
    [warning] = answer.metadata.warnings
    assert warning.startswith("an edited turn was sent without the provider's fields of the original: reasoning")


def test_a_turn_without_thoughts_goes_to_another_provider_without_a_word(server: Server) -> None:
    server.replies = [whole(message(TEXT))]
    [turn] = model_on(server, "messages")("Hi").to_messages()
    server.replies = [whole(response(said("Hello")))]
    answer = model_on(server, "responses")([{"role": "user", "content": "Hi"}, turn, {"role": "user", "content": "?"}])
    assert answer.metadata.warnings == ()


# -- prompts that providers keep ---------------------------------------------------------------------------------------

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Look it up.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name in ("get_weather", "get_time")
]


@pytest.mark.parametrize("wire", ["chat", "responses", "messages"])
@pytest.mark.parametrize("cached", [False, True])
def test_what_two_successive_turns_have_in_common_is_sent_byte_for_byte(
    server: Server, wire: str, cached: bool
) -> None:
    """Providers cache a prompt by its beginning: the second request has to begin with the whole first one."""
    bodies = {
        "chat": {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]},
        "messages": message(THOUGHT, TEXT),
        "responses": response(REASONING, said("Hello")),
    }
    server.replies = [whole(bodies[wire])]
    model = model_on(server, wire, cache_prompt=cached)
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    for question in ("And now?", "And then?", None):
        answer = model(turns, system_prompt="Be brief.", tool_schemas=TOOLS)
        if question:
            turns = [*turns, *answer.to_messages(), {"role": "user", "content": question}]
    place = "input" if wire == "responses" else "messages"
    for before, after in zip(server.bodies, server.bodies[1:], strict=False):
        assert [*before] == [*after]
        for name in before.keys() - {place}:
            assert json.dumps(before[name]) == json.dumps(after[name])
        first, second = (json.dumps(unmarked(body[place]))[:-1] for body in (before, after))
        assert second.startswith(first)


@pytest.mark.parametrize("wire", ["chat", "responses", "messages"])
def test_a_request_begins_with_the_very_bytes_of_the_one_before(server: Server, wire: str) -> None:
    """Everything except the messages is the same, and the messages continue the earlier ones."""
    bodies = {
        "chat": {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]},
        "messages": message(THOUGHT, TEXT),
        "responses": response(REASONING, said("Hello")),
    }
    server.replies = [whole(bodies[wire])]
    model = model_on(server, wire)
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Grüße"}]
    for question in ("And now?", "And then?"):
        turns += [*model(turns, system_prompt="Be brief.", tool_schemas=TOOLS).to_messages()]
        turns += [{"role": "user", "content": question}]
    model(turns, system_prompt="Be brief.", tool_schemas=TOOLS)
    place = "input" if wire == "responses" else "messages"
    for body, before, after in zip(server.bodies, server.raw, server.raw[1:], strict=False):
        said_so_far = msgspec.json.encode(body[place])
        head, found, tail = before.partition(said_so_far)
        assert found
        assert after.startswith(head + said_so_far[:-1] + b",")
        assert after.endswith(tail)


def test_examples_are_kept_by_the_provider_too(server: Server) -> None:
    """A batch pays once for system text, tools and examples: the mark is on the last of them, never on the row."""
    server.replies = [whole(message({"type": "text", "text": '{"name": "Oslo"}'}))]
    shown = [("It snows in Bergen.", City("Bergen")), ("Fog in Tromsø.", City("Tromsø"))]
    model = model_on(server, "messages", cache_prompt=True)
    mf.extract(["Rain in Oslo."], schema=City, model=model, examples=shown, system_prompt="Be brief.", store=False)
    [body] = server.bodies
    kept = {"cache_control": {"type": "ephemeral"}}
    marked = [turn for turn in body["messages"] if "cache_control" in json.dumps(turn)]
    assert marked == [body["messages"][-2]]
    assert marked[0]["role"] == "assistant"
    assert marked[0]["content"][-1].items() >= kept.items()
    assert body["system"][-1].items() >= kept.items()


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_a_report_says_how_much_the_provider_had_kept(server: Server, wire: str) -> None:
    bills = {
        "responses": {"input_tokens": 50, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 40}},
        "messages": {"input_tokens": 10, "output_tokens": 3, "cache_read_input_tokens": 40},
    }
    text = '{"name": "Oslo"}'
    answers = {"responses": response(said(text)), "messages": message({"type": "text", "text": text})}
    server.replies = [whole({**answers[wire], "usage": bills[wire]})]
    frame = mf.extract(["Rain in Oslo.", "Oslo again."], schema=City, model=model_on(server, wire), store=False)
    report = frame.attrs["report"]
    assert (report["prompt_tokens"], report["cached_tokens"]) == (100, 80)


def unmarked(messages: Any) -> Any:
    """Return messages without the cache marks, which move on with each turn."""
    if isinstance(messages, list):
        return [unmarked(one) for one in messages]
    if not isinstance(messages, dict):
        return messages
    found = {name: unmarked(value) for name, value in messages.items() if name != "cache_control"}
    content = found.get("content")
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        return {**found, "content": content[0]["text"]}
    return found


# -- recorded conversations --------------------------------------------------------------------------------------------

# Where our requests differ from the recorded ones, with the reason.
NAMED: dict[str, str] = {
    "include": "reasoning comes encrypted, so that nothing has to be kept at the provider",
    "store": "nothing is kept at the provider",
    "stream": "said only where it is true",
    "stream_options": "the random letters are left out",
    "tool_choice": "auto is what holds when nothing is said",
    "max_tokens": "our own row's, where the caller sets none",
    "strict": "always said on the Responses wire, where leaving it out means true",
    "status": "of an item that is complete",
    "cache_control": "cache_prompt=True marks other places",
}


def chains() -> list[Any]:
    """Return recorded requests with a turn of calls, and the answer of that turn, as the request repeats it."""
    found = []
    for wire in ("responses", "messages"):
        for exchange in recorded_on(wire):
            sent = exchange["request"] or {}
            turns = sent.get("input" if wire == "responses" else "messages")
            has_results = isinstance(turns, list) and any(kind in json.dumps(turns) for kind in ('_output"', "_result"))
            if exchange["status"] == 200 and has_results and exchange["id"] in CHAINS:
                found.append(pytest.param(wire, exchange, id=exchange["id"]))
    return found or [pytest.param("", {}, marks=missing_2(), id="none")]


CHAINS = ("logfire-d3dd4bd38a", "chatlas-fa66bc9ace", "mirascope-54bc8d3559", "mirascope-a3102bc954")


@pytest.mark.parametrize(("wire", "exchange"), chains())
@pytest.mark.parametrize("driver", ["sync", "async"])
def test_run_tools_sends_what_was_recorded_request_for_request(
    server: Server, wire: str, exchange: dict[str, Any], driver: str
) -> None:
    asked = exchange["request"]
    turns = asked["input" if wire == "responses" else "messages"]
    first, results, opening = taken_apart(wire, turns)
    server.replies = [whole(first), Reply([exchange["body"].encode()])]
    tools = [tool_of(tool, results) for tool in asked["tools"]]
    effort = asked.get("reasoning")
    more = {"extra_body": {"reasoning": effort}} if effort else {}
    model = model_on(server, wire, {"responses": "openai/", "messages": "anthropic/"}[wire] + asked["model"], **more)
    run = mf.run_tools(model, opening, tools=tools) if driver == "sync" else None
    if run is None:
        asyncio.run(mf.arun_tools(model, opening, tools=tools))
    assert len(server.bodies) == 2
    ignored = {"text", "output_format"}  # a structure, which run_tools does not ask for here
    sent, meant = (plainly(body, ignored) for body in (server.bodies[1], asked))
    assert sent == meant
    before = {**meant, "input" if wire == "responses" else "messages": plainly(turns[: len(opening)], ignored)}
    assert plainly(server.bodies[0], ignored) == before


# Recorded answers with thoughts before their calls: signed ones (Messages), encrypted ones (Responses).
THOUGHT_ABOUT = ("fantasy-eeb469cd8f", "pydantic-ai-7379780c56", "rig-d0376d74c9", "llm-anthropic-40e1294e76")
OURS = ("model", "input", "messages", "system", "instructions", "tools", *NAMED)


def recorded_as(ids: tuple[str, ...]) -> list[Any]:
    found = [(wire, one) for wire in ("responses", "messages") for one in recorded_on(wire) if one["id"] in ids]
    cases = [pytest.param(wire, one, id=one["id"]) for wire, one in found]
    return cases or [pytest.param("", {}, marks=missing_2(), id="none")]


def model_of(server: Server, wire: str, asked: dict[str, Any]) -> mf.ChatCompletion:
    """Return the model of a recorded request, with the request's other fields."""
    more = {name: value for name, value in asked.items() if name not in OURS and value is not None}
    name = {"responses": "openai/", "messages": "anthropic/"}[wire] + asked["model"]
    return model_on(server, wire, name, extra_body=more)


def opened(wire: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a recorded request, as a caller would write them."""
    system = asked.get("instructions") or as_text(asked.get("system"))
    first = [{"role": "system", "content": system}] if system else []
    turns = asked["input" if wire == "responses" else "messages"]
    return [*first, *({"role": turn["role"], "content": said_in(turn["content"])} for turn in turns)]


def said_in(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [part if part["type"] not in ("input_text", "text") else mf.ChatBlock.text(part["text"]) for part in content]


@pytest.mark.parametrize(("wire", "exchange"), recorded_as(THOUGHT_ABOUT))
@pytest.mark.parametrize("driver", ["sync", "async"])
def test_run_tools_gives_recorded_thoughts_back_as_they_came_before_their_calls(
    server: Server, wire: str, exchange: dict[str, Any], driver: str
) -> None:
    asked, expected = exchange["request"], exchange["expected"]["choices"][0]
    server.replies = [Reply([exchange["body"].encode()]), whole(message(TEXT) if wire == "messages" else response())]
    given = opened(wire, asked), [tool_of(tool, ["done"] * 9) for tool in asked["tools"]]
    model = model_of(server, wire, asked)
    if driver == "sync":
        mf.run_tools(model, given[0], tools=given[1])
    else:
        asyncio.run(mf.arun_tools(model, given[0], tools=given[1]))
    first, second = server.bodies
    place = "input" if wire == "responses" else "messages"
    assert plainly(as_texts(first, place), set()) == plainly(as_texts(asked, place), set())
    assert {**second, place: second[place][: len(first[place])]} == first
    turn = second[place][len(first[place]) :]
    things = turn if wire == "responses" else [*turn[0]["content"], *turn[1]["content"]]
    said, calls = expected["carry"], expected["tool_calls"]
    thoughts = [one for one in things if one["type"] in ("reasoning", "thinking")]
    for one, meant in zip(thoughts, [one for one in said if one["type"] != "message"], strict=True):
        assert all(is_as_meant(one.get(name), value) for name, value in meant.items())
        assert one.get("signature") or one.get("encrypted_content")
    assert [one.get("call_id") or one["id"] for one in things if one["type"] in ("function_call", "tool_use")] == [
        call["id"] for call in calls
    ]
    kinds = [one["type"] for one in things]
    assert kinds[0] == ("reasoning" if wire == "responses" else "thinking")
    assert kinds[-len(calls) :] == ["function_call_output" if wire == "responses" else "tool_result"] * len(calls)


# Recorded requests that go on with a conversation in which the provider's own tools, or the caller's, were used between
# thoughts that go back as they came.
GONE_ON = ("pydantic-ai-0e294dc500", "pydantic-ai-0335c6641f", "pydantic-ai-c7ee7da9c8", "pydantic-ai-94065b2fc7")


@pytest.mark.parametrize(("wire", "exchange"), recorded_as(GONE_ON))
def test_a_conversation_goes_on_as_it_was_recorded_request_for_request(
    server: Server, wire: str, exchange: dict[str, Any]
) -> None:
    asked = exchange["request"]
    place = "input" if wire == "responses" else "messages"
    turns = asked[place]
    at, end = turns[0:1], turns[-1:]
    between = turns[1:-1]
    results = (
        [item["output"] for item in between if item["type"] == "function_call_output"] if wire != "messages" else []
    )
    if wire == "responses":
        first = response(*(item for item in between if item["type"] != "function_call_output"))
    else:
        first = message(*between[0]["content"])
    status = Reply([exchange["body"].encode()], status=exchange["status"])
    server.replies = [whole(first), status]
    model = model_of(server, wire, asked)
    history = opened(wire, {**asked, place: at})
    tools = {"tool_schemas": [{"type": "function", "function": {
        "name": tool["name"], "parameters": tool["parameters"], "strict": False}}
        if tool.get("type") == "function" else tool for tool in asked["tools"]]}  # fmt: skip
    answer = model(history, **tools)
    if answer.aggregator is not None:
        answer.aggregator.insert_results(dict(zip([call.id for call in answer.tool_calls], results, strict=True)))
    history += json.loads(json.dumps(answer.to_messages()))
    history += opened(wire, {"input": end, "messages": end})
    if exchange["status"] == 200:
        assert model(history, **tools).metadata.warnings == ()
    else:
        with pytest.raises(mf.BadRequestError):
            model(history, **tools)
    assert plainly(as_texts(server.bodies[-1], place), set()) == plainly(as_texts(asked, place), set())


def as_texts(asked: dict[str, Any], place: str) -> dict[str, Any]:
    """Return a recorded request with single texts as texts, a developer's message as instructions, and no nulls."""
    turns = [{**turn, "content": as_text(turn["content"])} if "content" in turn else turn for turn in asked[place]]
    system = {"system": as_text(asked["system"])} if "system" in asked else {}
    if turns[0].get("role") == "developer":
        system = {"instructions": turns.pop(0)["content"]}
    tools = [{name: value for name, value in tool.items() if value is not None} for tool in asked["tools"]]
    same = {name: value for name, value in asked.items() if value is not None}
    return {**same, place: turns, "tools": tools, **system}


def as_text(content: Any) -> Any:
    plain = isinstance(content, list) and len(content) == 1 and content[0].get("type") in ("text", "input_text")
    return content[0]["text"] if plain else content


def called() -> list[Any]:
    """Return recorded answers with calls that can run."""
    found = [
        pytest.param(wire, exchange, id=exchange["id"])
        for wire in ("responses", "messages")
        for exchange in recorded_on(wire)
        if exchange["status"] == 200 and "tool_calls" in exchange["tags"]
        if "choices" not in (exchange["expected"].get("unjudged") or ())
        if all(call["args_valid_json"] and call["kind"] == "function" for call in calls_of(exchange))
    ]
    return found or [pytest.param("", {}, marks=missing_2(), id="none")]


def calls_of(exchange: dict[str, Any]) -> list[dict[str, Any]]:
    choices = exchange["expected"].get("choices") or [{}]
    return choices[0].get("tool_calls") or []


@pytest.mark.parametrize(("wire", "exchange"), called())
def test_a_recorded_answer_goes_back_with_its_thoughts_before_its_calls(
    server: Server, wire: str, exchange: dict[str, Any]
) -> None:
    expected = exchange["expected"]["choices"][0]
    server.replies = [Reply([exchange["body"].encode()]), whole(message(TEXT) if wire == "messages" else response())]
    model = model_on(server, wire)
    answer = model("Hi")
    assert answer.aggregator is not None
    answer.aggregator.insert_results({call["id"]: "done" for call in expected["tool_calls"]})
    turns = json.loads(json.dumps(answer.to_messages()))
    after = model([{"role": "user", "content": "Hi"}, *turns])
    assert after.metadata.warnings == ()
    sent = server.bodies[1]["input" if wire == "responses" else "messages"]
    things = sent[1:] if wire == "responses" else [*sent[1]["content"], *sent[2]["content"]]
    kinds = ("reasoning", "thinking", "redacted_thinking")
    carried = [one for one in expected.get("carry") or () if one["type"] in kinds]
    thoughts = [one for one in things if one["type"] in kinds]
    assert len(thoughts) == len(carried)
    for one, meant in zip(thoughts, carried, strict=True):
        assert all(is_as_meant(one.get(name), value) for name, value in meant.items())
    calls = [one for one in things if one["type"] in ("function_call", "tool_use")]
    named = [one.get("call_id") or one["id"] for one in calls]
    assert named == [call["id"] for call in expected["tool_calls"]]
    assert not thoughts or things.index(thoughts[0]) < things.index(calls[0])
    results = [one for one in things if one["type"] in ("function_call_output", "tool_result")]
    assert [one.get("call_id") or one["tool_use_id"] for one in results] == named


def is_as_meant(value: Any, meant: Any) -> bool:
    """Return whether a text is the recorded one; a long text is compared by its hash."""
    if not isinstance(meant, dict):
        return bool(value == meant)
    return len(value) == meant["chars"] and hashlib.sha256(value.encode()).hexdigest()[:16] == meant["sha256"]


def taken_apart(wire: str, turns: list[dict[str, Any]]) -> tuple[dict[str, Any], list[str], list[dict[str, Any]]]:
    """Return the answer that a recorded request repeats, the results of its calls, and the messages before it."""
    if wire == "messages":
        at = next(n for n, turn in enumerate(turns) if turn["role"] == "assistant")
        results = [block["content"] for block in turns[at + 1]["content"]]
        return message(*turns[at]["content"], reason="tool_use"), results, turns[:at]
    at = next(n for n, item in enumerate(turns) if item.get("type") in ("reasoning", "function_call"))
    items = [item for item in turns[at:] if item["type"] != "function_call_output"]
    results = [item["output"] for item in turns[at:] if item["type"] == "function_call_output"]
    opening = [
        {
            "role": item["role"],
            "content": item["content"]
            if isinstance(item["content"], str)
            else [{"type": "text", "text": part["text"]} for part in item["content"]],
        }
        for item in turns[:at]
    ]
    return response(*items), results, opening


def tool_of(tool: dict[str, Any], results: list[str]) -> Tool:
    """Return a tool of the recorded form, which returns the recorded results in order."""
    given = iter(results)

    def by_user(user: str) -> str:
        return next(given)

    def by_numbers(a: float, b: float) -> str:
        return next(given)

    def by_isbn(isbn: str) -> str:
        return next(given)

    def by_place(city: str = "", location: str = "", country: str = "") -> str:
        return next(given)

    schema = tool.get("input_schema") or tool["parameters"]
    named = {"user": by_user, "a": by_numbers, "isbn": by_isbn}
    function = named.get(next(iter(schema["properties"]), ""), by_place)
    form = {"name": tool["name"], "description": tool["description"], "parameters": schema}
    form = {name: value for name, value in form.items() if value is not None}
    form["strict"] = bool(tool.get("strict"))
    recorded = {"name": tool["name"], "schema": {"type": "function", "function": form}}
    return msgspec.structs.replace(Tool.of(function), **recorded)


def plainly(value: Any, ignored: set[str]) -> Any:
    """Return a body without the intended differences of our requests, and with plain texts as texts."""
    if isinstance(value, list):
        return [plainly(one, ignored) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: plainly(one, ignored) for name, one in value.items() if name not in NAMED and name not in ignored}


# -- batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_a_batch_reads_its_rows_on_every_wire(server: Server, wire: str) -> None:
    text = '{"name": "Oslo"}'
    server.replies = [whole(message({"type": "text", "text": text}) if wire == "messages" else response(said(text)))]
    frame = mf.extract(["It rains in Oslo.", "Oslo again."], schema=City, model=model_on(server, wire))
    assert list(frame["name"]) == ["Oslo", "Oslo"]
    place = "input" if wire == "responses" else "messages"
    asked = "".join(body[place][-1]["content"] for body in server.bodies)
    assert all(asked.count(text) == 1 for text in ("It rains in Oslo.", "Oslo again."))
    assert len(server.bodies) == 2


def test_a_row_whose_answer_was_paused_is_stored_whole_and_never_asked_again(server: Server, tmp_path: Path) -> None:
    first, second = {"type": "text", "text": '{"name": '}, {"type": "text", "text": '"Oslo"}'}
    paused = whole(message(first, SEARCH, FOUND, reason="pause_turn"))
    server.replies = [paused, whole(message(second)), whole(message(), 500)]
    asked: dict[str, Any] = {"schema": City, "model": model_on(server, "messages", **SEARCHES)}
    for expected in (["ok", 2, 10, 6], ["cached", 0, 0, 0]):
        frame = mf.extract(["Rain in Oslo."], store=str(tmp_path / "run.sqlite"), **asked)
        columns = ["_status", "_attempts", "_prompt_tokens", "_completion_tokens"]
        assert [frame["name"].iloc[0], *frame[columns].iloc[0]] == ["Oslo", *expected]
    assert len(server.bodies) == 2
    assert server.bodies[1]["messages"][-1] == {"role": "assistant", "content": [first, SEARCH, FOUND]}
