"""The limits on the time of a call, with servers that are silent or only keep the connection alive."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.models import times
from msgflux_nb.models.exchange import Exchange
from msgflux_nb.models.profiles import COMPATIBLE
from msgflux_nb.protocol.request import build_request
from tests.moments import quickly
from tests.scripted import Ask, Peer, both, chunk, completion, listening, model_at, wire

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"
BROKEN = b'data: {"error": {"code": 502, "message": "gone"}}\n\n'


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def then(*pieces: bytes, silent: bool) -> Callable[[Peer], None]:
    """Send an answer's beginning, and never its end."""

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)
        if silent:
            peer.wait_for_close()
        else:
            peer.ping_for_ever(0.1)

    return talk


alive = pytest.mark.parametrize("silent", [True, False], ids=["silent", "keeping alive"])


@both
@alive
@pytest.mark.parametrize("limit", ["first", "total"])
def test_a_stream_without_content_ends_at_its_limit(ask: Ask, silent: bool, limit: str) -> None:
    with listening(then(HEAD, silent=silent)) as server:
        with quickly(after=0.27), pytest.raises(mf.RequestTimeoutError, match=r"0\.3 s") as caught:
            ask(model_at(server.url, timeout=mf.Timeout(**{limit: 0.3})), "Hi", stream=True)
        assert server.peers[0].left.wait(5)
    assert isinstance(caught.value, mf.StalledStreamError) is (limit == "first")


@both
@alive
@pytest.mark.parametrize("limit", ["between", "total"])
def test_a_stream_that_sends_no_more_content_ends_at_its_limit(ask: Ask, silent: bool, limit: str) -> None:
    with listening(then(HEAD, framed(chunk("Hel")), silent=silent)) as server:
        with quickly(after=0.27), pytest.raises(mf.RequestTimeoutError, match=r"0\.3 s") as caught:
            ask(model_at(server.url, timeout=mf.Timeout(**{limit: 0.3})), "Hi", stream=True)
        assert server.peers[0].left.wait(5)
    assert caught.value.snapshot.text == "Hel"


@both
def test_pings_each_third_of_a_second_do_not_stretch_a_limit(ask: Ask) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD)
        peer.ping_for_ever(0.3)

    with listening(talk) as server, quickly(after=0.75), pytest.raises(mf.StalledStreamError):
        ask(model_at(server.url, timeout=mf.Timeout(first=0.8)), "Hi", stream=True)


