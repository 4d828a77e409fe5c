"""The display of a batch: pictures for pages and the twin in the notebook; subclasses run the batch."""

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
from .picture import Picture, empty_picture, picture_of, rows_of
from .row_detail import row_detail
from .tally import Tally
from .twin import extraction_html, extraction_text

__all__ = ["ExtractionBoard"]

TELL_SECONDS = 0.1
TWIN_SECONDS = 10.0
TOLD_BYTES_A_SECOND = 36_000  # larger pictures are sent less often
_HEAD_BYTES = 1_000  # Jupyter's overhead per message
_QUIET_TICKS = 10  # without news, rate and remaining time are sent only every so many ticks


class Only(PageMessage, frozen=True):
    """Show only rows in this state; empty for all."""

    state: str = ""


class Open(PageMessage, frozen=True):
    """Open a row."""

    position: int


class ExtractionBoard(OneRun):
    """Shows one run at a time. A page gets whole pictures of bounded size, so a lost one is replaced by the next."""

    stem = "extraction/extraction_view"

    how_on = ""  # how to continue a run with rows left
    _blocking = ""  # the kernel's id while a cell waits for the run, so that the page can interrupt it

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
        """Return ``action`` and ``action_label`` of the page's button for a state and a picture."""
        return {"action": "stop", "action_label": "Stop"} if state == "running" else {}

    # -- a run ----------------------------------------------------------------------------------------------------

    def _follow(self, run: Run) -> None:
        """Follow a run that has not begun yet."""
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
        """Send the present picture."""
        with self._telling:
            if self._tally is None or self._over.is_set():
                return
            state = "stopping" if self._stopping else "running"
            told = picture_of(self._tally, only=self._only) | {"state": state, "blocking": self._blocking}
            told |= self._action(state, told)
            self._told_bytes = len(msgspec.json.encode(told)) + _HEAD_BYTES
            self.picture = told

    def _settle(self, report: Mapping[str, Any] | None, *, error: BaseException | None = None) -> None:
        """Handle the end of the run: its report, its error, or both."""
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
        """Stop the run, if there is one; return at once."""
        if self._tally is not None and not self._over.is_set():
            self._stopping = True
            self._tally.run.interrupt()
            self._tell()

    def close(self) -> None:
        """Stop following the run."""
        if self.comm is not None:  # None if the constructor raised, or after a first close
            self._over.set()
        super().close()

    # -- messages from the page, and the twin -----------------------------------------------------------------------

    def _on_stop(self, _message: PageMessage, _buffers: Buffers) -> None:
        self._interrupt()

    def _on_only(self, message: Only, _buffers: Buffers) -> None:
        """Show the last rows of one state, or of all."""
        self._only = message.state
        tally = self._tally
        if tally is None:
            return
        self._tell()
        if self._over.is_set():
            only = self._only if self._only in tally.last_of else ""
            self.picture = {**self.picture, "rows": rows_of(tally, only, ended=True), "only": only}

    def _on_open(self, message: Open, _buffers: Buffers) -> None:
        """Send a row's request and answer to a page."""
        tally = self._tally
        if tally is None:
            return
        # On a thread: request and answer are in the store, which another process may lock.
        self._aside(lambda: self.send({"type": "opened", **row_detail(tally.run, message.position)}), "msgflux-opened")

    def _on_go(self, _message: PageMessage, _buffers: Buffers) -> None:
        raise RuntimeError("there is nothing to resume here; run the cell again")

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
