"""Outcomes → the DataFrame that a batch returns, and the report in its ``attrs``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SchemaError, printable
from ..generation.schema import Dialect, wire_schema
from .dtypes import columns
from .frame import exploded_frame, frame_from_columns
from .ledger import BILLED_UNKNOWN, Ledger
from .outcome import BILLED, FAILURES, STATES, UNANSWERED
from .reviewing.intervals import wilson

__all__ = [
    "CONFIDENCE",
    "ROW",
    "RUN_COLUMNS",
    "about_columns",
    "billed_of",
    "check_schema",
    "forecast_of",
    "named_columns",
    "outcome_frame",
    "report_of",
    "with_warnings",
]

CONFIDENCE = "_confidence"
ROW = "_row"  # the positions of rows, in a table without an index
RUN_COLUMNS = (
    "_status",
    "_error",
    "_attempts",
    "_prompt_tokens",
    "_completion_tokens",
    "_cost",
    "_seconds",
    "_warnings",
    CONFIDENCE,
    ROW,
)
_SUMMED = ("_attempts", "_prompt_tokens", "_completion_tokens", "_cost", "_seconds")


def check_schema(schema: Any, explode: str | None = None) -> None:
    """Refuse a schema that no model can be asked for, or whose fields conflict with the columns about the run.

    Raises:
        SchemaError: ``schema`` is not a type, a value in it has no JSON form, one of its fields has the name of one of
            those columns, or ``explode`` does not name a list.
    """
    for column in columns(schema, explode):
        if column.name in RUN_COLUMNS:
            raise SchemaError(
                f"the field {column.name!r} of {schema!r} has the name of a column that extract adds; "
                f"rename it. Taken: {', '.join(RUN_COLUMNS)}"
            )
    wire_schema(schema, Dialect.PLAIN)


def named_columns(frame: pd.DataFrame, fields: str | Sequence[str]) -> list[str]:
    """Return the names of one or several columns as a list.

    Raises:
        KeyError: a column does not exist.
    """
    names = [fields] if isinstance(fields, str) else list(fields)
    for name in names:
        if name not in frame.columns:
            raise KeyError(f"no column {name!r}; the columns: {printable(', '.join(map(str, frame.columns)))}")
    return names


def outcome_frame(schema: Any, ledger: Ledger, index: pd.Index[Any], explode: str | None = None) -> pd.DataFrame:
    """Return one row per entry: the schema's columns, then those about the run, with ``_warnings`` if there are any.

    With ``explode``, one row per item of that list; the first row of an entry has its bill and the other rows 0, so
    that sums are right.
    """
    if explode is not None:
        frame, positions = exploded_frame(schema, ledger.values, index, explode)
        for name, array in about_columns(ledger).items():
            frame[name] = _repeated(name, array, positions)
        return frame
    frame = frame_from_columns(schema, ledger.values, index)
    for name, array in about_columns(ledger).items():
        # An array, since pandas would align a Series by label, and labels may occur twice.
        frame[name] = array
    return frame


def about_columns(ledger: Ledger) -> dict[str, Any]:
    """Return the columns about the run by name."""
    about = ledger.columns()
    columns = {
        "_status": pd.Categorical.from_codes(np.frombuffer(about["states"], dtype=np.int8), pd.Index(STATES)),
        "_error": pd.array(about["errors"], dtype="string"),
        "_attempts": _integers(about["attempts"]),
        "_prompt_tokens": _integers(about["prompt_tokens"]),
        "_completion_tokens": _integers(about["completion_tokens"]),
        "_cost": _floats(about["costs"]),
        "_seconds": _floats(about["seconds"]),
    }
    if ledger.sure is not None:
        least = {position: min(fields.values()) for position, fields in ledger.sure.items()}
        columns[CONFIDENCE] = _floats([least.get(position, math.nan) for position in range(len(ledger))])
    return columns | ({"_warnings": _warnings(ledger)} if ledger.warnings else {})


def _warnings(ledger: Ledger) -> Any:
    texts: list[str | None] = [None] * len(ledger)
    for position, sentences in ledger.warnings.items():
        texts[position] = "; ".join(sentences)
    return pd.array(texts, dtype="string")


def with_warnings(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that always has ``_warnings``, since the parts of one table need the same columns."""
    if "_warnings" in frame.columns:
        return frame
    return frame.assign(_warnings=pd.array([None] * len(frame), dtype="string"))


