"""Tests that a feed sends its events to the page in numbered batches, and that a report fits between two of them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from msgflux_nb.protocol.events import TextDelta
from msgflux_nb.widgets.base import run as _run
from msgflux_nb.widgets.base.feed import Batch, Feed
from msgflux_nb.widgets.base.run import INTERVAL_SECONDS, Sender, start_thread

from .bench import eventually


class Told:
    """The messages to a page, with their times."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, str]] = []
        self.times: list[float] = []
        self.feed = Feed()
        self.sender = Sender(self.feed, self._take)

    def _take(self, number: int, batch: Batch) -> None:
        self.batches.append((number, batch["text"]))
        self.times.append(time.monotonic())

    def say(self, text: str) -> None:
        self.feed.add(TextDelta(text))
        self.sender.wake()

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.batches)


@contextmanager
def telling() -> Iterator[Told]:
    told = Told()
    try:
        yield told
    finally:
        told.sender.close()


def test_all_text_arrives_in_order_with_numbers_without_gaps() -> None:
    with telling() as told:
        for n in range(2000):
            told.say(f"{n} ")
    assert told.text == "".join(f"{n} " for n in range(2000))
    assert [number for number, _ in told.batches] == list(range(1, told.sender.number + 1))


def test_many_fragments_travel_in_few_messages() -> None:
    with telling() as told:
        for n in range(300):
            told.say(f"{n} ")
            time.sleep(0.001)
    assert len(told.batches) <= (told.times[-1] - told.times[0]) / (INTERVAL_SECONDS * 0.75) + 3


def test_a_fragment_before_a_pause_does_not_wait_for_the_next_one() -> None:
    with telling() as told:
        told.say("early")
        eventually(lambda: told.batches, "the text")
        assert told.batches == [(1, "early")]


def test_what_is_left_at_the_end_is_sent_at_once() -> None:
    with telling() as told:
        told.say("a")
        eventually(lambda: told.batches, "the text")
        told.say("b")
    assert told.batches == [(1, "a"), (2, "b")]


def test_a_report_has_the_text_up_to_its_number_and_the_rest_follows() -> None:
    """A page that missed a batch takes the report and goes on with the next number."""
    reports: list[tuple[int, str]] = []
    with telling() as told:
        for n in range(200):
            told.say(f"{n} ")
            time.sleep(0.002)
            if n % 5 == 0:
                told.sender.report(lambda number, whole: reports.append((number, whole["text"])))
    assert len(reports) == 40
    for number, text in reports:
        assert text == "".join(piece for other, piece in told.batches if other <= number)


def test_batches_are_as_far_apart_as_the_interval() -> None:
    feed, times = Feed(), list[float]()
    sender = Sender(feed, lambda *_: times.append(time.monotonic()), interval=0.15)
    for text in "abc":
        feed.add(TextDelta(text))
        sender.wake()
        eventually(lambda text=text: len(times) > "abc".index(text), "the batch")
    sender.close()
    assert all(later - earlier > 0.14 for earlier, later in itertools.pairwise(times))


def test_a_report_waits_for_a_batch_that_is_being_sent() -> None:
    """Otherwise it would name a batch that the page does not have yet, and the page would count it as missed."""
    sending, release = threading.Event(), threading.Event()
    order: list[tuple[str, int]] = []

    def send(number: int, _batch: Batch) -> None:
        sending.set()
        release.wait(5)
        order.append(("sent", number))

    feed = Feed()
    sender = Sender(feed, send)
    feed.add(TextDelta("a"))
    sender.wake()
    assert sending.wait(5)
    reporter = threading.Thread(target=sender.report, args=(lambda number, _: order.append(("told", number)),))
    reporter.start()
    time.sleep(0.05)
    release.set()
    reporter.join(5)
    sender.close()
    assert order == [("sent", 1), ("told", 1)]


def test_what_comes_after_the_end_is_dropped_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())  # those of other tests stay
    with telling() as told:
        told.say("a")
    told.say("b")
    time.sleep(0.1)
    assert told.text == "a"
    eventually(lambda: not set(threading.enumerate()) - before, "the end of the thread")


def test_a_thread_knows_what_its_caller_knows() -> None:
    """ipykernel keeps in a context variable which cell is running."""
    import contextvars

    cell, seen = contextvars.ContextVar[str]("cell"), list[str]()
    cell.set("third")
    start_thread(lambda: seen.append(cell.get()), "msgflux-test").join(5)
    assert seen == ["third"]


def test_the_thread_ends_when_nothing_comes_and_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run, "QUIET_SECONDS", 0.02)
    told, quiet = Told(), list[int]()
    told.sender = Sender(told.feed, told._take, on_quiet=lambda: quiet.append(told.sender.number))
    for number, text in enumerate("ab", 1):
        told.say(text)
        eventually(lambda number=number: quiet[-1:] == [number], "a quiet moment")
    told.sender.close()
    assert told.batches == [(1, "a"), (2, "b")]
    assert quiet == [1, 2]


def test_a_report_after_the_last_block_has_it_once() -> None:
    """The page shows the open block as it was sent, and the finished block once it is sent."""
    feed = Feed(markdown=True)
    feed.add(TextDelta("one\n\ntwo"))
    feed.batch()
    feed.last()
    whole = feed.whole()
    assert ["one" in block for block in whole["html"]] == [True]
    assert ("two" in whole["open"], whole["tail"]) == (True, 0)
