"""The picture of a batch for a page: only texts and numbers, of the same size for ten rows and for ten million."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

from ...display.markdown import encodable
from ...display.values import beginning, readable
from ...tables.dtypes import Column, columns
from ...tables.fields import Cells, plain
from ...tables.outcome import STATES
from .batch_figures import ahead_of, figures_of, forecast_text, paid_of
from .column_heads import SHOWN_COLUMNS, empty_heads
from .plain_error import plain_error
from .tally import Tally

__all__ = ["Picture", "empty_picture", "picture_of", "rows_of"]

Picture = dict[str, Any]

_PROBLEMS = 5
_CELL = 80  # characters
_ERROR = 400
_DIGITS = 9  # a number with more digits is shortened
_ASKING = 3  # rows in flight that are shown below the others


def empty_picture(schema: Any, model: str, total: int | None) -> Picture:
    """Return the picture before the first run."""
    found = columns(schema)
    return {
        "state": "idle",
        "schema": _cut(getattr(schema, "__name__", str(schema)), _CELL),
        "model": _cut(model, _CELL),
        "total": total,
        "finished": 0,
        "in_flight": 0,
        "asking": [],
        "counts": dict.fromkeys(STATES, 0) | {"pending": total or 0},
        "figures": figures_of(None, total=total, finished=0),
        "paid": ["", ""],
        "columns": [_cut(column.name, _CELL) for column in found[:SHOWN_COLUMNS]],
        "more_columns": max(0, len(found) - SHOWN_COLUMNS),
        "heads": empty_heads(schema),
        "rows": [],
        "only": "",
        "problems": [],
        "more_problems": 0,
        "note": "",
        "forecast": "",
        "ahead": {},
        "more_rows": 0,
        "action": "",
        "action_label": "",
        "blocking": "",
        "error": "",
    }


def picture_of(tally: Tally, *, ended: Mapping[str, Any] | None = None, only: str = "") -> Picture:
    """Return the picture of a run.

    Args:
        tally: the counts of the run.
        ended: the run's report, if it has ended.
        only: the only state to show, which is a failure; empty for all.
    """
    run, ledger = tally.run, tally.run.batch.ledger
    in_flight = run.batch.in_flight
    flying = len(in_flight)
    if ended is None:
        total, counts, finished = tally.total, dict.fromkeys(STATES, 0) | dict(ledger.counts), ledger.finished
        counts["pending"] = 0 if total is None else max(0, total - finished - flying)
    else:
        total, counts, flying = ended["rows"], dict(ended["states"]), 0
        finished = total - counts["pending"] - counts["interrupted"]
    problems = tally.worst(_PROBLEMS)
    forecast = None if ended is None else ended.get("forecast")
    return empty_picture(run.schema, run.model.name, total) | {
        "state": "running",
        "finished": finished,
        "in_flight": flying,
        "asking": [_label(tally, place) for place in heapq.nsmallest(_ASKING, in_flight)] if flying else [],
        "counts": counts,
        "figures": figures_of(tally, total=total, finished=finished, ended=ended),
        "paid": paid_of(tally, ended),
        "heads": tally.heads.drawn(),
        "rows": rows_of(tally, only, ended=ended is not None),
        "only": only if only in tally.last_of else "",
        "problems": [
            [
                problem.state,
                _cut(plain_error(problem.text, columns(run.schema)), _ERROR),
                problem.count,
                _label(tally, problem.position),
            ]
            for problem in problems
        ],
        "more_problems": max(0, len(tally.problems) - len(problems)),
        "note": _cut(_stopped(run.batch.stopped), _ERROR),
        "forecast": forecast_text(forecast),
        "more_rows": 0 if forecast is None else forecast["rows"],
        "ahead": ahead_of(forecast, ended, free=tally.free, kept=run.records is not None),
    }


def _stopped(reason: str | None) -> str:
    return "" if reason is None else f"stopped: {reason}"


# -- rows -------------------------------------------------------------------------------------------------------------


def rows_of(tally: Tally, only: str, *, ended: bool) -> list[list[Any]]:
    """Return the rows that ended last, the latest at the end; once the run has ended, in the order of the input."""
    last = tally.last_of.get(only, tally.last)
    return _rows(tally, sorted(last) if ended else list(last))


def _rows(tally: Tally, positions: Iterable[int]) -> list[list[Any]]:
    """Return rows that have ended: position, label, state, cells, error, warnings."""
    ledger, found = tally.run.batch.ledger, columns(tally.run.schema)[:SHOWN_COLUMNS]
    rows: list[list[Any]] = []
    for position in positions:
        state = None if ledger.is_open(position) else ledger.state(position)
        if state is not None:
            cells = _cells(ledger.values[position], found)
            error = _cut(plain_error(ledger.errors.get(position, ""), found), _CELL * 2)
            flags = _cut("; ".join(ledger.warnings.get(position, ())), _ERROR)
            rows.append([position, _label(tally, position), state, cells, error, flags])
    return rows


def _cells(value: Any, found: tuple[Column, ...]) -> list[str | None]:
    if value is None:
        return []
    cells = Cells([value])
    return [_text(cells.of(column)[0]) for column in found]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    value = plain(beginning(value, _CELL))
    if isinstance(value, float) and len(repr(value)) > _DIGITS:
        return f"{value:.6g}"
    return _cut(readable(value), _CELL)


def _label(tally: Tally, position: int) -> str:
    """Return a row's label in the index of the result."""
    index = tally.run.rows.index
    return _cut(str(index[position]) if position < len(index) else str(position), _CELL)


def _cut(text: str, limit: int) -> str:
    return encodable(text if len(text) <= limit else f"{text[:limit]}…")
