"""The view of a batch without a page: its counts, its messages, how it stops and goes on, and what it keeps."""

from __future__ import annotations

import datetime
import html.parser
import json
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import msgspec
import pandas as pd
import pytest
from msgspec import Meta

import msgflux_nb as mf
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.schema import wire_schema
from msgflux_nb.tables.extract import finish
from msgflux_nb.tables.outcome import again as _again_outcome
from msgflux_nb.tables.outcome import success
from msgflux_nb.tables.run import Run
from msgflux_nb.widgets.base.notebook import kernel_id
from msgflux_nb.widgets.extraction import board as _extraction_board
from msgflux_nb.widgets.extraction.batch_figures import figures_of
from msgflux_nb.widgets.extraction.extraction_view import ExtractionView, _Watching, shown_in_notebook
from msgflux_nb.widgets.extraction.tally import Tally
from msgflux_nb.widgets.tool_calls import tool_job as _tool_job
from tests.moments import LONG, quickly
from tests.tables.scripted_model import Metadata, Profile, Scripted, Usage

HOSTILE = ["<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "&amp; <b>&lt;\x1b[31m"]
PRICED = Metadata(usage=Usage(100, 20), cost=0.001)


class City(msgspec.Struct):
    name: str
    people: int | None = None


class Wide(msgspec.Struct):
    a: str = ""
    b: list[int] = []
    c: dict[str, int] = {}
    d: Literal["x", "y"] = "x"
    e: float = 0.5
    f: bool = True
    g: City | None = None
    h: str = ""
    i: str = ""


class Free(Profile, frozen=True):
    free: bool = True


def _again(value: Any) -> Any:
    return _again_outcome(success(value, PRICED, 0.0))


@pytest.fixture
def view_of() -> Iterator[Callable[..., ExtractionView]]:
    """Make views that end with the test."""
    made: list[ExtractionView] = []

    def make(data: Any, schema: Any = City, **options: Any) -> ExtractionView:
        made.append(ExtractionView(data, schema, **options))
        return made[-1]

    yield make
    for view in made:
        view.close()


Make = Callable[..., ExtractionView]


def texts(count: int) -> list[str]:
    return [f"text {number}" for number in range(count)]


def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def figures(view: ExtractionView) -> dict[str, str]:
    return dict(view.picture["figures"])


def test_a_run_gives_the_frame_that_extract_gives(view_of: Make) -> None:
    view = view_of(texts(5), model=Scripted(City))
    assert view.value is None
    assert view.report == {}
    seen: list[tuple[str, int]] = []
    view.observe(lambda change: seen.append((view.state, len(change["new"]))), "value")
    view.run(wait=True)
    expected = mf.extract(texts(5), City, model=Scripted(City), progress=False)
    pd.testing.assert_frame_equal(view.value.drop(columns="_seconds"), expected.drop(columns="_seconds"))
    assert seen == [("complete", 5)]
    assert view.report["states"]["ok"] == 5
    assert repr(view) == "ExtractionView(City, complete, 5 of 5 rows)"


def test_stop_keeps_what_came_and_resume_asks_for_the_rest_alone(view_of: Make) -> None:
    model = Scripted(City, delay=lambda text: 0.0 if int(text.split()[1]) < 6 else 30.0, parallel=2)
    view = view_of(texts(12), model=model)
    view.run()
    until(lambda: view.picture["finished"] == 6)
    so_far = view.value
    assert so_far["_status"].tolist()[:6] == ["ok"] * 6
    assert len(so_far) == 12
    with quickly():
        view.stop()
    assert (view.state, view.running) == ("stopped", False)
    assert view.value["_status"].tolist() == ["ok"] * 6 + ["interrupted"] * 2 + ["pending"] * 4
    assert view.picture["action_label"] == "Go on with 6"
    model.delay = 0.0
    view.resume(wait=True)
    assert view.value["_status"].tolist() == ["ok"] * 12
    assert sorted(model.sent) == sorted([*texts(12), "text 6", "text 7"])  # these two had no answer
    assert view.picture["rows"][-1][0] == 11


def test_the_rows_of_a_run_that_ended_stand_in_the_order_of_the_input(view_of: Make) -> None:
    def script(text: str) -> Any:
        return City(text) if int(text.split()[1]) % 3 else mf.RefusedError("no")

    slow = {"text 0": 0.3, "text 2": 0.2, "text 3": 0.1}
    view = view_of(texts(7), model=Scripted(script, delay=lambda text: slow.get(text, 0.0), parallel=7))
    view.run(wait=True)
    assert [row[0] for row in view.picture["rows"]] == list(range(7))
    view._receive(view, {"type": "only", "state": "refused"}, [])
    assert [row[0] for row in view.picture["rows"]] == [0, 3, 6]


def test_going_on_after_many_failures_reaches_the_rows_that_were_left(view_of: Make) -> None:
    def script(text: str) -> Any:
        number = int(text.split()[1])
        if number == 20 and not view.picture["note"]:
            view._interrupt()
        if number % 2:
            raise mf.ContextLengthError(f"{3000 + number} tokens are more than 2048")
        return City(text)

    view = view_of(texts(40), model=Scripted(script, delay=0.005, parallel=1))
    view.run(wait=True)
    assert view.state == "stopped"
    view.resume(wait=True)
    assert view.value["_status"].value_counts()["ok"] == 20
    assert view.state == "complete"


def test_a_sample_forecasts_and_resume_goes_on_with_all_rows(view_of: Make) -> None:
    model = Scripted(lambda text: City(text) if "1" not in text else mf.ValidationFailedError("no"), metadata=PRICED)
    view = view_of(iter(texts(50)), model=model, sample=10)
    assert view.picture["action_label"] == "Try 10 rows"
    view.run(wait=True)
    assert (view.state, len(view.value)) == ("sampled", 10)
    assert view.report["forecast"]["rows"] == 40
    assert "the other 40 rows, by these: about 4,000 tokens in, 800 out, $0.0400" in view.picture["forecast"]
    assert "may fail" in view.picture["forecast"]
    assert view.picture["action_label"] == "Run the other 40"
    view.resume(wait=True)
    assert (view.state, len(view.value)) == ("complete", 50)


def test_rate_cost_and_forecast_are_sent_while_a_run_goes_on(view_of: Make) -> None:
    model = Scripted(City, delay=lambda text: 0.01 if int(text.split()[1]) < 10 else 30.0, metadata=PRICED)
    view = view_of(texts(30), model=model, max_concurrency=1)
    view.run()
    until(lambda: view.picture["finished"] == 10)
    until(lambda: figures(view)["rate"] != "–")
    told = figures(view)
    assert told["rows"] == "10 of 30"
    assert told["cost"] == "$0.0100"
    assert told["for the rest"] == "≈ $0.0200"
    assert (told["tokens in"], told["tokens out"]) == ("1,000", "200")
    assert told["time left"].startswith(("≈ ", "< 1 s"))
    counts = view.picture["counts"]
    assert (counts["ok"], counts["pending"], view.picture["in_flight"]) == (10, 20 - view.picture["in_flight"], 1)
    view.stop()
    assert figures(view)["took"] != "–"


def test_what_is_not_known_is_a_dash(view_of: Make) -> None:
    view = view_of(texts(2), model=Scripted(City, metadata=Metadata(usage=None)))
    view.run(wait=True)
    assert [value for name, value in view.picture["figures"] if name.startswith(("tokens", "cost", "for"))] == ["–"] * 4


def test_a_cost_that_is_too_small_for_its_digits_is_not_0(view_of: Make) -> None:
    view = view_of(texts(2), model=Scripted(City, metadata=Metadata(usage=Usage(10, 2), cost=0.00001)))
    view.run(wait=True)
    assert figures(view)["cost"] == "< $0.0001"


def test_failures_are_grouped_by_what_they_have_in_common(view_of: Make) -> None:
    def script(text: str) -> Any:
        number = int(text.split()[1])
        if number % 3 == 0:
            raise mf.ContextLengthError(f"{3000 + number} tokens are more than 2048")
        return City(text) if number % 3 == 1 else mf.RefusedError("no")

    view = view_of(texts(30), model=Scripted(script, parallel=1))
    view.run(wait=True)
    (first, second) = view.picture["problems"]
    assert first == ["failed", "ContextLengthError: 3027 tokens are more than 2048", 10, "27"]
    assert second[0::2] == ["refused", 10]
    assert view.picture["more_problems"] == 0


class Sighting(msgspec.Struct):
    species: str
    count: Annotated[int, Meta(ge=0)] | None = None
    behaviour: Literal["feeding", "resting"] | None = None
    day: datetime.date | None = None
    tags: list[Annotated[str, Meta(max_length=3)]] = []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"species": "Teal", "count": "a few dozen"}, 'count: "a few dozen" is not an integer'),
        ({"species": "Teal", "count": 1.5}, "count: 1.5 is not an integer"),
        ({"species": "Teal", "count": -2}, "count: -2 is not at least 0"),
        ({"species": "Teal", "behaviour": "preening"}, 'behaviour: "preening" is none of feeding, resting'),
        ({"species": "Teal", "day": "soon"}, 'day: "soon" is not a date'),
        ({"species": "Teal", "tags": ["a", "abcd"]}, 'tags[1]: "abcd" is longer than 3 characters'),
        ({"species": "Teal", "tags": {"a": 1}}, "tags: the value is not a list"),
        ({"species": None}, "species is missing"),
        ({"count": 3}, "species is missing"),
    ],
)
def test_a_row_that_does_not_fit_says_field_and_value(view_of: Make, answer: Any, words: str) -> None:
    def script(_text: str) -> Any:
        return decode_answer(json.dumps(answer), wire_schema(Sighting))

    view = view_of(texts(1), Sighting, model=Scripted(script))
    view.run(wait=True)
    assert [row[4] for row in view.picture["rows"]] == [words]
    assert [problem[1] for problem in view.picture["problems"]] == [words]


