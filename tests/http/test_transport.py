"""Our connections: used again if that is safe, replaced if it is not, closed if they are no longer needed."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import msgflux_nb as mf
from msgflux_nb.http.async_client import AsyncClient
from msgflux_nb.http.bounds import Bounds
from msgflux_nb.http.clients import aopen_bytes
from msgflux_nb.http.limits import Abort
from msgflux_nb.http.route import Route, request_head
from msgflux_nb.models.endpoint import Endpoint
from tests.moments import quickly
from tests.scripted import Ask, Peer, Reply, both, completion, listening, model_at, stream, wire

ANSWER = wire(completion())


def answering(answer: bytes = ANSWER, then: Callable[[Peer], object] | None = None) -> Callable[[Peer], None]:
    """Answer each request of a connection, and call a function after each."""

    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(answer)
            if then is not None:
                then(peer)

    return talk


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_connection_is_used_for_the_next_request(ask: Ask, streamed: bool) -> None:
    with listening(answering(wire(stream("Hello")) if streamed else ANSWER)) as server:
        assert ask(model_at(server.url), *["Hi"] * 5, stream=streamed) == ["Hello"] * 5
        assert [len(peer.requests) for peer in server.peers] == [5]


NOT_REUSABLE = {
    "closing": wire(completion(), "Connection: close"),
    "of HTTP/1.0": ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "with bytes behind it": ANSWER + b"HTTP/1.1 408 Request Timeout\r\n\r\n",
}


@both
@pytest.mark.parametrize("answer", NOT_REUSABLE.values(), ids=NOT_REUSABLE)
def test_a_connection_is_closed_after_an_answer(ask: Ask, answer: bytes) -> None:
    with listening(answering(answer)) as server:
        assert ask(model_at(server.url), *["Hi"] * 3) == ["Hello"] * 3
        assert [len(peer.requests) for peer in server.peers] == [1, 1, 1]
        assert all(peer.left.wait(5) for peer in server.peers)


@both
def test_an_answer_may_end_with_its_connection(ask: Ask) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"".join(p for p in stream("Hel", "lo").pieces if isinstance(p, bytes)))

    with listening(talk) as server:
        assert ask(model_at(server.url), "Hi", "Hi", stream=True) == ["Hello"] * 2
        assert len(server.peers) == 2


def sleeping() -> str:
    """Return a message that takes some time to make, during which the event loop is blocked."""
    time.sleep(0.3)
    return "Hi"


@both
@pytest.mark.parametrize("last", [b"", b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"])
def test_an_idle_connection_that_the_server_has_closed_is_replaced(ask: Ask, last: bytes) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(ANSWER, 0.02, last)

    with listening(talk) as server:
        assert ask(model_at(server.url), "Hi", sleeping, sleeping) == ["Hello"] * 3
        assert len(server.peers) == 3


def test_an_idle_connection_that_closes_while_the_loop_runs_is_replaced_too() -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(ANSWER, 0.02, b"surplus")
        peer.wait_for_close(0.2)

    async def main(model: mf.ChatCompletion) -> None:
        for pause in (0.1, 0.4, 0.0):
            (await model.acall("Hi")).consume()
            await asyncio.sleep(pause)

    with listening(talk) as server:
        asyncio.run(main(model_at(server.url)))
        assert len(server.peers) == 3


def test_a_forked_child_has_connections_of_its_own() -> None:
    code = """if True:
        import os, sys
        import msgflux_nb as mf
        model = mf.Model.chat_completion("m", base_url=sys.argv[1], max_retries=0)
        assert model("parent").consume() == "Hello"
        child = os.fork()
        assert model("both").consume() == "Hello"
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert model("parent").consume() == "Hello"
    """
    with listening(answering()) as server:
        subprocess.run([sys.executable, "-W", "error", "-c", code, server.url], check=True)
        assert sorted(len(peer.requests) for peer in server.peers) == [1, 3]


def test_a_left_stream_is_closed_although_a_forked_child_lives() -> None:
    code = """if True:
        import os, signal, sys, time
        import msgflux_nb as mf
        stream = mf.Model.chat_completion("m", base_url=sys.argv[1])("Hi", stream=True)
        texts = iter(stream)
        assert next(texts) == "Hel"
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        texts.close()
        sys.stdin.readline()
        os.kill(child, signal.SIGKILL)
        os._exit(0)
    """
    closed = threading.Event()

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire(stream("Hel", done=False)).removesuffix(b"0\r\n\r\n"))
        peer.wait_for_close()
        closed.set()

    with (
        listening(talk) as server,
        subprocess.Popen([sys.executable, "-c", code, server.url], stdin=subprocess.PIPE) as ran,
    ):
        was_closed = closed.wait(30)
        ran.communicate(b"\n")
    assert was_closed
    assert ran.returncode == 0


@pytest.mark.parametrize("left", [False, True], ids=["after whole answers", "in the middle of a stream"])
def test_an_event_loop_that_ends_leaves_nothing_open(left: bool) -> None:
    held = []

    async def main(model: mf.ChatCompletion) -> None:
        await asyncio.gather(*(model.acall("Hi") for _ in range(5)))
        if left:
            texts = aiter(await model.acall("Hi", stream=True))
            held.append(texts)
            await anext(texts)

    def talk(peer: Peer) -> None:
        while b'"stream":true' not in peer.read_request()[1]:
            peer.send(ANSWER)
        peer.send(wire(stream("Hel", 0.0, "lo"))[:-30])
        peer.wait_for_close()

    with listening(talk) as server, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        asyncio.run(main(model_at(server.url)))
        held.clear()
        gc.collect()
        assert all(peer.left.wait(5) for peer in server.peers)
    assert [str(warning.message) for warning in seen] == []


def test_300_calls_at_once_in_one_loop_and_then_300_more() -> None:
    together = threading.Barrier(300)

    def talk(peer: Peer) -> None:
        peer.read_request()
        if peer.number <= 300:
            together.wait(20)
        peer.send(ANSWER)
        answering()(peer)

    async def main(model: mf.ChatCompletion) -> None:
        for _ in range(2):
            answers = await asyncio.gather(*(model.acall("Hi") for _ in range(300)))
            assert [answer.consume() for answer in answers] == ["Hello"] * 300

    with listening(talk) as server:
        began = time.monotonic()
        asyncio.run(main(model_at(server.url)))
        assert time.monotonic() - began < 20
        assert 300 <= len(server.peers) <= 344  # 256 are kept


def test_one_model_in_many_threads() -> None:
    with listening(answering()) as server, ThreadPoolExecutor(40) as pool:
        model = model_at(server.url)
        assert list(pool.map(lambda _: model("Hi").consume(), range(200))) == ["Hello"] * 200
        assert len(server.peers) <= 40


LONG = "0123456789" * 2_000_000


@both
def test_a_long_request_arrives_whole_at_a_server_that_reads_slowly(ask: Ask) -> None:
    def talk(peer: Peer) -> None:
        head = peer.read_head()
        length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
        body = peer._held
        while len(body) < length:
            time.sleep(0.002)
            body += peer.line.recv(1 << 17)
        peer._held = b""
        assert LONG.encode() in body
        peer.send(ANSWER)
        answering()(peer)

    with listening(talk) as server:
        assert ask(model_at(server.url), LONG, "short") == ["Hello"] * 2
        assert len(server.peers) == 1


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_server_that_refuses_a_long_request_and_hangs_up_is_heard(ask: Ask, streamed: bool) -> None:
    body = b'{"error": {"message": "at most 1 MB"}}'

    def talk(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with listening(talk) as server:
        for _ in range(3):
            with pytest.raises(mf.BadRequestError, match="at most 1 MB") as caught:
                ask(model_at(server.url), LONG, stream=streamed)
            assert caught.value.status == 413


def test_a_refusal_is_heard_in_a_loop_while_the_server_reads_no_more() -> None:
    heard = threading.Event()

    def talk(peer: Peer) -> None:
        peer.read_head()
        peer.send(wire(Reply([b'{"error": "too long"}'], status=413)) if peer.number == 1 else ANSWER)
        heard.wait(30)

    async def main(model: mf.ChatCompletion) -> None:
        with pytest.raises(mf.BadRequestError, match="too long"):
            await model.acall(LONG)
        assert (await model.acall("short")).consume() == "Hello"

    with listening(talk) as server:
        with quickly():
            asyncio.run(main(model_at(server.url, timeout=60)))
        heard.set()


def test_a_reader_that_is_slow_slows_the_server_down_and_loses_nothing() -> None:
    sent = [0]
    comment = b": " + b"x" * 65_530 + b"\n\n"

    def talk(peer: Peer) -> None:
        peer.read_request()
        head, _, rest = wire(stream("Hel", "lo")).partition(b"\r\n\r\n")
        peer.send(head + b"\r\n\r\n")
        for _ in range(800):
            peer.send(b"%x\r\n%b\r\n" % (len(comment), comment))
            sent[0] += 1
        peer.send(rest)

    async def main(endpoint: Endpoint) -> None:
        received = 0
        async with aopen_bytes(
            endpoint, b"{}", mf.Timeout(), stream=True, abort=Abort(), remaining=lambda: 10.0
        ) as chunks:
            async for data in chunks:
                if not received:
                    await asyncio.sleep(0.5)
                    assert sent[0] < 400
                received += len(data)
        assert received > 800 * len(comment)

    with listening(talk) as server:
        asyncio.run(main(Endpoint(base_url=server.url)))


def test_connections_that_the_server_has_closed_are_not_kept_for_ever() -> None:
    arrived, closing = threading.Barrier(4), threading.Event()

    def talk(peer: Peer) -> None:
        peer.read_request()
        if peer.number <= 4:
            arrived.wait(5)
        peer.send(0.1 if peer.number == 4 else 0.0, ANSWER)  # the connection that was used last is used first
        if peer.number < 4:
            closing.wait(5)
            peer.line.shutdown(socket.SHUT_WR)
            peer.wait_for_close()
        answering()(peer)

    with listening(talk) as server, ThreadPoolExecutor(4) as pool:
        model = model_at(server.url)
        list(pool.map(lambda _: model("Hi").consume(), range(4)))
        closing.set()
        for _ in range(20):
            time.sleep(0.02)
            model("Hi").consume()
        assert [peer.left.is_set() for peer in server.peers][:3] == [True] * 3


def test_a_transport_that_is_closed_keeps_no_connection_that_comes_back_later() -> None:
    async def main(url: str) -> None:
        client = AsyncClient()
        message = request_head("POST", b"/", [(b"Host", b"x"), (b"Content-Length", b"2")]) + b"{}"
        answer = await client.open(
            Route.of(httpx.URL(url)),
            lambda: message,
            connect_seconds=5,
            remaining=lambda: 5.0,
            abort=Abort(),
            limits=Bounds(),
            stream=False,
        )
        await client.close()
        assert b"".join([data async for data in answer]) == completion().pieces[0]
        answer.close()
        await asyncio.sleep(0.05)
        assert server.peers[0].left.is_set()

    with listening(answering()) as server:
        asyncio.run(main(server.url))


@both
@pytest.mark.parametrize(("coding", "window"), [("gzip", 31), ("deflate", 15), ("Deflate", -15)])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_was_compressed_unasked_is_read(ask: Ask, coding: str, window: int, streamed: bool) -> None:
    reply = stream("Hel", "lo") if streamed else completion()
    packer = zlib.compressobj(wbits=window)
    pieces: list[Any] = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in reply.pieces]
    packed = Reply([*pieces, packer.flush()], headers={"Content-Encoding": coding})
    with listening(answering(wire(packed))) as server:
        assert ask(model_at(server.url), "Hi", "Hi", stream=streamed) == ["Hello"] * 2
        assert "accept-encoding: identity" in server.requests[0][0].lower()
        assert len(server.peers) == 1


@both
def test_a_compressed_answer_that_is_damaged_is_interrupted(ask: Ask) -> None:
    damaged = wire(Reply([b"no gzip"], headers={"Content-Encoding": "gzip"}))
    with listening(answering(damaged)) as server, pytest.raises(mf.StreamInterruptedError, match="header check"):
        ask(model_at(server.url), "Hi")


def test_nothing_is_left_open_at_the_end_of_a_process() -> None:
    code = "import sys, msgflux_nb as mf; mf.Model.chat_completion('m', base_url=sys.argv[1])('Hi').consume()"
    with listening(answering()) as server:
        ran = subprocess.run(
            [sys.executable, "-X", "dev", "-c", code, server.url],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONTRACEMALLOC": "0"},
        )
    assert ran.stderr == ""


def test_a_call_without_await_loads_nothing_of_event_loops() -> None:
    code = """if True:
        import sys, msgflux_nb as mf
        mf.Model.chat_completion("m", base_url=sys.argv[1])("Hi").consume()
        print({"asyncio", "aiohttp"} & set(sys.modules))
    """
    with listening(answering()) as server:
        ran = subprocess.run([sys.executable, "-c", code, server.url], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")
