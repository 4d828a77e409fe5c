"""Lesson 5, what in a prompt matters: six prompts, two models, twelve reviews, one of them an injection."""

from __future__ import annotations

import itertools
from typing import Any

from ..checks import names, need
from ..exercise import Exercise
from ..lesson import Lesson
from ..replayed import MODEL, scores, truth


def ranked(answer: Any) -> str:
    """Compare an order of the prompts with their scores for the larger model."""
    found = scores()[MODEL]
    need(isinstance(answer, list | tuple), "Expected a list of the six names, the best prompt first.")
    need(set(answer) == set(found), f"Expected each of these once: {names(sorted(found))}.")
    need(len(answer) == len(found), "Each prompt stands in the list once.")
    values = [found[name] for name in answer]
    for place, (one, other) in enumerate(itertools.pairwise(values)):
        need(
            one >= other,
            f"{answer[place]!r} is right {one} times of 12, and {answer[place + 1]!r}, behind it, {other} times.",
        )
    return f"From {values[0]} down to {values[-1]} of 12 right. Twelve inputs cannot tell neighbours apart."


def injected(answer: Any) -> str:
    """Check the position of the review that contains an injection."""
    inputs = list(truth("prompts")["inputs"])
    right = next(place for place, text in enumerate(inputs) if text.startswith("Ignore"))
    need(isinstance(answer, int) and not isinstance(answer, bool), "Expected the position of a review, from 0 to 11.")
    need(0 <= answer < len(inputs), "There are twelve reviews, at the positions 0 to 11.")
    need(
        answer == right, f"Review {answer} says {inputs[answer]!r}. That is an opinion; look for one that gives orders."
    )
    return "It is addressed to the model and not to a reader: an injection."


LESSON = Lesson(
    "05",
    "What in a prompt matters",
    (
        Exercise(
            "the six prompts, the best one first",
            ranked,
            hints=(
                "table.mf.scores() has a row for each prompt and model.",
                "Look at the rows of local/qwen2.5-coder-0.5b only, and sort them by the share that is right.",
                "Prompts that are right equally often may stand in any order.",
            ),
            solution="""
from msgflux_nb.course.replayed import MODEL, scores

found = scores()[MODEL]
answer = sorted(found, key=found.get, reverse=True)
""",
        ),
        Exercise(
            "the position of the review that gives the model an order",
            injected,
            hints=("Read the twelve reviews. One of them does not speak about a thing.", "It begins with: Ignore"),
            solution="""
answer = 11
""",
        ),
    ),
    recording="prompts",
)
