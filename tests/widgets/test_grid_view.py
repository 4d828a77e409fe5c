"""GridView without a page: its messages in both directions, and what a notebook keeps."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from tests.scripted import Reply, Server, completion, model_at, serving
from tests.tables.scripted_model import Metadata, Scripted


class Triage(msgspec.Struct):
    topic: Literal["billing", "account"]
    note: str = ""


INPUTS = pd.Series(["login <b>fails</b>", "invoice", "login again"], index=["a", "b", "c"])
PROMPTS = {"plain": "Which? {text}", "rules": "Think well: {text}"}


def answer(text: str) -> Triage:
    right = "account" if "login" in text else "billing"
    return Triage(right, "thought") if "well" in text else Triage("billing", "quick")


def gridded(**options: Any) -> pd.DataFrame:
    options = {"models": Scripted(answer), "schema": Triage, "store": False, "progress": False, **options}
    return mf.grid(PROMPTS, INPUTS, **options)


TRUTH = pd.DataFrame({"topic": ["account", "billing", "account"]}, index=INPUTS.index)


def hear(view: mf.GridView, kind: str, **content: Any) -> None:
    """Deliver a message of the page."""
    view._receive(view, {"type": kind, **content}, [])


def test_heads_have_scores_and_cells_their_marks_with_only_what_is_wrong() -> None:
    view = mf.GridView(gridded(score=TRUTH))
    plain, rules = view.board["heads"]
    assert (plain["prompt"], plain["score"], plain["best"]) == ("plain", pytest.approx(1 / 3), False)
    assert (rules["score"], rules["best"]) == (1.0, True)
    first = view.board["rows"][0]
    assert first["label"] == "a"
    assert [cell["mark"] for cell in first["cells"]] == ["wrong", "right"]
    assert first["cells"][0]["parts"] == [["billing", True]]


def test_rows_where_they_differ_are_shown_first_and_all_are_a_choice() -> None:
    result = mf.grid(
        {"one": "{text}", "two": "Well: {text}"},
        ["invoice", "login"],
        models=Scripted(lambda text: text[:5]),
        store=False,
        progress=False,
        schema=None,
    )
    assert mf.GridView(result).board["kept"] == 2
    view = mf.GridView(gridded(models=Scripted(lambda text: Triage("billing"))))
    assert (view.board["filter"], view.board["kept"]) == ("all", 3)
    hear(view, "filter", filter="where they differ")
    assert view.board["kept"] == 0


def test_an_open_cell_says_what_differs_from_the_first_prompts_answer() -> None:
    view = mf.GridView(gridded())
    hear(view, "open", row=0, column=1)
    opened = view.opened
    assert (opened["who"], opened["against"]) == ("rules · scripted/one", "plain")
    assert opened["input"] == "login <b>fails</b>"
    assert opened["fields"] == [
        ["topic", [["gone", "billing"], ["new", "account"]]],
        ["note", [["gone", "quick"], ["new", "thought"]]],
    ]
    assert opened["figures"][:2] == [["10", "in"], ["5", "out"]]
    assert "prompt = 'Think well: {text}'" in opened["code"]
    compile(opened["code"], "code", "exec")


@pytest.mark.parametrize("name", ["x): import os  #", "a\nimport os", "Triage].__class__", "class", "exit()"])
def test_a_struct_name_that_is_not_an_identifier_does_not_become_code(name: str) -> None:
    schema = msgspec.defstruct(name, [("topic", str)])
    view = mf.GridView(gridded(models=Scripted(lambda text: schema("a")), schema=schema))
    hear(view, "open", row=0, column=0)
    compile(view.opened["code"], "code", "exec")
    assert name not in view.opened["code"].replace("chat_completion", "")
    assert "schema=Unnamed" in view.opened["code"]


def test_ratings_score_a_grid_without_a_truth_and_are_taken_back_by_the_same_key() -> None:
    view = mf.GridView(gridded())
    seen: list[int] = []
    view.observe(lambda change: seen.append(len(change["new"])), "value")
    hear(view, "rate", row=0, column=1, rating="good")
    hear(view, "rate", row=1, column=1, rating="bad")
    assert view.board["heads"][1]["score"] == 0.5
    assert view.value.to_dict("list")["rating"] == ["good", "bad"]
    assert view.value.index.tolist() == ["a", "b"]
    assert view.scores["rated"].tolist() == [0, 2]
    hear(view, "rate", row=1, column=1, rating="bad")
    assert seen == [1, 2, 1]


def test_ratings_are_kept_with_their_answers(tmp_path: Path) -> None:
    def reply(body: dict[str, Any], _headers: dict[str, str]) -> Reply:
        return completion(f"said {len(body['messages'][-1]['content'])}")

    with serving() as server:
        server.next_reply = reply  # type: ignore[method-assign]  # by content and not by order
        made = {"models": model_at(server.url), "schema": None, "store": tmp_path / "grid.sqlite"}
        hear(mf.GridView(gridded(**made)), "rate", row=2, column=0, rating="bad")
        again = mf.GridView(gridded(**made))
    assert again.ratings[["prompt", "rating"]].to_dict("list") == {"prompt": ["plain"], "rating": ["bad"]}
    assert isinstance(server, Server)


def test_blind_hides_whose_answer_it_is_until_it_is_rated_in_an_order_of_each_row() -> None:
    prompts = {f"p{number}": f"Prompt {number}: {{text}}" for number in range(6)}
    script = Scripted(lambda text: f"by {text[:8]}")
    result = mf.grid(prompts, [str(n) for n in range(12)], models=script, store=False, progress=False, score=["x"] * 12)
    view = mf.GridView(result)
    hear(view, "blind", on=True)
    assert [head["prompt"] for head in view.board["heads"]] == list("ABCDEF")
    assert {head["score"] for head in view.board["heads"]} == {None}
    sent = json.dumps([view.board["heads"], view.opened["who"], view.opened["code"], view.opened["against"]])
    assert not any(name in sent for name in prompts)
    orders = {tuple(cell["parts"][0][0] for cell in row["cells"]) for row in view.board["rows"]}
    assert len(orders) > 6
    hear(view, "open", row=0, column=2)
    assert view.opened["who"] == "hidden until you have rated it"
    hear(view, "rate", row=0, column=2, rating="good")
    shown = view.board["rows"][0]["cells"][2]["parts"][0][0]
    number = shown.removeprefix("by Prompt ")
    assert view.opened["who"] == f"p{number} · scripted/one"
    assert view.ratings["prompt"].tolist() == [f"p{number}"]


def test_an_answer_that_failed_cannot_be_rated(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(text: str) -> Triage:
        raise mf.BadRequestError("no such thing")

    view = mf.GridView(gridded(models=Scripted(script)))
    said: list[Any] = []
    monkeypatch.setattr(view, "send", lambda content, **_: said.append(content))
    hear(view, "rate", row=0, column=0, rating="good")
    assert said[0]["message"] == "there is no answer to rate here"
    assert view.board["rows"][0]["cells"][0]["mark"] == "failed"
    assert "no such thing" in view.opened["error"]


def test_six_hundred_answers_open_at_once_and_ten_thousand_rows_are_sent_a_hundred_at_once() -> None:
    prompts = {f"p{number}": f"Prompt {number}: {{text}}" for number in range(6)}
    models = [Scripted(answer), Scripted(answer)]
    result = mf.grid(
        prompts, [f"input {n}" for n in range(50)], models=models, schema=Triage, store=False, progress=False
    )
    mf.GridView(gridded())  # which loads the libraries of widgets
    began = time.process_time()
    view = mf.GridView(result)
    took = time.process_time() - began
    print(f"opened in {1000 * took:.0f} ms")
    assert took < 3  # CPU; what looks at all answers for each of them takes longer
    long = mf.grid("{text}", [f"input {n}" for n in range(10_000)], models=models[0], store=False, progress=False)
    view = mf.GridView(long)
    assert (len(view.board["rows"]), view.board["kept"]) == (100, 10_000)
    hear(view, "more")
    assert len(view.board["rows"]) == 200


def test_a_page_has_at_most_three_hundred_rows_and_says_how_many_are_before_them() -> None:
    made = mf.grid("{text}", [f"input {n}" for n in range(450)], models=Scripted(answer), store=False, progress=False)
    view = mf.GridView(made)
    for first, last in ((0, 200), (0, 300), (100, 400), (150, 450), (150, 450)):
        hear(view, "more")
        assert [row["row"] for row in view.board["rows"]] == [*range(first, last)]
        assert view.board["before"] == first
    view._fill({449})
    assert len(view.board["rows"]) == 300
    hear(view, "filter", filter="all")
    assert (view.board["before"], len(view.board["rows"])) == (0, 100)


def test_the_twin_escapes_and_says_the_scores() -> None:
    view = mf.GridView(gridded(score=TRUTH))
    drawn, text = view._drawn()
    assert "login &lt;b&gt;fails&lt;/b&gt;" in drawn
    assert "<b>fails" not in drawn
    assert text.splitlines() == [
        "GridView · 2 prompts × 1 model × 3 inputs",
        "plain · scripted/one: 33% (6–79)",
        "rules · scripted/one: 100% (44–100)",
    ]


def test_a_frame_that_is_not_a_grid_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a result of mf\.grid"):
        mf.GridView(pd.DataFrame({"a": [1]}))


# While it runs


class Held(Scripted):
    """Answers some texts at once, and the others when the test releases them."""

    def __init__(self, free: int) -> None:
        super().__init__(lambda text: f"said {text}", parallel=2)
        self.free, self.begun, self.go = free, 0, threading.Event()

    async def acall(self, messages: Any, **options: Any) -> Any:
        self.begun += 1
        number = self.begun
        response = await super().acall(messages, **options)
        while number > self.free and not self.go.is_set():
            await asyncio.sleep(0.005)
        return response


def until(true: Callable[[], Any]) -> None:
    """Wait until a condition is true; fail after the time limit."""
    ends = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_cells_fill_in_while_it_runs_and_it_is_stopped_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Held(free=7)
    view = mf.GridView(PROMPTS, [f"input {n}" for n in range(8)], models=model, store=False)
    told: list[Any] = []
    monkeypatch.setattr(view, "send", lambda content, **_: told.append(content))
    assert (view.state, view.result, view.board["action_label"]) == ("idle", None, "Run 16")
    view.run()
    until(lambda: view.board["answers"] - view.board["unanswered"] == 7)
    until(lambda: sum(cell["mark"] == "asking" for row in view.board["rows"] for cell in row["cells"]) == 2)
    assert (view.state, view.board["action"]) == ("running", "stop")
    assert all(head["seconds"] is not None for head in view.board["heads"])
    assert view.board["rows"][0]["cells"][1]["parts"][0][0].startswith("said Think well")
    filled = [one for one in told if one["type"] == "filled"]
    assert filled[-1]["unanswered"] == 9
    assert {row["row"] for one in filled for row in one["rows"]} >= {0, 1, 2, 3}
    with pytest.raises(RuntimeError, match="under way"):
        view.run()
    hear(view, "stop")
    assert view.wait(30)
    assert (view.state, view.board["action_label"]) == ("stopped", "Go on with 9")
    assert isinstance(view.result, pd.DataFrame)
    assert int(view.result.notna().to_numpy().sum()) == 7
    unanswered = [cell["parts"] for row in view.board["rows"] for cell in row["cells"] if cell["mark"] == "open"]
    assert unanswered.count([["interrupted", False]]) == 2
    model.go.set()
    hear(view, "go")
    assert view.wait(30)
    assert view.state == "complete"
    assert view.result.notna().to_numpy().all()
    assert len(model.sent) == 16 + 2  # what was in flight
    assert view.board["action"] == ""


def test_a_running_column_has_its_cost_and_seconds_so_far() -> None:
    model = Held(free=4)
    model.metadata = Metadata(cost=0.01)
    view = mf.GridView(PROMPTS, [f"input {n}" for n in range(8)], models=model, store=False)
    assert [head["cost"] for head in view.board["heads"]] == [None, None]
    view.run()
    until(lambda: [head["cost"] for head in view.board["heads"]] == [0.02, 0.02])
    assert all(head["seconds"] >= 0 for head in view.board["heads"])
    model.go.set()
    assert view.wait(30)
    assert [round(head["cost"], 6) for head in view.board["heads"]] == [0.08, 0.08]


@pytest.mark.parametrize(
    ("inputs", "title", "label"),
    [
        (["a", "b"], "2 inputs", "input 0"),
        (pd.Series(["a", "b"], index=pd.Index([4, 9], name="mail"), name="text"), "2 mails", "mail 4"),
        (pd.Series(["a", "b"], name="letter"), "2 letters", "letter 0"),
        (pd.Series(["a", "b"], name="the body"), "2 inputs", "the body 0"),
    ],
)
def test_inputs_are_called_by_their_own_name(inputs: Any, title: str, label: str) -> None:
    view = mf.GridView(PROMPTS, inputs, models=Scripted(answer), store=False)
    assert view.board["title"] == f"2 prompts × 1 model × {title}"
    assert (view.opened["label"], view.board["noun"]) == (label, label.rpartition(" ")[0])


@pytest.mark.parametrize(
    ("cost", "limit", "paid"),
    [
        (0.01, 0.1, "$0.0600 of $0.1000"),
        (0.01, None, "$0.0600"),
        (0.00001, 0.1, "< $0.0001 of $0.1000"),
        (None, None, ""),
    ],
)
def test_the_head_says_what_was_paid_and_may_be(cost: float | None, limit: float | None, paid: str) -> None:
    model = Scripted(answer, metadata=Metadata(cost=cost))
    view = mf.GridView(PROMPTS, INPUTS, models=model, schema=Triage, store=False, max_cost=limit)
    assert view.board["paid"] == ("$0" if limit is None else "$0 of $0.1000")
    view.run(wait=True)
    assert view.board["paid"] == paid


def test_an_answer_is_rated_while_the_grid_runs_and_stays_rated() -> None:
    model = Held(free=2)
    view = mf.GridView(PROMPTS, ["a", "b"], models=model, store=False)
    view.run()
    until(lambda: view.board["unanswered"] == 2)
    hear(view, "rate", row=0, column=0, rating="good")
    model.go.set()
    assert view.wait(30)
    assert view.ratings["rating"].tolist() == ["good"]
    assert view.board["heads"][0]["score"] == 1.0


def test_a_running_grid_with_a_truth_marks_its_answers_and_scores_those_so_far() -> None:
    model = Held(free=5)
    truth = ["said Which? a", "said Think well: b", "no", "no"]
    view = mf.GridView(PROMPTS, ["a", "b", "c", "d"], models=model, score=truth, store=False)
    view.run()
    until(lambda: view.board["unanswered"] == 3)
    until(lambda: all(head["score"] is not None for head in view.board["heads"]))
    assert view.board["judged"] == "truth"
    assert [[cell["mark"] for cell in row["cells"]] for row in view.board["rows"][:2]] == [
        ["right", "wrong"],
        ["wrong", "right"],
    ]
    assert [head["score"] for head in view.board["heads"]] == [pytest.approx(1 / 3), 0.5]
    hear(view, "stop")
    assert view.wait(30)
    model.go.set()
    view.run()
    assert view.wait(30)
    assert [head["score"] for head in view.board["heads"]] == [0.25, 0.25]


def test_a_grid_that_is_waited_for_has_its_scores_and_an_error_of_the_score_is_shown() -> None:
    view = mf.GridView(PROMPTS, INPUTS, models=Scripted(answer), schema=Triage, score=TRUTH, store=False)
    view.run(wait=True)
    assert view.board["heads"][1]["score"] == 1.0
    assert view.result is not None
    assert mf.GridView(view.result).board["heads"] == view.board["heads"]

    def broken(given: Any) -> bool:
        raise KeyError("no")

    failing = mf.GridView(PROMPTS, INPUTS, models=Scripted(answer), schema=Triage, score=broken, store=False)
    failing.run()
    assert failing.wait(30)
    assert (failing.state, failing.board["error"]) == ("failed", "KeyError: 'no'")
    assert failing.result is not None


def test_a_view_of_neither_a_result_nor_prompts_and_inputs_is_refused() -> None:
    with pytest.raises(TypeError, match="prompts and inputs"):
        mf.GridView(PROMPTS)
    with pytest.raises(TypeError, match="prompts and inputs"):
        mf.GridView(gridded(), models="x")
