"""Checks that another thread, or a task's owner, can end a call at any time; what has arrived is kept."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.http.limits import Abort
from tests.moments import LONG, quickly
from tests.scripted import Peer, chunk, completion, error, listening, model_at, stream, wire

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HEL = b"%x\r\n%b\r\n" % (len(chunk("Hel")), chunk("Hel"))
Streams = Callable[..., "tuple[list[str], Any]"]


def read(
    model: mf.ChatCompletion, started: Callable[[Any], None], ended: Callable[[], Any] = lambda: None
) -> tuple[list[str], Any]:
    """Read a stream without await; ``started`` gets the stream first, ``ended`` is called after its end."""
    response = model("Hi", stream=True)
    started(response)
    texts = list(response)
    ended()
    return texts, response


def read_in_a_loop(
    model: mf.ChatCompletion, started: Callable[[Any], None], ended: Callable[[], Any] = lambda: None
) -> tuple[list[str], Any]:
    """Read a stream with await."""

    async def main() -> tuple[list[str], Any]:
        response = await model.acall("Hi", stream=True)
        started(response)
        texts = [text async for text in response]
        ended()
        return texts, response

    return asyncio.run(main())


both = pytest.mark.parametrize("streams", [read, read_in_a_loop], ids=["sync", "async"])


def consumed(response: Any) -> Any:
    if hasattr(response, "__iter__"):
        return response.consume()
    return asyncio.run(response.consume())


def soon(response: Any) -> None:
    """Cancel from another thread after a short time."""
    threading.Timer(0.15, response.cancel).start()


@contextmanager
def deaf() -> Iterator[str]:
    """An address that neither accepts nor refuses a connection."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for line in (first, second):
            line.setblocking(False)
            line.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def assert_cancelled(response: Any, text: str, attempts: int) -> None:
    with pytest.raises(mf.StreamInterruptedError, match="the stream was cancelled") as caught:
        consumed(response)
    assert (caught.value.snapshot.text, caught.value.attempts) == (text, attempts)


@both
def test_a_call_can_be_cancelled_before_it_has_begun(streams: Streams) -> None:
    with listening(Peer.wait_for_close) as server:
        texts, response = streams(model_at(server.url), lambda response: response.cancel())
        assert texts == []
        assert server.peers == []
    assert_cancelled(response, "", attempts=0)


@both
def test_while_the_address_of_a_name_is_looked_up(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, *args: Any, **options: Any) -> list[Any]:
        over.wait(LONG)
        raise OSError("too late")

    over = threading.Event()  # asyncio.run waits for its threads
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with quickly():
        texts, response = streams(model_at("http://api.example/v1", max_retries=2), soon, over.set)
    assert texts == []
    assert_cancelled(response, "", attempts=1)


@both
def test_while_it_connects(streams: Streams) -> None:
    with deaf() as url, quickly():
        texts, response = streams(model_at(url, max_retries=2), soon)
    assert texts == []
    assert_cancelled(response, "", attempts=1)


@both
def test_while_encryption_is_agreed_on(streams: Streams) -> None:
    with listening(Peer.wait_for_close) as server, quickly():
        texts, response = streams(model_at(server.url.replace("http:", "https:"), max_retries=2), soon)
        assert texts == []
        assert server.peers[0].left.wait(10)
    assert_cancelled(response, "", attempts=1)


@both
def test_while_a_proxy_opens_a_tunnel(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(Peer.wait_for_close) as proxy, quickly():
        monkeypatch.setenv("https_proxy", proxy.url)
        texts, response = streams(model_at("https://api.invalid/v1", max_retries=2), soon)
        assert texts == []
        assert proxy.peers[0].left.wait(10)
    assert_cancelled(response, "", attempts=1)


@both
def test_while_a_long_request_is_sent(streams: Streams) -> None:
    def talk(peer: Peer) -> None:
        peer.read_head()
        cancelled.wait(LONG)
        peer.wait_for_close()

    def started(response: Any) -> None:
        threading.Timer(0.3, lambda: (response.cancel(), cancelled.set())).start()

    cancelled = threading.Event()
    with listening(talk) as server, quickly():
        texts, response = streams(
            model_at(server.url, max_retries=2, extra_body={"long": "0123456789" * 2_000_000}), started
        )
        assert texts == []
        assert server.peers[0].left.wait(10)
    assert_cancelled(response, "", attempts=1)


@both
@pytest.mark.parametrize(
    ("pieces", "text"), [((), ""), ((HEAD,), ""), ((HEAD, HEL), "Hel")], ids=["head", "first chunk", "next chunk"]
)
def test_while_it_waits_for_the(streams: Streams, pieces: tuple[bytes, ...], text: str) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)
        peer.wait_for_close()

    with listening(talk) as server, quickly():
        texts, response = streams(model_at(server.url, max_retries=2), soon)
        assert "".join(texts) == text
        assert server.peers[0].left.wait(10)
    assert response.metadata.finish_reason is None
    assert_cancelled(response, text, attempts=1)


@both
def test_while_it_waits_before_a_retry(streams: Streams) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(error(503, retry_after="30")))

    with listening(talk) as server, quickly():
        texts, response = streams(model_at(server.url, max_retries=2), soon)
        assert texts == []
        assert len(server.requests) == 1
    assert_cancelled(response, "", attempts=1)


@both
def test_between_two_pieces_by_the_reader_itself(streams: Streams) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD, HEL, 0.1, HEL)
        peer.wait_for_close()

    async def main(model: mf.ChatCompletion) -> list[str]:
        texts = []
        async for text in (response := await model.acall("Hi", stream=True)):
            texts.append(text)
            response.cancel()
        return texts

    with listening(talk) as server, quickly():
        if streams is read_in_a_loop:
            assert asyncio.run(main(model_at(server.url))) == ["Hel"]
        else:
            texts = []
            for text in (response := model_at(server.url)("Hi", stream=True)):
                texts.append(text)
                response.cancel()
            assert texts == ["Hel"]
        assert server.peers[0].left.wait(10)


