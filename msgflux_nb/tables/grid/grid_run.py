"""One grid: its arguments, checked before anything is sent, and its result."""

from __future__ import annotations

import datetime
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from ...errors import StoreError, StoreWarning, brief
from ...generation.generics import with_defaults
from ...storage.batches import KEY_BYTES, RunRecord
from ..batch import Batch
from ..gate import gate_of
from ..interrupts import Stoppable
from ..ledger import Ledger
from ..loop import batch_loop
from ..memory import PAID_FOR, Memory
from ..options import OnStoreError, at_once, checked
from ..outcome import Outcome
from ..report import check_schema, report_of
from ..run import keep_anyway, note_beginning, records_of
from .asked import GridRows
from .batches import Batches
from .models import numbered, read_models
from .prompts import read_inputs, read_prompts
from .scores import Marks, check_scorer, marks_of, score_table
from .wide import wide_frame

__all__ = ["GridRun", "known_grids"]

_KEPT_GRIDS = 16
_BILLS_SECONDS = 5.0
_LIMITS = {"on_error": "keep", "rpm": None, "tpm": None}


class GridRun(Stoppable):
    """Every prompt × model × input × sample, asked as one batch.

    Args:
        prompts: as :func:`grid` takes them.
        inputs: likewise.
        models: likewise.
        schema: likewise.
        n: likewise.
        score: likewise.
        store: likewise.
        on_store_error: likewise.
        max_cost: likewise.

    Attributes:
        name: the name of the grid in its report.
        prompts: its prompts.
        models: its models with their names.
        inputs: the inputs.
        read: the inputs as rows, with their texts.
        index: the labels of the inputs.
        batch: the engine.
        records: the store of the answers, or None.
        marks: the marks of the answers; None without ``score`` and before the end.
        scores: the score, cost and time of each prompt and model, at the end.
        keys: the keys of the requests, by position.
        record: the run as the store keeps it, written at its last start or end.
        made: its table, at the end.
        told: called on the loop's thread with the position and the outcome of each cell that has ended; must be fast.
    """

    task, unit = "grid", "answer"
    told: Callable[[int, Outcome], object] = staticmethod(lambda position, outcome: None)

    batch: Batches

    def __init__(
        self,
        prompts: Any,
        inputs: Any,
        *,
        models: Any = None,
        schema: Any = None,
        n: int = 1,
        score: Any = None,
        store: Any = None,
        on_store_error: OnStoreError = "keep",
        max_cost: float | None = None,
    ) -> None:
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"n: expected a number of answers to each request of at least 1, got {brief(n)}")
        self._limits = checked({**_LIMITS, "on_store_error": on_store_error, "max_cost": max_cost})
        self.schema = None if schema is None else with_defaults(schema)
        if self.schema is not None:
            check_schema(self.schema)
        self.samples = n
        self.inputs, self.read = read_inputs(inputs)
        self.index = self.read.index
        self.prompts = read_prompts(prompts, self.inputs)
        self.models = read_models(models)
        self.scorer = score
        self._score_fault: Exception | None = None
        self._warned: StoreWarning | None = None
        self._bills: dict[bytes, dict[str, Any]] = {}
        self.name = f"grid-{datetime.datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        self.began = time.time()
        self.rows = GridRows(self.prompts, len(self.index), len(self.models), n)
        self.records = records_of(store)
        self.keys = bytearray()
        if score is not None:
            check_scorer(self, score)
        self.wants_rows: Callable[[], object] = lambda: None
        self._seconds_before = 0.0  # of the runs before it was resumed
        self.marks: Marks | None = None
        self.scores: list[dict[str, Any]] = []
        self.made: pd.DataFrame | None = None
        ledger = Ledger()
        ledger.grow(len(self.rows))
        self.batch = self._batches(ledger, range(len(self.rows)))
        self.record = self._recorded(self.report(Ledger()) | {"rows": len(self.rows)})
        note_beginning(self.records, self.record)
        _list(self)

    def _batches(self, ledger: Ledger, wanted: Iterable[int], *, retry_states: Iterable[str] = ()) -> Batches:
        """Return the batches for the wanted cells: one for each model and sample."""
        stops = self._limits["on_store_error"] == "stop"
        self._memory = Memory(self.records, retry_states=retry_states, keys=self.keys, stops=stops)
        positions: dict[tuple[int, int], list[int]] = {}
        for position in wanted:
            cell = self.rows.cell(position)
            positions.setdefault((cell.model, cell.sample), []).append(position)
        made, names = [], []

        def told(position: int, outcome: Outcome) -> None:
            self.told(position, outcome)

        for number, (name, model) in enumerate(self.models):
            start, most = at_once("auto", model)
            gate = gate_of(getattr(model, "gate_key", model), name)
            for sample in range(self.samples):
                if (number, sample) not in positions:
                    continue
                made.append(
                    Batch(
                        self.rows,
                        numbered(model, sample),
                        self.schema,
                        system_prompt=None,
                        on_error="keep",
                        limit=most,
                        gate=gate,
                        limits={"start": start, "most": most},
                        memory=self._memory,
                        max_cost=self._limits["max_cost"],
                        ledger=ledger,
                        positions=positions[number, sample],
                        further=False,
                        told=told,
                    )
                )
                names.append(name)
        return Batches(made, ledger, names)

    def again(self, states: Iterable[str], *, retry_states: Iterable[str] = (), max_cost: float | None = None) -> None:
        """Prepare to continue with the answers that ended in some states.

        Args:
            states: the states.
            retry_states: states whose answers are asked for again even if they were paid for.
            max_cost: US dollars for the whole grid from now on; None to keep the present limit.
        """
        if max_cost is not None:
            self._limits = checked({**self._limits, "max_cost": max_cost})
        self._seconds_before += self.batch.seconds
        self.marks, self.scores, self.made, self._score_fault, self._warned = None, [], None, None, None
        self.batch = self._batches(*self.settled().reopened(states), retry_states=retry_states)
        self._keep(self.report(self.settled()))

    # -- while it runs --------------------------------------------------------------------------------------------

    def feed(self) -> None:
        """Do nothing: all inputs are read."""

    @property
    def is_running(self) -> bool:
        """Whether answers are still missing."""
        return self.batch.running

    def settled(self) -> Ledger:
        """Return the present outcome of every cell."""
        batch = self.batch
        return batch.ledger.settled(batch.in_flight, batch.stopped or "the grid is under way", batch.paid)

    @property
    def max_cost(self) -> float | None:
        """US dollars that the whole grid may cost; None without a limit."""
        limit: float | None = self._limits["max_cost"]
        return limit

    # -- at its end -----------------------------------------------------------------------------------------------

    def _frame(self) -> pd.DataFrame:
        ledger = self.settled()
        frame = wide_frame(self, ledger)
        report = self.report(ledger)
        if self.scorer is not None:
            try:
                self.marks = marks_of(self, ledger, self.scorer)
            except Exception as fault:  # raised by a user's function: the answers were paid for and go with the error
                self._score_fault = fault
        if self.records is not None:
            self.records.settle()
        self._bills = self._known_bills(ledger)
        report.update(self._memory.told())
        self.scores = score_table(self, ledger, self.marks)
        self._keep(report, ended=time.time())
        frame.attrs["report"] = report | {"scores": self.scores}
        self.made = frame
        return frame

    def report(self, ledger: Ledger) -> dict[str, Any]:
        """Return the report of the grid so far, as plain values."""
        return report_of(
            ledger,
            run=self.name,
            prompts={prompt.name: prompt.text for prompt in self.prompts},
            models=[name for name, _ in self.models],
            samples=self.samples,
            seconds=self._seconds_before + self.batch.seconds,
            stopped=self.batch.stopped,
            store=None if self.records is None or self.records.store.path is None else str(self.records.store.path),
        )

    def _keep(self, report: dict[str, Any], *, ended: float | None = None) -> None:
        self.record = self._recorded(report, ended=ended)
        keep_anyway(self.records, self.record)

    def _recorded(self, report: dict[str, Any], *, ended: float | None = None) -> RunRecord:
        return RunRecord(
            run=self.name,
            task=self.task,
            began=self.began,
            model=", ".join(name for name, _ in self.models),
            schema="" if self.schema is None else getattr(self.schema, "__name__", str(self.schema)),
            prompt=", ".join(prompt.name for prompt in self.prompts),
            report=report,
            ended=ended,
        )

    def given_back(self, result: pd.DataFrame) -> pd.DataFrame:
        """Return the table unchanged: a grid's table is always one of pandas."""
        return result

    def warn_of_store(self, above: int, *, ended: bool = False) -> None:
        """Warn of errors of the store since the last warning, and at the end of answers that it lacks."""
        error = self._memory.warn(above + 2, ended=ended)
        if error is not None:
            self._warned = self._warned or error
            batch_loop.call(self.batch.interrupt)

    def returned(self, result: pd.DataFrame) -> pd.DataFrame:
        """Return the table, or raise the error that ended the grid, with the table as its ``result``."""
        self.warn_of_store(4, ended=True)
        error = self.batch.crash or self._score_fault or self._warned
        if error is None:
            return result
        error.result = result  # type: ignore[attr-defined]  # for the code that catches it
        raise error

    def _known_bills(self, ledger: Ledger) -> dict[bytes, dict[str, Any]]:
        """Return the stored bills of answers by request; empty if the store does not answer soon."""
        if self.records is None:
            return {}
        told = {self._key(at) for at in range(len(self.rows)) if ledger.state(at) in ("cached", *PAID_FOR)}
        try:
            return self.records.bills([key for key in told if any(key)], within=_BILLS_SECONDS)
        except StoreError:
            return {}

    def _key(self, position: int) -> bytes:
        return bytes(self.keys[position * KEY_BYTES : (position + 1) * KEY_BYTES])

    def bill(self, position: int, ledger: Ledger) -> dict[str, Any]:
        """Return the bill of a cell's answer: in this run, or if it was already known, in the run that asked for it.

        This does not ask the store, whose bills are read at the grid's end.
        """
        known = self._bills.get(self._key(position))
        return ledger.bill(position) if known is None else known


_grids: OrderedDict[str, GridRun] = OrderedDict()
_lock = threading.Lock()


def _list(run: GridRun) -> None:
    with _lock:
        _grids[run.name] = run
        while len(_grids) > _KEPT_GRIDS:
            _grids.popitem(last=False)


def known_grids() -> dict[str, GridRun]:
    """Return the grids of this process by name, the oldest first."""
    with _lock:
        return dict(_grids)
