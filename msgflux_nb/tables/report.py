"""Outcomes → the DataFrame that a batch returns, and the report in its ``attrs``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..errors import SchemaError
from .arrays import to_series
from .dtypes import Column, columns
from .frame import frame_from_columns
from .outcome import STATES, Outcome

__all__ = ["check_schema", "outcome_frame", "report_of"]

_COLUMNS = (
    Column("_status", ("state",), "category", STATES),
    Column("_error", ("error",), "string"),
    Column("_attempts", ("attempts",), "integer"),
    Column("_prompt_tokens", ("prompt_tokens",), "integer"),
    Column("_completion_tokens", ("completion_tokens",), "integer"),
    Column("_cost", ("cost",), "float"),
    Column("_seconds", ("seconds",), "float"),
)


def check_schema(schema: Any) -> None:
    """Refuse a schema whose table could not be told apart from the columns about the run.

    Raises:
        SchemaError: ``schema`` is no type, or one of its fields is called like one of those columns.
    """
    taken = [column.name for column in _COLUMNS]
    for column in columns(schema):
        if column.name in taken:
            raise SchemaError(
                f"the field {column.name!r} of {schema!r} has the name of a column that extract adds; "
                f"rename it. Taken: {', '.join(taken)}"
            )


def outcome_frame(schema: Any, outcomes: Sequence[Outcome], index: pd.Index[Any]) -> pd.DataFrame:
    """Return one row per outcome: the schema's columns, then those about the run."""
    frame = frame_from_columns(schema, [outcome.value for outcome in outcomes], index)
    for column in _COLUMNS:
        # An array and no Series: pandas would align a Series by label, and labels may be there twice.
        frame[column.name] = to_series(column, [column.cell(outcome) for outcome in outcomes]).array
    return frame


def report_of(outcomes: Sequence[Outcome], *, model: str, seconds: float, stopped: str | None) -> dict[str, Any]:
    """Return what a run did, as plain JSON values: pandas copies ``attrs`` around, compares and writes them.

    ``prompt_tokens``, ``completion_tokens`` and ``cost`` are sums over the rows that know theirs, failed ones
    included, and None if no row does; ``seconds`` is the run's length; ``stopped`` says why it ended early, or is None.
    """
    counts = Counter(outcome.state for outcome in outcomes)
    return {
        "model": model,
        "rows": len(outcomes),
        "states": {state: counts[state] for state in STATES},
        "prompt_tokens": _sum([outcome.prompt_tokens for outcome in outcomes]),
        "completion_tokens": _sum([outcome.completion_tokens for outcome in outcomes]),
        "cost": _sum([outcome.cost for outcome in outcomes]),
        "seconds": seconds,
        "stopped": stopped,
    }


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
