"""``run_tools`` asks the model, runs tools, and sends results back; with a scripted server and the embedded model."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.protocol.events import TextDelta, ToolCallDelta
from msgflux_nb.reasoning.tool_loop import RunEnded, StepEnded, StepStarted
from tests.moments import LONG
from tests.scripted import Reply, chunk, completion, error, serving, stream


def calling(*calls: tuple[str, str, Any], text: str | None = None) -> Reply:
    """Return an answer that calls tools: id, name, arguments."""
    made = [
        {
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for call_id, name, given in calls
    ]
    return completion(text, reason="tool_calls", tool_calls=made)


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def fail(text: str) -> str:
    raise ValueError(f"no {text}")


def run(url: str, messages: Any, *, profile: Any = None, **keywords: Any) -> Any:
    model = mf.Model.chat_completion("scripted", base_url=url, profile=profile)
    return mf.run_tools(model, messages, **keywords)


def arun(url: str, messages: Any, *, profile: Any = None, **keywords: Any) -> Any:
    model = mf.Model.chat_completion("scripted", base_url=url, profile=profile)
    return asyncio.run(mf.arun_tools(model, messages, **keywords))


both = pytest.mark.parametrize("go", [run, arun], ids=["sync", "async"])
Go = Callable[..., Any]


def results_in(body: dict[str, Any]) -> list[Any]:
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


@both
def test_results_go_back_and_the_answer_comes(go: Go) -> None:
    with serving(calling(("c1", "add", {"a": 17, "b": 25}), text="Let me see."), completion("42")) as server:
        final = go(server.url, "17 + 25?", tools=[add])
        first, second = server.bodies
    assert (final.consume(), final.text, final.response_type) == ("42", "42", "text_generation")
    assert [tool["function"]["name"] for tool in first["tools"]] == ["add"]
    assert second["messages"][1]["content"] == "Let me see."
    assert second["messages"][1]["tool_calls"][0]["id"] == "c1"
    assert second["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "42"}
    assert final.messages == [*second["messages"], {"role": "assistant", "content": "42"}]
    assert len(final.responses) == 2
    assert final.usage.total_tokens == 14


SEARCH = {"type": "openrouter:web_search"}


@both
def test_tools_of_the_provider_go_along_in_their_place(go: Go) -> None:
    with serving(calling(("c1", "add", {"a": 1})), completion("2")) as server:
        assert go(server.url, "?", tools=[SEARCH, add]).text == "2"
        for body in server.bodies:
            assert body["tools"][0] == SEARCH
            assert body["tools"][1]["function"]["name"] == "add"


@both
def test_a_call_of_a_tool_of_the_provider_is_answered_and_ends_nothing(go: Go) -> None:
    calls = calling(("c1", "web_search", {"query": "x"}), ("c2", "$web_search", {"query": "y"}))
    own = {"type": "builtin_function", "function": {"name": "$web_search"}}
    with serving(calls, completion("2")) as server:
        assert go(server.url, "?", tools=[add, SEARCH, own]).text == "2"
        first, second = results_in(server.bodies[1])
    assert "there is no tool 'web_search'" in first
    assert json.loads(second) == {"query": "y"}


@both
def test_a_tool_schema_without_a_function_is_refused_before_anything_is_sent(go: Go) -> None:
    schema = {"function": {"name": "add", "parameters": {"type": "object"}}}
    with serving() as server, pytest.raises(mf.SchemaError, match="Pass the Python function"):
        go(server.url, "?", tools=[schema])


@both
def test_a_forced_call_is_forced_once(go: Go) -> None:
    with serving(calling(("c1", "add", {"a": 1})), completion("2")) as server:
        go(server.url, "?", tools=[add], tool_choice="required", system_prompt="Be brief.")
        assert [body.get("tool_choice") for body in server.bodies] == ["required", None]
        assert [body["messages"][0]["content"] for body in server.bodies] == ["Be brief."] * 2


@both
def test_all_calls_of_a_turn_are_answered(go: Go) -> None:
    turn = calling(
        ("c1", "add", {"a": 1}), ("c2", "fail", {"text": "luck"}), ("c3", "nosuch", {}), ("c4", "add", '{"a":')
    )
    with serving(turn, completion("done")) as server:
        go(server.url, "?", tools=[add, fail])
        told = results_in(server.bodies[1])
    assert told[0] == "2"
    assert json.loads(told[1]) == {"error": "ValueError: no luck"}
    assert "the tools are: add, fail" in json.loads(told[2])["error"]
    assert "end in the middle" in json.loads(told[3])["error"]


@both
def test_arguments_that_do_not_fit_are_told_to_the_model(go: Go) -> None:
    with serving(calling(("c1", "add", {"a": "one"})), completion("done")) as server:
        go(server.url, "?", tools=[add])
        told = json.loads(results_in(server.bodies[1])[0])["error"]
    assert "a: expected integer" in told
    assert "ToolCallError" not in told


@both
@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, "null"),
        ("text", "text"),
        ({"a": [1]}, '{"a":[1]}'),
        (pd.DataFrame({"x": [1, 2]}), '[{"x":1},{"x":2}]'),
        (pd.Series([1.5]), "[1.5]"),
        (object(), None),
    ],
    ids=["none", "text", "dict", "frame", "series", "object"],
)
def test_a_result_goes_back_as_json(go: Go, result: Any, told: str | None) -> None:
    def look() -> Any:
        return result

    with serving(calling(("c1", "look", {})), completion("done")) as server:
        go(server.url, "?", tools=[look])
        sent = results_in(server.bodies[1])[0]
    assert sent == told if told is not None else "has no JSON form" in json.loads(sent)["error"]


@both
def test_the_callbacks_see_each_call_and_its_result(go: Go) -> None:
    seen: list[Any] = []
    with serving(calling(("c1", "add", {"a": 1}), ("c2", "fail", {"text": "x"})), completion("done")) as server:
        go(
            server.url,
            "?",
            tools=[add, fail],
            on_request=lambda call: seen.append(call.name),
            on_result=lambda call, result: seen.append((call.id, str(result))),
        )
    assert sorted(map(str, seen)) == sorted(["add", "fail", "('c1', '2')", "('c2', 'no x')"])


@both
@pytest.mark.parametrize(
    ("answer", "told"), [(False, "did not approve"), ("too dear", "too dear"), ({"a": 40, "b": 2}, "42")]
)
def test_a_call_can_be_refused_or_changed_before_it_runs(go: Go, answer: Any, told: str) -> None:
    with serving(calling(("c1", "add", {"a": 1})), completion("done")) as server:
        go(server.url, "?", tools=[add], on_request=lambda _: answer)
        assert told in results_in(server.bodies[1])[0]


@both
def test_a_model_that_calls_for_ever_is_stopped_and_the_conversation_kept(go: Go) -> None:
    with serving(calling(("c1", "add", {"a": 1}))) as server:
        with pytest.raises(mf.ToolCallError, match="after 3 steps") as caught:
            go(server.url, "?", tools=[add], max_steps=3)
        assert len(server.bodies) == 3
    assert [message["role"] for message in caught.value.messages] == ["user", "assistant", "tool", "assistant", "tool"]
    assert caught.value.snapshot.tool_calls[0].name == "add"


@both
def test_the_final_answer_can_be_a_structure(go: Go) -> None:
    class Sum(msgspec.Struct):
        total: int

    with serving(calling(("c1", "add", {"a": 1})), completion('{"total": 2}')) as server:
        assert go(server.url, "?", tools=[add], generation_schema=Sum).consume() == Sum(2)


def test_the_given_messages_are_not_changed() -> None:
    messages = [{"role": "user", "content": "?"}]
    with serving(calling(("c1", "add", {"a": 1})), completion("2")) as server:
        run(server.url, messages, tools=[add])
    assert messages == [{"role": "user", "content": "?"}]


def test_an_async_tool_needs_arun_tools_and_nothing_is_sent() -> None:
    async def slow() -> int:
        return 1

    with serving(completion("x")) as server:
        with pytest.raises(mf.ToolCallError, match="arun_tools"):
            run(server.url, "?", tools=[slow])
        assert server.bodies == []


def test_a_plain_function_that_returns_a_coroutine_is_awaited_or_reported() -> None:
    async def slow() -> int:
        return 7

    def plain() -> Any:
        return slow()

    for go, told in ((arun, "7"), (run, "arun_tools")):
        with serving(calling(("c1", "plain", {})), completion("done")) as server:
            go(server.url, "?", tools=[plain])
            assert told in results_in(server.bodies[1])[0]


def test_async_calls_of_one_turn_run_side_by_side() -> None:
    together = threading.Barrier(6)

    async def wait() -> str:
        await asyncio.to_thread(together.wait, LONG)
        return "met"

    def block() -> str:
        together.wait(LONG)
        return "met"

    async def approve(call: mf.ToolCall) -> bool:
        await asyncio.sleep(0)
        return call.name != "refused"

    turn = calling(*((f"c{n}", "wait" if n % 2 else "block", {}) for n in range(6)))
    with serving(turn, completion("done")) as server:
        arun(server.url, "?", tools=[wait, block], on_request=approve)
        assert results_in(server.bodies[1]) == ["met"] * 6


def test_zero_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="max_steps"):
        run("http://127.0.0.1:1/v1", "?", tools=[add], max_steps=0)


@pytest.mark.local
def test_the_embedded_model_calls_a_function_and_reads_its_result() -> None:
    model = mf.Model.chat_completion(temperature=0, max_tokens=60)
    final = mf.run_tools(model, "How much is 17 + 25?", tools=[add], tool_choice="required")
    assert [call.arguments for call in final.responses[0].tool_calls] == [{"a": 17, "b": 25}]
    assert "42" in final.consume()


# -- on_event ------------------------------------------------------------------------------------------------------


def calling_in_pieces(name: str, *pieces: str | float) -> Reply:
    """Return a streamed answer with one call; numbers are pauses in seconds."""
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": ""}}
    wire: list[bytes | float] = [chunk(tool_calls=[first])]
    for piece in pieces:
        call = {"index": 0, "function": {"arguments": piece}}
        wire.append(chunk(tool_calls=[call]) if isinstance(piece, str) else piece)
    return stream(*wire)


def arguments_in(events: list[Any]) -> str:
    return "".join(event.arguments or "" for event in events if isinstance(event, ToolCallDelta))


@both
def test_on_event_streams_each_step_and_hears_everything(go: Go) -> None:
    seen: list[Any] = []
    with serving(calling_in_pieces("add", '{"a": 17', ', "b": 25}'), stream("4", "2")) as server:
        final = go(server.url, "17 + 25?", tools=[add], on_event=seen.append)
        assert [body["stream"] for body in server.bodies] == [True, True]
    assert (final.consume(), final.messages[-1]["content"], len(final.responses)) == ("42", "42", 2)
    assert arguments_in(seen) == '{"a": 17, "b": 25}'
    assert "".join(event.text for event in seen if isinstance(event, TextDelta)) == "42"
    steps = [(type(event).__name__, event.step) for event in seen if isinstance(event, StepStarted | StepEnded)]
    assert steps == [("StepStarted", 1), ("StepEnded", 1), ("StepStarted", 2), ("StepEnded", 2)]
    assert isinstance(seen[0], StepStarted)
    assert (seen[-2].error, seen[-1]) == (None, RunEnded(final))


@both
def test_a_step_that_is_cancelled_ends_the_run_and_keeps_what_came(go: Go) -> None:
    seen: list[Any] = []

    def stop(event: Any) -> None:
        seen.append(event)
        if '"a"' in arguments_in(seen) and len(seen) < 10:
            seen[0].stream.cancel()

    with serving(calling_in_pieces("add", '{"a"', 30.0, ": 1}")) as server:
        with pytest.raises(mf.StreamInterruptedError, match="cancelled"):
            go(server.url, "?", tools=[add], on_event=stop)
        assert server.left.wait(10)
        assert len(server.bodies) == 1
    assert isinstance(seen[-2], StepEnded)
    assert isinstance(seen[-2].error, mf.StreamInterruptedError)
    assert seen[-2].stream.tool_calls[0].name == "add"
    assert seen[-1] == RunEnded(error=seen[-2].error)


@both
def test_what_on_event_raises_ends_the_run_and_its_connection(go: Go) -> None:
    def fall(event: Any) -> None:
        if isinstance(event, ToolCallDelta):
            raise ZeroDivisionError("enough")

    with serving(calling_in_pieces("add", '{"a"', 30.0, ": 1}")) as server:
        with pytest.raises(ZeroDivisionError):
            go(server.url, "?", tools=[add], on_event=fall)
        assert server.left.wait(10)


@both
def test_nothing_is_sent_when_the_start_of_a_step_is_refused(go: Go) -> None:
    def refuse(event: Any) -> None:
        raise ZeroDivisionError("stop")

    with serving(completion("x")) as server:
        with pytest.raises(ZeroDivisionError):
            go(server.url, "?", tools=[add], on_event=refuse)
        assert server.bodies == []


@both
def test_a_step_that_fails_says_why_at_its_end(go: Go) -> None:
    seen: list[Any] = []
    with serving(error(401)) as server, pytest.raises(mf.AuthenticationError):
        go(server.url, "?", tools=[add], on_event=seen.append)
    assert [type(event) for event in seen] == [StepStarted, StepEnded, RunEnded]
    assert isinstance(seen[1].error, mf.AuthenticationError)
    assert seen[2].error is seen[1].error


@both
def test_a_run_that_goes_on_for_ever_tells_its_end_too(go: Go) -> None:
    seen: list[Any] = []
    with serving(calling(("c1", "add", {"a": 1}))) as server, pytest.raises(mf.ToolCallError):
        go(server.url, "?", tools=[add], max_steps=2, on_event=seen.append)
    assert isinstance(seen[-1].error, mf.ToolCallError)


@both
def test_only_the_first_answer_has_the_start(go: Go) -> None:
    opening = calling(("call_1", "add", {"a": 17, "b": 25}), text=" me see.")
    with serving(opening, completion("It is 42.")) as server:
        profile = {"prefill": "continue", "echo": False}
        final = go(server.url, "17 + 25?", tools=[add], prefilling="Let", profile=profile)
    first, second = (body["messages"] for body in server.bodies)
    assert first[-1] == {"role": "assistant", "content": "Let"}
    assert [message["role"] for message in second] == ["user", "assistant", "tool"]
    assert second[1]["content"] == "Let me see."
    assert final.consume() == "It is 42."
