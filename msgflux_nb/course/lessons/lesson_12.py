"""Lesson 12, is it right: choose a model by its accuracy and its cost."""

from __future__ import annotations

from typing import Any

from ..checks import an, need, number, wilson
from ..exercise import Exercise
from ..lesson import Lesson
from ..replayed import MODEL, SMALL, right_rows


def chosen(answer: Any) -> str:
    """Compare a choice with the numbers of rows that are right in all fields."""
    right = right_rows()
    need(
        isinstance(answer, str) and answer in right,
        f"Expected the name of a model, {SMALL!r} or {MODEL!r}; you gave {an(answer)}.",
    )
    best = max(right, key=lambda name: right[name])
    need(
        answer == best,
        f"{answer} has {right[answer]} of 60 rows right in every field, and {best} {right[best]}. Both cost nothing.",
    )
    return f"{right[best]} of 60 against {min(right.values())}."


def interval(answer: Any) -> str:
    """Compare an interval with Wilson's for the better model."""
    need(
        isinstance(answer, tuple | list) and len(answer) == 2,
        f"Expected both ends, as (low, high); you gave {an(answer)}.",
    )
    low, high = (number(one, "a share from 0 to 1") for one in answer)
    need(high <= 2, "A share goes from 0 to 1, not to 100.")
    need(high <= 1, f"A share is at most 1; your interval ends at {high:.2f}.")
    need(low <= high, "The lower end comes first: (low, high).")
    count = max(right_rows().values())
    right = wilson(count, 60)
    need(
        low < high,
        "Your interval has no width: p ± 1.96·√(p(1−p)/n) says nothing where all are right. Take Wilson's.",
    )
    cells = wilson(3 * count, 180)
    need(
        abs(low - cells[0]) > 0.002,
        "That is the interval for 180 cells. The three cells of a row are not independent: count the 60 rows.",
    )
    need(
        low < count / 60 < high or count in (0, 60),
        f"{count} of 60 are right; the interval has to hold {count / 60:.2f}.",
    )
    need(
        abs(low - right[0]) < 0.02 and abs(high - right[1]) < 0.02,
        f"Wilson's interval for {count} of 60 is about {right[1] - right[0]:.2f} wide; yours is {high - low:.2f}.",
    )
    return f"{right[0]:.0%} to {right[1]:.0%}: sixty rows leave that much open."


LESSON = Lesson(
    "12",
    "Is it right?",
    (
        Exercise(
            "the name of the model to choose",
            chosen,
            hints=(
                "mf.score(table, truth) counts the cells that are right, a field at a time.",
                "Count the rows that are right in all three fields.",
                f"The two are {SMALL} and {MODEL}.",
            ),
            solution="""
from msgflux_nb.course.replayed import right_rows

right = right_rows()
answer = max(right, key=right.get)
""",
        ),
        Exercise(
            "the 95 % interval of its share of right rows",
            interval,
            hints=(
                "The share is right / 60. An interval says where the share of all rows may lie.",
                "wilson(right, 60), as in the cell above.",
                "By hand: ((p + z²/2n) ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n) with z = 1.96.",
            ),
            solution="""
import math
from msgflux_nb.course.replayed import right_rows

n, z = 60, 1.96
p = max(right_rows().values()) / n
middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
answer = ((middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n))
""",
        ),
    ),
    recording="rows",
)
