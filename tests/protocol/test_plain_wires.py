"""Tests the fast path for plain answers on the Responses and Messages wires against the full reading."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_nb.errors import MsgfluxError
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.misfit import problem_of
from msgflux_nb.protocol.plain import plain_on
from msgflux_nb.protocol.profile import Wire
from msgflux_nb.protocol.snapshot import Snapshot
from msgflux_nb.protocol.turns import ITEMS
from msgflux_nb.protocol.wire import reader_of
from msgflux_nb.protocol.wires.responses_items import final_text
from tests.thorough import examples
from tests.wire import missing_2, recorded_on

TEXT = {"type": "output_text", "text": "Hello \u2028 é", "annotations": [], "logprobs": []}
MESSAGE = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [TEXT]}
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "background": False,
    "error": None,
    "incomplete_details": None,
    "model": "gpt-5",
    "output": [REASONING, MESSAGE],
    "service_tier": "default",
    "text": {"format": {"type": "text"}},
    "usage": {
        "input_tokens": 80,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 25,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 105,
    },
}
BLOCK = {"type": "text", "text": "Hello \u2028 é", "citations": None}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [THINKING, BLOCK],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 80,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 3,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 7},
        "output_tokens": 25,
        "service_tier": "standard",
    },
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
TOOL_USE = {"type": "tool_use", "id": "c", "name": "f", "input": {}}


def at_length(wire: Wire, body: bytes) -> Snapshot:
    accumulator = Accumulator(reader=reader_of(wire))
    accumulator.feed(body)
    accumulator.close()
    return accumulator.finish()


def check(wire: Wire, body: bytes) -> bool:
    """Return whether the fast path takes an answer; check that it then gives what the full reading gives."""
    found = plain_on(wire, body)
    if found is None:
        return False
    snapshot = at_length(wire, body)
    assert (found.text, found.usage, found.model) == (snapshot.text, snapshot.usage, snapshot.model)
    assert (snapshot.finish_reason, snapshot.tool_calls, snapshot.images) == ("stop", (), ())
    assert (snapshot.audio, snapshot.warnings, len(snapshot.choices)) == (None, (), 1)
    assert problem_of(snapshot, structured=True, text=None) is None
    items = snapshot.choices[0].fields.get(ITEMS)
    assert items is None or final_text(items) == found.text  # of a structure
    return True


def response(*, item: dict[str, Any] | None = None, part: dict[str, Any] | None = None, **fields: Any) -> bytes:
    message = {**MESSAGE, "content": [{**TEXT, **(part or {})}], **(item or {})}
    return json.dumps({**RESPONSE, "output": [REASONING, message], **fields}).encode()


def answer(*, block: dict[str, Any] | None = None, **fields: Any) -> bytes:
    return json.dumps({**ANSWER, "content": [THINKING, {**BLOCK, **(block or {})}], **fields}).encode()


PLAIN: dict[str, tuple[Wire, bytes]] = {
    "response": ("responses", response()),
    "without reasoning": ("responses", response(output=[MESSAGE])),
    "reasoning twice": ("responses", response(output=[REASONING, {**REASONING, "id": "rs_2"}, MESSAGE])),
    "raw reasoning": ("responses", response(output=[{**REASONING, "content": [{"text": "Hm."}]}, MESSAGE])),
    "a summary": ("responses", response(output=[{**REASONING, "summary": [{"text": "Hm."}]}, MESSAGE])),
    "the final answer": ("responses", response(item={"phase": "final_answer"})),
    "sources": ("responses", response(part={"annotations": [{"type": "url_citation", "url": "https://x"}]})),
    "no usage": ("responses", response(usage=None)),
    "usage without details": ("responses", response(usage={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})),
    "flex": ("responses", response(service_tier="flex")),
    "ticks": ("responses", response(usage={**RESPONSE["usage"], "cost_in_usd_ticks": 7})),  # type: ignore[dict-item]
    "minimal response": (
        "responses",
        b'{"object":"response","status":"completed","output":[{"type":"message","content":'
        b'[{"type":"output_text","text":"x"}]}]}',
    ),
    "message": ("messages", answer()),
    "without thinking": ("messages", answer(content=[BLOCK])),
    "redacted thinking": ("messages", answer(content=[{"type": "redacted_thinking", "data": "x"}, BLOCK])),
    "thinking behind": ("messages", answer(content=[BLOCK, THINKING])),
    "cited": ("messages", answer(block={"citations": [{"type": "char_location", "cited_text": "x"}]})),
    "no bill": ("messages", answer(usage=None)),
    "iterations": ("messages", answer(usage={**ANSWER["usage"], "iterations": [{"input_tokens": 999}]})),  # type: ignore[dict-item]
    "minimal message": (
        "messages",
        b'{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn"}',
    ),
}
OTHER: dict[str, tuple[Wire, bytes]] = {
    "nothing": ("responses", b""),
    "no JSON": ("messages", b"<html>"),
    "a stream": ("messages", b'event: ping\ndata: {"type": "ping"}\n\n'),
    "a chat completion": (
        "responses",
        b'{"object":"chat.completion","choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}',
    ),
    "a call": ("responses", response(output=[MESSAGE, CALL])),
    "a custom call": ("responses", response(output=[MESSAGE, {**CALL, "type": "custom_tool_call"}])),
    "a search": ("responses", response(output=[{"type": "web_search_call", "id": "ws_1"}, MESSAGE])),
    "an item of tomorrow": ("responses", response(output=[{"type": "some_future_type"}, MESSAGE])),
    "an item without a type": ("responses", response(output=[{"content": [TEXT]}])),
    "two messages": ("responses", response(output=[MESSAGE, {**MESSAGE, "id": "msg_2"}])),
    "two parts": ("responses", response(item={"content": [TEXT, TEXT]})),
    "no parts": ("responses", response(item={"content": []})),
    "a commentary": ("responses", response(item={"phase": "commentary"})),
    "a refusal": ("responses", response(item={"content": [{"type": "refusal", "refusal": "No."}]})),
    "blank": ("responses", response(part={"text": " \n"})),
    "only reasoning": ("responses", response(output=[REASONING])),
    "cut": ("responses", response(status="incomplete", incomplete_details={"reason": "max_output_tokens"})),
    "failed": ("responses", response(status="failed", error={"code": "server_error", "message": "x"})),
    "pending": ("responses", response(status="in_progress")),
    "an error": ("responses", response(error={"message": "x"})),
    "half a letter": ("responses", response().replace(b"Hello", b"\\ud83d")),
    "cut off": ("responses", response()[:-1]),
    "a tool": ("messages", answer(content=[BLOCK, TOOL_USE])),
    "a server's tool": ("messages", answer(content=[BLOCK, {**TOOL_USE, "type": "server_tool_use"}])),
    "two texts": ("messages", answer(content=[BLOCK, BLOCK])),
    "no blocks": ("messages", answer(content=[])),
    "another model": ("messages", answer(content=[{"type": "fallback", "model": "claude-x"}, BLOCK])),
    "max_tokens": ("messages", answer(stop_reason="max_tokens")),
    "a pause": ("messages", answer(stop_reason="pause_turn")),
    "a refused answer": ("messages", answer(stop_reason="refusal")),
    "a stop sequence": ("messages", answer(stop_reason="stop_sequence", stop_sequence="END")),
    "an error's object": ("messages", b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}'),
}


@pytest.mark.parametrize(("wire", "body"), PLAIN.values(), ids=PLAIN)
def test_a_plain_answer_is_read_as_it_is_at_length(wire: Wire, body: bytes) -> None:
    assert check(wire, body)


@pytest.mark.parametrize(("wire", "body"), OTHER.values(), ids=OTHER)
def test_every_other_answer_is_left_to_the_long_way(wire: Wire, body: bytes) -> None:
    assert plain_on(wire, body) is None


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_a_server_that_puts_its_reasoning_into_the_text_is_left_to_the_long_way(wire: Wire) -> None:
    body = response() if wire == "responses" else answer()
    assert plain_on(wire, body, "never") == plain_on(wire, body, "marked") is not None
    assert plain_on(wire, body, "begun") is None


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 99), st.floats(allow_nan=False), st.just(""), st.just("end_turn"),
    st.text(), st.just([]), st.just({}), st.just([TEXT]), st.just({"message": "x"}), st.just("completed"),
    st.just([MESSAGE]), st.just([REASONING]), st.just([BLOCK]), st.just([THINKING]), st.just("commentary"),
    st.just([{"type": "text", "text": "x"}, TOOL_USE]), st.just([MESSAGE, CALL]), st.just("message"),
)  # fmt: skip
ERRORS = ["error", "errors", "error_msg", "error_code", "fault", "detail", "message", "msg", "Message", "success"]
ODD_NAMES = [*ERRORS, "base_resp", "response", "promptFeedback", "prompt_feedback", "choices", "code", "status_code"]
COUNTS = [
    *("input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details", "service_tier"),
    *("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "iterations", "server_tool_use"),
    *("prompt_tokens", "completion_tokens", "cost", "cost_in_usd_ticks", "speed", "num_sources_used"),
]
NAMES = {
    "payload": [
        *(*ODD_NAMES, "object", "type", "model", "id", "output", "content", "usage", "status", "incomplete_details"),
        *("service_tier", "stop_reason", "stop_sequence", "stop_details", "container", "conversation", "background"),
    ],
    "item": ["type", "content", "phase", "status", "id", "role", "encrypted_content"],
    "part": ["type", "text", "annotations", "logprobs", "citations", "refusal"],
    "usage": COUNTS,
}
SAID = st.fixed_dictionaries({place: st.dictionaries(st.sampled_from(names), ODD) for place, names in NAMES.items()})


@pytest.mark.parametrize("wire", ["responses", "messages"])
@given(said=SAID)
@settings(max_examples=examples(1000), deadline=None)
def test_whatever_a_provider_says_the_short_way_reads_the_same_or_nothing(wire: Wire, said: dict[str, Any]) -> None:
    whole = RESPONSE if wire == "responses" else ANSWER
    fields = {"usage": {**whole["usage"], **said["usage"]}, **said["payload"]}  # type: ignore[dict-item]
    if wire == "responses":
        body = response(item=said["item"], part=said["part"], **fields)
    else:
        body = answer(block=said["part"], **fields)
    try:
        check(wire, body)
    except MsgfluxError as error:
        raise AssertionError(f"the long way refuses it: {error}: {body!r}") from error


def whole_bodies() -> list[Any]:
    found = [one for wire in ("responses", "messages") for one in recorded_on(wire)]
    kept = [pytest.param(one["wire"], one["body"].encode(), id=one["id"]) for one in found if one["status"] == 200]
    return kept or [pytest.param("responses", b"", marks=missing_2(), id="none")]


@pytest.mark.parametrize(("wire", "body"), whole_bodies())
def test_a_recorded_answer_is_read_the_same_or_not_at_all(wire: Wire, body: bytes) -> None:
    check(wire, body)
