"""The marks of a grid's answers, and the scores of its prompts and models."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import pandas as pd

from ...errors import brief
from ..arrays import python_value
from ..compare import same_cell
from ..dtypes import columns
from ..fields import Cells
from ..frame import to_frame
from ..ledger import Ledger
from ..outcome import FAILURES, UNANSWERED
from ..reviewing.intervals import wilson
from .asked import AskedGrid
from .wide import is_record

__all__ = [
    "SCORE_COLUMNS",
    "Marks",
    "begun_marks",
    "check_scorer",
    "mark_more",
    "marks_of",
    "score_frame",
    "score_table",
]

SCORE_COLUMNS = ("score", "low", "high", "right", "answers", "failed", "cost", "seconds")


class Marks(msgspec.Struct, frozen=True):
    """The marks of the answers, by a truth or by a function.

    Attributes:
        marks: by position, from 0 (wrong) to 1 (right); None without an answer, or without a truth for it.
        truth: by input, the right value, or the right values by field; None without a truth.
        fields: the fields of the truth; empty for answers without fields, or without a truth.
    """

    marks: list[float | None]
    truth: list[Any] | None = None
    fields: tuple[str, ...] = ()


def marks_of(run: AskedGrid, ledger: Ledger, scorer: Any) -> Marks:
    """Mark every answer.

    Args:
        run: the grid.
        ledger: its answers.
        scorer: a function of an answer, or of an answer and its input; or the truth.

    Raises:
        ValueError: the truth does not belong to the inputs, or a function returned no mark from 0 to 1.
    """
    if _is_function(scorer):
        return Marks(_by_function(run, ledger, scorer))
    truth, fields = _truth(run, scorer)
    return Marks(_by_truth(run, ledger, range(len(run.rows)), truth, fields), truth, fields)


def begun_marks(run: AskedGrid, scorer: Any) -> Marks | None:
    """Return the marks of a grid that begins; None without a truth: a function may be slow, and runs at the end."""
    if scorer is None or _is_function(scorer):
        return None
    truth, fields = _truth(run, scorer)
    return Marks([None] * len(run.rows), truth, fields)


def mark_more(run: AskedGrid, ledger: Ledger, marks: Marks, positions: Sequence[int]) -> list[float | None]:
    """Mark the answers at some positions by the truth of ``marks``, which takes them, and return them."""
    assert marks.truth is not None
    found = _by_truth(run, ledger, positions, marks.truth, marks.fields)
    for position, mark in zip(positions, found, strict=True):
        marks.marks[position] = mark
    return found


def check_scorer(run: AskedGrid, scorer: Any) -> None:
    """Check a truth before anything is paid for.

    Raises:
        ValueError: it does not belong to the inputs.
    """
    if not _is_function(scorer):
        _truth(run, scorer)


def score_table(run: AskedGrid, ledger: Ledger, marks: Marks | None) -> list[dict[str, Any]]:
    """Return the scores of all prompts and models as dicts with ``SCORE_COLUMNS``."""
    rows = []
    for prompt_number, prompt in enumerate(run.prompts):
        for model_number, (model, _) in enumerate(run.models):
            step = len(run.prompts) * len(run.models)
            positions = range(prompt_number * len(run.models) + model_number, len(run.rows), step)
            rows.append({"prompt": prompt.name, "model": model, **_scored(run, ledger, marks, positions)})
    return rows


def score_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the dicts of :func:`score_table` as a frame with one row per prompt and model."""
    index = pd.MultiIndex.from_tuples([(row["prompt"], row["model"]) for row in rows], names=["prompt", "model"])
    frame = pd.DataFrame([{name: row[name] for name in SCORE_COLUMNS} for row in rows], columns=list(SCORE_COLUMNS))
    frame.index = index
    whole = {"answers": "Int64", "failed": "Int64"}
    return frame.astype({**dict.fromkeys(SCORE_COLUMNS, "Float64"), **whole})


def _scored(run: AskedGrid, ledger: Ledger, marks: Marks | None, positions: range) -> dict[str, Any]:
    states = [ledger.state(position) for position in positions]
    bills = [run.bill(position, ledger) for position in positions]
    told: list[float] = []
    if marks is not None:
        told = [mark for mark in (marks.marks[position] for position in positions) if mark is not None]
    low, high = wilson(sum(told), len(told)) if told else (None, None)
    return {
        "score": sum(told) / len(told) if told else None,
        "low": low,
        "high": high,
        "right": sum(told) if told else None,
        "answers": sum(state not in UNANSWERED and state != "skipped" for state in states),
        "failed": sum(state in FAILURES for state in states),
        "cost": _sum([bill["cost"] for bill in bills]),
        "seconds": _mean([bill["seconds"] for bill in bills]),
    }


