"""How answers are framed and how they end, over real connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

import msgflux_nb as mf
from tests.moments import quickly
from tests.scripted import Ask, Peer, Reply, both, chunk, completion, listening, model_at, stream, wire

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7}}\n\n'


def framed(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def saying(*pieces: bytes, then: Callable[[Peer], object] = lambda peer: None) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)
        then(peer)

    return talk


def failure(ask: Ask, talk: Callable[[Peer], None], kind: type[mf.MsgfluxError], **options: Any) -> mf.MsgfluxError:
    """Call a failing server; check that it got one request."""
    with listening(talk) as server:
        with quickly(), pytest.raises(kind) as caught:
            ask(model_at(server.url, **options), "Hi", stream=True)
        assert len(server.peers) == 1
    return caught.value


GUIDE = (
    b"\xef\xbb\xbf: OPENROUTER PROCESSING\r\n\r\n"
    b'data:{"choices":[{"index":0,"delta":{"content":"\xc3\xa9\xf0\x9f\x98\x80 \xe2\x80\xa8\xc2\x85x"}}]}\r\n\r\n'
    b'event: x\rid: 1\rdata: {"choices":[{"index":0,\rdata: "delta":{"content":"y"},"finish_reason":"stop"}]}\r\r'
    b"data: [DONE]"
)
TOGETHER = chunk("x").rstrip() + b"\ndata: [DONE]\n\n"


@both
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(("body", "text"), [(GUIDE, "é😀 \u2028\u0085xy"), (TOGETHER, "x")], ids=["lines", "together"])
def test_events_are_read_however_they_are_cut(ask: Ask, body: bytes, text: str, size: int) -> None:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    with listening(saying(HEAD + framed(*pieces) + b"0\r\n\r\n")) as server:
        assert ask(model_at(server.url), "Hi", stream=True) == [text]


@both
def test_pieces_that_come_one_after_the_other_are_read_too(ask: Ask) -> None:
    wires = [framed(GUIDE[at : at + 9]) for at in range(0, len(GUIDE), 9)]

    def talk(peer: Peer) -> None:
        peer.read_request()
        for piece in (HEAD, *wires, b"0\r\n\r\n"):
            for half in (piece[:7], piece[7:]):
                peer.send(half)
                time.sleep(0.001)

    with listening(talk) as server:
        assert ask(model_at(server.url), "Hi", stream=True) == ["é😀 \u2028\u0085xy"]


def with_length(*pieces: bytes) -> bytes:
    body = b"".join(pieces)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


CUTS: dict[str, tuple[bytes, Callable[[Peer], object]]] = {
    "a clean end": (
        HEAD.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n") + framed(chunk("Hel")) + b"0\r\n\r\n",
        Peer.wait_for_close,
    ),
    "an end in a chunk": (HEAD + framed(chunk("Hel"), chunk("lo"))[:-20], lambda peer: None),
    "an end between chunks": (HEAD + framed(chunk("Hel")), lambda peer: None),
    "an end before the last bytes": (with_length(chunk("Hel"), chunk("lo"))[:-20], lambda peer: None),
    "an end of the connection": (b"HTTP/1.1 200 OK\r\n\r\n" + chunk("Hel"), lambda peer: None),
    "a reset": (HEAD + framed(chunk("Hel")), lambda peer: (time.sleep(0.05), peer.reset())),
    "bytes that are no chunk": (HEAD + framed(chunk("Hel")) + b"garbage\r\n", Peer.wait_for_close),
}


@both
@pytest.mark.parametrize("cut", CUTS)
def test_an_answer_that_stops_in_the_middle_is_interrupted(ask: Ask, cut: str) -> None:
    sent, then = CUTS[cut]
    error = failure(ask, saying(sent, then=then), mf.StreamInterruptedError, max_retries=2)
    assert (error.snapshot.text, error.attempts) == ("Hel", 1)
    assert ("reset" in str(error)) is (cut == "a reset")
    if cut not in ("a clean end", "an end of the connection"):
        assert type(error.__cause__).__module__ == "httpx"


@both
@pytest.mark.parametrize("cut", CUTS)
def test_an_answer_that_stops_before_any_content_is_asked_for_again(
    ask: Ask, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msgflux_nb.models.exchange.retry_delay", quick)
    sent, then = CUTS[cut]

    def talk(peer: Peer) -> None:
        if peer.number < 3:
            saying(sent.replace(b'"content": "Hel"', b'"role": "assist"'), then=then)(peer)
        else:
            saying(wire(stream("Hello")))(peer)

    with listening(talk) as server:
        assert ask(model_at(server.url, max_retries=2), "Hi", stream=True) == ["Hello"]
        assert len(server.peers) == 3


def quick(*args: Any, **situation: Any) -> float | None:
    """Use the real retry rules without their waits."""
    from msgflux_nb.models.retry import retry_delay

    return None if retry_delay(*args, **situation) is None else 0.0


@both
def test_an_answer_that_is_not_streamed_and_stops_is_asked_for_again(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msgflux_nb.models.exchange.retry_delay", quick)

    def talk(peer: Peer) -> None:
        saying(wire(completion())[:-30] if peer.number < 3 else wire(completion()))(peer)

    with listening(talk) as server:
        assert ask(model_at(server.url, max_retries=2), "Hi") == ["Hello"]
        assert len(server.peers) == 3
    with listening(saying(wire(completion())[:-30])) as server:
        with pytest.raises(mf.StreamInterruptedError) as caught:
            ask(model_at(server.url, max_retries=2), "Hi")
        assert caught.value.attempts == len(server.peers) == 3


@both
def test_done_without_a_reason_is_an_end_whose_reason_is_unknown(ask: Ask) -> None:
    def talk(peer: Peer) -> None:
        saying(wire(stream("Hel", DONE, done=False), "Connection: close"))(peer)

    with listening(talk) as server:
        assert ask(model_at(server.url), "Hi", stream=True) == ["Hel"]
        response = model_at(server.url)("Hi", stream=True)
        response.finish()
        assert response.metadata.finish_reason == "unknown"


@both
def test_chunks_without_choices_are_no_error_and_their_usage_is_kept(ask: Ask) -> None:
    first = b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}\n\n'
    null = b'data: {"choices":null}\n\n'
    with listening(saying(wire(stream(first, "Hel", null, chunk("lo", "stop"), USAGE, DONE, done=False)))) as server:
        assert ask(model_at(server.url), "Hi", stream=True) == ["Hello"]


ERRORS = {
    b'data: {"error":{"code":502,"message":"gone"},"choices":[{"index":0,"delta":{"content":""},'
    b'"finish_reason":"error"}]}\n\n': (502, "gone"),
    b'data: {"object":"error","message":"died","code":500}\n\n': (500, "died"),
    b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n': (None, "busy"),
    b'data: {"error":"plain"}\n\n': (None, "plain"),
}


@both
@pytest.mark.parametrize(("event", "found"), ERRORS.items(), ids=["object", "vLLM", "named", "plain"])
@pytest.mark.parametrize("then", [b"", chunk("more"), DONE], ids=["end", "more", "done"])
def test_an_error_inside_an_answer_is_raised_with_what_had_come(
    ask: Ask, event: bytes, found: tuple[int | None, str], then: bytes
) -> None:
    talk = saying(
        HEAD + framed(chunk("Hel"), event, *([then] if then else [])) + b"0\r\n\r\n", then=Peer.wait_for_close
    )
    error = failure(ask, talk, mf.ProviderError, max_retries=2)
    assert isinstance(error, mf.ProviderError)
    assert (error.status, error.snapshot.text.startswith("Hel"), error.attempts) == (found[0], True, 1)
    assert found[1] in str(error)


@both
def test_an_error_inside_an_answer_is_raised_although_the_connection_breaks(ask: Ask) -> None:
    event = next(iter(ERRORS))
    error = failure(ask, saying(HEAD + framed(chunk("Hel"), event), then=Peer.reset), mf.ServerError)
    assert "gone" in str(error)


@both
@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (Reply([b'[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]']), mf.BadRequestError, "m"),
        (Reply([b"<html><title>Log in</title></html>"]), mf.NotAnApiError, "Log in"),
        (Reply([b"nothing of use"]), mf.NotAnApiError, "nothing of use"),
        (Reply([]), (mf.NotAnApiError, mf.StreamInterruptedError), "."),
    ],
    ids=["list", "web page", "words", "nothing"],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_names_what_came_in_place_of_an_answer(
    ask: Ask, reply: Reply, kind: Any, said: str, streamed: bool
) -> None:
    with listening(saying(wire(reply))) as server, pytest.raises(kind, match=said):
        ask(model_at(server.url), "Hi", stream=streamed)


@both
def test_a_whole_answer_to_a_stream_is_used(ask: Ask) -> None:
    with listening(saying(wire(completion()))) as server:
        assert ask(model_at(server.url), "Hi", stream=True) == ["Hello"]


def test_what_came_before_a_connection_broke_is_there_for_a_reader_that_was_busy() -> None:
    whole = framed(chunk("lo"), chunk(reason="stop"), DONE)

    async def main(model: mf.ChatCompletion) -> None:
        texts = []
        async for text in await model.acall("Hi", stream=True):
            texts.append(text)
            await asyncio.sleep(0.2)
        assert texts == ["Hel", "lo"]

    talk = saying(HEAD + framed(chunk("Hel")), 0.05, whole, 0.05, then=Peer.reset)
    with listening(talk) as server:
        asyncio.run(main(model_at(server.url)))
    with listening(talk) as server:
        texts = []
        for text in model_at(server.url)("Hi", stream=True):
            texts.append(text)
            time.sleep(0.2)
        assert texts == ["Hel", "lo"]
