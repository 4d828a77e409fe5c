"""Approval of tool calls by a person: asked from any thread or coroutine, answered by a click."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from typing import Any

from ...errors import StreamInterruptedError, ToolCallError

__all__ = ["ApprovalQuestion", "Approvals", "Decision"]

SEEN_SECONDS = 4.0
"""The time for a page to confirm that it shows a question, if waiting for the answer may block its messages."""

_HEARTBEAT_SECONDS = 0.1

Decision = dict[str, Any] | str | bool | None
"""None approves a call, a dict replaces its arguments, a reason or False rejects it."""


class ApprovalQuestion:
    """A question about one call, open until a person decides."""

    def __init__(self) -> None:
        self._seen: Future[None] = Future()
        self._decided: Future[Decision] = Future()

    @property
    def open(self) -> bool:
        """Whether the decision is still missing."""
        return not self._decided.done()

    def see(self) -> None:
        """Note that a page shows the question."""
        with suppress(InvalidStateError):
            self._seen.set_result(None)

    def decide(self, decision: Decision) -> None:
        """Set the decision; only the first one counts."""
        with suppress(InvalidStateError):
            self._decided.set_result(decision)
        self.see()

    def stop(self) -> None:
        """Cancel the question; the waiting code gets an error."""
        with suppress(InvalidStateError):
            self._decided.set_exception(StreamInterruptedError("the run was stopped while a call waited for approval"))
        self.see()

    def wait(self, *, seen_within: float | None) -> Decision:
        """Wait for the decision.

        Args:
            seen_within: the seconds within which a page has to show it; None for no limit.
        """
        try:
            self._seen.result(seen_within)
        except TooLate:
            raise _unheard() from None
        return self._decided.result()

    async def wait_async(self, *, seen_within: float) -> Decision:
        """Wait for the decision; wake regularly, since an idle event loop would not notice an interrupt."""
        if not await _done(self._seen, seen_within):
            raise _unheard()
        await _done(self._decided, None)
        return self._decided.result()


class Approvals:
    """The questions of a view by the numbers of their calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: dict[int, ApprovalQuestion] = {}
        self._stopped = False
        self._on_main: bool | None = None

    def begin(self) -> None:
        """Start over; cancel all open questions."""
        self.stop()
        with self._lock:
            self._questions, self._stopped = {}, False

    def ask(self, number: int) -> ApprovalQuestion:
        """Return the question about a call; repeated calls return the same question."""
        with self._lock:
            question = self._questions.setdefault(number, ApprovalQuestion())
            stopped = self._stopped
        if stopped:
            question.stop()
        return question

    def see(self, number: int) -> None:
        """Note that a page shows the question about a call."""
        question = self._questions.get(number)
        if question is not None:
            question.see()

    def decide(self, number: int, decision: Decision) -> None:
        """Decide on a call with a question; ignore any other."""
        question = self._questions.get(number)
        if question is not None:
            question.decide(decision)

    @property
    def open(self) -> list[int]:
        """The numbers of the calls that wait for a decision."""
        with self._lock:
            return [number for number, question in self._questions.items() if question.open]

    def stop(self) -> None:
        """Cancel all open questions, and all further ones until the next ``begin``."""
        with self._lock:
            questions, self._stopped = list(self._questions.values()), True
        for question in questions:
            question.stop()

    def heard(self) -> None:
        """Note the thread that handles the page's messages; called on it."""
        self._on_main = _on_main_thread()

    def wait(self, question: ApprovalQuestion, *, main_waits: bool) -> Decision:
        """Wait for a decision on this thread.

        Args:
            question: the question.
            main_waits: whether the main thread waits for this thread.

        Raises:
            ToolCallError: waiting would block the handling of the click, or no page shows the question.
            StreamInterruptedError: the run was stopped.
        """
        blocks = main_waits or _on_main_thread()
        if blocks and self._on_main and question.open:
            raise _unheard()
        return question.wait(seen_within=SEEN_SECONDS if blocks else None)


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


async def _done(future: Future[Any], seconds: float | None) -> bool:
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    woken = asyncio.Event()
    future.add_done_callback(lambda _: _call_in(loop, woken.set))
    while not future.done() and (end is None or loop.time() < end):
        with suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), _HEARTBEAT_SECONDS)
    return future.done()


def _call_in(loop: asyncio.AbstractEventLoop, callback: Any) -> None:
    with suppress(RuntimeError):  # the loop has closed meanwhile
        loop.call_soon_threadsafe(callback)


def _unheard() -> ToolCallError:
    return ToolCallError(
        "nobody can decide on this call: a click would be handled only after this cell, which waits for it, or no page "
        "shows the view. Run it on a thread, by view.run(model, messages, tools=[...]); or, on ipykernel 7, by "
        "await mf.arun_tools(..., on_request=view.aask); or make the view with approve='auto'."
    )