def _sum(amounts: list[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _mean(amounts: list[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) / len(known) if known else None


# A function


def _by_function(run: AskedGrid, ledger: Ledger, function: Callable[..., Any]) -> list[float | None]:
    takes_input = _takes_two(function)
    marks: list[float | None] = []
    for position in range(len(run.rows)):
        state = ledger.state(position)
        if state in UNANSWERED or state == "skipped":
            marks.append(None)
        elif state in FAILURES:
            marks.append(0.0)
        else:
            value, place = ledger.values[position], run.rows.cell(position).place
            given = function(value, _input(run.inputs, place)) if takes_input else function(value)
            marks.append(_mark(given))
    return marks


def _is_function(scorer: Any) -> bool:
    return callable(scorer) and not isinstance(scorer, pd.DataFrame | pd.Series)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a C function without a signature
        return True
    return True


def _mark(given: Any) -> float | None:
    given = python_value(given)
    if given is None:
        return None
    if not isinstance(given, bool | int | float) or not 0 <= given <= 1 or math.isnan(given):
        raise ValueError(f"score: expected True, False, None or a number from 0 to 1, got {brief(given)}")
    return float(given)


def _input(inputs: Any, place: int) -> Any:
    if isinstance(inputs, pd.DataFrame):
        return {str(name): python_value(inputs[name].iloc[place]) for name in inputs.columns}
    return python_value(inputs.iloc[place] if isinstance(inputs, pd.Series) else inputs[place])


# A truth


def _truth(run: AskedGrid, given: Any) -> tuple[list[Any], tuple[str, ...]]:
    """Return the right value for each input, and the fields of the truth."""
    if not isinstance(given, pd.DataFrame | pd.Series):
        if not isinstance(given, Iterable):
            raise TypeError(f"score: expected right answers or a function, got {type(given).__name__}")
        given = _listed(run, list(given))
    given = _by_label(given, run.index)
    if not is_record(run.schema):
        if isinstance(given, pd.DataFrame):
            if len(given.columns) != 1:
                raise ValueError(f"score: expected one column of right answers, got {list(given.columns)}")
            given = given.iloc[:, 0]
        return given.tolist(), ()
    names = [column.name for column in columns(run.schema)]
    if isinstance(given, pd.Series):
        given = given.to_frame(given.name if given.name in names or len(names) > 1 else names[0])
    fields = tuple(name for name in names if name in given.columns)
    if not fields:
        raise ValueError(f"score: expected a truth with some of the fields {names}, got {list(given.columns)}")
    cells = [given[name].tolist() for name in fields]
    return [dict(zip(fields, row, strict=True)) for row in zip(*cells, strict=True)], fields


def _listed(run: AskedGrid, values: list[Any]) -> Any:
    if len(values) != len(run.index):
        raise ValueError(f"score: expected as many right answers as inputs, {len(run.index):,}, got {len(values):,}")
    if not is_record(run.schema) or not values or isinstance(values[0], str | int | float | bool | None):
        made: Any = pd.Series(values, dtype=object)
    else:
        made = to_frame(values)
    made.index = run.index
    return made


def _by_label(given: Any, index: pd.Index[Any]) -> Any:
    if given.index.equals(index):
        return given
    if not given.index.is_unique:
        raise ValueError(
            "score: expected each label once in a truth whose labels differ from the inputs'; at least one occurs "
            "twice. Drop the others: truth[~truth.index.duplicated()]"
        )
    found = given.reindex(index)
    if not index.isin(given.index).any():
        raise ValueError(
            f"score: no input has a truth. The inputs' labels begin {index[:3].tolist()}, the truth's "
            f"{given.index[:3].tolist()}"
        )
    return found


def _by_truth(
    run: AskedGrid, ledger: Ledger, positions: Sequence[int], truth: list[Any], fields: tuple[str, ...]
) -> list[float | None]:
    columns_of = {} if not fields else {column.name: column for column in columns(run.schema)}
    values = [ledger.values[position] for position in positions]
    cells = Cells(values)
    found = {name: cells.of(columns_of[name]) for name in fields}
    marks: list[float | None] = []
    for place, position in enumerate(positions):
        state, right = ledger.state(position), truth[run.rows.cell(position).place]
        if state in UNANSWERED or state == "skipped" or _is_unknown(right):
            marks.append(None)
        elif state in FAILURES:
            marks.append(0.0)
        elif fields:
            marks.append(float(all(same_cell(found[name][place], right[name]) for name in fields)))
        else:
            marks.append(float(same_cell(values[place], right)))
    return marks


def _is_unknown(right: Any) -> bool:
    """Return whether an input has no truth, so that its answers get no mark."""
    cells = right.values() if isinstance(right, dict) else (right,)
    return all(python_value(cell) is None for cell in cells)