def test_another_error_stays_as_it_is(view_of: Make) -> None:
    view = view_of(texts(1), model=Scripted(lambda _: mf.ValidationFailedError("no: this is another one")))
    view.run(wait=True)
    assert [row[4] for row in view.picture["rows"]] == ["ValidationFailedError: no: this is another one"]


def test_a_picture_is_as_large_for_many_rows_as_for_some(view_of: Make) -> None:
    def script(text: str) -> Any:
        return mf.ValidationFailedError(f"{'x' * int(text.split()[1])} {text * 50}") if "7" in text else City(text * 99)

    sizes = []
    for count in (200, 4_000):
        view = view_of(texts(count), model=Scripted(script, parallel=8), store=False)
        view.run(wait=True)
        sizes.append(len(msgspec.json.encode(view.picture)))
        assert len(view.picture["rows"]) == 20
        assert len(view.picture["problems"]) == 5
    assert sizes[1] < sizes[0] * 1.5
    assert sizes[1] < 20_000


def test_a_page_gets_at_most_ten_updates_a_second(view_of: Make) -> None:
    view = view_of(texts(400), model=Scripted(City, delay=0.002, parallel=4))
    told: list[float] = []
    view.observe(lambda _change: told.append(time.monotonic()), "picture")
    began = time.monotonic()
    view.run(wait=True)
    seconds = time.monotonic() - began
    assert len(told) <= seconds / _extraction_board.TELL_SECONDS + 3


