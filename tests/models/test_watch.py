"""Watching a stream that other code reads: the watcher gets every event, and one end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.protocol.events import TextDelta
from tests.scripted import error, model_at, serving, stream


class Watcher:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.ends = 0

    def __call__(self, event: Any) -> None:
        if isinstance(event, TextDelta):
            self.texts.append(event.text)
        self.ends += event is None

    def of(self, response: Any) -> Watcher:
        response.watch(self)
        return self


def test_a_watcher_sees_what_a_reader_reads_and_reads_nothing_itself() -> None:
    with serving(stream("a", "b", "c")) as server:
        response = model_at(server.url)("Hi", stream=True)
        watchers = [Watcher().of(response), Watcher().of(response)]
        assert server.bodies == []
        assert (watchers[0].texts, watchers[0].ends) == ([], 0)
        assert list(response) == ["a", "b", "c"]
        assert response.consume() == "abc"
    assert [(watcher.texts, watcher.ends) for watcher in watchers] == [(["a", "b", "c"], 1)] * 2


def test_an_async_stream_is_watched_the_same_way() -> None:
    async def read(url: str) -> Watcher:
        response = await model_at(url).acall("Hi", stream=True)
        watcher = Watcher().of(response)
        assert await response.consume() == "ab"
        return watcher

    with serving(stream("a", "b")) as server:
        watcher = asyncio.run(read(server.url))
    assert (watcher.texts, watcher.ends) == (["a", "b"], 1)


def test_who_comes_in_the_middle_sees_the_rest() -> None:
    with serving(stream("a", 0.1, "b")) as server:
        response = model_at(server.url)("Hi", stream=True)
        texts = iter(response)
        assert next(texts) == "a"
        watcher = Watcher().of(response)
        assert list(texts) == ["b"]
    assert (watcher.texts, watcher.ends) == (["b"], 1)


def test_the_end_is_told_however_it_comes_and_once() -> None:
    with serving(stream("a", 30.0, "b")) as server:
        left = model_at(server.url)("Hi", stream=True)
        watcher = Watcher().of(left)
        for _ in left:
            break
        assert watcher.ends == 1
        unread = model_at(server.url)("Hi", stream=True)
        watcher = Watcher().of(unread)
        unread.cancel()
        unread.cancel()
        assert watcher.ends == 1
    with serving(error(401)) as server:
        failed = model_at(server.url)("Hi", stream=True)
        watcher = Watcher().of(failed)
        with pytest.raises(mf.AuthenticationError):
            failed.consume()
        assert watcher.ends == 1


def test_an_answer_that_has_ended_is_over_at_once() -> None:
    with serving(stream("a")) as server:
        response = model_at(server.url)("Hi", stream=True)
        response.consume()
    watcher = Watcher().of(response)
    assert (watcher.texts, watcher.ends) == ([], 1)


def test_a_probe_for_the_echo_is_not_shown_to_a_watcher() -> None:
    with serving(stream("Reference 7391-QX: blue"), stream("Well, a")) as server:
        model = model_at(server.url, profile={"prefill": "continue", "echo": None, "echo_stream": None})
        response = model("Hi", prefilling="Well, ", stream=True)
        watcher = Watcher().of(response)
        assert response.consume() == "Well, a"
        assert len(server.bodies) == 2
    assert (watcher.texts, watcher.ends) == (["a"], 1)


def test_a_stream_says_where_it_stands_and_is_a_whole_answer_once_it_is_complete() -> None:
    with serving(stream("a", "b")) as server:
        arriving = model_at(server.url)("Hi", stream=True)
        assert arriving.state == "new"
        with pytest.raises(mf.StreamInterruptedError):
            arriving.response()
        arriving.consume()
    assert (arriving.state, arriving.failed, arriving.response().text) == ("complete", None, "ab")
    assert arriving.request.messages == [{"role": "user", "content": "Hi"}]
    assert (arriving.bill.attempts, arriving.bill.usage) == (1, arriving.metadata.usage)
    assert [{"role": "assistant", **arriving.turn()}] == arriving.to_messages()
