"""Tests that a batch's fast path on the Responses and Messages wires gives what a usual call gives."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.models import whole_answers
from msgflux_nb.models.batch_call import BatchCall
from tests.models.test_batch_calls import UR, answering, asked, fixed, forget, nothing_sent, told
from tests.models.test_wire_turns import message, response, said, whole
from tests.scripted import Peer, Reply, completion, error, listening, serving

JSON = '{"name": "Ur", "people": 7, "size": "large"}'
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


PLAIN = {
    "responses": whole(response(REASONING, said(JSON))),
    "messages": whole(message(THINKING, text(JSON))),
}
REPLIES: dict[str, dict[str, Reply]] = {
    "responses": {
        "plain": PLAIN["responses"],
        "does not fit": whole(response(said('{"name": 3}'))),
        "two messages": whole(response(said("Well."), said(JSON))),
        "a call": whole(response(said("x"), {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"})),
        "refused": whole(response({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]})),
        "cut": whole(response(said("{"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})),
        "failed": whole(response(status="failed", error={"code": "server_error", "message": "It broke."})),
        "pending": whole(response(status="queued")),
        "empty": whole(response()),
        "a gateway": completion(JSON),
        "429": error(429, "slow", **{"retry-after": "3"}),
    },
    "messages": {
        "plain": PLAIN["messages"],
        "does not fit": whole(message(text('{"name": 3}'))),
        "two blocks": whole(message(text(JSON[:9]), text(JSON[9:]))),
        "a call": whole(message(text("x"), {"type": "tool_use", "id": "c", "name": "f", "input": {}})),
        "refused": whole(message(reason="refusal")),
        "cut": whole(message(text("{"), reason="max_tokens")),
        "an error inside": whole({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        "empty": whole(message()),
        "a gateway": completion(JSON),
        "529": whole({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
    },
}
wires = pytest.mark.parametrize("wire", ["responses", "messages"])


def model_on(url: str, wire: str, **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion("scripted", **{"base_url": url, "max_retries": 0, "wire": wire, **options})


@pytest.mark.parametrize(("wire", "name"), [(wire, name) for wire, found in REPLIES.items() for name in found])
def test_an_answer_means_the_same_on_both_ways(wire: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(REPLIES[wire][name]) as server:
        model = model_on(server.url, wire, profile={"reasks": 0})
        short = told(asked(model, "Ur is large.")[0])
        forget(model)
        monkeypatch.setattr(whole_answers.WholeAnswers, "send", nothing_sent)
        long = told(asked(model, "Ur is large.")[0])
        forget(model)
    assert short == long
    assert short["sent"] == 1


@wires
def test_a_plain_answer_takes_the_short_way(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchCall, "_finish", None)
    with serving(PLAIN[wire]) as server:
        ((call, value, metadata),) = asked(model_on(server.url, wire), "Ur is large.")
    assert value == UR
    assert (metadata.wire, metadata.usage.prompt_tokens, metadata.attempts) == (wire, 5, 1)
    assert call.answer == PLAIN[wire].pieces[0]


@wires
def test_what_goes_back_to_the_provider_is_in_the_turn_of_a_plain_answer(wire: str) -> None:
    with serving(PLAIN[wire]) as server:
        model = model_on(server.url, wire)
        answer = asyncio.run(model.prepare("Ur is large.").ask())
        usual = model("Ur is large.")
        forget(model)
    assert answer._call.exchange.plain is not None
    assert answer.to_messages() == usual.to_messages()
    assert ("encrypted_content" if wire == "responses" else "signature") in json.dumps(answer.to_messages())
    assert (answer.reasoning, answer.metadata.id) == (usual.reasoning, usual.metadata.id)


@wires
@pytest.mark.parametrize("options", [{"api_key": "sk-1", "extra_headers": {"anthropic-beta": "a"}}, {}], ids=str)
def test_the_request_is_the_one_that_is_sent_the_long_way(
    wire: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(answering(fixed(PLAIN[wire]))) as server:
        asked(model_on(server.url, wire, **options), "x")
        monkeypatch.setattr(whole_answers.WholeAnswers, "send", nothing_sent)
        asked(model_on(server.url, wire, **options), "x")
        (short, body), (long, same) = server.requests
    assert body == same
    assert short.split("\r\n")[0] == long.split("\r\n")[0]
    assert short.startswith("POST /v1/responses" if wire == "responses" else "POST /v1/messages")
    assert sorted(short.lower().split("\r\n")) == sorted(long.lower().split("\r\n"))
    assert ("anthropic-version: 2023-06-01" in short.lower()) is (wire == "messages")


@pytest.mark.parametrize(
    ("name", "header"), [("openrouter/anthropic/claude-x", "Authorization"), ("anthropic/claude-x", "x-api-key")]
)
def test_a_gateway_of_several_wires_takes_the_key_as_on_its_own(name: str, header: str) -> None:
    with serving(PLAIN["messages"]) as server:
        model = mf.Model.chat_completion(name, base_url=server.url, api_key="sk-1", wire="messages")
        assert model("Ur?").text == JSON
        sent = {given.lower(): value for given, value in server.headers[-1].items()}
    keys = {"Authorization": "Bearer sk-1", "x-api-key": "sk-1"}
    assert {named: sent.get(named.lower()) for named in keys} == {**dict.fromkeys(keys), header: keys[header]}


def test_the_wire_that_is_left_at_a_gateway_takes_the_short_way_from_the_next_row_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            there = peer.requests[-1][0].startswith("POST /v1/chat/completions ")
            peer.send(
                fixed(completion(JSON)) if there else fixed(Reply([b"404 page not found"])).replace(b"200", b"404")
            )

    with listening(talk) as server:
        model = mf.Model.chat_completion("openai/gpt-5", base_url=server.url, api_key="sk-1", max_retries=0)
        ends = asked(model, "one", "two")
        monkeypatch.setattr(BatchCall, "_finish", None)
        ends += asked(model, "three")
        forget(model)
    assert [value for _, value, _ in ends] == [UR] * 3
    assert [head.split()[1] for head, _ in server.requests] == ["/v1/responses", *["/v1/chat/completions"] * 3]