def test_cells_are_texts_of_a_bounded_length_and_columns_are_few(view_of: Make) -> None:
    value = Wide(a="é" * 500, b=[1, 2], c={"k": 1}, g=City("Ghent", None))
    view = view_of(["x"], Wide, model=Scripted(lambda _: value))
    view.run(wait=True)
    assert view.picture["columns"] == ["a", "b", "c", "d", "e", "f", "g.name", "g.people"]
    assert view.picture["more_columns"] == 2
    ((position, label, state, cells, error, flags),) = view.picture["rows"]
    assert (position, label, state, error, flags) == (0, "0", "ok", "", "")
    assert cells == ["é" * 80 + "…", "1, 2", '{"k": 1}', "x", "0.5", "yes", "Ghent", None]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_are_texts_in_the_twin(view_of: Make, hostile: str) -> None:
    frame = pd.DataFrame({"text": ["a", "b"]}, index=[hostile, "other"])
    model = Scripted(lambda text: City(hostile) if text == "text: a" else mf.ValidationFailedError(hostile))
    model.name = hostile
    view = view_of(frame, model=model)
    view.run(wait=True)
    drawn, text = view._drawn()
    drawn.encode()
    text.encode()
    msgspec.json.encode(view.picture)
    tags: list[str] = []
    reader = html.parser.HTMLParser()
    reader.handle_starttag = lambda tag, _attributes: tags.append(tag)  # type: ignore[method-assign]
    reader.feed(drawn)
    assert not {"img", "script", "style"} & set(tags)


