"""Tests that faulty JSON is read and flagged if it can mean only one thing; nothing is guessed."""

from __future__ import annotations

import decimal
import json
import math
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import msgflux_nb as mf
from msgflux_nb.errors import ValidationFailedError
from msgflux_nb.generation.decode import Decoded, decode_answer, decode_json
from msgflux_nb.generation.dialect import Dialect
from msgflux_nb.generation.lenient import read_lenient
from msgflux_nb.generation.schema import wire_schema
from tests.thorough import few


class Note(msgspec.Struct):
    quote: str
    page: int


class Measured(msgspec.Struct):
    value: float
    price: decimal.Decimal = decimal.Decimal(0)


class Loose(msgspec.Struct):
    done: bool
    note: str | None = None
    tags: list[str] = []


READ: dict[str, tuple[str, Any, str]] = {
    "line end": ('{"a": "x\ny\r\n\tz\x07"}', {"a": "x\ny\r\n\tz\x07"}, "control character"),
    "trailing comma in an object": ('{"a": 1, }', {"a": 1}, "trailing comma"),
    "trailing comma in a list": ('{"a": [1, 2,\n]}', {"a": [1, 2]}, "trailing comma"),
    "Python's words": ('{"a": None, "b": True, "c": [False]}', {"a": None, "b": True, "c": [False]}, "Python"),
    "single quotes": ("{'a': 'x', 'b': ['y \"z\"']}", {"a": "x", "b": ['y "z"']}, "single quotes"),
    "escaped apostrophe": ("{'a': 'it\\'s'}", {"a": "it's"}, "apostrophe"),
    "typographic quotes": ("{“a”: “x 'y'”}", {"a": "x 'y'"}, "typographic"),
    "line comment": ('{"a": 1, // one\n"b": 2}', {"a": 1, "b": 2}, "comments"),
    "block comment": ('{/* * / */"a": 1 # one\n}', {"a": 1}, "comments"),
    "keys without quotes": ("{a: 1, $b_2: 2, 3: 3}", {"a": 1, "$b_2": 2, "3": 3}, "keys without quotes"),
    "numbers": ('{"a": .5, "b": +5, "c": 5., "d": -.5e3}', {"a": 0.5, "b": 5, "c": 5.0, "d": -500.0}, "numbers"),
    "a space without a break": ('{"a":\u00a01}', {"a": 1}, "white space"),
    "an address is no comment": ('{"a": "http://x/#y /* z */",}', {"a": "http://x/#y /* z */"}, "trailing comma"),
}
NOT_READ = {
    "a missing brace": '{"a": 1',
    "a missing bracket": '{"a": [1, 2}',
    "an open text": '{"a": "x',
    "an open comment": '{"a": 1 /* }',
    "a quote in a text": '{"a": "he said "x" to me"}',
    "an apostrophe in single quotes": "{'a': 'it's'}",
    "an open text in single quotes": "{'a': 'x\", 'b': 1}",
    "two commas": '{"a": 1,, "b": 2}',
    "a comma in front": '{, "a": 1}',
    "a missing comma": '{"a": 1 "b": 2}',
    "a missing colon": '{"a" 1}',
    "a missing value": '{"a": }',
    "an unknown word": '{"a": undefined}',
    "a word": '{"a": hello}',
    "leading zeros": '{"a": 007}',
    "a thousands mark": '{"a": 1_000}',
    "a date": '{"a": 2024-01-02}',
    "an unknown escape": '{"a": "\\d"}',
    "half an escape": '{"a": "\\u12"}',
    "a tuple": '{"a": (1, 2)}',
    "text behind": '{"a": 1,} and so on',
    "no object": "'a'",
    "nothing": "",
    "the end of a backslash": '{"a": "\\',
}


def decoded(text: str, type_: Any) -> Decoded:
    return decode_answer(text, wire_schema(type_, Dialect.OPENAI))


