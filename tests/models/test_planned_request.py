"""``model.plan``: the request that a call would send first, without sending it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from msgflux_nb.errors import PrefillError
from msgflux_nb.models import server_quirks
from tests.scripted import Ask, both, completion, error, model_at, serving, stream


class Person(msgspec.Struct):
    name: str


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


@pytest.mark.parametrize("wire", ["chat", "responses", "messages"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"system_prompt": "Be brief.", "tool_schemas": [add], "tool_choice": "required"},
        {"generation_schema": Person},
    ],
)
def test_the_planned_request_is_what_the_call_sends(wire: Any, streamed: bool, keywords: dict[str, Any]) -> None:
    with serving(error(400, "no")) as server:
        model = model_at(server.url, wire=wire, temperature=0.5, extra_body={"top_k": 3}, max_retries=0)
        planned = model.plan("Hi", stream=streamed, **keywords)
        assert server.bodies == []
        with pytest.raises(Exception, match="no"):
            model.arriving("Hi", streamed, **keywords).consume()
        assert json.loads(planned.body) == server.bodies[0]


@both
def test_the_planned_request_follows_what_the_server_refused_before(ask: Ask) -> None:
    refusal = error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    with serving(refusal, completion()) as server:
        model = model_at(server.url, max_tokens=50)
        assert "max_tokens" in json.loads(model.plan("Hi").body)
        ask(model, "Hi")
        assert json.loads(model.plan("Hi").body) == server.bodies[-1]


def test_the_planned_request_says_whether_the_start_would_be_repeated_once_that_is_known() -> None:
    with serving(stream("Reference 7391-QX: and"), stream("Blue", " sky")) as server:
        model = model_at(server.url, profile={"prefill": "continue", "echo_stream": None})
        assert model.plan("Hi", stream=True, prefilling="Blue").echoed is None
        model("Hi", stream=True, prefilling="Blue").consume()
        assert model.plan("Hi", stream=True, prefill="Blue").echoed is True


def test_planning_a_request_refuses_what_a_call_refuses() -> None:
    model = model_at("http://127.0.0.1:9/v1")
    with pytest.raises(PrefillError):
        model.plan("Hi", prefilling="Blue")
    with pytest.raises(TypeError, match="are the same option"):
        model.plan("Hi", prefilling="Blue", prefill="Blue")
    with pytest.raises(TypeError, match="prefiling"):
        model.plan("Hi", prefiling="Blue")  # type: ignore[call-arg]  # which is the point
