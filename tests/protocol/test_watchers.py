"""Tests that a watcher gets each event, and one end."""

from __future__ import annotations

from typing import Any

from msgflux_nb.protocol.events import Watchers


def test_each_watcher_is_told_what_comes_after_it_joined_and_one_end() -> None:
    watchers: Watchers[str] = Watchers()
    first: list[Any] = []
    second: list[Any] = []
    watchers.join(first.append)
    watchers.tell("a")
    watchers.join(second.append)
    watchers.tell("b")
    watchers.end()
    watchers.tell("c")
    watchers.end()
    assert (first, second) == (["a", "b", None], ["b", None])


def test_watchers_are_true_while_at_least_one_is_joined() -> None:
    watchers: Watchers[str] = Watchers()
    assert not watchers
    watchers.join(print)
    assert watchers


def test_a_watcher_may_bring_another_one() -> None:
    watchers: Watchers[str] = Watchers()
    seen: list[Any] = []
    watchers.join(lambda news: watchers.join(seen.append) if news == "a" else None)
    watchers.tell("a")
    watchers.tell("b")
    assert seen == ["b"]
