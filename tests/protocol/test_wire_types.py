"""Each kind of event, item, block, end and error of the Responses and Messages wires, read whole and in pieces."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from msgflux_nb.errors import MsgfluxError
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.profile import Wire
from msgflux_nb.protocol.snapshot import Snapshot
from msgflux_nb.protocol.turns import BLOCKS, ITEMS
from msgflux_nb.protocol.wire import reader_of

from .test_wire_variations import Chance, blocks_of, items_of, message_events, response_events

Part = dict[str, Any]
USAGE = {"input_tokens": 5, "output_tokens": 3}
SAID = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
RESPONSE: Part = {"id": "r_1", "object": "response", "model": "m", "status": "completed", "output": [SAID]}
BEGUN = {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}}
ENDED = {"type": "response.completed", "response": RESPONSE}
MESSAGE: Part = {"id": "m_1", "type": "message", "model": "m", "content": [], "stop_reason": None, "usage": USAGE}
HI = {"type": "text", "text": "Hi"}


def framed(*events: Part) -> bytes:
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events).encode()


def read(wire: Wire, body: bytes) -> Snapshot | MsgfluxError:
    """Read an answer in pieces of several sizes; check that all give the same."""
    found: list[Any] = []
    for step in (1, 7, 1000, len(body)):
        accumulator = Accumulator(reader=reader_of(wire))
        with mock.patch("secrets.choice", lambda letters: letters[0]):  # our own ids are random
            for at in range(0, len(body), step):
                accumulator.feed(body[at : at + step])
            accumulator.close()
            try:
                found.append(accumulator.finish())
            except MsgfluxError as error:
                found.append(error)
    assert len(set(map(repr, found))) == 1
    return found[-1]  # type: ignore[no-any-return]  # of either type


def answer(wire: Wire, body: bytes) -> Snapshot:
    found = read(wire, body)
    assert isinstance(found, Snapshot), found
    return found


# -- items of a response -----------------------------------------------------------------------------------------------

ITEM_KINDS = """
    additional_tools apply_patch_call apply_patch_call_output code_interpreter_call compaction computer_call
    computer_call_output custom_tool_call_output file_search_call function_call_output local_shell_call
    local_shell_call_output mcp_approval_request mcp_approval_response mcp_call mcp_list_tools program program_output
    shell_call shell_call_output tool_search_call tool_search_output web_search_call some_future_item
"""


@pytest.mark.parametrize("kind", ITEM_KINDS.split())
def test_an_item_that_is_not_for_the_caller_to_run_is_kept_and_adds_nothing_to_the_text(kind: str) -> None:
    item = {"type": kind, "id": "i", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}
    whole = {**RESPONSE, "output": [item, SAID]}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress"}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 1, "item": SAID},
    ]
    bodies = [
        json.dumps(whole).encode(),
        framed(BEGUN, *events, {"type": "response.completed", "response": whole}),
        framed(BEGUN, *events, {"type": "response.completed", "response": {**whole, "output": []}}),
    ]
    for body in bodies:
        found = answer("responses", body)
        assert (found.text, found.tool_calls, found.finish_reason) == ("Hi", (), "stop")
        assert found.choices[0].fields[ITEMS] == [item, SAID]


# -- events of a response ----------------------------------------------------------------------------------------------

PROGRESS = """
    code_interpreter_call.completed code_interpreter_call.in_progress code_interpreter_call.interpreting
    code_interpreter_call_code.delta code_interpreter_call_code.done file_search_call.completed
    file_search_call.in_progress file_search_call.searching image_generation_call.completed
    image_generation_call.generating image_generation_call.in_progress image_generation_call.partial_image
    mcp_call.completed mcp_call.failed mcp_call.in_progress mcp_call_arguments.delta mcp_call_arguments.done
    mcp_list_tools.completed mcp_list_tools.failed mcp_list_tools.in_progress shell_call_command.added
    shell_call_command.delta shell_call_command.done shell_call_output_content.delta shell_call_output_content.done
    web_search_call.completed web_search_call.in_progress web_search_call.searching in_progress queued
