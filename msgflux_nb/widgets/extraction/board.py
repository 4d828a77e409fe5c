"""What a page is told of a batch, and what a notebook keeps of it; a view adds who runs it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import msgspec
import traitlets as t

from ...tables.run import Run
from ..base.messages import Buffers, PageMessage
from ..base.one_run import OneRun
from ..base.run import start_thread
from .batch_figures import rows_text
from .picture import Picture, empty_picture, picture_of
from .row_detail import row_detail
from .tally import Tally
from .twin import extraction_html, extraction_text

__all__ = ["ExtractionBoard"]

TELL_SECONDS = 0.1
TWIN_SECONDS = 10.0
TOLD_BYTES_A_SECOND = 36_000  # a page gets less often what is larger
_HEAD_BYTES = 1_000  # what Jupyter adds to a message
_QUIET_TICKS = 10  # without news, the rate and the time left are told this seldom


class Only(PageMessage, frozen=True):
    """Only rows that ended in this way are shown; empty for all."""

    state: str = ""


class Open(PageMessage, frozen=True):
    """A row is opened."""

    position: int


class ExtractionBoard(OneRun):
    """One run at a time, told to pages as whole pictures of a bounded size: one that is lost is made up by the next."""

    stem = "extraction/extraction_view"

    how_on = ""  # what is said of a run that has rows left
    _blocking = ""  # the kernel's id while a cell waits for the run: the page may interrupt it then

    picture = t.Dict().tag(sync=True)

    def __init__(self, schema: Any, model: str, total: int | None, **state: Any) -> None:
        self._tally: Tally | None = None
        self._over = threading.Event()
        self._over.set()
        self._stopping = False
        self._only = ""
        self._told_bytes = 0
        self._telling = threading.Lock()
        empty = empty_picture(schema, model, total)
        super().__init__(picture=empty | self._action("idle", empty), **state)

    @property
    def state(self) -> str:
        """``idle``, ``running``, ``stopping``, ``complete``, ``sampled``, ``stopped`` or ``failed``."""
        state: str = self.picture["state"]
        return state

    def _action(self, state: str, _picture: Picture) -> Picture:
        """What the page's button does in a state, with this picture: ``action``, and ``action_label``."""
        return {"action": "stop", "action_label": "Stop"} if state == "running" else {}

    # -- a run ----------------------------------------------------------------------------------------------------

    def _follow(self, run: Run) -> None:
        """Look on while a run goes on; it has not been started yet."""
        self._tally = tally = Tally(run)
        run.told = tally.take
        self._stopping = False
        self._over = over = threading.Event()
        self._revive()
        self._tell()
        start_thread(lambda: self._pump(tally, over), "msgflux-extraction")

    def _pump(self, tally: Tally, over: threading.Event) -> None:
        told, ticks = -1, 0
        while not over.wait(max(TELL_SECONDS, self._told_bytes / TOLD_BYTES_A_SECOND)):
            ticks += 1
            if tally.version != told or ticks % _QUIET_TICKS == 0:
                told = tally.version
                self._tell()
            if ticks % round(TWIN_SECONDS / TELL_SECONDS) == 0:
                self._update_twin()

    def _tell(self) -> None:
        """Send the picture of this moment."""
        with self._telling:
            if self._tally is None or self._over.is_set():
                return
            state = "stopping" if self._stopping else "running"
            told = picture_of(self._tally, only=self._only) | {"state": state, "blocking": self._blocking}
            told |= self._action(state, told)
            self._told_bytes = len(msgspec.json.encode(told)) + _HEAD_BYTES
            self.picture = told

    def _settle(self, report: Mapping[str, Any] | None, *, error: BaseException | None = None) -> None:
        """Take the end of the run: its report, or what went wrong, or both."""
        tally = self._tally
        if tally is None or self._over.is_set():
            return
        self._over.set()
        with self._telling:
            state = _end_state(report, error)
            said = "" if error is None else f"{type(error).__name__}: {error}"
            told = picture_of(tally, ended=report, only=self._only) | {"state": state, "error": said[:2000]}
            if state == "stopped":
                told["note"] = (told["note"] or _left_text(told["counts"])) + self.how_on
            self.picture = told | self._action(state, told)
        self._update_twin()
        if not self.picture["action"]:
            self._retire()

    def _interrupt(self) -> None:
        """Stop the run, if there is one; returns at once."""
        if self._tally is not None and not self._over.is_set():
            self._stopping = True
            self._tally.run.interrupt()
            self._tell()

    def close(self) -> None:
        """Look on no longer."""
        if self.comm is not None:  # not where the constructor raised, nor a second time
            self._over.set()
        super().close()

    # -- what the page asks, and what stays -----------------------------------------------------------------------

    def _on_stop(self, _message: PageMessage, _buffers: Buffers) -> None:
        self._interrupt()

    def _on_only(self, message: Only, _buffers: Buffers) -> None:
        """Show the last rows of one kind of failure alone, or those of all kinds."""
        self._only = message.state
        tally = self._tally
        if tally is None:
            return
        self._tell()
        if self._over.is_set():
            found = picture_of(tally, only=self._only)
            self.picture = {**self.picture, "rows": found["rows"], "only": found["only"]}

    def _on_open(self, message: Open, _buffers: Buffers) -> None:
        """Tell a page what was asked for a row, and what came."""
        tally = self._tally
        if tally is None:
            return
        # What was sent and what came is in the store, which another process may hold.
        self._aside(lambda: self.send({"type": "opened", **row_detail(tally.run, message.position)}), "msgflux-opened")

    def _on_go(self, _message: PageMessage, _buffers: Buffers) -> None:
        raise RuntimeError("there is nothing to go on with here; run the cell again")

    def _drawn(self) -> tuple[str, str]:
        return extraction_html(self.picture), extraction_text(self.picture)


def _left_text(counts: Mapping[str, int]) -> str:
    return f"{rows_text(counts['pending'] + counts['interrupted'])} not asked for"


def _end_state(report: Mapping[str, Any] | None, error: BaseException | None) -> str:
    if error is not None or report is None:
        return "failed"
    if report["states"]["pending"] or report["states"]["interrupted"]:
        return "stopped"
    return "sampled" if report.get("forecast", {}).get("rows") else "complete"
