"""The counts of a batch for its view; of fixed size for any number of rows."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

import msgspec

from ...tables.outcome import FAILURES, UNANSWERED, Outcome, common_text, is_billed
from ...tables.report import billed_of
from ...tables.run import Run
from .column_heads import ColumnHeads

__all__ = ["LAST_ROWS", "FailureKind", "Tally"]

LAST_ROWS = 20
_WINDOW_SECONDS = 10.0
_KINDS = 200  # the most kinds of failures that are counted


class FailureKind(msgspec.Struct):
    """Failures whose errors differ only in numbers and quoted words.

    Attributes:
        state: the state of these rows.
        text: the error of the last one.
        count: the number of rows.
        position: the position of the last one.
    """

    state: str
    text: str
    count: int
    position: int


class Tally:
    """Counts the rows of a run as they end.

    Args:
        run: the run; rows that have already ended are taken from its ledger.
        clock: returns seconds from any start.

    Attributes:
        last: the positions of the rows that ended last, the latest at the end.
        last_of: the same for each state that is a failure.
        heads: the heads of the columns with their distributions.
        problems: the kinds of failures, by their common text.
        recorded: the number of answers from a recording, by date.
        version: a number that changes with each row that ends.
    """

    def __init__(self, run: Run, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self.last: deque[int] = deque(maxlen=LAST_ROWS)
        self.last_of: dict[str, deque[int]] = {state: deque(maxlen=LAST_ROWS) for state in FAILURES}
        self.problems: dict[tuple[str, str], FailureKind] = {}
        self.version = 0
        self._clock = clock
        ledger = run.batch.ledger
        self._billed = billed_of(ledger)
        self.recorded = Counter(ledger.recorded.values())
        self._asked = sum(attempts != 0 for attempts in ledger.columns()["attempts"])
        for position in list(ledger.errors):
            self._group(position, ledger.state(position), ledger.errors[position])
        for position in range(len(ledger) - 1, -1, -1):
            if len(self.last) == LAST_ROWS:
                break
            if not ledger.is_open(position) and ledger.state(position) not in UNANSWERED:
                self.last.appendleft(position)
        self.heads = ColumnHeads(run, [place for place, value in enumerate(ledger.values) if value is not None])
        self._began = clock(), ledger.finished
        self._moments = deque([self._began])

    def take(self, position: int, outcome: Outcome) -> None:
        """Count a row that has ended; on the loop's thread."""
        self.last.append(position)
        if outcome.value is not None:
            self.heads.add(position)
        if outcome.attempts != 0:
            self._asked += 1
        for name, (known, unknown) in self._billed.items():
            amount = getattr(outcome, name)
            if amount is not None:
                self._billed[name] = ((known or 0) + amount, unknown)
            elif is_billed(outcome):
                self._billed[name] = (known, unknown + 1)
        if outcome.recorded is not None:
            self.recorded[outcome.recorded] += 1
        if outcome.is_failure:
            self._group(position, outcome.state, outcome.error or "")
        self.version += 1

    def _group(self, position: int, state: str, error: str) -> None:
        key = state, common_text(error)
        if key not in self.problems and len(self.problems) >= _KINDS:
            key = state, ""
        found = self.problems.setdefault(key, FailureKind(state, error, 0, position))
        if state in self.last_of:
            self.last_of[state].append(position)
        found.text, found.position = error, position
        found.count += 1

    # -- so far ---------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int | None:
        """The number of rows; None while it is unknown."""
        return self.run.rows.total

    @property
    def finished(self) -> int:
        """The number of rows that have ended."""
        return self.run.batch.ledger.finished

    @property
    def rest(self) -> int | None:
        """The number of other rows; None while it is unknown."""
        return None if self.total is None else self.total - self.finished

    def billed(self, name: str) -> float | None:
        """Return the billed amount; None if that of an asked row is unknown."""
        known, unknown = self._billed[name]
        return None if unknown else known

    def partly(self, name: str) -> tuple[float | None, int]:
        """Return the known part of the billed amount, and the number of rows whose amount is unknown."""
        return self._billed[name]

    @property
    def free(self) -> bool:
        """Whether the model costs nothing, so that 0 is a price and not a missing one."""
        return bool(getattr(self.run.model.profile, "free", False))

    def for_the_rest(self, name: str) -> float | None:
        """Return the expected amount for the remaining rows, from those that were asked."""
        billed, rest = self.billed(name), self.rest
        return None if billed is None or rest is None or not self._asked else billed / self._asked * rest

    def rate(self) -> float | None:
        """Rows per second in the last ten seconds; if none has ended in them, since the start."""
        now, finished = self._clock(), self.finished
        moments = self._moments
        moments.append((now, finished))
        while len(moments) > 2 and now - moments[0][0] > _WINDOW_SECONDS:
            moments.popleft()
        since, before = moments[0]
        if finished == before:
            since, before = self._began
        return (finished - before) / (now - since) if now - since >= 0.2 else None

    def worst(self, count: int) -> list[FailureKind]:
        """Return the most frequent kinds of failures."""
        found = sorted(self.problems.values(), key=lambda problem: (-problem.count, problem.state, problem.text))
        return found[:count]
