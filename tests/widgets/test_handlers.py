"""A page's message is dealt with at once: no handler takes long, whatever was typed, pasted or answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.widgets.playground.difference import difference
from tests.fuzz.growth import TEXTS

LONG = 100_000
HOSTILE = {
    "an array of escaped quotes": TEXTS["an array of escaped quotes"](LONG),
    "equal lines": "a\n" * (LONG // 2),
    "a list": "- a b c\n" * (LONG // 8),
    "images": "![" * (LONG // 2),
    "titles": "<title" * (LONG // 6),
    "names": "{{a}} " * (LONG // 6),
    "open names": "{{" * (LONG // 2),
    "letters": "a" * LONG,
    "keys": "sk-" * (LONG // 3),
}


def seconds_of(handle: Callable[[], object]) -> float:
    """The least of three, of the processor's time of this thread."""
    found = []
    for _ in range(3):
        began = time.thread_time()
        handle()
        found.append(time.thread_time() - began)
    return min(found)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_draft_is_taken_at_once(what: str) -> None:
    builder = mf.MessageBuilder()
    text = HOSTILE[what]
    draft = {"role": "user", "text": text, "attachments": []}
    seconds: dict[str, float] = {}
    messages: dict[str, dict[str, Any]] = {
        "draft": {"type": "draft", "draft": draft, "left": False},
        "variable": {"type": "variable", "name": "a", "value": text},
        "unknown": {"type": "nothing", "text": text},
        "address": {"type": "address", "id": "1", "url": text, "loose": True},
    }
    for name, message in messages.items():
        seconds[name] = seconds_of(lambda message=message: builder._receive(None, message, []))  # type: ignore[misc]
    assert {name: taken for name, taken in seconds.items() if taken > 0.05} == {}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_prefill_is_looked_at_at_once(what: str) -> None:
    editor = mf.PrefillEditor()
    values = iter([HOSTILE[what] + str(number) for number in range(3)])
    assert seconds_of(lambda: editor.set_state({"value": next(values)})) <= 0.05


@pytest.mark.parametrize("what", HOSTILE)
def test_two_versions_are_compared_at_once(what: str) -> None:
    text = HOSTILE[what]
    assert seconds_of(lambda: difference(text, text[: LONG // 2] + "b" + text[LONG // 2 :])) <= 0.05
