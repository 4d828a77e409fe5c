"""A review of a result: its rows in the order of reading, the decisions about them, and the estimate so far."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pandas as pd

from ...errors import StoreError, brief
from ..compare import same_cell
from ..corrections import Correction
from ..dtypes import Column, columns
from ..explain import kept_answer
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
from .written import choices_of, read_value, shown_value

__all__ = ["Review"]

_UNDECIDED = frozenset((*UNANSWERED, "skipped"))


@dataclasses.dataclass
class _Draft:
    """The changes in a row before its decision."""

    value: Any
    fields: set[str]


class Review:
    """Decide row by row whether a result is right.

    Decisions are kept in the run's store, by the content of the row: they still apply after a restart, in a later run
    of the same rows, and with another model.

    Args:
        result: a result of :func:`extract`, or some of its rows.
        confidence: the confidence of each field, from 0 to 1: a frame with the result's labels and one column per
            field, or a Series for whole rows. None for the result's own; without one, rows come first whose texts do
            not contain their answers.
        random: the share of read rows that are drawn at random, from 0 to 1; the estimate needs some.
        budget: the number of rows to read; None for no limit.
        seed: the seed of the draw.

    Attributes:
        run: the run behind the result.
        columns: its fields.
        order: the order of the rows; ``order.queue`` has their positions.
        budget: the number of rows to read; None for no limit.
        random: the share of read rows that are drawn at random.
        decided: the decisions by position.
        notes: writes the decisions to the store; None without a store.

    Raises:
        StoreError: the run's kernel has ended.
        ValueError: the result is exploded, a part of a run with labels that are not unique, or an option has a wrong
            value.
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
            raise ValueError(
                f"budget: expected a number of rows of at least 1, or None for no limit, got {brief(budget)}"
            )
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
        """Change the share of rows that are drawn at random, and so the order.

        Raises:
            ValueError: it is not a number from 0 to 1.
        """
        self.order = mixed_order(self._positions, self._doubts, random_share=random, seed=self._seed)
        self.random = float(random)
        self._numbers = {one: number for number, one in enumerate(self.order.queue, 1)}

    # -- a row ----------------------------------------------------------------------------------------------------

    def label(self, position: int) -> Any:
        """Return a row's label."""
        return self.run.rows.index[position]

    def value(self, position: int) -> Any:
        """Return the present answer of a row: as decided, as edited, or as the model gave it."""
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
        """Return the confidence of each field of a row, where known."""
        place = self._place.get(position)
        if self._sure is None or place is None:
            return {}
        row = self._sure.iloc[place]
        return {str(name): float(cell) for name, cell in row.items() if not pd.isna(cell)}

    def chances(self, position: int) -> dict[str, dict[str, float]]:
        """Return for each choice of a row the probability of its values, by their texts; empty where unknown."""
        judge = self.run.judge
        if judge is None or self.run.pieces is not None:
            return {}
        found = judge.chances(*kept_answer(self.run, position))
        return {
            column.name: {
                shown_value(choice): found[column.name][written]
                for choice in choices_of(column)
                if (written := msgspec.json.encode(choice).decode()) in found[column.name]
            }
            for column in self.columns
            if column.name in found
        }

    def share(self, field: str, value: str) -> float:
        """Return the share of the model's answers in which a field has this value."""
        counts = self._counted.get(field)
        if counts is None:
            path = self._column(field).path
            counts = Counter(shown_value(at(answer, path)) for answer in self._answers if answer is not None)
            self._counted[field] = counts
        return counts[value] / max(1, counts.total())

    def trouble(self, position: int) -> str:
        """Return what went wrong with a row, or what was changed on the way to its answer; else an empty text."""
        return self._errors.get(position) or "; ".join(self._warnings.get(position, ()))

    def edited(self, position: int) -> set[str]:
        """Return the names of the fields of a row that a person has set."""
        draft = self._drafts.get(position)
        fields = set() if draft is None else set(draft.fields)
        decision = self.decided.get(position)
        return fields | (set() if decision is None else set(decision.before))

    def set_field(self, position: int, field: str, text: str) -> None:
        """Set a field of a row from typed or selected text; :meth:`accept` keeps it.

        Raises:
            KeyError: there is no such field.
            ValueError: the text is not a value of the field's type.
        """
        column = self._column(field)
        before = self.value(position)
        value = read_value(text, type_at(self.run.schema, column.path, before))
        draft = self._drafts.get(position) or _Draft(before, set())
        self._drafts[position] = _Draft(replaced(before, column.path, value), draft.fields | {field})

    # -- decisions ------------------------------------------------------------------------------------------------

    def accept(self, position: int) -> None:
        """Decide that a row is right, with the fields that were set; it is written in the background.

        Raises:
            ValueError: the answer is not complete yet, or the content of the row was not kept.
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
        """Decide that a row is unusable: it has no right answer and does not count."""
        self._check_store()
        self._forget(position)
        self._decide(position, Decision("unusable", None, time.time()))

    def undo(self) -> int | None:
        """Undo the last decision; return the row's position, or None if there is no decision.

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
        """Return the next undecided row of the queue after a position, then from its beginning; None at the end."""
        start = 0 if position is None else self.number(position)
        queue = self.order.queue
        turned = itertools.chain(itertools.islice(queue, start, None), itertools.islice(queue, start))
        return next((one for one in turned if one not in self.decided), None)

    @property
    def left(self) -> int:
        """The number of rows still to read, within the budget."""
        whole = len(self.order) if self.budget is None else min(self.budget, len(self.order))
        return max(0, whole - len(self.decided))

    # -- results --------------------------------------------------------------------------------------------

    def estimate(self, field: str | None = None) -> Estimate:
        """Estimate which share of the model's answers is right in one field, or in all fields."""
        names = [column.name for column in self.columns] if field is None else [self._column(field).name]
        verdicts: dict[int, bool | None] = {}
        for position, decision in self.decided.items():
            verdicts[position] = None if decision.value is None else self._is_right(position, decision, names)
        return estimate_of(self.order, verdicts)

    def accuracy(self) -> pd.DataFrame:
        """Return one row per field, and one for ``all of a row``.

        The columns are ``accuracy`` from 0 to 1, its 95 % interval ``low`` to ``high``, the numbers of rows that are
        ``right``, that were ``read``, that were ``drawn`` at random, and of all ``rows``.
        """
        names = [column.name for column in self.columns]
        found = [self.estimate(), *(self.estimate(name) for name in names)]
        rows = [(one.share, one.low, one.high, one.right, one.read, one.drawn, one.rows) for one in found]
        heads = ("accuracy", "low", "high", "right", "read", "drawn", "rows")
        table = pd.DataFrame(rows, columns=pd.Index(heads), index=pd.Index(["all of a row", *names], name="field"))
        return table.astype({**dict.fromkeys(heads[:3], "Float64"), **dict.fromkeys(heads[3:], "Int64")})

    @property
    def truth(self) -> pd.DataFrame:
        """Return the right answers of accepted rows, under their labels, in the rows' order."""
        accepted = sorted(position for position, one in self.decided.items() if one.value is not None)
        values = [self._decoded(self.decided[position].value, None) for position in accepted]
        frame = frame_from_columns(self.run.schema, values, self.run.rows.index[accepted])
        frame.attrs["reviewed"] = True
        return frame

    def result(self) -> pd.DataFrame:
        """Return the run's result with the decisions applied."""
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
        """Keep the fields that differ from the answer as corrections; return the earlier corrections."""
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
        """Undo a row's decision and its corrections."""
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
        """Return a decided answer decoded to the present schema."""
        if value is None:
            return otherwise
        try:
            return msgspec.json.decode(value, type=self.run.schema)
        except msgspec.ValidationError:
            return msgspec.json.decode(value)

    def _is_right(self, position: int, decision: Decision, names: Iterable[str]) -> bool:
        known = self._verdicts.get(position)
        if known is None or known[0] is not decision:  # cached, since the answer may be large
            known = self._verdicts[position] = decision, self._right_fields(position, decision)
        return all(name in known[1] for name in names)

    def _right_fields(self, position: int, decision: Decision) -> set[str]:
        answer = self._answers[position]
        if answer is None:
            return set()
        truth = self._decoded(decision.value, None)
        return {one.name for one in self.columns if same_cell(at(answer, one.path), at(truth, one.path))}


def _changed(found: Sequence[Column], answer: Any, whole: Any) -> list[tuple[str, ...]]:
    """Return the paths of the fields that differ; the empty path for a value that is not a record of the same type."""
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