def test_the_twins_text_is_the_same_for_the_same_content(view_of: Make) -> None:
    said = set()
    for _ in range(3):
        model = Scripted(City, delay=lambda text: hash(text) % 5 / 1000)
        view = view_of(texts(20), model=model, store=False)
        view.run(wait=True)
        said.add(view._drawn()[1])
    assert said == {"ExtractionView · City · complete · 20 of 20 rows\n20 ok"}


def test_errors_of_a_run_on_a_thread_are_kept_and_shown(view_of: Make) -> None:
    view = view_of(texts(5), model=Scripted(lambda _: mf.RefusedError("never")), on_error="raise")
    view.run()
    assert view.wait(5)
    assert isinstance(view.error, mf.RefusedError)
    assert view.state == "failed"
    assert view.picture["error"] == "RefusedError: never"
    assert len(view.value) == 5
    with pytest.raises(mf.RefusedError):
        view.run(wait=True)


def test_an_iterator_that_raises_ends_the_run_with_its_rows(view_of: Make) -> None:
    def rows() -> Iterator[str]:
        yield from texts(3)
        raise LookupError("the file is gone")

    view = view_of(rows(), model=Scripted(City))
    view.run()
    assert view.wait(5)
    assert isinstance(view.error, LookupError)
    assert (view.state, view.picture["total"]) == ("failed", view.picture["total"])
    with pytest.raises(RuntimeError, match="has been read"):
        view.run()


def test_a_run_that_cannot_begin_is_reported_before(view_of: Make) -> None:
    with pytest.raises(TypeError, match="unknown keyword 'promt'"):
        view_of(texts(1), promt="x")
    view = view_of(pd.DataFrame({"a": ["x"]}), model=Scripted(City), prompt="{nobody}")
    sent: list[Any] = []
    view.send = lambda content, buffers=None: sent.append(content)  # type: ignore[method-assign]
    view._receive(view, {"type": "go"}, [])
    until(lambda: any(one.get("type") == "problem" for one in sent))  # it begins on a thread
    assert [one["name"] for one in sent if one.get("type") == "problem"] == ["ValueError"]
    until(lambda: view.state == "idle")


def test_a_second_run_is_refused_while_one_is_under_way(view_of: Make) -> None:
    view = view_of(texts(2), model=Scripted(City, delay=30.0))
    view.run()
    with pytest.raises(RuntimeError, match="under way"):
        view.run()
    view._receive(view, {"type": "go"}, [])  # a second click
    view._receive(view, {"type": "stop"}, [])
    assert view.wait(5)
    assert view.state == "stopped"


