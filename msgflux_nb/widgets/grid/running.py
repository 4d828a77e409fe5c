"""A grid that its view runs: starts it, sends changes to the page, stops and resumes it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from ...tables.extract import finish
from ...tables.grid.grid_run import GridRun
from ..base.messages import Buffers, PageMessage
from ..base.notebook import kernel_id
from ..base.run import start_thread
from ..base.view import View
from ..tool_calls.tool_job import ToolJob

if TYPE_CHECKING:
    import pandas as pd

    from .board import Board

__all__ = ["RunningGrid"]

_TELL_SECONDS = 0.1
_TWIN_TICKS = 100
_TOLD_BYTES_A_SECOND = 60_000  # larger messages are sent less often
_LEFT = ("pending", "interrupted", "failed")
_CLOSING_SECONDS = 3.0


class RunningGrid(View):
    """Runs the grid of a view; the view displays it.

    Args:
        result: the result of a grid that has already run, or None.
    """

    grid: GridRun
    _board: Board
    board: dict[str, Any]

    def __init__(self, result: pd.DataFrame | None) -> None:
        self.result = result
        self.error: BaseException | None = None
        self._job: ToolJob | None = None
        self._guard = threading.Lock()
        self._telling = threading.RLock()
        self._over = threading.Event()
        self._over.set()
        self._begun = threading.Event()  # cleared while a click on the button is handled
        self._begun.set()
        self._stopping = False
        self._blocking = ""  # the kernel's id while a cell waits for the grid, so that the page can interrupt it
        super().__init__(board=self._told(), opened=self._open())

    # -- for the view ---------------------------------------------------------------------------------------

    def _told(self) -> dict[str, Any]:
        raise NotImplementedError  # abstract: as in View

    def _open(self) -> dict[str, Any]:
        raise NotImplementedError  # abstract: as in View

    def _show(self) -> None:
        raise NotImplementedError  # abstract: as in View

    def _fill(self, news: set[int]) -> None:
        raise NotImplementedError  # abstract: as in View

    def _settle_board(self) -> None:
        raise NotImplementedError  # abstract: as in View

    # -- for the notebook -------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return not self._over.is_set()

    @property
    def state(self) -> str:
        """``idle``, ``running``, ``stopping``, ``complete``, ``stopped`` or ``failed``."""
        if self.running:
            return "stopping" if self._stopping else "running"
        if self.error is not None:
            return "failed"
        if self.result is None:
            return "idle"
        return "stopped" if self._board.left else "complete"

    def run(self, *, wait: bool = False) -> None:
        """Ask for the answers; after a stop, for those that are pending, interrupted or failed.

        Args:
            wait: whether to return at the end; an interrupt of the kernel then stops the grid, and ``result`` has the
                answers so far. Else return at once; errors are shown and kept in ``error``.

        Raises:
            RuntimeError: a run is going on, or a stopped one still has requests in flight.
        """
        with self._guard:
            if self.running or self.grid.is_running:
                raise RuntimeError("the grid is under way; stop it first, or wait for its end")
            left = self._job is not None and not self._job.join(_CLOSING_SECONDS)
            if left:
                raise RuntimeError("requests are still in flight; try again in a moment")
            if self.state != "idle":
                self.grid.again(_LEFT)
            self._job = None if wait else ToolJob(self._work, on_stop=self.grid.interrupt, on_end=self._job_ended)
            self.look_on(kernel_id() if wait else "")
        if self._job is not None:
            self._job.start()
            return
        try:
            result = finish(self.grid, progress=False)
        except BaseException as error:
            self.end_run(getattr(error, "result", None), error)
            raise
        self.end_run(result)

    def stop(self) -> None:
        """Send nothing more and cancel requests in flight; return when ``result`` has the table, or after 3 s."""
        self._interrupt()
        self._over.wait(_CLOSING_SECONDS)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the end of the run; return False if ``timeout_seconds`` pass first."""
        if not (self._begun.wait(timeout_seconds) and self._over.wait(timeout_seconds)):
            return False
        with self._telling:  # until the end is shown
            return True

    def close(self) -> None:
        """Stop the grid and close the widget."""
        if self.comm is not None and self._job is not None:
            self._interrupt()
        super().close()

    # -- a run ----------------------------------------------------------------------------------------------------

    def _work(self, _job: ToolJob) -> pd.DataFrame:
        return finish(self.grid, progress=False)

    def _job_ended(self, job: ToolJob) -> None:
        error = job.error
        self.end_run(job.value if error is None else getattr(error, "result", None), error)

    def look_on(self, blocking: str) -> None:
        """Follow the grid, which has not begun yet."""
        self._over = over = threading.Event()
        self._stopping, self._blocking, self.error = False, blocking, None
        self._board.follow()
        self._show()
        start_thread(lambda: self._pump(over), "msgflux-grid")

    def _pump(self, over: threading.Event) -> None:
        ticks, wait = 0, _TELL_SECONDS
        while not over.wait(wait):
            ticks += 1
            wait = _TELL_SECONDS
            with self._telling:
                filling = self._board.filling
                news = set() if filling is None or over.is_set() else filling.news()
                if news:
                    self._fill(news)
                    wait = max(wait, len(news) * self._row_bytes() / _TOLD_BYTES_A_SECOND)
            if ticks % _TWIN_TICKS == 0:
                self._update_twin()

    def _row_bytes(self) -> int:
        rows = self.board["rows"]
        return len(msgspec.json.encode(rows[0])) if rows else 0

    def _interrupt(self) -> None:
        """Stop the grid if it runs; return at once."""
        if not self.running:
            return
        self._stopping = True
        job = self._job
        if job is not None:
            job.stop()
        else:
            self.grid.interrupt()
        with self._telling:
            if self.running:
                self._fill(set())

    def end_run(self, result: pd.DataFrame | None, error: BaseException | None = None) -> None:
        """Handle the end of the run: its table, its error, or both."""
        with self._telling:
            if self._over.is_set():
                return
            try:
                made = self.grid.made if result is None else result
                self.result = self.grid.result() if made is None else made
            except Exception as problem:
                error = error or problem
            self.error, self._blocking = error, ""
            self._settle_board()
            self._over.set()
            self._show()
        self._update_twin()

    def _standing(self) -> dict[str, Any]:
        """Return the progress of the grid and the action of its button."""
        state, left = self.state, self._board.left
        action = {"running": "stop", "stopping": ""}.get(state, "go" if left and not self.grid.is_running else "")
        labels = {"stop": "Stop", "go": f"Run {left:,}" if state == "idle" else f"Go on with {left:,}"}
        said = "" if self.error is None else f"{type(self.error).__name__}: {self.error}"[:2000]
        return {
            "state": state,
            "unanswered": left,
            "paid": self._board.paid,
            "answers": len(self.grid.rows),
            "action": action,
            "action_label": labels.get(action, "Stop"),
            "blocking": self._blocking,
            "error": said,
        }

    def _on_go(self, _message: PageMessage, _buffers: Buffers) -> None:
        if not self.running and self._begun.is_set():
            self._begun.clear()
            self._aside(self._go, "msgflux-go")

    def _go(self) -> None:
        """Start on a thread, since it may wait for requests in flight and for the store."""
        try:
            self.run()
        finally:
            self._begun.set()

    def _on_stop(self, _message: PageMessage, _buffers: Buffers) -> None:
        self._interrupt()
