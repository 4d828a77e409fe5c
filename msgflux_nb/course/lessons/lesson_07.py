"""Lesson 7, tools: a model writes a call, your function runs, the model reads what it returned."""

from __future__ import annotations

import inspect
import json
from typing import Any, get_type_hints

import msgspec

from ..checks import an, need
from ..exercise import Exercise
from ..lesson import Lesson
from ..materials import weather
from ..replayed import recorded_calls


def is_the_function(answer: Any) -> str:
    """Call the function with the arguments of the three recorded calls."""
    calls = recorded_calls()
    need(
        callable(answer) and not isinstance(answer, type),
        f"Expected the function itself, without brackets: answer = weather. You gave {an(answer)}.",
    )
    need(answer is not weather, "That is the imported one. Write def weather(...) yourself.")
    need(
        answer.__name__ == calls[0].name,
        f"The model calls {calls[0].name!r}, and yours is named {answer.__name__!r}: it would not be found.",
    )
    need(not inspect.iscoroutinefunction(answer), "It is called without await here: write def, without async.")
    _fits(answer, calls)
    need(inspect.getdoc(answer), "Write a docstring: it is all that the model knows about what your function does.")
    for call in calls:
        _runs(answer, call)
    return f"All {len(calls)} recorded calls run."


def _fits(answer: Any, calls: tuple[Any, ...]) -> None:
    """Compare the parameters with the recorded arguments."""
    taken = inspect.signature(answer).parameters
    for name, parameter in taken.items():
        need(
            parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL),
            f"The model is shown the names of arguments, and {name!r} stands for any: write each one by its name.",
        )
    for name in sorted({name for call in calls for name in call.arguments}):
        need(
            name in taken, f"A recorded call passes {name!r}, and your function takes {', '.join(taken) or 'nothing'}."
        )
    for name, parameter in taken.items():
        need(
            parameter.annotation is not inspect.Parameter.empty,
            f"{name!r} has no type. The model is shown types; write {name}: str.",
        )
    hints = get_type_hints(answer, include_extras=True)
    for call in calls:
        for name, value in call.arguments.items():
            try:
                msgspec.convert(value, hints[name])
            except msgspec.ValidationError as error:
                need(False, f"A recorded call passes {name}={value!r}, and the type of yours says otherwise: {error}.")


def _runs(answer: Any, call: Any) -> None:
    """Call the function as the model requests."""
    written = f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"
    try:
        result = answer(**call.arguments)
    except TypeError as error:
        need(False, f"{written} raises {error}. Which arguments may be left out?")
    except Exception as error:
        need(False, f"{written} raises {type(error).__name__}: {error}. Return a text that says so instead.")
    need(result is not None, f"{written} returns nothing, so the model learns nothing. Printing is not returning.")
    try:
        json.dumps(result)
    except (TypeError, ValueError):
        need(False, f"{written} returns {an(result)}. Return a text, a number, a dict or a list.")


LESSON = Lesson(
    "07",
    "Tools",
    (
        Exercise(
            "the function that the recorded calls need",
            is_the_function,
            hints=(
                "The loop over stream.tool_calls prints the name of the function, and of its arguments.",
                'def weather(city: str, unit: str = "celsius"): one type for each argument, and a default for one.',
                "The docstring is its first line; return a text or a dict, such as {'city': city, 'degrees': 21}.",
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