def test_a_model_that_hears_no_cancellation_does_not_hold_up_a_stop(view_of: Make) -> None:
    hold = threading.Event()

    class Deaf(Scripted):
        async def acall(self, messages: Any, **options: Any) -> Any:
            hold.wait(LONG)  # blocks the loop itself
            return await super().acall(messages, **options)

    view = view_of(texts(3), model=Deaf(City, parallel=1))
    view.run()
    time.sleep(0.05)
    with quickly():
        view.stop()
    hold.set()
    assert view.wait(5)
    assert view.state == "stopped"


def test_going_on_waits_for_the_thread_that_a_stop_left(view_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise that thread would take the new run for its own, and mark it as ended."""
    monkeypatch.setattr(_tool_job, "GRACE_SECONDS", 0.05)
    hold, left, others = threading.Event(), list[bool](), set(threading.enumerate())

    class Deaf(Scripted):
        async def acall(self, messages: Any, **options: Any) -> Any:
            hold.wait(LONG)
            return await super().acall(messages, **options)

    def again(run: Run, *args: Any, **options: Any) -> None:
        left.append(any(one.name == "msgflux-job" for one in set(threading.enumerate()) - others))
        return whole(run, *args, **options)

    whole = Run.again
    monkeypatch.setattr(Run, "again", again)
    view = view_of(texts(3), model=Deaf(City, parallel=1))
    view.run()
    time.sleep(0.05)
    view.stop()
    threading.Timer(0.1, hold.set).start()
    view.resume(wait=True)
    assert (view.state, left) == ("complete", [False])


def test_the_time_of_a_run_that_goes_on_is_counted_once() -> None:
    run = Run(texts(2), City, model=Scripted(City, delay=0.1))
    took = finish(run, progress=False).attrs["report"]["seconds"]
    assert took >= 0.1
    run.again(["ok"])
    assert run.record is not None
    assert run.record.report["seconds"] == pytest.approx(took)
    assert run.report(run.settled())["seconds"] == pytest.approx(took)


def test_the_table_so_far_says_how_long_it_took_so_far(view_of: Make) -> None:
    view = view_of(texts(2), model=Scripted(City, delay=0.5))
    view.run()
    time.sleep(0.2)
    assert view.state == "running"
    assert view.value.attrs["report"]["seconds"] >= 0.1
    assert view.wait(5)


def test_extract_in_a_notebook_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "IPython.display.publish_display_data",
        lambda data, metadata=None, transient=None, update=False: published.append({"update": update, **data}),
    )
    run = Run(texts(4), City, model=Scripted(lambda text: City(text) if "2" not in text else mf.RefusedError("no")))
    watching = _Watching(run)
    monkeypatch.setattr("msgflux_nb.tables.extract.progress_of", lambda run, shown: watching)
    frame = finish(run, progress=True)
    assert len(frame) == 4
    assert watching.state == "complete"
    live, twin, *updates = published
    assert "application/vnd.jupyter.widget-view+json" in live
    assert "idle" in twin["text/plain"]
    assert all(update["update"] for update in updates)
    assert "3 ok, 1 refused" in [one["text/plain"] for one in updates][-2]
    assert "application/vnd.jupyter.widget-view+json" not in updates[-1]  # it has given way to its twin
    watching.close()


def test_without_a_kernel_there_is_no_view() -> None:
    assert shown_in_notebook(Run(texts(1), City, model=Scripted(City))) is None


def test_each_column_has_its_type_and_its_distribution(view_of: Make) -> None:
    def script(text: str) -> Any:
        number = int(text.split()[1])
        return mf.ValidationFailedError("no") if number == 9 else City("Ghent", number if number % 2 else None)

    view = view_of(texts(10), model=Scripted(script))
    assert [(head["type"], head["number"]) for head in view.picture["heads"]] == [("str", False), ("int", True)]
    view.run(wait=True)
    name, people = view.picture["heads"]
    assert name["shares"] == [["Ghent", 9]]
    assert (people["bars"], people["ends"]) == ([1, 0, 1, 0, 1, 0, 1], ["1", "7"])
    assert people["missing"] == pytest.approx(5 / 9)


def test_rows_are_counted_once_when_a_run_goes_on(view_of: Make) -> None:
    model = Scripted(City, delay=lambda text: 0.0 if int(text.split()[1]) < 6 else 30.0, parallel=2)
    view = view_of(texts(12), model=model)
    view.run()
    until(lambda: view.picture["finished"] == 6)
    view.stop()
    model.delay = 0.0
    view.resume(wait=True)
    assert view.picture["heads"][0]["distinct"] == 12
    assert sum(count for _, count in view.picture["heads"][0]["shares"]) + view.picture["heads"][0]["others"] == 12


def test_rows_left_out_of_a_retry_do_not_count_as_ended(view_of: Make) -> None:
    """The view shows the rows that retry() asks for, no row that was never sent, and the number of rows left."""
    hold = [True]

    def script(text: str) -> Any:
        return mf.RefusedError("no") if hold[0] else City(text)

    model = Scripted(script, delay=lambda text: 0.0 if int(text.split()[1]) < 2 else 30.0, parallel=1)
    run = Run(texts(20), City, model=model)
    threading.Timer(0.3, run.interrupt).start()
    frame = finish(run, progress=False)
    assert frame["_status"].tolist()[:4] == ["refused", "refused", "interrupted", "pending"]
    hold[0], model.delay = False, 0.0
    run.again(["refused"], retry_states=["refused"], further=False)
    watching = _Watching(run)
    watching._follow(run)
    watching._settle(finish(run, progress=False).attrs["report"])
    assert [row[0] for row in watching.picture["rows"]] == [0, 1]
    assert watching.picture["note"].startswith("18 rows not asked for. To continue")
    watching.close()


def test_the_rows_of_one_kind_of_failure_are_shown_alone(view_of: Make) -> None:
    def script(text: str) -> Any:
        return City(text) if int(text.split()[1]) % 5 else mf.RefusedError("no")

    view = view_of(texts(200), model=Scripted(script, parallel=1))
    view._receive(view, {"type": "only", "state": "refused"}, [])  # before there is a run
    view.run(wait=True)
    view._receive(view, {"type": "only", "state": "refused"}, [])
    assert [row[0] for row in view.picture["rows"]] == list(range(100, 200, 5))
    assert view.picture["only"] == "refused"
    view._receive(view, {"type": "only", "state": "ok"}, [])
    assert (view.picture["rows"][-1][0], view.picture["only"]) == (199, "")


def test_a_row_is_opened_with_its_text_and_what_was_found_in_it(view_of: Make) -> None:
    rows = ["Ghent has 265,086 inhabitants.", "Ur lies in ruins."]
    values = {rows[0]: City("Ghent", 265_086), rows[1]: mf.ValidationFailedError("people: expected a number")}
    view = view_of(rows, model=Scripted(lambda text: values[text]), store=False)
    view.run(wait=True)
    sent: list[Any] = []
    view.send = lambda content, buffers=None: sent.append(content)  # type: ignore[method-assign]
    for number, position in enumerate((0, 1, 7, "x", None)):
        view._receive(view, {"type": "open", "position": position}, [])
        until(lambda number=number: len(sent) > number)  # a row is read on a thread
    first, second, outside, *refused = sent
    assert first["text"] == rows[0]
    assert [rows[0][start:end] for start, end, _ in first["spans"]] == ["Ghent", "265,086"]
    assert [place for *_, place in first["spans"]] == [0, 1]
    assert first["asked"] == second["asked"] == "what was sent"
    assert not any("sent" in said for said in first["said"])
    assert (second["text"], second["spans"]) == (rows[1], [])
    assert "people: expected a number" in second["error"]
    assert outside["name"] == "IndexError"
    assert [message["name"] for message in refused] == ["PageMessageError"] * 2


def test_a_forecast_stands_at_the_button(view_of: Make) -> None:
    model = Scripted(lambda text: City(text) if "1" not in text else mf.RefusedError("no"), metadata=PRICED)
    view = view_of(texts(50), model=model, sample=10)
    view.run(wait=True)
    ahead = view.picture["ahead"]
    assert list(ahead) == ["40 more cost about", "and take", "tokens", "may fail"]
    assert (ahead["40 more cost about"], ahead["tokens"]) == ("$0.0400", "4,000 in · 800 out")
    assert ahead["may fail"].startswith("0 – ")
    assert view.picture["action_label"] == "Run the other 40"


def test_without_a_store_the_forecast_counts_what_the_button_asks_for(view_of: Make) -> None:
    view = view_of(texts(50), model=Scripted(City, metadata=PRICED), sample=10, store=False)
    view.run(wait=True)
    ahead = view.picture["ahead"]
    assert view.picture["action_label"] == "Run all 50"
    assert (ahead["all 50 cost about"], ahead["tokens"]) == ("$0.0500", "5,000 in · 1,000 out")


def test_a_pause_has_the_rate_since_the_start_and_no_zero(view_of: Make) -> None:
    run = Run(texts(4), City, model=Scripted(City))
    run.batch.ledger.grow(4)
    now = [0.0]
    tally = Tally(run, clock=lambda: now[0])
    now[0] = 1.0
    assert dict(figures_of(tally, total=4, finished=0))["rate"] == "–"
    for position, second in enumerate((2.0, 4.0)):
        now[0] = second
        run.batch.ledger.end(position, success(City("a"), PRICED, 0.0))
        tally.rate()
    now[0] = 20.0
    figures = dict(figures_of(tally, total=4, finished=2))
    assert (figures["rate"], figures["time left"]) == ("0.10 rows/s", "≈ 20 s")


def test_a_cost_that_nobody_knows_stays_unknown_when_a_row_is_cached(view_of: Make) -> None:
    model = Scripted(City, metadata=Metadata(usage=Usage(100, 20), cost=None))
    run = Run(texts(4), City, model=model)
    frame = finish(run, progress=False)
    assert frame.attrs["report"]["cost"] is None
    ledger = run.batch.ledger
    ledger.end(0, _again(ledger.values[0]))
    watching = _Watching(run)
    watching._follow(run)
    watching._settle(run.report(ledger))
    assert dict(watching.picture["figures"])["cost"] == "–"
    assert watching.picture["paid"] == ["", ""]
    watching.close()


def test_a_model_that_costs_nothing_is_free(view_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Scripted(City, metadata=Metadata(usage=Usage(10, 2), cost=0.0))
    view = view_of(texts(3), model=model, sample=1)
    view.run(wait=True)
    assert figures(view)["cost"] == "$0"
    model.profile = Free()
    view.run(wait=True)
    assert (figures(view)["cost"], view.picture["ahead"]["2 more cost"]) == ("free", "free")


def test_a_large_state_is_sent_less_often(view_of: Make) -> None:
    def script(text: str) -> Any:
        return Wide(a=text * 9, b=list(range(30)), c={"k" * 60: 1}, g=City("é" * 90, 3), h="x" * 90)

    view = view_of(texts(3_000), Wide, model=Scripted(script, delay=0.004, parallel=8), store=False)
    told: list[tuple[float, int]] = []
    view.observe(lambda change: told.append((time.monotonic(), len(msgspec.json.encode(change["new"])))), "picture")
    view.run(wait=True)
    seconds = told[-1][0] - told[0][0]
    assert seconds > 1
    assert sum(size for _, size in told[1:-1]) / seconds <= 40_000


def test_a_kernel_knows_its_id_by_its_connection_file(monkeypatch: pytest.MonkeyPatch) -> None:
    known = "0d3f8b3a-8f0e-4a52-9a4e-0123456789ab"
    for path, expected in [(f"/run/kernel-{known}.json", known), ("C:\\x\\kernel-1.json", ""), ("", "")]:
        shell = SimpleNamespace(kernel=SimpleNamespace(parent=SimpleNamespace(connection_file=path)))
        monkeypatch.setattr("IPython.get_ipython", lambda shell=shell: shell)
        assert kernel_id() == expected
