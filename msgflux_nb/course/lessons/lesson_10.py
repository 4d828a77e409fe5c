"""Lesson 10, search: the value of an exact check, shown with the logs of Tree of Thoughts with GPT-4."""

from __future__ import annotations

from typing import Any

from ..checks import need
from ..exercise import Exercise
from ..game24 import is_right, solves
from ..lesson import Lesson
from ..replayed import puzzles

_GOAL = 37


def checks(answer: Any) -> str:
    """Search the fifty logged trees with the learner's check."""
    from ...reasoning.tree_of_thoughts import tree_of_thoughts

    need(callable(answer), f"Expected a function check(path, numbers), got {type(answer).__name__}.")
    solved = asked = 0
    for puzzle in puzzles():
        numbers = puzzle["numbers"]

        def propose(path: tuple[str, ...], puzzle: Any = puzzle) -> list[str]:
            return list(puzzle["proposals"].get("".join(path), []))

        def value(path: tuple[str, ...], puzzle: Any = puzzle) -> float:
            nonlocal asked
            asked += 1
            return float(puzzle["values"].get("".join(path), 0.0))

        def check(path: tuple[str, ...], numbers: str = numbers) -> bool | None:
            said = answer(path, numbers)
            need(said in (True, False, None), f"Return True, False or None; yours returned {said!r}.")
            need(said is not True or solves(path, numbers), f"You call {path} solved, with the numbers {numbers}.")
            return said  # type: ignore[no-any-return]

        result = tree_of_thoughts(None, numbers, breadth=5, depth=4, propose=propose, value=value, check=check)
        solved += any(solves(path, numbers) or is_right(path, numbers) for path in result.paths)
    need(solved > 30, f"{solved} of 50: fewer than without a check, which solves 32. You call right paths dead.")
    need(solved >= _GOAL, f"{solved} of 50. Paths that end in another number than 24 are dead: return False.")
    return f"{solved} of 50 instead of 32, with {asked:,} valuations instead of 4,334."


LESSON = Lesson(
    "10",
    "Search",
    (
        Exercise(
            "check(path, numbers) with which the search solves 37 of 50",
            checks,
            hints=(
                "A path is a tuple of lines such as '4 + 5 = 9 (left: 6 9 10)\\n'. Follow them with exact arithmetic.",
                "Keep the numbers that are left; each line takes two away and puts their result there.",
                "Once one number is left: True if it is 24, else False. None as long as there are more, or if a line "
                "cannot be read. fractions.Fraction is exact where floats are not.",
            ),
            solution="""
from msgflux_nb.course.game24 import exact

answer = exact
""",
        ),
    ),
)
