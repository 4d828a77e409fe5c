"""A review: rows in the order of reading, the decisions about them, and the estimate so far."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pandas as pd

from ...errors import StoreError
from ..compare import same_cell
from ..corrections import Correction
from ..dtypes import Column, columns
from ..fields import plain
from ..frame import frame_from_columns
from ..frames.foreign import to_pandas
from ..outcome import UNANSWERED
from ..paths import at, replaced, type_at
from ..report import outcome_frame
from ..review import live_run
from ..run import Run
from .decisions import Decision, Decisions
from .doubts import confidence_of, doubts_of
from .estimate import Estimate, estimate_of
from .order import ReviewOrder, mixed_order
from .written import read_value, shown_value

__all__ = ["Review"]

_UNDECIDED = frozenset((*UNANSWERED, "skipped"))


@dataclasses.dataclass
class _Draft:
    """What was changed in a row that is not decided yet."""

    value: Any
    fields: set[str]


class Review:
    """Decide row by row whether a result is right.

    What is decided is kept in the run's store, by what the row holds: after a restart, in a later run of the
    same rows and with another model, the row is decided already.

    Args:
        result: a result of :func:`extract`, or some of its rows.
        confidence: how sure each field is, from 0 to 1: a frame with the result's labels and a column a field, or a
            Series for the row as a whole. None for the result's own; if it has none, rows whose answers their texts
            do not hold come first.
        random: how many of the rows that are read are drawn at random, from 0 to 1; the estimate needs some.
        budget: how many rows are to be read; None for no limit.
        seed: of the chance.

    Attributes:
        run: the run behind the result.
        columns: its fields.
        order: the order of the rows; ``order.queue`` has their positions.
        budget: as given.
        random: how many of the rows that are read are drawn at random.
        decided: the decisions by position.
        notes: what writes the decisions; None if they are not written.

    Raises:
        StoreError: the run's kernel has ended.
        ValueError: the result is exploded, its labels are not unique where it is a part of the run, or an option has
            a value that it cannot have.
    """

    run: Run
    columns: tuple[Column, ...]
    order: ReviewOrder
    random: float
    decided: dict[int, Decision]

    def __init__(
        self,
        result: pd.DataFrame,
        *,
        confidence: Any = None,
        random: float = 0.2,
        budget: int | None = None,
        seed: int = 0,
    ) -> None:
        result = to_pandas(result)
        self.run = run = live_run(result)
        if run.explode is not None:
            raise ValueError(
                "the rows of an exploded result are parts of an answer. Extract again without explode= (nothing is "
                "asked for again) and review that"
            )
        if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or budget < 1):
            raise ValueError(f"budget: expected a number of rows of at least 1, or None for no limit, got {budget!r}")
        self.budget = budget
        self.columns = columns(run.schema)
        ledger = run.settled()
        self._answers: list[Any] = ledger.values
        self._states = [ledger.state(position) for position in range(len(ledger))]
        self._errors = ledger.errors
        self._warnings = ledger.warnings
        self._values = list(self._answers)
        run.corrections.set_right(self._values)
        places = _places(result, run)
        known = [place for place, position in enumerate(places) if self._states[position] not in _UNDECIDED]
        positions = [places[place] for place in known]
        sure = confidence_of(result, confidence)
        self._sure = None if sure is None else sure.iloc[known]
        self._place = {position: place for place, position in enumerate(positions)}
        self._positions, self._seed = positions, seed
        self._doubts = doubts_of(run, self._answers, self._states, positions, self._sure).tolist()
        self.reorder(random=random)
        self._decisions = Decisions(run.records, run.corrections)
        self.decided = self._decisions.of_rows(positions)
        self.notes = self._decisions.notes
        self._drafts: dict[int, _Draft] = {}
        self._verdicts: dict[int, tuple[Decision, set[str]]] = {}
        self._counted: dict[str, Counter[str]] = {}

    def reorder(self, *, random: float) -> None:
        """Put the rows into another order: with another share of rows that are drawn at random.

        Raises:
            ValueError: it is not a share.
        """
        self.order = mixed_order(self._positions, self._doubts, random_share=random, seed=self._seed)
        self.random = float(random)
        self._numbers = {one: number for number, one in enumerate(self.order.queue, 1)}

    # -- a row ----------------------------------------------------------------------------------------------------

    def label(self, position: int) -> Any:
        """Return a row's label."""
        return self.run.rows.index[position]

    def value(self, position: int) -> Any:
        """Return what a row's answer is as things stand: as decided, as edited, or as the model gave it."""
        draft = self._drafts.get(position)
        if draft is not None:
            return draft.value
        decision = self.decided.get(position)
        if decision is not None and decision.value is not None:
            return self._decoded(decision.value, self._values[position])
        return self._values[position]

    def number(self, position: int) -> int:
        """Return the place of a row in the queue, from 1."""
        return self._numbers[position]

    def confidence(self, position: int) -> dict[str, float]:
        """Return how sure each field of a row is, as far as that is known."""
        place = self._place.get(position)
        if self._sure is None or place is None:
            return {}
        row = self._sure.iloc[place]
        return {str(name): float(cell) for name, cell in row.items() if not pd.isna(cell)}

    def share(self, field: str, value: str) -> float:
        """Return in which share of the answers, as the model gave them, a field is shown as this value."""
        counts = self._counted.get(field)
        if counts is None:
            path = self._column(field).path
            counts = Counter(shown_value(at(answer, path)) for answer in self._answers if answer is not None)
            self._counted[field] = counts
        return counts[value] / max(1, counts.total())

    def trouble(self, position: int) -> str:
        """Return what went wrong with a row, or what was changed on the way to its answer; empty for nothing."""
        return self._errors.get(position) or "; ".join(self._warnings.get(position, ()))

    def edited(self, position: int) -> set[str]:
        """Return the fields of a row that a person has set."""
        draft = self._drafts.get(position)
        fields = set() if draft is None else set(draft.fields)
        decision = self.decided.get(position)
        return fields | (set() if decision is None else set(decision.before))

    def set_field(self, position: int, field: str, text: str) -> None:
        """Set a field of a row that is being read, from what was typed, chosen or selected; :meth:`accept` keeps it.

        Raises:
            KeyError: there is no such field.
            ValueError: it is not a value of the field's type.
        """
        column = self._column(field)
        before = self.value(position)
        value = read_value(text, type_at(self.run.schema, column.path, before))
        draft = self._drafts.get(position) or _Draft(before, set())
        self._drafts[position] = _Draft(replaced(before, column.path, value), draft.fields | {field})

    # -- decisions ------------------------------------------------------------------------------------------------

    def accept(self, position: int) -> None:
        """Decide that a row is right as it stands, with what was set in it; it is written by the store's thread.

        Raises:
            ValueError: the answer is not whole yet, or what the row holds was not kept.
            StoreError: the store was closed, or earlier decisions cannot be written and ``on_store_error`` is
                ``"stop"``.
        """
        self._check_store()
        value = self.value(position)
        encoded = msgspec.json.encode(plain(value) if isinstance(value, dict) else value)
        try:
            whole = msgspec.json.decode(encoded, type=self.run.schema)
        except msgspec.ValidationError as fault:
            said = f"this row has no whole answer yet: {fault}. Set its fields, or mark it as unusable"
            raise ValueError(said) from None
        self._forget(position)
        before = self._correct(position, whole)
        self._decide(position, Decision("accepted", encoded.decode(), time.time(), before))

    def reject(self, position: int) -> None:
        """Decide that a row is unusable: it has no right answer, and it is not counted."""
        self._check_store()
        self._forget(position)
        self._decide(position, Decision("unusable", None, time.time()))

    def undo(self) -> int | None:
        """Take back what was decided last; return the row's position, or None if nothing is decided.

        Raises:
            StoreError: the store was closed.
        """
        if not self.decided:
            return None
        self._check_open()
        position = max(self.decided, key=lambda one: self.decided[one].made)
        self._forget(position)
        self._drafts.pop(position, None)
        return position

    def after(self, position: int | None) -> int | None:
        """Return the next row of the queue that is not decided, after one or from the beginning; None at the end."""
        start = 0 if position is None else self.number(position)
        queue = self.order.queue
        turned = itertools.chain(itertools.islice(queue, start, None), itertools.islice(queue, start))
        return next((one for one in turned if one not in self.decided), None)

    @property
    def left(self) -> int:
        """How many rows are still to be read: of the budget, if there is one."""
        whole = len(self.order) if self.budget is None else min(self.budget, len(self.order))
        return max(0, whole - len(self.decided))

    # -- what is known --------------------------------------------------------------------------------------------

    def estimate(self, field: str | None = None) -> Estimate:
        """Return how much of what the model answered is right: of a field, or of rows in which every field is."""
        names = [column.name for column in self.columns] if field is None else [self._column(field).name]
        verdicts: dict[int, bool | None] = {}
        for position, decision in self.decided.items():
            verdicts[position] = None if decision.value is None else self._is_right(position, decision, names)
        return estimate_of(self.order, verdicts)

    def accuracy(self) -> pd.DataFrame:
        """Return a row for each field, and one for ``all of a row``.

        Its columns are ``accuracy`` from 0 to 1, ``low`` and ``high`` (95 %), ``right`` of so many ``read``, how many
        of these were ``drawn`` at random, and how many ``rows`` there are.
        """
        names = [column.name for column in self.columns]
        found = [self.estimate(), *(self.estimate(name) for name in names)]
        rows = [(one.share, one.low, one.high, one.right, one.read, one.drawn, one.rows) for one in found]
        heads = ("accuracy", "low", "high", "right", "read", "drawn", "rows")
        table = pd.DataFrame(rows, columns=pd.Index(heads), index=pd.Index(["all of a row", *names], name="field"))
        return table.astype({**dict.fromkeys(heads[:3], "Float64"), **dict.fromkeys(heads[3:], "Int64")})

    @property
    def truth(self) -> pd.DataFrame:
        """The right answers of the rows that were accepted, under their labels, in the rows' order."""
        accepted = sorted(position for position, one in self.decided.items() if one.value is not None)
        values = [self._decoded(self.decided[position].value, None) for position in accepted]
        frame = frame_from_columns(self.run.schema, values, self.run.rows.index[accepted])
        frame.attrs["reviewed"] = True
        return frame

    def result(self) -> pd.DataFrame:
        """Return the run's result with what was decided in it."""
        ledger = self.run.settled()
        self.run.corrections.set_right(ledger.values)
        frame = outcome_frame(self.run.schema, ledger, self.run.rows.index)
        frame.attrs["report"] = self.run.report(ledger)
        return frame

    # -- inside ---------------------------------------------------------------------------------------------------

    def _column(self, field: str) -> Column:
        found = next((column for column in self.columns if column.name == field and not column.tags), None)
        if found is None:
            raise KeyError(f"no field {field!r}; the fields: {', '.join(column.name for column in self.columns)}")
        return found

    def _check_open(self) -> None:
        if self.notes is not None and self.notes.is_closed:
            raise StoreError("the run's store was closed: what is decided now cannot be kept")

    def _check_store(self) -> None:
        self._check_open()
        trouble = None if self.notes is None else self.notes.trouble
        if trouble is not None and self.run.stops_without_store:
            raise StoreError(f"decisions cannot be kept and on_store_error='stop': {trouble}")

    def _decide(self, position: int, decision: Decision) -> None:
        self._decisions.put(position, decision)
        self.decided[position] = decision
        self._drafts.pop(position, None)

    def _correct(self, position: int, whole: Any) -> dict[str, str | None]:
        """Keep what differs from the answer as corrections; return those that there were before."""
        answer, corrections = self._answers[position], self.run.corrections
        known = corrections.of_row(position)
        changed = [()] if answer is None else _changed(self.columns, answer, whole)
        before: dict[str, str | None] = {}
        for path in changed:
            field = ".".join(path)
            value = msgspec.json.encode(at(whole, path))
            if field in known and known[field].value == value:
                continue
            was = msgspec.json.encode(plain(at(answer, path)))
            corrections.put(position, Correction(field, value=value, was=was))
            before[field] = known[field].value.decode() if field in known else None
        self._values[position] = whole
        return before

    def _forget(self, position: int) -> None:
        """Take a row's decision back, with the corrections that it made."""
        decision = self.decided.pop(position, None)
        if decision is None:
            return
        corrections, value = self.run.corrections, self._answers[position]
        for field, earlier in decision.before.items():
            corrections.drop(position, field)
            if earlier is not None:
                was = msgspec.json.encode(plain(at(value, field.split(".") if field else [])))
                corrections.put(position, Correction(field, value=earlier.encode(), was=was))
        for correction in corrections.of_row(position).values():
            value = corrections.applied(value, correction)
        self._values[position] = value
        self._decisions.drop(position)

    def _decoded(self, value: str | None, otherwise: Any) -> Any:
        """Return a decided answer as the schema of today reads it."""
        if value is None:
            return otherwise
        try:
            return msgspec.json.decode(value, type=self.run.schema)
        except msgspec.ValidationError:
            return msgspec.json.decode(value)

    def _is_right(self, position: int, decision: Decision, names: Iterable[str]) -> bool:
        known = self._verdicts.get(position)
        if known is None or known[0] is not decision:  # a decision is read once, since its answer may be large
            known = self._verdicts[position] = decision, self._right_fields(position, decision)
        return all(name in known[1] for name in names)

    def _right_fields(self, position: int, decision: Decision) -> set[str]:
        answer = self._answers[position]
        if answer is None:
            return set()
        truth = self._decoded(decision.value, None)
        return {one.name for one in self.columns if same_cell(at(answer, one.path), at(truth, one.path))}


def _changed(found: Sequence[Column], answer: Any, whole: Any) -> list[tuple[str, ...]]:
    """Return the paths of the fields that differ; the whole answer's if it is not a record or is another one."""
    if type(answer) is not type(whole) or any(column.tags for column in found):
        return [] if plain(answer) == plain(whole) else [()]
    return [column.path for column in found if plain(at(answer, column.path)) != plain(at(whole, column.path))]


def _places(result: pd.DataFrame, run: Run) -> list[int]:
    """Return the positions of a result's rows in its run."""
    index = run.rows.index
    if result.index.equals(index):
        return list(range(len(index)))
    if not index.is_unique:
        raise ValueError("these rows cannot be told apart: a label occurs twice; review the whole result")
    found = index.get_indexer(result.index)
    if (found < 0).any():
        raise ValueError("a row of the result does not belong to its run; review the result as extract returned it")
    return [int(place) for place in found]
