"""One batch: its arguments, checked before anything is sent, and its result."""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import secrets
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Unpack

import pandas as pd

from ..errors import StoreError, StoreWarning, brief, described, ends_a_process
from ..generation.generics import with_defaults
from ..models.model import Model
from ..protocol.cut_prompt import CUT
from ..storage.answers import Store, open_store
from ..storage.batches import BatchRecords, RunRecord
from ..storage.worker import LATE_SECONDS
from .batch import AsyncModel, Batch
from .chunks.pieced_batch import PiecedBatch
from .chunks.reading import pieces_of, rows_to_read
from .corrections import Corrections
from .examples import example_turns, read_examples
from .frames.foreign import kind_of
from .frames.given_back import given_back
from .gate import gate_of
from .interrupts import Stoppable
from .judging.judge import judge_of
from .labels import label_digest
from .ledger import Ledger
from .loop import batch_loop
from .marks import MARKS_NOTE
from .memory import Memory
from .options import LIMITS, Options, as_kept, at_once, checked, completed
from .outcome import Outcome
from .report import check_schema, forecast_of, outcome_frame, report_of
from .rows import Rows

__all__ = [
    "Run",
    "keep_anyway",
    "kernel_memory",
    "kernel_records",
    "known_runs",
    "model_of",
    "note_beginning",
    "records_of",
]

_HURRIED_SECONDS = 0.1  # each wait for the store after an interrupt
_KEPT_RUNS = 16
_KEPT_ROWS = 1_000_000  # of all remembered runs together, since they hold data and answers in memory
_CHUNK = 1024

_INSTRUCTION = f"Extract the fields from the text in the user's message, word for word. {MARKS_NOTE}"


