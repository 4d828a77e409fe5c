"""Questions to the person at the page: may this call run? Asked from any thread or coroutine, answered by a click."""

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
"""How long a page may take to say that it shows a question, where the wait for it could keep it from being told."""

_HEARTBEAT_SECONDS = 0.1

Decision = dict[str, Any] | str | bool | None
"""None lets a call run, a dict gives it other arguments, a reason or False rejects it."""


class ApprovalQuestion:
    """One question, open until somebody decides."""

    def __init__(self) -> None:
        self._seen: Future[None] = Future()
        self._decided: Future[Decision] = Future()

    @property
    def open(self) -> bool:
        """Whether nobody has decided yet."""
        return not self._decided.done()

    def see(self) -> None:
        """Note that a page shows it."""
        with suppress(InvalidStateError):
            self._seen.set_result(None)

    def decide(self, decision: Decision) -> None:
        """Decide; the first decision counts."""
        with suppress(InvalidStateError):
            self._decided.set_result(decision)
        self.see()

    def stop(self) -> None:
        """Give it up: who waits gets an error."""
        with suppress(InvalidStateError):
            self._decided.set_exception(StreamInterruptedError("the run was stopped while a call waited for approval"))
        self.see()

    def wait(self, *, seen_within: float | None) -> Decision:
        """Wait for the decision.

        Args:
            seen_within: seconds within which a page has to show it; None for no limit.
        """
        try:
            self._seen.result(seen_within)
        except TooLate:
            raise _unheard() from None
        return self._decided.result()

    async def wait_async(self, *, seen_within: float) -> Decision:
        """Wait for the decision; an interrupt is only seen by a loop that runs, so it is woken now and then."""
        if not await _done(self._seen, seen_within):
            raise _unheard()
        await _done(self._decided, None)
        return self._decided.result()


class Approvals:
    """The questions of a view, by the numbers of their calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: dict[int, ApprovalQuestion] = {}
        self._stopped = False
        self._on_main: bool | None = None

    def begin(self) -> None:
        """Start afresh; what is still open is given up."""
        self.stop()
        with self._lock:
            self._questions, self._stopped = {}, False

    def ask(self, number: int) -> ApprovalQuestion:
        """Return the question about a call; it is asked once, however often this is called."""
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
        """Decide on a call that was asked about; any other is left alone."""
        question = self._questions.get(number)
        if question is not None:
            question.decide(decision)

    @property
    def open(self) -> list[int]:
        """The calls that nobody has decided on."""
        with self._lock:
            return [number for number, question in self._questions.items() if question.open]

    def stop(self) -> None:
        """Give up all that is open, and whatever is asked until the next ``begin``."""
        with self._lock:
            questions, self._stopped = list(self._questions.values()), True
        for question in questions:
            question.stop()

    def heard(self) -> None:
        """Note on which thread messages of the page are handled: called from there."""
        self._on_main = _on_main_thread()

    def wait(self, question: ApprovalQuestion, *, main_waits: bool) -> Decision:
        """Wait for a decision on this thread.

        Args:
            question: what was asked.
            main_waits: whether the main thread waits too, for whatever this thread does.

        Raises:
            ToolCallError: the wait would keep the click from being handled, or no page shows the question.
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
    with suppress(RuntimeError):  # the loop was closed since
        loop.call_soon_threadsafe(callback)


def _unheard() -> ToolCallError:
    return ToolCallError(
        "nobody can decide on this call: a click would be handled only after this cell, which waits for it, or no page "
        "shows the view. Run it on a thread, by view.run(model, messages, tools=[...]); or, on ipykernel 7, by "
        "await mf.arun_tools(..., on_request=view.aask); or make the view with approve='auto'."
    )
