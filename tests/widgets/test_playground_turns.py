"""New answers in place of an earlier one: rerun, go on from its text or from a token, undo; two models side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.widgets.base.run import INTERVAL_SECONDS, PAIR_INTERVAL_SECONDS
from msgflux_nb.widgets.playground.token_lens import start_at
from tests.scripted import Reply, error, serving, stream

from .bench import Bench, Person, answers, eventually, model_of, slow


def with_logprobs(*tokens: str) -> Reply:
    """Return a streamed answer with the probabilities of its tokens, each with one alternative."""
    pieces = []
    for token in tokens:
        top = [
            {"token": token, "logprob": -0.1, "bytes": list(token.encode())},
            {"token": token.upper(), "logprob": -2.5, "bytes": list(token.upper().encode())},
        ]
        chosen = {**top[0], "top_logprobs": top}
        choice = {"index": 0, "delta": {"content": token}, "logprobs": {"content": [chosen]}, "finish_reason": None}
        pieces.append(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
    return stream(*pieces)


def ask(bench: Bench, prompt: str = "Name a colour.") -> mf.Playground:
    bench.playground.prompt = prompt
    bench.playground.run(wait=True)
    return bench.playground


def last(playground: mf.Playground) -> Any:
    return playground.messages[-1]["content"]


def versions(playground: mf.Playground, position: int = 1) -> list[Any]:
    return [message["content"] for message in playground.builder.history.versions(position)]


def add(a: int, b: int) -> int:
    return a + b


# Rerun


@answers(stream("Red"), stream("Blue"))
def test_a_rerun_asks_the_same_and_keeps_both(bench: Bench) -> None:
    playground = ask(bench)
    playground.rerun(wait=True)
    assert bench.server.bodies[0]["messages"] == bench.server.bodies[1]["messages"]
    assert (playground.value, last(playground), versions(playground)) == ("Blue", "Blue", ["Red", "Blue"])
    assert playground.builder.history.siblings(1) == (1, 2)
    assert playground.builder.turns[1]["siblings"] == [1, 2]


@answers(stream("Red"), stream("Red"))
def test_the_same_answer_twice_is_two_versions(bench: Bench) -> None:
    playground = ask(bench)
    playground.rerun(wait=True)
    assert versions(playground) == ["Red", "Red"]


@answers(stream("Red"), stream("Blue"))
def test_undo_takes_a_rerun_back_in_one_step(bench: Bench) -> None:
    playground = ask(bench)
    playground.rerun(wait=True)
    assert playground.undo()
    assert (last(playground), bench.roles, versions(playground)) == ("Red", ["user", "assistant"], ["Red", "Blue"])


@answers(stream("One"), stream("Two"), stream("Uno"))
def test_a_rerun_in_the_middle_keeps_what_followed_with_the_old_answer(bench: Bench) -> None:
    playground = ask(bench, "first")
    ask(bench, "second")
    bench.receive("rerun", position=1)
    bench.wait()
    assert [message["content"] for message in playground.messages] == ["first", "Uno"]
    playground.builder.history.choose(1, 0)
    assert [message["content"] for message in playground.messages] == ["first", "One", "second", "Two"]


@answers(stream("Red"), error(500, "boom"))
def test_a_rerun_that_fails_shows_the_old_version_again(bench: Bench) -> None:
    playground = ask(bench)
    told = playground.builder.turns
    with pytest.raises(mf.ServerError):
        playground.rerun(wait=True)
    assert (last(playground), versions(playground), playground.builder.turns) == ("Red", ["Red"], told)
    assert playground.value is None
    playground.undo()
    assert bench.roles == ["user"]  # one step back is the answer, and not the failure


@answers(stream("Red"), stream("Dark ", cut=True, done=False))
def test_a_rerun_that_breaks_keeps_its_part_as_a_version(bench: Bench) -> None:
    playground = ask(bench)
    with pytest.raises(mf.StreamInterruptedError):
        playground.rerun(wait=True)
    assert versions(playground) == ["Red", "Dark "]


@answers(stream("Red"), slow())
def test_a_rerun_that_is_stopped_keeps_its_part_as_a_version(bench: Bench) -> None:
    playground = ask(bench)
    playground.rerun()
    assert bench.roles == ["user"]  # the new one is written in its place
    count = len(bench.of("batch"))
    eventually(lambda: len(bench.of("batch")) > count, "a batch")
    playground.stop()
    bench.wait()
    assert versions(playground)[0] == "Red"
    assert versions(playground)[1].startswith("word0")


@answers(stream("Red"))
def test_only_an_answer_can_be_asked_for_again(bench: Bench) -> None:
    playground = ask(bench)
    for position in (0, 2, -3):
        with pytest.raises(mf.BadRequestError, match=f"turn {position} is not an answer of the assistant"):
            playground.rerun(position)
    assert (len(bench.server.bodies), last(playground)) == (1, "Red")


@answers(slow())
def test_a_rerun_during_a_run_is_refused_and_cuts_nothing(bench: Bench) -> None:
    playground = bench.playground
    playground.messages = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]
    playground.prompt = "Hi"
    playground.run()
    with pytest.raises(RuntimeError, match="a run is under way"):
        playground.rerun(1)
    assert [message["content"] for message in playground.messages][:3] == ["A", "B", "Hi"]
    playground.stop()
    bench.wait()


@answers(slow(), stream("Red"))
def test_begin_again_while_an_answer_arrives_leaves_an_empty_conversation(bench: Bench) -> None:
    bench.playground.prompt = "Hi"
    bench.playground.run()
    eventually(lambda: bench.of("batch"), "a batch")
    bench.playground.builder.clear()
    bench.playground.stop()
    bench.wait()
    assert bench.playground.messages == []
    playground = ask(bench)
    assert playground.builder.turns[0]["siblings"] == [0, 1]  # no version of the earlier turn
    assert len(bench.server.bodies[1]["messages"]) == 1
    for _ in range(3):
        playground.undo()
    assert playground.messages[0] == {"role": "user", "content": "Hi"}
    assert str(last(playground)).startswith("word0")


# Going on from a text, or from a token


@answers(stream("Once upon"), stream(" a time."))
def test_an_answer_can_be_gone_on_from(bench: Bench) -> None:
    playground = ask(bench, "A tale.")
    bench.receive("continue", position=1)
    bench.wait()
    assert bench.server.bodies[1]["messages"][1:] == [{"role": "assistant", "content": "Once upon"}]
    assert versions(playground) == ["Once upon", "Once upon a time."]
    assert playground.prefilling == ""
    [part] = playground.builder.turns[1]["parts"]
    assert part["prefill"] == len("Once upon")


@answers(stream("Once upon"), stream(" there was."))
def test_a_part_of_an_answer_can_be_gone_on_from(bench: Bench) -> None:
    playground = ask(bench, "A tale.")
    playground.continue_from(text="Once", wait=True)
    assert (playground.value, versions(playground)[1]) == ("Once there was.", "Once there was.")


@answers(stream("Red"))
def test_without_an_answer_there_is_nothing_to_go_on_from(bench: Bench) -> None:
    playground = ask(bench)
    with pytest.raises(mf.BadRequestError, match="no text to go on from"):
        playground.continue_from(text=" ")
    assert last(playground) == "Red"


@answers(with_logprobs("a ", "red ", "ball"), stream("cube"))
def test_a_branch_goes_on_from_another_token(bench: Bench) -> None:
    bench.playground.logprobs = True
    playground = ask(bench)
    assert (bench.server.bodies[0]["logprobs"], bench.server.bodies[0]["top_logprobs"]) == (True, 5)
    assert "logprobs" not in playground.model.options
    assert bench.of("end")[0]["tokens"]
    bench.receive("tokens", side=0)
    [told] = bench.of("tokens")
    assert (told["side"], told["number"]) == (0, 1)
    assert told["rows"][1] == ["red ", -0.1, [["red ", -0.1], ["RED ", -2.5]]]
    bench.receive("branch", index=1, token="blue ")
    bench.wait()
    assert bench.server.bodies[1]["messages"][-1] == {"role": "assistant", "content": "a blue "}
    assert versions(playground) == ["a red ball", "a blue cube"]


@answers(with_logprobs("red"), stream("!"), stream("?"))
def test_a_branch_of_an_answer_with_a_start_keeps_the_start(bench: Bench) -> None:
    bench.playground.logprobs, bench.playground.prefilling = True, "It is "
    playground = ask(bench)
    playground.branch(0, "blue", wait=True)
    assert versions(playground) == ["It is red", "It is blue!"]


@answers(with_logprobs("red"))
def test_a_branch_needs_its_token_and_its_answer(bench: Bench) -> None:
    with pytest.raises(mf.BadRequestError, match="not shown any more"):
        bench.playground.branch(0, "x")
    bench.playground.logprobs = True
    playground = ask(bench)
    with pytest.raises(mf.BadRequestError, match="has 1 tokens; there is no number 1"):
        playground.branch(1, "x")
    playground.undo()
    with pytest.raises(mf.BadRequestError, match="not shown any more"):
        playground.branch(0, "x")


def test_a_start_of_tokens_that_split_a_letter() -> None:
    from msgflux_nb.protocol.events import TokenLogprob

    def token(text: str, octets: bytes | None) -> TokenLogprob:
        return TokenLogprob(token=text, logprob=-1.0, bytes=None if octets is None else list(octets), top=())

    euro = "€".encode()
    tokens = [token("a", None), token("\\xe2", euro[:1]), token("\\x82\\xac", euro[1:]), token("b", b"b")]
    assert start_at("> ", tokens, 3, "c") == "> a€c"
    assert start_at("> ", tokens, 2, "c") == "> ac"  # half a character does not count
    assert start_at("> ", tokens, 0, "c") == "> c"


# Changes by a person during a run


def halfway(bench: Bench) -> mf.Playground:
    """Begin a run, and wait for some of its answer."""
    bench.playground.prompt = "Name a colour."
    bench.playground.run()
    eventually(lambda: bench.of("batch"), "a batch")
    return bench.playground


@answers(stream("Re", 0.3, "d"))
def test_a_turn_that_is_added_meanwhile_stands_behind_the_answer(bench: Bench) -> None:
    playground = halfway(bench)
    playground.builder.add("And another.")
    bench.wait()
    assert [message["content"] for message in playground.messages] == ["Name a colour.", "Red", "And another."]
    assert [turn["role"] for turn in playground.builder.turns] == ["user", "assistant", "user"]
    playground.undo()
    assert [message["content"] for message in playground.messages] == ["Name a colour.", "And another."]


@answers(stream("Re", 0.3, "d"))
def test_an_answer_stands_behind_its_question_even_if_that_was_changed(bench: Bench) -> None:
    playground = halfway(bench)
    playground.builder.history.replace(0, {"role": "user", "content": "Name a fish."})
    playground.builder.changed()
    bench.wait()
    assert [message["content"] for message in playground.messages] == ["Name a colour.", "Red"]
    assert versions(playground, 0) == ["Name a colour.", "Name a fish."]


@answers(stream("Re", 0.3, "d"))
def test_a_question_that_was_undone_comes_back_with_its_answer(bench: Bench) -> None:
    playground = halfway(bench)
    playground.undo()
    assert playground.messages == []
    bench.wait()
    assert [message["content"] for message in playground.messages] == ["Name a colour.", "Red"]


@answers(stream("Red"), slow(pause=5))
def test_a_failed_rerun_takes_back_nothing_but_itself(bench: Bench) -> None:
    playground = ask(bench)
    playground.rerun()
    playground.builder.add("And another.")
    playground.stop()
    bench.wait()
    assert playground.messages[-1]["content"] == "And another."


# Two models


@pytest.fixture
def two(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A bench whose playground compares two models; the second model's server is ``bench.other``."""
    first, second = request.param
    with serving(*first) as server, serving(*second) as other:
        playground = mf.Playground(model_of(server), compare=model_of(other, "scripted/two"), tools=[add])
        bench = Bench(server, playground)
        bench.other = other  # type: ignore[attr-defined]
        yield bench
        bench.close()


