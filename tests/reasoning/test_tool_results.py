"""Tests that no tool, result or callback can lose the conversation, and that the model gets its error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

import msgflux_nb as mf
from tests.reasoning.test_tools import add, both, calling, results_in
from tests.scripted import completion, error, serving

Go = Callable[..., Any]


class Panic(BaseException):
    """An exception like those of extensions in Rust: it is not an Exception."""


class Silent(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


class Odd:
    """A result whose own code fails."""

    def tolist(self) -> Any:
        raise KeyError("no list")


def looped() -> Any:
    one: list[Any] = []
    one.append(one)
    return one


RAISED = [
    KeyError("x"),
    StopIteration(),
    RecursionError("deep"),
    Panic("from Rust"),
    Silent(),
    asyncio.CancelledError(),
]


@both
@pytest.mark.parametrize("problem", RAISED, ids=lambda problem: type(problem).__name__)
def test_whatever_a_tool_raises_is_told_to_the_model(go: Go, problem: BaseException) -> None:
    def broken() -> str:
        raise problem

    with serving(calling(("c1", "broken", {}), ("c2", "add", {"a": 1})), completion("sorry")) as server:
        assert go(server.url, "?", tools=[broken, add]).consume() == "sorry"
        failed, added = results_in(server.bodies[1])
    assert type(problem).__name__ in json.loads(failed)["error"]
    assert added == "2"


@pytest.mark.parametrize("problem", [KeyError("x"), Panic("from Rust"), asyncio.CancelledError()])
def test_whatever_an_async_tool_raises_is_told_to_the_model(problem: BaseException) -> None:
    async def broken() -> str:
        raise problem

    async def go(url: str) -> Any:
        return await mf.arun_tools(mf.Model.chat_completion("scripted", base_url=url), "?", tools=[broken])

    with serving(calling(("c1", "broken", {})), completion("sorry")) as server:
        assert asyncio.run(go(server.url)).consume() == "sorry"
        assert type(problem).__name__ in results_in(server.bodies[1])[0]


RESULTS: dict[str, Callable[[], Any]] = {
    "a lambda": lambda: lambda: 1,
    "a generator": lambda: (n for n in "ab"),
    "itself": looped,
    "its own code fails": Odd,
    "half a letter in a list": lambda: ["\ud83d"],
    "a set of objects": lambda: {object()},
}


@both
@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_a_result_without_a_json_form_is_an_error_that_the_model_reads(go: Go, result: Callable[[], Any]) -> None:
    def odd() -> Any:
        """Give something odd."""
        return result()

    with serving(calling(("c1", "odd", {})), completion("sorry")) as server:
        assert go(server.url, "?", tools=[odd]).consume() == "sorry"
        assert "has no JSON form" in json.loads(results_in(server.bodies[1])[0])["error"]


@both
def test_half_a_letter_in_a_result_does_not_end_the_conversation(go: Go) -> None:
    def half() -> str:
        """Return a lone surrogate."""
        return "ok \ud83d"

    with serving(calling(("c1", "half", {})), completion("fine")) as server:
        assert go(server.url, "?", tools=[half]).consume() == "fine"
        assert results_in(server.bodies[1]) == ["ok \ufffd"]


@both
@pytest.mark.parametrize("where", ["on_request", "on_result"])
def test_what_a_callback_raises_ends_the_run_with_the_conversation_so_far(go: Go, where: str) -> None:
    def stop(call: Any, *_: Any) -> None:
        if call.id == "c2":
            raise KeyError("enough")

    calls = calling(("c1", "add", {"a": 1}), ("c2", "add", {"a": 2}))
    with serving(calls, completion("never")) as server:
        with pytest.raises(KeyError, match="enough") as caught:
            go(server.url, "?", tools=[add], **{where: stop})
        assert len(server.bodies) == 1
        messages = caught.value.messages  # type: ignore[attr-defined]
        assert [message["role"] for message in messages[:3]] == ["user", "assistant", "tool"]
        assert messages[2]["content"] == "2"
        assert go(server.url, messages, tools=[add]).consume() == "never", "it is a history that can go on"


@both
def test_a_call_of_the_model_that_fails_keeps_the_conversation_so_far(go: Go) -> None:
    broken = serving(calling(("c1", "add", {"a": 1})), error(400, "broken"))
    with broken as server, pytest.raises(mf.BadRequestError) as caught:
        go(server.url, "?", tools=[add])
    roles = [message["role"] for message in caught.value.messages]  # type: ignore[attr-defined]
    assert roles == ["user", "assistant", "tool"]
