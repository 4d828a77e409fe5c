"""The playground as a notebook uses it, against a model on a loopback server: values, errors, stop, interrupts."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.generation.plan import ChainOfThoughts
from msgflux_nb.widgets.tool_calls import tool_job as _tool_job
from tests.moments import quickly
from tests.scripted import error, serving, stream

from .bench import Bench, Person, answers, eventually, model_of, slow

PERSON = '{"name":"Maria Silva","age":34}'
HELLO = stream("Hel", "lo")


# A run


@answers(HELLO)
def test_a_text_answer_is_the_value_and_the_next_turn(bench: Bench) -> None:
    playground = bench.playground
    playground.prompt = "Hi"
    playground.run(wait=True)
    asked = [{"role": "user", "content": "Hi"}]
    assert (playground.value, playground.response.text, playground.error) == ("Hello", "Hello", None)
    assert playground.messages == [*asked, {"role": "assistant", "content": "Hello"}]
    assert (bench.server.bodies[0]["messages"], playground.prompt, playground.running) == (asked, "", False)


@answers(stream("One."), stream("Two."))
def test_the_next_run_goes_on_with_the_conversation(bench: Bench) -> None:
    for prompt in ("first", "second"):
        bench.playground.prompt = prompt
        bench.playground.run(wait=True)
    assert [message["content"] for message in bench.server.bodies[1]["messages"]] == ["first", "One.", "second"]
    assert [message["content"] for message in bench.playground.messages] == ["first", "One.", "second", "Two."]


def test_what_is_given_is_what_is_asked() -> None:
    with serving(stream("three.")) as server:
        playground = mf.Playground(
            model_of(server),
            messages=[{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}],
            prompt="How many?",
            system_prompt="Be brief.",
            prefilling="There are ",
        )
        playground.run(wait=True)
        asked = server.bodies[0]["messages"]
        playground.close()
    assert [(message["role"], message["content"]) for message in asked] == [
        ("system", "Be brief."),
        ("user", "A"),
        ("assistant", "B"),
        ("user", "How many?"),
        ("assistant", "There are "),
    ]
    assert playground.value == "There are three."
    assert playground.messages[-1] == {"role": "assistant", "content": "There are three."}


@answers(stream("Hi Ada."))
def test_variables_are_filled_in(bench: Bench) -> None:
    bench.playground.prompt = "Greet {{who}}."
    bench.playground.builder.variables = {"who": "Ada"}
    bench.playground.run(wait=True)
    assert bench.server.bodies[0]["messages"] == [{"role": "user", "content": "Greet Ada."}]


@answers(stream(PERSON))
def test_a_structure_is_an_instance_and_a_row(bench: Bench) -> None:
    playground = bench.playground
    playground.prompt, playground.schema = "Maria Silva is 34.", "Person"
    playground.run(wait=True)
    assert playground.value == Person("Maria Silva", 34)
    frame = playground.to_frame()
    assert frame.to_dict("records") == [{"name": "Maria Silva", "age": 34}]
    assert str(frame["age"].dtype) == "Int64"
    assert bench.of("end")[0]["rows"] == [
        {"field": "name", "value": "Maria Silva", "type": "str"},
        {"field": "age", "value": "34", "type": "int"},
    ]


@answers(stream('{"steps":[{"explanation":"add","output":"42"}],"final_answer":"42"}'))
def test_a_plan_schema_is_always_there(bench: Bench) -> None:
    bench.playground.prompt, bench.playground.schema = "17 + 25?", "ChainOfThoughts"
    bench.playground.run(wait=True)
    assert isinstance(bench.playground.value, ChainOfThoughts)


@answers(HELLO)
def test_value_can_be_observed(bench: Bench) -> None:
    seen: list[Any] = []
    bench.playground.observe(lambda change: seen.append((change["new"], bench.playground.running)), "value")
    bench.playground.prompt = "Hi"
    bench.playground.run(wait=True)
    assert seen == [("Hello", False)]


@answers(HELLO)
def test_an_observer_that_raises_is_shown_and_the_run_is_over(bench: Bench) -> None:
    def observer(_change: Any) -> None:
        raise ZeroDivisionError("in my cell")

    bench.playground.observe(observer, "value")
    bench.playground.prompt = "Hi"
    bench.playground.run(wait=True)
    assert bench.of("problem") == [{"type": "problem", "name": "ZeroDivisionError", "message": "in my cell"}]
    assert not bench.playground.running


@answers(HELLO, stream("Again"))
def test_an_observer_may_begin_the_next_run(bench: Bench) -> None:
    playground, seen = bench.playground, threading.Event()

    def observer(change: Any) -> None:
        if change["new"] == "Hello":
            playground.rerun()
        elif change["new"] == "Again":
            seen.set()

    playground.observe(observer, "value")
    playground.prompt = "Hi"
    playground.run()
    assert seen.wait(5)
    assert bench.of("problem") == []
    eventually(lambda: not playground.running, "the end")


# What goes wrong


@answers(stream("not JSON"))
def test_an_answer_that_does_not_fit_is_an_error_and_its_text_stays(bench: Bench) -> None:
    playground = bench.playground
    playground.prompt, playground.schema = "Who?", "Person"
    with pytest.raises(mf.ValidationFailedError):
        playground.run(wait=True)
    [end] = bench.of("end")
    assert (end["state"], end["error"][0]) == ("failed", "ValidationFailedError")
    assert [row["value"] for row in end["rows"]] == [None, None]
    assert (playground.value, playground.messages[-1]["content"]) == (None, "not JSON")
    with pytest.raises(mf.ValidationFailedError):
        playground.to_frame()


@answers(stream("half an ", cut=True, done=False))
def test_a_stream_that_breaks_has_failed_and_its_text_stays(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    with pytest.raises(mf.StreamInterruptedError):
        bench.playground.run(wait=True)
    assert bench.playground.messages[-1] == {"role": "assistant", "content": "half an "}
    assert bench.of("end")[0]["state"] == "failed"


@answers(error(401, "bad key"))
def test_an_error_of_the_provider_is_shown_and_kept(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    bench.wait()
    assert isinstance(bench.playground.error, mf.AuthenticationError)
    assert bench.of("end")[0]["error"][0] == "AuthenticationError"
    assert bench.roles == ["user"]


@answers(HELLO)
def test_an_empty_message_is_refused_before_sending(bench: Bench) -> None:
    with pytest.raises(mf.BadRequestError, match="the message is empty"):
        bench.playground.run(wait=True)
    assert bench.server.bodies == []


@answers(error(500, "boom"), stream("fine"))
def test_a_run_after_a_failure_asks_again_and_clears_the_error(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    with pytest.raises(mf.ServerError):
        bench.playground.run(wait=True)
    bench.playground.run(wait=True)
    assert (bench.playground.error, bench.playground.value, bench.roles) == (None, "fine", ["user", "assistant"])


@answers(HELLO)
def test_whatever_goes_wrong_at_the_end_nobody_waits_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any, **_keywords: Any) -> Any:
        raise LookupError("no card")

    monkeypatch.setattr(bench.playground.builder, "settle", broken)
    bench.playground.prompt = "Hi"
    bench.playground.run()
    bench.wait()
    assert [problem["message"] for problem in bench.of("problem")] == ["no card"]
    assert not bench.playground.running


# Stop, and interrupts


@answers(slow())
def test_stop_keeps_the_partial_and_closes_the_connection(bench: Bench) -> None:
    playground = bench.playground
    playground.prompt = "Hi"
    playground.run()
    eventually(lambda: len(bench.of("batch")) >= 3, "three batches")
    with quickly():
        playground.stop()
        bench.wait()
    [end] = bench.of("end")
    assert (end["state"], end["error"], playground.error, playground.value) == ("stopped", None, None, None)
    assert playground.messages[-1] == {"role": "assistant", "content": bench.text_told()}
    assert bench.text_told().startswith("word0 word1")
    assert bench.server.left.wait(10)
    with pytest.raises(mf.StreamInterruptedError):
        playground.to_frame()


@answers(slow())
def test_a_stop_at_once_sends_nothing_or_leaves(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    bench.playground.stop()
    bench.wait()
    assert bench.of("end")[0]["state"] == "stopped"
    assert not bench.server.bodies or bench.server.left.wait(10)  # it may be quicker than the request


@answers(HELLO, stream("late"))
def test_a_call_that_hangs_is_left_after_the_grace_period(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _tool_job.GRACE_SECONDS < 1
    monkeypatch.setattr(_tool_job, "GRACE_SECONDS", 0.05)
    playground, gate, model = bench.playground, threading.Event(), bench.playground.model

    class Loading:
        """A model that is loading."""

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def __call__(self, *args: Any, **keywords: Any) -> Any:
            gate.wait(5)
            return model(*args, **keywords)

    playground.model = Loading()
    playground.prompt = "Hi"
    playground.run()
    playground.stop()
    bench.wait()
    assert bench.of("end")[0]["state"] == "stopped"
    playground.model = model
    playground.run(wait=True)
    before = list(bench.sent)
    gate.set()
    time.sleep(0.2)
    assert (bench.sent, playground.value, bench.roles) == (before, "Hello", ["user", "assistant"])


@answers(slow())
def test_a_second_run_while_one_is_under_way_is_refused_and_changes_nothing(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    bench.playground.prompt = "another"
    with pytest.raises(RuntimeError, match="a run is under way"):
        bench.playground.run()
    assert bench.playground.prompt == "another"
    bench.ask("a third")
    assert bench.playground.prompt == "a third"  # the page does not send it again
    bench.playground.stop()
    bench.wait()


@answers(slow())
def test_an_interrupt_of_a_waiting_cell_stops_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = bench.playground._rounds
    start = rounds.start

    def start_and_be_interrupted() -> None:
        start()
        wait, raised = rounds._done.wait, iter([KeyboardInterrupt])

        def interrupted(timeout_seconds: float | None = None) -> bool:
            for interrupt in raised:
                raise interrupt
            return wait(timeout_seconds)

        monkeypatch.setattr(rounds._done, "wait", interrupted)

    monkeypatch.setattr(rounds, "start", start_and_be_interrupted)
    bench.playground.prompt = "Hi"
    with quickly(), pytest.raises(KeyboardInterrupt):
        bench.playground.run(wait=True)
    assert (bench.of("end")[0]["state"], bench.playground.running) == ("stopped", False)
    assert not bench.server.bodies or bench.server.left.wait(10)  # it may be quicker than the request


@answers(slow())
def test_closing_the_widget_ends_its_run(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    eventually(lambda: bench.of("batch"), "a batch")
    bench.playground.close()
    assert bench.server.left.wait(10)
    assert bench.playground.builder.comm is None


@answers(HELLO)
def test_threads_that_run_at_once_make_one_run_each_time(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    refused: list[Exception] = []

    def run() -> None:
        try:
            bench.playground.run(wait=True)
        except (RuntimeError, mf.BadRequestError) as problem:  # one is under way, or it is over and nothing is left
            refused.append(problem)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(bench.of("start")) == len(bench.server.bodies) == 8 - len(refused) == 1
    assert bench.roles == ["user", "assistant"]


# The front


def test_an_unknown_keyword_is_named() -> None:
    with pytest.raises(TypeError, match="imges"):
        mf.Playground(imges=[])  # type: ignore[call-arg]


def test_a_value_that_is_not_a_model_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a model or its name, got int"):
        mf.Playground(3)
    playground = mf.Playground("openai/gpt-4.1-nano")
    with pytest.raises(TypeError, match="expected a model or its name, got int"):
        playground.compare = 3


def test_a_model_can_be_named_and_the_embedded_one_is_the_default() -> None:
    named, default = mf.Playground("openai/gpt-4.1-nano"), mf.Playground()
    assert (named.model.name, default.model.name) == ("openai/gpt-4.1-nano", "local/smollm2-135m")
    default.model = "openai/gpt-4.1-nano"
    parts = (default.builder, default.prefill, default.picker)
    assert {part.model.name for part in (default, *parts)} == {"openai/gpt-4.1-nano"}


def test_an_unknown_schema_names_the_known_ones() -> None:
    playground = mf.Playground("openai/gpt-4.1-nano", schemas=[Person])
    with pytest.raises(ValueError, match="no schema 'Persn'; there are: Person, ChainOfThoughts"):
        playground.schema = "Persn"


def test_a_representation_says_model_and_state() -> None:
    assert repr(mf.Playground("openai/gpt-4.1-nano")) == "Playground('openai/gpt-4.1-nano', idle)"


def test_before_a_run_there_is_nothing() -> None:
    playground = mf.Playground("openai/gpt-4.1-nano")
    assert (playground.value, playground.response, playground.error, playground.running) == (None, None, None, False)
    assert (playground.messages, playground.responses, playground.media, playground.undo()) == ([], [], {}, False)
    assert playground.to_frame().empty
    playground.stop()


def test_messages_can_be_set() -> None:
    playground = mf.Playground("openai/gpt-4.1-nano", prompt="left over")
    playground.messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert [message["content"] for message in playground.messages] == ["Hi", "Hello"]
    assert playground.undo()
    assert playground.messages == []


@answers(stream("1, 2, 3, 4, 5"))
def test_the_editor_reports_a_start_that_was_ignored(bench: Bench) -> None:
    playground = bench.playground
    playground.prompt, playground.prefilling = "Count from one.", "1, 2, 3, "
    playground.run(wait=True)
    assert "started over" in playground.prefill.warning
