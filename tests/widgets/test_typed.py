"""Tests that a key that is typed into a field is removed from the widget's state at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.widgets.base import typed_keys
from msgflux_nb.widgets.base.typed_keys import without_keys
from msgflux_nb.widgets.base.view import View

CANARY = "sk-CANARY0123456789abc"
KEYS = [
    CANARY,
    f'{{"api_key": "{CANARY}"}}',
    f"({CANARY}),{CANARY}",
    "Bearer eyJhbGciOiJIUzI1NiJ9.e30.CANARY",
    "AIzaSyCANARY-0123456789",
    "gsk_CANARY0123456789",
    "https://me:CANARY@example.org/v1",
]
WORDS = [
    "",
    "What does hf_hub_download do, and key_management_service?",
    "Explain Bearer Token and Bearer authentication.",
    "sk-learn, a risk-ASSESSMENT2 and pk-1",
    "ssh://git@example.org/x",
    f"data:image/png;base64,AAAA+{CANARY}",
    "the text: https://example.org/a:b@c",
]


@pytest.mark.parametrize("text", KEYS)
def test_a_key_is_taken_out_of_a_text_and_the_rest_stays(text: str) -> None:
    clean = without_keys(f"before {text}\n\tafter  it")
    assert "CANARY" not in clean
    assert "[key]" in clean
    assert clean.startswith("before ")
    assert clean.endswith("\n\tafter  it")


@pytest.mark.parametrize("text", WORDS)
def test_words_that_people_write_about_stay(text: str) -> None:
    assert without_keys(text) is text


def test_keys_are_found_wherever_they_are_in_a_message_of_the_page() -> None:
    content = {"type": "edit", "parts": [{"text": CANARY}, "x", 3, None], CANARY: (CANARY,)}
    assert without_keys(content) == {"type": "edit", "parts": [{"text": "[key]"}, "x", 3, None], "[key]": ["[key]"]}
    assert "CANARY" in str(content)


def test_a_message_of_many_texts_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[str] = []
    scrub = typed_keys.scrub
    monkeypatch.setattr(typed_keys, "scrub", lambda text: searches.append(text) or scrub(text))
    content = {"lanes": ["a b"] * 19_000}
    assert without_keys(content) is content
    assert len(searches) == 1


def test_a_message_without_a_key_is_passed_on_as_it_is() -> None:
    content = {"type": "edit", "parts": [{"text": "x"}, (1, [2])]}
    assert without_keys(content) is content


WIDGETS = {
    "builder": lambda: mf.MessageBuilder([{"role": "user", "content": "Hi {{a}}"}]),
    "editor": mf.PrefillEditor,
    "picker": mf.SchemaPicker,
    "calls": lambda: mf.ToolCallView([(0, 0, "call_7", "add", "{}")]),
    "playground": mf.Playground,
}


@pytest.fixture(params=WIDGETS)
def view(request: pytest.FixtureRequest) -> Iterator[View]:
    view: View = WIDGETS[request.param]()
    yield view
    view.close()


def told(view: View) -> list[dict[str, Any]]:
    """Record the messages that the widget sends from now on."""
    messages: list[dict[str, Any]] = []
    view._send = lambda message, buffers=None: messages.append(message)
    return messages


def test_a_trait_from_the_page_is_set_without_a_key_and_the_page_is_told(view: View) -> None:
    sent = told(view)
    texts = [name for name in view._own_names() if isinstance(getattr(view, name), str) and name != "schema"]
    for name in texts:
        view.set_state({name: f"So {CANARY}"})
        assert getattr(view, name) == "So [key]"
        updates = [
            message["state"][name] for message in sent if message["method"] == "update" and name in message["state"]
        ]
        assert updates[-1:] == ["So [key]"]
        said = [message["content"] for message in sent if message["method"] == "custom"]
        assert said[-1]["name"] == "KeyRemoved"
    assert "CANARY" not in json.dumps([sent, view.get_state(), view._drawn()], default=str)


def test_no_notice_appears_for_other_texts() -> None:
    with_key = mf.PrefillEditor()
    sent = told(with_key)
    with_key.set_state({"value": "So hf_hub_download"})
    assert with_key.value == "So hf_hub_download"
    assert [message for message in sent if message["method"] == "custom"] == []
    with_key.close()


def test_what_a_message_of_the_page_brings_is_kept_without_it() -> None:
    builder = mf.MessageBuilder([{"role": "user", "content": "Hi {{a}}"}])
    sent = told(builder)
    draft = {"text": f"my {CANARY}", "role": "user", "call": "", "ids": [], "texts": {}}
    for content in (
        {"type": "draft", "draft": draft, "left": True},
        {"type": "variable", "name": "a", "value": CANARY},
        {"type": "add", "draft": draft},
        {"type": "address", "id": "1", "url": f"https://me:{CANARY}@example.org/a.png", "loose": False},
    ):
        before = len(sent)
        builder._receive(builder, content, [])
        assert [m["content"]["name"] for m in sent[before:] if m.get("content", {}).get("type") == "problem"] == [
            "KeyRemoved"
        ]
    everything = [sent, builder.get_state(), builder.messages, builder.history.messages, builder._drawn()]
    assert "CANARY" not in json.dumps(everything, default=str)
    assert builder.messages[1]["content"] == "my [key]"
    builder.close()
