"""The desk: what the parts of a batch share on all workers: a gate, a budget, a reason to stop, a store.

All of it lives on one event loop: that of Dask's scheduler, or this process's own. A part asks through a :class:`Link`
with plain values, since there may be a network in between.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ...errors import StoreError
from ...protocol.allowance import Allowance
from ...storage.answers import Store, open_store
from ...storage.batches import BatchRecords
from ...storage.file import BusyError
from ..gate import FirstAlone, Gate, Ticket, over_budget

__all__ = ["Desk", "Link", "Terms", "machine", "own_path", "sees"]

_FLAG = ".flag"
_OWN = ".part-"
_STORE_SECONDS = 40.0  # the longest wait of a part for the store


class Terms(msgspec.Struct, frozen=True):
    """The limits of a batch that hold for all its parts together.

    Attributes:
        batch: its name.
        gate: the key of calls that a provider counts together.
        start: the number of concurrent requests at the beginning.
        most: the maximum number of concurrent requests.
        rpm: the maximum number of requests per minute.
        tpm: the maximum number of tokens per minute.
        max_cost: the maximum cost in US dollars.
        store: the path of the file of answers; None to keep them as long as the process lives; False for none.
    """

    batch: str
    gate: tuple[str, ...]
    start: int
    most: int
    rpm: float | None = None
    tpm: float | None = None
    max_cost: float | None = None
    store: str | bool | None = None


class Link(Protocol):
    """The link from a part to the desk."""

    worker: str

    async def ask(self, what: str, **told: Any) -> Any:
        """Ask a question from the batches' loop."""

    def ask_and_wait(self, what: str, **told: Any) -> Any:
        """Ask a question from any thread except the desk's own."""


class _Part:
    """A part that is running."""

    def __init__(self, terms: Terms, gate: Gate, worker: str) -> None:
        self.terms, self.gate, self.worker = terms, gate, worker
        self.tickets: dict[int, Ticket] = {}
        self.waiting: set[asyncio.Task[Any]] = set()
        self.own_file: str | None = None


