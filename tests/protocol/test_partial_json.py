"""JSON in pieces: the value so far, whatever the pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_nb.protocol.partial_json import PartialJSON

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def read(*pieces: str) -> PartialJSON:
    parser = PartialJSON()
    for piece in pieces:
        parser.feed(piece)
    parser.close()
    return parser


@settings(max_examples=300, deadline=None)
@given(document=documents, ascii_only=st.booleans(), size=st.integers(1, 9), looked_at=st.booleans())
def test_any_document_in_any_pieces_comes_out_whole(
    document: Any, ascii_only: bool, size: int, looked_at: bool
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only)
    parser = PartialJSON()
    for start in range(0, len(text), size):
        parser.feed(text[start : start + size])
        if looked_at:
            _ = parser.value
    parser.close()
    assert parser.error is None
    assert parser.complete
    assert parser.value == document


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='{}[]",:0123456789.-+eEtruefalsn\\u \n'))
def test_a_text_is_accepted_exactly_where_json_accepts_it(text: str) -> None:
    parser = read(text)
    try:
        expected = json.loads(text)
    except ValueError:
        assert parser.error is not None or not parser.complete
    else:
        assert (parser.error, parser.complete, parser.value) == (None, True, expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("{", {}),
        ('{"na', {}),
        ('{"name": ', {}),
        ('{"name": "Ma', {"name": "Ma"}),
        ('{"name": "Maria", "age": 3', {"name": "Maria"}),
        ('{"tags": ["a", "b', {"tags": ["a", "b"]}),
        ('[[1, {"x": tr', [[1, {}]]),
        ('"half', "half"),
        ('"caf\\u00', "caf"),
        ('"\\ud83d', ""),
    ],
)
def test_an_unfinished_document_shows_what_is_certain(text: str, value: Any) -> None:
    parser = PartialJSON()
    parser.feed(text)
    assert (parser.value, parser.complete, parser.error) == (value, False, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a":1}}', "expected end, got '}' at character 7"),
        ("[1,]", "expected value, got ']' at character 3"),
        ("{'a':1}", "expected key"),
        ("[NaN]", "expected a value"),
        ("[01]", "'01'"),
        ('"a\nb"', "control character"),
        ('"\\x"', "unknown escape"),
        ('"\\u12g4"', "hexadecimal"),
        ("[" * 600, "nested deeper"),
    ],
)
def test_what_is_no_json_is_said_with_its_place(text: str, words: str) -> None:
    for pieces in ([text], list(text)):
        assert words in str(read(*pieces).error)


def test_what_was_read_before_an_error_stays() -> None:
    assert read('{"a": 1, "b": oops').value == {"a": 1}


def test_a_string_that_grows_is_not_copied_for_each_piece() -> None:
    parser = PartialJSON()
    parser.feed('"')
    for _ in range(200_000):
        parser.feed("abcd")
    assert len(parser.value) == 800_000