def beside(first: list[Reply], second: list[Reply]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("two", [(first, second)], indirect=True, ids=["scripted"])


@beside([stream("Red")], [stream("Blue")])
def test_both_answers_are_versions_of_one_turn(two: Bench) -> None:
    playground = ask(two)
    assert versions(playground) == ["Red", "Blue"]
    assert (last(playground), playground.value) == ("Red", "Red")
    assert [response.text for response in playground.responses] == ["Red", "Blue"]
    assert sorted(end["side"] for end in two.of("end")) == [0, 1]
    assert sorted(start["model"] for start in two.of("start")) == ["scripted/one", "scripted/two"]
    assert len({start["number"] for start in two.of("start")}) == 2
    assert [message["side"] for message in two.of("settled")] == [None]
    playground.undo()
    assert two.roles == ["user"]


@beside([stream("Red")], [stream("Blue")])
def test_each_of_two_answers_is_told_less_often_than_one(two: Bench) -> None:
    playground = ask(two)
    assert {side._interval for side in playground._rounds.sides} == {PAIR_INTERVAL_SECONDS}
    assert PAIR_INTERVAL_SECONDS > INTERVAL_SECONDS


@beside([stream("Red")], [stream("Blue")])
def test_tools_are_offered_to_neither(two: Bench) -> None:
    ask(two)
    assert "tools" not in two.server.bodies[0]
    assert "tools" not in two.other.bodies[0]  # type: ignore[attr-defined]


@beside([stream("Red"), stream("Rot")], [stream("Blue"), stream("Blau")])
def test_a_rerun_of_two_is_one_step(two: Bench) -> None:
    playground = ask(two)
    playground.rerun(wait=True)
    assert versions(playground) == ["Red", "Blue", "Rot", "Blau"]
    playground.undo()
    assert last(playground) == "Red"


@beside([error(500, "boom")], [stream("Blue")])
def test_where_the_first_fails_the_second_is_shown(two: Bench) -> None:
    two.playground.prompt = "Name a colour."
    with pytest.raises(mf.ServerError):
        two.playground.run(wait=True)
    assert versions(two.playground) == ["Blue"]
    assert {end["side"]: end["state"] for end in two.of("end")} == {0: "failed", 1: "complete"}


@beside([stream("Red")], [error(500, "boom")])
def test_where_the_second_fails_the_first_is_shown_and_the_error_kept(two: Bench) -> None:
    two.playground.prompt = "Name a colour."
    two.playground.run()
    two.wait()
    assert (versions(two.playground), two.playground.value) == (["Red"], "Red")
    assert isinstance(two.playground.error, mf.ServerError)


@beside([stream("Red"), error(500, "boom")], [stream("Blue"), error(500, "boom")])
def test_a_rerun_in_which_both_fail_shows_the_old_version_again(two: Bench) -> None:
    playground = ask(two)
    with pytest.raises(mf.ServerError):
        playground.rerun(wait=True)
    assert (last(playground), versions(playground)) == ("Red", ["Red", "Blue"])


@beside([slow()], [slow()])
def test_stop_ends_both(two: Bench) -> None:
    two.playground.prompt = "Hi"
    two.playground.run()
    eventually(lambda: {batch["side"] for batch in two.of("batch")} == {0, 1}, "a batch of each")
    two.receive("hello")
    assert sorted(message["side"] for message in two.of("progress")) == [0, 1]
    two.playground.stop()
    two.wait()
    assert [end["state"] for end in two.of("end")] == ["stopped", "stopped"]
    assert len(versions(two.playground)) == 2


@pytest.mark.parametrize(
    ("name", "label"),
    [("scripted/two", "scripted/two"), ("scripted/one", "scripted/one (2)")],
    ids=["two", "one twice"],
)
def test_a_frame_of_two_models_says_which_is_which(name: str, label: str) -> None:
    with serving(stream('{"name":"Maria Silva","age":34}')) as server:
        playground = mf.Playground(model_of(server), compare=model_of(server, name), prompt="Who?", schemas=[Person])
        playground.schema = "Person"
        playground.run(wait=True)
        frame = playground.to_frame()
        playground.close()
    assert frame.index.names == ["model", None]
    assert [model for model, _ in frame.index] == ["scripted/one", label]
    assert (list(frame["name"]), str(frame["age"].dtype)) == (["Maria Silva"] * 2, "Int64")


# What differs


@answers(stream("A red ball"), stream("A blue ball"), stream("x"))
def test_two_versions_are_compared(bench: Bench) -> None:
    playground = ask(bench)
    playground.rerun(wait=True)
    bench.receive("compare", position=1)
    bench.receive("compare", position=1, left=1, right=0)
    first, second = bench.of("difference")
    assert (first["left"], first["right"], first["count"]) == (0, 1, 2)
    assert first["pieces"] == [("same", "A "), ("gone", "red"), ("new", "blue"), ("same", " ball")]
    assert second["pieces"] == [("same", "A "), ("gone", "blue"), ("new", "red"), ("same", " ball")]
