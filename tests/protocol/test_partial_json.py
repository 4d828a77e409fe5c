"""JSON in pieces: the value so far does not depend on the pieces."""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_nb.protocol.partial_json import OpenString, PartialJSON
from tests.thorough import examples

# Lone surrogates too: a model may write them, and json.loads takes them.
strings = st.text() | st.text(st.characters(exclude_categories=())) | st.text(alphabet='"\\/\n\ud83d\ude00😀é u')
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings,
    lambda inner: st.lists(inner) | st.dictionaries(strings, inner),
    max_leaves=20,
)
texts = st.builds(json.dumps, documents, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 1]))
marks = st.text(alphabet='{}[]",:0123456789.-+eEtruefalsn\\ud83 \n\ud83d\ude00')


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """Return a document with a few changed characters."""
    text = draw(texts)
    start, stop = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return text[:start] + draw(marks) + text[min(stop, start + 2) :]


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    """Return the text, cut before each of these characters."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:stop] for start, stop in itertools.pairwise(places)]


def read(*pieces: str) -> PartialJSON:
    parser = PartialJSON()
    for piece in pieces:
        parser.feed(piece)
    parser.close()
    return parser


def state(parser: PartialJSON) -> tuple[object, ...]:
    """Return all visible state; as repr, because 1 == 1.0 == True, and equal dicts may differ in order."""
    return repr(parser.value), parser.complete, parser.error, parser.length, parser.open_string()


def loads(text: str) -> Any:
    """Call json.loads, but refuse NaN."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def begins(value: Any, whole: Any) -> bool:
    """Return whether a value can grow to the whole: only the last item of a container may be unfinished."""
    if type(value) is not type(whole):
        return False
    if isinstance(value, str):
        return bool(whole.startswith(value))
    if isinstance(value, dict):
        keys = list(value)
        return keys == list(whole)[: len(keys)] and begins(list(value.values()), list(whole.values()))
    if isinstance(value, list):
        return repr(value[:-1]) == repr(whole[: len(value)][:-1]) and all(
            map(begins, value[-1:], whole[len(value) - 1 :])
        )
    return repr(value) == repr(whole)


# The value


@settings(max_examples=examples(300), deadline=None)
@given(text=texts, cuts=st.lists(st.integers(0, 10**6)), looked_at=st.booleans())
def test_any_document_in_any_pieces_comes_out_as_json_reads_it(text: str, cuts: list[int], looked_at: bool) -> None:
    parser, look = PartialJSON(), None
    for piece in pieces_of(text, cuts):
        parser.feed(piece)
        if looked_at:
            _, look = parser.value, parser.open_string(look)
    parser.close()
    assert state(parser) == (repr(json.loads(text)), True, None, len(text), None)


@settings(max_examples=examples(200), deadline=None)
@given(texts)
def test_each_value_on_the_way_begins_the_last_one(text: str) -> None:
    whole = json.loads(json.dumps(json.loads(text)))  # twice, because two halves of a pair may make two keys equal
    parser = PartialJSON()
    begun = False
    for letter in json.dumps(whole):
        parser.feed(letter)
        begun = begun or parser.value is not None
        assert begins(parser.value, whole) or not begun


@settings(max_examples=examples(400), deadline=None)
@given(text=marks | spoiled() | texts, looks=st.lists(st.booleans(), min_size=1))
def test_what_is_seen_depends_on_the_text_alone_not_on_its_pieces_or_looks(text: str, looks: list[bool]) -> None:
    parser = PartialJSON()
    for end, letter in enumerate(text, 1):
        parser.feed(letter)
        if looks[end % len(looks)]:
            at_once = PartialJSON()
            at_once.feed(text[:end])
            assert state(parser) == state(at_once)
    parser.close()
    assert state(parser) == state(read(text))


@settings(max_examples=examples(500), deadline=None)
@given(marks | spoiled())
def test_a_text_is_accepted_exactly_where_json_accepts_it(text: str) -> None:
    parser = read(text)
    try:
        expected = loads(text)
    except ValueError:
        assert parser.error is not None or not parser.complete
    else:
        assert (parser.error, parser.complete, repr(parser.value)) == (None, True, repr(expected))


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
        ('"\\ud83d\\', ""),
        ('"\\ud83dx', "\ud83dx"),
        ("12", None),
    ],
)
def test_an_unfinished_document_shows_what_is_certain(text: str, value: Any) -> None:
    parser = PartialJSON()
    parser.feed(text)
    assert (parser.value, parser.complete, parser.error) == (value, False, None)


