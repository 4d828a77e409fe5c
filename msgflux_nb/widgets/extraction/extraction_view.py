"""``ExtractionView``: watch a batch fill its table; stop, inspect and resume it."""

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
from ...tables.rows import check_data
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
    """A trait whose value is computed when it is read, and whose observers are called when a run ends."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        """Return the frame at the end, or the frame so far."""
        return obj._so_far() if obj._frame is None and obj.running and obj._run is not None else obj._frame


class ExtractionView(ExtractionBoard):
    """Extract a table from texts and watch it: states, rows, rate, cost and failures, with Stop and Resume.

    ``run`` works on a thread, so that the notebook stays free. An answer that was paid for is never asked for again,
    neither by ``resume`` nor by another view over the same rows.

    Args:
        data: as for :func:`extract`.
        schema: as for :func:`extract`.
        options: the keywords of :func:`extract` except ``progress``. With ``sample=20`` the first run tries that many
            rows and forecasts the others, and ``resume`` continues with all.

    Attributes:
        value: the frame of the last run, as ``extract`` returns it; during a run, the frame so far, made each time it
            is read; None before the first run. Observers are called at the end of each run.
        report: the report of the run, with the forecast of a sample; empty before the first run.
        state: ``idle``, ``running``, ``stopping``, ``complete``, ``sampled``, ``stopped`` (rows are left) or
            ``failed``.
        error: the error of the last run, or None.

    Raises:
        TypeError: ``extract`` has no such keyword.
        SchemaError: ``schema`` cannot be a table.

    Example::

        view = mf.ExtractionView(texts, City, model="openai/gpt-4.1-nano", sample=20)
        view.run()
    """

    value = _Table(None, allow_none=True)

    def __init__(self, data: Any, /, schema: Any, **options: Unpack[Options]) -> None:
        unknown = sorted(set(options) - set(Options.__annotations__))
        if unknown:
            raise TypeError(f"unknown keyword {unknown[0]!r}; known: {', '.join(sorted(Options.__annotations__))}")
        check_data(data)
        check_schema(schema, options.get("explode"))
        model = Model.chat_completion() if options.get("model") is None else options["model"]
        self._schema = schema
        self._options: dict[str, Any] = {**options, "model": model}
        self._sample = options.get("sample")
        # Keep the rows that a sample has read from an iterator; the rest needs them.
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

    # -- for the notebook -------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return not self._ended.is_set()

    @property
    def report(self) -> dict[str, Any]:
        """The report of the run, as in ``attrs["report"]`` of its frame."""
        frame = self.value
        return {} if frame is None else dict(frame.attrs["report"])

    def run(self, *, wait: bool = False) -> None:
        """Ask the model about the rows, or about a sample of them.

        Args:
            wait: whether to return at the end; an interrupt of the kernel then stops the run, and ``value`` has the
                rows so far. Else return at once; errors are shown and kept in ``error``.

        Raises:
            RuntimeError: a run is going on, or the data was an iterator that has been read.
            MsgfluxError: with ``wait`` and ``on_error="raise"``; its attribute ``result`` is the frame.
        """
        if self._run is not None and isinstance(self._data, Iterator):
            raise RuntimeError(
                "the data was an iterator, and has been read; resume() continues with the remaining rows"
            )
        self._begin(lambda: self._new(self._sample), wait=wait)

    def resume(self, *, wait: bool = False) -> None:
        """Continue with the rows that are pending, interrupted or failed; after a complete sample, with all rows.

        Args:
            wait: as for ``run``.

        Raises:
            RuntimeError: a run is going on, or a stopped one still has requests in flight.
            MsgfluxError: as ``run`` does.
        """
        self._begin(self._again, wait=wait)

    def stop(self) -> None:
        """Send nothing more and cancel requests in flight; return when ``value`` has the frame, or after 3 s."""
        job = self._job
        self._interrupt()
        if job is not None:
            job.wait(_CLOSING_SECONDS)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the end of the run; return False if ``timeout_seconds`` pass first."""
        return self._ended.wait(timeout_seconds)

    def close(self) -> None:
        """Stop the run and close the widget."""
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
            raise RuntimeError("requests are still in flight; try again in a moment")
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
        """Start the claimed run; this reads the store and the data, which may take long."""
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
            self.show_error(problem)  # raised by an observer
        finally:
            self._ended.set()

    def _so_far(self) -> pd.DataFrame:
        run = self._run
        assert run is not None

        async def copied() -> Ledger:  # on the loop's thread, so that no row ends meanwhile
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
        """Return the label of the button after a sample; with ``store=False`` the sample's rows are asked again too."""
        size, tried = _size(self._data), len(self._run.rows) if self._run is not None else 0
        if size is None:
            return "Run all"
        return f"Run all {size:,}" if self._options.get("store") is False else f"Run the other {size - tried:,}"

    def _on_go(self, _message: PageMessage, _buffers: Buffers) -> None:
        if not self.running:
            self._claim()
            self._aside(lambda: self._start(self._again, wait=False), "msgflux-go")


class _Watching(ExtractionBoard):
    """The view of a batch that ``mf.extract`` runs in a cell."""

    how_on = ". To continue, run the cell again, or pass its result to mf.resume(...): answered rows are not repeated"

    def __init__(self, run: Run) -> None:
        super().__init__(run.schema, run.model.name, run.rows.total)
        self._watched = run
        self._blocking = kernel_id()

    def __repr__(self) -> str:
        return f"extraction of {self.picture['schema']}: {self.state}"

    def show(self, _ledger: Ledger) -> None:
        """Do nothing: a thread sends pictures."""

    def end(self, _ledger: Ledger, _stopped: str | None) -> None:
        """Write the twin, because the frame is made."""
        self._settle(self._watched.record.report)

    def __enter__(self) -> _Watching:
        self._ipython_display_()
        self._follow(self._watched)
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        self._settle(None, error=error)


def shown_in_notebook(run: Run) -> _Watching | None:
    """Display a view in the output of the running cell and return it; None outside of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return None if getattr(shell, "kernel", None) is None else _Watching(run)


def _size(data: Any) -> int | None:
    return len(data) if hasattr(data, "__len__") else None