def _repeated(name: str, array: Any, positions: np.ndarray[Any, Any]) -> Any:
    repeated = array.take(positions)
    if name in _SUMMED:
        further = np.zeros(len(positions), dtype=bool)
        further[1:] = positions[1:] == positions[:-1]
        repeated[further & ~repeated.isna()] = 0
    return repeated


def report_of(ledger: Ledger, **told: Any) -> dict[str, Any]:
    """Return the report of a run as plain JSON values, since pandas copies, compares and writes ``attrs``.

    ``prompt_tokens``, ``completion_tokens`` and ``cost`` are sums over all rows, failed ones included. A sum is None if
    no row was answered, or if the amount of an answered row is unknown. Then ``known`` has the sums over the other
    rows, and ``unknown`` the number of unknown rows. A row that failed without an answer does not count.
    ``cached_tokens`` is the number of prompt tokens that the provider read from its cache, ``warnings`` the number of
    rows with warnings, ``recorded`` the number of answers from a recording by date.
    """
    about = ledger.columns()
    counts = Counter(about["states"])
    billed = billed_of(ledger)
    return {
        "rows": len(ledger),
        "states": {state: counts[code] for code, state in enumerate(STATES)},
        **{name: None if unknown else known for name, (known, unknown) in billed.items()},
        "known": {name: known for name, (known, _) in billed.items()},
        "unknown": {name: unknown for name, (_, unknown) in billed.items()},
        "cached_tokens": ledger.cached_tokens,
        "warnings": len(ledger.warnings),
        "recorded": dict(sorted(Counter(ledger.recorded.values()).items())),
        **told,
    }


def billed_of(ledger: Ledger) -> dict[str, tuple[Any, int]]:
    """Return for each of ``BILLED`` the sum over the rows where it is known, or None, and the number of other rows."""
    about = ledger.columns()
    found = {}
    for name, column in zip(BILLED, ("prompt_tokens", "completion_tokens", "costs"), strict=True):
        amounts = np.asarray(about[column])
        known = amounts >= 0  # unknown amounts are negative or NaN
        found[name] = (amounts[known].sum().item() if known.any() else None, int((amounts == BILLED_UNKNOWN).sum()))
    return found


def forecast_of(report: dict[str, Any], rest: int, recalled: dict[str, float | None]) -> dict[str, Any]:
    """Forecast tokens, cost and failures of the rows that were not tried from those that were.

    Args:
        report: the report of the rows that were tried.
        rest: the number of rows that were not tried.
        recalled: the sums once billed for rows from an earlier run, which cost nothing in the report.

    Returns:
        ``rows``; ``prompt_tokens``, ``completion_tokens`` and ``cost``, None if unknown; ``failed``, the number of rows
        without an answer, and ``failed_at_most``, its upper bound in 19 cases of 20 (Wilson 1927).
    """
    states = report["states"]
    tried = report["rows"] - sum(states[state] for state in UNANSWERED)
    each = {name: _mean(report[name], recalled[name], tried, states) for name in BILLED}
    needed = {name: None if value is None else value * rest for name, value in each.items()}
    failed = sum(states[state] for state in FAILURES)
    return {
        "rows": rest,
        **{name: value if value is None or name == "cost" else round(value) for name, value in needed.items()},
        "failed": round(rest * failed / tried) if tried else None,
        "failed_at_most": min(rest, math.ceil(rest * wilson(failed, tried)[1])) if tried else None,
    }


def _mean(billed: float | None, once: float | None, tried: int, states: dict[str, int]) -> float | None:
    """Return the mean amount per row; if nothing was billed now, that of the earlier run."""
    if billed is None and states["skipped"] == tried:
        billed = 0
    return None if billed is None or once is None or not tried else (billed + once) / tried


def _integers(values: Any) -> pd.arrays.IntegerArray:
    numbers = np.asarray(values, dtype=np.int64)
    return pd.arrays.IntegerArray(numbers, numbers < 0)


def _floats(values: Any) -> pd.arrays.FloatingArray:
    numbers = np.asarray(values, dtype=np.float64)
    return pd.arrays.FloatingArray(numbers, np.isnan(numbers) | (numbers < 0))
