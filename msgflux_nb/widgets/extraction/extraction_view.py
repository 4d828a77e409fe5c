"""``ExtractionView``: a batch as it fills its table; stopped, looked at, and gone on with."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Unpack

import pandas as pd
import traitlets as t

from ...models.model import Model
from ...tables.extract import finish
from ...tables.ledger import Ledger
from ...tables.loop import batch_loop
from ...tables.options import Options
from ...tables.report import check_schema, outcome_frame
from ...tables.run import Run
from ..base.messages import Buffers, PageMessage
from ..base.notebook import kernel_id
from ..tool_calls.tool_job import ToolJob
from .batch_figures import rows_text
from .board import ExtractionBoard
from .picture import Picture

__all__ = ["ExtractionView", "shown_in_notebook"]

_LEFT = ("pending", "interrupted", "failed")
_CLOSING_SECONDS = 3.0
_COPY_SECONDS = 30.0


class _Table(t.Any):
    """A trait that is observed when a run ends, and in between is made when it is asked for."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        """The frame at the end, or as it stands."""
        return obj._so_far() if obj._frame is None and obj.running and obj._run is not None else obj._frame


class ExtractionView(ExtractionBoard):
    """Texts → a table, watched: states, rows, rate, cost, what failed; with Stop and Resume.

    ``run`` works on a thread, so that the notebook stays free. What was paid for is not asked for again: neither by
    ``resume`` nor by the next view over the same rows.

    Args:
        data: as for :func:`extract`.
        schema: likewise.
        options: the keywords of :func:`extract`, but for ``progress``. With ``sample=20`` the first run tries so many
            rows and forecasts the others, and ``resume`` goes on with all.

    Attributes:
        value: the frame of the last run, as ``extract`` returns it. During a run it is the frame so far, made new each
            time it is asked for. None before the first run. Observers are called at the end of each run.
        report: what the run did, with the forecast of a sample; empty before the first.
        state: ``idle``, ``running``, ``stopping``, ``complete``, ``sampled``, ``stopped`` (rows are left) or
            ``failed``.
        error: what ended the last run, or None.

    Raises:
        TypeError: a keyword is not one of ``extract``.
        SchemaError: ``schema`` is not a type that a table can be made of.

    Example::

        view = mf.ExtractionView(texts, City, model="openai/gpt-4.1-nano", sample=20)
        view.run()
    """

    value = _Table(None, allow_none=True)

    def __init__(self, data: Any, /, schema: Any, **options: Unpack[Options]) -> None:
        unknown = sorted(set(options) - set(Options.__annotations__))
        if unknown:
            raise TypeError(f"unknown keyword {unknown[0]!r}; known: {', '.join(sorted(Options.__annotations__))}")
        check_schema(schema, options.get("explode"))
        model = Model.chat_completion() if options.get("model") is None else options["model"]
        self._schema = schema
        self._options: dict[str, Any] = {**options, "model": model}
        self._sample = options.get("sample")
        # What was read of an iterator to choose a sample from is needed for the rest.
        self._data = list(data) if self._sample is not None and isinstance(data, Iterator) else data
        self._run: Run | None = None
        self._job: ToolJob | None = None
        self._guard = threading.Lock()
        self.error: BaseException | None = None
        self._frame: pd.DataFrame | None = None
        self._ended = threading.Event()
        self._ended.set()
        name = model if isinstance(model, str) else getattr(model, "name", "")
        super().__init__(schema, str(name), _size(self._data))

    def __repr__(self) -> str:
        of = "" if self.picture["total"] is None else f" of {self.picture['total']:,}"
        return f"ExtractionView({self.picture['schema']}, {self.state}, {self.picture['finished']:,}{of} rows)"

    # -- what a notebook does -------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether rows are being asked about."""
        return not self._ended.is_set()

    @property
    def report(self) -> dict[str, Any]:
        """What the run did, as ``attrs["report"]`` of its frame."""
        frame = self.value
        return {} if frame is None else dict(frame.attrs["report"])

    def run(self, *, wait: bool = False) -> None:
        """Ask about the rows, or about the sample of them.

        Args:
            wait: return at the end; the kernel's interrupt stops the run then, and ``value`` has the rows so far.
                Without it this returns at once, and errors are shown, and kept in ``error``.

        Raises:
            RuntimeError: a run is under way, or the data was an iterator, and has been read.
            MsgfluxError: with ``wait`` and ``on_error="raise"``; its attribute ``result`` is the frame.
        """
        if self._run is not None and isinstance(self._data, Iterator):
            raise RuntimeError("the data was an iterator, and has been read; resume() goes on with what is left of it")
        self._begin(lambda: self._new(self._sample), wait=wait)

    def resume(self, *, wait: bool = False) -> None:
        """Go on with the rows that are pending, interrupted or failed; after a whole sample, with all rows.

        Args:
            wait: as for ``run``.

        Raises:
            RuntimeError: a run is under way, or one that was stopped still has something in flight.
            MsgfluxError: as ``run`` does.
        """
        self._begin(self._again, wait=wait)

    def stop(self) -> None:
        """Send nothing more and cancel what is in flight; returns when ``value`` has the frame, or after 3 s."""
        job = self._job
        self._interrupt()
        if job is not None:
            job.wait(_CLOSING_SECONDS)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the end of the run; False if the time is over first."""
        return self._ended.wait(timeout_seconds)

    def close(self) -> None:
        """Stop the run under way, and end the widget."""
        if self.comm is not None:
            self._interrupt()
        super().close()

    # -- a run ----------------------------------------------------------------------------------------------------

    def _new(self, sample: int | None) -> Run:
        return Run(self._data, self._schema, **{**self._options, "sample": sample})

    def _again(self) -> Run:
        run = self._run
        if run is None:
            return self._new(self._sample)
        if self.state == "sampled":
            return self._new(None)
        left = self._job is not None and not self._job.join(_CLOSING_SECONDS)
        if left or (run.is_running and not run.batch.ended.wait(_CLOSING_SECONDS)):
            raise RuntimeError("what was in flight has not ended yet; try again in a moment")
        run.again(_LEFT)
        return run

    def _begin(self, make: Callable[[], Run], *, wait: bool) -> None:
        self._claim()
        self._start(make, wait=wait)

    def _claim(self) -> None:
        with self._guard:
            if self.running:
                raise RuntimeError("a run is under way; stop it first, or wait for its end")
            self._ended.clear()

    def _start(self, make: Callable[[], Run], *, wait: bool) -> None:
        """Begin what was claimed; the store and the data are read here, which may take its time."""
        try:
            run = make()
            self._run, self.error, self._frame = run, None, None
            job = self._job = None if wait else self._job_of(run)
            self._blocking = kernel_id() if wait else ""
            self._follow(run)
        except BaseException:
            self._ended.set()
            raise
        if job is None:
            self._run_here(run)
        else:
            job.start()

    def _job_of(self, run: Run) -> ToolJob:
        def end(job: ToolJob) -> None:
            self._end(run, job.value if job.error is None else getattr(job.error, "result", None), job.error)

        return ToolJob(lambda _job: finish(run, progress=False), on_stop=run.interrupt, on_end=end)

    def _run_here(self, run: Run) -> None:
        try:
            frame = finish(run, progress=False)
        except BaseException as error:
            self._end(run, getattr(error, "result", None), error)
            raise
        self._end(run, frame, None)

    def _interrupt(self) -> None:
        super()._interrupt()
        if self._job is not None:
            self._job.stop()

    def _end(self, run: Run, frame: Any, error: BaseException | None) -> None:
        try:
            frame = run.result() if frame is None else frame
        except Exception as problem:
            error = error or problem
        self.error, self._frame = error, frame
        try:
            self._settle(None if frame is None else frame.attrs["report"], error=error)
            self.value = frame
        except Exception as problem:
            self.show_error(problem)  # of an observer
        finally:
            self._ended.set()

    def _so_far(self) -> pd.DataFrame:
        run = self._run
        assert run is not None

        async def copied() -> Ledger:  # on the loop's thread, where no row ends in between
            run.batch.ledger.grow(len(run.rows))
            return run.batch.ledger.settled(frozenset(), "the run is under way")

        ledger = batch_loop.submit(copied()).result(_COPY_SECONDS)
        frame = outcome_frame(run.schema, ledger, run.rows.index[: len(ledger)], run.explode)
        frame.attrs["report"] = run.report(ledger)
        return frame

    # -- the button -----------------------------------------------------------------------------------------------

    def _action(self, state: str, picture: Picture) -> Picture:
        if state == "idle":
            return {"action": "go", "action_label": "Run" if self._sample is None else f"Try {rows_text(self._sample)}"}
        if state == "sampled":
            return {"action": "go", "action_label": self._all_label()}
        if state in ("stopped", "failed"):
            left = sum(picture["counts"][name] for name in ("pending", "interrupted"))
            return {"action": "go", "action_label": f"Go on with {left:,}" if left else "Go on"}
        return super()._action(state, picture)

    def _all_label(self) -> str:
        """What is left after a sample; without a memory of answers, its own rows are asked about once more."""
        size, tried = _size(self._data), len(self._run.rows) if self._run is not None else 0
        if size is None:
            return "Run all"
        return f"Run all {size:,}" if self._options.get("store") is False else f"Run the other {size - tried:,}"

    def _on_go(self, _message: PageMessage, _buffers: Buffers) -> None:
        if not self.running:
            self._claim()
            self._aside(lambda: self._start(self._again, wait=False), "msgflux-go")


class _Watching(ExtractionBoard):
    """The view of a batch that somebody else runs: of ``mf.extract`` in a cell."""

    how_on = ". To go on, run the cell again, or mf.resume(...) its result: what has an answer is not asked for again"

    def __init__(self, run: Run) -> None:
        super().__init__(run.schema, run.model.name, run.rows.total)
        self._watched = run
        self._blocking = kernel_id()

    def __repr__(self) -> str:
        return f"extraction of {self.picture['schema']}: {self.state}"

    def show(self, _ledger: Ledger) -> None:
        """Nothing to do: pictures are sent by a thread of their own."""

    def end(self, _ledger: Ledger, _stopped: str | None) -> None:
        """The frame is made: keep the twin."""
        self._settle(self._watched.record.report)

    def __enter__(self) -> _Watching:
        self._ipython_display_()
        self._follow(self._watched)
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        self._settle(None, error=error)


def shown_in_notebook(run: Run) -> _Watching | None:
    """Return a view that is displayed where the cell that runs speaks; None if no notebook would show it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return None if getattr(shell, "kernel", None) is None else _Watching(run)


def _size(data: Any) -> int | None:
    return len(data) if hasattr(data, "__len__") else None
