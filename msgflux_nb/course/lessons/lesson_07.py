"""Lesson 7, tools: a model writes a call, your function runs, the model reads what it returned."""

from __future__ import annotations

import inspect
import json
from typing import Any

from ..checks import need
from ..exercise import Exercise
from ..lesson import Lesson
from ..replayed import recorded_calls


def is_the_function(answer: Any) -> str:
    """Call the function with the arguments of the three recorded calls."""
    calls = recorded_calls()
    need(callable(answer) and not isinstance(answer, type), f"Expected a function, got {answer!r}.")
    need(
        answer.__name__ == calls[0].name,
        f"The model calls {calls[0].name!r}, and yours is named {answer.__name__!r}: it would not be found.",
    )
    taken = inspect.signature(answer).parameters
    wanted = {name for call in calls for name in call.arguments}
    for name in sorted(wanted):
        need(
            name in taken, f"A recorded call passes {name!r}, and your function takes {', '.join(taken) or 'nothing'}."
        )
    for name, parameter in taken.items():
        need(
            parameter.annotation is not inspect.Parameter.empty,
            f"{name!r} has no type. The model is shown types; write {name}: str.",
        )
    need(inspect.getdoc(answer), "Write a docstring: it is all that the model knows about what your function does.")
    for call in calls:
        try:
            result = answer(**call.arguments)
        except TypeError as error:
            need(False, f"{call.name}(**{call.arguments!r}) raises {error}. Which arguments may be left out?")
        need(
            result is not None, f"{call.name}(**{call.arguments!r}) returns nothing, so that the model learns nothing."
        )
        try:
            json.dumps(result)
        except (TypeError, ValueError):
            need(False, f"{call.name} returns a {type(result).__name__}. Return a text, a number, a dict or a list.")
    return f"All {len(calls)} recorded calls run."


LESSON = Lesson(
    "07",
    "Tools",
    (
        Exercise(
            "the function that the recorded calls need",
            is_the_function,
            hints=(
                "The name of the function and of its arguments are in response.tool_calls.",
                "Give each argument a type, and the one that some calls leave out a default.",
                "Return a dict, such as {'city': city, 'degrees': 21}.",
            ),
            solution='''
def weather(city: str, unit: str = "celsius") -> dict:
    """Return the weather of a city.

    Args:
        city: such as Lisbon.
        unit: celsius or fahrenheit.
    """
    return {"city": city, "degrees": 21, "unit": unit}

answer = weather
''',
        ),
    ),
    recording="parallel_calls",
)
