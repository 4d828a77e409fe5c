"""Fields that a server of the Responses or Messages wire refuses: later requests send them in another way."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from msgflux_nb.errors import BadRequestError
from msgflux_nb.models import server_quirks
from msgflux_nb.protocol.profile import Wire
from tests.scripted import Ask, Reply, both, model_at, serving

ANSWERS = {
    "responses": {
        "id": "r", "object": "response", "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}],
    },
    "messages": {
        "id": "m", "type": "message", "role": "assistant", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 5, "output_tokens": 3},
    },
}  # fmt: skip
BUDGET = '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'  # noqa: E501


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def refusal(message: str, **fields: Any) -> Reply:
    body = {"type": "error", "error": {"message": message, "type": "invalid_request_error", **fields}}
    return Reply([json.dumps(body).encode()], status=400)


def answer(wire: Wire) -> Reply:
    return Reply([json.dumps(ANSWERS[wire]).encode()])


def holds(body: dict[str, Any], path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


LEFT_OUT: list[tuple[Wire, dict[str, Any], str, Reply, str]] = [
    ("responses", {"temperature": 0.2}, "temperature",
     refusal("Unsupported parameter: 'temperature' is not supported with this model.", param="temperature"),
     "temperature=0.2 was left out: scripted does not take it."),
    ("responses", {"reasoning_effort": "low"}, "reasoning.effort",
     refusal("Unsupported parameter: 'reasoning.effort' is not supported with this model.", param="reasoning.effort"),
     "reasoning_effort='low' was left out: scripted does not take it."),
    ("responses", {"verbosity": "low"}, "text.verbosity",
     refusal("Unsupported parameter: 'text.verbosity' is not supported with this model.", param="text.verbosity"),
     "verbosity='low' was left out: scripted does not take it."),
    ("responses", {}, "store", refusal("Unknown parameter: 'store'.", param="store", code="unknown_parameter"),
     "store=False was left out, since scripted refuses it; the provider may keep the answer."),
    ("messages", {"temperature": 0.2, "reasoning_effort": "low"}, "temperature",
     refusal("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."),
     "temperature=0.2 was left out: scripted does not take it with thinking."),
    ("messages", {"temperature": 0.2, "top_p": 0.5}, "top_p",
     refusal("`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
     "top_p=0.5 was left out: scripted does not take it with temperature."),
    ("messages", {"temperature": 0.2}, "temperature", refusal("`temperature` is deprecated for this model."),
     "temperature=0.2 was left out: scripted does not take it."),
]  # fmt: skip


@both
@pytest.mark.parametrize(("wire", "options", "path", "reply", "warning"), LEFT_OUT, ids=lambda value: str(value)[:24])
def test_what_is_refused_is_left_out_with_a_warning(
    ask: Ask, wire: Wire, options: dict[str, Any], path: str, reply: Reply, warning: str
) -> None:
    with serving(reply, answer(wire)) as server:
        model = model_at(server.url, wire=wire, profile={"thinking": "budget"}, **options)
        assert ask(model, "Hi", "Ho") == ["Hello"] * 2
        assert [holds(body, path) is not None for body in server.bodies] == [True, False, False]
        assert model("Hi").metadata.warnings == (warning,)


@both
def test_the_smallest_allowed_limit_of_tokens_is_sent_with_a_warning(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    said = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 5 instead."
    reply = refusal(said, param="max_output_tokens", code="integer_below_min_value")
    with serving(reply, answer("responses")) as server, caplog.at_level(logging.INFO, logger="msgflux_nb"):
        model = model_at(server.url, wire="responses", max_tokens=5)
        assert ask(model, "Hi", "Ho") == ["Hello"] * 2
        assert [body["max_output_tokens"] for body in server.bodies] == [5, 16, 16]
        assert model("Hi").metadata.warnings == ("max_output_tokens=5 was sent as 16, the least that scripted takes.",)
    assert "scripted: max_output_tokens is at least 16 from now on, as the server asks." in caplog.messages


def test_encrypted_reasoning_is_not_asked_for_where_a_model_has_none() -> None:
    reply = refusal("Encrypted content is not supported with this model.", param="include", code=None)
    with serving(reply, answer("responses")) as server:
        model = model_at(server.url, wire="responses", profile={"encrypted_reasoning": True}, logprobs=True)
        assert model("Hi").metadata.warnings == ()
        assert [body["include"] for body in server.bodies] == [
            ["reasoning.encrypted_content", "message.output_text.logprobs"],
            ["message.output_text.logprobs"],
        ]


@both
def test_thinking_is_asked_for_by_a_word_where_a_number_is_refused(ask: Ask) -> None:
    with serving(refusal(BUDGET), answer("messages")) as server:
        model = model_at(server.url, wire="messages", profile={"thinking": "budget"}, reasoning_effort="low")
        assert ask(model, "Hi", "Ho") == ["Hello"] * 2
        assert model("Hi").metadata.warnings == ()
        assert [body["thinking"]["type"] for body in server.bodies] == ["enabled"] + ["adaptive"] * 3
        assert server.bodies[-1]["output_config"] == {"effort": "low"}


def test_thinking_is_asked_for_by_a_number_where_a_word_is_refused() -> None:
    with serving(refusal("adaptive thinking is not supported on this model"), answer("messages")) as server:
        model = model_at(server.url, wire="messages", profile={"thinking": "adaptive"}, reasoning_effort="low")
        assert model("Hi").metadata.warnings == ()
        sent = server.bodies[-1]
        assert sent["thinking"]["type"] == "enabled"
        assert 1_024 <= sent["thinking"]["budget_tokens"] < sent["max_tokens"]


def test_an_option_refused_only_next_to_another_is_left_out_only_there() -> None:
    reply = refusal("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    with serving(reply, answer("messages")) as server:
        model_at(server.url, wire="messages", temperature=0.2, top_p=0.5)("Hi")
        assert model_at(server.url, wire="messages", top_p=0.5)("Hi").metadata.warnings == ()
        assert server.bodies[-1]["top_p"] == 0.5


@both
@pytest.mark.parametrize(
    ("wire", "options", "reply"),
    [
        ("responses", {"reasoning_effort": "minimal"},
         refusal("Unsupported value: 'minimal' is not supported with the 'o4-mini' model.", param="reasoning.effort")),
        ("messages", {"reasoning_effort": "xhigh"},
         refusal("This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.")),
        ("responses", {"extra_body": {"reasoning": {"effort": "low"}}},
         refusal("Unsupported parameter: 'reasoning.effort' is not supported.", param="reasoning.effort")),
        ("responses", {"extra_body": {"max_output_tokens": 5}}, refusal("max_output_tokens: Expected a value >= 16")),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_and_a_field_of_the_callers_own_stay_an_error(
    ask: Ask, wire: Wire, options: dict[str, Any], reply: Reply
) -> None:
    with serving(reply, answer(wire)) as server:
        with pytest.raises(BadRequestError):
            ask(model_at(server.url, wire=wire, profile={"thinking": "adaptive"}, **options), "Hi")
        assert len(server.bodies) == 1


@pytest.mark.parametrize("least", ["4096", "100000000000000000000"])
def test_an_absurd_minimum_of_a_server_is_not_adopted(least: str) -> None:
    """It would remove the caller's limit on the cost of an answer."""
    said = f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {least}, but got 5 instead."
    with serving(refusal(said, param="max_output_tokens"), answer("responses")) as server:
        with pytest.raises(BadRequestError):
            model_at(server.url, wire="responses", max_tokens=5)("Hi")
        assert [body["max_output_tokens"] for body in server.bodies] == [5]


