"""Tests messages as cards, and the results of edits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

import msgflux_nb as mf
from msgflux_nb.content.history import History
from msgflux_nb.errors import MediaError
from msgflux_nb.widgets.conversation.turn_cards import Look, Turn, open_calls, rebuilt, without_texts

from .conversations import CALL, EVERYTHING, messages


def parts(message: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Turn(message, **options).card["parts"]
    return found


def kinds(message: dict[str, Any]) -> list[str]:
    return [part["kind"] for part in parts(message)]


def kept(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the edit that changes nothing."""
    return [{"key": part["key"]} for part in parts(message)]


def edited(message: dict[str, Any], parts: list[dict[str, Any]], role: str = "", **attached: Any) -> dict[str, Any]:
    return rebuilt(Turn(message), role or message["role"], parts, attached)


# To a card


def test_every_part_has_a_kind() -> None:
    assert [kinds(message) for message in EVERYTHING] == [
        ["text"],
        ["text"],
        ["text", "image", "audio", "file"],
        ["reasoning", "call", "call"],
        ["answers", "text"],
        ["answers", "text"],
        ["address", "address", "address", "audio", "other", "image", "reasoning", "other", "other"],
        ["refusal", "other"],
        ["text", "refusal", "other"],
        ["call"],
        ["text"],
        ["other"],
        [],
        [],
        ["text"],
        ["text"],
        ["text"],
    ]


def test_an_image_says_its_size_and_its_tokens() -> None:
    image = parts(EVERYTHING[2], model="gpt-4o")[1]
    assert image["detail"].startswith("40 × 20 px, ")
    assert image["tokens"] == 85
    assert parts(EVERYTHING[2])[1]["tokens"] is None


def test_a_sound_says_its_length_and_its_tokens() -> None:
    sound = parts(EVERYTHING[2], model="gemini-2.5-flash")[2]
    assert sound["detail"] == "WAV, 0.1 s, 3.2 kB"
    assert sound["tokens"] == 4


def test_a_file_says_its_name() -> None:
    assert parts(EVERYTHING[2])[3] | {"media": ""} == {
        "key": "content:3",
        "kind": "file",
        "name": "document.pdf",
        "notes": "",
        "before": "",
        "detail": "PDF, 0.1 kB",
        "tokens": None,
        "media": "",
    }


def test_a_call_says_its_name_id_and_arguments() -> None:
    call, custom = parts(EVERYTHING[3])[1:]
    assert (call["name"], call["call"], call["text"]) == ("get_weather", "call_1", '{"city": "Lima"}')
    assert (custom["name"], custom["text"]) == ("sql", "SELECT 1")


def test_an_address_is_shown_as_text() -> None:
    image = parts(EVERYTHING[6])[0]
    assert image == {
        "key": "content:0",
        "kind": "address",
        "name": "image",
        "text": "https://example.com/a.png",
        "tokens": None,
    }


def test_a_note_says_who_wrote_it() -> None:
    assert Turn(EVERYTHING[3]).card["note"] == "openai/gpt-4o"
    assert Turn(EVERYTHING[6]).card["note"] == "Ada"


def test_an_answer_and_a_question_are_drawn_as_markdown_and_a_tools_result_is_not() -> None:
    text = "one **two**\n\n* three"
    answer, question = ({"role": role, "content": text} for role in ("assistant", "user"))
    for message in (answer, question):
        assert "<strong>two</strong>" in "".join(parts(message)[0]["html"])
    assert "html" not in parts({"role": "tool", "tool_call_id": "a", "content": text})[-1]


def test_a_structure_is_shown_as_it_stands() -> None:
    [part] = parts({"role": "assistant", "content": '{"a": [1]}'})
    assert part["code"]
    assert "html" not in part


def test_an_answer_that_was_watched_looks_as_it_did() -> None:
    message = {"role": "assistant", "content": "Well, **no**"}
    [begun] = parts(message, look=Look(prefill=6))
    assert (begun["prefill"], "html" in begun) == (6, False)
    assert "html" in parts({"role": "assistant", "content": "[1]"}, look=Look())[0]


def test_the_card_of_a_watched_answer_leaves_its_words_out() -> None:
    message = {"role": "assistant", "content": "Well", "reasoning": "long thoughts", "tool_calls": [CALL]}
    card = without_texts(Turn(message).card)
    assert "Well" not in json.dumps(card)
    assert "long thoughts" not in json.dumps(card)
    assert [part["kind"] for part in card["parts"]] == ["reasoning", "text", "call"]


def test_what_is_long_and_cannot_be_edited_is_shown_in_its_beginning() -> None:
    [part] = parts({"role": "user", "content": [{"type": "hologram", "data": "x" * 100_000}]})
    assert len(part["text"]) < 2_100


