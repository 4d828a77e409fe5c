"""Lesson 11, from texts to a table: stop a batch, resume it, and pay once."""

from __future__ import annotations

from typing import Any

from ..checks import need
from ..exercise import Exercise
from ..lesson import Lesson


def paid_once(answer: Any) -> str:
    """Check the states of a table whose batch was stopped and resumed."""
    import pandas as pd

    need(isinstance(answer, pd.DataFrame), f"Expected the table of the second run, got {type(answer).__name__}.")
    need("_status" in answer.columns, "This table did not come from mf.extract: it has no column _status.")
    states = answer["_status"].astype(str)
    open_ = states.isin(["pending", "interrupted"]).sum()
    need(open_ == 0, f"{open_} rows were never asked. Run the same call again, with the same store.")
    cached = int((states == "cached").sum())
    need(
        cached > 0,
        "No row came from the store, so every row was paid for again. Pass the same store= to both runs.",
    )
    need(cached < len(states), "Every row came from the store: the first run was not stopped, or this is a third one.")
    bad = states[~states.isin(["ok", "cached"])]
    need(bad.empty, f"{len(bad)} rows are {bad.iloc[0] if len(bad) else ''}: look at their _error, and run them again.")
    return f"{cached} rows came from the store, and only {len(states) - cached} were asked."


LESSON = Lesson(
    "11",
    "From texts to a table",
    (
        Exercise(
            "the table of a batch that was stopped and resumed",
            paid_once,
            hints=(
                'Pass store="run.sqlite" to mf.extract, and interrupt the cell while it runs.',
                "Run the same call again: rows that have an answer come from the file.",
                "sample=3 in the first run stops it early without a race against the clock.",
            ),
            solution="""
import tempfile

store = f"{tempfile.mkdtemp()}/run.sqlite"
mf.extract(texts, Release, model=model, prompt="Read this note: {text}", store=store, sample=2, progress=False)
answer = mf.extract(texts, Release, model=model, prompt="Read this note: {text}", store=store, progress=False)
""",
        ),
    ),
)
