"""Checks that a stream's connection closes at once however the stream is left, and the next request is answered."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import httpx
import pytest

import msgflux_nb as mf
from tests.http.readers import open_answer
from tests.moments import quickly
from tests.scripted import Listener, Peer, chunk, completion, error, listening, model_at, wire

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HEL = b"%x\r\n%b\r\n" % (len(chunk("Hel")), chunk("Hel"))


@contextmanager
def unfinished(*pieces: bytes) -> Iterator[Listener]:
    """A server that begins one answer and gives whole ones afterwards."""

    def talk(peer: Peer) -> None:
        peer.read_request()
        if peer.number == 1:
            peer.send(*pieces)
            peer.wait_for_close()
            return
        peer.send(wire(completion()))

    with listening(talk) as server:
        yield server


def closes_at_once(server: Listener) -> bool:
    return server.peers[0].left.wait(10)


@contextmanager
def interrupting(after: float = 0.2) -> Iterator[None]:
    """Press Ctrl-C after a short time."""
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt), quickly():
        yield
    timer.join()


def by_break(model: mf.ChatCompletion) -> None:
    for _ in model("Hi", stream=True):
        break


def by_an_exception(model: mf.ChatCompletion) -> None:
    with pytest.raises(ZeroDivisionError):
        [1 / 0 for _ in model("Hi", stream=True)]


def by_an_interrupt(model: mf.ChatCompletion) -> None:
    with interrupting():
        list(model("Hi", stream=True))


def by_an_interrupt_of_the_reader(model: mf.ChatCompletion) -> None:
    with interrupting():
        for _ in model("Hi", stream=True):
            time.sleep(5)


def by_being_forgotten(model: mf.ChatCompletion) -> None:
    texts = iter(model("Hi", stream=True))
    assert next(texts) == "Hel"
    del texts
    gc.collect()


def by_a_with_block(model: mf.ChatCompletion) -> None:
    with model("Hi", stream=True) as stream:
        assert next(texts := iter(stream)) == "Hel"
    assert list(texts) == []


def by_closing_the_iterator(model: mf.ChatCompletion) -> None:
    events: Any = model("Hi", stream=True).events()
    next(events)
    events.close()


def by_partials(model: mf.ChatCompletion) -> None:
    for _ in model("Hi", stream=True).partials():
        break


WAYS = [
    by_break,
    by_an_exception,
    by_an_interrupt,
    by_an_interrupt_of_the_reader,
    by_being_forgotten,
    by_a_with_block,
    by_closing_the_iterator,
    by_partials,
]


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
def test_a_stream_is_left(leave: Callable[[mf.ChatCompletion], None]) -> None:
    with unfinished(HEAD, HEL) as server:
        model = model_at(server.url)
        leave(model)
        with quickly():
            assert model("Hi").consume() == "Hello"
        assert closes_at_once(server)


async def by_break_in_a_loop(model: mf.ChatCompletion) -> None:
    async for _ in await model.acall("Hi", stream=True):
        break


async def by_an_exception_in_a_loop(model: mf.ChatCompletion) -> None:
    with pytest.raises(ZeroDivisionError):
        [1 / 0 async for _ in await model.acall("Hi", stream=True)]


async def by_being_forgotten_in_a_loop(model: mf.ChatCompletion) -> None:
    texts = aiter(await model.acall("Hi", stream=True))
    assert await anext(texts) == "Hel"
    del texts
    gc.collect()
    await asyncio.sleep(0)


async def by_an_async_with_block(model: mf.ChatCompletion) -> None:
    async with await model.acall("Hi", stream=True) as stream:
        assert await anext(texts := aiter(stream)) == "Hel"
    assert [text async for text in texts] == []


async def by_closing_the_async_iterator(model: mf.ChatCompletion) -> None:
    events: Any = (await model.acall("Hi", stream=True)).events()
    async with aclosing(events):
        await anext(events)


async def by_a_cancelled_task(model: mf.ChatCompletion) -> None:
    async def read() -> list[str]:
        return [text async for text in await model.acall("Hi", stream=True)]

    task = asyncio.ensure_future(read())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_partials_in_a_loop(model: mf.ChatCompletion) -> None:
    async for _ in (await model.acall("Hi", stream=True)).partials():
        break


ASYNC_WAYS = [
    by_break_in_a_loop,
    by_an_exception_in_a_loop,
    by_being_forgotten_in_a_loop,
    by_an_async_with_block,
    by_closing_the_async_iterator,
    by_a_cancelled_task,
    by_partials_in_a_loop,
]


@pytest.mark.parametrize("leave", ASYNC_WAYS, ids=lambda way: way.__name__)
def test_a_stream_in_a_loop_is_left(leave: Callable[[mf.ChatCompletion], Awaitable[None]]) -> None:
    async def main(server: Listener) -> None:
        model = model_at(server.url)
        await leave(model)
        with quickly():
            assert (await model.acall("Hi")).consume() == "Hello"
        assert await asyncio.to_thread(closes_at_once, server)

    with unfinished(HEAD, HEL) as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("pieces", [(), (HEAD,), (HEAD, b"3\r\n: \n")], ids=["head", "body", "rest of a chunk"])
def test_an_interrupt_ends_the_wait_for_a(pieces: tuple[bytes, ...], streamed: bool) -> None:
    with unfinished(*pieces) as server:
        model = model_at(server.url)
        with interrupting():
            model("Hi", stream=streamed).consume()
        assert closes_at_once(server)
        assert model("Hi").consume() == "Hello"


@pytest.mark.parametrize("pieces", [(), (HEAD, HEL)], ids=["head", "chunk"])
def test_an_interrupt_ends_the_wait_of_a_loop_for_a(pieces: tuple[bytes, ...]) -> None:
    async def main(model: mf.ChatCompletion) -> None:
        await (await model.acall("Hi", stream=True)).consume()

    with unfinished(*pieces) as server:
        model = model_at(server.url)
        with interrupting():
            asyncio.run(main(model))
        assert closes_at_once(server)


def test_an_interrupt_ends_the_wait_for_a_connection() -> None:
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for line in (first, second):
            line.setblocking(False)
            line.connect_ex(deaf.getsockname())
        with interrupting():
            model_at(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1")("Hi")


def test_an_interrupt_ends_the_wait_for_the_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def look_up(*args: Any, **options: Any) -> list[Any]:
        answered.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with interrupting():
        model_at("http://api.example/v1")("Hi")
    answered.set()


def test_an_interrupt_ends_the_wait_before_a_retry() -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire(error(503, retry_after="30")))
        peer.wait_for_close()

    with listening(talk) as server, interrupting():
        model_at(server.url, max_retries=2)("Hi")


def test_an_interrupt_ends_the_sending_of_a_long_request() -> None:
    with listening(lambda peer: peer.read_head() and held.wait(5)) as server:
        held = threading.Event()
        with interrupting(0.3):
            model_at(server.url)("0123456789" * 2_000_000)
        held.set()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refused_request_leaves_its_connection_for_the_next(streamed: bool) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire(error(429)))
        peer.read_request()
        peer.send(wire(completion()))

    async def main(model: mf.ChatCompletion) -> None:
        with pytest.raises(mf.RateLimitError):
            await (await model.acall("Hi", stream=True)).consume()
        assert (await model.acall("Hi")).consume() == "Hello"

    with listening(talk) as server:
        model = model_at(server.url)
        with pytest.raises(mf.RateLimitError):
            model("Hi", stream=streamed).consume()
        assert model("Hi").consume() == "Hello"
        assert len(server.peers) == 1
    with listening(talk) as server:
        asyncio.run(main(model_at(server.url)))
        assert len(server.peers) == 1


def test_a_refusal_whose_text_never_ends_is_left_after_its_beginning() -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 400 No\r\n\r\n")
        while True:
            peer.send(b"x" * 65536)

    with listening(talk) as server, pytest.raises(mf.BadRequestError, match="400 xxx"):
        model_at(server.url)("Hi")


def test_streams_that_were_left_leave_no_file_open() -> None:
    async def main(model: mf.ChatCompletion) -> None:
        for _ in range(10):
            await by_break_in_a_loop(model)
            await by_a_cancelled_task(model)

    def open_files() -> int:
        return len(os.listdir("/dev/fd"))

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD, HEL)
        peer.wait_for_close()

    with listening(talk) as server:
        model = model_at(server.url)
        before = open_files()
        for _ in range(10):
            by_break(model)
            by_being_forgotten(model)
        asyncio.run(main(model))
        gc.collect()
        deadline = time.monotonic() + 5
        while open_files() > before and time.monotonic() < deadline:  # the server's ends are open files too
            time.sleep(0.02)
        assert open_files() <= before


def test_an_iterator_that_outlives_its_loop_is_quiet() -> None:
    held: list[AsyncIterator[str]] = []

    async def main(model: mf.ChatCompletion) -> None:
        texts = aiter(await model.acall("Hi", stream=True))
        held.append(texts)
        assert await anext(texts) == "Hel"

    with unfinished(HEAD, HEL) as server:
        asyncio.run(main(model_at(server.url)))
        assert closes_at_once(server)
        held.clear()
        gc.collect()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        HEAD + b"2\r\nhi\r\n0\r\n\r\n",
        HEAD + b"no size\r\n",
        b"no HTTP",
    ],
)
def test_an_answer_that_is_forgotten_runs_nothing_that_could_drop_an_interrupt(answer: bytes) -> None:
    """Python drops an interrupt that arrives in a finalizer, such as the one of a file that is still open."""
    called: list[str] = []

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.endswith(("client.py", "sync_answer.py")):
            called.append(frame.f_code.co_name)

    found = open_answer([answer])
    with contextlib.suppress(httpx.HTTPError):
        found.begin(b"x")
        list(found)
    found.close()
    gc.collect()
    sys.setprofile(note)
    try:
        del found
        gc.collect()
    finally:
        sys.setprofile(None)
    assert called == []