@pytest.mark.parametrize("name", READ)
def test_a_harmless_deviation_is_read_and_named(name: str) -> None:
    text, expected, sentence = READ[name]
    reading = read_lenient(text)
    assert reading is not None
    assert reading.value() == expected
    assert any(sentence in said for said in reading.warnings)
    assert decode_json(text) == expected


@pytest.mark.parametrize("name", NOT_READ)
def test_what_could_mean_several_things_or_is_cut_is_not_read(name: str) -> None:
    assert read_lenient(NOT_READ[name]) is None


@pytest.mark.parametrize("name", READ)
def test_no_beginning_of_a_text_is_read_as_the_whole(name: str) -> None:
    text = READ[name][0]
    assert [cut for cut in range(len(text)) if read_lenient(text[:cut]) is not None] == []


@pytest.mark.parametrize(
    ("text", "value", "count"),
    [
        ('{"quote": "a\nb", "page": 3}', Note("a\nb", 3), 1),
        ('{"quote": "a\nb", "page": 3,}', Note("a\nb", 3), 2),
        ('Here:\n```json\n{"quote": "a", "page": 3,}\n```', Note("a", 3), 1),
        ("Here it is: {'quote': 'a', 'page': 3}", Note("a", 3), 1),
        ('{"quote": "a", "page": 3}', Note("a", 3), 0),
    ],
)
def test_an_answer_with_deviations_is_the_value_with_a_sentence_for_each(text: str, value: Note, count: int) -> None:
    found = decoded(text, Note)
    assert (found.value, len(found.warnings)) == (value, count)


def test_the_last_value_counts_though_an_earlier_one_is_plain_json() -> None:
    text = 'Such as {"quote": "example", "page": 1}. So: {"quote": "real", "page": 2,}'
    assert decoded(text, Note).value == Note("real", 2)


@pytest.mark.parametrize(
    ("said", "number"), [("NaN", math.nan), ("Infinity", math.inf), ("-Infinity", -math.inf), ("nan", math.nan)]
)
def test_a_number_that_is_not_finite_is_one_where_a_float_is_asked_for(said: str, number: float) -> None:
    found = decoded(f'{{"value": {said}, "price": 1}}', Measured)
    assert found.value.value == pytest.approx(number, nan_ok=True)
    assert "NaN or Infinity" in found.warnings[0]


@pytest.mark.parametrize(
    "text", ['{"quote": NaN, "page": 1}', '{"quote": "a", "page": NaN}', '{"quote": None, "page": 1}']
)
def test_a_word_that_the_type_does_not_take_stays_an_error(text: str) -> None:
    with pytest.raises(ValidationFailedError):
        decoded(text, Note)


def test_a_decimal_keeps_the_digits_that_were_written() -> None:
    assert decoded('{"value": 1.0, "price": 1.10,}', Measured).value.price == decimal.Decimal("1.10")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"quote": "a", "page": "36"}', "page: the text '36' was read as the number 36."),
        ('{"quote": "a", "page": 36.0}', ""),
    ],
)
def test_a_conversion_names_the_field_and_what_stood_there(text: str, sentence: str) -> None:
    found = decoded(text, Note)
    assert found.value == Note("a", 36)
    assert found.warnings == ((sentence,) if sentence else ())


def test_conversions_deep_inside_are_named_too() -> None:
    found = decoded('{"done": "true", "note": "x", "tags": []}', Loose)
    assert found.warnings == ("done: the text 'true' was read as true.",)
    many = msgspec.defstruct("Many", [("rows", list[Note])])
    text = json.dumps({"rows": [{"quote": "a", "page": str(page)} for page in range(5)]})
    assert decoded(text, many).warnings[0] == "rows[0].page: the text '0' was read as the number 0."
    assert len(decoded(text, many).warnings) == 4


