"""The methods of ``df.mf`` for grids."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ...errors import StoreError
from .grid_run import GridRun, known_grids
from .scores import marks_of, score_frame, score_table
from .wide import cell_frame

__all__ = ["cells", "find_grid", "scores"]


def find_grid(result: pd.DataFrame) -> GridRun:
    """Return the grid behind a table.

    Raises:
        TypeError: the table is not the result of a grid.
        StoreError: the grid's kernel has ended.
    """
    name = _report(result)["run"]
    found = known_grids().get(name)
    if found is None:
        raise StoreError(
            f"the kernel of {name!r} has ended, so its answers are not in memory. Repeat the call of mf.grid first; "
            "answers in its store are not paid for again"
        )
    return found


def scores(result: pd.DataFrame, score: Any = None) -> pd.DataFrame:
    """Return the score of each prompt and model; see ``df.mf.scores``."""
    report = _report(result)
    if score is None:
        return score_frame(report["scores"])
    run = find_grid(result)
    ledger = run.settled()
    return score_frame(score_table(run, ledger, marks_of(run, ledger, score)))


def cells(result: pd.DataFrame) -> pd.DataFrame:
    """Return one row per answer; see ``df.mf.cells``."""
    run = find_grid(result)
    return cell_frame(run, run.settled())


def _report(result: pd.DataFrame) -> dict[str, Any]:
    report = result.attrs.get("report")
    if not isinstance(report, dict) or "scores" not in report:
        raise TypeError("expected a result of mf.grid, got a frame without its report")
    return report
