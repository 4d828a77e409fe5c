"""The address and the headers of a request: addresses of every kind, and headers that cannot be sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

import msgflux_nb as mf
from tests.moments import LONG, quickly
from tests.scripted import Ask, Peer, Reply, both, completion, listening, model_at, serving, wire


def hello(peer: Peer) -> None:
    while True:
        peer.read_request()
        peer.send(wire(completion()))


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@contextlib.contextmanager
def deaf() -> Iterator[int]:
    """A port that neither accepts nor refuses a connection, since its queue is full."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            line = stack.enter_context(socket.socket())
            line.setblocking(False)
            line.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def resolving(
    monkeypatch: pytest.MonkeyPatch, *places: tuple[str, int], over: threading.Event | None = None
) -> list[str]:
    """Let every name have these addresses, and block the lookup until the end; return the names that are looked up."""
    real, asked = socket.getaddrinfo, []

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
        if host in ("127.0.0.1", "::1"):
            return real(host, port, *args, **options)
        asked.append(host)
        if over is not None:
            over.wait(LONG)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@both
@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6(ask: Ask) -> None:
    with listening(hello, host="::1") as server:
        assert ask(model_at(server.url), "Hi", "Hi") == ["Hello", "Hello"]
        assert f"\r\nhost: [::1]:{server.port}\r\n" in server.requests[0][0].lower()


@both
def test_a_name_is_looked_up(ask: Ask) -> None:
    with listening(hello) as server:
        assert ask(model_at(f"http://localhost:{server.port}/v1/"), "Hi") == ["Hello"]
        assert server.requests[0][0].startswith("POST /v1/chat/completions HTTP/1.1\r\n")


