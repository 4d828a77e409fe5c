"""Tests the differences between two texts: no part of either text is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.widgets.playground.difference import difference, plain_text

TEXTS = st.text(alphabet=st.sampled_from("ab \n.é€😀\ud800\t"), max_size=60)


def joined(pieces: list[tuple[str, str]], *kinds: str) -> str:
    return "".join(text for kind, text in pieces if kind in kinds)


@given(TEXTS, TEXTS)
def test_the_pieces_give_both_texts(before: str, after: str) -> None:
    pieces = difference(before, after)
    assert joined(pieces, "same", "gone") == before
    assert joined(pieces, "same", "new") == after
    assert all(text for _, text in pieces)


@given(TEXTS)
def test_a_text_is_the_same_as_itself(text: str) -> None:
    assert {kind for kind, _ in difference(text, text)} <= {"same"}


def test_long_texts_are_compared_by_lines() -> None:
    lines = [f"line {n} of many words\n" for n in range(1500)]
    changed = [*lines[:700], "another\n", *lines[701:]]
    pieces = difference("".join(lines), "".join(changed))
    assert [kind for kind, _ in pieces] == ["same", "gone", "new", "same"]
    assert (pieces[1][1], pieces[2][1]) == (lines[700], "another\n")


def test_calls_are_part_of_what_a_turn_says() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    custom = {"id": "2", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    turn = {"role": "assistant", "content": "Wait.", "tool_calls": [call, custom, "no call"]}
    assert plain_text(turn) == 'Wait.\nadd({"a": 1})\nshell(ls)'
    assert plain_text({"role": "assistant", "content": None, "tool_calls": None}) == ""
