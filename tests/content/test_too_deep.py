"""Values that are nested too deep are refused where they are given; the error says where, and how deep is allowed.

Python raises RecursionError when it copies, prints or compares them, at about 480 levels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.content.depth import DEEPEST, refuse_deep
from msgflux_nb.content.history import History
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.schema import wire_schema
from msgflux_nb.tables.compare import same_cell
from msgflux_nb.tables.fields import plain
from msgflux_nb.tables.formats.coded import encoded


class Anything(msgspec.Struct):
    """A record that may hold anything."""

    a: Any = None


def dicts(levels: int) -> Any:
    found: Any = {}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


def lists(levels: int) -> Any:
    found: Any = []
    for _ in range(levels - 1):
        found = [found]
    return found


def records(levels: int) -> Any:
    found: Any = Anything()
    for _ in range(levels - 1):
        found = Anything(found)
    return found


DEEP = 100_000
MAKERS = [dicts, lists, records]


@pytest.fixture(scope="module", params=MAKERS, ids=lambda make: make.__name__)
def deep(request: pytest.FixtureRequest) -> Any:
    return request.param(DEEP)


def calls() -> mf.ToolCallAggregator:
    found = mf.ToolCallAggregator()
    found.process(0, "c", "f", "{}")
    return found


def message(value: Any) -> dict[str, Any]:
    return {"role": "user", "content": "Hi.", "own": value}


def model(**options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1", api_key="none", **options)


LEVELS: dict[str, tuple[Callable[[Any], object], type[Exception], str]] = {
    "a result": (lambda deep: calls().insert_results({"c": deep}), mf.ToolCallError, "the result of 'c'"),
    "whole arguments": (lambda deep: calls().process(1, "d", "f", deep), TypeError, "arguments"),
    "ChatBlock.tool": (lambda deep: mf.ChatBlock.tool("c", deep), mf.ToolCallError, "the result of call 'c'"),
    "a part": (
        lambda deep: mf.ChatBlock.user("", media=["a.png", {"type": "text", "own": deep}][1:]),
        mf.MediaError,
        r"media\[0\]",
    ),
    "a builder": (lambda deep: mf.MessageBuilder([message(1), message(deep)]), mf.BadRequestError, r"messages\[1\]"),
    "a builder's turn": (lambda deep: mf.MessageBuilder().add(message(deep)), mf.BadRequestError, r"messages\[0\]"),
    "a variable": (lambda deep: mf.MessageBuilder(variables={"a": deep}), ValueError, r"variables\['a'\]"),
    "a playground": (
        lambda deep: mf.Playground(model(), messages=[message(deep)]),
        mf.BadRequestError,
        r"messages\[0\]",
    ),
    "extra_body": (lambda deep: model(extra_body={"own": deep}), ValueError, "extra_body"),
    "audio": (lambda deep: model(audio={"own": deep}), ValueError, "audio"),
    "a table": (lambda deep: mf.to_frame([Anything(1), Anything([deep])]), ValueError, "to_frame: a cell of 'a'"),
    "a table of dicts": (lambda deep: mf.to_frame([{"b": deep}]), ValueError, "to_frame: a cell of 'b'"),
    "a plan's task": (
        lambda deep: mf.plan.tree_of_thoughts(None, deep, propose=lambda _: ["a"], value=lambda _: 1.0),
        ValueError,
        "a task",
    ),
}


@pytest.mark.parametrize("name", LEVELS)
def test_a_value_that_is_too_deep_is_refused_by_name(name: str, deep: Any) -> None:
    give, error, place = LEVELS[name]
    with pytest.raises(error, match=rf"^{place}.*: expected JSON of at most {DEEPEST} levels, got more"):
        give(deep)


WRONG: dict[str, Callable[[Any], object]] = {
    "stop": lambda deep: model(stop=[deep]),
    "temperature": lambda deep: model(temperature=deep),
    "cache": lambda deep: model(cache=deep),
    "a schema": lambda deep: model()("Hi", generation_schema=deep),
    "a tool": lambda deep: mf.tool_schemas([[deep]]),
    "a tool's type": lambda deep: mf.tool_schemas([{"type": [deep]}]),
    "tool_choice": lambda deep: model()("Hi", tool_schemas=[{"type": "web_search"}], tool_choice=[deep]),
    "system_prompt": lambda deep: model()("Hi", system_prompt=[deep]),
    "a role": lambda deep: model()([{"role": [deep], "content": "Hi."}]),
    "a part's field": lambda deep: model()([{"role": "user", "content": [{"type": "image_url", "image_url": [deep]}]}]),
    "a call of a history": lambda deep: model()([{"role": "assistant", "tool_calls": [[deep]]}]),
    "a name": lambda deep: calls().process(1, "d", [deep], ""),  # type: ignore[arg-type]  # that is the fault
    "rpm": lambda deep: mf.extract(["a"], Anything, model=model(), rpm=[deep]),
    "on_error": lambda deep: mf.extract(["a"], Anything, model=model(), on_error=[deep]),
    "an example": lambda deep: mf.extract(["a"], Anything, model=model(), examples=[("a", {"a": deep})]),
    "the schema of a batch": lambda deep: mf.extract(["a"], [deep], model=model()),
    "a prompt of a grid": lambda deep: mf.grid({"a": [deep]}, ["a"], models=model()),
    "n": lambda deep: mf.plan.self_consistency(lambda _: "a", "Which?", n=[deep]),
    "max_calls": lambda deep: mf.plan.self_consistency(lambda _: "a", "Which?", max_calls=[deep]),
    "a lesson": lambda deep: mf.lesson([deep]),
    "approve": lambda deep: mf.ToolCallView(approve=[deep]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_that_is_too_deep_to_be_printed_is_refused_like_any_other(name: str, deep: Any) -> None:
    with pytest.raises((mf.MsgfluxError, TypeError, ValueError)) as caught:
        WRONG[name](deep)
    assert not isinstance(caught.value, RecursionError)
    assert len(str(caught.value)) < 1_500


def test_a_million_levels_end_no_process() -> None:
    deep = lists(1_000_000)
    for name in ("a result", "a builder", "a table", "a plan's task"):
        with pytest.raises(LEVELS[name][1], match="got more"):
            LEVELS[name][0](deep)
    for name in ("stop", "a schema", "a tool"):
        with pytest.raises((mf.MsgfluxError, TypeError)):
            WRONG[name](deep)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_deepest_value_that_is_allowed_can_be_copied_written_and_compared(make: Callable[[int], Any]) -> None:
    value = make(DEEPEST)
    refuse_deep(value, "it", ValueError)
    with pytest.raises(ValueError, match="got more"):
        refuse_deep(make(DEEPEST + 1), "it", ValueError)

    def within(frames: int) -> None:
        """Do it where a notebook has left less room."""
        if frames:
            return within(frames - 1)
        assert copy.deepcopy(value) == value
        assert repr(value)
        assert same_cell(value, value)
        assert encoded(plain(value))
        return None

    within(200)


def test_a_history_that_refuses_a_message_is_unchanged() -> None:
    history = History([message(1)])
    deep = message(dicts(DEEP))
    for change in (
        lambda: history.add(deep),
        lambda: history.show([message(2), deep]),
        lambda: history.replace(0, deep),
        lambda: history.add_versions([[message(2)], [deep]]),
    ):
        with pytest.raises(mf.BadRequestError):
            change()
    assert history.messages == [message(1)]
    assert not history.undoable


@pytest.mark.parametrize("levels", [DEEPEST + 1, 450, 900, DEEP])
def test_an_answer_is_read_no_deeper(levels: int) -> None:
    text = '{"a":' * levels + "1" + "}" * levels
    with pytest.raises(mf.ValidationFailedError):
        decode_answer(text, wire_schema(dict[str, Any]))
    found = decode_answer('Not {"b": ' + "[" * 300 + "]" * 300 + '} but {"a": 1}', wire_schema(dict[str, Any]))
    assert found.value == {"a": 1}


def test_cells_that_are_too_deep_to_be_compared_or_written_are_said() -> None:
    deep = lists(DEEP)
    with pytest.raises(ValueError, match="too deep to be compared"):
        same_cell(deep, deep)
    with pytest.raises(ValueError, match="too deep to be written"):
        encoded(deep)
    with pytest.raises(ValueError, match="too deep to be compared"):
        mf.score(pd.DataFrame({"a": [deep]}), pd.DataFrame({"a": [deep]}))