@both
def test_a_name_outside_ascii_is_sent_as_the_net_spells_it(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(hello) as server:
        asked = resolving(monkeypatch, ("127.0.0.1", server.port))
        assert ask(model_at("http://bücher.example/v1"), "Hi") == ["Hello"]
        assert asked == ["xn--bcher-kva.example"]
        assert "\r\nhost: xn--bcher-kva.example\r\n" in server.requests[0][0].lower()


@both
def test_an_address_that_does_not_answer_does_not_hold_up_the_next(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(hello) as server, deaf() as silent, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        resolving(monkeypatch, ("127.0.0.1", silent), taken.getsockname(), ("127.0.0.1", server.port))
        with quickly():
            assert ask(model_at("http://api.example/v1", timeout=mf.Timeout(connect=LONG)), "Hi") == ["Hello"]


def test_attempts_at_other_addresses_end_once_one_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        await model_at("http://api.example/v1").acall("Hi")
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with listening(hello) as server, deaf() as silent:
        resolving(monkeypatch, ("127.0.0.1", silent), ("127.0.0.1", server.port))
        asyncio.run(main())


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("slow", ["look-up", "connection"])
def test_the_limit_for_connecting_holds_for_names_and_addresses(
    slow: str, awaited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call() -> None:
        try:
            await model.acall("Hi")
        finally:
            over.set()  # asyncio.run waits for its threads, and so for the system's resolver

    over = threading.Event()
    model = model_at("http://api.example/v1", timeout=mf.Timeout(connect=0.4))
    with deaf() as silent:
        resolving(monkeypatch, *[("127.0.0.1", silent)] * 3, over=over if slow == "look-up" else None)
        with (
            quickly(after=0.3),
            pytest.raises(mf.RequestTimeoutError, match=r"no connection to http://api\.example/v1"),
        ):
            asyncio.run(call()) if awaited else model("Hi")
        over.set()


@both
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://[bad/v1", "."),
        ("http://127.0.0.1:port/v1", "port"),
        ("ftp://example.com/v1", "http:// or https://"),
        ("example.com/v1", "http:// or https://"),
        ("http:///v1", "a host"),
        ("http://127.0.0.1:99999/v1", "65535"),
        (f"http://{'a' * 70}.example/v1", "."),
        ("http://nowhere.invalid/v1", r"nowhere\.invalid"),
    ],
)
def test_an_address_that_leads_nowhere_is_reported(ask: Ask, url: str, said: str) -> None:
    with pytest.raises(mf.ConnectionFailedError, match=said):
        ask(model_at(url), "Hi")


@both
@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x15\x03\x01\x00\x02\x02\x50"])
def test_a_server_that_speaks_another_protocol_is_reported(ask: Ask, greeting: bytes) -> None:
    said = r"expected an HTTP answer, got b'.* Check base_url"
    with (
        listening(lambda peer: peer.send(greeting, 1.0)) as server,
        pytest.raises(mf.ConnectionFailedError, match=said),
    ):
        ask(model_at(server.url), "Hi")


@both
def test_a_connection_that_ends_before_an_answer_is_one_that_failed(ask: Ask) -> None:
    said = "closed before an answer came"
    with listening(Peer.read_request) as server, pytest.raises(mf.ConnectionFailedError, match=said):
        ask(model_at(server.url), "Hi")


@both
def test_user_and_password_of_an_address_are_sent_and_never_shown(ask: Ask) -> None:
    with listening(hello) as server:
        url = server.url.replace("127", "me%40home:pass%20word@127")
        assert ask(model_at(url), "Hi") == ["Hello"]
        head = server.requests[0][0]
        assert f"Authorization: Basic {b64encode(b'me@home:pass word').decode()}" in head
        assert "pass%20word" not in head
    with pytest.raises(mf.ConnectionFailedError) as caught:
        ask(model_at(url), "Hi")
    assert "pass%20word" not in str(caught.value)
    assert f"[key]@127.0.0.1:{server.port}" in str(caught.value)


@both
def test_further_headers_win_however_they_are_spelt(ask: Ask) -> None:
    with listening(hello) as server:
        ask(model_at(server.url, extra_headers={"user-agent": "mine", "X-Title": "a  b"}, api_key="secret"), "Hi")
        lines = server.requests[0][0].split("\r\n")
    assert [line for line in lines if line.lower().startswith("user-agent")] == ["user-agent: mine"]
    assert {"X-Title: a  b", "Authorization: Bearer secret", "Content-Type: application/json"} <= set(lines)


@both
@pytest.mark.parametrize(
    "headers", [{"X-Key": "sécret"}, {"X-Key": "secret\nX: y"}, {"X Key": "secret"}, {"": "secret"}]
)
def test_a_header_that_cannot_be_sent_is_reported_before_anything_is_sent(ask: Ask, headers: dict[str, str]) -> None:
    with listening(hello) as server:
        with pytest.raises(mf.BadRequestError, match=r"extra_headers: .* cannot be sent") as caught:
            ask(model_at(server.url, extra_headers=headers, max_retries=2), "Hi")
        assert server.peers == []
    assert "secret" not in str(caught.value)


def test_a_header_other_than_text_is_refused_when_the_model_is_made() -> None:
    with pytest.raises(TypeError, match=r"extra_headers: expected str for each header, got 'X-Key': a int"):
        model_at("http://127.0.0.1:9/v1", extra_headers={"X-Key": 7})


def test_the_look_up_of_a_name_does_not_keep_a_process_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    resolving(monkeypatch, over=over)
    with pytest.raises(mf.RequestTimeoutError):
        model_at("http://api.example/v1", timeout=mf.Timeout(connect=0.1))("Hi")
    assert all(thread.daemon for thread in threading.enumerate() if "look_up" in thread.name)
    over.set()


# Addresses with a query


@both
@pytest.mark.parametrize(
    ("behind", "target"),
    [
        (
            "/openai/deployments/gpt-4o?api-version=2024-10-21",
            "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        ),
        ("/v1/?a=1&b=x%2Fy/", "/v1/chat/completions?a=1&b=x%2Fy/"),
        ("?tenant=me", "/chat/completions?tenant=me"),
        ("/v1/chat/completions?api-version=1", "/v1/chat/completions?api-version=1"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1#part", "/v1/chat/completions"),
    ],
)
def test_a_query_stays_behind_the_path(ask: Ask, behind: str, target: str) -> None:
    lines: list[str] = []

    def serve(peer: Peer) -> None:
        while True:
            lines.append(peer.read_request()[0].splitlines()[0])
            peer.send(wire(completion()))

    with listening(serve) as server:
        assert ask(model_at(server.url.removesuffix("/v1") + behind), "Hi", "Ho") == ["Hello", "Hello"]
    assert lines == [f"POST {target} HTTP/1.1"] * 2


def test_a_batch_keeps_the_query_too() -> None:
    lines: list[str] = []

    def serve(peer: Peer) -> None:
        while True:
            lines.append(peer.read_request()[0].splitlines()[0])
            peer.send(wire(completion('{"name": "Ada"}')))

    with listening(serve) as server:
        model = model_at(f"{server.url}?api-version=7&code=top-secret-code")
        frame = mf.extract(["a", "b"], dict[str, str], model=model, max_concurrency=1, progress=False, store=False)
    assert frame["_status"].tolist() == ["ok", "ok"]
    assert set(lines) == {"POST /v1/chat/completions?api-version=7&code=top-secret-code HTTP/1.1"}


def test_the_query_of_azures_variable_stays_behind_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "some-key")
    for named, asked in (
        (
            "https://me.openai.azure.com/?api-version=1",
            "https://me.openai.azure.com/openai/v1/chat/completions?api-version=1",
        ),
        (
            "https://me.openai.azure.com/openai/deployments/x?api-version=1",
            "https://me.openai.azure.com/openai/deployments/x/chat/completions?api-version=1",
        ),
    ):
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", named)
        assert mf.Model.chat_completion("azure/x").endpoint(None).url == asked


@both
@pytest.mark.parametrize(
    "name", ["key", "api_key", "api-key", "sig", "code", "access_token", "subscription-key", "X-Sig"]
)
def test_a_key_in_a_query_is_shown_nowhere(ask: Ask, name: str) -> None:
    secret = "c0ffee-CANARY-77"
    said = f"no {secret}, and http://elsewhere/?a=1&{name}=another-CANARY"
    with serving(Reply([json.dumps({"error": {"message": said}}).encode()], status=400)) as server:
        model = model_at(f"{server.url}?a=1&{name}={secret}")
        with pytest.raises(mf.BadRequestError) as caught:
            ask(model, "Hi")
    shown = (caught.value, caught.value.body, model, model.profile, model.endpoint(None), vars(caught.value))
    assert "CANARY" not in "".join(f"{one!r} {one!s}" for one in shown)
    with pytest.raises(mf.ConnectionFailedError) as failed:
        ask(model_at(f"http://127.0.0.1:9/v1?{name}={secret}"), "Hi")
    assert "CANARY" not in f"{failed.value!r} {failed.value.__cause__!r}"


def test_two_keys_in_the_query_of_one_place_make_the_same_row() -> None:
    keys = [model_at(f"http://x.example/v1?v=1&code={code}").prepare("Hi").key for code in ("secret-one", "secret-two")]
    other = model_at("http://x.example/v1?v=2&code=secret-one").prepare("Hi").key
    assert keys[0] == keys[1] != other
