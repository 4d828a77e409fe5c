"""The thread of one store: runs its queries and writes its queued rows.

Only this thread uses the file, so a lock, a full disk or a hanging network blocks nothing else. A queued row can be
read at once, and is written in one transaction with all rows that came meanwhile. Rows that cannot be written stay in
the queue and are tried again, and the problem is reported.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, NamedTuple, TypeVar

from ..errors import StoreError
from .file import BusyError, File
from .waiting import Table, Waiting, Write

__all__ = ["LATE_SECONDS", "Worker"]

T = TypeVar("T")
LATE_SECONDS = 1.0
"""How long a row may wait to be written before that counts as trouble."""
_PATIENCE_SECONDS = 30.0  # how long a query waits while another process holds the file
_IDLE_SECONDS = 10.0  # the thread ends after this; the next query starts another one
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.1, 2.0
_HELD_SECONDS = 0.1  # how long to wait for a file that did not answer before
_LOCKED_SECONDS = 0.01  # between two tries while another process holds the file
_EXIT_SECONDS = 5.0
_GATHERING_SECONDS = 0.1  # from one write into a store in memory to the next
_MOST_BYTES = 256_000_000  # in the queue
_MOST_PROBLEMS = 1_000
_log = logging.getLogger("msgflux_nb")


class _Job(NamedTuple):
    work: Callable[[], Any]
    done: Future[Any]
    until: float


class Worker:
    """A store's thread, started when it is needed.

    Args:
        file: the store's file.

    Attributes:
        held: whether the trouble is another process that holds the file, or a file that does not answer.
        trouble: why queued rows cannot be written, or None.
        problems: what has gone wrong so far, as sentences.
        wrote: called on the thread after rows were written.
    """

    def __init__(self, file: File) -> None:
        self.file = file
        self.wrote: Callable[[], object] = lambda: None
        self._reset()

    def _reset(self) -> None:
        self.trouble: str | None = None
        self.problems: list[str] = []
        self.held = False
        self.waiting = Waiting()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._try_at = self._retry_seconds = 0.0
        self._tries = 0
        self._began_to_wait = 0.0
        self._closed = False
        self._exits = False

    @property
    def closed(self) -> bool:
        """Whether the store was closed."""
        return self._closed

    # -- queries ------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the file. If another process holds it, that is trouble, and it is opened when rows can be written.

        Raises:
            StoreError: the file cannot be used, or does not answer.
        """
        try:
            self.submit(self._open, LATE_SECONDS).result(_PATIENCE_SECONDS)
        except BusyError as error:
            self._in_trouble(str(error), held=True)
        except TimeoutError:
            raise self._silent(_PATIENCE_SECONDS) from None
        else:
            if not self.waiting:
                self.trouble = None

    def submit(self, work: Callable[[], T], patience: float = _PATIENCE_SECONDS) -> Future[T]:
        """Run some work on the file's thread; return its future.

        Args:
            work: the function to run.
            patience: for how many seconds to try again while another process holds the file.
        """
        done: Future[T] = Future()
        if threading.current_thread() is self._thread:
            _do(work, done)
        else:
            self._wake(_Job(work, done, time.monotonic() + patience))
        return done

    def ask(self, work: Callable[[], T], within: float | None = None) -> T:
        """Run some work on the file's thread, and wait for its result; an interrupt ends the wait.

        Args:
            work: the function to run.
            within: how many seconds to wait; None for half a minute, or for one second if the file already hangs.

        Raises:
            StoreError: the file cannot be used, or does not answer.
        """
        within = self._patience if within is None else within
        try:
            return self.submit(work).result(within)
        except TimeoutError:
            raise self._silent(within) from None

    async def aask(self, work: Callable[[], T]) -> T:
        """As :meth:`ask`, for a running event loop, which it does not block."""
        within = self._patience
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.submit(work)), within)
        except TimeoutError:
            raise self._silent(within) from None

    @property
    def _patience(self) -> float:
        """How many seconds to wait for the file: half a minute, or one second if it already hangs."""
        return LATE_SECONDS if self.trouble is not None and self.held else _PATIENCE_SECONDS + LATE_SECONDS

    def _silent(self, seconds: float) -> StoreError:
        return StoreError(f"the store {self.file.name} has not answered for {seconds:g} s")

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(self, table: Table, key: Any, values: tuple[Any, ...]) -> None:
        """Queue a row to be written soon; until then it is in ``waiting``.

        Raises:
            StoreError: the store was closed.
        """
        self._after_a_fork()
        if self._closed:
            raise StoreError(f"the store {self.file.name} cannot be used: it was closed")
        self.waiting.add(Write(table, key, values))
        if self.waiting.asleep:
            self.waiting.asleep = False
            self._wake(None)

    def is_full(self) -> bool:
        """Whether so much is queued that nothing more should be added."""
        return self.waiting.size > _MOST_BYTES

    async def kept(self) -> None:
        """Wait until all queued rows are written or there is trouble; at most a second."""
        if self.trouble is not None or not self.waiting:
            return
        turn = self.waiting.turn(asyncio.get_running_loop(), LATE_SECONDS, self._is_late)
        await turn.wait()

    def flush(self, seconds: float = LATE_SECONDS) -> int:
        """Try to write all queued rows now; return how many are left after a failure or when the time is over."""
        if threading.current_thread() is self._thread or self._closed:
            return len(self.waiting)
        self._after_a_fork()
        if self.trouble is not None and self.held:
            seconds = min(seconds, _HELD_SECONDS)
        tried, end = self._tries, time.monotonic() + seconds
        self._try_at = 0.0
        written = self.waiting.event()
        if self.waiting:
            self._wake(None)
        while self.waiting and not written.wait(0.02):
            now = time.monotonic()
            if now > end:
                self._is_late()
                break
            if self.trouble is not None and self._tries > tried:
                break
        return 0 if written.is_set() else len(self.waiting)  # rows that others have added since do not count

    def follow(self, seconds: float = LATE_SECONDS) -> None:
        """Make sure that the file is still the one at its path; never raises, and waits at most ``seconds``."""
        if self.trouble is not None and self.held:
            return
        try:
            self.submit(self._follow).result(seconds)
        except TimeoutError:
            self._is_late()
        except StoreError as error:
            self._fail(error)

    def close(self) -> None:
        """Write the queued rows if that is possible at once, and close the file for good."""
        if self._closed:
            return
        self.flush()

        def close() -> None:
            self._closed = True
            self.file.close()

        done = self.submit(close)
        atexit.unregister(self._exit)
        try:
            done.result(LATE_SECONDS)
        except TimeoutError:
            _log.info("the store %s does not answer, and was left open", self.file.name)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _wake(self, job: _Job | None) -> None:
        self._after_a_fork()
        with self._lock:
            self._jobs.put(job)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="msgflux-nb-store", daemon=True)
                self._thread.start()
            if job is None and not self._exits and self.file.lasts:
                self._exits = True
                atexit.register(self._exit)

    def _after_a_fork(self) -> None:
        if self._pid != os.getpid():  # the parent writes the queued rows, and its thread does not exist here
            self._reset()

    def _exit(self) -> None:
        end = time.monotonic() + _EXIT_SECONDS
        while self.flush(end - time.monotonic()) and time.monotonic() < end:
            time.sleep(_FIRST_RETRY_SECONDS)

    def _serve(self) -> None:
        while True:
            job = self._next()
            if job is not None:
                self._answer(job)
            if self.waiting and time.monotonic() >= self._try_at:
                try:
                    self._write()
                except Exception as error:  # the thread must not end while rows are queued
                    self._tries += 1
                    self._fail(StoreError(f"the store {self.file.name} cannot be written: {_named(error)}"))
            elif not self.waiting:
                with self._lock:
                    if job is None and self._jobs.empty() and not self.waiting and self._idle_since():
                        self._thread = None
                        return

    def _next(self) -> _Job | None:
        wait = _IDLE_SECONDS
        self.waiting.asleep = True  # from now on new rows wake this thread
        if self.waiting:
            self.waiting.asleep = False  # it looks again by itself
            wait = max(0.0, min(wait, self._try_at - time.monotonic()))
        self._began_to_wait = time.monotonic()
        try:
            return self._jobs.get(timeout=wait) if wait else self._jobs.get_nowait()
        except queue.Empty:
            return None

    def _idle_since(self) -> bool:
        return time.monotonic() - self._began_to_wait >= _IDLE_SECONDS

    def _answer(self, job: _Job) -> None:
        if self._closed:
            with contextlib.suppress(InvalidStateError):
                job.done.set_exception(StoreError(f"the store {self.file.name} cannot be used: it was closed"))
        elif not _do(job.work, job.done, may_wait=time.monotonic() < job.until):
            time.sleep(_LOCKED_SECONDS)  # another process holds the file
            self._jobs.put(job)

    def _open(self) -> None:
        self.file.open()
        self._follow()

    def _follow(self) -> None:
        done = self.file.followed()
        if done is not None:
            self.tell(done)

    def _write(self) -> None:
        group = self.waiting.group()
        try:
            self._follow()
            self.file.write(self.waiting.statements(group))
        except BusyError as error:
            self._tries += 1
            self._try_at = time.monotonic() + _LOCKED_SECONDS
            if self.waiting.age() > LATE_SECONDS:
                self._fail(error)
        except StoreError as error:
            self._tries += 1
            self._leave_out_what_fails(group, error)
        else:
            self._wrote(group)

    def _wrote(self, group: list[Write]) -> None:
        if self.trouble is not None:
            _log.info("the store %s can be written again", self.file.name)
        self.trouble, self._try_at, self._retry_seconds = None, 0.0, 0.0
        if not self.file.lasts:  # nobody waits for memory: write more rows at once
            self._try_at = time.monotonic() + _GATHERING_SECONDS
        self.waiting.remove(group)
        try:
            self.wrote()
        except StoreError as error:
            _log.info("the store %s: %s", self.file.name, error)
        except Exception as error:  # the rows are written
            self.tell(f"the store {self.file.name} cannot be read: {_named(error)}")

    def _leave_out_what_fails(self, group: list[Write], error: StoreError) -> None:
        """Write rows one by one, so that a row that SQLite refuses does not block the others."""
        if not _is_of_a_row(error):
            self._fail(error)
            return
        for one in group:
            try:
                self.file.write(self.waiting.statements([one]))
            except StoreError as problem:
                if not _is_of_a_row(problem):
                    self._fail(problem)
                    return
                self.tell(f"one answer is not kept: {problem}")
            self.waiting.remove([one])

    def _fail(self, error: StoreError) -> None:
        """Handle a failed write: the rows stay queued, and the file is reopened for the next try."""
        self._retry_seconds = min(_LAST_RETRY_SECONDS, max(_FIRST_RETRY_SECONDS, 2 * self._retry_seconds))
        if not isinstance(error, BusyError):
            self._try_at = time.monotonic() + self._retry_seconds
            self.file.reopen()
        self._in_trouble(str(error), held=isinstance(error, BusyError))

    def _is_late(self) -> None:
        if self.trouble is None and self.file.lasts and self.waiting.age() > 0.9 * LATE_SECONDS:
            self._in_trouble(f"the store {self.file.name} has written nothing for {LATE_SECONDS:.0f} s", held=True)

    def _in_trouble(self, why: str, *, held: bool) -> None:
        self.held = held
        if why != self.trouble:
            self.tell(why)
        self.trouble = why
        self.waiting.release()

    def tell(self, what: str) -> None:
        """Record a problem that the users of the store should know."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(what)
            _log.info("%s", what)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _is_of_a_row(error: StoreError) -> bool:
    """Whether SQLite refused a value, rather than the file."""
    refused = (OverflowError, UnicodeError, sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError)
    return isinstance(error.__cause__, refused)


def _do(work: Callable[[], T], done: Future[T], *, may_wait: bool = False) -> bool:
    """Do the work and settle the future; return False, with the future open, if the work has to wait."""
    if done.cancelled():
        return True
    try:
        result = work()
    except BaseException as error:
        if may_wait and isinstance(error, BusyError):
            return False
        with contextlib.suppress(InvalidStateError):  # cancelled meanwhile
            done.set_exception(error)
    else:
        with contextlib.suppress(InvalidStateError):
            done.set_result(result)
    return True
