"""Work on a thread: it ends once, and stops fast, whatever it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from msgflux_nb.errors import ServerError, StreamInterruptedError
from msgflux_nb.protocol.events import TextDelta
from msgflux_nb.reasoning.tool_loop import StepEnded, StepStarted
from msgflux_nb.widgets.tool_calls import tool_job as _tool_job
from msgflux_nb.widgets.tool_calls.tool_job import ToolJob
from tests.moments import LONG, quickly


class Watched(ToolJob):
    """A job that counts its ends."""

    def __init__(self, work: Callable[[ToolJob], Any]) -> None:
        self.ends: list[str] = []
        self.gate = threading.Event()
        super().__init__(work, on_stop=self.gate.set, on_end=lambda job: self.ends.append(job.state))
        self.start()


def test_a_job_ends_complete_with_its_value() -> None:
    job = Watched(lambda _job: 7)
    assert job.wait(10)
    assert (job.state, job.value, job.error, job.ends) == ("complete", 7, None, ["complete"])
    job.stop()
    assert (job.state, job.ends) == ("complete", ["complete"])


@pytest.mark.parametrize("error", [ServerError("boom"), ZeroDivisionError("oh"), StreamInterruptedError("it broke")])
def test_what_a_job_raises_is_its_error(error: Exception) -> None:
    def work(_job: ToolJob) -> None:
        raise error

    job = Watched(work)
    assert job.wait(10)
    assert (job.state, job.error, job.ends) == ("failed", error, ["failed"])


def test_a_stop_ends_what_a_job_waits_for() -> None:
    def work(job: Any) -> None:
        job.gate.wait(LONG)
        job.check()

    job = Watched(work)
    with quickly():
        job.stop()
        assert job.wait(10)
    assert (job.state, job.error, job.ends) == ("stopped", None, ["stopped"])


def test_a_stop_cancels_the_stream() -> None:
    cancelled = threading.Event()

    class Stream:
        cancel = staticmethod(cancelled.set)

    def work(job: ToolJob) -> None:
        job.stream = Stream()
        cancelled.wait(5)
        raise StreamInterruptedError("cancelled")

    job = Watched(work)
    while job.stream is None:
        time.sleep(0.005)
    job.stop()
    assert cancelled.is_set()
    assert job.wait(10)
    assert job.state == "stopped"


def test_a_job_that_fails_while_it_is_stopped_has_failed() -> None:
    def work(job: Any) -> None:
        job.gate.wait(LONG)
        raise ServerError("boom")

    job = Watched(work)
    job.stop()
    assert job.wait(10)
    assert (job.state, str(job.error)) == ("failed", "boom")


def test_a_stopped_job_that_hangs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tool_job, "GRACE_SECONDS", 0.05)
    late = threading.Event()

    def work(_job: ToolJob) -> str:
        late.wait(5)
        return "late"

    job = Watched(work)
    job.stop()
    assert job.wait(10)
    late.set()
    time.sleep(0.1)
    assert (job.state, job.value, job.ends) == ("stopped", None, ["stopped"])


def test_after_a_stop_nothing_new_begins_and_what_arrived_with_it_is_shown() -> None:
    shown: list[Any] = []
    refused: list[str] = []

    def work(job: Any) -> None:
        hear, ask = job.hearing(shown.append), job.checked(shown.append)
        job.gate.wait(LONG)
        events = [(hear, TextDelta("a")), (ask, "asked"), (hear, StepStarted(1, None)), (hear, StepEnded(1, None))]
        for function, value in events:
            try:
                function(value)
            except StreamInterruptedError:
                refused.append(type(value).__name__)

    job = Watched(work)
    job.stop()
    assert job.wait(10)
    assert (shown, refused) == ([TextDelta("a"), StepEnded(1, None)], ["TextDelta", "str", "StepStarted"])
