"""A user's httpx clients and transports are used as they are."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import msgflux_nb as mf
from tests.moments import LONG, quickly
from tests.scripted import (
    Ask,
    Peer,
    both,
    completion,
    error,
    listening,
    model_at,
    one_after_the_other,
    one_after_the_other_in_a_loop,
    serving,
    stream,
    wire,
)

ANSWER = wire(completion(), "Connection: close")
sync, in_a_loop = one_after_the_other, one_after_the_other_in_a_loop


def hello(peer: Peer) -> None:
    while True:
        peer.read_request()
        peer.send(ANSWER)


def mocked(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=completion(f"by mock for {request.headers['authorization']}").pieces[0])


@pytest.mark.parametrize(
    ("ask", "make", "base"),
    [
        (sync, httpx.Client, httpx.Client),
        (in_a_loop, httpx.AsyncClient, httpx.AsyncClient),
    ],
    ids=["sync", "async"],
)
def test_a_client_is_used_with_its_headers_and_hooks(ask: Ask, make: Callable[..., Any], base: type) -> None:
    seen: list[str] = []

    def hook(request: httpx.Request) -> None:
        seen.append(str(request.url))

    async def async_hook(request: httpx.Request) -> None:
        hook(request)

    hooks: Any = {"request": [hook if ask is sync else async_hook]}
    client = make(headers={"X-Mine": "yes", "User-Agent": "theirs"}, event_hooks=hooks, params={"version": "1"})
    with listening(hello) as server:
        model = model_at(server.url, http_client=client, api_key="secret", extra_headers={"X-Call": "too"})
        assert ask(model, "Hi", "Hi") == ["Hello", "Hello"]
        head = server.requests[0][0]
    assert seen == [f"{server.url}/chat/completions?version=1"] * 2
    assert {"X-Mine: yes", "X-Call: too", "Authorization: Bearer secret"} <= set(head.split("\r\n"))


@pytest.mark.parametrize(("ask", "make"), [(sync, httpx.Client), (in_a_loop, httpx.AsyncClient)], ids=["sync", "async"])
def test_the_proxy_of_a_client_is_used(ask: Ask, make: Callable[..., Any]) -> None:
    with listening(hello) as proxy:
        client = make(proxy=proxy.url.removesuffix("/v1"))
        assert ask(model_at("http://api.invalid/v1", http_client=client), "Hi") == ["Hello"]
        assert proxy.requests[0][0].startswith("POST http://api.invalid/v1/chat/completions HTTP/1.1")


@both
@pytest.mark.parametrize("wrapped", [False, True], ids=["transport", "client"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_mock_transport_answers(ask: Ask, wrapped: bool, streamed: bool) -> None:
    kind = httpx.Client if ask is sync else httpx.AsyncClient
    client = kind(transport=httpx.MockTransport(mocked)) if wrapped else httpx.MockTransport(mocked)  # type: ignore[operator]  # a union of two classes
    model = model_at("http://api.invalid/v1", http_client=client, api_key="secret")
    assert ask(model, "Hi", "Hi", stream=streamed) == ["by mock for Bearer secret"] * 2


@both
def test_a_transport_of_httpx_is_used(ask: Ask) -> None:
    transport = (httpx.HTTPTransport if ask is sync else httpx.AsyncHTTPTransport)(local_address="127.0.0.2")
    with listening(lambda peer: seen.append(peer.line.getpeername()[0]) or hello(peer)) as server:  # type: ignore[func-returns-value]  # append, then answer
        seen: list[str] = []
        assert ask(model_at(server.url, http_client=transport), "Hi") == ["Hello"]
    assert seen == ["127.0.0.2"]


@pytest.mark.parametrize("turned", [False, True])
def test_sync_and_async_calls_each_use_the_client_of_their_kind(turned: bool) -> None:
    used: list[str] = []

    def noting(name: str) -> Callable[[httpx.Request], httpx.Response]:
        return lambda request: used.append(name) or httpx.Response(200, content=completion().pieces[0])  # type: ignore[func-returns-value]  # append, then answer

    clients: tuple[Any, Any] = (
        httpx.Client(transport=httpx.MockTransport(noting("sync"))),
        httpx.AsyncClient(transport=httpx.MockTransport(noting("async"))),
    )
    model = model_at("http://api.invalid/v1", http_client=clients[::-1] if turned else clients)
    assert sync(model, "Hi") + in_a_loop(model, "Hi") == ["Hello"] * 2
    assert used == ["sync", "async"]


@pytest.mark.parametrize(
    ("ask", "wrong"),
    [
        (sync, httpx.AsyncClient()),
        (sync, httpx.AsyncHTTPTransport()),
        (in_a_loop, httpx.Client()),
        (in_a_loop, httpx.HTTPTransport()),
    ],
)
def test_a_client_of_the_wrong_kind_is_a_type_error_that_says_what_to_do(ask: Ask, wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"got {type(wrong).__name__}\. Give one of each kind as a tuple"):
        ask(model_at("http://api.invalid/v1", http_client=wrong), "Hi")


def test_a_value_that_is_not_a_client_is_a_type_error_at_once() -> None:
    with pytest.raises(TypeError, match="got str"):
        model_at("http://api.invalid/v1", http_client="http://proxy:3128")


@pytest.mark.parametrize(("ask", "make"), [(sync, httpx.Client), (in_a_loop, httpx.AsyncClient)], ids=["sync", "async"])
def test_a_redirect_is_not_followed_even_by_a_client_that_follows(ask: Ask, make: Callable[..., Any]) -> None:
    def redirect(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire(error(307, "gone", Location=elsewhere.url), "Connection: close"))

    with serving(completion()) as elsewhere, listening(redirect) as server:
        model = model_at(server.url, http_client=make(follow_redirects=True), api_key="secret")
        with pytest.raises(mf.NotAnApiError, match="redirects to"):
            ask(model, "Hi")
        assert elsewhere.headers == []


@both
@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (httpx.ConnectError("no route"), mf.ConnectionFailedError, "cannot connect to .*: no route"),
        (httpx.ReadError("broke"), mf.ConnectionFailedError, "before an answer came: broke"),
        (httpx.RemoteProtocolError("not HTTP"), mf.ConnectionFailedError, "before an answer came: not HTTP"),
        (httpx.ProxyError("407"), mf.ConnectionFailedError, "cannot connect to .*: 407"),
        (httpx.ConnectTimeout("slow"), mf.RequestTimeoutError, "no connection to"),
        (httpx.PoolTimeout("full"), mf.RequestTimeoutError, "no connection to"),
        (httpx.ReadTimeout("slow"), mf.RequestTimeoutError, "no answer from"),
    ],
)
def test_what_a_client_raises_becomes_an_error_of_ours(ask: Ask, raised: Exception, kind: type, said: str) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raised.__dict__["_request"] = request
        raise raised

    with pytest.raises(kind, match=said) as caught:
        ask(model_at("http://api.invalid/v1", http_client=httpx.MockTransport(fail)), "Hi")
    assert caught.value.__cause__ is raised
    assert raised.__dict__["_request"] is None


def test_a_hook_of_a_client_may_read_the_answer_first() -> None:
    with listening(hello) as server, httpx.Client(event_hooks={"response": [lambda answer: answer.read()]}) as client:
        assert sync(model_at(server.url, http_client=client), "Hi") == ["Hello"]


@both
def test_a_fault_in_a_users_own_code_comes_out_as_it_is(ask: Ask) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        ask(model_at("http://api.invalid/v1", http_client=httpx.MockTransport(fail)), "Hi")
    assert "in fail" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("ask", "make"), [(sync, httpx.Client), (in_a_loop, httpx.AsyncClient)], ids=["sync", "async"])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_limits_of_the_call_hold_for_a_client_too(ask: Ask, make: Callable[..., Any], streamed: bool) -> None:
    with listening(Peer.wait_for_close) as server:
        model = model_at(server.url, http_client=make(timeout=None), timeout=0.4)
        with quickly(after=0.3), pytest.raises(mf.RequestTimeoutError):
            ask(model, "Hi", stream=streamed)


@pytest.mark.parametrize("given", [httpx.Client, httpx.HTTPTransport])
def test_another_thread_can_cancel_a_stream_of_a_client(given: Callable[[], Any]) -> None:
    with given() as client, serving(stream("one ", LONG, "two")) as server:
        response = model_at(server.url, http_client=client)("Hi", stream=True)
        threading.Timer(0.2, response.cancel).start()
        with quickly():
            assert list(response) == ["one "]


@pytest.mark.parametrize("given", [httpx.AsyncClient, httpx.AsyncHTTPTransport])
def test_another_thread_can_cancel_a_stream_of_an_async_client(given: Callable[[], Any]) -> None:
    async def main(url: str) -> list[str]:
        async with given() as client:
            response = await model_at(url, http_client=client).acall("Hi", stream=True)
            threading.Timer(0.2, response.cancel).start()
            return [text async for text in response]

    with serving(stream("one ", LONG, "two")) as server, quickly():
        assert asyncio.run(main(server.url)) == ["one "]


@pytest.mark.parametrize("given", [httpx.Client, httpx.HTTPTransport])
def test_a_client_of_one_connection_is_free_again_after_a_stream_was_left(given: Callable[..., Any]) -> None:
    with given(limits=httpx.Limits(max_connections=1)) as client, serving(stream("one ", LONG, "two")) as server:
        model = model_at(server.url, http_client=client)
        for _ in model("Hi", stream=True):
            break
        server.replies = [error(429), completion()]
        with quickly():
            with pytest.raises(mf.RateLimitError):
                model("Hi")
            assert model("Hi").consume() == "Hello"
