"""The display of tool calls: batches for pages and the twin in the notebook; a subclass supplies the calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import traitlets as t

from ..base.told_run import ToldRun
from .lane_set import LaneSet
from .lane_twin import drawn_answer, lanes_html, lanes_text, replay_html
from .tool_fields import ToolField

__all__ = ["CallBoard"]

_ANSWER_LENGTH = 20_000  # characters that a page gets
_QUESTION_LENGTH = 200


class CallBoard(ToldRun):
    """Shows lanes: sends them to pages in batches; at the end they are in a trait and in the twin."""

    value: t.List[Any] = t.List()
    lanes = t.Dict().tag(sync=True)  # the whole last run, for pages that are loaded later

    def __init__(self, **state: Any) -> None:
        self._fields: Mapping[str, Sequence[ToolField]] = {}
        self._clear()
        super().__init__(value=[], **state)

    @property
    def running(self) -> bool:
        """Whether a run that this view started is going on."""
        return False

    # -- a run -----------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self._calls = LaneSet()
        self._next_run(self._calls.feed)
        self._answer = self._answer_html = self._question_text = ""
        self._figures: tuple[str, ...] = ()
        self._unsettled = False

    def _start(self, fields: Mapping[str, Sequence[ToolField]]) -> None:
        self._sender.close()
        self._clear()
        self._fields = fields
        self._started()
        self.value = []

    def forget(self) -> None:
        """Show nothing, as before the first run; for a parent whose conversation has started over."""
        if self.state in ("idle", "running"):
            return
        self._sender.close()
        self._clear()
        self.lanes, self.value = {}, []
        self._tell_state()
        self._update_twin()

    def _reopen(self) -> None:
        """Continue after what looked like the end."""
        self.state = "running"
        self._revive()
        self._tell_state()

    def _wake(self) -> None:
        """Wake the sender, because there is news."""
        self._unsettled = True
        self._sender.wake()

    def _finish(
        self, state: str, *, error: BaseException | None = None, answer: str = "", told: tuple[str, ...] = ()
    ) -> None:
        """Finish, once."""
        if not self.over:
            self._calls.end()
            if state != "complete":
                self._calls.stop()
            self.state, self.error, self._answer, self._figures = state, error, answer, told or self._figures
            self._answer_html = drawn_answer(answer[:_ANSWER_LENGTH])  # once, since it takes long
        self._sender.flush()
        self._settle()
        self._tell_state()
        self._sender.wake()

    def _settle(self) -> None:
        """Write the present state to the trait, ``value`` and the twin."""
        self._unsettled = False
        self._sender.report(lambda seq, whole: self._set_unsent(lanes=self._told(seq, whole)))
        self.value = self._calls.calls
        self._update_twin()

    def _rest(self) -> None:
        """Called on the sending thread after a while without news."""
        try:
            if self._unsettled:
                self._settle()
            if self.over and self._calls.idle and not self.running and not self._held:
                self._retire()
        except Exception as error:
            self.show_error(error)  # raised by an observer of value

    # -- for the page ---------------------------------------------------------------------------------------

    def _told_state(self) -> dict[str, Any]:
        error, html = self.error, self._answer_html
        return {
            "state": self.state,
            "running": self.running,
            "tools": {name: [msgspec.to_builtins(one) for one in fields] for name, fields in self._fields.items()},
            "status": list(self._figures),
            "answer": "" if html else self._answer[:_ANSWER_LENGTH],
            "html": html,
            "question": self._question_text[:_QUESTION_LENGTH],
            "error": None if error is None else [type(error).__name__, str(error)],
            **self._calls.feed.left(),
        }

    # -- the twin ------------------------------------------------------------------------------------------------

    def _drawn(self) -> tuple[str, str]:
        lanes = self._calls.all
        error = "" if self.error is None else f"{type(self.error).__name__}: {self.error}"
        static = lanes_html(lanes, state=self.state, figures=self._figures, answer=self._answer, error=error)
        text = lanes_text(lanes, state=self.state, answer=self._answer, error=error)
        if not self.over or not lanes:
            return static, text
        whole = self._calls.feed.whole()
        return replay_html(self._told(0, whole), static), text
