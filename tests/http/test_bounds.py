"""Checks that each limit raises an error that names it and says how to raise it; sizes just within it are read."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable

import httpx
import pytest
import trustme

import msgflux_nb as mf
from msgflux_nb.http.bounds import Bounds, Meter, bounds, too_large
from msgflux_nb.http.limits import Patience
from tests.http.test_proxies import authority, presenting  # noqa: F401  # a fixture
from tests.moments import quickly
from tests.scripted import Ask, Peer, both, completion, listening, model_at, stream, wire

OK = b"HTTP/1.1 200 OK\r\n"
MEGABYTE = 1 << 20


def answering(answer: bytes) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(answer)

    return talk


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_larger_answer_is_read_where_the_environment_allows_it(
    ask: Ask, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "x" * (2 * MEGABYTE)
    name = "STREAM" if streamed else "ANSWER"
    answer = wire(stream(text, text) if streamed else completion(text))
    with listening(answering(answer)) as server:
        monkeypatch.setenv(f"MSGFLUX_MAX_{name}_MB", "1.5")
        with pytest.raises(mf.NotAnApiError, match=rf"larger than 1,572,864 bytes\. .*MSGFLUX_MAX_{name}_MB"):
            ask(model_at(server.url), "Hi", stream=streamed)
        monkeypatch.setenv(f"MSGFLUX_MAX_{name}_MB", "5")
        assert ask(model_at(server.url), "Hi", stream=streamed) == [text * (2 if streamed else 1)]


def test_a_batch_has_the_limit_of_a_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSGFLUX_MAX_ANSWER_MB", "1")
    with listening(answering(wire(completion(json.dumps("x" * MEGABYTE))))) as server:
        frame = mf.extract(["a"], str, model=model_at(server.url), store=False, progress=False)
        assert "larger than 1 MB" in frame["_error"][0]
        monkeypatch.setenv("MSGFLUX_MAX_ANSWER_MB", "2")
        frame = mf.extract(["a"], str, model=model_at(server.url), store=False, progress=False)
        assert frame["_status"].tolist() == ["ok"]


@both
def test_an_event_has_a_limit_of_its_own(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSGFLUX_MAX_EVENT_MB", "0.5")
    texts = ["x" * 400_000, "y" * 400_000]
    with listening(answering(wire(stream(*texts)))) as server:
        assert ask(model_at(server.url), "Hi", stream=True) == ["".join(texts)]
    said = r"one event .* 524,288 bytes\. .*MSGFLUX_MAX_EVENT_MB"
    large = answering(wire(stream("x" * 600_000)))
    with listening(large) as server, pytest.raises(mf.NotAnApiError, match=said):
        ask(model_at(server.url), "Hi", stream=True)


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_head_is_read_up_to_its_limit(ask: Ask, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = wire(stream("Hello") if streamed else completion(), *(f"X-{n}: {'y' * 600}" for n in range(90)))
    with listening(answering(answer)) as server:
        assert ask(model_at(server.url), "Hi", "Hi", stream=streamed) == ["Hello"] * 2
        assert len(server.peers) == 1
        monkeypatch.setenv("MSGFLUX_MAX_HEAD_MB", "0.03")
        with pytest.raises(mf.NotAnApiError, match=r"the head .* 31,457 bytes\. .*MSGFLUX_MAX_HEAD_MB"):
            ask(model_at(server.url), "Hi", stream=streamed)


@both
def test_more_than_a_hundred_headers_are_refused(ask: Ask) -> None:
    answer = wire(completion(), *(f"X-{n}: y" for n in range(120)))
    with listening(answering(answer)) as server, pytest.raises(mf.NotAnApiError, match="more than 100 headers"):
        ask(model_at(server.url), "Hi")


@both
def test_a_few_trailers_and_heads_that_say_wait_are_passed_over(ask: Ask) -> None:
    whole = wire(completion())
    waits = b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    answer = waits + whole.removesuffix(b"\r\n") + b"X-Sum: 1\r\nX-More: 2\r\n\r\n"
    with listening(answering(answer)) as server:
        assert ask(model_at(server.url), "Hi", "Hi") == ["Hello"] * 2
        assert len(server.peers) == 1


@pytest.mark.parametrize("wrong", ["lots", "0", "-1", "inf", "nan"])
def test_a_variable_that_is_not_a_size_is_reported(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSGFLUX_MAX_ANSWER_MB", wrong)
    with pytest.raises(ValueError, match="MSGFLUX_MAX_ANSWER_MB: expected a number of megabytes above 0"):
        bounds()


def test_every_limit_that_can_be_changed_says_how() -> None:
    for which in ("answer", "stream", "event", "head", "trailers"):
        assert f"MSGFLUX_MAX_{'HEAD' if which == 'trailers' else which.upper()}_MB" in str(too_large(which, Bounds()))


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_an_event_ends_at_any_blank_line(end: bytes) -> None:
    meter = Meter(Bounds(event=100), stream=True)
    for _ in range(10):
        meter.take(b"data: " + b"x" * 60 + end + b"data")
    with pytest.raises(mf.NotAnApiError, match="one event"):
        meter.take(b"x" * 100)


def test_data_that_came_before_a_limit_passed_is_still_read_but_only_for_a_moment() -> None:
    left = [1.0]
    patience = Patience(lambda: left[0])
    assert patience.next() == 1.0
    left[0] = -5.0
    assert patience.next() == 0.0
    assert patience.next() == 0.0
    time.sleep(0.25)
    with pytest.raises(TimeoutError):
        patience.next()
    left[0] = 1.0
    assert patience.next() == 1.0


# -- before there is an answer -------------------------------------------------------------------------------------


def dripping(start: bytes, drip: bytes) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        peer.send(start)
        while not peer.wait_for_close(0.02):
            peer.send(drip)

    return talk


@both
@pytest.mark.parametrize("drip", [b"\x16", b"\x00"])
def test_encryption_that_drips_meets_the_limit(ask: Ask, drip: bytes) -> None:
    """The server sends a record of the handshake byte by byte."""
    with listening(dripping(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", drip)) as server:
        with quickly(after=0.4), pytest.raises(mf.RequestTimeoutError):
            ask(model_at(server.url.replace("http:", "https:"), timeout=0.5), "Hi")
        assert server.peers[0].left.wait(5)


@both
@pytest.mark.parametrize("drip", [b"X: y\r\n", b"y"])
def test_a_tunnel_that_drips_meets_the_limit(ask: Ask, drip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(dripping(b"HTTP/1.1 200 OK\r\nX: ", drip)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with quickly(after=0.4), pytest.raises(mf.RequestTimeoutError):
            ask(model_at("https://api.invalid/v1", timeout=0.5), "Hi")


@both
def test_a_tunnel_without_end_is_refused(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def talk(peer: Peer) -> None:
        peer.send(OK)
        while True:
            peer.send(b"X: y\r\n" * 10_000)

    with listening(talk) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(mf.NotAnApiError, match="the head of the answer is larger"):
            ask(model_at("https://api.invalid/v1", timeout=5), "Hi")


@both
def test_records_that_drip_under_encryption_meet_the_limit(
    ask: Ask,
    authority: trustme.CA,  # noqa: F811  # the fixture
) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        while not peer.left.is_set():
            peer.line.sendall(b"X: y\r\n")
            time.sleep(0.02)

    with (
        listening(talk, tls=presenting(authority, "127.0.0.1")) as server,
        quickly(after=0.4),
        pytest.raises(mf.RequestTimeoutError),
    ):
        ask(model_at(server.url, timeout=0.5), "Hi")


# -- a client of the user's ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"])
def test_a_drip_meets_the_limit_of_a_call_over_an_async_client(start: bytes) -> None:
    async def main(url: str) -> None:
        async with httpx.AsyncClient() as client:
            await model_at(url, http_client=client, timeout=0.5).acall("Hi")

    def talk(peer: Peer) -> None:
        peer.read_request()
        dripping(start, b"X: y\r\n" if start.endswith(b"\n") else b"x")(peer)

    with listening(talk) as server, quickly(after=0.4), pytest.raises(mf.RequestTimeoutError):
        asyncio.run(main(server.url))


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_bomb_over_a_client_of_the_users_is_refused(
    ask: Ask, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSGFLUX_MAX_ANSWER_MB", "1")
    monkeypatch.setenv("MSGFLUX_MAX_STREAM_MB", "1")
    body = gzip.compress(gzip.compress(bytes(5 * MEGABYTE)))

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip, gzip"}, stream=httpx.ByteStream(body))

    model = model_at("http://api.invalid/v1", http_client=httpx.MockTransport(answer))
    with pytest.raises(mf.NotAnApiError, match="larger than 1 MB"):
        ask(model, "Hi", stream=streamed)
