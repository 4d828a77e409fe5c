"""Tests that each exercise accepts its own solution, and says something helpful about plausible wrong answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.course.checks import wilson
from msgflux_nb.course.exercise import Exercise, NotYetError
from msgflux_nb.course.game24 import exact
from msgflux_nb.course.lesson import LESSONS, Lesson, recordings_folder
from msgflux_nb.course.materials import Release
from msgflux_nb.course.materials import weather as imported_weather


class TextAge(msgspec.Struct):
    name: str
    age: str
    city: str | None = None


class NoDefault(msgspec.Struct):
    name: str
    age: int
    city: str


class Town(msgspec.Struct):
    name: str
    age: int
    town: str | None = None


def get_weather(city: str, unit: str = "celsius") -> str:
    """Say what the weather is like."""
    return city


def weather_of_unit(city, unit="celsius"):  # type: ignore[no-untyped-def]  # that is the mistake
    """Say what the weather is like."""
    return city


weather_of_unit.__name__ = "weather"


def weather(city: str) -> str:
    """Say what the weather is like."""
    return city


def named_weather(source: str) -> Any:
    """Return the tool ``weather`` of a source that a person may have typed."""
    names: dict[str, Any] = {}
    exec(source, names)  # our own source
    return names["weather"]


DOC = "    'Say what the weather is like.'\n"


SYSTEM = {"role": "system", "content": "You answer in one short sentence."}
USER = {"role": "user", "content": "What is a token?"}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "01.a": [
        ("What is a token?", "the text 'What is a token?'"),
        (USER, "a dict"),
        ([USER], "none"),
        ([{**SYSTEM, "role": "user"}, USER], "system"),
        ([USER, SYSTEM], "in this order"),
        ([SYSTEM, {**USER, "content": "What is a tokn?"}], "recorded is"),
    ],
    "01.b": [("$11.30", "without quotes"), ((25, 22), "a tuple"), (0.00001, "million"), (1e9, "price"), (-1, "price")],
    "02.a": [("high", "as a number"), (-1.0, "negative"), (20.0, "candidates")],
    "02.b": [(1.5, "position"), (999, "positions 0 to"), (1, "entropy")],
    "03.a": [(0.5, "three numbers"), ((50, 40, 60), "not to 100"), ((0.99, 0.5, 1.0), "how many say")],
    "03.b": [(40, "Forty"), (100_000, "many"), ("many", "as a number")],
    "04.a": [
        ("Sure, here is the JSON:", "begins with {"),
        ("", "empty"),
        ("{", "first field"),
        ('{"place": ', "space"),
    ],
    "05.a": [
        ("bare", "list"),
        (["bare"], "each of these"),
        (["bare"] * 6, "each of these"),
        (["role"] * 3, "each of these"),
    ],
    "05.b": [("the last", "position"), (0, "opinion"), (12, "0 to 11")],
    "06.a": [(dict, "Struct"), (TextAge, "age"), (NoDefault, "default"), (Town, "city")],
    "07.a": [
        ("sunny", "without brackets"),
        (imported_weather, "yourself"),
        (get_weather, "not be found"),
        (weather_of_unit, "type"),
        (weather, "unit"),
        (named_weather(f"def weather(**more):\n{DOC}    return 'sunny'"), "by its name"),
        (named_weather(f"async def weather(city: str, unit: str):\n{DOC}    return 'sunny'"), "async"),
        (named_weather(f"def weather(city: int, unit: str):\n{DOC}    return 'sunny'"), "Expected `int`"),
        (named_weather("def weather(city: str, unit: str):\n    return 'sunny'"), "docstring"),
        (
            named_weather(f"def weather(city: str, unit: str):\n{DOC}    return {{'Lisbon': 20}}[city]"),
            "KeyError: 'Oslo'",
        ),
        (named_weather(f"def weather(city: str, unit: str, day: str):\n{DOC}    return 'sunny'"), "left out"),
        (named_weather(f"def weather(city: str, unit: str):\n{DOC}    print('sunny')"), "Printing"),
        (named_weather(f"def weather(city: str, unit: str):\n{DOC}    return {{city}}"), "a set"),
    ],
    "08.a": [("the sofa", "position"), (7, "positions"), (1, "calls")],
    "08.b": [(0, "Without a call"), (1, "cut"), (99, "not stopped")],
    "09.a": [
        (5, "function"),
        (lambda votes: False, "never stops"),
        (lambda votes: True, "Stop later"),
        (lambda votes: len(votes), "True to stop"),
        (lambda votes: len(votes) >= 19, "calls of"),
    ],
    "10.a": [
        (24, "function"),
        (lambda path, numbers: False, "fewer"),
        (lambda path, numbers: None, "dead"),
        (lambda path, numbers: True, "solved"),
        (lambda path, numbers: "yes", "Return True"),
    ],
    "11.a": [
        ("done", "table"),
        (pd.DataFrame({"a": [1]}), "_status"),
        (pd.DataFrame({"_status": ["ok", "ok"]}), "same store"),
        (pd.DataFrame({"_status": ["ok", "pending"]}), "never asked"),
        (pd.DataFrame({"_status": ["cached", "cached"]}), "not stopped"),
    ],
    "12.a": [
        (2, "name"),
        ("large", "the text 'large'"),
        (pd.DataFrame({"package": ["numpy"]}), "a DataFrame"),
        ("local/smollm2-135m", "right in every field"),
    ],
    "12.b": [
        (0.5, "both ends"),
        ("0.94 to 1", "both ends"),
        ((94, 100), "not to 100"),
        ((0.94, 1.06), "at most 1"),
        ((1.0, 0.94), "comes first"),
        ((1.0, 1.0), "no width"),
        (wilson(180, 180), "count the 60 rows"),
        ((0.0, 1.0), "wide"),
    ],
    "A.a": [
        (["Too many requests"], "dict"),
        ({"Too many requests": True}, "missing"),
        (
            dict.fromkeys(("Too many requests", "A stream that is cut", "A refusal", "A model that was retired"), True),
            "A refusal",
        ),
        (
            dict.fromkeys(
                ("Too many requests", "A stream that is cut", "A refusal", "A model that was retired"), False
            ),
            "again",
        ),
    ],
}


def need_recording(number: str) -> None:
    name = mf.lesson(number)._recording
    truth = {"05": "prompts", "06": "typed", "09": "chains", "12": "rows"}.get(number)
    wanted = [f"{name}.jsonl"] * (name is not None) + [f"{truth}.truth.json"] * (truth is not None)
    missing = [one for one in wanted if not (recordings_folder() / one).exists()]
    if missing:
        pytest.skip(f"not recorded yet: {', '.join(missing)}")


@pytest.fixture(scope="module")
def embedded() -> Any:
    """A small real model, for the lessons that ask one."""
    return mf.Model.chat_completion("local/smollm2-135m", temperature=0.0, max_tokens=60)


def exercises() -> list[Any]:
    return [
        pytest.param(mf.lesson(number), one, id=one.name) for number in LESSONS for one in mf.lesson(number).exercises
    ]


@pytest.mark.parametrize(("lesson", "exercise"), exercises())
def test_the_solution_is_right(lesson: Lesson, exercise: Exercise, embedded: Any) -> None:
    need_recording(lesson.number)
    names: dict[str, Any] = {"mf": mf, "msgspec": msgspec, "q": lesson, "Release": Release}
    if lesson.number == "11":
        names |= {"model": embedded, "texts": [f"numpy 1.{number} is out." for number in range(4)]}
    elif lesson._recording is not None:
        names["model"] = lesson.model()
    exec(exercise.solution(), names)  # our own source
    found = exercise.check(names["answer"])
    assert found, found.sentence
    exercise.test(names["answer"])


@pytest.mark.parametrize(("name", "answer", "said"), [(name, *one) for name, all_ in WRONG.items() for one in all_])
def test_a_wrong_answer_gets_a_sentence_that_helps(name: str, answer: Any, said: str) -> None:
    number, letter = name.split(".")
    need_recording(number)
    exercise = getattr(mf.lesson(number), letter)
    found = exercise.check(answer)
    assert found.state == "not yet"
    assert said in found.sentence, found.sentence
    assert found.sentence.endswith((".", "?"))
    with pytest.raises(NotYetError):
        exercise.test(answer)


def test_every_exercise_has_three_wrong_answers_two_hints_and_no_name_twice() -> None:
    names = [one.name for number in LESSONS for one in mf.lesson(number).exercises]
    assert sorted(names) == sorted(WRONG)
    assert all(len(WRONG[name]) >= 3 for name in names)
    for number in LESSONS:
        for one in mf.lesson(number).exercises:
            assert one.hint().startswith("Hint 1 of")


def test_an_answer_that_is_left_out_is_not_attempted() -> None:
    exercise = mf.lesson("A").a
    for answer in (None, ...):
        assert exercise.check(answer).state == "not attempted"


def test_an_answer_that_breaks_the_check_says_so() -> None:
    def broken(path: Any, numbers: str) -> bool:
        raise ZeroDivisionError("oh")

    found = mf.lesson("10").a.check(broken)
    assert found.state == "not yet"
    assert "ZeroDivisionError: oh" in found.sentence


def test_outcomes_show_what_a_reader_wrote_as_text() -> None:
    found = mf.lesson("12").a.check("<img src=x onerror=alert(1)>")
    assert "<img" not in found._repr_html_()
    assert found._repr_html_().count("not yet") == 1


def test_progress_is_a_table() -> None:
    lesson = mf.lesson(10)
    lesson.a.check(exact)
    row = lesson.progress().loc["10.a"]
    assert row["state"] == "right"
    assert row["attempts"] >= 1
    assert "1 of 1" in repr(lesson)


@pytest.mark.parametrize("name", ["13", "b", "", 0, "lesson 1"])
def test_a_lesson_that_is_not_there_is_an_error_that_lists_them(name: Any) -> None:
    with pytest.raises(ValueError, match="01, 02"):
        mf.lesson(name)


def test_a_recording_that_is_not_there_is_an_error_that_lists_them() -> None:
    with pytest.raises(ValueError, match="samples"):
        mf.lesson("02").recording("smaples")


def test_the_recordings_are_small() -> None:
    assert sum(path.stat().st_size for path in recordings_folder().iterdir()) < 6e6
