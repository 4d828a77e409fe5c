"""A conversation with branches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.content.history import History


def turn(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": text}


def texts(history: History) -> list[str]:
    return [message["content"] for message in history.messages]


def conversation(*words: str) -> History:
    return History([turn(word) for word in words])


def test_messages_come_back_in_their_order() -> None:
    assert texts(conversation("a", "b", "c")) == ["a", "b", "c"]
    assert History().messages == []


def test_what_was_given_and_what_is_read_is_not_shared() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    history = History([message])
    message["content"][0]["text"] = "changed"  # type: ignore[index]  # a list of dicts
    history.messages[0]["content"][0]["text"] = "changed too"
    assert history.messages[0]["content"][0]["text"] == "a"


def test_a_replaced_turn_is_a_sibling_and_what_follows_stays() -> None:
    history = conversation("a", "b", "c")
    history.replace(1, turn("B"))
    assert texts(history) == ["a", "B", "c"]
    assert history.siblings(1) == (1, 2)
    history.choose(1, 0)
    assert texts(history) == ["a", "b", "c"]


def test_another_answer_is_a_sibling_even_if_it_is_the_same() -> None:
    history = conversation("question")
    history.add(turn("answer"))
    history.cut(1)
    assert texts(history) == ["question"]
    history.add(turn("answer"))
    assert texts(history) == ["question", "answer"]
    assert history.siblings(1) == (1, 2)


def test_a_branch_remembers_what_followed_it() -> None:
    history = conversation("q1", "a1", "q2", "a2")
    history.replace(0, turn("Q1"))
    history.cut(1)
    history.add(turn("A1"))
    history.choose(0, 0)
    assert texts(history) == ["q1", "a1", "q2", "a2"]
    history.choose(0, 1)
    assert texts(history) == ["Q1", "A1"]


def test_an_edit_that_gives_back_an_earlier_version_makes_no_new_one() -> None:
    history = conversation("a", "b")
    history.replace(1, turn("B"))
    history.replace(1, turn("b"))
    assert history.siblings(1) == (0, 2)


def test_turns_can_be_taken_out_doubled_and_moved_by_their_list() -> None:
    history = conversation("a", "b", "c")
    history.show([turn("a"), turn("c"), turn("b"), turn("b")])
    assert texts(history) == ["a", "c", "b", "b"]
    assert history.siblings(1) == (1, 2)
    assert history.siblings(3) == (0, 1)


def test_undo_goes_back_one_change_at_a_time() -> None:
    history = conversation("a")
    history.add(turn("b"))
    history.replace(0, turn("A"))
    history.choose(0, 0)
    assert texts(history) == ["a", "b"]
    seen = []
    while history.undo():
        seen.append(texts(history))
    assert seen == [["A", "b"], ["a", "b"], ["a"]]
    assert not history.undo()


def test_undo_shows_the_same_version_and_not_one_that_looks_alike() -> None:
    history = conversation("question", "answer")
    history.cut(1)
    history.add(turn("answer"))
    second = history.ids[1]
    history.choose(1, 0)
    assert history.ids[1] != second
    history.undo()
    assert (history.ids[1], history.siblings(1)) == (second, (1, 2))


def test_undo_says_whether_there_is_something_to_take_back() -> None:
    history = conversation("a")
    assert not history.undoable
    history.add(turn("b"))
    assert history.undoable
    history.undo()
    assert not history.undoable


def test_every_version_of_a_turn_has_a_number_of_its_own() -> None:
    history = conversation("a", "b")
    first = history.ids
    history.replace(1, turn("B"))
    assert history.ids[0] == first[0]
    assert history.ids[1] not in first
    history.choose(1, 0)
    assert history.ids == first


@pytest.mark.parametrize(
    "call", [lambda h: h.siblings(2), lambda h: h.choose(0, 1), lambda h: h.replace(-1, turn("x"))]
)
def test_a_position_that_does_not_exist_is_an_error(call: Any) -> None:
    with pytest.raises(IndexError, match=r"expected the position|has no version"):
        call(conversation("a", "b"))


def test_the_versions_of_a_turn_are_copies_of_all_that_stood_there() -> None:
    history = conversation("a", "b")
    history.replace(1, turn("B"))
    history.add(turn("c"))
    found = history.versions(1)
    assert [one["content"] for one in found] == ["b", "B"]
    found[0]["content"] = "changed"
    assert [one["content"] for one in history.versions(1)] == ["b", "B"]
    with pytest.raises(IndexError, match="got 3"):
        history.versions(3)


def test_several_ways_to_go_on_are_siblings_and_one_change() -> None:
    history = conversation("a")
    history.add_versions([[turn("b"), turn("c")], [], [turn("b")]])
    assert texts(history) == ["a", "b", "c"]
    assert history.siblings(1) == (0, 2)
    history.choose(1, 1)
    assert texts(history) == ["a", "b"]
    history.undo()
    history.undo()
    assert texts(history) == ["a"]


def test_the_first_of_several_ways_may_be_missing() -> None:
    history = conversation("a")
    history.add_versions([[], [turn("b")]])
    assert (texts(history), history.siblings(1)) == (["a", "b"], (0, 1))


def test_several_ways_may_begin_a_conversation() -> None:
    history = History()
    history.add_versions([[turn("a")], [turn("b")]])
    assert (texts(history), history.siblings(0)) == (["a"], (0, 2))


def test_two_changes_that_are_joined_are_taken_back_together() -> None:
    history = conversation("a", "b")
    history.cut(1)
    history.add(turn("c"))
    history.join_changes()
    history.undo()
    assert (texts(history), history.undoable) == (["a", "b"], False)
    assert [one["content"] for one in history.versions(1)] == ["b", "c"]


def test_what_was_shown_can_be_gone_back_to() -> None:
    history = conversation("a", "b", "c")
    ids = history.ids
    history.replace(0, turn("A"))
    history.go_to(ids[:2])
    assert (texts(history), history.ids) == (["a", "b"], ids[:2])
    history.undo()
    assert texts(history) == ["A", "b", "c"]
    with pytest.raises(LookupError, match="was never at position 1"):
        history.go_to([ids[0], ids[2]])
    assert texts(history) == ["A", "b", "c"]


def test_one_change_is_joined_with_nothing() -> None:
    history = conversation("a")
    history.add(turn("b"))
    history.join_changes()
    history.undo()
    assert texts(history) == ["a"]


STEPS = ["add", "replace", "cut", "choose", "show", "undo", "versions", "join"]
changes = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5), st.sampled_from("abc")))


def take(history: History, step: str, number: int, letter: str) -> None:
    """Change a conversation in one of all possible ways."""
    position = number % max(len(history), 1)
    match step:
        case "add":
            history.add(turn(letter))
        case "show":
            history.show([turn(letter)] * number)
        case "undo":
            history.undo()
        case "join":
            history.join_changes()
        case "versions":
            history.add_versions([[turn(letter)] * (number % 3), [turn("d")]])
        case "replace" if len(history):
            history.replace(position, turn(letter))
        case "cut" if len(history):
            history.cut(position)
        case "choose" if len(history):
            history.choose(position, number % history.siblings(position)[1])


@given(changes)
def test_nothing_that_was_shown_is_ever_lost(steps: list[tuple[str, int, str]]) -> None:
    history = History()
    shown = {()}
    for step in steps:
        take(history, *step)
        shown.add(tuple(texts(history)))
    reachable = set()

    def walk(node: Any, path: tuple[str, ...]) -> None:
        reachable.add(path)
        for child in node.children:
            walk(child, (*path, child.message["content"]))

    walk(history._root, ())
    assert shown <= reachable


def test_a_new_beginning_has_no_versions_of_what_was_before_and_is_taken_back() -> None:
    history = History([turn("a"), turn("b")])
    ids = history.ids
    history.begin()
    assert (len(history), history.undoable) == (0, True)
    history.add(turn("c"))
    assert history.siblings(0) == (0, 1)
    assert not history.holds(ids)
    history.go_to(ids)
    assert history.holds(ids)
    assert history.ids == ids
    assert history.siblings(0) == (0, 1)
    for _ in range(3):
        history.undo()
    assert history.ids == ids