@settings(deadline=None)  # the machine may be busy
@given(messages)
def test_every_message_has_a_card_that_a_page_can_be_sent(found: list[dict[str, Any]]) -> None:
    for message in found:
        card = Turn(message, model="gpt-4o").card
        json.dumps(card, ensure_ascii=False, allow_nan=False).encode()
        keys = [part["key"] for part in card["parts"]]
        assert len(keys) == len(set(keys))


# Back


@settings(deadline=None)  # the machine may be busy
@given(messages)
def test_an_edit_that_changes_nothing_gives_the_same_message(found: list[dict[str, Any]]) -> None:
    for message in found:
        assert edited(message, kept(message)) == message


@pytest.mark.parametrize("message", EVERYTHING)
def test_an_unchanged_edit_keeps_unusual_messages_too(message: dict[str, Any]) -> None:
    assert edited(message, kept(message)) == message


def test_a_changed_text_stays_a_text() -> None:
    message = {"role": "user", "content": "a", "name": "Ada"}
    assert edited(message, [{"key": "content", "text": "b"}]) == {"role": "user", "content": "b", "name": "Ada"}
    assert message["content"] == "a"


def test_a_changed_part_keeps_its_other_fields() -> None:
    message = EVERYTHING[1]
    part = message["content"][0]
    new = edited(message, [{"key": "content:0", "text": "Be brief."}])
    assert new["content"] == [{**part, "text": "Be brief."}]


def test_parts_can_be_moved_and_taken_out() -> None:
    message = EVERYTHING[2]
    text, image, sound, _ = message["content"]
    order = [{"key": f"content:{index}"} for index in (2, 0, 1)]
    assert edited(message, order)["content"] == [sound, text, image]


def test_a_text_gets_a_file_and_another_text() -> None:
    image = EVERYTHING[2]["content"][1]
    message = {"role": "user", "content": "a"}
    new = edited(message, [{"attachment": "1"}, {"key": "content"}, {"text": "b"}], **{"1": image})
    assert new["content"] == [image, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


def test_a_turn_without_content_gets_a_text() -> None:
    assert edited({"role": "user"}, [{"text": "a"}]) == {"role": "user", "content": "a"}
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert edited(message, [{"text": "a"}, {"key": "call:0"}]) == {**message, "content": "a"}


def test_a_turn_whose_parts_are_all_taken_out_is_empty() -> None:
    assert edited({"role": "user", "content": "a"}, []) == {"role": "user", "content": ""}
    assert edited(EVERYTHING[2], []) == {"role": "user", "content": ""}


def test_calls_and_fields_can_be_taken_out_alone() -> None:
    message = EVERYTHING[3]
    keys = [part for part in kept(message) if part["key"] not in ("call:0", "field:reasoning_content")]
    new = edited(message, keys)
    assert new["tool_calls"] == [message["tool_calls"][1]]
    assert "reasoning_content" not in new
    assert new["refusal"] is None
    assert "tool_calls" not in edited(message, [])


def test_a_result_can_answer_another_call() -> None:
    new = edited(EVERYTHING[4], [{"key": "field:tool_call_id", "text": "call_9"}, {"key": "content"}])
    assert new == {**EVERYTHING[4], "tool_call_id": "call_9"}


def test_a_turn_gets_another_role() -> None:
    assert edited(EVERYTHING[0], kept(EVERYTHING[0]), role="developer")["role"] == "developer"
    result = edited(
        {"role": "user", "content": "1"}, [{"key": "field:tool_call_id", "text": "c"}, {"key": "content"}], "tool"
    )
    assert result == {"role": "tool", "tool_call_id": "c", "content": "1"}


def test_a_file_that_is_gone_is_named_and_not_left_out() -> None:
    with pytest.raises(MediaError, match="Add it again"):
        edited({"role": "user", "content": "a"}, [{"key": "content"}, {"attachment": "1"}])


def test_calls_are_open_until_they_are_answered() -> None:
    assert open_calls(EVERYTHING[:4]) == ["call_1", "call_2"]
    assert open_calls(EVERYTHING[:5]) == ["call_2"]
    assert open_calls(EVERYTHING) == []


def test_the_cards_of_a_conversation_follow_its_turns_a_few_times_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walks = []
    walk = History._path
    monkeypatch.setattr(History, "_path", lambda history: walks.append(1) or walk(history))
    counts = []
    for count in (10, 80):
        builder = mf.MessageBuilder()
        builder.messages = [{"role": ("user", "assistant")[number % 2], "content": "Hi."} for number in range(count)]
        walks.clear()
        builder.changed()
        counts.append(len(walks))
    assert counts[0] == counts[1]
