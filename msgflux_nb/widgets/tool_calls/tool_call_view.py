"""``ToolCallView``: watch tool calls arrive; approve, edit, reject and replay them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import traitlets as t

from ...errors import StreamInterruptedError, ToolCallError, brief
from ...models.async_stream import AsyncStreamResponse
from ...models.stream import Arriving
from ...protocol.events import Event, ToolCallDelta
from ...protocol.tool_call import ToolCall, ToolCallState
from ...protocol.tool_calls import ToolCallAggregator
from ...reasoning.tool_loop import RunEnded, StepEnded, StepStarted, ToolRun
from ...reasoning.tools import run_tools
from ..base.messages import Buffers, Hello, PageMessage
from . import messages as page
from .approval import SEEN_SECONDS, ApprovalQuestion, Approvals, Decision
from .call_board import CallBoard
from .lane import Fragment, Lane
from .lane_feed import CALLS, CHARACTERS
from .tool_fields import checked_arguments, tool_fields
from .tool_job import ToolJob
from .tool_source import check_source, figures, fill, tools_of

__all__ = ["ToolCallView"]

_ALL_TOLD = 100  # with so many calls, ``value`` changes at each hundredth and in a pause, not at each


class ToolCallView(CallBoard):
    """Shows tool calls while they are assembled, and their outcomes.

    Each call is a lane: its fragments as they arrive, its arguments so far, a tick for each field of the tool's
    schema. A slider replays the stream. The view does not read a stream itself, unless ``run`` is called: it watches
    while other code reads.

    Args:
        source: a stream or a finished answer, a ``ToolCallAggregator``, the result of ``run_tools``, or the
            ``fragments`` of another view; None to use ``begin``, ``add`` and ``end``, or ``run``.
        tools: functions, or schemas of tools, whose fields are ticked; by default those of the request.
        approve: ``"ask"`` a person before a call runs, or ``"auto"`` to run all.

    Attributes:
        value: the complete calls, as a list of ``ToolCall``; it can be observed.
        approve: as above; may be changed at any time.
        state: ``idle``, ``running``, ``complete``, ``stopped`` or ``failed``: of the stream, or of the run.
        response: the result of ``run_tools``, a ``ToolRun``; None before its end.
        error: why it failed, or None.

    Example:
        >>> view = ToolCallView([(0, 0, "call_7", "add", '{"a": 17, '), (0, 40, None, None, '"b": 25}')])
        >>> view.value
        [ToolCall(id='call_7', name='add', arguments={'a': 17, 'b': 25})]
    """

    stem = "tool_calls/tool_call_view"

    approve = t.Enum(("ask", "auto"), "ask")
    main_waits = False  # set by a parent whose run the main thread waits for

    def __init__(self, source: Any = None, *, tools: Any = None, approve: str = "ask") -> None:
        if source is not None:
            check_source(source)
        if not isinstance(approve, str) or approve not in ("ask", "auto"):
            raise ValueError(f'approve: expected "ask" or "auto", got {brief(approve)}')
        self._source = source
        self._tools: Any = tools
        self._approvals = Approvals()
        self._job: ToolJob | None = None
        self.response: ToolRun | None = None
        self._answers: list[Any] = []
        super().__init__(approve=approve)
        self._fields = tool_fields(() if tools is None else tools)
        self.observe(self._approve_open, "approve")
        if source is not None:
            self._open(source)

    def __repr__(self) -> str:
        count = len(self._calls)
        return f"ToolCallView({count} call{'' if count == 1 else 's'}, {self.state})"

    # -- for the notebook: state ------------------------------------------------------------------------------------

    @property
    def states(self) -> list[ToolCallState]:
        """All calls so far."""
        return self._calls.states

    @property
    def fragments(self) -> list[Fragment]:
        """All fragments with their times; ``ToolCallView(view.fragments)`` replays them."""
        self._sender.flush()
        return self._calls.feed.fragments

    @property
    def running(self) -> bool:
        """Whether a run that this view started is going on."""
        return self._job is not None and self._job.state == "running"

    # -- for a parent, or for code that reads a stream ----------------------------------------------------------

    def begin(self, tools: Any = None) -> None:
        """Start over with an empty view.

        Args:
            tools: functions or schemas whose fields are ticked; None for the view's own.
        """
        self._approvals.begin()
        self.response = None
        self._start(tool_fields((self._tools if tools is None else tools) or ()))

    def add(self, event: Event | StepStarted | StepEnded | RunEnded) -> None:
        """Take an event of a stream, from any thread; events that are not part of a tool call are skipped.

        ``run_tools(..., on_event=view.add)`` calls it. Never raises, since that would end the stream: errors are shown.
        """
        try:
            match event:
                case ToolCallDelta():
                    self._take(event)
                case StepStarted():
                    self._start_step(event)
                case StepEnded():
                    self._end_step(event)
                case RunEnded():
                    self._end_run(event)
        except Exception as error:
            self.show_error(error)

    def end(self, calls: Sequence[ToolCallState | ToolCall] = ()) -> None:
        """Handle the end of a stream.

        Args:
            calls: the calls as the reader assembled them, in order; their ids are used if the stream had none.
        """
        self._calls.end(calls)
        self._finish("complete")

    def ask(self, call: ToolCall) -> Decision:
        """Wait until a person decides on a call. For ``on_request`` of ``run_tools``.

        Returns:
            None to approve it, a dict with other arguments, or a reason (or False) to reject it.

        Raises:
            ToolCallError: waiting would block the handling of a click; the message says what to do.
            StreamInterruptedError: ``stop`` was called meanwhile.
        """
        lane, question = self._question(call)
        try:
            waits = self.main_waits or (self._job is not None and self._job.waiting)
            decision = None if question is None else self._approvals.wait(question, main_waits=waits)
        except BaseException:
            self._move(lane, "stopped")
            raise
        return self._decided(lane, decision)

    async def aask(self, call: ToolCall) -> Decision:
        """As ``ask``, from a coroutine. For ``on_request`` of ``arun_tools``."""
        lane, question = self._question(call)
        try:
            decision = None if question is None else await question.wait_async(seen_within=SEEN_SECONDS)
        except BaseException:
            self._move(lane, "stopped")
            raise
        return self._decided(lane, decision)

    def result(self, call: ToolCall, value: Any) -> None:
        """Show the result of a call; an exception is a failure. For ``on_result`` of ``run_tools``."""
        unknown = bool(self._fields) and call.name not in self._fields
        self._calls.take_result(self._calls.find(call, "result"), value, failed=unknown)
        self._wake()
        if self.over and not self.running:
            self._settle()  # at once, since the kernel may end before the sender is quiet

    # -- for the notebook: actions -------------------------------------------------------------------------------------

    def run(
        self, model: Any = None, messages: Any = None, *, tools: Any = None, wait: bool = False, **keywords: Any
    ) -> None:
        """Run a model with tools on a thread, or read the view's stream.

        Args:
            model: from ``Model.chat_completion``; None to read the stream.
            messages: a text, or a list of message dicts.
            tools: functions; by default the view's own.
            wait: whether to return at the end and raise errors. Else the notebook stays free, so that a person can
                decide on calls; errors are shown and kept in ``error``.
            keywords: as for ``run_tools``, such as ``max_steps`` and ``system_prompt``.

        Raises:
            RuntimeError: a run is going on.
            ToolCallError: there is neither a model nor a stream.
        """
        if self.running:
            raise RuntimeError("a run is under way; stop it first, or wait for its end")
        if model is None:
            work = self._reading()
        else:
            functions = (self._tools if tools is None else tools) or ()
            self.begin(functions)
            self._question_text = _last_question(messages)
            work = self._calling(model, messages, functions, keywords)
        job = self._job = ToolJob(work, on_stop=self._approvals.stop, on_end=self._end_job)
        job.waiting = wait
        self._tell_state()
        job.start()
        if wait:
            self._wait(job)

    def stop(self) -> None:
        """Stop the run and keep the calls so far; a waiting call is cancelled."""
        if self._job is not None and self.running:
            self._job.stop()
        else:
            self._approvals.stop()

    def close(self) -> None:
        """Stop the run and close the widget."""
        if self.comm is not None:  # None if the constructor raised, or after a first close
            self.stop()
            self._sender.close()
        super().close()

    # -- a run of this view ------------------------------------------------------------------------------------------

    def _calling(self, model: Any, messages: Any, tools: Any, keywords: dict[str, Any]) -> Callable[[ToolJob], Any]:
        def work(job: ToolJob) -> Any:
            return run_tools(
                model,
                messages,
                tools=tools,
                on_request=job.checked(self.ask),
                on_result=job.checked(self.result),
                on_event=job.hearing(self.add),
                **keywords,
            )

        return work

    def _reading(self) -> Callable[[ToolJob], Any]:
        stream = self._source
        if not isinstance(stream, Arriving):
            raise ToolCallError("there is nothing to read: pass a model and messages, or give the view a stream.")

        def work(job: ToolJob) -> None:
            job.stream = stream
            job.check()
            if isinstance(stream, AsyncStreamResponse):
                asyncio.run(stream.finish())
            else:
                stream.finish()  # type: ignore[attr-defined]  # the only other kind
            stream.response()

        return work

    def _wait(self, job: ToolJob) -> None:
        try:
            job.wait()
        except KeyboardInterrupt:
            job.stop()
            job.wait()
            raise
        if job.error is not None:
            raise job.error

    def _end_job(self, job: ToolJob) -> None:
        """Handle the end of a run of this view. The view has usually shown it already, except if the run hung."""
        if self.over:
            self._finish(self.state)
        else:
            self._finish(job.state, error=job.error)

    # -- the end ----------------------------------------------------------------------------------------------

    def _open(self, source: Any) -> None:
        self.begin(tools_of(source) if self._tools is None else None)
        fill(self._calls, source)
        self.value = self._calls.calls
        if isinstance(source, Arriving):
            source.watch(lambda event: self._end_source() if event is None else self.add(event))
        elif isinstance(source, ToolCallAggregator):
            source.watch(lambda event: self.end(source.states) if event is None else self.add(event))
            self._wake()
        else:
            self._calls.end()
            answer = source.text if isinstance(source, ToolRun) else ""
            self._finish("complete", answer=answer, told=figures(source))

    def _end_source(self) -> None:
        """Handle the end of the view's stream, however it ended."""
        try:
            calls, ended = self._source.aggregator, self._source.state
            self._calls.end(() if calls is None else calls.states)
            state = ended if ended in ("complete", "failed") else "stopped"
            self._finish(state, error=self._source.failed, told=figures(self._source))
        except Exception as error:
            self.show_error(error)  # an error of the view must not reach the stream's reader

    def _rest(self) -> None:
        source = self._source
        if isinstance(source, ToolCallAggregator) and source.ended and self._calls.whole and not self.over:
            self._finish("complete")  # with ``add`` alone, nothing else reports the end
        super()._rest()

    def _take(self, event: ToolCallDelta) -> None:
        if self.state == "idle":
            self.begin()
        elif self.over:
            self._reopen()
        complete = self._calls.take(event)
        self._wake()
        if complete and (len(self._calls) < _ALL_TOLD or len(self._calls) % _ALL_TOLD == 0):
            self.value = self._calls.calls  # of many calls in the end, since each list is as long as all of them

    def _start_step(self, event: StepStarted) -> None:
        if event.step == 1 and not self.running:
            self.begin(tools_of(event.stream) if self._tools is None else None)
        self._calls.next_step()

    def _end_step(self, event: StepEnded) -> None:
        calls = event.stream.aggregator
        self._calls.end(() if calls is None else calls.states)
        self.value = self._calls.calls
        self._tell_so_far(event)
        if self.running and self.approve == "ask" and event.error is None:
            for lane in self._calls.of_step():  # a run of this view asks for each of them in turn
                if lane.whole is not None and self._calls.feed.tells(lane):
                    self._approvals.ask(lane.number)
                    self._calls.move(lane, "asked")
        self._wake()

    def _tell_so_far(self, event: StepEnded) -> None:
        """Show what the answers have cost so far, while their calls wait and run."""
        if event.error is None and not self.over:
            self._answers = [*self._answers[: event.step - 1], event.stream]
            self._figures = figures(ToolRun([], self._answers))
            self._tell_state()

    def _end_run(self, event: RunEnded) -> None:
        error, run = event.error, event.run
        self.response = run
        if error is None:
            self._finish("complete", answer=run.text, told=figures(run))
        elif isinstance(error, StreamInterruptedError | KeyboardInterrupt | asyncio.CancelledError):
            self._finish("stopped")
        else:
            self._finish("failed", error=error)

    # -- decisions -------------------------------------------------------------------------------------------------

    def _question(self, call: ToolCall) -> tuple[Lane, ApprovalQuestion | None]:
        lane = self._calls.find(call, "ask")
        if self.approve == "auto":
            return lane, None
        if not self._calls.feed.tells(lane):
            raise ToolCallError(
                f"nobody can decide on call {call.id[:80]!r}: the view shows the first {CALLS:,} calls and "
                f"{CHARACTERS:,} characters of arguments of a run, and this call is not among them. Make the view with "
                "approve='auto', or decide in code, by on_request= of run_tools."
            )
        question = self._approvals.ask(lane.number)
        self._move(lane, "asked")
        return lane, question

    def _decided(self, lane: Lane, decision: Decision) -> Decision:
        self._calls.decide(lane, decision)
        self._wake()
        return decision

    def _move(self, lane: Lane, phase: Any) -> None:
        self._calls.move(lane, phase)
        self._wake()

    def _approve_open(self, change: Any) -> None:
        for number in self._approvals.open if change["new"] == "auto" else ():
            self._approvals.ask(number).decide(None)

    # -- messages from the page ---------------------------------------------------------------------------------------

    def _on_hello(self, message: Hello, buffers: Buffers) -> None:
        self._approvals.heard()
        super()._on_hello(message, buffers)

    def _on_seen(self, message: page.Seen, _buffers: Buffers) -> None:
        """Note that a page shows these questions."""
        self._approvals.heard()
        for number in set(message.lanes).intersection(self._approvals.open):
            self._approvals.see(number)

    def _on_decide(self, message: page.Decide, _buffers: Buffers) -> None:
        number, verdict = message.lane, message.verdict
        decision: Decision = None
        if verdict == "reject":
            decision = message.reason or False
        elif verdict == "edit":
            lane = self._calls.all[number]
            try:
                decision = checked_arguments(message.arguments, lane.state.name, self._tools)
            except ToolCallError as error:
                self.send({"type": "refused", "run": self._number, "lane": number, "message": str(error)})
                return
        self._approvals.decide(number, decision)

    def decide_open(self, message: page.DecideOpen) -> None:
        """Decide on the waiting call, for a parent; do nothing if none waits.

        Raises:
            ToolCallError: the arguments do not fit the tool.
        """
        for number in self._approvals.open[:1]:
            if message.verdict == "edit":
                checked_arguments(message.arguments, self._calls.all[number].state.name, self._tools)
            self._on_decide(page.Decide(**msgspec.structs.asdict(message), lane=number), [])

    def _on_stop(self, _message: PageMessage, _buffers: Buffers) -> None:
        self.stop()


def _last_question(messages: Any) -> str:
    """Return a person's last message as one line; empty if it is not text."""
    if isinstance(messages, list):
        asked = [one for one in messages if isinstance(one, dict) and one.get("role") == "user"]
        messages = asked[-1].get("content") if asked else ""
    return " ".join(messages.split()) if isinstance(messages, str) else ""
