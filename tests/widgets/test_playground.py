"""The playground's Python side, against a real model on a loopback server; what is sent to the page is recorded."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.generation.plan import ChainOfThoughts
from tests.scripted import chunk, error, stream

from .bench import Bench, Person, answers, slow

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":61,"completion_tokens":31,"total_tokens":92}}\n\n'
PERSON = '{"name":"Maria Silva","age":34}'


# A run


@answers(stream("Hel", "lo", chunk(reason="stop"), USAGE))
def test_a_text_answer_is_the_value(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run(wait=True)
    assert bench.playground.value == "Hello"
    assert bench.playground.response.text == "Hello"
    assert bench.playground.error is None
    assert bench.playground.snapshot["state"] == "complete"


@answers(stream("Hel", "lo", chunk(reason="stop"), USAGE))
def test_the_status_line_has_tokens_cost_times_and_the_reason(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run(wait=True)
    tokens, cost, first, seconds, reason = bench.playground.snapshot["status"]
    assert (tokens, cost, reason) == ("61 + 31 tokens", "– cost", "stop")
    assert first.startswith("first 0.")
    assert seconds.endswith(" s")


@answers(stream("Hello"))
def test_unknown_usage_is_a_dash(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run(wait=True)
    assert bench.playground.snapshot["status"][0] == "– tokens"


@answers(stream("Hel", "lo"))
def test_messages_are_what_would_be_sent_and_then_what_was(bench: Bench) -> None:
    playground = bench.playground
    playground.prompt, playground.system_prompt = "Hi", "Be brief."
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert playground.messages == asked
    playground.run(wait=True)
    playground.prompt = "something else"
    assert playground.messages == [*asked, {"role": "assistant", "content": "Hello"}]
    assert bench.server.bodies[0]["messages"] == asked


@answers(stream("three."))
def test_the_prefill_is_sent_last_and_stands_before_the_answer(bench: Bench) -> None:
    playground = bench.playground
    playground.prompt, playground.prefilling = "How many?", "There are "
    playground.run(wait=True)
    assert bench.server.bodies[0]["messages"][-1] == {"role": "assistant", "content": "There are "}
    assert playground.value == "There are three."
    assert (playground.snapshot["prefill"], playground.snapshot["text"]) == ("There are ", "three.")


@answers(stream(PERSON))
def test_a_structure_is_an_instance_a_row_and_a_table(bench: Bench) -> None:
    playground = bench.playground
    playground.prompt, playground.schema = "Maria Silva is 34.", "Person"
    playground.run(wait=True)
    assert playground.value == Person("Maria Silva", 34)
    assert playground.snapshot["rows"] == [
        {"field": "name", "value": "Maria Silva", "type": "str"},
        {"field": "age", "value": "34", "type": "int"},
    ]
    frame = playground.to_frame()
    assert frame.to_dict("records") == [{"name": "Maria Silva", "age": 34}]
    assert str(frame["age"].dtype) == "Int64"


@answers(stream('{"steps":[{"explanation":"add","output":"42"}],"final_answer":"42"}'))
def test_a_plan_schema_is_always_there(bench: Bench) -> None:
    bench.playground.prompt, bench.playground.schema = "17 + 25?", "ChainOfThoughts"
    bench.playground.run(wait=True)
    assert isinstance(bench.playground.value, ChainOfThoughts)


@answers(stream("not JSON"))
def test_an_answer_that_does_not_fit_is_an_error_and_its_text_stays(bench: Bench) -> None:
    bench.playground.prompt, bench.playground.schema = "Who?", "Person"
    with pytest.raises(mf.ValidationFailedError):
        bench.playground.run(wait=True)
    snapshot = bench.playground.snapshot
    assert (snapshot["state"], snapshot["text"], snapshot["error"][0]) == (
        "failed",
        "not JSON",
        "ValidationFailedError",
    )
    assert bench.playground.value is None
    with pytest.raises(mf.ValidationFailedError):
        bench.playground.to_frame()


@answers(error(401, "bad key"))
def test_an_error_of_the_provider_is_shown_and_kept(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    bench.wait()
    assert isinstance(bench.playground.error, mf.AuthenticationError)
    assert bench.playground.snapshot["error"][0] == "AuthenticationError"


@answers(stream("Hi"))
def test_an_empty_message_is_refused_before_sending(bench: Bench) -> None:
    with pytest.raises(mf.BadRequestError, match="the message is empty"):
        bench.playground.run(wait=True)
    assert bench.server.bodies == []


@answers(error(500, "boom"), stream("fine"))
def test_a_run_after_a_failure_clears_the_error(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    with pytest.raises(mf.ServerError):
        bench.playground.run(wait=True)
    bench.playground.run(wait=True)
    assert (bench.playground.error, bench.playground.value) == (None, "fine")
    assert bench.playground.snapshot["run"] == 2


@answers(slow())
def test_stop_keeps_the_partial_and_closes_the_connection(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    while len(bench.of("delta")) < 3:
        time.sleep(0.005)
    began = time.monotonic()
    bench.playground.stop()
    bench.wait()
    assert time.monotonic() - began < 1
    snapshot = bench.playground.snapshot
    assert (snapshot["state"], snapshot["error"]) == ("stopped", None)
    assert snapshot["text"] == "".join(message["text"] for message in bench.of("delta"))
    assert snapshot["text"].startswith("word0 word1")
    assert bench.playground.value is None
    assert bench.playground.messages[-1]["content"] == snapshot["text"]
    assert bench.server.left.wait(2) or not bench.server.bodies  # it may be quicker than the request


@answers(slow())
def test_a_second_run_while_one_is_under_way_is_refused(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    with pytest.raises(RuntimeError, match="a run is under way"):
        bench.playground.run()
    bench.playground.stop()


@answers(slow())
def test_an_interrupt_of_a_waiting_cell_stops_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.playground.prompt = "Hi"
    begin = bench.playground._begin

    def begin_and_be_interrupted() -> Any:
        run = begin()
        wait = run.wait
        calls = iter([KeyboardInterrupt])

        def interrupted(timeout_seconds: float | None = None) -> bool:
            for raised in calls:
                raise raised
            return wait(timeout_seconds)

        monkeypatch.setattr(run, "wait", interrupted)
        return run

    monkeypatch.setattr(bench.playground, "_begin", begin_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.playground.run(wait=True)
    assert bench.playground.snapshot["state"] == "stopped"
    assert bench.server.left.wait(2) or not bench.server.bodies  # it may be quicker than the request


@answers(stream("Hi"))
def test_value_can_be_observed(bench: Bench) -> None:
    seen: list[Any] = []
    bench.playground.observe(lambda change: seen.append(change["new"]), "value")
    bench.playground.prompt = "Hi"
    bench.playground.run(wait=True)
    assert seen == ["Hi"]


@answers(stream("Hi"))
def test_an_observer_that_raises_is_shown_and_the_run_is_over(bench: Bench) -> None:
    def observer(_change: Any) -> None:
        raise ZeroDivisionError("in my cell")

    bench.playground.observe(observer, "value")
    bench.playground.prompt = "Hi"
    bench.playground.run(wait=True)
    assert bench.of("problem") == [{"type": "problem", "name": "ZeroDivisionError", "message": "in my cell"}]
    assert not bench.playground.running


# What travels to the page


@answers(stream(*(f"{n} " for n in range(500))))
def test_deltas_are_numbered_and_sent_once_and_the_whole_once_more(bench: Bench) -> None:
    bench.playground.prompt = "Count"
    bench.playground.run(wait=True)
    [start] = bench.of("start")
    assert (start["run"], start["prefill"], start["schema"]) == (1, "", "")
    deltas = bench.of("delta")
    assert [message["seq"] for message in deltas] == list(range(1, len(deltas) + 1))
    assert "".join(message["text"] for message in deltas) == bench.playground.snapshot["text"]
    bytes_sent = sum(len(json.dumps(message)) for message in bench.sent) + len(json.dumps(bench.playground.snapshot))
    assert bytes_sent < 2.2 * len(bench.playground.value) + 1000 * (len(deltas) + 2)


@answers(slow())
def test_a_page_that_asks_in_mid_stream_is_told_everything_so_far(bench: Bench) -> None:
    bench.playground.prompt, bench.playground.prefilling = "Hi", "So "
    bench.receive("run", prompt="Hi", prefilling="So ", schema="")
    while len(bench.of("delta")) < 3:
        time.sleep(0.005)
    bench.receive("hello")
    [progress] = bench.of("progress")
    before = [message for message in bench.sent[: bench.sent.index(progress)] if message["type"] == "delta"]
    assert progress["seq"] == before[-1]["seq"]
    assert progress["text"] == "".join(message["text"] for message in before)
    assert (progress["run"], progress["prefill"]) == (1, "So ")
    bench.receive("stop")
    bench.wait()


@answers(stream("Hi"))
def test_a_page_that_loads_while_nothing_runs_is_told_so(bench: Bench) -> None:
    bench.receive("hello")
    assert bench.sent == [{"type": "idle"}]


@answers(stream("Hi"))
def test_the_page_runs_with_the_fields_that_it_shows(bench: Bench) -> None:
    bench.receive("run", prompt="From the page", prefilling="{", schema="Person")
    bench.wait()
    assert bench.server.bodies[0]["messages"][0] == {"role": "user", "content": "From the page"}
    assert (bench.playground.prompt, bench.playground.schema) == ("From the page", "Person")


@answers(stream("Hi"))
def test_what_goes_wrong_in_a_callback_is_shown_on_the_widget(bench: Bench) -> None:
    bench.receive("run", prompt="Hi", prefilling="", schema="Gone")
    [problem] = bench.of("problem")
    assert problem["name"] == "ValueError"
    assert "no schema 'Gone'; there are: Person, ChainOfThoughts" in problem["message"]


@answers(slow())
def test_the_callback_returns_while_the_answer_streams(bench: Bench) -> None:
    began = time.monotonic()
    bench.receive("run", prompt="Hi", prefilling="", schema="")
    assert time.monotonic() - began < 0.5
    assert bench.playground.running
    bench.playground.stop()


# Schemas


@answers(stream("Hi"))
def test_a_struct_that_the_notebook_defines_later_can_be_picked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(msgspec.Struct):
        x: int

    monkeypatch.setattr("__main__.Later", Later, raising=False)
    bench.receive("schemas")
    found = {option["name"]: option for option in bench.playground.schema_options}
    assert found["Later"] == {
        "name": "Later",
        "group": "notebook",
        "rows": [{"field": "x", "value": None, "type": "int"}],
    }


@answers(stream("Hi"))
def test_a_broken_struct_in_the_notebook_does_not_break_the_playground(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(msgspec.Struct):
        part: NotDefined  # type: ignore[name-defined]  # noqa: F821  the mistake that is tested

    monkeypatch.setattr("__main__.Broken", Broken, raising=False)
    bench.receive("schemas")
    assert bench.of("problem") == []
    bench.playground.prompt, bench.playground.schema = "Hi", "Broken"
    with pytest.raises(mf.SchemaError):
        bench.playground.run(wait=True)


@answers(stream("Hi"))
def test_an_unknown_schema_names_the_known_ones(bench: Bench) -> None:
    with pytest.raises(ValueError, match="no schema 'Persn'; there are: Person, ChainOfThoughts"):
        bench.playground.schema = "Persn"


# The front


def test_an_unknown_keyword_is_named() -> None:
    with pytest.raises(TypeError, match="imges"):
        mf.Playground(imges=[])  # type: ignore[call-arg]


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a model or its name, got int"):
        mf.Playground(3)


def test_a_model_can_be_named_and_the_embedded_one_is_the_default() -> None:
    named, default = mf.Playground("openai/gpt-4.1-nano"), mf.Playground()
    assert (named.model_name, default.model_name) == ("openai/gpt-4.1-nano", "local/smollm2-135m")


def test_a_representation_says_model_and_state() -> None:
    assert repr(mf.Playground("openai/gpt-4.1-nano")) == "Playground('openai/gpt-4.1-nano', idle)"


def test_the_bundle_has_the_view_the_twin_and_the_text() -> None:
    bundle, _ = mf.Playground("openai/gpt-4.1-nano")._repr_mimebundle_()
    assert sorted(bundle) == ["application/vnd.jupyter.widget-view+json", "text/html", "text/plain"]
    assert bundle["text/plain"] == "Playground · openai/gpt-4.1-nano · idle"
    assert "msgflux-twin" in bundle["text/html"]


def test_before_a_run_there_is_nothing() -> None:
    playground = mf.Playground("openai/gpt-4.1-nano")
    assert (playground.value, playground.response, playground.error, playground.running) == (None, None, None, False)
    assert playground.to_frame().empty
    playground.stop()


@answers(slow())
def test_closing_the_widget_ends_its_run(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    bench.playground.close()
    assert bench.server.left.wait(2) or not bench.server.bodies  # it may be quicker than the request


@answers(stream("Hi"))
def test_two_threads_that_run_at_once_make_one_run(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    refused: list[Exception] = []

    def run() -> None:
        try:
            bench.playground.run(wait=True)
        except RuntimeError as problem:
            refused.append(problem)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bench.of("start")) == len(bench.server.bodies) == 8 - len(refused)