"""


@pytest.mark.parametrize("kind", PROGRESS.split())
def test_an_event_of_progress_adds_nothing(kind: str) -> None:
    event = {
        "type": f"response.{kind}",
        "output_index": 0,
        "item_id": "i",
        "delta": "x",
        "code": "x",
        "arguments": "{}",
    }
    assert answer("responses", framed(BEGUN, event, ENDED)) == answer("responses", framed(BEGUN, ENDED))


@pytest.mark.parametrize("kind", ["audio.delta", "audio.transcript.done", "some_future_thing", "heartbeat"])
def test_an_event_that_is_not_known_is_kept(kind: str) -> None:
    event = {"type": f"response.{kind}", "delta": "x"}
    found = answer("responses", framed(BEGUN, event, ENDED))
    assert (found.text, found.fields["unknown_events"]) == ("Hi", [event])


@pytest.mark.parametrize("kind", ["keepalive", "ping", "rate_limits.updated", "codex.rate_limits"])
def test_an_event_of_another_family_is_passed_over(kind: str) -> None:
    assert answer("responses", framed(BEGUN, {"type": kind, "x": 1}, ENDED)).text == "Hi"


def test_what_a_moderation_says_is_a_field_of_the_answer() -> None:
    moderation = {"input": {"type": "moderation_result", "flagged": True}}
    found = answer("responses", json.dumps({**RESPONSE, "moderation": moderation}).encode())
    assert found.fields["moderation"] == moderation


@pytest.mark.parametrize(
    ("status", "fields", "reason"),
    [
        ("completed", {}, "stop"),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        *(("incomplete", {"incomplete_details": {"reason": word}}, "length") for word in ("max_tokens", "length")),
        ("incomplete", {"incomplete_details": "max_output_tokens"}, "length"),
        ("incomplete", {"incomplete_details": {"reason": "some_future_reason"}}, "unknown"),
        ("incomplete", {"incomplete_details": None}, "unknown"),
        ("failed", {"error": {"code": "server_error", "message": "It broke."}}, None),
        ("failed", {"error": None}, None),
        ("cancelled", {}, None),
    ],
)
def test_each_end_of_a_response_is_reported(status: str, fields: Part, reason: str | None) -> None:
    whole = {**RESPONSE, "status": status, **fields}
    for body in (json.dumps(whole).encode(), framed(BEGUN, {"type": f"response.{status}", "response": whole})):
        found = read("responses", body)
        snapshot = found.snapshot if isinstance(found, MsgfluxError) else found
        assert isinstance(found, MsgfluxError) is (reason is None)
        assert isinstance(snapshot, Snapshot)
        assert (snapshot.text, snapshot.finish_reason) == ("Hi", reason or "error")


WORDS = [
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"},
    {"type": "response.output_item.done", "output_index": 0, "item": SAID},
]


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_an_event_may_say_its_type_only_in_its_name(wire: Wire) -> None:
    body = framed(BEGUN, *WORDS, ENDED) if wire == "responses" else message_stream(HI)
    named = re.sub(rb'data: {"type": "[^"]*"(?:, )?', b"data: {", body)
    assert named.count(b'"type": "') < body.count(b'"type": "')
    assert answer(wire, named) == answer(wire, body)


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_what_comes_after_the_end_is_not_part_of_the_answer(wire: Wire) -> None:
    if wire == "responses":
        body, more = framed(BEGUN, *WORDS, ENDED), WORDS[:1]
    else:
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
        body, more = message_stream(HI), [{"type": "content_block_start", "index": 0, "content_block": HI}, delta]
    assert answer(wire, body + framed(*more)) == answer(wire, body)


def vllm(kind: str, *, after: int = 0) -> list[Part]:
    """Return the events of one item as vLLM sends them: with a new number for each piece, or a growing index."""
    item: Part = {"id": kind, "type": kind, "role": "assistant", "content": []}
    name, text = ("reasoning_text", "I think.") if kind == "reasoning" else ("output_text", "Hi there")
    where, told = {"output_index": 1, "item_id": kind}, {"output_index": 1 + after, "item_id": kind}
    numbers = [0] * 9 if after else [1, 2, 3, 4, 5]
    pieces = [{"content_index": n, "delta": text[at : at + 2]} for n, at in zip(numbers, range(0, 8, 2), strict=False)]
    events = [
        {"type": "output_item.added", "output_index": 1, "item": item},
        {"type": "content_part.added", **where, "content_index": 0, "part": {"type": "output_text", "text": ""}},
        *({"type": f"{name}.delta", **where, **piece} for piece in pieces),
        {"type": f"{name}.done", **told, "content_index": numbers[4], "text": text},
        {"type": "output_item.done", **told, "item": {**item, "content": [{"type": name, "text": text}]}},
    ]
    return [{**event, "type": f"response.{event['type']}"} for event in events]


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("kind", ["reasoning", "message"])
def test_a_text_is_reported_once_where_numbers_run_on(kind: str, after: int) -> None:
    events = vllm(kind, after=after)
    whole = {**RESPONSE, "output": [{**events[-1]["item"], "id": "another"}]}
    found = answer("responses", framed(BEGUN, *events, {"type": "response.completed", "response": whole}))
    assert (found.text, found.reasoning) == (("", "I think.") if kind == "reasoning" else ("Hi there", None))
    assert found.choices[0].fields[ITEMS] == whole["output"]


@pytest.mark.parametrize("ids", [("call_1", "call_1"), ("call_2", "call_3"), ("call_2", None)])
def test_a_call_whose_index_and_id_change_is_one_call(ids: tuple[str, str | None]) -> None:
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""}
    said = {**call, "arguments": "{}", "call_id": ids[0], "id": None, "item_id": "fc_1"}
    thought = {"id": "rs", "type": "reasoning", "summary": [], "content": []}
    events = [
        {"type": "response.output_item.added", "output_index": 1, "item": thought},
        {"type": "response.output_item.done", "output_index": 2, "item": thought},
        {"type": "response.output_item.added", "output_index": 2, "item": call},
        {"type": "response.function_call_arguments.done", "output_index": 3, "item_id": "fc_1", "arguments": "{}"},
        {"type": "response.output_item.done", "output_index": 3, "item": said},
    ]
    last = {**call, "arguments": "{}", "call_id": ids[1], "id": "another"}
    whole = {**RESPONSE, "output": [{**thought, "id": "rs_2"}, last]}
    found = answer("responses", framed(BEGUN, *events, {"type": "response.completed", "response": whole}))
    assert [(one.id, one.arguments) for one in found.tool_calls] == [("call_1", {})]
    kept = found.choices[0].fields[ITEMS]
    assert [(item["type"], item.get("call_id")) for item in kept] == [
        ("reasoning", None),
        ("function_call", "call_1" if ids[1] else None),
    ]


# -- blocks and pieces of a message ------------------------------------------------------------------------------------

BLOCK_KINDS = """
    advisor_tool_result bash_code_execution_tool_result code_execution_tool_result compaction container_upload
    mcp_tool_result mcp_tool_use redacted_thinking server_tool_use text_editor_code_execution_tool_result
    tool_search_tool_result web_fetch_tool_result web_search_tool_result some_future_block
