"""The streams of the field guide, cut at every point; byte for byte if the guide gives bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.errors import MsgfluxError, NotAnApiError, ProviderError, ServerError, StreamInterruptedError
from msgflux_nb.models.profiles import PROFILES
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.tool_calls import ToolCallAggregator
from msgflux_nb.protocol.turns import outgoing

DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}, separators=(",", ":")).encode() + b"\n\n"


def tools(*calls: dict[str, Any], reason: str | None = None) -> bytes:
    return chunk({"tool_calls": list(calls)}, reason)


def read(*pieces: bytes) -> Accumulator:
    accumulator = Accumulator()
    for piece in pieces:
        accumulator.feed(piece)
    accumulator.close()
    return accumulator


def every_way(wire: bytes) -> list[Accumulator]:
    """Read the stream whole, in pieces, and cut at every byte."""
    pieces = [[wire[at : at + size] for at in range(0, len(wire), size)] for size in (1, 2, 3, 7)]
    cuts = [[wire[:cut], wire[cut:]] for cut in range(len(wire) + 1)]
    return [read(*some) for some in [*pieces, *cuts]]


def calls_of(accumulator: Accumulator) -> list[tuple[str, str, Any]]:
    return [(call.id, call.name, call.arguments) for call in accumulator.finish().tool_calls]


def test_1_calls_that_share_an_index_stay_apart() -> None:
    wire = (
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":'
        b'{"name":"f","arguments":""}}]},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"","function":{"arguments":'
        b'"{\\"a\\":1}"}}]},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c2","type":"function","function":'
        b'{"name":"f","arguments":""}}]},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"","function":{"arguments":'
        b'"{\\"a\\":2}"}}]},"finish_reason":"tool_calls"}]}\n\n'
    )
    for accumulator in every_way(wire + DONE):
        assert calls_of(accumulator) == [("c1", "f", {"a": 1}), ("c2", "f", {"a": 2})]


@pytest.mark.parametrize("ids", [("c1", "c2"), (None, None)], ids=["two ids", "no ids"])
def test_1_whole_calls_that_share_an_index_stay_apart(ids: tuple[str | None, str | None]) -> None:
    wire = b"".join(
        tools({"index": 0, "id": ids[n - 1], "function": {"name": "f", "arguments": json.dumps({"a": n})}})
        for n in (1, 2)
    )
    for accumulator in every_way(wire + chunk({}, "tool_calls") + DONE):
        found = calls_of(accumulator)
        assert [call[1:] for call in found] == [("f", {"a": 1}), ("f", {"a": 2})]
        assert len({call[0] for call in found}) == 2
        assert ids == (None, None) or [call[0] for call in found] == list(ids)
        assert ids != (None, None) or all(len(call[0]) == 9 for call in found)


def test_2_a_call_without_index_keeps_its_signature_whatever_the_reason_says() -> None:
    wire = (
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"id":"g1","type":"function","function":{"name":"f",'
        b'"arguments":"{\\"a\\""}}]}}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":":1}"}}]}}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{},"extra_content":{"google":'
        b'{"thought_signature":"U0lH"}}}]},"finish_reason":"stop"}]}\n\n'
    )
    for accumulator in every_way(wire + DONE):
        assert calls_of(accumulator) == [("g1", "f", {"a": 1})]
        aggregator = accumulator.tool_calls
        aggregator.insert_results({"g1": 1})
        sent = aggregator.get_messages()[0]["tool_calls"]
        assert [call["extra_content"] for call in sent] == [{"google": {"thought_signature": "U0lH"}}]


@pytest.mark.parametrize("blank", ["", None])
def test_3_a_blank_never_overwrites_an_identity(blank: str | None) -> None:
    wire = tools({"index": 0, "id": "c1", "type": "FUNCTION", "function": {"name": "ls", "arguments": '{"p":"."'}})
    wire += tools({"index": 0, "id": "", "type": "FUNCTION", "function": {"name": "null", "arguments": "}"}})
    wire += tools({"index": 0, "id": blank, "type": blank, "function": {"name": blank, "arguments": blank}})
    for accumulator in every_way(wire + chunk({}, "tool_calls") + DONE):
        assert calls_of(accumulator) == [("c1", "ls", {"p": "."})]


def test_4_order_is_that_of_the_first_fragments_and_repeats_are_ignored() -> None:
    both = [("c2", 1, "f"), ("c1", 0, "g")]
    wire = b"".join(
        tools({"index": index, "id": id_, "function": {"name": name, "arguments": text}})
        for text in ('{"a"', ":", "1}")
        for id_, index, name in both
    )
    wire += tools({"index": 0, "id": "c1", "function": {"name": "g", "arguments": '{"a":1}'}}, reason="tool_calls")
    for accumulator in every_way(wire + DONE):
        assert calls_of(accumulator) == [("c2", "f", {"a": 1}), ("c1", "g", {"a": 1})]


@pytest.mark.parametrize(
    ("fragments", "meant", "repaired"),
    [
        ([""], {}, False),
        ([{"a": 1}], {"a": 1}, False),
        (['"{\\"a\\":1}"'], {"a": 1}, True),
        (["{}", '{"a":1}'], {"a": 1}, True),
        (['{"a":', '{"a":1}'], {"a": 1}, True),
    ],
    ids=["nothing", "an object", "encoded twice", "an empty object first", "all so far"],
)
def test_5_every_form_of_arguments_is_read_and_repairs_are_flagged(
    fragments: list[Any], meant: dict[str, Any], repaired: bool
) -> None:
    first, *others = fragments
    wire = tools({"index": 0, "id": "c1", "function": {"name": "f", "arguments": first}})
    wire += b"".join(tools({"index": 0, "function": {"arguments": text}}) for text in others)
    for accumulator in every_way(wire + chunk({}, "tool_calls") + DONE):
        assert calls_of(accumulator) == [("c1", "f", meant)]
        assert accumulator.tool_calls.states[0].repaired is repaired
        accumulator.tool_calls.insert_results({"c1": None})
        sent = accumulator.tool_calls.get_messages()[0]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(sent) == meant


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v), max_leaves=5)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.booleans(), st.data())
def test_5_any_object_cut_at_any_characters_comes_back_unflagged(
    meant: dict[str, Any], plain: bool, data: st.DataObject
) -> None:
    text = json.dumps(meant, ensure_ascii=plain)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    aggregator = ToolCallAggregator(streaming=True)
    aggregator.process(0, "c1", "f", None)
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        aggregator.process(0, None, None, text[start:end])
    aggregator.finish()
    assert [(call.arguments) for call in aggregator.get_calls(strict=True)] == [meant]
    assert not aggregator.states[0].repaired


@pytest.mark.parametrize(
    ("raw", "reason"),
    [('{"c":"x"{"c":"x","d":1}', "tool_calls"), ("{", "length"), ("[1]", "tool_calls"), ("NaN", "tool_calls")],
)
def test_6_broken_arguments_are_kept_and_never_executed(raw: str, reason: str) -> None:
    wire = tools({"index": 0, "id": "c1", "function": {"name": "f", "arguments": raw}})
    wire += tools({"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}})
    for accumulator in every_way(wire + chunk({}, reason) + DONE):
        assert calls_of(accumulator) == [("c1", "f", None), ("c2", "g", {})]
        aggregator = accumulator.tool_calls
        assert [call.id for call in aggregator.get_calls()] == ["c2"]
        broken = aggregator.states[0]
        assert (broken.status, broken.raw) == ("invalid", raw)
        assert broken.error
        aggregator.insert_results({"c2": "done"})
        messages = aggregator.get_messages()
        assert [json.loads(call["function"]["arguments"]) for call in messages[0]["tool_calls"]] == [{}, {}]
        assert [message["tool_call_id"] for message in messages[1:]] == ["c1", "c2"]
        assert json.loads(json.dumps(messages)) == messages


def test_7_the_deprecated_form_is_one_call() -> None:
    wire = chunk({"function_call": {"name": "f", "arguments": ""}}) + chunk({"function_call": {"arguments": "{}"}})
    for accumulator in every_way(wire + chunk({}, "function_call") + DONE):
        assert [call[1:] for call in calls_of(accumulator)] == [("f", {})]
        aggregator = accumulator.tool_calls
        aggregator.insert_results({aggregator.get_calls()[0].id: "ok"})
        assert [message["role"] for message in aggregator.get_messages()] == ["assistant", "function"]


def test_7_a_custom_tools_input_is_text() -> None:
    wire = tools({"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT "}})
    wire += tools({"index": 0, "custom": {"input": "1"}}, reason="tool_calls")
    for accumulator in every_way(wire + DONE):
        assert calls_of(accumulator) == [("c1", "sql", {"input": "SELECT 1"})]


def test_7_thinking_parts_are_reasoning_and_text_parts_are_text() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}, {"type": "text", "text": "Hi"}]
    for accumulator in every_way(chunk({"content": parts}) + chunk({}, "stop") + DONE):
        snapshot = accumulator.finish()
        assert (snapshot.text, snapshot.reasoning) == ("Hi", "h")


def test_7_mistral_is_sent_ids_of_nine_letters_the_same_in_call_and_result() -> None:
    wire = tools({"index": 0, "id": "functions.f:0", "function": {"name": "f", "arguments": "{}"}})
    aggregator = read(wire + tools({"index": 1, "id": "AbCdEfGh1", "function": {"name": "g"}}) + DONE).tool_calls
    aggregator.insert_results({"functions.f:0": 1, "AbCdEfGh1": 2})
    assistant, *results = outgoing(aggregator.get_messages(), PROFILES["mistral"], "mistral-small-latest")
    sent = [call["id"] for call in assistant["tool_calls"]]
    assert [result["tool_call_id"] for result in results] == sent
    assert sent[1] == "AbCdEfGh1"
    assert all(len(one) == 9 and one.isascii() and one.isalnum() for one in sent)


HOSTILE = (
    b'\xef\xbb\xbf: OPENROUTER PROCESSING\r\n\r\ndata:{"choices":[{"index":0,"delta":{"content":"\xc3\xa9\xf0\x9f\x98'
    b'\x80 \xe2\x80\xa8\xc2\x85x"}}]}\r\n\r\nevent: x\rid: 1\rdata: {"choices":[{"index":0,\rdata: "delta":{"content":'
    b'"y"},"finish_reason":"stop"}]}\r\rdata: [DONE]'
)


def test_9_lines_end_where_the_standard_says() -> None:
    for accumulator in every_way(HOSTILE):
        assert accumulator.finish().text == "é😀 \u2028\u0085xy"
        assert accumulator.done


def test_9_done_needs_no_blank_line_before_it() -> None:
    wire = chunk({"content": "Hi"}, "stop").rstrip() + b"\ndata: [DONE]\n\n"
    for accumulator in every_way(wire):
        assert accumulator.finish().text == "Hi"
        assert accumulator.done


HEL = chunk({"content": "Hel"})


def fails(accumulator: Accumulator) -> MsgfluxError:
    with pytest.raises(MsgfluxError) as caught:
        accumulator.finish()
    return caught.value


def test_10_an_end_without_reason_and_done_is_an_interruption() -> None:
    for accumulator in every_way(HEL):
        error = fails(accumulator)
        assert type(error) is StreamInterruptedError
        assert error.snapshot.text == "Hel"


def test_10_done_without_a_reason_is_complete() -> None:
    for accumulator in every_way(HEL + DONE):
        snapshot = accumulator.finish()
        assert (snapshot.text, snapshot.finish_reason) == ("Hel", "unknown")


def test_10_a_body_cut_at_any_byte_of_a_chunk_is_an_interruption_that_shows_what_was_cut() -> None:
    following = chunk({"content": "lo"}).rstrip()
    for cut in range(1, len(following)):
        error = fails(read(HEL + following[:cut]))
        assert type(error) is StreamInterruptedError
        assert error.snapshot.text == "Hel"
        assert cut < len(b'data: {"') or "only a part: '{" in str(error)


def test_10_chunks_without_choices_are_fine_and_their_usage_is_kept() -> None:
    wire = b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}\n\ndata: {"choices":null}\n\n' + HEL
    wire += chunk({}, "stop") + b'data: {"choices":[],"usage":{"total_tokens":7}}\n\n' + DONE
    for accumulator in every_way(wire):
        snapshot = accumulator.finish()
        assert snapshot.text == "Hel"
        assert snapshot.usage is not None
        assert snapshot.usage.total_tokens == 7


@pytest.mark.parametrize(
    ("wire", "message", "code"),
    [
        (
            b'data: {"error":{"code":502,"message":"gone"},"choices":[{"index":0,"delta":{"content":""},'
            b'"finish_reason":"error"}]}\n\n',
            "gone",
            502,
        ),
        (b'data: {"object":"error","message":"died","code":500}\n\n', "died", 500),
        (
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n',
            "x",
            "overloaded_error",
        ),
        (b'data: {"error":"plain"}\n\n', "plain", None),
    ],
)
def test_11_an_error_after_status_200_is_raised_with_its_code_and_the_partial(
    wire: bytes, message: str, code: int | str | None
) -> None:
    for accumulator in every_way(HEL + wire + chunk({"content": "never"}) + DONE):
        error = fails(accumulator)
        assert type(error) is ServerError
        assert isinstance(error, ProviderError)
        assert message in str(error)
        assert code in (error.code, error.status)
        assert error.snapshot.text == "Hel"
        assert accumulator.has_content  # so that nothing is sent again


def test_11_an_error_in_a_list_is_the_providers() -> None:
    error = fails(read(b'[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]'))
    assert isinstance(error, ProviderError)
    assert (str(error), error.status, error.code) == ("400 m", 400, "INVALID_ARGUMENT")


def test_11_a_web_page_is_not_an_api() -> None:
    assert isinstance(fails(read(b"<!doctype html><title>Sign in</title>")), NotAnApiError)


def test_11_a_whole_answer_to_a_stream_is_used() -> None:
    for accumulator in every_way(b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'):
        assert accumulator.finish().text == "Hi"
