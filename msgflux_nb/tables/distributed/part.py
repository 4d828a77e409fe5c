"""One part of a distributed batch; its gate and its records are the desk's."""

from __future__ import annotations

import asyncio
import concurrent.futures
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from ...errors import AuthenticationError, StoreError
from ...protocol.allowance import Allowance
from ...storage.answers import Store, open_store
from ...storage.batches import BatchRecords, Record, RunRecord
from ...storage.file import BusyError
from ..ledger import Ledger
from ..loop import batch_loop
from ..report import outcome_frame, with_warnings
from ..run import Run
from .share import Link, Terms, machine, own_path, sees

__all__ = ["PLACES", "BatchRequest", "run_part"]

_HEARTBEAT_SECONDS = 0.1
_STORE_SECONDS = 30.0  # the longest wait at the end of a part for answers that are not written
PLACES = ("auto", "file", "beside", "scheduler")
_ASKED_AT_ONCE = 8  # open questions to the desk; each holds a connection


class BatchRequest(msgspec.Struct, frozen=True):
    """The settings of a batch, as they are sent to its parts.

    Attributes:
        model: the model to ask.
        schema: what answers are decoded to.
        options: the other keywords of a run.
        terms: the limits of all parts together.
        place: where a part keeps answers: ``file`` (the named file itself), ``beside`` (its own file next to it, merged
            later), ``scheduler`` (through the desk), or ``auto``.
    """

    model: Any
    schema: Any
    options: dict[str, Any]
    terms: Terms
    place: str = "auto"


def run_part(data: Any, asked: BatchRequest, link: Link, *, cancelled: Callable[[], bool]) -> pd.DataFrame:
    """Ask the rows of one part and return their frame.

    Args:
        data: a DataFrame or a Series.
        asked: the settings of the batch.
        link: the link to the desk.
        cancelled: returns whether the task was cancelled.

    Raises:
        StoreError: the store cannot be used.
        CancelledError: the task was cancelled.
        MsgfluxError: with ``on_error="raise"``.
    """
    if not len(data):
        return with_warnings(
            outcome_frame(
                asked.schema, Ledger(sure=bool(asked.options.get("confidence"))), data.index, asked.options["explode"]
            )
        )
    part = secrets.token_hex(8)
    begun = link.ask_and_wait("begin", part=part, worker=link.worker, terms=msgspec.msgpack.encode(asked.terms))
    told: Any = None
    try:
        records = None if asked.terms.store is False else _records(part, asked, link, _checked(begun))
        gate = _SharedGate(link, part)
        run = Run(
            data,
            asked.schema,
            model=asked.model,
            store=False if records is None else records,
            max_concurrency=asked.terms.most,
            max_cost=asked.terms.max_cost,  # the desk adds up costs; a part only finds out that a price is not known
            gate=gate,
            **asked.options,
        )
        gate.batch = run.batch
        result = _waited_for(run, cancelled)
        told = gate.told()
        if run.batch.stopped is not None and not gate.was_told:
            link.ask_and_wait("stop", part=part, reason=run.batch.stopped)
        if records is not None:
            _written(records)
        if isinstance(records, _Beside):
            records.close()
        return _returned(run, result)
    finally:
        link.ask_and_wait("end", part=part, told=told)


def _waited_for(run: Run, cancelled: Callable[[], bool]) -> pd.DataFrame:
    done = batch_loop.submit(run.batch.run())
    try:
        while not run.batch.ended.wait(_HEARTBEAT_SECONDS):
            run.warn_of_store(2)
            if cancelled():
                raise CancelledError("the task was cancelled: nobody waits for its result")
            if done.done():
                break
    except BaseException:
        run.interrupt_and_wait()
        raise
    return run.result()


def _written(records: BatchRecords) -> None:
    """Wait until all is written: the desk accepts nothing from a part that has ended."""
    end = time.monotonic() + _STORE_SECONDS
    while records.flush() and time.monotonic() < end:
        time.sleep(_HEARTBEAT_SECONDS)


def _returned(run: Run, result: pd.DataFrame) -> pd.DataFrame:
    error = run.batch.error
    if isinstance(error, AuthenticationError) and error.status is None:  # no key was found, so nothing was sent
        raise AuthenticationError(str(error))
    result.attrs = {}  # a part's report would look like the whole result's
    try:
        return run.returned(with_warnings(result))
    except Exception as error:  # it is pickled: drop what is large or cannot be pickled
        error.result = None  # type: ignore[attr-defined]
        if hasattr(error, "snapshot"):
            error.snapshot = None
        raise


def _checked(answer: Any) -> Any:
    if isinstance(answer, dict) and "error" in answer:
        raise (BusyError if answer.get("busy") else StoreError)(answer["error"])
    return answer


# -- the gate ----------------------------------------------------------------------------------------------------------