# -- a limit above the model's ---------------------------------------------------------------------------------------

MOST: list[tuple[Wire, str, int, Reply]] = [
    ("chat", "max_tokens", 16_384, refusal(
        "max_tokens is too large: 900000. This model supports at most 16384 completion tokens, whereas you provided "
        "900000.", param="max_tokens", code="invalid_value")),
    ("chat", "max_tokens", 8_192, refusal(
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model", param="max_tokens")),
    ("chat", "max_tokens", 8_192, refusal("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]")),
    ("responses", "max_output_tokens", 128_000, refusal(
        "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 128000, but got 900000 instead.",
        param="max_output_tokens", code="integer_above_max_value")),
    ("messages", "max_tokens", 64_000, refusal(
        "max_tokens: 900000 > 64000, which is the maximum allowed number of output tokens for claude-x")),
]  # fmt: skip
ANSWERS["chat"] = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}


@both
@pytest.mark.parametrize(("wire", "name", "most", "reply"), MOST, ids=lambda value: str(value)[:24])
def test_a_limit_above_the_models_is_lowered_to_it_with_a_warning(
    ask: Ask, wire: Wire, name: str, most: int, reply: Reply
) -> None:
    with serving(reply, answer(wire)) as server:
        model = model_at(server.url, wire=wire, max_tokens=900_000)
        assert ask(model, "Hi", "Ho") == ["Hello"] * 2
        assert [body[name] for body in server.bodies] == [900_000, most, most]
        assert model("Hi").metadata.warnings == (f"{name}=900000 was sent as {most}, the most that scripted takes.",)
        smaller = model_at(server.url, wire=wire, max_tokens=9)("Hi")
        assert (server.bodies[-1][name], smaller.metadata.warnings) == (9, ())


def test_a_limit_of_another_name_is_lowered_after_it_is_renamed() -> None:
    renamed = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    above = (
        "Invalid 'max_completion_tokens': integer above maximum value. Expected a value <= 128000, but got 900000 "
        "instead."
    )
    replies = refusal(renamed, param="max_tokens"), refusal(above, param="max_completion_tokens"), answer("chat")
    with serving(*replies) as server:
        assert model_at(server.url, max_tokens=900_000)("Hi").text == "Hello"
        assert "max_tokens" not in server.bodies[-1]
        assert [body.get("max_completion_tokens") for body in server.bodies] == [None, 900_000, 128_000]


def test_thinking_leaves_something_of_a_lowered_limit_for_the_answer() -> None:
    reply = refusal("max_tokens: 24976 > 8192, which is the maximum allowed number of output tokens for claude-x")
    with serving(reply, answer("messages")) as server:
        options: dict[str, Any] = {"reasoning_effort": "high", "max_tokens": 400, "profile": {"thinking": "budget"}}
        assert model_at(server.url, wire="messages", **options)("Hi").text == "Hello"
        sent = server.bodies[-1]
        assert (sent["max_tokens"], sent["thinking"]["budget_tokens"]) == (8_192, 4_096)


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 900010 tokens (10 in the messages, "
        "900000 in max_tokens).",
        "max_tokens: expected a value >= 1000000",
        "max_tokens must be at most 1000000",
    ],
)
def test_a_context_and_a_number_that_is_not_smaller_lower_nothing(said: str) -> None:
    with serving(refusal(said, param="max_tokens"), answer("chat")) as server:
        with pytest.raises(BadRequestError):
            model_at(server.url, max_tokens=900_000)("Hi")
        assert len(server.bodies) == 1


