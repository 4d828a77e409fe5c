"""An answer's text to an instance, however it is wrapped."""

from __future__ import annotations

import contextlib
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.errors import ValidationFailedError
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.schema import wire_schema


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


def test_a_megabyte_of_open_brackets_is_refused_quickly() -> None:
    began = time.perf_counter()
    with pytest.raises(ValidationFailedError):
        decode_answer("[" * 1_000_000, WIRE)
    assert time.perf_counter() - began < 1


@given(before=st.text(alphabet="abc {}[]\"'\\\n,:1"), x=st.integers(-(2**53), 2**53))
def test_an_answer_after_any_prose_is_found_in_its_fence(before: str, x: int) -> None:
    assert decode_answer(f'{before}\n```json\n{{"x": {x}}}\n```', WIRE).value == Item(x)


@given(st.text())
def test_no_text_breaks_the_decoder(text: str) -> None:
    with contextlib.suppress(ValidationFailedError):
        decode_answer(text, WIRE)
