from __future__ import annotations

import io
import re
import threading
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import msgspec
import pytest
from tqdm.auto import tqdm

import msgflux_nb as mf
from tests.tables.scripted_model import Scripted


class City(msgspec.Struct):
    name: str


class Log(io.StringIO):
    """A text stream that records the writing threads."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[threading.Thread] = set()

    def write(self, text: str) -> int:
        self.threads.add(threading.current_thread())
        return super().write(text)


def run(script: Any, **options: Any) -> Log:
    log = Log()
    with redirect_stderr(log), redirect_stdout(log):
        mf.extract([str(n) for n in range(20)], City, model=Scripted(script, delay=0.02, parallel=2), **options)
    return log


def test_the_bar_counts_rows_and_failures() -> None:
    log = run(lambda text: City(text) if text != "3" else mf.ValidationFailedError("x"))
    assert "20/20" in log.getvalue()
    assert "1 failed" in log.getvalue()


def test_the_bar_is_drawn_by_the_callers_thread_only() -> None:
    log = run(City)
    assert log.threads == {threading.current_thread()}


def test_without_progress_nothing_is_written() -> None:
    log = run(lambda _: mf.ValidationFailedError("x"), progress=False)
    assert log.getvalue() == ""


def test_a_batch_that_ends_early_says_why() -> None:
    log = run(lambda _: mf.ValidationFailedError("x"))
    assert re.search(r"of 20 rows finished, 1[45] left: the first 5 rows all failed in the same way", log.getvalue())


@pytest.mark.parametrize("on_error", ["keep", "raise"])
def test_the_bar_is_closed_on_every_way_out(on_error: Any) -> None:
    try:
        run(lambda _: mf.ValidationFailedError("x"), on_error=on_error)
    except mf.ValidationFailedError:
        assert on_error == "raise"
    assert len(tqdm._instances) == 0
