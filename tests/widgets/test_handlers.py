"""Tests that a page's message is handled at once: no handler takes long, whatever was typed, pasted or answered."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import open_store
from msgflux_nb.widgets.base.messages import message_type
from msgflux_nb.widgets.base.view import View
from msgflux_nb.widgets.playground.difference import difference
from tests.fuzz.growth import TEXTS
from tests.scripted import Reply
from tests.tables.counting import Counting, counting, named
from tests.tables.scripted_model import Scripted
from tests.tables.test_store_faults import hanging, locked, wait_until

__all__ = ["counting"]

LONG = 100_000
# What takes time by the square of a text's length takes more. `benchmarks/handlers.py` measures the goal, 50 ms.
AT_ONCE = 1.0  # seconds of CPU
HOSTILE = {
    "an array of escaped quotes": TEXTS["an array of escaped quotes"](LONG),
    "equal lines": "a\n" * (LONG // 2),
    "a list": "- a b c\n" * (LONG // 8),
    "images": "![" * (LONG // 2),
    "titles": "<title" * (LONG // 6),
    "names": "{{a}} " * (LONG // 6),
    "open names": "{{" * (LONG // 2),
    "letters": "a" * LONG,
    "keys": "sk-" * (LONG // 3),
}


def seconds_of(handle: Callable[[], object]) -> float:
    """Return the CPU time of this thread without garbage collections: after thousands of tests one takes a second."""
    gc.disable()
    try:
        began = time.thread_time()
        handle()
        return time.thread_time() - began
    finally:
        gc.enable()


@pytest.mark.parametrize("what", HOSTILE)
def test_a_draft_is_taken_at_once(what: str) -> None:
    builder = mf.MessageBuilder()
    text = HOSTILE[what]
    draft = {"role": "user", "text": text, "call": "", "ids": [], "texts": {}}
    seconds: dict[str, float] = {}
    messages: dict[str, dict[str, Any]] = {
        "draft": {"type": "draft", "draft": draft, "left": False},
        "variable": {"type": "variable", "name": "a", "value": text},
        "unknown": {"type": "nothing", "text": text},
        "address": {"type": "address", "id": "1", "url": text, "loose": True},
    }
    for name, message in messages.items():
        seconds[name] = seconds_of(lambda message=message: builder._receive(None, message, []))  # type: ignore[misc]
    assert {name: taken for name, taken in seconds.items() if taken > AT_ONCE} == {}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_prefill_is_looked_at_at_once(what: str) -> None:
    editor = mf.PrefillEditor()
    assert seconds_of(lambda: editor.set_state({"value": HOSTILE[what]})) <= AT_ONCE


@pytest.mark.parametrize("what", HOSTILE)
def test_two_versions_are_compared_at_once(what: str) -> None:
    text = HOSTILE[what]
    assert seconds_of(lambda: difference(text, text[: LONG // 2] + "b" + text[LONG // 2 :])) <= AT_ONCE


# -- messages that no person's page sends --------------------------------------------------------------------------


class Person(msgspec.Struct):
    name: str
    tags: list[str] = []


def answer(text: str) -> Person:
    return Person(text[:3], ["x"])


def deep(levels: int) -> Any:
    value: Any = "a"
    for _ in range(levels):
        value = [value]
    return value


def result(texts: list[str] | None = None, **options: Any) -> Any:
    options = {"model": Scripted(answer), "progress": False, "store": False, **options}
    return mf.extract(["Ada is old."] * 3 if texts is None else texts, Person, **options)


def extracted() -> mf.ExtractionView:
    view = mf.ExtractionView(["Ada"] * 3, Person, model=Scripted(answer), store=False)
    view.run(wait=True)
    return view


VIEWS: dict[str, Callable[[], View]] = {
    "review": lambda: mf.ReviewView(result()),
    "grid": lambda: mf.GridView(
        mf.grid({"a": "{text}"}, ["Ada"], models=Scripted(answer), schema=Person, store=False, progress=False)
    ),
    "plan": lambda: mf.PlanView(mf.plan.self_consistency(lambda task: 42, "6 times 7?", n=3, answer=int)),
    "extraction": extracted,
    "builder": mf.MessageBuilder,
    "prefill": mf.PrefillEditor,
    "schema": mf.SchemaPicker,
    "tools": lambda: mf.ToolCallView(mf.ToolCallAggregator()),
    "playground": lambda: mf.Playground(mf.Model.chat_completion("openai/scripted", api_key="k")),
}
CONTENTS: dict[str, Any] = {
    "a text of a megabyte": "a b " * 250_000,
    "a text that is just short enough": "The quick b. " * 15_000,
    "a word that is just short enough": "a" * 190_000,
    "a million numbers": [0] * 1_000_000,
    "a million texts": ["a"] * 1_000_000,
    "a hundred thousand names": {str(number): 0 for number in range(100_000)},
    "lists in lists": deep(900),
    "nothing": None,
    "a truth": True,
    "a huge number": -(10**300),
    "no number": float("nan"),
}
_ASKS = frozenset(("run", "rerun", "again", "continue", "branch", "go"))  # a model, or a batch


def fitted(kind: Any, value: Any) -> Any:
    """Return the value, or a container of it, if it fits a field of this type; else the type's simplest value."""
    draft = {"text": value, "role": "user", "call": "", "ids": [], "texts": {}}
    for one in (value, draft, [value], "a", 0, True, [], {}, {**draft, "text": "a"}, "approve"):
        with contextlib.suppress(msgspec.ValidationError, RecursionError):
            msgspec.convert(one, kind)
            return one
    raise AssertionError(f"no value of {kind}")


