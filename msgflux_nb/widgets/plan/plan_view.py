"""``PlanView``: watch a plan with its budget, stop it, and replay it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import traitlets as t

from ...errors import StreamInterruptedError, described
from ...reasoning.plan_events import PlanEnded, PlanStarted
from ...reasoning.result import PlanResult
from ...reasoning.start import PlanRun, samples_left
from ..base.messages import Buffers, PageMessage
from ..base.told_run import ToldRun
from .moments import Moments
from .plan_twin import plan_html, plan_text, replay_html
from .replay_events import replay_events

__all__ = ["PlanView"]


class PlanView(ToldRun):
    """Shows a plan: the steps of ``react``, the votes of ``self_consistency``, the tree of ``tree_of_thoughts``.

    Args:
        source: the run of ``mf.plan.start``, or a ``PlanResult``; None to get the events of a driver by
            ``on_event=view.on_event``.

    Attributes:
        state: ``idle``, ``running``, ``complete``, ``stopped`` or ``failed``.
        result: the ``PlanResult``, partial if the plan failed; None before the end.
        error: why the plan failed, or None.

    Raises:
        TypeError: the source is neither.

    Example:
        >>> import msgflux_nb as mf
        >>> view = PlanView(mf.plan.self_consistency(lambda task: 42, "6 times 7?", n=3, answer=int))
        >>> view
        PlanView(self_consistency, complete, 3 calls)
    """

    stem = "plan/plan_view"

    plan = t.Dict().tag(sync=True)  # the whole last run, for pages that are loaded later

    def __init__(self, source: Any = None) -> None:
        self._run: PlanRun | None = None
        self._stops: Callable[[], None] | None = None
        self._clear()
        super().__init__()
        if source is not None:
            self.show(source)

    def __repr__(self) -> str:
        kind = self._moments.head["kind"] or "no plan yet"
        return f"PlanView({kind}, {self.state}, {self._moments.spent.calls} calls)"

    # -- for the notebook --------------------------------------------------------------------------------------

    def show(self, source: PlanRun | PlanResult) -> None:
        """Show a run from its beginning, or a result, in place of the present one.

        Raises:
            TypeError: the source is neither.
        """
        if isinstance(source, PlanRun):
            self._begin()
            self._run = source
            source.watch(functools.partial(self._watch, self._number))
        elif isinstance(source, PlanResult):
            self._begin()
            for at, event in replay_events(source):
                self._hear(self._number, at, event)
            self._sender.flush()
        else:
            raise TypeError(
                "PlanView: expected the result of mf.plan.start(...), or a PlanResult, got "
                f"{type(source).__name__}; or give a driver on_event=view.on_event"
            )

    def on_event(self, event: Any) -> None:
        """Take an event of a driver, from any thread. Never raises, since that would end the plan."""
        if isinstance(event, PlanStarted):
            self._begin()
        self._hear(self._number, time.monotonic(), event)

    def stop(self) -> None:
        """Stop the shown plan and keep its results so far; requests in flight are cancelled."""
        if self._stops is not None and not self.over:
            self._stops()

    def close(self) -> None:
        """Close the widget; the plan continues."""
        if self.comm is not None:
            self._sender.close()
        super().close()

    # -- a plan ----------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        moments = Moments()
        self._next_run(moments)  # first, so that no event of the last run gets into it
        self._moments = moments
        self.result: PlanResult | None = None
        self._run = None

    def _begin(self) -> None:
        self._sender.close()
        self._clear()
        self._stops = None
        self._started()

    def _watch(self, run: int, news: tuple[float, Any] | None) -> None:
        if news is not None:
            self._hear(run, *news)

    def _hear(self, run: int, at: float, event: Any) -> None:
        if run != self._number:  # another plan is shown now
            return
        try:
            if self._moments.take(at, event):
                self._sender.wake()
            if isinstance(event, PlanStarted):
                self._stops = event.stop
                self._tell_state()
            elif isinstance(event, PlanEnded):
                self._finish(event)
        except Exception as error:
            self.show_error(error)

    def _finish(self, event: PlanEnded) -> None:
        self.result, self.error = event.result, event.error
        stopped = isinstance(event.error, StreamInterruptedError) or not isinstance(event.error, Exception)
        self.state = "complete" if event.error is None else "stopped" if stopped else "failed"
        self._sender.flush()
        self._sender.report(lambda seq, whole: self._set_unsent(plan=self._told(seq, whole)))
        self._update_twin()
        self._tell_state()
        self._sender.wake()

    def _rest(self) -> None:
        """Called on the sending thread after a while without news."""
        if self.over and not self._held and not self._others:
            self._retire()

    @property
    def _others(self) -> int:
        """Return the number of samples of a vote that were left out and can still be asked for."""
        return 0 if self._run is None or self.result is None else samples_left(self.result)

    # -- for the page ---------------------------------------------------------------------------------------

    def _told_state(self) -> dict[str, Any]:
        return {"state": self.state, "head": self._moments.head, "others": self._others}

    def _on_stop(self, _message: PageMessage, _buffers: Buffers) -> None:
        self.stop()

    def _on_others(self, _message: PageMessage, _buffers: Buffers) -> None:
        if self._run is not None and self.over:
            self.show(self._run.ask_others())

    # -- the twin ------------------------------------------------------------------------------------------------

    def _drawn(self) -> tuple[str, str]:
        error = "" if self.error is None or self.state == "stopped" else described(self.error)
        static = plan_html(self._moments, state=self.state, error=error)
        text = plan_text(self._moments, state=self.state, error=error)
        if not self.over or not len(self._moments):
            return static, text
        return replay_html(self._told(0, self._moments.whole()), static), text
