"""The outcomes of a batch's rows by column: a million of them in a few arrays, not in a million objects."""

from __future__ import annotations

import copy
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .outcome import FAILURES, STATES, Outcome, is_billed

__all__ = ["BILLED_UNKNOWN", "Ledger"]

_CODES: dict[str, int] = {state: code for code, state in enumerate(STATES)}
_OPEN = len(STATES)
_PENDING = _CODES["pending"]
_UNKNOWN = -1
BILLED_UNKNOWN = -2
"""In the columns of bills: something was billed, but it is unknown how much."""
_NAN = float("nan")


class Ledger:
    """One entry per row, written in any order; may be read from any thread.

    Args:
        sure: whether to keep the confidence of fields.

    Attributes:
        finished: the number of rows that have ended.
        failed: the number of these that failed.
        cost: US dollars of all rows, as far as known.
        counts: the number of rows in each state.
        values: the decoded answers, None for a row without one.
        errors: what went wrong, by position, except for rows that were never sent.
        warnings: what was changed, repaired, cut or left out on the way to a value, by position.
        sure: the confidence of each field, by position; None without ``confidence=``.
        recorded: the dates of answers from a recording, by position.
    """

    def __init__(self, *, sure: bool = False) -> None:
        self.finished = 0
        self.failed = 0
        self.cost = 0.0
        self.cached_tokens = 0
        self.counts: Counter[str] = Counter()
        self.values: list[Any] = []
        self.errors: dict[int, str] = {}
        self.warnings: dict[int, tuple[str, ...]] = {}
        self.sure: dict[int, dict[str, float]] | None = {} if sure else None
        self.recorded: dict[int, str] = {}
        self._not_sent: str | None = None  # why, for all rows that are pending
        self._states = bytearray()
        self._attempts = array("i")
        self._prompt_tokens = array("q")
        self._completion_tokens = array("q")
        self._costs = array("d")
        self._seconds = array("d")

    def __len__(self) -> int:
        return len(self._states)

    def grow(self, count: int) -> None:
        """Make room for ``count`` rows."""
        more = count - len(self._states)
        if more <= 0:
            return
        self.values += [None] * more
        self._attempts.extend(array("i", [0]) * more)
        for column in (self._prompt_tokens, self._completion_tokens):
            column.extend(array("q", [_UNKNOWN]) * more)
        for costs in (self._costs, self._seconds):
            costs.extend(array("d", [_NAN]) * more)
        self._states += bytes([_OPEN]) * more

    def end(self, position: int, outcome: Outcome) -> None:
        """Enter the outcome of a row; if the row was asked again, add its cost to the earlier cost."""
        self.values[position] = outcome.value
        if outcome.error is not None:
            self.errors[position] = outcome.error
        if outcome.warnings:
            self.warnings[position] = outcome.warnings
        if self.sure is not None and outcome.sure:
            self.sure[position] = outcome.sure
        if outcome.recorded is not None:
            self.recorded[position] = outcome.recorded
        unknown = is_billed(outcome)
        _bill(self._prompt_tokens, position, outcome.prompt_tokens, unknown)
        _bill(self._completion_tokens, position, outcome.completion_tokens, unknown)
        _bill(self._costs, position, outcome.cost, unknown)
        if outcome.attempts is not None:
            _add(self._attempts, position, outcome.attempts)
        elif self._attempts[position] == 0:
            self._attempts[position] = _UNKNOWN
        _add(self._seconds, position, outcome.seconds)
        self._states[position] = _CODES[outcome.state]
        self.counts[outcome.state] += 1
        self.cost += outcome.cost or 0.0
        self.cached_tokens += outcome.cached_tokens
        self.finished += 1
        self.failed += outcome.is_failure

    def settled(self, in_flight: frozenset[int], reason: str | None, paid: Mapping[int, float] | None = None) -> Ledger:
        """Return a copy in which every row has ended: rows in flight as interrupted, the rest as never sent.

        Args:
            in_flight: the positions of rows that were asked for and have not ended.
            reason: why the batch has stopped, or None.
            paid: US dollars of the answers that rows in flight have had, by position.
        """
        whole = self._copy()
        for position in in_flight:
            if whole.is_open(position):
                whole.end(position, _interrupted((paid or {}).get(position)))
        left = whole._states.count(_OPEN)
        if left:  # filled at once: a million rows may be left
            whole._states = whole._states.replace(bytes([_OPEN]), bytes([_PENDING]))
            whole._not_sent = f"not sent: {reason}"
            whole.counts["pending"] += left
            whole.finished += left
        return whole

    def reopened(self, states: Iterable[str]) -> tuple[Ledger, list[int]]:
        """Return a copy in which the rows of some states are open again, and their positions."""
        again = self._copy()
        codes = {_CODES[state] for state in states}
        positions = [position for position, code in enumerate(again._states) if code in codes]
        for position in positions:
            again._states[position] = _OPEN
            again.errors.pop(position, None)
            again.warnings.pop(position, None)
            again.recorded.pop(position, None)
            (again.sure or {}).pop(position, None)
        again.finished -= len(positions)
        again.failed = sum(again._states.count(_CODES[state]) for state in FAILURES)
        again.counts = Counter({state: again._states.count(code) for state, code in _CODES.items()})
        return again, positions

    def _copy(self) -> Ledger:
        made = copy.copy(self)
        for name, value in vars(self).items():
            setattr(made, name, copy.copy(value))
        return made

    def state(self, position: int) -> str:
        """Return the state of a row."""
        return STATES[self._states[position]]

    def is_open(self, position: int) -> bool:
        """Return whether a row has not ended."""
        return self._states[position] == _OPEN

    @property
    def unpriced(self) -> int:
        """The number of rows that were billed an unknown amount."""
        return self._costs.count(BILLED_UNKNOWN)

    @property
    def mean_cost(self) -> float:
        """The mean cost of the rows that were billed a known amount, in US dollars; 0 if there is none."""
        billed = [cost for cost in self._costs if cost > 0]
        return sum(billed) / len(billed) if billed else 0.0

    def bill(self, position: int) -> dict[str, Any]:
        """Return the bill of a row in this run; None for unknown amounts."""
        whole = {"prompt_tokens": self._prompt_tokens[position], "completion_tokens": self._completion_tokens[position]}
        parts = {"cost": self._costs[position], "seconds": self._seconds[position]}
        whole["attempts"] = self._attempts[position]
        return {name: amount if amount >= 0 else None for name, amount in (*whole.items(), *parts.items())}

    def columns(self) -> dict[str, Any]:
        """Return the columns about the run as lists and arrays; None, NaN or a negative number means unknown."""
        errors: list[str | None] = [None] * len(self)
        if self._not_sent is not None:
            errors = [self._not_sent if state == _PENDING else None for state in self._states]
        for position, error in self.errors.items():
            errors[position] = error
        return {
            "states": bytes(self._states),
            "errors": errors,
            "attempts": self._attempts,
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "costs": self._costs,
            "seconds": self._seconds,
        }


def _add(column: Any, position: int, amount: float | None) -> None:
    if amount is not None:
        before = column[position]
        column[position] = before + amount if before > 0 else amount


def _interrupted(paid: float | None) -> Outcome:
    """Return the outcome of a row that was in flight when its batch ended; ``paid`` is the cost of its answers."""
    if not paid:
        error = "interrupted while the model was answering; it may have been billed"
    else:
        error = f"interrupted after answers for ${paid:,.4f}; a request in flight may have been billed too"
    return Outcome("interrupted", error=error, attempts=None, cost=paid or None)


def _bill(column: Any, position: int, amount: float | None, unknown: bool) -> None:
    """Add an amount to a bill; a sum with an unknown amount stays unknown."""
    before = column[position]
    if before == BILLED_UNKNOWN:
        return
    if amount is not None:
        column[position] = before + amount if before >= 0 else amount
    elif unknown:
        column[position] = BILLED_UNKNOWN
