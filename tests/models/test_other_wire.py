"""Servers that take only another wire, or a simpler request: it is sent, remembered, and named in a warning."""

from __future__ import annotations

import json
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from tests.models.test_wire_turns import message, response, said, whole
from tests.scripted import Ask, Reply, both, completion, error, serving

CHAT_ONLY = "this server has chat completions only, so they were used in place of the provider's own wire"
RESPONSES_ASKED = "the server asks for the Responses wire, so it was used in place of chat completions"
NAMES = {"responses": "openai/gpt-5", "messages": "anthropic/claude-sonnet-4-5"}
RESPONSE, MESSAGE = whole(response(said("Hello"))), whole(message({"type": "text", "text": "Hello"}))
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
ANSWERED = [*CALLED, {"role": "tool", "tool_call_id": "call_1", "content": "1"}]


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def f() -> str:
    """Give a number."""
    return "1"


def model(url: str, name: str, **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion(name, **{"base_url": url, "api_key": "some-key", "max_retries": 0, **options})


def refused(status: int, body: Any) -> Reply:
    return Reply([body if isinstance(body, bytes) else json.dumps(body).encode()], status=status)


LACKING = [
    (404, b"<html><head><title>404 Not Found</title></head></html>"),
    (404, {"error": {"message": "Invalid URL (POST /v1/responses)", "type": "invalid_request_error"}}),
    (405, {"detail": "Method Not Allowed"}),
    (400, {"error": "unknown path"}),
    (200, {"error": "Unexpected endpoint or method. (POST /v1/responses)"}),
    (400, {"error": {"code": "unsupported_api_for_model", "message": "model x is not accessible via this endpoint"}}),
    (404, {"error": {"code": "OperationNotSupported", "message": "The responses operation does not work with x"}}),
]


@both
@pytest.mark.parametrize("wire", NAMES)
@pytest.mark.parametrize(("status", "body"), LACKING, ids=lambda value: str(value)[:40])
def test_a_gateway_without_the_wire_is_asked_by_chat_from_then_on(ask: Ask, wire: str, status: int, body: Any) -> None:
    with serving(refused(status, body), completion()) as server:
        asked = model(server.url, NAMES[wire])
        assert ask(asked, "Hi", "Ho") == ["Hello"] * 2
        assert ["input" in one or "max_tokens" in one for one in server.bodies] == [True, False, False]
        assert asked("Hi").metadata.warnings == (CHAT_ONLY,)


NAMING = [
    (404, {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}),
    (404, {"error": {"message": "Vector store with id ['vs_1'] not found.", "type": "invalid_request_error"}}),
    (404, {"type": "error", "error": {"type": "not_found_error", "message": "File not found: file_011"}}),
    (400, {"error": {"message": "Invalid image URL.", "code": "invalid_image_url"}}),
]


@pytest.mark.parametrize(("status", "body"), NAMING, ids=str)
def test_a_missing_thing_that_a_request_names_is_not_taken_for_a_missing_wire(status: int, body: Any) -> None:
    with serving(refused(status, body)) as server:
        with pytest.raises(mf.ProviderError):
            model(server.url, "openai/gpt-5")("Hi")
        assert len(server.bodies) == 1


# -- chat completions that a model refuses -----------------------------------------------------------------------------

ELSEWHERE = [
    "Function tools with reasoning_effort are not supported for gpt-x in /v1/chat/completions. To use function tools, "
    "use /v1/responses or set reasoning_effort to 'none'.",
    "This model is only supported in v1/responses and not in v1/chat/completions.",
    "The chatCompletion operation does not work with the specified model, x. Please choose different model.",
]


@both
@pytest.mark.parametrize("words", ELSEWHERE)
def test_a_deployment_that_asks_for_responses_gets_them_from_then_on(ask: Ask, words: str) -> None:
    with serving(error(400, words), RESPONSE) as server:
        asked = model(server.url, "azure/some-deployment")
        assert ask(asked, "Hi", "Ho", tool_schemas=[f]) == ["Hello"] * 2
        assert ["input" in one for one in server.bodies] == [False, True, True]
        assert server.bodies[-1]["include"] == ["reasoning.encrypted_content"]
        assert asked("Hi").metadata.warnings == (RESPONSES_ASKED,)
        server.replies = [completion()]
        assert model(server.url, "azure/some-deployment", stop=["END"])("Hi").metadata.wire == "chat"


@pytest.mark.parametrize("name", ["azure/some-deployment", "openai/ft:gpt-x:org", "openai/new-model"])
def test_tools_with_an_effort_go_by_responses(name: str) -> None:
    with serving(RESPONSE) as server:
        asked = model(server.url, name, reasoning_effort="low")
        assert asked.plan("Hi").wire == "chat"
        assert asked("Hi", tool_schemas=[f]).metadata.warnings == ()
        assert server.bodies[-1]["reasoning"] == {"effort": "low"}


def test_a_wire_that_the_caller_insists_on_stays() -> None:
    with serving(error(400, ELSEWHERE[0]), completion()) as server:
        asked = model(server.url, "openai/new-model", wire="chat", reasoning_effort="low")
        assert asked("Hi", tool_schemas=[f]).metadata.wire == "chat"
        assert [one.get("reasoning_effort") for one in server.bodies] == ["low", "none"]
    with serving(refused(404, b"404 page not found")) as server:
        with pytest.raises(mf.NotFoundError):
            model(server.url, "openai/gpt-5", wire="responses")("Hi")
        assert len(server.bodies) == 1


# -- earlier turns that a server refuses -------------------------------------------------------------------------------

ITEMS = {"response_items": [{"type": "reasoning", "id": "rs_1", "summary": []}, said("Hello")]}
BLOCKS = {
    "content_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "S"}, {"type": "text", "text": "Hello"}]
}
REFUSED: list[tuple[str, int, str]] = [
    ("responses", 404, "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."),
    ("responses", 400, "The encrypted content gAAA could not be verified. Reason: it could not be decrypted."),
    ("responses", 400, "Item 'rs_1' of type 'reasoning' was provided without its required following item."),
    ("messages", 400, "messages.1.content.0: Invalid `signature` in `thinking` block"),
    ("messages", 400, "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message "
     "cannot be modified."),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "status", "words"), REFUSED, ids=lambda value: str(value)[:50])