# -- strict ------------------------------------------------------------------------------------------------------------


def tool(name: str, strict: bool = True) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "parameters": schema, **({"strict": True} if strict else {})},
    }


def strict_ones(body: dict[str, Any]) -> list[str]:
    functions = [one.get("function", one) for one in body["tools"]]
    return [function["name"] for function in functions if function.get("strict")]


TOO_STRICT: list[tuple[Wire, str, list[str], str]] = [
    ("messages", "Too many strict tools (21). The maximum number of strict tools supported is 20. Try reducing the "
     "number of tools marked as strict.", [], "of the tools: scripted refuses it."),
    ("messages", "The compiled grammar is too large, which would cause performance issues. Simplify your tool schemas "
     "or reduce the number of strict tools.", [], "of the tools: scripted refuses it."),
    ("messages", "Schemas contains too many optional parameters (25), which would make grammar compilation "
     "inefficient. Reduce the number of optional parameters in your tool schemas (limit: 24).", [],
     "of the tools: scripted refuses it."),
    ("messages", "tools.0.custom.strict: Extra inputs are not permitted", [], "of the tools: scripted refuses it."),
    ("messages", "tools.1.custom: Invalid schema: Circular reference detected in schema definitions: Node -> Node.",
     ["one"], "of the tool 'two': scripted refuses its schema with it."),
    *((wire, "Invalid schema for function 'two': In context=(), 'required' is required to be supplied and to be an "
       "array including every key in properties. Missing 'unit'.", ["one"],
       "of the tool 'two': scripted refuses its schema with it.") for wire in ("chat", "responses")),
]  # fmt: skip


@both
@pytest.mark.parametrize(("wire", "said", "left", "warning"), TOO_STRICT, ids=lambda value: str(value)[:24])
def test_strict_is_left_out_where_it_is_refused_with_a_warning(
    ask: Ask, wire: Wire, said: str, left: list[str], warning: str
) -> None:
    tools = [tool("one"), tool("two"), tool("three", strict=False)]
    with serving(refusal(said), answer(wire)) as server:
        model = model_at(server.url, wire=wire)
        assert ask(model, "Hi", "Ho", tool_schemas=tools) == ["Hello"] * 2
        assert [strict_ones(body) for body in server.bodies] == [["one", "two"], left, left]
        answered = model("Hi", tool_schemas=tools)
        assert answered.metadata.warnings == (f"strict was left out {warning}",)
        assert model("Hi").metadata.warnings == ()


def test_one_tool_after_the_other_is_sent_without_strict() -> None:
    said = "Invalid schema for function '{}': In context=(), 'required' is required to be supplied."
    replies = refusal(said.format("one")), refusal(said.format("two")), refusal(said.format("two"))
    with serving(*replies) as server:
        with pytest.raises(BadRequestError, match="function 'one'"):
            model_at(server.url)("Hi", tool_schemas=[tool("one"), tool("two")])
        assert [strict_ones(body) for body in server.bodies] == [["one", "two"], ["two"], []]
