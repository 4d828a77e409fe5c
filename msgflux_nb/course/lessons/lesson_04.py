"""Lesson 4, begin for the model: the start of an answer decides how it continues."""

from __future__ import annotations

import json
from typing import Any

from ..checks import need
from ..exercise import Exercise
from ..lesson import Lesson


def begins_json(answer: Any) -> str:
    """Check that a text can only be continued as a JSON object with a place first."""
    need(isinstance(answer, str), f"A start is a text; you gave a {type(answer).__name__}.")
    need(answer.strip(), "An empty start leaves the model free to begin as it likes.")
    need(answer.lstrip().startswith("{"), "A JSON object begins with {. Whatever stands before it is prose.")
    need('"place"' in answer, 'Name the first field yourself, so that the model cannot use another name: "place".')
    need(answer == answer.rstrip(), "A space at the end is a separate token and makes the following words unlikely.")
    for rest in ("", '"', 'x"', ': "x"', '"x"'):
        try:
            json.loads(f"{answer}{rest}}}")
        except ValueError:
            continue
        return "Whatever the model writes now stands inside your JSON."
    need(False, "No text can follow this and be JSON: look for a quote or a bracket that is closed already.")
    return ""


LESSON = Lesson(
    "04",
    "Begin for the model",
    (
        Exercise(
            "a start after which the answer is a JSON object with the field place",
            begins_json,
            hints=(
                "The model goes on with your text; it does not begin again. What is the first character of JSON?",
                'After { comes the first key in quotes: {"place"',
                'With {"place": " the next thing the model can write is the place itself.',
            ),
            solution="""
answer = '{"place": "'
""",
        ),
    ),
    recording="prefill",
)
