"""Lesson 8, reason and act: a loop of thoughts and tools, and the budget that stops it."""

from __future__ import annotations

from typing import Any

from ..checks import need
from ..exercise import Exercise
from ..lesson import Lesson
from ..replayed import react_runs


def wasted(answer: Any) -> str:
    """Compare the position of a run with that of the run that its budget stopped."""
    runs = react_runs()
    need(isinstance(answer, int) and not isinstance(answer, bool), "Expected the position of a run: 0, 1 or 2.")
    need(0 <= answer < len(runs), f"There are {len(runs)} runs, at the positions 0 to {len(runs) - 1}.")
    right = max(range(len(runs)), key=lambda place: runs[place].calls)
    need(
        answer == right,
        f"Run {answer} made {runs[answer].calls} calls. Another one made more, and found nothing.",
    )
    return f"{runs[right].calls} calls for a price that the shop does not have."


def budget(answer: Any) -> str:
    """Compare a number of calls with the needs of the useful runs."""
    runs = react_runs()
    longest = max(range(len(runs)), key=lambda place: runs[place].calls)
    needed = max(run.calls for place, run in enumerate(runs) if place != longest)
    need(isinstance(answer, int) and not isinstance(answer, bool), "Expected max_calls: a whole number.")
    need(answer > 0, "Without a call there is no answer.")
    need(answer >= needed, f"With {answer} calls one of the useful runs would be cut; they take up to {needed}.")
    need(
        answer < runs[longest].calls,
        f"With {answer} calls the run that gets nowhere is not stopped; it makes {runs[longest].calls}.",
    )
    return f"max_calls={answer} lets the useful runs finish and ends the other one."


LESSON = Lesson(
    "08",
    "Reason and act",
    (
        Exercise(
            "the position of the run that wasted its calls",
            wasted,
            hints=(
                "run.calls counts the calls of a run, run.stopped says why it ended.",
                "Look at the view of each run: in one the same call comes again and again.",
            ),
            solution="""
from msgflux_nb.course.replayed import react_runs

runs = react_runs()
answer = max(range(len(runs)), key=lambda place: runs[place].calls)
""",
        ),
        Exercise(
            "a max_calls that ends that run and no other",
            budget,
            hints=(
                "How many calls do the two runs take that come to an answer?",
                "The budget lies between the longest useful run and the one that gets nowhere.",
            ),
            solution="""
from msgflux_nb.course.replayed import react_runs

answer = sorted(run.calls for run in react_runs())[1]
""",
        ),
    ),
    recording="react",
)
