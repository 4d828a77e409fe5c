"""The outcomes of a row's pieces → the outcome of the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ...errors import described, ends_a_process
from ..ledger import Ledger
from ..outcome import BILLED, FAILURES, UNANSWERED, Outcome, State
from .merge import Answered, merged
from .pieces import RowPieces

__all__ = ["Merge", "PieceJoiner"]

Merge = Callable[[list[Any]], Any]
_GOOD = ("ok", "cached")


class PieceJoiner:
    """Joins the outcomes of pieces.

    Args:
        pieces: the pieces.
        merge: makes one answer from the answers to a row's pieces, in order; None for our merge.

    Attributes:
        origins: for each row, the piece that each field came from.
    """

    def __init__(self, pieces: RowPieces, merge: Merge | None) -> None:
        self._pieces, self._merge = pieces, merge
        self.origins: dict[int, dict[str, Any]] = {}

    def outcome(self, ledger: Ledger, row: int) -> Outcome:
        """Return the outcome of a row whose pieces have ended, with the answers of the good pieces even if one failed.

        Args:
            ledger: the outcomes of the pieces.
            row: the row's position.
        """
        numbers = self._pieces.of_rows[row]
        states = {number: ledger.state(number) for number in numbers}
        state, error = self._state(ledger, states)
        good = [number for number in numbers if states[number] in _GOOD]
        value, sure = None, {}
        try:
            value, sure = self._value(ledger, row, good) if good else (None, {})
        except BaseException as problem:  # raised by the caller's merge or by the schema's own code
            if ends_a_process(problem):
                raise
            state, error = "invalid", f"merge: {described(problem)}"
        warnings = [one for number in numbers for one in ledger.warnings.get(number, ())]
        return Outcome(
            state,
            value,
            error,
            warnings=tuple(dict.fromkeys(warnings)),
            sure=sure or None,
            recorded=next(filter(None, map(ledger.recorded.get, numbers)), None),
            **self._bill(ledger, numbers),
        )

    def _state(self, ledger: Ledger, states: dict[int, str]) -> tuple[State, str | None]:
        bad = [number for number, state in states.items() if state in FAILURES]
        left = [number for number, state in states.items() if state in UNANSWERED]
        found = set(states.values())
        state: Any = "ok" if "ok" in found else "cached" if "cached" in found else "skipped"
        if bad or left:
            state = states[left[0] if left else bad[0]]
        if len(states) == 1:
            return state, next((ledger.errors[number] for number in states if number in ledger.errors), None)
        said = [f"{self._pieces.told(number)}: {ledger.errors.get(number, states[number])}" for number in bad[:3]]
        more = [f"and {len(bad) - 3} more"] if len(bad) > 3 else []
        open_ = [f"{len(left)} of {len(states)} pieces have no answer yet"] if left else []
        return state, "; ".join([*said, *more, *open_]) or None

    def _value(self, ledger: Ledger, row: int, good: Sequence[int]) -> tuple[Any, dict[str, float]]:
        sure = ledger.sure or {}
        if len(self._pieces.of_rows[row]) == 1 and self._merge is None:
            return ledger.values[good[0]], sure.get(good[0], {})
        if self._merge is not None:
            least: dict[str, float] = {}
            for number in good:
                least |= {name: min(one, least.get(name, 1.0)) for name, one in sure.get(number, {}).items()}
            values = [ledger.values[number] for number in good]
            return _as_answer(self._merge(values), values[0]), least
        answered = [
            Answered(piece.number, piece.place, ledger.values[number], sure.get(number, {}))
            for number, piece in ((number, self._pieces.pieces[number]) for number in good)
        ]
        found = merged(self._pieces.text(row), answered)
        self.origins[row] = found.origins
        return found.value, found.sure

    def _bill(self, ledger: Ledger, numbers: Sequence[int]) -> dict[str, Any]:
        bills = [ledger.bill(number) for number in numbers if ledger.state(number) not in UNANSWERED]
        found = {name: _sum([bill[name] for bill in bills]) for name in (*BILLED, "attempts")}
        known = [bill["seconds"] for bill in bills if bill["seconds"] is not None]
        return {**found, "seconds": sum(known) if known else None}


def _as_answer(made: Any, like: Any) -> Any:
    """Return the result of a caller's merge as an answer of the pieces' type.

    Raises:
        TypeError: it has another type.
    """
    records = (msgspec.Struct, dict)
    if made is None or (isinstance(like, records) and not isinstance(made, (*records, type(like)))):
        raise TypeError(f"expected one {type(like).__name__}, or a dict of its fields, got {type(made).__name__}")
    return made


def _sum(amounts: Sequence[Any]) -> Any:
    return None if None in amounts or not amounts else sum(amounts)


def unfinished(ledger: Ledger, numbers: Sequence[int]) -> bool:
    """Return whether a piece of a row has not ended."""
    return any(ledger.is_open(number) for number in numbers)
