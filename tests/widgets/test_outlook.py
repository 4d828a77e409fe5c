"""Tests that the forecast for a start agrees with the call, and that the verdict agrees with the answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.errors import PrefillError
from msgflux_nb.models import server_quirks
from msgflux_nb.widgets.prefill.forecast import outlook_of, starts
from msgflux_nb.widgets.prefill.verdict import verdict
from tests.scripted import Reply, chunk, completion, model_at, serving, stream

GOES_ON = {"prefill": "continue", "echo": False, "echo_stream": False, "reasks": 1, "dialect": "plain"}
ECHOES = {**GOES_ON, "echo": True, "echo_stream": True}
THINK = "Let's think step by step."


class Person(msgspec.Struct):
    name: str
    age: int


class Home(msgspec.Struct):
    owner: Person


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def named(name: str, **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion(name, api_key="k", **options)


# Before


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("mistral/mistral-small-latest", "continued", "it repeats the start, which is shown once"),
        ("groq/llama-3.3-70b-versatile", "continued", "goes on from here."),
        ("ollama/llama3", "tried", "tried once, by a short request before yours"),
        ("openai/gpt-4.1", "rejected", "openai is not known to continue a prefill"),
        ("anthropic/claude-3-5-haiku-latest", "continued", "goes on from here."),
        ("anthropic/claude-sonnet-4-6", "rejected", "anthropic is not known to continue a prefill"),
        ("deepseek/deepseek-chat", "continued", "It is sent to https://api.deepseek.com/beta."),
    ],
)
def test_each_provider_is_described_by_its_own_rules(name: str, kind: str, said: str) -> None:
    found = outlook_of(named(name), THINK)
    assert found.kind == kind
    assert said in found.text


def test_a_rejection_is_the_error_that_the_call_raises() -> None:
    model = named("openai/gpt-4.1")
    with pytest.raises(PrefillError) as raised:
        model("Hi", prefilling=THINK)
    assert outlook_of(model, THINK).text == str(raised.value)


def test_a_start_that_no_structure_has_is_the_error_that_the_call_raises() -> None:
    model = named("groq/llama-3.3-70b-versatile")
    with pytest.raises(PrefillError) as raised:
        model("Hi", prefilling=THINK, generation_schema=Person)
    found = outlook_of(model, THINK, Person)
    assert (found.kind, found.word, found.text) == ("impossible", "impossible for Person", str(raised.value))
    assert outlook_of(model, '{"name": "', Person).kind == "continued"


def test_a_provider_that_takes_no_start_rejects_it_for_a_structure_too() -> None:
    assert outlook_of(named("openai/gpt-4.1"), "Hello", Person).kind == "rejected"


def test_an_instruction_in_its_place_is_called_one() -> None:
    found = outlook_of(named("openai/gpt-4.1", prefill_mode="emulate"), THINK)
    assert (found.kind, found.word) == ("emulated", "asked for in words")


def test_tools_next_to_a_start_are_asked_about_too() -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    model = named("groq/llama-3.3-70b-versatile")
    assert outlook_of(model, THINK).kind == "continued"
    assert outlook_of(model, THINK, beside={"tool_schemas": [tool]}).kind == "rejected"


def test_a_start_that_changes_the_way_of_asking_for_a_structure_is_reported() -> None:
    found = outlook_of(named("deepseek/deepseek-chat"), "{", Person)
    assert found.text.endswith("With a start, Person is asked for by json_object instead of tool.")


@pytest.mark.parametrize(
    ("start", "said"), [("", "The model begins by itself."), (" \n", "White space alone is not a start")]
)
def test_without_a_start_the_outlook_says_none(start: str, said: str) -> None:
    found = outlook_of(named("groq/llama-3.3-70b-versatile"), start)
    assert found.kind == "none"
    assert found.text.startswith(said)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("The answer is ", "It ends with a space, after which many models write badly."),
        ("The answer is  ", "It ends with 2 spaces,"),
        ("The answer is\t", "It ends with a tab,"),
        ("The answer is \n\n ", "It ends with white space,"),
        ("Roses are red,\n", ""),
        ("The answer is", ""),
    ],
)
def test_white_space_at_the_end_is_pointed_out(start: str, said: str) -> None:
    space = outlook_of(named("groq/llama-3.3-70b-versatile"), start).space
    assert space.startswith(said)
    assert bool(space) == bool(said)


def test_white_space_that_is_not_sent_is_reported() -> None:
    space = outlook_of(named("anthropic/claude-3-5-haiku-latest"), "The answer is ").space
    assert space == "It ends with a space, which anthropic/claude-3-5-haiku-latest does not take; it is not sent."


def test_what_was_tried_once_is_known_from_then_on() -> None:
    with serving(stream("Reference 7391-QX: blue"), stream(f"{THINK} So")) as server:
        model = model_at(server.url, profile={"prefill": "continue", "echo_stream": None})
        assert outlook_of(model, THINK).kind == "tried"
        assert model("Hi", prefilling=THINK, stream=True).consume() == f"{THINK} So"
        assert "it repeats the start" in outlook_of(model, THINK).text


# What is offered


def test_the_users_own_starts_come_first() -> None:
    offered = starts(named("groq/llama-3.3-70b-versatile"), {"verse": "Roses are red,"})
    assert offered[0] == ("yours", "verse", "Roses are red,")
    assert ("usual", "step by step", THINK) in offered
    assert [text for _, _, text in offered if text.endswith((" ", "\n"))] == []


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        (Person, ["{", '{"name": "']),
        (list[int], ["{", '{"value":']),
        (msgspec.defstruct("Odd", [("a", int)], rename={"a": "ä b"}), ["{", '{"ä b":']),
    ],
)
def test_for_a_structure_its_own_beginnings_are_offered(schema: Any, texts: list[str]) -> None:
    model = named("groq/llama-3.3-70b-versatile")
    offered = [text for _, _, text in starts(model, {}, schema)]
    assert offered == texts
    assert {outlook_of(model, text, schema).kind for text in offered} == {"continued"}


# After


def judged(reply: Reply, start: str, profile: dict[str, Any], *more: Reply, **keywords: Any) -> str:
    """Return the verdict on an answer to a start."""
    options = {name: keywords.pop(name) for name in ("prefill_mode",) if name in keywords}
    with serving(reply, *more) as server:
        answer = model_at(server.url, profile=profile, **options)("Hi", prefilling=start, **keywords)
        answer.consume()
        return verdict(answer, start)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("start", "continuation"),
    [
        (THINK, " First, the sea."),
        ("The ", "cat"),
        ("ha", "ha"),
        ("1. Red\n2.", " Blue\n3. Green"),
        ('{"name": "Bob"}\n', '{"name": "Al"}\n'),
        ("Dear Sir", ""),
        ("A", "Almond"),
    ],
)
def test_an_answer_that_goes_on_is_not_reported(start: str, continuation: str, streamed: bool) -> None:
    with serving(stream(continuation) if streamed else completion(continuation)) as server:
        answer = model_at(server.url, profile=GOES_ON)("Hi", prefilling=start, stream=streamed)
        list(answer) if streamed else answer.text
        assert verdict(answer, start) == ""


@pytest.mark.parametrize(
    ("start", "continuation", "repeated"),
    [
        (THINK, f"{THINK} First, the sea.", THINK),
        (THINK, "\n\nLet's think about it.", "Let's think"),
        ("1.", "1. Red", "1."),
        ("{", '{"a": 1}', "{"),
        ("```python", "```python\nprint()", "```python"),
    ],
)
def test_an_answer_that_repeats_the_start_has_started_over(start: str, continuation: str, repeated: str) -> None:
    said = judged(completion(continuation), start, GOES_ON)
    assert said.startswith(f"The answer started over instead of going on: it repeats {repeated!r}.")
    assert 'profile={"echo": True}' in said


def test_the_remedy_names_the_field_for_streams() -> None:
    with serving(stream(f"{THINK} First")) as server:
        answer = model_at(server.url, profile=GOES_ON)("Hi", prefilling=THINK, stream=True)
        answer.consume()
        assert 'profile={"echo_stream": True}' in verdict(answer, THINK)


@pytest.mark.parametrize("continuation", ['{"name": "Al", "age": 3}', 'Sure!\n```json\n{"age": 3, "name": "Al"}\n```'])
def test_a_structure_that_is_whole_without_its_start_has_started_over(continuation: str) -> None:
    said = judged(completion(continuation), '{"age": ', {**GOES_ON, "reasks": 0}, generation_schema=Person)
    assert said.startswith("The answer started over instead of going on")


def test_a_structure_that_goes_on_with_an_object_has_not_started_over() -> None:
    assert judged(completion('{"name": "Al", "age": 3}}'), '{"owner": ', GOES_ON, generation_schema=Home) == ""


def test_a_cut_structure_has_not_started_over() -> None:
    ends = (chunk(reason="length"), b"data: [DONE]\n\n")
    with serving(stream('{"name": "Al", "age": 3}', *ends, done=False)) as server:
        answer = model_at(server.url, profile=GOES_ON)(
            "Hi", prefilling='{"owner": ', generation_schema=Home, stream=True
        )
        answer.finish()
        assert verdict(answer, '{"owner": ') == ""


def test_a_structure_that_was_asked_for_again_has_lost_its_start() -> None:
    again = completion('{"name": "Al", "age": 3}')
    said = judged(completion('"x"}'), '{"age": ', GOES_ON, again, generation_schema=Person)
    assert said.startswith("The first answer, with the prefill, did not fit")


def test_a_missing_echo_is_reported() -> None:
    assert judged(completion(f"{THINK} So"), THINK, ECHOES) == ""
    said = judged(completion("The sea is salty."), THINK, ECHOES)
    assert 'profile={"echo": False}' in said
    assert "it may have started over" in said


def test_a_start_asked_for_in_words_is_looked_for() -> None:
    assert judged(completion(f"{THINK} So"), THINK, GOES_ON, prefill_mode="emulate") == ""
    said = judged(completion("Sure! The sea."), THINK, GOES_ON, prefill_mode="emulate")
    assert "does not begin with the start that was asked for in words, but with 'Sure! The sea.'" in said


def test_nothing_is_reported_without_an_answer_or_a_start() -> None:
    assert verdict(None, THINK) == ""
    assert judged(completion("x"), "", GOES_ON) == ""