"""


def message_stream(*blocks: Part, pieces: tuple[Part, ...] = (), reason: str = "end_turn", **fields: Any) -> bytes:
    """Return a stream whose first block is sent in pieces."""
    events: list[Part] = [{"type": "message_start", "message": MESSAGE}, {"type": "ping"}]
    for n, block in enumerate(blocks):
        events.append({"type": "content_block_start", "index": n, "content_block": block})
        events += [{"type": "content_block_delta", "index": n, "delta": piece} for piece in pieces if n == 0]
        events.append({"type": "content_block_stop", "index": n})
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}, **fields}
    return framed(*events, end, {"type": "message_stop"})


@pytest.mark.parametrize("kind", BLOCK_KINDS.split())
def test_a_block_that_is_not_for_the_caller_to_run_is_kept_and_adds_nothing_to_the_text(kind: str) -> None:
    block = {"type": kind, "id": "s", "tool_use_id": "s", "name": "f", "input": {"a": 1}, "content": "Not to be shown."}
    whole = json.dumps({**MESSAGE, "content": [block, HI], "stop_reason": "end_turn"}).encode()
    for body in (whole, message_stream(block, HI)):
        found = answer("messages", body)
        assert (found.text, found.reasoning, found.tool_calls, found.finish_reason) == ("Hi", None, (), "stop")
        assert found.choices[0].fields[BLOCKS] == [block, HI]


@pytest.mark.parametrize(
    ("begun", "pieces", "block"),
    [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [{"type": "signature_delta", "signature": "a"}, {"type": "signature_delta", "signature": "b"}],
            {"type": "thinking", "thinking": "", "signature": "ab"},
        ),
        (
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            [{"type": "input_json_delta", "partial_json": one} for one in ("", '{"query": ', '"x"}')],
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        ),
        (
            {"type": "compaction", "content": None},
            [{"type": "compaction_delta", "content": "So far.", "encrypted_content": "e"}],
            {"type": "compaction", "content": "So far.", "encrypted_content": "e"},
        ),
        (
            {"type": "thinking", "thinking": "", "signature": "s"},
            [{"type": "thinking_delta", "thinking": "", "estimated_tokens": 5}, {"type": "future_delta", "x": 1}],
            {"type": "thinking", "thinking": "", "signature": "s"},
        ),
    ],
    ids=["signature in pieces", "a server's tool", "compaction", "future"],
)
def test_a_block_that_comes_in_pieces_goes_back_whole(begun: Part, pieces: list[Part], block: Part) -> None:
    found = answer("messages", message_stream(begun, HI, pieces=tuple(pieces)))
    assert (found.text, found.reasoning, found.tool_calls) == ("Hi", None, ())
    assert found.choices[0].fields[BLOCKS] == [block, HI]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        *(("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls")),
        *(("refusal", "refusal"), ("model_context_window_exceeded", "length"), ("pause_turn", "unknown")),
        *(("compaction", "unknown"), ("some_future_reason", "unknown")),
    ],
)
def test_each_end_of_a_message_is_reported(raw: str, reason: str) -> None:
    whole = json.dumps({**MESSAGE, "content": [HI], "stop_reason": raw}).encode()
    for body in (whole, message_stream(HI, reason=raw)):
        found = answer("messages", body)
        assert (found.text, found.finish_reason, found.raw_finish_reason) == ("Hi", reason, raw)


@pytest.mark.parametrize("given", ['{"a": 1}', None, "", [1], '{"a"'])
def test_a_call_goes_back_with_an_object_whatever_its_server_sent(given: Any) -> None:
    call = {"type": "tool_use", "id": "c", "name": "f", "input": given}
    for body in (message_stream(call), json.dumps({**MESSAGE, "content": [call], "stop_reason": "tool_use"}).encode()):
        kept = {"a": 1} if given == '{"a": 1}' else {}
        assert answer("messages", body).choices[0].fields[BLOCKS] == [{**call, "input": kept}]


def test_the_content_of_a_message_may_be_a_text() -> None:
    assert answer("messages", json.dumps({**MESSAGE, "content": "Hi", "stop_reason": "end_turn"}).encode()).text == "Hi"


@pytest.mark.parametrize(("wire", "said"), [("responses", "expected a response"), ("messages", "expected a message")])
def test_a_body_that_is_not_an_answer_is_reported_on_every_wire(wire: Wire, said: str) -> None:
    for body in (b"{}", b"null", b"<html><title>Log in</title></html>"):
        found = read(wire, body)
        assert isinstance(found, MsgfluxError)
        assert said in str(found)


def test_the_model_that_took_over_is_the_one_that_answered() -> None:
    block = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}, "trigger": {"type": "refusal"}}
    assert answer("messages", message_stream(block, HI)).model == "b"
    assert answer("messages", json.dumps({**MESSAGE, "content": [block, HI], "stop_reason": "x"}).encode()).model == "b"


# -- errors, and values that nobody expects ----------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["responses", "messages"])
@pytest.mark.parametrize("named", ["error", "message"])
def test_an_error_in_a_stream_is_raised_once_with_what_had_come(wire: Wire, named: str) -> None:
    fields = {"code": "rate_limit_exceeded", "type": "rate_limit_error", "message": "Slow down."}
    event = {"type": "error", "error": fields} if named == "error" else {**fields, "type": "error"}
    if wire == "responses":
        said = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "He"}
        failed = {
            "type": "response.failed",
            "response": {**RESPONSE, "status": "failed", "output": [], "error": fields},
        }
        body = framed(BEGUN, said, event, failed)
    else:
        body = message_stream({"type": "text", "text": "He"}).partition(b"event: message_delta")[0] + framed(event)
    found = read(wire, body)
    assert isinstance(found, MsgfluxError)
    assert str(found).count("Slow down.") == 1
    assert isinstance(found.snapshot, Snapshot)
    assert found.snapshot.text == "He"


ODD: list[Any] = [None, True, -1, 1.5, 10**30, "", "x", [], {}, [1], [None], [[]], [{}], {"a": 1}, {"type": []}]
ODD += [[{"type": "output_text", "text": 3}], [{"text": []}], {"type": "text"}, "\ud83d", "completed", "message"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    found = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inside in found:
        yield (*path, name)
        yield from places(inside, (*path, name))


def altered(draw: random.Random, events: list[Part]) -> list[Part]:
    """Return events of which some are missing or moved, and some values are changed."""
    events = copy.deepcopy(events)
    for _ in range(draw.randint(1, 3)):
        event = draw.choice(events)
        *path, last = draw.choice([*places(event)] or [("type",)])
        inner: Any = event
        for name in path:
            inner = inner[name]
        inner[last] = copy.deepcopy(draw.choice(ODD))
    if draw.random() < 0.3 and len(events) > 1:
        events.pop(draw.randrange(len(events)))
    if draw.random() < 0.2:
        draw.shuffle(events)
    return events


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_whatever_stands_in_an_answer_it_is_read_or_refused_in_our_words(wire: Wire) -> None:
    for seed in range(250):
        chance, draw = Chance(seed), random.Random(seed)
        parts = chance.parts()
        if wire == "responses":
            whole = {**RESPONSE, "output": items_of(parts), "usage": {**USAGE, "total_tokens": 8}}
            events = [*response_events(chance, whole)]
        else:
            whole = {**MESSAGE, "content": blocks_of(parts), "stop_reason": "end_turn"}
            events = [*message_events(chance, whole)]
        read(wire, json.dumps(altered(draw, [whole])[0]).encode())
        lines = [f"data: {json.dumps(event)}\n\n" for event in altered(draw, events)]
        read(wire, "".join(lines).encode())