@pytest.mark.parametrize("name", VIEWS)
def test_no_message_takes_long_or_gets_past_the_view(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    view = VIEWS[name]()
    monkeypatch.setattr(view, "send", lambda *_, **__: None)
    handlers = {one[4:]: getattr(view, one) for one in dir(view) if one.startswith("_on_") and one != "_on_msg"}
    slow: dict[tuple[str, str], float] = {}
    for kind, handler in handlers.items():
        if kind in _ASKS:
            continue
        fields = msgspec.structs.fields(message_type(handler))
        for said, value in CONTENTS.items():
            message = {
                "type": kind,
                **{field.encode_name: fitted(field.type, value) for field in fields},
                "more": value,
            }
            taken = seconds_of(lambda message=message: view._receive(view, message, []))  # type: ignore[misc]
            if taken > AT_ONCE:
                slow[kind, said] = taken
    assert slow == {}


def test_a_trait_that_is_too_large_is_refused_and_the_page_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    editor = mf.PrefillEditor(value="as it was")
    said: list[Any] = []
    monkeypatch.setattr(editor, "send", lambda content, *_: said.append(content))
    editor.set_state({"value": CONTENTS["a text of a megabyte"]})
    assert editor.value == "as it was"
    assert said[0]["name"] == "MessageTooLargeError"


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("ab cd ef gh " * 100_000, [f"word {number}" for number in range(20_000)]),
        ("ab " * 300_000, ["ab"] * 20_000),
        ("a" * 1_000_000, ["a" * 100_000 + "b"] * 20),
        ("a" * 1_000_000, ["a" * 1_000] * 60),
        ("ab " * 300_000, [f"{'ab ' * number}a" for number in range(60)]),
    ],
)
def test_a_row_of_any_size_is_reviewed_at_once(text: str, tags: list[str]) -> None:
    view = mf.ReviewView(result([text, text], model=Scripted(lambda _: Person("ab", tags))))
    assert seconds_of(lambda: view._receive(view, {"type": "go", "by": 1}, [])) <= AT_ONCE
    assert len(msgspec.json.encode(view.row)) < 300_000


# -- a store that does not answer ----------------------------------------------------------------------------------


