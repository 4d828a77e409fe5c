"""Lesson 6, answers with types: a type says what you accept, even from broken answers."""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import MsgfluxError
from ..checks import need
from ..exercise import Exercise, NotYetError
from ..lesson import Lesson
from ..replayed import typed


class _Reference(msgspec.Struct):
    name: str | None = None
    age: int | None = None
    city: str | None = None


def decodes_all(answer: Any) -> str:
    """Decode the twelve recorded answers to the given type and compare them with the right values."""
    need(
        isinstance(answer, type) and issubclass(answer, msgspec.Struct),
        "Expected a class that derives from msgspec.Struct.",
    )
    fields = answer.__struct_fields__
    for name in ("name", "age", "city"):
        need(name in fields, f"The answers have a field {name!r}, and your Struct has {', '.join(fields) or 'none'}.")
    for place, text in enumerate(typed()):
        value, known = _read(text, answer, place), _read(text, _Reference, place)
        for name in ("name", "age", "city"):
            found, right = getattr(value, name), getattr(known, name)
            need(found == right, f"Answer {place} is {text!r}. {name} should be {right!r} and is {found!r}.")
    return "Twelve of twelve: ten whole ones, and two broken ones with what they have."


def _read(text: str, type_: Any, place: int) -> Any:
    from ...generation.decode import decode_answer
    from ...generation.partial import partial_instance
    from ...generation.schema import wire_schema
    from ...protocol.partial_json import PartialJSON

    try:
        return decode_answer(text, wire_schema(type_)).value
    except MsgfluxError as error:
        problem = error
    if "}" in text:  # the answer is complete, so the type is wrong
        raise NotYetError(f"Answer {place} is {text!r}, and does not fit your Struct: {problem}")
    reader = PartialJSON()
    reader.feed(text[text.find("{") :])
    rest = partial_instance(type_, reader.value)
    missing = [name for name in type_.__struct_fields__ if getattr(rest, name, None) is None]
    optional = {field.name for field in msgspec.structs.fields(type_) if not field.required}
    for name in missing:
        if name not in optional:
            raise NotYetError(
                f"Answer {place} ends early: {text!r}. Your Struct insists on {name!r}. Give it a default: None."
            )
    return rest


LESSON = Lesson(
    "06",
    "Answers with types",
    (
        Exercise(
            "a Struct that reads all twelve answers",
            decodes_all,
            hints=(
                "Look at the answers: which fields do they have, and is an age a number or a text?",
                "Answer 9 was cut after fifteen tokens. What is not there needs a default.",
                "city: str | None = None takes an answer without a city.",
            ),
            solution="""
class Person(msgspec.Struct):
    name: str
    age: int | None = None
    city: str | None = None

answer = Person
""",
        ),
    ),
    recording="typed",
)