def test_reasoning_that_a_provider_does_not_take_back_is_left_out_with_a_warning(
    wire: str, status: int, words: str
) -> None:
    provider, _, name = NAMES[wire].partition("/")
    own = {"_msgflux": {"provider": provider, "model": name}, **(ITEMS if wire == "responses" else BLOCKS)}
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello", **own}]
    with serving(error(status, words), RESPONSE if wire == "responses" else MESSAGE) as server:
        answer = model(server.url, NAMES[wire])([*history, {"role": "user", "content": "And?"}])
        before, after = (one["input" if wire == "responses" else "messages"] for one in server.bodies)
        assert "rs_1" in json.dumps(before) or "Hm." in json.dumps(before)
        assert [one["content"] for one in after] == ["Hi", "Hello", "And?"]
        [warning] = answer.metadata.warnings
        assert warning.startswith(f"{provider} refused its own fields in earlier turns")
    with serving(error(status, words)) as server:
        with pytest.raises(mf.ProviderError):  # nothing was sent back
            model(server.url, NAMES[wire], wire=wire)("Hi")
        assert len(server.bodies) == 1


# -- thinking that goes with nothing that is asked for -----------------------------------------------------------------


@pytest.mark.parametrize("choice", ["f", "required"])
@pytest.mark.parametrize(
    "words",
    [
        "Thinking may not be enabled when tool_choice forces tool use.",
        "tool_choice 'specified' is incompatible with thinking enabled",
        "Thinking mode does not support this tool_choice",
    ],
)
def test_a_forced_call_comes_without_thinking_where_a_server_takes_only_one(choice: str, words: str) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    with serving(error(400, words), whole(message(call, reason="tool_use"))) as server:
        asked = model(server.url, NAMES["messages"], reasoning_effort="low")
        answer = asked("Hi", tool_schemas=[f], tool_choice=choice)
        assert [one.name for one in answer.tool_calls] == ["f"]
        assert [one["thinking"]["type"] for one in server.bodies] == ["enabled", "disabled"]
        [warning] = answer.metadata.warnings
        assert warning.endswith("was left out: claude-sonnet-4-5 does not take it with tool_choice.")
        asked("Hi", tool_schemas=[f])
        assert server.bodies[-1]["thinking"]["type"] == "enabled"