@pytest.fixture(params=[locked, hanging])
def held(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_review_goes_on_while_the_store_is_held_and_says_so(counting: Counting, tmp_path: Path, held: Any) -> None:
    store = tmp_path / "run.sqlite"
    view = mf.ReviewView(counting.extract(["Ada", "Bo", "Cy"], Person, model=Scripted(answer), store=store))
    with held(store):  # nothing lets go of it before the handlers have returned
        for kind in ("accept", "unusable", "undo"):
            view._receive(view, {"type": kind, "position": view.row["position"]}, [])
        assert view.status["decided"] == 1
        wait_until(lambda: view.status["unkept"] != "", 18)
        assert "not kept yet" in view.status["unkept"]
    wait_until(lambda: view.status["unkept"] == "")
    told = open_store(store).rows("SELECT kind FROM decisions")
    assert [kind for (kind,) in told] == ["review Person"]
    view.close()


def test_a_review_that_stops_with_its_store_decides_nothing_more(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "run.sqlite"
    made = counting.extract(["Ada", "Bo"], Person, model=Scripted(answer), store=store, on_store_error="stop")
    view = mf.ReviewView(made)
    said: list[Any] = []
    monkeypatch.setattr(view, "show_error", said.append)
    with locked(store):
        view._receive(view, {"type": "accept", "position": view.row["position"]}, [])
        wait_until(lambda: view.status["unkept"] != "", 18)
        view._receive(view, {"type": "accept", "position": view.row["position"]}, [])
    assert view.status["decided"] == 1
    assert isinstance(said[0], mf.StoreError)
    view.close()


def test_a_grid_is_rated_while_the_store_is_held_and_says_so(counting: Counting, tmp_path: Path, held: Any) -> None:
    store = tmp_path / "grid.sqlite"
    made = mf.grid({"a": "{text}"}, ["Ada"], models=counting.model(), schema=None, store=store, progress=False)
    view = mf.GridView(made)
    with held(store):
        view._receive(view, {"type": "rate", "row": 0, "column": 0, "rating": "good"}, [])
        assert view.ratings["rating"].tolist() == ["good"]
        wait_until(lambda: view.board["unkept"] != "", 18)
    wait_until(lambda: view.board["unkept"] == "")
    assert open_store(store).rows("SELECT told FROM decisions") == [(b"true",)]
    view.close()


def test_a_row_is_opened_and_a_batch_gone_on_with_while_the_store_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, goes_on = tmp_path / "run.sqlite", threading.Event()
    view = mf.ExtractionView(["Ada", "Bo"], Person, model=Scripted(answer), store=store)
    view.run(wait=True)
    said: list[Any] = []
    monkeypatch.setattr(view, "send", lambda content, *_: said.append(content))
    held = open_store(store).worker.submit(lambda: goes_on.wait(60))
    view._receive(view, {"type": "open", "position": 0}, [])
    view._receive(view, {"type": "go"}, [])
    assert not held.done()  # both have returned before the store has answered anything
    assert view.running
    goes_on.set()
    wait_until(lambda: any(one["type"] == "opened" for one in said))
    assert view.wait(20)
    view.close()


@pytest.mark.filterwarnings("ignore::msgflux_nb.StoreWarning")
def test_a_grid_that_ends_while_the_store_hangs_ends_and_says_what_it_took(counting: Counting, tmp_path: Path) -> None:
    store = tmp_path / "grid.sqlite"
    view = mf.GridView({"a": "{text}", "b": "Well: {text}"}, ["Ada", "Bo"], models=counting.model(), store=store)
    goes_on, held = threading.Event(), list[Any]()

    def answered(text: str) -> Reply:
        if counting.calls == 4 and not held:  # no answer is looked up any more
            held.append(open_store(store).worker.submit(lambda: goes_on.wait(60)))
        return named(text)

    counting.reply = answered
    view.run()
    try:
        assert view.wait(30)
        assert (view.state, view.error) == ("complete", None)
        view._receive(view, {"type": "open", "row": 0, "column": 1}, [])
        assert len(view.opened["figures"]) == 3  # two kinds of tokens, and seconds
        view._receive(view, {"type": "rate", "row": 0, "column": 1, "rating": "good"}, [])
        assert view.ratings["rating"].tolist() == ["good"]
        assert not held[0].done()
    finally:
        goes_on.set()
        assert held
    wait_until(lambda: view._board.ratings.notes.unwritten == 0)
    view.close()


@pytest.mark.parametrize("kind", ["review", "grid"])
def test_a_view_whose_store_was_closed_says_so_and_keeps_what_it_knew(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    store = tmp_path / "run.sqlite"
    view: Any
    if kind == "review":
        view = mf.ReviewView(counting.extract(["Ada", "Bo"], Person, model=Scripted(answer), store=store))
        first, second = (
            {"type": "accept", "position": view.row["position"]},
            {"type": "accept", "position": view.review.order.queue[1]},
        )
    else:
        view = mf.GridView(
            mf.grid({"a": "{text}"}, ["Ada", "Bo"], models=counting.model(), store=store, progress=False)
        )
        first, second = ({"type": "rate", "row": row, "column": 0, "rating": "good"} for row in (0, 1))
    said: list[Any] = []
    monkeypatch.setattr(view, "show_error", said.append)
    view._receive(view, first, [])
    view._keeper._notes.keep(10)
    known = view.value.copy()
    open_store(store).close()
    view._receive(view, second, [])
    view._receive(view, {"type": "undo"} if kind == "review" else first, [])
    assert [type(error) for error in said] == [mf.StoreError, mf.StoreError]
    assert "was closed" in str(said[0])
    pd.testing.assert_frame_equal(view.value, known)
    view.close()


def test_entries_that_wait_when_the_store_is_closed_are_reported_once(counting: Counting, tmp_path: Path) -> None:
    store = tmp_path / "run.sqlite"
    view = mf.ReviewView(counting.extract(["Ada", "Bo"], Person, model=Scripted(answer), store=store))
    with locked(store):
        view._receive(view, {"type": "accept", "position": view.row["position"]}, [])
        open_store(store).close()
        wait_until(lambda: view._keeper._closed.is_set(), 20)
        assert "closed before everything was written" in view.status["unkept"]
    wait_until(lambda: not any(one.name == "msgflux-kept" for one in threading.enumerate()))
    view.close()