class Run(Stoppable):
    """One batch over some rows.

    Attributes:
        name: the name of the run in ``runs()`` and in the report.
        kind: the kind of table of its data and its result.
        rows: its input.
        batch: the engine; a new one each time that the run is resumed.
        began: the time of its begin, in seconds since 1970.
        seconds: the seconds that it ran before it was last resumed.
        keys: the keys of its rows' requests, by position.
        unread: the error of an iterator of rows, which is then not read further.
        piece_keys: the keys of the requests that are sent, by piece if rows are cut.
        pieces: the pieces of its rows; None if they are sent whole.
        joined: joins the outcomes of pieces.
        corrections: the corrections of its rows.
        options: its other keywords as plain values.
        stops_without_store: whether to do nothing whose result cannot be kept.
        record: the run as the store keeps it, written at its last start or end.
        wants_rows: called on the loop's thread when more rows of an iterator are wanted.
        told: called on the loop's thread with the position and the outcome of each row that has ended; must be fast.
    """

    task, unit = "extract", "row"
    _warned: StoreWarning | None = None
    told: Callable[[int, Outcome], object] = staticmethod(lambda position, outcome: None)

    batch: Batch | PiecedBatch

    def __init__(
        self,
        data: Any,
        schema: Any,
        *,
        before: RunRecord | None = None,
        retry_states: Iterable[str] = (),
        gate: Any = None,
        **options: Unpack[Options],
    ) -> None:
        asked = completed(options)
        self._gate = gate  # given to the parts of a distributed batch, which are not listed as runs
        self._limits = checked({name: asked[name] for name in LIMITS})
        self.schema = with_defaults(schema)
        self.prompt, self.explode, sample = asked["prompt"], asked["explode"], asked["sample"]
        check_schema(self.schema, self.explode)
        self.judge = judge_of(asked["confidence"], self.schema)
        self.model = self._asked_model(asked["model"])
        self.kind = kind_of(data) if gate is None else "pandas"
        self.rows: Rows = rows_to_read(data, asked)
        shown = read_examples(asked["examples"], self.schema)
        self.rows.before = example_turns(shown, self.rows.example)
        self.whole_size = None if sample is None else self.rows.sample(sample)
        self.name = (
            before.run if before is not None else f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        )
        self.began = time.time() if before is None else before.began
        self.seconds = self._worked = 0.0
        self.unread: BaseException | None = None
        self.wants_rows: Callable[[], object] = lambda: None
        self.records = records_of(asked["store"])
        self.keys = bytearray()
        self.piece_keys = self.keys if asked["chunk"] is None else bytearray()
        self.corrections = Corrections(self.records, self.schema, self.rows, self.keys)
        instruction = _INSTRUCTION if self.prompt is None else None
        self._system_prompt = instruction if asked["system_prompt"] is None else asked["system_prompt"]
        self.options = as_kept(asked, [example.plain for example in shown])
        self._since = time.monotonic()
        self.pieces, self.joined = pieces_of(self.rows, asked["chunk"], asked["merge"])
        self.batch = self._batch(retry_states=retry_states)
        if gate is None:
            self.record = self._recorded()
            note_beginning(self.records, self.record)
            _list(self)

    def _batch(
        self,
        ledger: Ledger | None = None,
        positions: list[int] | None = None,
        *,
        retry_states: Iterable[str],
        further: bool = True,
    ) -> Batch | PiecedBatch:
        start, most = at_once(self._limits["max_concurrency"], self.model)
        gate, limits = self._gate, None
        if gate is None:
            gate = gate_of(getattr(self.model, "gate_key", self.model), getattr(self.model, "name", ""))
            limits = {"start": start, "most": most, "rpm": self._limits["rpm"], "tpm": self._limits["tpm"]}
        self.stops_without_store = self._limits["on_store_error"] == "stop"
        self._memory = Memory(
            self.records,
            retry_states=retry_states,
            keys=self.piece_keys,
            judge=self.judge,
            stops=self.stops_without_store,
        )
        make = functools.partial(
            Batch,
            self.rows if self.pieces is None else self.pieces,
            self.model,
            self.schema,
            system_prompt=self._system_prompt,
            on_error=self._limits["on_error"],
            limit=most,
            gate=gate,
            limits=limits,
            memory=self._memory,
            max_cost=self._limits["max_cost"],
            hungry=lambda: self.wants_rows(),
            ledger=ledger,
            positions=positions,
            further=further,
            judge=self.judge,
        )

        def told(position: int, outcome: Outcome) -> None:
            self.told(position, outcome)

        if self.pieces is None or self.joined is None:
            return make(told=told)
        return PiecedBatch(lambda take: make(told=take), self.pieces, self.joined, told)

    def _asked_model(self, model: AsyncModel | str | None) -> AsyncModel:
        found = model_of(model)
        asked: AsyncModel = found if self.judge is None else self.judge.asked(found)
        return asked

    def again(
        self,
        states: Iterable[str],
        *,
        retry_states: Iterable[str] = (),
        further: bool = True,
        model: AsyncModel | str | None = None,
        **limits: Any,
    ) -> None:
        """Prepare to continue with the rows that ended in some states.

        Args:
            states: the states.
            retry_states: states whose rows are asked again although they were paid for.
            further: whether to continue with an iterator that was not read to its end.
            model: another model to ask from now on, or None.
            limits: new values for some of ``LIMITS``.
        """
        self._limits = checked({**self._limits, **limits})
        self.model = self.model if model is None else self._asked_model(model)
        self.seconds, self._worked, self._since = self.seconds + self._worked, 0.0, time.monotonic()
        batch = self.batch
        ended = self.settled() if isinstance(batch, Batch) else batch.settled_pieces()
        self.batch = self._batch(*ended.reopened(states), retry_states=retry_states, further=further)
        self.record = self._recorded()
        keep_anyway(self.records, self.record, bytes(self.piece_keys))

    def prepared(self, position: int) -> Any:
        """Return a row's call without making it; None if there is nothing to send.

        Raises:
            CellError: a cell has no text.
            MsgfluxError: the request cannot be built.
        """
        message = self.rows.message(position) if self.pieces is None else self.pieces.message(position)
        if message is None:
            return None
        return self.model.prepare(message, system_prompt=self._system_prompt, generation_schema=self.schema)

    def number_of(self, position: int, piece: int | None = None) -> int:
        """Return the number of a row's request; if rows are cut, that of a piece, by default the first that went wrong.

        Raises:
            IndexError: the row has no such piece.
        """
        if self.pieces is None:
            return position
        numbers = self.pieces.of_rows[position]
        if piece is not None:
            return numbers[piece]
        ledger = self.settled() if isinstance(self.batch, Batch) else self.batch.settled_pieces()
        return next((number for number in numbers if ledger.state(number) not in ("ok", "cached")), numbers[0])

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.batch.started and not self.batch.ended.is_set()

    def feed(self) -> None:
        """Read more of an iterator, on its owner's thread; its error is raised when the rows before have ended."""
        try:
            self.rows.read(_CHUNK)
        except BaseException as error:
            self.rows.close()
            if ends_a_process(error):
                raise
            self.unread = error
        finally:
            batch_loop.call(self.batch.fed)

    def settled(self) -> Ledger:
        """Return the present outcome of every row."""
        batch = self.batch
        if isinstance(batch, PiecedBatch):
            return batch.settled()
        in_flight = batch.in_flight
        batch.ledger.grow(len(self.rows))
        return batch.ledger.settled(in_flight, batch.stopped, batch.paid)

    def _frame(self) -> pd.DataFrame:
        ledger = self.settled()
        within = LATE_SECONDS if self.batch.stopped != "interrupted" else _HURRIED_SECONDS
        try:
            self.corrections.set_right(ledger.values, None if within == LATE_SECONDS else within)
        except StoreError as error:
            self._memory.fail(error)
        frame = outcome_frame(self.schema, ledger, self.rows.index, self.explode)
        self._worked = time.monotonic() - self._since
        if self.records is not None:
            self.records.settle(within)
        frame.attrs["report"] = self.report(ledger)
        self.record = self._recorded(frame.attrs["report"], ended=time.time())
        keep_anyway(self.records, self.record, bytes(self.piece_keys), within)
        frame.attrs["report"].update(self._memory.told())
        return frame

    def report(self, ledger: Ledger) -> dict[str, Any]:
        """Return the report of the run so far, as plain values."""
        worked = time.monotonic() - self._since if self.is_running else self._worked
        report = report_of(
            ledger,
            run=self.name,
            model=self.model.name,
            seconds=self.seconds + worked,
            stopped=self.batch.stopped
            or (self.unread and f"the rest of the data could not be read: {described(self.unread)}"),
            store=None if self.records is None or self.records.store.path is None else str(self.records.store.path),
        )
        report.update(self._memory.told())
        if self.whole_size is not None:
            report["forecast"] = forecast_of(report, self.whole_size - len(ledger), self._memory.recalled)
        return report

    def _recorded(self, report: dict[str, Any] | None = None, *, ended: float | None = None) -> RunRecord:
        """Return the run's record for the store, at its start or its end."""
        return RunRecord(
            run=self.name,
            began=self.began,
            model=self.model.name,
            schema=getattr(self.schema, "__name__", str(self.schema)),
            prompt=self.prompt,
            report=report or {**self.report(Ledger()), "rows": len(self.rows)},
            ended=ended,
            options={**self.options, **self._limits},
            labels=None if ended is None else label_digest(self.rows.index),
        )

    def warn_of_store(self, above: int, *, ended: bool = False) -> None:
        """Warn the caller, ``above`` frames up, of errors of the store, and at the end of answers that it lacks."""
        error = self._memory.warn(above + 2, ended=ended)
        if error is not None:
            self._warned = self._warned or error
            batch_loop.call(functools.partial(self.batch.stop, str(error)))

    def given_back(self, result: pd.DataFrame) -> pd.DataFrame:
        """Return the frame as a table of the data's kind."""
        table: pd.DataFrame = given_back(result, self.kind, self.schema, self.explode)  # or a table of polars or Arrow
        return table

    def returned(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the result as a table of the data's kind, or raise the run's error with the table as ``result``."""
        result = self.given_back(frame)
        self.warn_of_store(4, ended=True)
        if self.batch.view_fault is not None:
            warnings.warn(f"the display of this batch failed: {self.batch.view_fault}", RuntimeWarning, stacklevel=4)
        self._tell_of_cuts()
        of_a_row = self.batch.error if self._limits["on_error"] == "raise" else None
        error = self.batch.crash or self.unread or of_a_row or self._warned
        if error is None:
            return result
        error.result = result  # type: ignore[attr-defined]  # for the code that catches it
        raise error

    def _tell_of_cuts(self) -> None:
        cut = [said for row in self.batch.ledger.warnings.values() for said in row if said.startswith(CUT)]
        if cut:
            rows = "1 row" if len(cut) == 1 else f"{len(cut):,} rows"
            warnings.warn(f"{rows}: {cut[0]} See _warnings.", RuntimeWarning, stacklevel=5)


_runs: OrderedDict[str, Run] = OrderedDict()
_runs_lock = threading.Lock()  # batches may begin on many threads
_kernels: list[BatchRecords] = []


def _list(run: Run) -> None:
    with _runs_lock:
        _runs[run.name] = run
        while len(_runs) > 1 and (len(_runs) > _KEPT_RUNS or sum(len(one.rows) for one in _runs.values()) > _KEPT_ROWS):
            _runs.popitem(last=False)


def known_runs() -> list[Run]:
    """Return the runs of this process, the oldest first."""
    with _runs_lock:
        return list(_runs.values())


def note_beginning(records: BatchRecords | None, record: RunRecord) -> None:
    """Write the begin of a run to the store, which tests it before anything is sent.

    Raises:
        StoreError: the file cannot be written; a locked file is no error and is written later.
    """
    if records is None:
        return
    try:
        records.put_run(record)
    except StoreError:
        if not records.is_held:
            records.drop_run(record.run)
            raise


def keep_anyway(
    records: BatchRecords | None, record: RunRecord, keys: bytes = b"", within: float = LATE_SECONDS
) -> None:
    """Write the state of a run to the store; if that fails, it waits in memory like the answers."""
    if records is not None:
        with contextlib.suppress(StoreError):  # the records report it
            records.put_run(record, keys, within)


def kernel_records() -> list[BatchRecords]:
    """Return the records of batches without ``store``, or None if there were none."""
    return list(_kernels)


def kernel_memory() -> BatchRecords:
    """Return the records of batches without ``store``, which live as long as this process."""
    if not _kernels:
        _kernels.append(BatchRecords(Store(None)))
    return _kernels[0]


def records_of(store: Any) -> BatchRecords | None:
    """Return the records for the keyword ``store``.

    Raises:
        TypeError: ``store`` is not a path, None or False.
        StoreError: the file cannot be used.
    """
    if store is False:
        return None
    if isinstance(store, BatchRecords):
        return store
    if store is not None and not isinstance(store, str | os.PathLike):
        raise TypeError(f"store: expected a path, None or False, got {brief(store)} ({type(store).__name__})")
    if store is not None:
        return BatchRecords(open_store(store))
    return kernel_memory()


def model_of(model: AsyncModel | str | None) -> AsyncModel:
    """Return a model, by its name if a text is given; the embedded model for None.

    Raises:
        TypeError: ``model`` is not a model.
    """
    if model is None:
        return Model.chat_completion()
    if isinstance(model, str):
        return Model.chat_completion(model)
    if not callable(getattr(model, "prepare", None)):
        raise TypeError(
            "model: expected mf.Model.chat_completion(...), a name such as 'openai/gpt-4.1-nano', or None for the "
            f"embedded model, got {type(model).__name__!r}"
        )
    return model
