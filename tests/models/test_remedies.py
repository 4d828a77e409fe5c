"""Fields that a server refuses by name: later requests send them in another way, with a warning if that matters."""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.errors import BadRequestError
from msgflux_nb.models import server_quirks
from msgflux_nb.protocol.failure import failure_of_status
from msgflux_nb.protocol.refusal import remedy_of, remedy_on
from msgflux_nb.protocol.remedy import Remedy
from tests.scripted import Ask, Reply, both, completion, error, model_at, serving, stream

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


class Person(msgspec.Struct):
    name: str
    age: int


ADA = '{"name": "Ada", "age": 36}'


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def refusal(message: str, status: int = 400, **fields: Any) -> Reply:
    body = {"error": {"message": message, "type": "invalid_request_error", **fields}}
    return Reply([json.dumps(body).encode()], status=status)


RENAMED = refusal(
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    param="max_tokens",
    code="unsupported_parameter",
)
TEMPERATURE = refusal(
    "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
    param="temperature",
    code="unsupported_value",
)


@both
def test_a_name_that_the_server_gives_is_learnt_once_and_logged(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with serving(RENAMED, completion()) as server, caplog.at_level(logging.INFO, logger="msgflux_nb"):
        model = model_at(server.url, max_tokens=50)
        assert ask(model, "Hi", "Ho", "Ha") == ["Hello"] * 3
        sent = [{"max_tokens", "max_completion_tokens"} & body.keys() for body in server.bodies]
        assert sent == [{"max_tokens"}] + [{"max_completion_tokens"}] * 3
        assert model("Hi").metadata.warnings == ()
    said = [record.message for record in caplog.records if record.name == "msgflux_nb"]
    assert said == ["scripted: max_tokens is sent as max_completion_tokens from now on, as the server asks."]


@both
def test_streams_learn_too(ask: Ask) -> None:
    with serving(RENAMED, stream("Hello")) as server:
        assert ask(model_at(server.url, max_tokens=50), "Hi", "Ho", stream=True) == ["Hello"] * 2
        assert len(server.bodies) == 3


@both
@pytest.mark.parametrize(
    ("option", "reply"),
    [
        ({"temperature": 0.2}, TEMPERATURE),
        ({"temperature": 0.5}, refusal("`temperature` is deprecated for this model.")),
        ({"temperature": 0.5}, refusal("invalid temperature: only 1 is allowed for this model")),
        ({"top_p": 0.5}, refusal("Unsupported parameter: 'top_p' is not supported with this model.", param="top_p")),
        ({"presence_penalty": 1.0}, refusal("Argument not supported on this model: presence_penalty")),
        ({"frequency_penalty": 1.0}, refusal("Model grok-x does not support parameter frequency_penalty.")),
        ({"seed": 7}, refusal('Invalid JSON payload received. Unknown name "seed": Cannot find field.')),
        ({"parallel_tool_calls": False}, refusal("property 'parallel_tool_calls' is unsupported")),
        ({"verbosity": "low"}, refusal("Unrecognized request argument supplied: verbosity")),
        ({"reasoning_effort": "low"}, refusal("Unrecognized request argument supplied: reasoning_effort")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_the_caller_asked_for_is_left_out_with_a_warning(ask: Ask, option: dict[str, Any], reply: Reply) -> None:
    (name, value), *_ = option.items()
    with serving(reply, completion()) as server:
        model = model_at(server.url, **option)
        assert ask(model, "Hi", "Ho") == ["Hello"] * 2
        assert [name in body for body in server.bodies] == [True, False, False]
        assert model("Hi").metadata.warnings == (f"{name}={value!r} was left out: scripted does not take it.",)


@both
def test_several_things_are_named_one_after_the_other(ask: Ask) -> None:
    with serving(RENAMED, TEMPERATURE, completion()) as server:
        assert ask(model_at(server.url, max_tokens=9, temperature=0.2), "Hi", "Ho") == ["Hello"] * 2
        assert len(server.bodies) == 4
        assert server.bodies[-1].keys() == {"model", "messages", "max_completion_tokens"}


def test_a_field_of_ours_is_left_out_without_a_word() -> None:
    detail = [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]
    body = json.dumps({"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"})
    for said in (body, json.dumps({"detail": detail})):
        server_quirks._known.clear()
        with serving(Reply([said.encode()], status=422), stream("Hello")) as server:
            answer = model_at(server.url)("Hi", stream=True)
            assert answer.consume() == "Hello"
            assert answer.metadata.warnings == ()
            assert ["stream_options" in sent for sent in server.bodies] == [True, False]


def test_reasoning_is_switched_off_beside_tools_only() -> None:
    said = (
        "Function tools with reasoning_effort are not supported for gpt-x in /v1/chat/completions. To use function "
        "tools, use /v1/responses or set reasoning_effort to 'none'."
    )
    with serving(refusal(said, param="reasoning_effort", code=None), completion()) as server:
        model = model_at(server.url, reasoning_effort="high")
        answer = model("Hi", tool_schemas=[TOOL])
        assert answer.metadata.warnings == (
            "reasoning_effort='none' was sent: scripted does not reason with tools here.",
        )
        assert model("Hi").metadata.warnings == ()
        assert [body.get("reasoning_effort") for body in server.bodies] == ["high", "none", "high"]


@both
def test_a_system_prompt_joins_the_users_message_where_the_server_takes_none(ask: Ask) -> None:
    with serving(refusal("System role not supported"), completion()) as server:
        model = model_at(server.url)
        assert ask(model, "Hi", system_prompt="Be brief.") == ["Hello"]
        assert server.bodies[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nHi"}]
        said = model("Hi", system_prompt="Be brief.").metadata.warnings
        assert said == ("the system message was sent as a user message: scripted takes no system messages.",)
        assert model("Hi").metadata.warnings == ()


def test_a_developers_message_is_the_systems_where_the_server_knows_no_other() -> None:
    said = "messages[0]: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool`"
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    with serving(refusal(said), completion()) as server:
        answer = model_at(server.url)(messages)
        assert [one["role"] for one in server.bodies[-1]["messages"]] == ["system", "user"]
        assert answer.metadata.warnings == ()


def test_strict_is_left_out_and_the_answer_checked_all_the_same() -> None:
    said = "Invalid JSON payload received. Unknown name \"strict\" at 'response_format.json_schema': Cannot find field."
    with serving(refusal(said), completion(ADA)) as server:
        assert model_at(server.url)("Hi", generation_schema=Person).consume() == Person("Ada", 36)
        assert ["strict" in body["response_format"]["json_schema"] for body in server.bodies] == [True, False]


@both
@pytest.mark.parametrize(
    ("option", "reply"),
    [
        ({"stop": ["x"]}, refusal("Unsupported parameter: 'stop' is not supported with this model.", param="stop")),
        ({"logprobs": True}, refusal("You are not allowed to request logprobs", param="logprobs")),
        ({"reasoning_effort": "minimal"}, refusal("Unsupported value: 'reasoning_effort' does not support 'minimal'.")),
        ({"temperature": 100.0}, refusal("Temperature must be between 0 and 2, got 100")),
        ({"temperature": 0.5, "extra_body": {"temperature": 0.7}}, TEMPERATURE),
        (
            {"seed": 1},
            refusal("Invalid schema for response_format 'x': 'seed' is not permitted.", param="response_format"),
        ),
    ],
    ids=str,
)
def test_what_has_no_other_way_stays_an_error(ask: Ask, option: dict[str, Any], reply: Reply) -> None:
    with serving(reply, completion()) as server:
        with pytest.raises(BadRequestError):
            ask(model_at(server.url, **option), "Hi")
        assert len(server.bodies) == 1


def test_a_server_that_takes_neither_name_is_asked_twice_and_no_more() -> None:
    other = refusal("Unsupported parameter: 'max_completion_tokens' is not supported with this model.")
    with serving(RENAMED, other) as server:
        with pytest.raises(BadRequestError, match="max_tokens"):
            model_at(server.url, max_tokens=5)("Hi")
        assert len(server.bodies) == 2
        assert server_quirks._known[(server.url, "scripted")].known.remedies == ()


@both
def test_a_refusal_after_a_remedy_is_the_one_that_is_raised(ask: Ask) -> None:
    with serving(RENAMED, error(429, "slow down", retry_after="200")) as server:
        with pytest.raises(mf.RateLimitError):
            ask(model_at(server.url, max_tokens=5), "Hi")
        assert server_quirks._known[(server.url, "scripted")].known.remedies != ()


def test_what_is_learnt_is_of_one_model_at_one_place() -> None:
    with serving(RENAMED, completion()) as server:
        model_at(server.url, max_tokens=5)("Hi")
        mf.Model.chat_completion("another", base_url=server.url, max_tokens=5)("Hi")
        assert "max_tokens" in server.bodies[-1]


# Batches


def strict_server(refuse: dict[str, Reply]) -> Any:
    context = serving(completion(ADA))

    class Serving:
        def __enter__(self) -> Any:
            self.server = context.__enter__()
            usual = self.server.next_reply

            def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
                found = next((reply for name, reply in refuse.items() if name in body), None)
                answer = usual(body, headers)
                return answer if found is None else found

            self.server.next_reply = next_reply  # type: ignore[method-assign]
            return self.server

        def __exit__(self, *raised: Any) -> Any:
            return context.__exit__(*raised)

    return Serving()


def extracted(model: mf.ChatCompletion, rows: int, **options: Any) -> Any:
    texts = [f"row {number}" for number in range(rows)]
    return mf.extract(texts, Person, model=model, progress=False, store=False, **options)


def test_a_batch_pays_one_request_for_what_it_learns() -> None:
    with strict_server({"max_tokens": RENAMED}) as server:
        frame = extracted(model_at(server.url, max_tokens=50), 20, max_concurrency=1)
        assert frame["_status"].tolist() == ["ok"] * 20
        assert len(server.bodies) == 21
        assert "_warnings" not in frame


def test_rows_that_begin_at_once_each_recover_and_those_that_wait_pay_nothing() -> None:
    with strict_server({"max_tokens": RENAMED}) as server:
        frame = extracted(model_at(server.url, max_tokens=50), 200, max_concurrency=100)  # 25 of which begin at once
        assert frame["_status"].tolist() == ["ok"] * 200
        refused = sum("max_tokens" in body for body in server.bodies)
        assert refused < 60
        assert len(server.bodies) == 200 + refused


def test_the_rows_of_a_batch_say_what_was_left_out() -> None:
    with strict_server({"temperature": TEMPERATURE}) as server:
        frame = extracted(model_at(server.url, temperature=0.2), 5, max_concurrency=1)
        assert len(server.bodies) == 6
    assert set(frame["_warnings"]) == {"temperature=0.2 was left out: scripted does not take it."}


def test_a_row_is_known_by_what_was_asked_and_not_by_what_was_learnt() -> None:
    with strict_server({"max_tokens": RENAMED}) as server:
        model = model_at(server.url, max_tokens=50)
        before = model.prepare("Hi", generation_schema=Person).key
        extracted(model, 1)
        assert model.prepare("Hi", generation_schema=Person).key == before


def test_a_batch_whose_option_is_refused_for_good_stops_at_its_first_row() -> None:
    said = refusal("Unsupported parameter: 'stop' is not supported.", param="stop", code="unsupported_parameter")
    with strict_server({"stop": said}) as server:
        frame = extracted(model_at(server.url, stop=["x"]), 20, max_concurrency=1)
        assert len(server.bodies) == 1
    assert frame["_status"].tolist() == ["failed"] + ["pending"] * 19


def test_a_remedy_is_never_taken_back() -> None:
    body = {"max_completion_tokens": 1}
    said = b'{"error": {"message": "\'max_completion_tokens\' is not supported", "param": "max_completion_tokens"}}'
    refused = failure_of_status(400, {}, said, url="x", now=0)
    renamed = Remedy("max_tokens", "rename", "max_completion_tokens")
    assert remedy_of(refused, body) == Remedy("max_completion_tokens", "rename", "max_tokens")
    assert remedy_of(refused, body, known=[renamed]) is None


SENT = {
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    "temperature": 0.2,
    "presence_penalty": 0.1,
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "max_tokens": 50_000,
}


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("Model grok-4 does not support parameter presencePenalty.", "presence_penalty is left out"),
        ("Argument not supported on this model: reasoningEffort", "reasoning_effort is left out"),
        ("body.presence_penalty: Extra inputs are not permitted", "presence_penalty is left out"),
        ("Json document validation error: parallel_tool_calls is not a valid field", "parallel_tool_calls is left out"),
        ('"gemma3" does not support thinking', "reasoning_effort is left out"),
        (
            "Unable to submit request because it has a maxOutputTokens value of 50000 but the supported range is from "
            "1 (inclusive) to 8193 (exclusive).",
            "max_tokens is at most 8192",
        ),
        ("The maximum tokens you requested exceeds the model limit of 4096.", "max_tokens is at most 4096"),
        ("Developer instruction is not enabled for models/gemma-3-27b-it", "system messages are sent as user messages"),
        ("Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 5 instead.", None),
        ("Invalid type for 'presence_penalty': expected a decimal, but got a string instead.", None),
        ("Model grok-4 does not support parameter stop.", None),
    ],
)
def test_what_is_refused_is_known_by_each_providers_words(message: str, remedy: str | None) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    found = remedy_on("chat", failure_of_status(400, {}, body, url="http://x/v1", now=0.0), SENT)
    assert (found and str(found)) == remedy
