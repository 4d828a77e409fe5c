"""Limits on the time of a call and of its waits, and a way for another thread to end it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

__all__ = ["SLACK_SECONDS", "Abort", "Patience", "Timeout", "call_soon", "pause", "waking"]

SLACK_SECONDS = 0.2
"""How long bytes are still read after a limit: they may have arrived in time while this process was busy."""

_WAKE_SECONDS = 0.2


class Timeout(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call may take, in seconds; ``float("inf")`` means no limit.

    Attributes:
        connect: until the connection is made.
        first: until the first content of a streamed answer.
        between: between two pieces of content; keep-alive comments do not count.
        total: for the whole call, without retries. An answer that is not streamed has only this limit and ``connect``.
    """

    connect: float = 10.0
    first: float = 120.0
    between: float = 60.0
    total: float = 600.0

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            TypeError: a limit is not a number.
            ValueError: a limit is not above 0.
        """
        for name in self.__struct_fields__:
            _checked(f"Timeout({name}=)", getattr(self, name))

    @classmethod
    def of(cls, value: float | Timeout | None) -> Timeout:
        """Read the ``timeout`` option: None means the defaults, a number limits every part and the whole call.

        Raises:
            TypeError: the value is neither a number, a Timeout nor None.
            ValueError: the number is not above 0.
        """
        if value is None:
            return cls()
        if isinstance(value, cls):
            return value
        seconds = _checked("timeout", value)
        return cls(connect=min(seconds, cls().connect), first=seconds, between=seconds, total=seconds)


def _checked(name: str, seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        instead = ", Timeout(...) or None" if name == "timeout" else ""
        raise TypeError(f"{name}: expected seconds{instead}, got {type(seconds).__name__}")
    if not seconds > 0:
        raise ValueError(f"{name}: expected seconds above 0, got {seconds}; float('inf') waits forever")
    return seconds


class Abort:
    """Lets another thread end an answer at once.

    Each waiting thread registers how to end its wait. A socket is shut down, since closing it would not wake a thread
    that reads from it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cut: Callable[[], None] | None = None
        self._asked = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether the answer was aborted."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but wake if the answer is aborted."""
        self._asked.wait(seconds)

    def watch(self, cut: Callable[[], None] | None) -> None:
        """Register how to end the wait that begins now, or None for no wait. Ends it at once if already aborted."""
        with self._lock:
            self._cut = cut
        if cut is not None and self.asked:
            self()

    def __call__(self) -> None:
        """End the answer."""
        self._asked.set()
        with self._lock:
            if self._cut is not None:
                self._cut()


class Patience:
    """Limits each wait of one request; it is asked before every read, whatever the server sends.

    Args:
        remaining: returns the seconds that are left; ``inf`` for no limit.
    """

    def __init__(self, remaining: Callable[[], float]) -> None:
        self._remaining = remaining
        self._late_since: float | None = None

    def next(self) -> float:
        """Return the seconds that the next wait may last; 0 if the limit has just passed.

        An answer that arrived while this process was busy is still read, for ``SLACK_SECONDS``.

        Raises:
            TimeoutError: the limit and ``SLACK_SECONDS`` have passed.
        """
        seconds = self._remaining()
        if seconds > 0:
            self._late_since = None
            return seconds
        now = time.monotonic()
        if self._late_since is None:
            self._late_since = now
        if now - self._late_since > SLACK_SECONDS:
            raise TimeoutError
        return 0.0


async def pause(abort: Abort, seconds: float) -> None:
    """Sleep, but wake if another thread aborts."""
    import asyncio

    loop = asyncio.get_running_loop()
    asked = loop.create_future()

    def finish() -> None:
        if not asked.done():
            asked.set_result(None)

    timer = loop.call_later(seconds, finish)
    abort.watch(lambda: call_soon(loop, finish))
    try:
        await asked
    finally:
        timer.cancel()
        abort.watch(None)


@contextlib.contextmanager
def waking() -> Iterator[None]:
    """Wake the event loop of the main thread now and then, so that an interrupt acts while a coroutine waits.

    The handler of ipykernel cancels the task of a cell that awaits, but a loop that sleeps does not see this before
    something else happens, such as an answer or the next cell.
    """
    import asyncio

    if threading.current_thread() is not threading.main_thread():  # which no signal reaches
        yield
        return
    loop, timer = asyncio.get_running_loop(), None

    def wake() -> None:
        nonlocal timer
        timer = loop.call_later(_WAKE_SECONDS, wake)

    wake()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


def call_soon(loop: Any, call: Callable[[], Any]) -> None:
    """Have an event loop call a function, from any thread."""
    with contextlib.suppress(RuntimeError):  # the loop is closed, so there is nothing left to end
        loop.call_soon_threadsafe(call)