@pytest.mark.parametrize(
    "text",
    [
        r'"\ud83d\ude00"',
        r'"\ud83d\ud83d\ude00"',
        r'"\ude00\ud83d"',
        r'"\ud83d\n\ude00"',
        r'"\ud83d\uffff"',
        '"\\ud83d\ude00"',
        '"\ud83d\\ude00"',
        r'"\ud83d"',
        r'{"\ud83d\ude00": "\"\\\/\b\f\n\r\t\u00e9\uFFFF"}',
        '{"a": 1, "b": 2, "a": [3]}',
        '{"a": "long", "a": "s"}',
        "-0",
        "-0.0e-0",
        "1E400",
        "12345678901234567890123",
        " null ",
        "[" * 200 + "]" * 200,
    ],
)
def test_what_json_has_in_corners_comes_out_the_same_wherever_it_is_cut(text: str) -> None:
    expected = repr(json.loads(text))
    for pieces in [text], list(text), *([text[:cut], text[cut:]] for cut in range(len(text))):
        parser = read(*pieces)
        assert (repr(parser.value), parser.complete, parser.error) == (expected, True, None)


# What is no JSON


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a":1}}', "expected the end, got '}' at character 7"),
        ("1 2", "expected the end, got '2' at character 2"),
        ("[1,]", "expected a value, got ']' at character 3"),
        ("[,", "expected a value or ']', got ',' at character 1"),
        ("[1}", "expected ',' or ']', got '}' at character 2"),
        ("{'a':1}", "expected a key or '}', got \"'\" at character 1"),
        ('{"a":1,}', "expected a key, got '}' at character 7"),
        ('{"a" 1}', "expected ':', got '1' at character 5"),
        ('{"a": 1 "b"', "expected ',' or '}', got '\"' at character 8"),
        ("[NaN]", "expected a value or ']', got 'N' at character 1"),
        ("\ufeff{}", "expected a value, got '\\ufeff' at character 0"),
        ("[ 01]", "expected a value, got '01' at character 2"),
        ("-", "expected a value, got '-' at character 0"),
        ("[true1]", "expected a value, got 'true1' at character 1"),
        ("9" * 5000, "expected a value, got '99999999999999999999' at character 0"),
        ('"a\nb"', "a control character '\\n' in a string at character 2"),
        ('"\x1f"', "a control character '\\x1f'"),
        ('"\\x"', "an unknown escape '\\\\x' at character 2"),
        ('"\\u12g4"', "expected four hexadecimal digits, got '\\\\u12g' at character 5"),
        ('"\\u12"', "hexadecimal digits, got '\\\\u12\"' at character 5"),
        ("[" * 600, "nested deeper than 200 at character 200"),
    ],
)
def test_text_that_is_not_json_is_refused_with_its_place(text: str, words: str) -> None:
    for pieces in [text], list(text), *([text[:cut], text[cut:]] for cut in range(len(text))):
        parser = read(*pieces)
        assert words in str(parser.error)
        assert not parser.complete
        assert state(parser) == state(read(text))


def test_what_was_read_before_an_error_stays_and_nothing_comes_after() -> None:
    parser = read('{"a": 1, "b": oops', '"c": 2}')
    assert parser.value == {"a": 1}
    parser = read('{"a": "b\n', "c", '"}')
    assert parser.value == {"a": "b"}
    assert parser.length == 9


def test_a_number_that_the_end_may_have_cut_counts_at_the_root_only() -> None:
    assert read("12").value == 12
    assert read("[1, 2").value == [1]


def test_a_megabyte_of_open_brackets_is_refused_at_once() -> None:
    parser = PartialJSON()
    for _ in range(1024):
        parser.feed("[" * 1024)
    assert "nested deeper" in str(parser.error)
    assert parser.length == 201


# The string that is arriving


class View:
    """Keeps a copy of the value by the rule of ``open_string``, and counts the characters that it reads."""

    def __init__(self, parser: PartialJSON) -> None:
        self.parser = parser
        self.picture: Any = None
        self.look: OpenString | None = None
        self.values = 0

    def poll(self) -> None:
        last, self.look = self.look, self.parser.open_string(self.look)
        if self.look is None or last is None or self.look.place != last.place:
            self.picture = copy.deepcopy(self.parser.value)
            self.values += 1
            return
        *path, key = ("picture", *self.look.path)
        holder: Any = vars(self)
        for step in path:
            holder = holder[step]
        holder[key] += self.look.tail
        assert len(holder[key]) == self.look.length


@settings(max_examples=examples(300), deadline=None)
@given(text=texts | spoiled(), cuts=st.lists(st.integers(0, 10**6), max_size=60))
def test_a_view_that_follows_the_open_string_always_shows_the_value(text: str, cuts: list[int]) -> None:
    parser = PartialJSON()
    view = View(parser)
    for piece in pieces_of(text, cuts):
        parser.feed(piece)
        view.poll()
        assert repr(view.picture) == repr(parser.value)