def test_calls_of_another_model_are_answered_without_thinking_which_would_have_to_come_first() -> None:
    asked = mf.Model.chat_completion(NAMES["messages"], api_key="some-key", reasoning_effort="low")
    plan = asked.plan(ANSWERED, tool_schemas=[f])
    assert "thinking" not in json.loads(plan.body)
    assert plan.warnings == ("left out, since the earlier turn with calls was made without thinking: reasoning_effort",)
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "S"}
    used = {"type": "tool_use", "id": "call_1", "name": "f", "input": {}}
    own = {"_msgflux": {"provider": "anthropic", "model": "claude-sonnet-4-5"}, "content_blocks": [thought, used]}
    second = [{**ANSWERED[1], "tool_calls": [{**CALL, "id": "call_2"}]}, {**ANSWERED[2], "tool_call_id": "call_2"}]
    loop = [ANSWERED[0], {**ANSWERED[1], **own}, ANSWERED[2], *second]
    for history in (loop, [*ANSWERED, {"role": "assistant", "content": "1"}, {"role": "user", "content": "And?"}]):
        assert json.loads(asked.plan(history, tool_schemas=[f]).body)["thinking"]["type"] == "enabled"


def test_what_anthropic_is_told_about_a_file_or_a_picture_is_sent() -> None:
    asked = mf.Model.chat_completion(NAMES["messages"], api_key="some-key")
    kept = {"cache_control": {"type": "ephemeral"}}
    file = {
        "type": "file",
        "file": {"file_id": "file_1"},
        "citations": {"enabled": True},
        "context": "A letter.",
        **kept,
    }
    picture = {"type": "image_url", "image_url": {"url": "https://a.example/a.png"}, **kept}
    [turn] = json.loads(asked.plan([{"role": "user", "content": [file, picture]}]).body)["messages"]
    assert turn["content"] == [
        {**{name: value for name, value in file.items() if name != "file"}, "type": "document",
         "source": {"type": "file", "file_id": "file_1"}},
        {"type": "image", "source": {"type": "url", "url": "https://a.example/a.png"}, **kept},
    ]  # fmt: skip


FILE = {"type": "file", "file": {"file_id": "file_1"}}
OTHERS = {"cache_control": {"type": "ephemeral"}, "citations": {"enabled": True}, "context": "A letter."}
OWN = {"detail": "high", "prompt_cache_breakpoint": {"mode": "explicit"}}


@pytest.mark.parametrize(
    "part",
    [FILE, {"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}, {"type": "text", "text": "Hi"}],
)
def test_a_parts_own_fields_are_sent_on_their_wire_and_named_where_they_are_left_out(part: dict[str, Any]) -> None:
    for wire, sent, left in (("responses", OWN, OTHERS), ("messages", OTHERS, OWN)):
        request = mf.Model.chat_completion(NAMES[wire], api_key="some-key", wire=wire).plan(
            [{"role": "user", "content": [{**part, **OWN, **OTHERS}]}]
        )
        body = json.loads(request.body)
        [found] = next(turn["content"] for turn in body.get("input") or body["messages"])
        assert sent.items() <= found.items()
        assert not left.keys() & found.keys()
        assert [", ".join(sorted(left)) in warning for warning in request.warnings] == [True]