@both
def test_after_the_end_it_changes_nothing(streams: Streams) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(stream("Hel", "lo")))

    with listening(talk) as server:
        model = model_at(server.url)
        texts, response = streams(model, lambda response: None)
        response.cancel()
        response.cancel()
        assert (texts, consumed(response)) == (["Hel", "lo"], "Hello")
        assert model("Hi").consume() == "Hello"


@both
def test_a_call_can_be_cancelled_at_any_moment(streams: Streams) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(stream(*"Hello")))

    chance = random.Random(7)
    with listening(talk) as server, quickly(of=60):
        model = model_at(server.url, max_retries=2)
        for _ in range(150):
            delay = chance.random() * 0.004
            texts, response = streams(model, lambda response: threading.Timer(delay, response.cancel).start())  # noqa: B023  # used at once
            assert "Hello".startswith("".join(texts))
            assert response.text == "".join(texts)
        assert model("Hi").consume() == "Hello"


def test_a_wait_that_begins_after_the_end_was_asked_for_is_cut_at_once() -> None:
    abort, cuts = Abort(), []
    abort.watch(lambda: cuts.append("first"))
    abort.watch(None)
    abort()
    assert cuts == []
    abort.watch(lambda: cuts.append("second"))
    assert cuts == ["second"]
    with quickly():
        abort.wait(LONG)


# -- tasks ---------------------------------------------------------------------------------------------------------


@contextmanager
def silent(after: int) -> Iterator[Any]:
    """A server that sends some pieces of its answer and then nothing."""

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(*(HEAD, HEL)[:after])
        peer.wait_for_close()

    with listening(talk) as server:
        yield server


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("after", [0, 1, 2], ids=["head", "first chunk", "next chunk"])
def test_a_task_that_is_cancelled_ends_at_once_and_closes_its_connection(after: int, streamed: bool) -> None:
    async def main(model: mf.ChatCompletion) -> None:
        async def call() -> None:
            response = await model.acall("Hi", stream=streamed)
            await response.consume()  # type: ignore[misc]  # only a stream comes as far as this

        task = asyncio.ensure_future(call())
        await asyncio.sleep(0.1)
        assert task.cancel()
        with pytest.raises(asyncio.CancelledError), quickly():
            await task
        assert task.cancelled()
        assert await asyncio.to_thread(server.peers[0].left.wait, 10)

    with silent(after) as server:
        asyncio.run(main(model_at(server.url, max_retries=2)))
        assert len(server.peers) == 1


@pytest.mark.parametrize("after", [0, 1, 2], ids=["head", "first chunk", "next chunk"])
def test_a_timeout_around_a_call_is_a_timeout(after: int) -> None:
    async def main(model: mf.ChatCompletion) -> None:
        response = await model.acall("Hi", stream=True)
        with pytest.raises(TimeoutError), quickly():
            async with asyncio.timeout(0.2):
                await response.consume()
        assert response.text == ("Hel" if after == 2 else "")
        assert await asyncio.to_thread(server.peers[0].left.wait, 10)

    with silent(after) as server:
        asyncio.run(main(model_at(server.url)))


@pytest.mark.parametrize("where", ["look-up", "connection", "encryption", "retry"])
def test_a_task_that_is_cancelled_before_there_is_an_answer(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def talk(peer: Peer) -> None:
        if where == "retry":
            peer.read_request()
            peer.send(wire(error(503, retry_after="30")))
        peer.wait_for_close()

    def look_up(*args: Any, **options: Any) -> list[Any]:
        over.wait(LONG)
        raise OSError("too late")

    async def main(url: str) -> None:
        task = asyncio.ensure_future(model_at(url, max_retries=2).acall("Hi"))
        await asyncio.sleep(0.15)
        task.cancel()
        with pytest.raises(asyncio.CancelledError), quickly():
            await task
        over.set()

    over = threading.Event()
    with deaf() as url, listening(talk) as server:
        if where == "look-up":
            monkeypatch.setattr(socket, "getaddrinfo", look_up)
        asyncio.run(
            main(
                {
                    "look-up": "http://api.example/v1",
                    "connection": url,
                    "encryption": server.url.replace("http:", "https:"),
                    "retry": server.url,
                }[where]
            )
        )
        assert all(peer.left.wait(10) for peer in server.peers)
    gc.collect()


def test_a_task_that_is_cancelled_at_any_moment_leaves_nothing_open() -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(completion()))

    async def main(model: mf.ChatCompletion) -> None:
        chance = random.Random(7)
        for _ in range(150):
            task = asyncio.ensure_future(model.acall("Hi"))
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.002]))
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.result().consume() == "Hello"
            model_connections = len([peer for peer in server.peers if not peer.left.is_set()])
            assert model_connections < 20

    with listening(talk) as server:
        asyncio.run(main(model_at(server.url)))
        gc.collect()
        assert all(peer.left.wait(10) for peer in server.peers)


def test_of_many_calls_that_are_cancelled_together_none_hangs() -> None:
    async def main(model: mf.ChatCompletion) -> None:
        with pytest.raises(TimeoutError), quickly():
            await asyncio.wait_for(asyncio.gather(*(model.acall("Hi") for _ in range(100))), 0.5)

    with silent(0) as server:
        asyncio.run(main(model_at(server.url)))
        assert all(peer.left.wait(10) for peer in server.peers)
