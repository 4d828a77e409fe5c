"""The records of a batch in the store: one for each request and one for each run.

A record is committed before its row is shown as done. It holds the request, the provider's bytes, and the structure's
text. So no request is paid for twice, and an answer can be decoded again after its schema has changed. A failed request
has a record with its error; such a record never replaces an answer.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Annotated, Any

import msgspec

from ..errors import StoreError
from .answers import Store
from .waiting import Table
from .worker import LATE_SECONDS

__all__ = ["KEY_BYTES", "BatchRecords", "Record", "RunRecord"]

KEY_BYTES = 32  # the length of a request's key


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one request.

    Attributes:
        key: the hash of the whole request.
        question: the hash of the request without its structure.
        state: how the row ended: ``ok``, ``invalid``, ``refused``, ``truncated``, ``failed``.
        text: the text of the structure.
        request: the body of the request.
        answer: the provider's bytes, or None if no complete answer came.
        error: the error, or None.
        attempts: how many requests were sent.
        prompt_tokens: billed prompt tokens, or None.
        completion_tokens: billed answer tokens, or None.
        cost: US dollars, or None.
        seconds: how long the request took, or None.
        warnings: the answer's warnings, one sentence per line; None if there are none.
    """

    key: bytes
    question: bytes
    state: str
    text: str | None
    request: bytes
    answer: bytes | None
    error: str | None = None
    attempts: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    warnings: str | None = None


