"""A conversation goes on with another provider: parts that this one would refuse are rewritten for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import msgflux_nb as mf
from tests.models.test_wire_turns import message, model_on, response, said, whole
from tests.scripted import Reply, Server, serving

ENDS = {
    "chat": {"choices": [{"message": {"role": "assistant", "content": "Bye"}, "finish_reason": "stop"}]},
    "responses": response(said("Bye")),
    "messages": message({"type": "text", "text": "Bye"}),
}
USUAL = ["call_abc", "toolu_01UmKD1vMphVCN9vw8PEMk1q", "x" * 40]
KIMI, VLLM, CODEX = "functions.f:0", "chatcmpl-tool-" + "0" * 32, "codex_mcp__apps__" + "a" * 66


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Reply([])) as running:
        yield running


def sent(server: Server, wire: str, *between: dict[str, Any]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the part of a history that goes over a wire, and the warnings."""
    server.replies = [whole(ENDS[wire])]
    history = [{"role": "user", "content": "Hi"}, *between, {"role": "user", "content": "And?"}]
    before = json.dumps(history)
    answer = model_on(server, wire)(history)
    assert json.dumps(history) == before
    return server.bodies[-1]["input" if wire == "responses" else "messages"], answer.metadata.warnings


def called(call_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    call = {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turn = {"role": "assistant", "content": None, "tool_calls": [call]}
    return turn, {"role": "tool", "tool_call_id": call_id, "content": "1"}


def ids_of(wire: str, things: list[dict[str, Any]]) -> list[str]:
    """The ids of the call and of its result."""
    if wire == "responses":
        return [thing["call_id"] for thing in things if "call_id" in thing]
    if wire == "messages":
        return [things[1]["content"][0]["id"], things[2]["content"][0]["tool_use_id"]]
    return [things[1]["tool_calls"][0]["id"], things[2]["tool_call_id"]]


@pytest.mark.parametrize(
    ("wire", "taken", "refused"),
    [
        ("chat", [*USUAL, KIMI], [VLLM, CODEX, "é" * 41]),
        ("responses", [*USUAL, KIMI, VLLM], [CODEX, "a" * 65]),
        ("messages", [*USUAL, VLLM, CODEX], [KIMI, "a|b", "call 1"]),
    ],
)
def test_an_id_that_a_provider_refuses_has_another_name_there(
    server: Server, wire: str, taken: list[str], refused: list[str]
) -> None:
    for call_id in taken:
        assert ids_of(wire, sent(server, wire, *called(call_id))[0]) == [call_id] * 2
    others = []
    for call_id in refused:
        one, two = ids_of(wire, sent(server, wire, *called(call_id))[0])
        assert one == two
        assert len(one) <= 40
        assert one.replace("_", "").isalnum()
        assert one.isascii()
        assert ids_of(wire, sent(server, wire, *called(call_id))[0]) == [one, two]
        others.append(one)
    assert len({*others}) == len(refused)


def test_a_provider_that_is_not_openai_keeps_long_ids(server: Server) -> None:
    server.replies = [whole(ENDS["chat"])]
    model_on(server, "chat", "its-model")([{"role": "user", "content": "Hi"}, *called(VLLM)])
    assert ids_of("chat", server.bodies[-1]["messages"]) == [VLLM] * 2


@pytest.mark.parametrize("text", ["select 1", "", 'a "quoted"\ntext'])
def test_a_call_whose_input_is_text_goes_to_anthropic_as_one_with_an_argument(server: Server, text: str) -> None:
    call = {"id": "call_1", "type": "custom", "custom": {"name": "sql", "input": text}}
    turn = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "1"}
    things, _ = sent(server, "messages", turn, result)
    asked = {"type": "tool_use", "id": "call_1", "name": "sql", "input": {"input": text}}
    assert things[1:] == [
        {"role": "assistant", "content": [asked]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "1"},
                {"type": "text", "text": "And?"},
            ],
        },
    ]


def test_a_refusal_among_the_parts_of_a_turn_is_sent_as_text(server: Server) -> None:
    turn = {"role": "assistant", "content": [{"type": "text", "text": "A"}, {"type": "refusal", "refusal": "No."}]}
    things, _ = sent(server, "messages", turn)
    assert things[1]["content"] == [{"type": "text", "text": "A"}, {"type": "text", "text": "No."}]
    things, _ = sent(server, "responses", turn)
    assert things[1]["content"] == [{"type": "output_text", "text": "A"}, {"type": "refusal", "refusal": "No."}]


@pytest.mark.parametrize("blank", [" ", "\n\n", "\t "])
def test_a_turn_of_white_space_which_anthropic_refuses_stays_out(server: Server, blank: str) -> None:
    things, _ = sent(server, "messages", {"role": "assistant", "content": blank})
    assert [thing["role"] for thing in things] == ["user"]
    assert [part["text"] for part in things[0]["content"]] == ["Hi", "And?"]
    things, _ = sent(server, "messages", {"role": "assistant", "content": f"{blank}x"})
    assert [thing["role"] for thing in things] == ["user", "assistant", "user"]


@pytest.mark.parametrize("wire", ["chat", "responses", "messages"])
def test_names_of_speakers_are_sent_or_a_warning_names_them(server: Server, wire: str) -> None:
    things, warnings = sent(server, wire, {"role": "user", "name": "ann", "content": "I am here."})
    assert ("ann" in json.dumps(things)) == (wire == "chat")
    assert ("ann" in " ".join(warnings)) == (wire != "chat")


@pytest.mark.parametrize("kind", ["tool_reference", "search_result", "mcp_tool_listing", "browser_state"])
def test_a_result_holds_what_only_anthropic_knows(server: Server, kind: str) -> None:
    turn, result = called("call_1")
    part = {"type": kind, "tool_name": "get_weather"}
    things, _ = sent(server, "messages", turn, {**result, "content": [part]})
    assert things[2]["content"][0]["content"] == [part]


def test_a_type_that_nobody_has_is_still_named(server: Server) -> None:
    turn, result = called("call_1")
    with pytest.raises(mf.BadRequestError, match="tool_referense"):
        sent(server, "messages", turn, {**result, "content": [{"type": "tool_referense"}]})