@settings(max_examples=examples(200), deadline=None)
@given(string=strings, size=st.integers(1, 9), every=st.integers(1, 5))
def test_the_tails_together_are_the_string(string: str, size: int, every: int) -> None:
    string = string * 50  # some longer than a chunk
    text = json.dumps(string)[:-1]
    parser, look, tails = PartialJSON(), None, []
    for number, start in enumerate(range(0, len(text), size)):
        parser.feed(text[start : start + size])
        if number % every == 0:
            look = parser.open_string(look)
            tails.append(look.tail if look is not None else "")
    look = parser.open_string(look)
    assert look is not None
    tails.append(look.tail)
    assert "".join(tails) == parser.value
    assert (look.path, look.place, look.length) == ((), 0, len(parser.value))
    parser.feed('"')
    assert parser.value == json.loads(text + '"')


def test_a_look_says_where_the_string_grows() -> None:
    parser = PartialJSON()
    parser.feed('{"files": [{}, {"name": "a", "text": "12')
    look = parser.open_string()
    assert look == OpenString(("files", 1, "text"), 37, 2, "12")
    parser.feed("34")
    assert parser.open_string(look) == OpenString(("files", 1, "text"), 37, 4, "34")
    assert parser.open_string(look) == parser.open_string(look)
    assert parser.open_string() == OpenString(("files", 1, "text"), 37, 4, "1234")
    parser.feed('", "te')
    assert parser.open_string(look) is None  # a key does not count


def test_another_string_at_the_same_path_is_another() -> None:
    parser = PartialJSON()
    parser.feed('{"a": "one')
    look = parser.open_string()
    parser.feed('", "a": "three')
    assert parser.open_string(look) == OpenString(("a",), 18, 5, "three")


def test_long_strings_follow_each_other_without_a_trace() -> None:
    whole = {"a": " ".join(map(str, range(2000))), " ".join(map(str, range(999))): ["é" * 5000, "", "c" * 1024 + "d"]}
    text = json.dumps(whole)
    parser = PartialJSON()
    view = View(parser)
    for start in range(0, len(text), 7):
        parser.feed(text[start : start + 7])
        view.poll()
        look = parser.open_string()
        if look is not None and start % 5 == 0:
            assert view.picture == parser.value
            assert (
                look.tail == (whole["a"] if look.path == ("a",) else whole[look.path[0]][look.path[1]])[: look.length]
            )
    assert parser.value == whole
    assert view.values < 1000


def cost_late_over_early(step: Callable[[], object]) -> float:
    """Return how much slower the last steps are than the first; the best of some runs, since the machine is shared."""

    def seconds(steps: int) -> float:
        began = time.process_time()
        for _ in range(steps):
            step()
        return time.process_time() - began

    early = min(seconds(5_000) for _ in range(4))
    seconds(400_000)
    return min(seconds(5_000) for _ in range(4)) / early


def test_a_string_that_grows_is_read_by_its_tails_without_the_whole() -> None:
    parser = PartialJSON()
    parser.feed('{"text": "')
    looks = [parser.open_string()]

    def step() -> None:
        parser.feed("abcd")
        looks.append(parser.open_string(looks.pop()))

    assert cost_late_over_early(step) < 10  # hundreds where each look, or each piece, copies the string
    assert looks == [OpenString(("text",), 9, 1_760_000, "abcd")]
    assert parser.value == {"text": "abcd" * 440_000}


@pytest.mark.parametrize(
    ("start", "piece"),
    [("[", "[],"), ("[0.", "9999"), ("[", "   \n"), ('{"', "abcd"), ('["', "\\n"), ('["', "\\ud83d"), ("[t", "rrrr")],
)
def test_any_document_takes_time_in_proportion_to_its_length(start: str, piece: str) -> None:
    parser = PartialJSON()
    parser.feed(start)
    assert cost_late_over_early(lambda: parser.feed(piece)) < 10


VECTORS = json.loads((Path(__file__).parent.parent / "data" / "partial_json.json").read_bytes())
"""Texts by the categories of JSONTestSuite; tests/pages/partial.test.js holds the page's parser to them too."""


def test_the_page_reads_the_same() -> None:
    for case in VECTORS["growing"]:
        parser = PartialJSON()
        for piece, value in zip(case["pieces"], case["values"], strict=True):
            parser.feed(piece)
            assert repr(parser.value) == repr(value), case["pieces"]
        parser.close()
        assert parser.complete
    for text in VECTORS["right"]:
        assert (read(*text).value, read(text).complete) == (json.loads(text), True)
    for text in VECTORS["wrong"]:
        for parser in (read(text), read(*text)):
            assert parser.error is not None, text
            assert not parser.complete
    for text in VECTORS["unfinished"]:
        parser = PartialJSON()
        parser.feed(text)
        assert (parser.error, parser.complete) == (None, False), text