class _Report(msgspec.Struct):
    """The fields of a run's report that are read by name."""

    rows: Annotated[int, msgspec.Meta(ge=0)]
    states: dict[str, int]
    cost: float | None
    seconds: float | None
    stopped: str | None
    recorded: dict[str, int] = {}


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a batch.

    Attributes:
        run: the run's name.
        task: ``extract`` or ``grid``.
        began: when it began, in seconds since 1970.
        model: the model's name; for a grid the names of all models.
        schema: the name of the schema.
        prompt: the prompt, or None; for a grid the names of its prompts.
        report: its progress so far, as plain values.
        ended: when it ended, in seconds since 1970; None while it runs, or if its process was killed.
        options: its other options, as plain values.
        labels: the fingerprint of its index, set at the end.
    """

    run: str
    began: Annotated[float, msgspec.Meta(ge=0, le=253_402_300_799)]
    model: str
    schema: str
    prompt: str | None
    report: dict[str, Any]
    task: str = "extract"
    ended: float | None = None
    options: dict[str, Any] = {}
    labels: str | None = None


_BILL = ("prompt_tokens", "completion_tokens", "cost", "seconds")
_TOGETHER = (1, 4, 16, 64, 256)  # numbers of keys in one query
_FIELDS = Record.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_TAKE = "ON CONFLICT (key) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _FIELDS[2:])
# The latest answer counts, but a failure never replaces an answer.
_ROWS = Table(
    f"INSERT INTO rows ({_COLUMNS})", len(_FIELDS), f"{_TAKE} WHERE excluded.state <> 'failed' OR rows.state = 'failed'"
)
_RUNS = Table(
    "INSERT INTO runs (run, began, told, keys)",
    4,
    "ON CONFLICT (run) DO UPDATE SET told = excluded.told, keys = coalesce(nullif(excluded.keys, x''), keys)",
)
_SELECT = f"SELECT {_COLUMNS} FROM rows"  # noqa: S608  # our own names
# If both stores have an answer to a request, a good one wins, else our own.
_MERGE = (
    f"INSERT INTO rows ({_COLUMNS}) SELECT {_COLUMNS} FROM other.rows WHERE true {_TAKE} "  # noqa: S608
    "WHERE excluded.state <> 'failed' AND (rows.state = 'failed' OR (excluded.state = 'ok' AND rows.state <> 'ok'))"
)
_MERGE_RUNS = (
    "INSERT INTO runs (run, began, told, keys) SELECT run, began, told, keys FROM other.runs WHERE true "
    "ON CONFLICT (run) DO NOTHING"
)
_MERGE_CORRECTIONS = "INSERT INTO corrections SELECT * FROM other.corrections WHERE true ON CONFLICT DO NOTHING"

_MERGE_DECISIONS = "INSERT INTO decisions SELECT * FROM other.decisions WHERE true ON CONFLICT DO NOTHING"


class BatchRecords:
    """The records of one store; safe for threads and for several processes on one machine.

    Records that are not written yet are found too.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.left = 0  # how many records the last ``flush`` left unwritten

    def get(self, key: bytes) -> Record | None:
        """Return the record of a request, or None."""
        return self.waiting(key) or self.get_all([key]).get(key)

    def waiting(self, key: bytes) -> Record | None:
        """Return the unwritten record of a request, or None."""
        values = self.store.worker.waiting.get(_ROWS, key)
        return None if values is None else Record(**dict(zip(_FIELDS, values, strict=True)))

    def get_all(self, keys: list[bytes]) -> dict[bytes, Record]:
        """Return the written records of some requests.

        Raises:
            StoreError: the store cannot be used.
        """
        found: dict[bytes, Record] = {}
        for start in range(0, len(keys), _TOGETHER[-1]):
            some = keys[start : start + _TOGETHER[-1]]
            count = next(count for count in _TOGETHER if count >= len(some))  # few sizes: few statements to parse
            some += some[-1:] * (count - len(some))
            statement = f"{_SELECT} WHERE key IN ({', '.join('?' * count)})"
            try:
                rows = self.store.rows(statement, *some)
            except StoreError as error:
                if not isinstance(error.__cause__, sqlite3.DataError):
                    raise
                if len(keys) > 1:  # only the row that is too long is left out
                    return {key: one for key in keys for one in self.get_all([key]).values()}
                self.store.worker.tell(f"the store {self._name} holds a row that is too long to be read: {error}")
                return {}
            found |= {one.key: one for one in map(self._record, rows) if one is not None}
        return found

    def bills(self, keys: list[bytes], within: float | None = None) -> dict[bytes, dict[str, Any]]:
        """Return the bills of some requests, including unwritten records.

        Args:
            keys: the keys of the requests.
            within: how many seconds to wait for each query.

        Raises:
            StoreError: the store cannot be used.
        """
        found = {key: record for key in keys if (record := self.waiting(key)) is not None}
        bills = {key: {name: getattr(record, name) for name in _BILL} for key, record in found.items()}
        left = [key for key in keys if key not in bills]
        statement = f"SELECT key, {', '.join(_BILL)} FROM rows WHERE key IN"  # noqa: S608  # our own names
        for start in range(0, len(left), _TOGETHER[-1]):
            some = left[start : start + _TOGETHER[-1]]
            for key, *told in self.store.rows(f"{statement} ({', '.join('?' * len(some))})", *some, within=within):
                if all(amount is None or isinstance(amount, int | float) for amount in told):
                    bills[key] = dict(zip(_BILL, told, strict=True))
        return bills

    def related(self, question: bytes) -> list[Record]:
        """Return the records of the same question with other structures, the latest first."""
        keys = [
            key for (key,) in self.store.rows("SELECT key FROM rows WHERE question = ? ORDER BY rowid DESC", question)
        ]
        found = self.get_all(keys)
        return [found[key] for key in keys if key in found]

    def may_know(self, key: bytes) -> bool:
        """Whether there may be a record with this key or question, without a query."""
        return self.store.may_know(key)

    def put(self, record: Record) -> None:
        """Keep a record; it is committed when this returns.

        Raises:
            StoreError: the record is not committed yet; it is written as soon as possible.
        """
        self.put_soon(record)
        if self.flush() and self.trouble is not None:
            raise StoreError(self.trouble)

    def put_soon(self, record: Record) -> None:
        """Keep a record; await :meth:`kept` to know that it is committed.

        Raises:
            StoreError: the store was closed.
        """
        if record.state == "failed":
            before = self.waiting(record.key)
            if before is not None and before.state != "failed":
                return
        self.store.will_know(record.key, record.question)
        self.store.worker.put(_ROWS, record.key, msgspec.structs.astuple(record))

    async def kept(self) -> None:
        """Wait until all records are committed or cannot be committed now; return at once for a store in memory."""
        if self.lasts:
            await self.store.worker.kept()

    @property
    def lasts(self) -> bool:
        """Whether the records outlive this process."""
        return self.store.worker.file.lasts

    @property
    def trouble(self) -> str | None:
        """Why records cannot be committed, or None."""
        return self.store.worker.trouble

    @property
    def problems(self) -> list[str]:
        """The store's errors so far."""
        return self.store.worker.problems

    @property
    def unwritten(self) -> int:
        """How many entries are not written yet."""
        return len(self.store.worker.waiting)

    @property
    def has_some(self) -> bool:
        """Whether there are any records; true if that is unknown because another process holds the file.

        Raises:
            StoreError: the store cannot be used.
        """
        try:
            return self.unwritten > 0 or self.store.row("SELECT 1 FROM rows LIMIT 1") is not None
        except StoreError:
            if not self.is_held:
                raise
            return True

    @property
    def is_full(self) -> bool:
        """Whether so much is unwritten that nothing more should be added."""
        return self.store.worker.is_full()

    def flush(self, within: float = LATE_SECONDS) -> int:
        """Try for some seconds to write everything; return how many entries are left."""
        self.left = self.store.worker.flush(within)
        return self.left

    def give(self, other: BatchRecords) -> None:
        """Hand the unwritten records to another object to write."""
        for write in self.store.worker.waiting.everything():
            other.store.worker.put(*write)

    @property
    def is_held(self) -> bool:
        """Whether another process or a network, rather than the file itself, blocks writing."""
        return self.store.worker.held

    def settle(self, within: float = LATE_SECONDS) -> int:
        """Check that the store is still the file at its path, and try to write everything; return how much is left."""
        if self.store.path is not None:
            self.store.worker.follow(within)
        return self.flush(within)

    def merge(self, other: BatchRecords) -> None:
        """Copy answers, runs, corrections and decisions that this store lacks from another store on disk.

        Raises:
            StoreError: one of them cannot be used.
        """
        if other.store.path is None:
            raise StoreError("merge: expected a store in a file, got one in memory")
        if waiting := other.flush():  # the copy is made from the file
            raise StoreError(
                f"merge: {waiting} entries of {other.store.path} wait to be written. {other.trouble or ''}".strip()
            )
        self.store.take_over(other.store.path, _MERGE, _MERGE_RUNS, _MERGE_CORRECTIONS, _MERGE_DECISIONS)

    def put_run(self, run: RunRecord, keys: bytes = b"", within: float = LATE_SECONDS) -> None:
        """Keep a run's progress.

        Args:
            run: the run.
            keys: the keys of its rows' requests, joined by position; zeros for a row without a request.
                Empty to leave them as they are.
            within: how many seconds to wait.

        Raises:
            StoreError: the progress is not written yet.
        """
        told = _as_json(run)
        before = self.store.worker.waiting.get(_RUNS, run.run)
        self.store.worker.put(
            _RUNS, run.run, (run.run, run.began, told, keys or (b"" if before is None else before[3]))
        )
        if self.flush(within) and self.trouble is not None:
            raise StoreError(self.trouble)

    def drop_run(self, name: str) -> None:
        """Discard the unwritten record of a run that has not begun."""
        self.store.worker.waiting.drop(_RUNS, name)

    def run(self, name: str) -> RunRecord | None:
        """Return the record of a run, or None."""
        values = self.store.worker.waiting.get(_RUNS, name)
        if values is not None:
            return self._run(values[2])
        row = self.store.row("SELECT told FROM runs WHERE run = ?", name)
        return None if row is None else self._run(row[0])

    def runs(self) -> list[RunRecord]:
        """Return the runs, the oldest first, including unwritten ones."""
        self.flush()
        waits = self.store.worker.waiting.everything()
        waiting = {write.key: write.values[2] for write in waits if write.table is _RUNS}
        written: dict[str, Any] = dict(self.store.rows("SELECT run, told FROM runs ORDER BY began, rowid"))
        return [self._run(told) for told in (written | waiting).values()]

    def of_row(self, run: str, position: int) -> Record | None:
        """Return the record of the request for one row of a run, or None."""
        start = position * KEY_BYTES
        values = self.store.worker.waiting.get(_RUNS, run)
        if values is not None and values[3]:
            return self.get(values[3][start : start + KEY_BYTES])
        row = self.store.row("SELECT substr(keys, ?, ?) FROM runs WHERE run = ?", start + 1, KEY_BYTES, run)
        return None if row is None or not isinstance(row[0], bytes) else self.get(row[0])

    def __len__(self) -> int:
        row = self.store.row("SELECT count(*) FROM rows")
        return 0 if row is None else int(row[0])

    def _record(self, row: tuple[Any, ...]) -> Record | None:
        """Return a record from a row of the table; None, with a warning, for a row that we have not written."""
        try:
            return msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Record)
        except msgspec.ValidationError as error:
            self.store.worker.tell(f"the store {self._name} holds a row that msgflux_nb has not written: {error}")
            return None

    def _run(self, told: Any) -> RunRecord:
        try:
            run = msgspec.json.decode(told, type=RunRecord)
            msgspec.convert(run.report, _Report)
        except (msgspec.DecodeError, TypeError, RecursionError, UnicodeError) as error:
            raise StoreError(f"the store {self._name} holds a run that msgflux_nb has not written: {error}") from error
        return run

    @property
    def _name(self) -> str:
        return self.store.worker.file.name


def _as_json(run: RunRecord) -> bytes:
    try:
        return msgspec.json.encode(run)
    except UnicodeEncodeError:  # a file name that is not UTF-8, or a lone surrogate in a prompt
        return json.dumps(msgspec.to_builtins(run), ensure_ascii=False).encode("utf-8", "replace")