@both
@pytest.mark.parametrize("drip", [b"X: y\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"], ids=["lines", "answers"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_head_that_never_ends_meets_the_limit(ask: Ask, drip: bytes, streamed: bool) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n" if drip.startswith(b"X") else b"")
        while not peer.wait_for_close(0.05):
            peer.send(drip)

    timeout = mf.Timeout(first=0.3) if streamed else mf.Timeout(total=0.3)
    with listening(talk) as server, quickly(after=0.27), pytest.raises(mf.RequestTimeoutError):
        ask(model_at(server.url, timeout=timeout), "Hi", stream=streamed)


@both
@pytest.mark.parametrize("alive", [b"", b" "], ids=["silent", "white space"])
def test_an_answer_that_is_not_streamed_knows_the_limit_of_the_call_alone(ask: Ask, alive: bytes) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD)
        for _ in range(300):
            if peer.wait_for_close(0.1) or (peer.number == 1 and len(peer.requests) == 1 and slow.is_set()):
                break
            peer.send(framed(alive) if alive else b"")
        peer.send(wire(completion()).partition(b"\r\n\r\n")[2])

    slow = threading.Event()
    said = r"longer than 0\.3 s"
    with listening(talk) as server, quickly(after=0.27), pytest.raises(mf.RequestTimeoutError, match=said):
        ask(model_at(server.url, timeout=mf.Timeout(total=0.3)), "Hi")
    threading.Timer(0.2, slow.set).start()
    with listening(talk) as server:
        assert ask(model_at(server.url, timeout=mf.Timeout(first=0.1, between=0.1)), "Hi") == ["Hello"]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten a limit of one second to 0.2 s for most of these tests."""
    monkeypatch.setattr(times, "_AFTERWARDS_SECONDS", 0.2)


@both
@alive
@pytest.mark.usefixtures("hurried")
def test_a_server_that_keeps_the_connection_after_the_end_is_not_waited_for(ask: Ask, silent: bool) -> None:
    with listening(then(HEAD, framed(chunk("Hello") + chunk(reason="stop") + DONE), silent=silent)) as server:
        with quickly(after=0.15):
            assert ask(model_at(server.url), "Hi", stream=True) == ["Hello"]
        assert server.peers[0].left.wait(5)


@both
@alive
def test_a_server_that_keeps_the_connection_after_an_error_is_not_waited_for(ask: Ask, silent: bool) -> None:
    talk = then(HEAD, framed(chunk("Hel") + BROKEN), silent=silent)
    with listening(talk) as server, quickly(after=0.9), pytest.raises(mf.ServerError, match="gone") as caught:
        ask(model_at(server.url), "Hi", stream=True)
    assert caught.value.snapshot.text == "Hel"


@both
@pytest.mark.usefixtures("hurried")
def test_all_of_an_answer_is_there_although_the_connection_stays_open(ask: Ask) -> None:
    """[DONE] is the last that comes; text that was held back because more might come must not be lost."""
    call = {"index": 0, "id": "c1", "function": {"name": "now", "arguments": '{"zone": "UTC"}'}}
    pieces = [chunk(tool_calls=[call]), chunk(reason="tool_calls"), DONE]
    with listening(then(HEAD, framed(b"".join(pieces)), silent=True)) as server:
        tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
        (value,) = ask(model_at(server.url), "Hi", stream=True, tool_schemas=[tool])
    assert [(one.name, one.arguments) for one in value.get_calls()] == [("now", {"zone": "UTC"})]
    with listening(then(HEAD, framed(chunk("h") + chunk(reason="stop") + DONE), silent=True)) as server:
        model = model_at(server.url, profile={"prefill": "continue", "echo": True, "echo_stream": True})
        assert ask(model, "Hi", stream=True, prefilling="ha") == ["hah"]


@both
def test_inf_switches_a_limit_off(ask: Ask) -> None:
    def talk(peer: Peer) -> None:
        while True:  # the second call may come over the same connection
            peer.read_request()
            peer.send(0.2, wire(completion()))

    for_ever = float("inf")
    timeout = mf.Timeout(connect=for_ever, first=for_ever, between=for_ever, total=for_ever)
    with listening(talk) as server:
        assert ask(model_at(server.url, timeout=timeout), "Hi") == ["Hello"]
        assert ask(model_at(server.url, timeout=for_ever), "Hi") == ["Hello"]


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_a_limit_that_is_not_above_zero_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        mf.Model.chat_completion(timeout=wrong)
    with pytest.raises(ValueError, match=r"Timeout\(first=\): expected seconds above 0"):
        mf.Timeout(first=wrong)


@pytest.mark.parametrize("wrong", ["5", True, (1, 2)])
def test_a_value_that_is_not_a_number_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"expected seconds, Timeout\(\.\.\.\) or None, got"):
        mf.Model.chat_completion(timeout=wrong)
    with pytest.raises(TypeError, match=r"Timeout\(total=\): expected seconds, got"):
        mf.Timeout(total=wrong)


def test_a_number_limits_every_part() -> None:
    assert mf.Timeout.of(5) == mf.Timeout(connect=5, first=5, between=5, total=5)
    assert mf.Timeout.of(500) == mf.Timeout(connect=10, first=500, between=500, total=500)
    assert mf.Timeout.of(None) == mf.Timeout()


# -- the rules, on a clock of the test's ---------------------------------------------------------------------------


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def exchange_on(clock: Clock, *, streamed: bool = True, **limits: float) -> Exchange:
    request = build_request(
        messages="Hi",
        model="m",
        profile=COMPATIBLE,
        options={},
        stream=streamed,
        system_prompt=None,
        prefilling=None,
        generation_schema=None,
        tool_schemas=None,
        tool_choice=None,
    )
    exchange = Exchange(request, COMPATIBLE, timeout=mf.Timeout(**limits), max_retries=2, clock=clock, chance=lambda: 0)
    exchange.begin(str)
    return exchange


def test_each_wait_lasts_until_the_next_limit() -> None:
    clock = Clock()
    exchange = exchange_on(clock, first=20, between=5, total=100)
    assert exchange.remaining() == 20
    clock.now += 15
    exchange.feed(b": ping\n\n")
    assert exchange.remaining() == 5
    exchange.feed(chunk("one"))
    assert exchange.remaining() == 5
    clock.now += 4
    exchange.feed(b": ping\n\n")
    assert exchange.remaining() == 1
    exchange.feed(chunk("two"))
    assert exchange.remaining() == 5
    clock.now = 1098
    assert exchange.remaining() == -74  # the piece is late, but was it sent in time?
    exchange.feed(chunk("three"))
    assert exchange.remaining() == 2
    exchange.feed(chunk(reason="stop") + DONE)
    assert exchange.remaining() == 1


def test_reasoning_and_calls_are_content_and_names_are_not() -> None:
    clock = Clock()
    exchange = exchange_on(clock, first=20, between=5, total=100)
    clock.now += 10
    exchange.feed(b'data: {"id":"x","model":"m","choices":[]}\n\n' + chunk("", role="assistant"))
    assert exchange.feed(b'data: {"choices":[],"usage":{"prompt_tokens":4}}\n\n') != []
    assert exchange.remaining() == 10
    exchange.feed(chunk(None, reasoning_content="hm"))  # type: ignore[arg-type]  # what servers send
    assert exchange.remaining() == 5
    clock.now += 3
    exchange.feed(chunk(None, tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]))  # type: ignore[arg-type]  # as above
    assert exchange.remaining() == 5


def test_a_late_comment_is_an_error_and_says_which_limit() -> None:
    clock = Clock()
    exchange = exchange_on(clock, first=20, between=5, total=100)
    exchange.feed(chunk("one"))
    clock.now += 5.1
    with pytest.raises(mf.StalledStreamError, match="no content for 5 s"):
        exchange.feed(b": ping\n\n")
    clock.now = 1101
    with pytest.raises(mf.RequestTimeoutError, match="longer than 100 s"):
        exchange.feed(b": ping\n\n")


def test_a_retry_has_all_of_its_time_again_but_the_whole_is_counted() -> None:
    clock = Clock()
    exchange = exchange_on(clock, first=20, between=5, total=100)
    clock.now += 20
    assert exchange.delay_after(mf.RequestTimeoutError("late")) == 0.5
    clock.now += 0.5
    exchange.begin(str)
    exchange.feed(BROKEN)
    assert exchange.remaining() == 1
    with pytest.raises(mf.ServerError) as caught:
        exchange.close()
    assert exchange.delay_after(caught.value) == 1
    exchange.begin(str)
    assert exchange.remaining() == 20
    exchange.feed(chunk("one") + chunk(reason="stop") + DONE)
    exchange.close()
    assert (exchange.attempts, exchange.seconds, exchange.times.seconds_to_first_token) == (3, 20.5, 20.5)


def test_an_answer_that_is_not_streamed_has_the_limit_of_the_call_on_any_clock() -> None:
    clock = Clock()
    exchange = exchange_on(clock, streamed=False, first=1, between=1, total=100)
    clock.now += 99
    exchange.feed(b" ")
    assert exchange.remaining() == 1


def test_a_whole_answer_that_came_but_was_not_read_in_time_counts() -> None:
    clock = Clock()
    exchange = exchange_on(clock, streamed=False, total=100)
    body = wire(completion("Hello")).partition(b"\r\n\r\n")[2].split(b"\r\n")[1]
    clock.now += 200  # this process was busy with something else
    exchange.feed(body[:20])
    exchange.feed(body[20:])
    exchange.close()
    assert exchange.snapshot.text == "Hello"


def test_a_whole_answer_that_goes_on_behind_its_limit_does_not() -> None:
    clock = Clock()
    exchange = exchange_on(clock, streamed=False, total=100)
    clock.now += 101
    exchange.feed(b" ")
    clock.now += 2
    with pytest.raises(mf.RequestTimeoutError, match="longer than 100 s"):
        exchange.feed(b" ")


def test_an_answer_that_came_while_the_loop_was_busy_is_not_lost() -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire(completion("Hello")))

    async def main() -> str:
        call = asyncio.ensure_future(model_at(server.url, timeout=mf.Timeout(total=2)).acall("Hi"))
        while not server.requests and not call.done():
            await asyncio.sleep(0.01)
        time.sleep(2.3)  # as a cell of a notebook does
        return (await call).text

    with listening(talk) as server:
        assert asyncio.run(main()) == "Hello"
