"""Tests decoding: an answer's text becomes an instance, however the text is wrapped."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from msgflux_nb.errors import ValidationFailedError
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.schema import Dialect, wire_schema


class Item(msgspec.Struct):
    x: int


class Order(msgspec.Struct):
    items: list[Item]


WIRE = wire_schema(Item)


@pytest.mark.parametrize(
    "text",
    [
        '{"x": 1}',
        '\ufeff{"x": 1}',
        '  \n{"x": 1}\n',
        '```json\n{"x": 1}\n```',
        'Here you are:\n```\n{"x": 1}\n```\nAnything else?',
        'Sure! {"x": 1} Hope that helps.',
        'Given {"x": 7}, the answer is {"x": 1}',
        'See [1: a note {"x": 1}',
        'A brace }, "a quote" and a bracket ] before {"x": 1}.',
    ],
)
def test_the_last_value_is_found_however_it_is_wrapped(text: str) -> None:
    decoded = decode_answer(text, WIRE)
    assert decoded.value == Item(1)
    assert not decoded.lax


def test_a_value_that_fits_wins_over_a_later_one_that_does_not() -> None:
    assert decode_answer('{"x": 1} and {"y": 2}', WIRE).value == Item(1)


@pytest.mark.parametrize("text", ['{"x": "1"}', '{"x": 1.0}'])
def test_a_value_that_only_fits_after_conversion_is_flagged(text: str) -> None:
    decoded = decode_answer(text, WIRE)
    assert decoded.value == Item(1)
    assert decoded.lax


class Price(msgspec.Struct):
    euros: Decimal


@pytest.mark.parametrize("text", ['{"euros": 1.10}', 'It costs {"euros": 1.10}.'])
def test_a_decimal_has_the_digits_that_were_written(text: str) -> None:
    assert repr(decode_answer(text, wire_schema(Price)).value.euros) == "Decimal('1.10')"


def test_a_misfit_says_where() -> None:
    with pytest.raises(ValidationFailedError) as caught:
        decode_answer('{"items": [{"x": 1}, {"x": "no"}]}', wire_schema(Order))
    assert caught.value.path == "$.items[1].x"
    assert caught.value.raw == '{"items": [{"x": 1}, {"x": "no"}]}'


@pytest.mark.parametrize("text", ["", "no json", "{", '{"x": ', "{]", '"just text"', "[" * 100_000])
def test_a_text_without_a_fitting_value_is_an_error_that_keeps_it(text: str) -> None:
    with pytest.raises(ValidationFailedError) as caught:
        decode_answer(text, WIRE)
    assert caught.value.raw == text


@pytest.mark.parametrize(
    "piece", ["[", "{", '{"a":', "[{", "{}", "[]", '"', "```json\n", "]", "[1,", '\\"'], ids=lambda piece: piece.strip()
)
def test_a_megabyte_of_debris_is_refused_quickly(piece: str) -> None:
    began = time.process_time()
    with pytest.raises(ValidationFailedError):
        decode_answer(piece * (1_000_000 // len(piece)), WIRE)
    assert time.process_time() - began < 20  # what takes time by the square of its length takes minutes


def test_a_megabyte_of_nested_lists_is_refused_quickly() -> None:
    began = time.process_time()
    with pytest.raises(ValidationFailedError):
        decode_answer("[" * 500_000 + "]" * 500_000, WIRE)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("text", "wrapped"),
    [
        ('{"x": 1}', False),
        ('\ufeff  {"x": 1}\n', False),
        ('```json\n{"x": 1}\n```', True),
        ('\ufeff```json\r\n{"x": 1}\r\n```', True),
        ('The answer: {"x": 1}', True),
    ],
)
def test_json_among_other_text_is_flagged(text: str, wrapped: bool) -> None:
    decoded = decode_answer(text, WIRE)
    assert (decoded.value, decoded.wrapped) == (Item(1), wrapped)


def test_an_input_that_is_echoed_before_the_answer_is_not_taken_for_it() -> None:
    text = '```json\n{"x": 7}\n```\nis the input. The answer:\n```json\n{"x": 1}\n```\nDone.'
    assert decode_answer(text, WIRE).value == Item(1)


class Bounded(msgspec.Struct):
    step: Annotated[int, Meta(multiple_of=5)] = 0
    ratio: Annotated[float, Meta(lt=1)] = 0
    code: Annotated[str, Meta(pattern="^[a-z]+$")] = "a"
    name: Annotated[str, Meta(max_length=3)] = "a"
    tags: set[int] = set()


@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"step": 4}', "$.step"),
        ('{"ratio": 1}', "$.ratio"),
        ('{"code": "A"}', "$.code"),
        ('{"name": "long"}', "$.name"),
    ],
)
def test_what_a_dialect_does_not_enforce_is_validated(text: str, path: str, dialect: Dialect) -> None:
    with pytest.raises(ValidationFailedError) as caught:
        decode_answer(text, wire_schema(Bounded, dialect))
    assert (caught.value.path, caught.value.raw) == (path, text)


@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
def test_a_repeated_item_of_a_set_is_dropped(dialect: Dialect) -> None:
    assert decode_answer('{"tags": [1, 2, 1]}', wire_schema(Bounded, dialect)).value.tags == {1, 2}


@given(before=st.text(alphabet="abc {}[]\"'\\\n,:1"), x=st.integers(-(2**53), 2**53))
def test_an_answer_after_any_prose_is_found_in_its_fence(before: str, x: int) -> None:
    assert decode_answer(f'{before}\n```json\n{{"x": {x}}}\n```', WIRE).value == Item(x)


@given(st.text())
def test_no_text_breaks_the_decoder(text: str) -> None:
    with contextlib.suppress(ValidationFailedError):
        decode_answer(text, WIRE)


class Loose(msgspec.Struct):
    x: int | None = None
    inner: Item | None = None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"x": 1}]', "a list"),
        ('{"Item": {"x": 1}}', "the key 'Item'"),
        (r'"{\"x\": 1}"', "a text"),
    ],
)
def test_what_is_wrapped_in_something_that_was_not_asked_for_is_read_and_flagged(text: str, said: str) -> None:
    decoded = decode_answer(text, WIRE)
    assert decoded.value == Item(1)
    assert len(decoded.warnings) == 1
    assert said in decoded.warnings[0]


@pytest.mark.parametrize(
    "text", ['[{"x": 1}, {"x": 2}]', '{"a": {"x": 1}, "b": {"x": 2}}', '{"Item": {"y": 1}}', "[[]]"]
)
def test_what_could_be_one_of_several_or_fits_nowhere_is_not_unwrapped(text: str) -> None:
    with pytest.raises(ValidationFailedError):
        decode_answer(text, WIRE)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"x": 1, "note": "sure"}', ["note"]),
        ('{"loose": {"x": 1}}', ["loose"]),
        ('{"x": 1, "inner": {"x": 2}, "Inner": 3}', ["Inner"]),
        ('{"x": 1, "inner": {"x": 2}}', []),
        ('{"x": 1, "inner": null}', []),
    ],
)
def test_a_key_that_has_no_place_is_named(text: str, names: list[str]) -> None:
    warnings = decode_answer(text, wire_schema(Loose)).warnings
    said = "the model's JSON had the key {!r}, which was not asked for; it was left out."
    assert list(warnings) == [said.format(name) for name in names]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"x": 1, "why": 1, "note": 2}', "'why', 'note'"),
        ('{"x": 1, "inner": {"x": 2}, "a": 2, "b": 3}', "'a', 'b'"),
        (json.dumps({"x": 1, **{f"key {n}": n for n in range(9)}}), "'key 0', 'key 1', 'key 2' and 6 more"),
    ],
)
def test_several_keys_that_have_no_place_are_named_in_one_short_warning(text: str, names: str) -> None:
    (said,) = decode_answer(text, wire_schema(Loose)).warnings
    assert said == f"the model's JSON had keys that were not asked for ({names}); they were left out."


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ('{"a": 1, "b": 2}', dict[str, int]),
        ('{"x": {"any": 1, "other": [{"deep": 2}]}}', msgspec.defstruct("Open", [("x", dict[str, Any])])),
        ('{"x": {"any": 1}}', msgspec.defstruct("Untyped", [("x", Any)])),
        ('{"x": [{"any": 1}, {"other": 2}]}', msgspec.defstruct("OpenList", [("x", list[dict[str, int]])])),
    ],
)
def test_where_further_keys_are_allowed_none_is_named(text: str, type_: Any) -> None:
    assert decode_answer(text, wire_schema(type_)).warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"x": 1, "inner": {"x": 2, "x": 3}}',
        '{"x": 1, "x": 2, "inner": {"x": 3}}',
        '{"x" : 1, "x": 2}',
    ],
)
def test_a_repeated_key_next_to_others_is_found(text: str) -> None:
    (said,) = decode_answer(text, wire_schema(Loose)).warnings
    assert "'x' more than once" in said


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ('First {"x": 7}, corrected: {"x": 1}', True),
        ('```json\n{"x": 7}\n```\n```json\n{"x": 1}\n```', True),
        ('{"x": 1}\n{"x": 1}', False),
        ('See {"y": 1}. {"x": 1}', False),
        ('```json\n{"x": 1}\n```', False),
    ],
)
def test_a_choice_among_several_answers_is_flagged(text: str, flagged: bool) -> None:
    decoded = decode_answer(text, WIRE)
    assert decoded.value == Item(1)
    assert any("several answers" in warning for warning in decoded.warnings) is flagged


@pytest.mark.parametrize(("kind", "example"), [(datetime.time, "19:30:00"), (datetime.date, "2026-03-14")])
def test_a_time_or_date_that_does_not_fit_is_refused_with_an_example(kind: type, example: str) -> None:
    booking = msgspec.defstruct("Booking", [("at", kind)])
    with pytest.raises(ValidationFailedError, match=rf"expected a {kind.__name__} such as {example} - at `\$\.at`"):
        decode_answer('{"at": "19:3"}', wire_schema(booking))
    assert decode_answer(f'{{"at": "{example}"}}', wire_schema(booking)).value == booking(kind.fromisoformat(example))