@pytest.mark.parametrize(
    "text",
    [
        '{"quote": "a", "page": 1, "page": 2}',
        '{"quote":"a","page":1,"page":2}',
        '{"quote": "a", "page" : 1, "page" : 2,}',
    ],
)
def test_a_key_that_stands_twice_is_named_and_the_last_counts(text: str) -> None:
    found = decoded(text, Note)
    assert found.value == Note("a", 2)
    assert any("'page' more than once" in said for said in found.warnings)


def test_the_same_key_in_two_objects_is_not_a_repetition() -> None:
    many = msgspec.defstruct("Many", [("rows", list[Note])])
    assert decoded('{"rows": [{"quote": "a", "page": 1}, {"quote": "b", "page": 2}]}', many).warnings == ()


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ('{"city": "Ur",}', {"city": "Ur"}),
        ("{'city': 'Ur'}", {"city": "Ur"}),
        ('{"city": "U\nr"}', {"city": "U\nr"}),
        ('{"deep": None}', {"deep": None}),
    ],
)
def test_arguments_of_a_tool_call_are_read_alike(raw: str, arguments: dict[str, Any]) -> None:
    for pieces in ([raw], list(raw)):
        aggregator = mf.ToolCallAggregator()
        for place, piece in enumerate(pieces):
            aggregator.process(0, "c" if not place else None, "get" if not place else None, piece)
        assert [call.arguments for call in aggregator.get_calls()] == [arguments]
        state = aggregator.states[0]
        assert (state.status, state.repaired, len(state.repairs)) == ("complete", True, 1)


@pytest.mark.parametrize("raw", ['{"city": "Ur"', "{'city': 'it's'}", "{city}"])
def test_arguments_that_are_cut_or_could_mean_several_things_stay_broken(raw: str) -> None:
    aggregator = mf.ToolCallAggregator()
    aggregator.process(0, "c", "get", raw)
    assert aggregator.states[0].status == "invalid"


FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_plain_json_is_read_as_it_is(value: dict[str, Any]) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False).replace("\x7f", "")):
        reading = read_lenient(text)
        assert reading is not None
        assert reading.value() == json.loads(text)
        assert [said for said in reading.warnings if "white space" not in said] == []


@given(st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\\'\"")), PLAIN, max_size=4))
def test_a_dict_as_python_writes_it_is_read_or_refused_and_never_another(value: dict[str, Any]) -> None:
    reading = read_lenient(repr(value))
    if reading is not None:
        assert reading.value() == value


@given(st.text(alphabet="{}[]\"',:ab \n\\/*#1.-eN", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    reading = read_lenient("{" + text)
    if reading is not None:
        assert isinstance(msgspec.json.decode(reading.text), dict)


GROWING = ['{"a":', '["', "[", "{'a': ", "/*", "//", "# \n", "\u00a0", '\\"', "\n", "1,", "'", '"a":1,', "“", "a:1,"]


@pytest.mark.parametrize("piece", few(GROWING, 5))
@pytest.mark.parametrize("head", ["{", "[", '["', "['"])
def test_long_texts_are_read_or_refused_quickly(head: str, piece: str) -> None:
    text = head + piece * (900_000 // len(piece))
    began = time.process_time()
    read_lenient(text)
    assert time.process_time() - began < 20  # what takes time by the square of its length takes minutes


VECTORS = json.loads((Path(__file__).parent.parent / "data" / "partial_json.json").read_bytes())
"""Texts by the categories of JSONTestSuite; the two parsers of JSON in pieces are held to them too."""


def test_whatever_is_not_json_is_refused_or_read_with_a_warning() -> None:
    for text in VECTORS["wrong"] + VECTORS["unfinished"]:
        reading = read_lenient(text)
        assert reading is None or reading.warnings, text


def test_whatever_is_json_is_read_as_it_is() -> None:
    for text in VECTORS["right"]:
        reading = read_lenient(text)
        assert reading is None or (reading.value(), reading.warnings) == (json.loads(text), ()), text
        assert decode_json(text) == json.loads(text)