class _Spent:
    """The expenses of a batch by part; a part reports its total so far."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[float, int]] = {}
        self.stopped: str | None = None
        self.first = FirstAlone()

    @property
    def cost(self) -> float:
        return sum(cost for cost, _ in self.parts.values())

    @property
    def answers(self) -> int:
        return sum(answers for _, answers in self.parts.values())


class Desk:
    """Answers the questions of parts; on one event loop only.

    Args:
        kernel: returns the records of batches without a file.
        flagged: whether parts may be on other machines, and have to find out whether they see this file system.
    """

    def __init__(self, kernel: Callable[[], BatchRecords], *, flagged: bool = False) -> None:
        self._kernel = kernel
        self._flagged = flagged
        self._parts: dict[str, _Part] = {}
        self._gates: dict[tuple[str, ...], Gate] = {}
        self._batches: dict[str, _Spent] = {}
        self._flags: dict[Path, str] = {}
        self._numbers = 0

    def answer(self, what: str, **told: Any) -> Any:
        """Return the answer to a question, or a coroutine that returns it.

        For a store that cannot be used it is a dict with ``error``, since an exception may not survive a network.
        """
        try:
            return getattr(self, f"_on_{what}")(**told)
        except StoreError as error:
            return {"error": str(error)}

    def forget_worker(self, worker: str) -> None:
        """Take back the tickets of a lost worker, and merge the answers in its own file."""
        for name in [name for name, part in self._parts.items() if part.worker == worker]:
            self._on_end(part=name)

    def clear_stops(self) -> None:
        """Forget the reasons that stopped earlier computations: they may no longer hold."""
        for spent in self._batches.values():
            spent.stopped = None

    def close(self) -> None:
        """Remove the flags next to the files."""
        for flag in self._flags:
            flag.with_name(flag.name + _FLAG).unlink(missing_ok=True)
        self._flags = {}

    # -- a part from its beginning to its end -------------------------------------------------------------------------

    def _on_begin(self, *, part: str, worker: str, terms: bytes) -> dict[str, Any]:
        asked = msgspec.msgpack.decode(terms, type=Terms)
        gate = self._gates.setdefault(asked.gate, Gate(start=1, together=min))  # no part keeps its batch's `most`
        gate.hold(part, start=asked.start, most=asked.most, rpm=asked.rpm, tpm=asked.tpm)
        self._batches.setdefault(asked.batch, _Spent())
        self._parts[part] = _Part(asked, gate, worker)
        if not isinstance(asked.store, str):
            return {"path": None}
        store = open_store(asked.store)
        assert store.path is not None
        self._take_over_what_is_left(store)
        return {
            "path": str(store.path),
            "flag": self._flag(store.path) if self._flagged else None,
            "machine": machine(),
        }

    def _on_own_file(self, *, part: str, path: str) -> None:
        self._parts[part].own_file = path

    def _on_end(self, *, part: str, told: Any = None) -> None:
        ended = self._parts.pop(part, None)
        if ended is None:
            return
        if told is not None:
            self._batches[ended.terms.batch].parts[part] = tuple(told)
        for waiting in ended.waiting:
            waiting.cancel()
        for ticket in ended.tickets.values():
            ended.gate.leave(ticket)
        ended.gate.release(part)
        self._batches[ended.terms.batch].first.end()
        if ended.own_file is not None:
            self._take_over(open_store(str(ended.terms.store)), Path(ended.own_file))

    # -- the gate -----------------------------------------------------------------------------------------------------

    async def _on_enter(self, *, part: str, tokens: float, again: bool, told: Any) -> dict[str, Any]:
        asking = self._parts[part]
        spent = self._batches[asking.terms.batch]
        spent.parts[part] = tuple(told)
        turn = asyncio.ensure_future(self._turn(asking, spent, tokens, again=again))
        asking.waiting.add(turn)
        try:
            ticket = await turn
        except asyncio.CancelledError:
            return {"stop": "the worker is gone"}
        finally:
            asking.waiting.discard(turn)
        reason = self._reason_to_stop(asking)
        if reason is not None or self._parts.get(part) is not asking:
            asking.gate.leave(ticket, used=0)
            spent.first.end()
            return {"stop": reason or "the worker is gone"}
        self._numbers += 1
        asking.tickets[self._numbers] = ticket
        return {"ticket": self._numbers}

    async def _turn(self, part: _Part, spent: _Spent, tokens: float, *, again: bool) -> Ticket:
        if part.terms.max_cost is not None:
            await spent.first.begin()
        try:
            return await part.gate.enter(tokens, again=again)
        except asyncio.CancelledError:
            spent.first.end()
            raise

    def _on_leave(self, *, part: str, ended: list[dict[str, Any]], told: Any) -> None:
        leaving = self._parts.get(part)
        if leaving is None:
            return
        gate, spent = leaving.gate, self._batches[leaving.terms.batch]
        spent.parts[part] = tuple(told)
        for one in ended:
            ticket = leaving.tickets.pop(one["ticket"], None)
            if ticket is None:
                continue
            if one["allowance"] is not None:
                gate.heed(ticket, Allowance(**one["allowance"]))
            if one["how"] == "congest":
                gate.congest(ticket, retry_after=one["retry_after"])
            else:
                getattr(gate, one["how"])(ticket, used=one["used"])
        spent.first.end(known=spent.answers > 0)

    def _on_stop(self, *, part: str, reason: str) -> None:
        stopping = self._parts.get(part)
        if stopping is not None:
            spent = self._batches[stopping.terms.batch]
            spent.stopped = spent.stopped or reason

    def _reason_to_stop(self, part: _Part) -> str | None:
        spent, most = self._batches[part.terms.batch], part.terms.max_cost
        if spent.stopped is not None or most is None:
            return spent.stopped
        flying = sum(len(other.tickets) for other in self._parts.values() if other.terms.batch == part.terms.batch)
        each = spent.cost / spent.answers if spent.answers else 0.0
        return over_budget(most, spent.cost, each, flying)

    # -- the store ----------------------------------------------------------------------------------------------------

    async def _on_rows(self, *, part: str, statements: list[tuple[str, list[Any]]]) -> Any:
        """Run statements and return the rows of the last one, without blocking other questions."""
        path = self._parts[part].terms.store
        if path is False:
            return []
        try:
            store = self._kernel().store if path is None else open_store(str(path))
            return await asyncio.wait_for(asyncio.wrap_future(store.run(statements)), _STORE_SECONDS)
        except BusyError as error:
            return {"error": str(error), "busy": True}
        except (StoreError, TimeoutError) as error:
            return {"error": str(error) or f"the store has not answered for {_STORE_SECONDS:.0f} s"}

    def _flag(self, path: Path) -> str:
        """Write a flag next to the file, so that a worker can tell whether it sees the same file system."""
        if path not in self._flags:
            self._flags[path] = secrets.token_hex(8)
            path.with_name(path.name + _FLAG).write_text(self._flags[path])
        return self._flags[path]

    def _take_over_what_is_left(self, store: Store) -> None:
        assert store.path is not None
        in_use = {part.own_file for part in self._parts.values()}
        for path in store.path.parent.glob(f"{store.path.stem}{_OWN}*{store.path.suffix}"):
            if str(path) not in in_use:
                self._take_over(store, path)

    def _take_over(self, store: Store, path: Path) -> None:
        if not path.exists():
            return
        left = Store(path)
        try:
            BatchRecords(store).merge(BatchRecords(left))
        finally:
            left.close()
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)


def machine() -> str:
    """Return a text that identifies this machine until it restarts."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}"


def sees(path: Path, flag: str) -> bool:
    """Return whether this process sees a flag that another process has written next to a file."""
    try:
        return path.with_name(path.name + _FLAG).read_text() == flag
    except OSError:
        return False


def own_path(path: Path) -> Path:
    """Return a unique path next to a file."""
    return path.with_name(f"{path.stem}{_OWN}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