class _SharedGate:
    """The desk's gate, with the interface of a local one.

    Attributes:
        batch: the batch that uses it.
        was_told: whether the desk has stopped the batch.
    """

    def __init__(self, link: Link, part: str) -> None:
        self.batch: Any = None
        self.was_told = False
        self._link, self._part = link, part
        self._few = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._answers = 0
        self._ended: list[dict[str, Any]] = []
        self._allowances: dict[int, Allowance] = {}
        self._telling: asyncio.Task[None] | None = None

    def told(self) -> list[float]:
        """Return what the batch has spent so far, and for how many answers."""
        batch = self.batch
        return [0.0 if batch is None else batch.spent, self._answers]

    async def enter(self, tokens: float = 0, *, again: bool = False) -> int | None:
        """Wait until a call may begin; stop the batch if the desk says so."""
        async with self._few:
            if self.batch is not None and self.batch.stopped is not None:
                return None
            said = await self._link.ask("enter", part=self._part, tokens=tokens, again=again, told=self.told())
        if "stop" in said:
            self.was_told = True
            if self.batch is not None:
                self.batch.stop(said["stop"])
            return None
        ticket: int = said["ticket"]
        return ticket

    def heed(self, ticket: int, allowance: Allowance) -> None:
        """Note the rate limits that a server has sent."""
        self._allowances[ticket] = allowance

    def leave(self, ticket: int | None, *, used: float | None = None) -> None:
        """Note that a call has ended in a way that says nothing about the server's load."""
        self._end(ticket, "leave", used=used)

    def succeed(self, ticket: int, *, used: float | None = None) -> None:
        """Note that a call was answered."""
        self._answers += 1
        self._end(ticket, "succeed", used=used)

    def congest(self, ticket: int, *, retry_after: float | None = None) -> None:
        """Note that the server refused a call because of its load."""
        self._end(ticket, "congest", retry_after=retry_after)

    def _end(self, ticket: int | None, how: str, **more: Any) -> None:
        if ticket is None:
            return
        allowance = self._allowances.pop(ticket, None)
        said = None if allowance is None else msgspec.structs.asdict(allowance)
        self._ended.append({"ticket": ticket, "how": how, "used": None, "retry_after": None, "allowance": said, **more})
        if self._telling is None or self._telling.done():
            # A task begins after the row is in the ledger, so that its cost is reported too.
            self._telling = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        while self._ended:
            ended, self._ended = self._ended, []
            await self._link.ask("leave", part=self._part, ended=ended, told=self.told())


# -- the store ---------------------------------------------------------------------------------------------------------


def _records(part: str, asked: BatchRequest, link: Link, begun: dict[str, Any]) -> BatchRecords:
    if begun["path"] is None:
        return _PartRecords(Store(None, _DesksFile(None, link, part)))
    path = Path(begun["path"])
    place = "file" if begun["flag"] is None else asked.place
    if place == "auto":
        same = sees(path, begun["flag"])
        place = "scheduler" if not same else "file" if begun["machine"] == machine() else "beside"
    if place == "file":  # SQLite's log needs all writers on one machine
        return _PartRecords(open_store(path))
    desks = _PartRecords(Store(path, _DesksFile(path, link, part)))
    if place == "scheduler":
        return desks
    own = own_path(path)
    link.ask_and_wait("own_file", part=part, path=str(own))
    return _Beside(desks, Store(own))


class _PartRecords(BatchRecords):
    """The records of a part; only the whole is a run."""

    def put_run(self, run: RunRecord, keys: bytes = b"", within: float = 0) -> None:
        """Do nothing: a part is not a run."""


class _Beside(_PartRecords):
    """Writes new records to the part's own file, and reads those of all parts."""

    def __init__(self, all_of_them: BatchRecords, own: Store) -> None:
        super().__init__(own)
        self._all = all_of_them

    def get_all(self, keys: list[bytes]) -> dict[bytes, Record]:
        return {**self._all.get_all(keys), **super().get_all(keys)}

    def related(self, question: bytes) -> list[Record]:
        return [*super().related(question), *self._all.related(question)]

    def may_know(self, key: bytes) -> bool:
        return True

    @property
    def has_some(self) -> bool:
        return self._all.has_some

    def close(self) -> None:
        """Close the file, so that the desk can merge it; send what could not be written to the desk."""
        if self.settle():
            self.give(self._all)
        self.store.close()


class _DesksFile:
    """The desk's file, with the interface of a local one."""

    lasts = True

    def __init__(self, path: Path | None, link: Link, part: str) -> None:
        self.name = "of the desk" if path is None else repr(str(path))
        self._link, self._part = link, part

    def open(self) -> None:
        """Do nothing: it is open at the desk."""

    def execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return self._run([(statement, list(values))])

    def write(self, statements: Iterable[tuple[str, Sequence[object]]]) -> None:
        """Run several statements as one transaction."""
        self._run([(statement, list(values)) for statement, values in statements])

    def _run(self, statements: list[tuple[str, list[object]]]) -> list[tuple[Any, ...]]:
        try:
            found = _checked(self._link.ask_and_wait("rows", part=self._part, statements=statements))
        except (OSError, TimeoutError, concurrent.futures.TimeoutError) as error:
            raise StoreError(f"the store {self.name} cannot be reached: {error}") from error
        return [tuple(row) for row in found]

    def followed(self) -> str | None:
        """Do nothing: the desk does this."""
        return None

    def reopen(self) -> None:
        """Do nothing: the desk does this."""

    def close(self) -> None:
        """Do nothing: it stays open at the desk."""
