"""Outcomes → the DataFrame that a batch returns, and the report in its ``attrs``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SchemaError
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
ROW = "_row"  # of a table without an index
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
_SUMMED = RUN_COLUMNS[2:7]


def check_schema(schema: Any, explode: str | None = None) -> None:
    """Refuse a schema whose table could not be told apart from the columns about the run.

    Raises:
        SchemaError: ``schema`` is not a type, one of its fields has the name of one of those columns, or ``explode``
            does not name a list.
    """
    for column in columns(schema, explode):
        if column.name in RUN_COLUMNS:
            raise SchemaError(
                f"the field {column.name!r} of {schema!r} has the name of a column that extract adds; "
                f"rename it. Taken: {', '.join(RUN_COLUMNS)}"
            )


def named_columns(frame: pd.DataFrame, fields: str | Sequence[str]) -> list[str]:
    """Return the names of the columns that somebody names, one or several.

    Raises:
        KeyError: one is not there.
    """
    names = [fields] if isinstance(fields, str) else list(fields)
    for name in names:
        if name not in frame.columns:
            raise KeyError(f"no column {name!r}; the columns: {', '.join(map(str, frame.columns))}")
    return names


def outcome_frame(schema: Any, ledger: Ledger, index: pd.Index[Any], explode: str | None = None) -> pd.DataFrame:
    """Return one row per entry: the schema's columns, then those about the run; ``_warnings`` if there are some.

    With ``explode``, one row per item of that list; what was billed stands in the first row of an entry, and its other
    rows have 0, so that sums are right.
    """
    if explode is not None:
        frame, positions = exploded_frame(schema, ledger.values, index, explode)
        for name, array in about_columns(ledger).items():
            frame[name] = _repeated(name, array, positions)
        return frame
    frame = frame_from_columns(schema, ledger.values, index)
    for name, array in about_columns(ledger).items():
        # An array and no Series: pandas would align a Series by label, and labels may be there twice.
        frame[name] = array
    return frame


def about_columns(ledger: Ledger) -> dict[str, Any]:
    """Return the columns about a run, by name."""
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
    """Return a frame that has ``_warnings`` in any case: the parts of one table have the same columns."""
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
    """Return what a run did, as plain JSON values: pandas copies ``attrs`` around, compares and writes them.

    ``prompt_tokens``, ``completion_tokens`` and ``cost`` are sums over all rows, failed ones included: None if one
    that was answered does not know its own, or none was answered. Then ``known`` has the sums over the others, and
    ``unknown`` how many do not know. A row that failed without an answer counts for nothing.
    ``cached_tokens`` is how many of the prompts' tokens the provider read from its cache; ``warnings`` is how many rows
    have some; ``recorded`` is how many answers a recording gave, by the date when they were recorded.
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
    """Return for each of ``BILLED`` the sum over the rows that know it, None if none does, and how many do not."""
    about = ledger.columns()
    found = {}
    for name, column in zip(BILLED, ("prompt_tokens", "completion_tokens", "costs"), strict=True):
        amounts = np.asarray(about[column])
        known = amounts >= 0  # what is unknown is negative, or NaN
        found[name] = (amounts[known].sum().item() if known.any() else None, int((amounts == BILLED_UNKNOWN).sum()))
    return found


def forecast_of(report: dict[str, Any], rest: int, recalled: dict[str, float | None]) -> dict[str, Any]:
    """Return what the rows that were not tried will need, by those that were.

    Args:
        report: of the rows that were tried.
        rest: how many were not.
        recalled: what was once billed for rows that were tried before; in the report they cost nothing.

    Returns:
        ``rows``; ``prompt_tokens``, ``completion_tokens`` and ``cost``, None if they are not known; ``failed``, how
        many rows give nothing, and ``failed_at_most`` in 19 cases of 20 (Wilson 1927).
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
    """What a row costs; if nothing was billed now, what it cost once."""
    if billed is None and states["skipped"] == tried:
        billed = 0
    return None if billed is None or once is None or not tried else (billed + once) / tried


def _integers(values: Any) -> pd.arrays.IntegerArray:
    numbers = np.asarray(values, dtype=np.int64)
    return pd.arrays.IntegerArray(numbers, numbers < 0)


def _floats(values: Any) -> pd.arrays.FloatingArray:
    numbers = np.asarray(values, dtype=np.float64)
    return pd.arrays.FloatingArray(numbers, np.isnan(numbers) | (numbers < 0))
