"""``PlanView`` watches running plans, shows finished ones, stops a run, and leaves a twin."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.protocol.events import TextDelta
from msgflux_nb.reasoning.plan_events import PlanStarted
from msgflux_nb.widgets.plan.moments import Moments
from msgflux_nb.widgets.plan.plan_view import PlanView
from tests.browser import plan_samples as samples


class Telling(PlanView):
    """A view that keeps its messages."""

    def __init__(self, source: Any = None) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(source)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(content)

    @property
    def moments(self) -> list[dict[str, Any]]:
        self._sender.flush()
        return [moment for message in self.sent for moment in message.get("moments", ())]


@pytest.fixture
def view() -> Iterator[Telling]:
    with closing(Telling()) as made:
        yield made


def until(true: Callable[[], Any]) -> None:
    """Wait until a condition is true; fail after the time limit."""
    ends = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


DRAWN = ("html", "open", "kept", "tail", "held", "said")  # how the words of an answer are drawn
RUNS = {"react": samples.react, "self_consistency": samples.vote, "tree_of_thoughts": samples.asked_tree}
runs = pytest.mark.parametrize("kind", RUNS)


def last_of(moments: list[dict[str, Any]], kind: str, key: str) -> dict[Any, dict[str, Any]]:
    """Return the last state of each thing in the messages; a later message adds to an earlier one."""
    found: dict[Any, dict[str, Any]] = {}
    for moment in moments:
        if moment["t"] == kind:
            told = {name: value for name, value in moment.items() if name not in ("ms", "id", *DRAWN)}
            found.setdefault(moment[key], {}).update(told)
    return found


@pytest.mark.parametrize(
    ("kind", "text", "drawn"),
    [
        ("react", "It *may", "<em>may</em>"),
        ("react", '{"final": "*may"', ""),
        ("self_consistency", "It *may", ""),
    ],
)
def test_the_words_of_an_answer_have_their_html_while_they_come(kind: str, text: str, drawn: str) -> None:
    moments = Moments()
    moments.take(0.0, PlanStarted(kind=kind, task="?", limits={}, options={}, stop=lambda: None))
    moments.take(0.0, TextDelta(text))
    [said] = moments.batch()["moments"]
    assert (said["w"], drawn in said.get("open", "")) == (text, True)
    assert ("open" in said) == bool(drawn)
    moments.take(0.1, TextDelta(" rain*."))
    [more] = moments.batch()["moments"]
    assert ("kept" in more) == bool(drawn)
    assert moments.whole()["moments"] == [said, more]


@runs
def test_a_finished_result_is_shown_as_it_was_shown_live(view: Telling, kind: str) -> None:
    result = RUNS[kind](view.on_event)
    assert (view.state, view.result) == ("complete", result)
    with closing(Telling(result)) as again:
        assert again.state == "complete"
        for what, key in (("sample", "n"), ("node", "id"), ("turn", "n"), ("step", "f")):
            assert last_of(view.moments, what, key) == last_of(again.moments, what, key)
        live, retold = (
            [(moment["p"], moment["a"], moment["r"]) for moment in one.moments if moment["t"] == "asked"]
            for one in (view, again)
        )
        assert live == retold
        assert view.moments[-1]["t"] == again.moments[-1]["t"] == "end"
        head, retold_head = (
            {name: value for name, value in one.moments[-1].items() if name not in ("ms", *DRAWN)}
            for one in (view, again)
        )
        assert head == retold_head
        if kind == "react":  # its words came in pieces, with their HTML, or come with the end
            assert view.moments[-1]["said"]
            assert "<strong>6.3 kg</strong>" in again.moments[-1]["html"]
    assert view._moments.head["limits"] == result.limits
    json.dumps(view.plan, allow_nan=False)


def test_a_run_is_shown_from_its_beginning_and_stopped() -> None:
    waiting, go = threading.Event(), threading.Event()

    async def answer(task: str) -> int:
        import asyncio

        waiting.set()
        if go.is_set():
            await asyncio.sleep(60)
        return 42

    def stop(answers: tuple[int, ...]) -> bool:
        if len(answers) == 3:
            go.set()
        return False

    run = mf.plan.start(mf.plan.self_consistency, answer, "?", n=9, answer=int, stop=stop)
    assert waiting.wait(5)
    with closing(Telling(run)) as view:
        while not any(moment["t"] == "sample" and moment["n"] == 2 for moment in view.moments):
            time.sleep(0.01)
        assert view.state == "running"
        view._receive(view, {"type": "stop"}, [])
        assert run.wait(5) is not None
        assert (run.state, view.state) == ("stopped", "stopped")
        assert view.result is not None
        assert view.result.final_answer == 42
        assert "stopped" in view._twin()["text/plain"]


def test_a_plan_that_fails_is_shown_as_far_as_it_came(view: Telling) -> None:
    def value(path: tuple[str, ...]) -> float:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        mf.plan.tree_of_thoughts(None, "?", propose=lambda path: ["a", "b"], value=value, on_event=view.on_event)
    assert view.state == "failed"
    assert [moment["w"] for moment in view.moments if moment["t"] == "node"] == ["a", "b"]
    assert view.moments[-1]["error"] == ["KeyError", "'mine'"]
    assert "KeyError" in view._twin()["text/plain"]


def test_a_view_never_ends_the_plan_that_tells_it(view: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view._moments.__class__, "take", lambda *_: 1 / 0)
    assert mf.plan.self_consistency(lambda task: 1, "?", n=2, answer=int, on_event=view.on_event).final_answer == 1
    assert {"type": "problem", "name": "ZeroDivisionError", "message": "division by zero"} in view.sent


def test_another_plan_takes_the_place_of_the_first(view: Telling) -> None:
    first = mf.plan.start(mf.plan.self_consistency, lambda task: 1, "first", n=1, answer=int)
    first.wait(5)
    view.show(first)
    view.show(samples.vote())
    numbers = [message["run"] for message in view.sent if message["type"] == "start"]
    assert len(set(numbers)) == 2
    assert view._moments.head["kind"] == "self_consistency"
    assert "17 calls" in repr(view)


@runs
def test_a_twin_says_what_it_came_to_and_escapes(kind: str) -> None:
    with closing(PlanView(RUNS[kind]())) as view:
        twin = view._twin()
    html, text = twin["text/html"], twin["text/plain"]
    static = html[: html.index("<style>", html.index("msgflux-static"))]
    words = {
        "react": ["<b>find_order</b>(customer=&#x27;Okafor&#x27;)", "5 of 8 calls"],
        "self_consistency": ["11 · 65%", "not readable", "stopped: beta"],
        "tree_of_thoughts": ["<b>right</b>", "pruned"],
    }[kind]
    assert all(word in static for word in words)
    assert text.startswith("PlanView · ")
    assert "s\n" not in text.split("\n", 1)[0]


def test_a_source_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"PlanView: expected the result of mf\.plan\.start\(\.\.\.\), or a PlanResult"):
        PlanView(3)


def test_values_that_json_does_not_know_are_sent_as_numbers(view: Telling) -> None:
    values = iter([float("inf"), float("-inf")])
    keywords = {"propose": lambda path: ["a", "b"], "value": lambda path: next(values), "depth": 1}
    mf.plan.tree_of_thoughts(None, "?", on_event=view.on_event, max_seconds=float("inf"), **keywords)
    json.dumps(view.sent, allow_nan=False)


def test_the_samples_that_an_early_stop_left_out_are_asked_for_from_the_view() -> None:
    asked: list[int] = []

    def answer(task: str) -> int:
        asked.append(len(asked))
        return 8

    run = mf.plan.start(mf.plan.self_consistency, answer, "?", n=9, answer=int, stop="window")
    with closing(Telling(run)) as view:
        run.wait(30)
        assert (view.state, len(asked)) == ("complete", 5)
        assert view.sent[-1]["others"] == 4
        view._rest()
        assert not view._retired  # there is something to decide
        view._receive(view, {"type": "others"}, [])
        until(lambda: view.over and view.result is not None and view.result.calls == 9)
        assert len(asked) == 9
        assert [one["v"] for one in view.moments if one["t"] == "sample" and one["n"] == 8] == ["8"]
        until(lambda: view.sent[-1].get("others") == 0)
    with closing(Telling(run.result)) as over:  # of a result nobody knows who was asked
        assert over._told_state()["others"] == 0
