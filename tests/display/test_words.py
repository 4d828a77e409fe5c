"""Tests what a terminal, LaTeX and a PDF show of an answer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.content.generated import Audio, Image
from msgflux_nb.display.answer import aggregator_bundle, answer_bundle
from msgflux_nb.errors import MsgfluxError, ValidationFailedError, printable
from msgflux_nb.tables.cells import CellError
from msgflux_nb.tables.outcome import failure
from tests.scripted import completion, error, serving, stream

from .test_answer import Answer, Person, model_at, state


def plain(shown: Any) -> str:
    text = answer_bundle(shown)["text/plain"]
    assert text.endswith(repr(shown))
    return text.removesuffix(repr(shown)).removesuffix("\n")


@pytest.mark.parametrize("text", ["Hello.", "# Title\n\n* one\n* two", "Zwölf 😀 $x^2$", "  indented\n\tcode"])
def test_a_text_has_its_words(text: str) -> None:
    assert plain(Answer(text)) == text


def test_an_answer_with_a_prefill_has_it_once() -> None:
    assert plain(Answer(" world", prefill="Hello")) == "Hello world"


def test_a_structure_has_a_line_for_each_field() -> None:
    assert plain(Answer("{}", schema=Person, value=Person("Bob", 3))) == "name: Bob\nage: 3"


def test_a_structure_that_does_not_fit_has_its_text_and_the_reason() -> None:
    words = plain(Answer('{"name": 1}', schema=Person, value=ValidationFailedError("name: expected str")))
    assert words == '{"name": 1}\nValidationFailedError: name: expected str'


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"partial": {"city": "Ur", "days": 3}}, "get_age(city='Ur', days=3)"),
        ({"partial": {}}, "get_age()"),
        ({"partial": {"places": [{"x": 1}]}}, "get_age(places=[{'x': 1}])"),
        ({"partial": {"a": 1}, "status": "streaming"}, "get_age(a=1) [streaming]"),
        ({"raw": '{"a": ', "status": "invalid", "error": "it was cut"}, 'get_age({"a": ) [invalid]\n  ✕ it was cut'),
    ],
)
def test_a_call_is_written_as_one_would_write_it(given: dict[str, Any], line: str) -> None:
    assert plain(Answer(states=[state(**{"name": "get_age", **given})])) == line


@pytest.mark.parametrize(
    ("result", "line"),
    [("18 °C", "18 °C"), ({"a": 1}, '{"a": 1}'), (None, "null"), ([1, "b"], '[1, "b"]')],
)
def test_a_result_stands_below_its_call(result: Any, line: str) -> None:
    calls = mf.ToolCallAggregator()
    calls.process(0, "call_7", "add", '{"a": 17}')
    calls.insert_results({"call_7": result})
    expected = f"add(a=17)\n  → {line}\nToolCallAggregator(add complete)"
    assert aggregator_bundle(calls)["text/plain"] == expected
    assert calls.results == {"call_7": result}


def test_long_arguments_and_results_are_cut_and_what_is_left_is_counted() -> None:
    words = plain(Answer(states=[state(name="f", raw="x" * 3_000, status="invalid")]))
    assert "… 1,000 more characters" in words
    assert len(words) < 2_100


def test_reasoning_is_one_line_and_a_refusal_and_warnings_are_written() -> None:
    words = plain(Answer("Hi", reasoning="y" * 1_234, warnings=("a comma was left out",)))
    assert words == "[reasoning: 1,234 characters]\nHi\nwarning: a comma was left out"
    assert plain(Answer(refusal="No.")) == "refusal: No."


def test_pictures_sound_and_sources_are_named() -> None:
    sound = Audio(b"RIFF", "x" * 100, "wav")
    source = {"type": "url_citation", "url_citation": {"url": "https://a.example/b", "title": "A page"}}
    words = plain(Answer("Hi", images=(Image(url="https://b.example/c"),), audio=sound, annotations=(source,)))
    assert words.splitlines()[1:] == [
        "[Image(image: b.example)]",
        f"[{sound!r}]",
        "x" * 100,
        "[1] A page https://a.example/b",
    ]
    assert sound._repr_mimebundle_()["text/plain"].splitlines()[1] == "x" * 100


def test_an_answer_that_arrives_has_what_came_and_is_not_advanced() -> None:
    with serving(stream("Hel", "lo")) as server, model_at(server.url)("Hi", stream=True) as arriving:
        before = answer_bundle(arriving)["text/plain"]
        assert before == repr(arriving)
        arriving.consume()
        assert answer_bundle(arriving)["text/plain"] == f"Hello\n{arriving!r}"


def test_an_async_answer_has_its_words_too() -> None:
    async def main(url: str) -> str:
        answer = await model_at(url).acall("Hi")
        return answer._repr_mimebundle_()["text/plain"]

    with serving(completion("Hello")) as server:
        assert asyncio.run(main(server.url)).startswith("Hello\n")


# Control characters

HOSTILE = {
    "\x1b[31mred": "\\x1b[31mred",
    "a\x07b\x00": "a\\x07b\\x00",
    "\x9b2J": "\\x9b2J",
    "a\x7f": "a\\x7f",
    "\u202etxt.exe": "\\u202etxt.exe",
    "\u2066a\u2069": "\\u2066a\\u2069",
    "over\rwritten": "over\\rwritten",
    "two\u2028lines": "two\\u2028lines",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_no_control_character_of_a_model_reaches_the_terminal(text: str, shown: str) -> None:
    calls = [state(name=text, raw=text, status="invalid", error=text)]
    warned = {"refusal": text, "warnings": (text,)}
    words = answer_bundle(Answer(text, states=calls, **warned))["text/plain"]
    assert text not in words
    assert words.count(shown) == 6


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=ascii)
def test_no_control_character_of_a_server_is_in_an_error(text: str, shown: str) -> None:
    assert str(MsgfluxError(f"the server said: {text}")) == f"the server said: {shown}"


def test_lines_tabs_and_letters_of_every_script_are_as_they_are() -> None:
    text = "a\n\tb\r\nعربى עברית 日本 é \u200d👨\u200d👩\u200d👧 \u200f"
    assert printable(text) == text.replace("\r\n", "\n")


def test_an_error_of_a_server_is_printable_in_a_batch_and_in_its_card() -> None:
    with serving(error(400, "no \x1b[2J way")) as server:
        table = mf.extract(["a"], Person, model=model_at(server.url), progress=False, store=False)
    assert "\x1b" not in table["_error"].iloc[0]
    assert "\\x1b[2J way" in table["_error"].iloc[0]


class Strict(msgspec.Struct):
    name: str

    def __post_init__(self) -> None:
        raise ValueError(f"not \x1b[2J{self.name}")


def test_an_error_of_a_validator_is_printable_too() -> None:
    with serving(completion('{"name": "a"}')) as server:
        table = mf.extract(["a"], Strict, model=model_at(server.url), progress=False, store=False)
    assert "\x1b" not in table["_error"].iloc[0]


@pytest.mark.parametrize(
    "error", [CellError("\x1b[2J"), KeyError("a"), ValueError("a\x9bb\u202e"), MsgfluxError("\x07")]
)
@pytest.mark.parametrize("sent", [True, False])
def test_whatever_failed_a_row_is_printable(error: Exception, sent: bool) -> None:
    text = failure(error, None, None, sent=sent).error
    assert text is not None
    assert text == printable(text)


def test_the_bundle_without_calls_is_one_line() -> None:
    assert aggregator_bundle(SimpleNamespace(states=[]))["text/plain"] == "no tool calls yet"
