"""A batch as a page draws it: texts and numbers alone, as much of them for ten rows as for ten million."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...display.figures import dollars
from ...display.markdown import encodable
from ...tables.dtypes import Column, columns
from ...tables.fields import Cells, plain
from ...tables.outcome import STATES
from .tally import Tally

__all__ = ["Picture", "empty_picture", "picture_of", "rows_text"]

Picture = dict[str, Any]

_COLUMNS = 8
_PROBLEMS = 5
_CELL = 80  # characters
_ERROR = 400
_DASH = "–"


def empty_picture(schema: Any, model: str, total: int | None) -> Picture:
    """Return what is shown before anything was asked."""
    found = columns(schema)
    return {
        "state": "idle",
        "schema": _cut(getattr(schema, "__name__", str(schema)), _CELL),
        "model": _cut(model, _CELL),
        "total": total,
        "finished": 0,
        "in_flight": 0,
        "counts": dict.fromkeys(STATES, 0) | {"pending": total or 0},
        "figures": _figures(None, total=total, finished=0),
        "columns": [_cut(column.name, _CELL) for column in found[:_COLUMNS]],
        "more_columns": max(0, len(found) - _COLUMNS),
        "rows": [],
        "problems": [],
        "more_problems": 0,
        "note": "",
        "forecast": "",
        "action": "",
        "action_label": "",
        "error": "",
    }


def picture_of(tally: Tally, *, ended: Mapping[str, Any] | None = None) -> Picture:
    """Return how a run stands.

    Args:
        tally: what was counted.
        ended: the run's report, if it is over.
    """
    run, ledger = tally.run, tally.run.batch.ledger
    flying = len(run.batch.in_flight)
    if ended is None:
        total, counts, finished = tally.total, dict.fromkeys(STATES, 0) | dict(ledger.counts), ledger.finished
        counts["pending"] = 0 if total is None else max(0, total - finished - flying)
    else:
        total, counts, flying = ended["rows"], dict(ended["states"]), 0
        finished = total - counts["pending"] - counts["interrupted"]
    problems = tally.worst(_PROBLEMS)
    return empty_picture(run.schema, run.model.name, total) | {
        "state": "running",
        "finished": finished,
        "in_flight": flying,
        "counts": counts,
        "figures": _figures(tally, total=total, finished=finished, ended=ended),
        "rows": _rows(tally),
        "problems": [
            [problem.state, _cut(problem.text, _ERROR), problem.count, _label(tally, problem.position)]
            for problem in problems
        ],
        "more_problems": max(0, len(tally.problems) - len(problems)),
        "note": _cut(_stopped(run.batch.stopped), _ERROR),
        "forecast": "" if ended is None else _forecast(ended.get("forecast")),
    }


def rows_text(count: int) -> str:
    """Write how many rows."""
    return f"{count:,} row{'' if count == 1 else 's'}"


# -- figures ----------------------------------------------------------------------------------------------------------


def _figures(
    tally: Tally | None, *, total: int | None, finished: int, ended: Mapping[str, Any] | None = None
) -> list[list[str]]:
    """Names and values, always the same names in the same order, so that nothing jumps."""
    of = "" if total is None else f" of {total:,}"
    rate = prompt = completion = cost = rest_cost = seconds = None
    if ended is not None:
        prompt, completion, cost = ended["prompt_tokens"], ended["completion_tokens"], ended["cost"]
        seconds = ended["seconds"]
        rate = finished / seconds if seconds else None
    elif tally is not None:
        rate, rest = tally.rate(), tally.rest
        prompt, completion, cost = map(tally.billed, ("prompt_tokens", "completion_tokens", "cost"))
        seconds = rest / rate if rest is not None and rate else None
    if ended is not None and "forecast" in ended:
        rest_cost = ended["forecast"]["cost"]
    elif tally is not None:
        rest_cost = tally.for_the_rest("cost")
    return [
        ["rows", f"{finished:,}{of}"],
        ["rate", _DASH if rate is None else f"{_short(rate)} rows/s"],
        ["tokens in", _whole(prompt)],
        ["tokens out", _whole(completion)],
        ["cost", _cost(tally, ended) if cost is None else dollars(cost)],
        ["for the rest", _DASH if rest_cost is None else f"≈ {dollars(rest_cost)}"],
        ["took" if ended is not None else "time left", _time(seconds, about=ended is None)],
    ]


def _cost(tally: Tally | None, ended: Mapping[str, Any] | None) -> str:
    """Say that the cost is not known, of how many rows, and what is known of the others."""
    known: float | None = None
    unknown = 0
    if ended is not None:
        known, unknown = ended.get("known", {}).get("cost"), ended.get("unknown", {}).get("cost", 0)
    elif tally is not None:
        known, unknown = tally.partly("cost")
    if not unknown or not known:
        return _DASH
    return f"{_DASH} ({dollars(known)}, and {rows_text(unknown)} unknown)"


def _forecast(forecast: Mapping[str, Any] | None) -> str:
    if forecast is None or not forecast["rows"]:
        return ""
    parts = [f"{_whole(forecast['prompt_tokens'])} + {_whole(forecast['completion_tokens'])} tokens"]
    if forecast["cost"] is not None:
        parts.append(dollars(forecast["cost"]))
    if forecast["failed"] is not None:
        parts.append(f"{forecast['failed']:,} may fail, and hardly more than {forecast['failed_at_most']:,}")
    return f"the other {rows_text(forecast['rows'])}, by these: about {', '.join(parts)}"


def _stopped(reason: str | None) -> str:
    return "" if reason is None else f"stopped: {reason}"


def _whole(number: float | None) -> str:
    return _DASH if number is None else f"{number:,.0f}"


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:,.1f}" if rate >= 1 else f"{rate:,.2f}"


def _time(seconds: float | None, *, about: bool) -> str:
    if seconds is None:
        return _DASH
    sign = "≈ " if about else ""
    if seconds < 60:
        return f"{sign}{seconds:,.0f} s" if about or seconds >= 10 else f"{seconds:,.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{sign}{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{sign}{minutes} min {rest} s"


# -- rows -------------------------------------------------------------------------------------------------------------


def _rows(tally: Tally) -> list[list[Any]]:
    """The rows that ended last: position, label, state, cells, error, warnings."""
    ledger, found = tally.run.batch.ledger, columns(tally.run.schema)[:_COLUMNS]
    rows: list[list[Any]] = []
    for position in list(tally.last):
        state = None if ledger.is_open(position) else ledger.state(position)
        if state is not None:
            cells = _cells(ledger.values[position], found)
            error = _cut(ledger.errors.get(position, ""), _CELL * 2)
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
    value = plain(value)
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return _cut(str(value), _CELL)


def _label(tally: Tally, position: int) -> str:
    """A row's label in the index of the result."""
    index = tally.run.rows.index
    return _cut(str(index[position]) if position < len(index) else str(position), _CELL)


def _cut(text: str, limit: int) -> str:
    return encodable(text if len(text) <= limit else f"{text[:limit]}…")
