"""Streamed tool calls, with the quirks of real servers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.errors import ToolCallError
from msgflux_nb.protocol.events import ToolCallDelta
from msgflux_nb.protocol.tool_calls import ToolCall, ToolCallAggregator

Fragment = tuple[Any, Any, Any, Any]


def put_together(*fragments: Fragment) -> ToolCallAggregator:
    aggregator = ToolCallAggregator(streaming=True)
    for fragment in fragments:
        aggregator.process(*fragment)
    aggregator.finish()
    return aggregator


def names_and_arguments(aggregator: ToolCallAggregator) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, call.arguments) for call in aggregator.get_calls(strict=True)]


QUIRKS: dict[str, list[Fragment]] = {
    "index 0 for both calls": [
        (0, "c1", "f", ""),
        (0, "", None, '{"a":1}'),
        (0, "c2", "f", ""),
        (0, "", None, '{"a":2}'),
    ],
    "index 0 for two whole calls": [(0, "c1", "f", '{"a":1}'), (0, "c2", "f", '{"a":2}')],
    "index 0 and no ids": [(0, None, "f", '{"a":1}'), (0, None, "f", '{"a":2}')],
    "no index": [(None, "c1", "f", '{"a"'), (None, None, None, ":1}"), (None, "c2", "f", '{"a":2}')],
    "no index and no id": [(None, None, "f", '{"a":1}'), (None, None, "f", '{"a":2}')],
    "index from 1, interleaved": [
        (1, "c1", "f", '{"a'),
        (2, "c2", "f", '{"a'),
        (1, None, None, '":1}'),
        (2, None, None, '":2}'),
    ],
    "id and name on every fragment": [
        (0, "c1", "f", '{"a"'),
        (0, "c1", "f", ":1}"),
        (1, "c2", "f", '{"a"'),
        (1, "c2", "f", ":2}"),
    ],
    "the last call sent whole again": [
        (0, "c1", "f", '{"a":1}'),
        (1, "c2", "f", '{"a":'),
        (1, "c2", "f", "2}"),
        (1, "c2", "f", '{"a":2}'),
    ],
    "null as text": [
        (0, "c1", "f", '{"a":'),
        (0, "null", "null", "1}"),
        (1, "c2", "f", '{"a":'),
        (1, "", "", "2}"),
    ],
    "id and name in different fragments": [
        (0, "c1", None, None),
        (0, None, "f", None),
        (0, None, None, '{"a":1}'),
        (1, None, "f", '{"a":'),
        (1, "c2", None, "2}"),
    ],
    "arguments as an object": [(0, "c1", "f", {"a": 1}), (1, "c2", "f", {"a": 2})],
}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_two_calls_come_out_whole(quirk: str) -> None:
    aggregator = put_together(*QUIRKS[quirk])
    assert names_and_arguments(aggregator) == [("f", {"a": 1}), ("f", {"a": 2})]
    ids = [call.id for call in aggregator.get_calls()]
    assert len(set(ids)) == 2
    if "no ids" not in quirk and "no id" not in quirk:
        assert ids == ["c1", "c2"]
    assert not any(state.repaired for state in aggregator.states)


def test_calls_that_are_given_one_id_get_ids_of_their_own() -> None:
    aggregator = put_together((0, "c1", "f", "{}"), (1, "c1", "g", ""), (1, "c1", None, '{"a":'), (1, "c1", "g", "2}"))
    first, second = aggregator.get_calls(strict=True)
    assert (first, second.name, second.arguments) == (ToolCall("c1", "f", {}), "g", {"a": 2})
    assert second.id != "c1"
    aggregator.insert_results({first.id: 1, second.id: 2})
    assert [message.get("tool_call_id") for message in aggregator.get_messages()] == [None, first.id, second.id]


def test_a_call_without_a_name_is_broken_and_answered_by_that() -> None:
    aggregator = put_together((0, "c1", None, "{}"))
    assert aggregator.get_calls() == []
    assert aggregator.states[0].error == "the call has no name"
    assistant, answer = aggregator.get_messages()
    assert assistant["tool_calls"][0]["function"]["name"]
    assert answer["tool_call_id"] == "c1"


def test_a_deprecated_call_among_others_goes_back_in_their_form() -> None:
    aggregator = ToolCallAggregator()
    aggregator.process(None, None, "g", "{}", kind="function_call")
    aggregator.process(0, "c1", "f", "{}")
    aggregator.insert_results({call.id: "ok" for call in aggregator.get_calls()})
    assistant, *answers = aggregator.get_messages()
    assert [call["id"] for call in assistant["tool_calls"]] == [answer["tool_call_id"] for answer in answers]


def test_half_a_letter_goes_back_as_what_json_can_hold() -> None:
    aggregator = put_together(
        (0, "c1", "f", '{"a":"\ud83d'), (0, None, None, '\ude00"}'), (1, "c2", "f", '"{\\"a\\":1}"')
    )
    aggregator.process(2, "c\ud83d", "g\udcaf", "{}")
    aggregator.insert_results({"c1": "x\ud83d", "c2": {"a": "\udcaf"}, "c\ufffd": 1})
    messages = aggregator.get_messages()
    assert json.loads(messages[0]["tool_calls"][0]["function"]["arguments"]) == {"a": "😀"}
    assert json.dumps(messages, ensure_ascii=False).encode()


def test_an_id_of_our_own_fits_every_provider_and_stays() -> None:
    aggregator = put_together((0, None, "f", "{}"))
    first = aggregator.get_calls()[0].id
    assert len(first) == 9
    assert first.isalnum()
    assert aggregator.get_calls()[0].id == first


def test_a_late_id_is_taken_and_flagged() -> None:
    aggregator = put_together((0, None, "f", '{"a":'), (0, "c1", None, "1}"))
    assert aggregator.get_calls() == [ToolCall("c1", "f", {"a": 1})]
    assert aggregator.states[0].late_id


@pytest.mark.parametrize("nothing", ["", None, {}])
def test_no_arguments_are_an_empty_object(nothing: Any) -> None:
    aggregator = put_together((0, "c1", "f", nothing))
    assert aggregator.get_calls() == [ToolCall("c1", "f", {})]
    aggregator.insert_results({"c1": 1})
    assert aggregator.get_messages()[0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_null_for_arguments_is_an_empty_object_and_flagged() -> None:
    aggregator = put_together((0, "c1", "f", "null"))
    assert aggregator.get_calls() == [ToolCall("c1", "f", {})]
    assert aggregator.states[0].repaired
    aggregator.insert_results({"c1": 1})
    assert aggregator.get_messages()[0]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    "fragments",
    [['"{\\"a\\":1}"'], ["{}", '{"a":1}'], ['{"a":', '{"a":1}'], ['{"a', '{"a":', '{"a":1}']],
    ids=["encoded twice", "an empty object first", "a snapshot", "snapshots"],
)
def test_arguments_that_have_one_valid_reading_are_repaired_and_flagged(fragments: list[str]) -> None:
    aggregator = put_together((0, "c1", "f", None), *((0, None, None, text) for text in fragments))
    assert aggregator.get_calls() == [ToolCall("c1", "f", {"a": 1})]
    assert aggregator.states[0].repaired


@pytest.mark.parametrize("raw", ['{"c":"x"{"c":"x","d":1}', "{", "[1]", "NaN", '{"a":1}{"b":2}', '"text"'])
def test_broken_arguments_are_kept_and_never_executed(raw: str) -> None:
    aggregator = put_together((0, "c1", "f", raw), (1, "c2", "g", "{}"))
    assert [call.id for call in aggregator.get_calls()] == ["c2"]
    assert (aggregator.states[0].status, aggregator.states[0].raw) == ("invalid", raw)
    assert aggregator.states[0].error
    with pytest.raises(ToolCallError, match="c1"):
        aggregator.get_calls(strict=True)
    aggregator.insert_results({"c2": "done"})
    messages = aggregator.get_messages()
    assert [message.get("tool_call_id") for message in messages] == [None, "c1", "c2"]
    assert messages[0]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert "error" in json.loads(messages[1]["content"])


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text())), st.data())
def test_an_object_cut_anywhere_comes_back_unflagged(arguments: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(arguments)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    aggregator = put_together((0, "c1", "f", None), *((0, None, None, piece) for piece in pieces))
    assert aggregator.get_calls(strict=True) == [ToolCall("c1", "f", arguments)]
    assert not aggregator.states[0].repaired


def test_states_can_be_polled_at_every_character() -> None:
    aggregator = ToolCallAggregator(streaming=True)
    aggregator.process(0, "c1", "f", None)
    assert aggregator.get_calls() == []  # arguments may still come
    seen = []
    for letter in '{"city": "Paris"}':
        assert aggregator.get_calls() == []
        aggregator.process(0, None, None, letter)
        seen.append(json.dumps(aggregator.states[0].partial))
    assert '{"city": "Pa"}' in seen
    assert aggregator.states[0].status == "complete"


def test_calls_and_history_are_those_of_one_choice_where_one_is_asked_for() -> None:
    aggregator = ToolCallAggregator()
    for choice, text in ((0, '{"a": 1}'), (1, '{"a": 2}')):
        aggregator.process(0, f"c{choice}", "f", text, choice=choice)
    aggregator.insert_results({"c0": "one", "c1": "two"})
    assert [call.id for call in aggregator.get_calls()] == ["c0", "c1"]
    assert [call.id for call in aggregator.get_calls(choice=1)] == ["c1"]
    assert aggregator.get_calls(choice=2) == []
    first, second = aggregator.get_messages(), aggregator.get_messages(choice=1)
    assert [[call["id"] for call in one[0]["tool_calls"]] for one in (first, second)] == [["c0"], ["c1"]]
    assert [one[1]["content"] for one in (first, second)] == ["one", "two"]


def test_two_choices_keep_their_own_calls() -> None:
    aggregator = ToolCallAggregator()
    aggregator.process(0, "c1", "f", '{"a":', choice=0)
    aggregator.process(0, "c2", "f", '{"a":', choice=1)
    aggregator.process(0, None, None, "1}", choice=0)
    aggregator.process(0, None, None, "2}", choice=1)
    assert names_and_arguments(aggregator) == [("f", {"a": 1}), ("f", {"a": 2})]


def test_fields_of_the_provider_go_back_as_they_came() -> None:
    aggregator = put_together((None, "g1", "f", '{"a":1}'))
    signature = {"extra_content": {"google": {"thought_signature": "U0lH"}}}
    aggregator.process(None, None, None, None, extra=signature)
    aggregator.insert_results({"g1": None})
    assert aggregator.get_messages() == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "g1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}, **signature}
            ],
        },
        {"role": "tool", "tool_call_id": "g1", "content": "null"},
    ]


def test_a_deprecated_function_call_is_answered_in_its_own_form() -> None:
    aggregator = ToolCallAggregator()
    aggregator.process(None, None, "f", "", kind="function_call")
    aggregator.process(None, None, None, "{}", kind="function_call")
    aggregator.insert_results({aggregator.get_calls()[0].id: "ok"})
    assert aggregator.get_messages() == [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "ok"},
    ]


def test_a_custom_tools_text_is_never_parsed() -> None:
    aggregator = ToolCallAggregator()
    aggregator.process(0, "c1", "sql", '{"SELECT ', kind="custom")
    aggregator.process(0, None, None, "1", kind="custom")
    assert aggregator.get_calls() == [ToolCall("c1", "sql", {"input": '{"SELECT 1'})]
    aggregator.insert_results({"c1": [1]})
    assert aggregator.get_messages()[0]["tool_calls"] == [
        {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": '{"SELECT 1'}}
    ]


def test_an_unknown_id_names_the_known_ones_and_nothing_is_taken() -> None:
    aggregator = put_together((0, "c1", "f", "{}"), (1, "c2", "f", "{}"))
    with pytest.raises(ToolCallError, match="c1, c2"):
        aggregator.insert_results({"c1": 1, "c9": 2})
    with pytest.raises(ToolCallError, match=r"c1 \(f\), c2 \(f\)"):
        aggregator.get_messages()


def test_a_missing_result_is_named_or_left_out() -> None:
    aggregator = put_together((0, "c1", "f", "{}"), (1, "c2", "g", "{}"))
    aggregator.insert_results({"c1": 1})
    with pytest.raises(ToolCallError, match=r"c2 \(g\)"):
        aggregator.get_messages()
    messages = aggregator.get_messages(allow_missing=True)
    assert [call["id"] for call in messages[0]["tool_calls"]] == ["c1"]
    assert messages == aggregator.get_messages(allow_missing=True)


def test_without_an_answered_call_there_is_no_turn() -> None:
    assert put_together((0, "c1", "f", "{}")).get_messages(allow_missing=True) == []


def test_a_watcher_is_told_each_fragment_with_its_call_and_the_end() -> None:
    aggregator = ToolCallAggregator(streaming=True)
    aggregator.process(0, "c1", "f", '{"a"')
    seen: list[Any] = []
    aggregator.watch(seen.append)
    aggregator.process(0, "", "", ": 1}")
    aggregator.process(0, "c2", "g", {"b": 2})
    aggregator.finish()
    assert seen == [ToolCallDelta(0, None, None, ": 1}"), ToolCallDelta(1, "c2", "g", {"b": 2}), None]
