"""One call on a thread: batches, one end, a quick stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from msgflux_nb.errors import ServerError, StreamInterruptedError
from msgflux_nb.widgets import _run
from msgflux_nb.protocol.events import Event, TextDelta
from msgflux_nb.widgets._feed import Batch, Feed
from msgflux_nb.widgets._run import Run, Sender


class ScriptedStream:
    """Texts, and pauses in seconds that a cancel ends."""

    def __init__(self, *pieces: str | float | Exception) -> None:
        self.pieces = pieces
        self.cancelled = threading.Event()

    def events(self) -> Iterator[Event]:
        for piece in self.pieces:
            if self.cancelled.is_set():
                return
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, str):
                yield TextDelta(piece)
            else:
                self.cancelled.wait(piece)

    def consume(self) -> Any:
        if self.cancelled.is_set():
            raise StreamInterruptedError("cancelled")
        return "".join(piece for piece in self.pieces if isinstance(piece, str))

    def cancel(self) -> None:
        self.cancelled.set()


class Told:
    """What a run told the page, with the times."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.deltas: list[tuple[int, str]] = []
        self.times: list[float] = []
        self.ends: list[str] = []
        self.run = Run(
            1, call, feed=Feed(), on_batch=self._batch, on_end=lambda run: self.ends.append(run.state)
        )

    def _batch(self, number: int, batch: Batch) -> None:
        self.deltas.append((number, batch["text"]))
        self.times.append(time.monotonic())

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.deltas)


def finished(*pieces: str | float | Exception) -> Told:
    told = Told(lambda: ScriptedStream(*pieces))
    told.run.start()
    assert told.run.wait(5)
    return told


def test_all_text_arrives_in_order_with_numbers_without_gaps() -> None:
    told = finished(*(f"{n} " for n in range(2000)))
    assert told.text == "".join(f"{n} " for n in range(2000))
    assert [number for number, _ in told.deltas] == list(range(1, len(told.deltas) + 1))


def test_a_run_ends_complete_with_its_value() -> None:
    told = finished("a", "b")
    assert (told.run.state, told.run.value, told.run.error, told.ends) == ("complete", "ab", None, ["complete"])


def test_many_fragments_travel_in_few_messages() -> None:
    told = finished(*([piece for n in range(300) for piece in (f"{n} ", 0.001)]))
    seconds = told.times[-1] - told.times[0]
    assert len(told.deltas) <= seconds / 0.03 + 3


def test_a_fragment_before_a_pause_does_not_wait_for_the_next_one() -> None:
    told = Told(lambda: ScriptedStream("early", 5.0, "late"))
    told.run.start()
    began = time.monotonic()
    while not told.deltas and time.monotonic() - began < 2:
        time.sleep(0.005)
    assert told.deltas == [(1, "early")]
    told.run.stop()
    assert told.run.wait(5)


def test_stop_keeps_what_came_and_ends_at_once() -> None:
    told = Told(lambda: ScriptedStream("so ", "far", 30.0, "never"))
    told.run.start()
    while told.text != "so far":
        time.sleep(0.005)
    began = time.monotonic()
    told.run.stop()
    assert told.run.wait(5)
    assert time.monotonic() - began < 0.5
    assert (told.run.state, told.text, told.run.error) == ("stopped", "so far", None)


def test_a_stop_before_the_call_is_built_cancels_it_too() -> None:
    gate = threading.Event()

    def call() -> ScriptedStream:
        gate.wait(5)
        return ScriptedStream("never", 30.0)

    told = Told(call)
    told.run.start()
    told.run.stop()
    gate.set()
    assert told.run.wait(5)
    assert (told.run.state, told.text) == ("stopped", "")


def test_a_stopped_run_that_hangs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run, "GRACE_SECONDS", 0.05)
    gate = threading.Event()

    def call() -> ScriptedStream:
        gate.wait(5)  # a model that is loading
        return ScriptedStream("late")

    told = Told(call)
    told.run.start()
    told.run.stop()
    assert told.run.wait(2)
    gate.set()
    time.sleep(0.1)
    assert (told.run.state, told.text, told.ends) == ("stopped", "", ["stopped"])


@pytest.mark.parametrize("error", [ServerError("boom"), ZeroDivisionError("oh")])
def test_an_error_ends_the_run_and_keeps_the_text(error: Exception) -> None:
    told = finished("half", error)
    assert (told.run.state, told.run.error, told.text, told.ends) == ("failed", error, "half", ["failed"])


def test_an_error_while_building_the_call_is_an_error_of_the_run() -> None:
    def call() -> Any:
        raise ValueError("no such schema")

    told = Told(call)
    told.run.start()
    assert told.run.wait(5)
    assert (told.run.state, str(told.run.error), told.run.stream) == ("failed", "no such schema", None)


def test_a_stream_that_breaks_without_a_stop_has_failed() -> None:
    error = StreamInterruptedError("the stream ended before the answer did")
    assert finished("half", error).run.error is error


def test_stopping_a_run_that_is_over_changes_nothing() -> None:
    told = finished("a")
    told.run.stop()
    assert (told.run.state, told.ends) == ("complete", ["complete"])


def test_the_end_is_told_after_the_last_text() -> None:
    order: list[str] = []
    run = Run(
        1,
        lambda: ScriptedStream("a", "b"),
        feed=Feed(), on_batch=lambda *_: order.append("delta"),
        on_end=lambda _: order.append("end"),
    )
    run.start()
    assert run.wait(5)
    assert order[-1] == "end"
    assert order.count("end") == 1


def test_a_report_has_the_text_up_to_its_number_and_the_rest_follows() -> None:
    """A page that missed something takes the report and goes on with the next number."""
    told = Told(lambda: ScriptedStream(*([piece for n in range(200) for piece in (f"{n} ", 0.002)])))
    reports: list[tuple[int, str]] = []
    told.run.start()
    while not told.run.over:
        told.run.report(lambda number, whole: reports.append((number, whole["text"])))
        time.sleep(0.01)
    assert len(reports) > 5
    for number, text in reports:
        assert text == "".join(piece for other, piece in told.deltas if other <= number)


def test_a_report_waits_for_a_batch_that_is_being_sent() -> None:
    """Or it would name a batch that the page has not got, and the page would take it for one that it missed."""
    sending, release = threading.Event(), threading.Event()
    order: list[tuple[str, int]] = []

    def send(number: int, _text: str) -> None:
        sending.set()
        release.wait(5)
        order.append(("sent", number))

    feed = Feed()
    sender = Sender(feed, send)
    sender.start()
    feed.add(TextDelta("a"))
    sender.wake()
    assert sending.wait(5)
    reporter = threading.Thread(target=sender.report, args=(lambda number, _: order.append(("told", number)),))
    reporter.start()
    time.sleep(0.05)
    release.set()
    reporter.join()
    sender.close()
    assert order == [("sent", 1), ("told", 1)]


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())  # extract's loop thread, if a test has started it, stays
    finished("a", 0.05, "b")
    end = time.monotonic() + 5
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        time.sleep(0.02)
    assert left == set()


def test_text_after_the_end_is_dropped() -> None:
    sent: list[str] = []
    feed = Feed()
    sender = Sender(feed, lambda _, batch: sent.append(batch["text"]))
    sender.start()
    feed.add(TextDelta("a"))
    sender.close()
    feed.add(TextDelta("b"))
    sender.wake()
    assert sent == ["a"]
