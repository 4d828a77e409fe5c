"""SOCKS proxies, as ssh and Tor open them: real ones on this machine, by every version, with and without a login."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable

import pytest

import msgflux_nb as mf
from tests.http.test_proxies import authority, passing_on, presenting  # noqa: F401  # a fixture
from tests.moments import quickly
from tests.scripted import Ask, Peer, both, completion, listening, model_at, stream, wire

ANSWER = wire(completion())


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def hello(peer: Peer) -> None:
    while True:
        peer.read_request()
        peer.send(ANSWER)


def exactly(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += line.recv(size - len(data)) or b"\0" * size
    return data


def socks5(
    port: int, asked: list[object], *, login: tuple[bytes, bytes] | None = None, code: int = 0, slow: bool = False
) -> Callable[[Peer], None]:
    """A SOCKS 5 proxy (https://www.rfc-editor.org/rfc/rfc1928) that records its requests."""

    def talk(peer: Peer) -> None:
        def send(data: bytes) -> None:
            for at in range(len(data)):
                line.sendall(data[at : at + 1])
                time.sleep(0.01 if slow else 0)

        line = peer.line
        _, count = exactly(line, 2)
        methods = exactly(line, count)
        method = 2 if login else 0
        send(bytes([5, method if method in methods else 0xFF]))
        if login:
            user = exactly(line, exactly(line, 2)[1])
            password = exactly(line, exactly(line, 1)[0])
            asked.append((user, password))
            send(bytes([1, (user, password) != login]))
        kind = exactly(line, 4)[3]
        size = {1: 4, 4: 16}.get(kind) or exactly(line, 1)[0]
        asked.append((kind, exactly(line, size), struct.unpack(">H", exactly(line, 2))[0]))
        send(bytes([5, code, 0, 3, 4]) + b"here" + b"\0\1")
        if not code:
            passing_on(line, port)

    return talk


def socks4(port: int, asked: list[object], *, code: int = 0x5A) -> Callable[[Peer], None]:
    def text(line: socket.socket) -> bytes:
        data = b""
        while not data.endswith(b"\0"):
            data += exactly(line, 1)
        return data[:-1]

    def talk(peer: Peer) -> None:
        _, command, at, address = struct.unpack(">BBH4s", exactly(peer.line, 8))
        user = text(peer.line)
        asked.append((command, at, address, user, text(peer.line) if address[:3] == b"\0\0\0" else b""))
        peer.line.sendall(bytes([0, code]) + b"\0" * 6)
        if code == 0x5A:
            passing_on(peer.line, port)

    return talk


@both
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("slow", [False, True])
def test_a_name_is_left_to_the_proxy(ask: Ask, scheme: str, slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    with listening(hello) as origin, listening(socks5(origin.port, asked, slow=slow)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        assert ask(model_at("http://api.invalid:8080/v1", api_key="secret"), "Hi", "Hi") == ["Hello"] * 2
        assert [len(peer.requests) for peer in origin.peers] == [2]
        head = origin.requests[0][0]
    assert asked == [(3, b"api.invalid", 8080)]
    assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\nHost: api.invalid:8080\r\n")
    assert "proxy" not in head.lower()


@both
def test_numbers_go_as_numbers(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    with listening(hello) as origin, listening(socks5(origin.port, asked)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        for host in ("10.1.2.3", "[fe80::1]"):
            assert ask(model_at(f"http://{host}/v1"), "Hi") == ["Hello"]
    assert asked == [(1, bytes([10, 1, 2, 3]), 80), (4, socket.inet_pton(socket.AF_INET6, "fe80::1"), 80)]


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_an_encrypted_connection_goes_through(
    ask: Ask,
    streamed: bool,
    authority: object,  # noqa: F811  # the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(stream("Hel", "lo")) if streamed else ANSWER)

    asked: list[object] = []
    with (
        listening(talk, tls=presenting(authority, "api.invalid")) as origin,  # type: ignore[arg-type]  # as above
        listening(socks5(origin.port, asked, login=(b"me@work", b"pass word"))) as proxy,
    ):
        monkeypatch.setenv("https_proxy", f"socks5h://me%40work:pass%20word@127.0.0.1:{proxy.port}")
        assert ask(model_at("https://api.invalid/v1", api_key="secret"), "Hi", "Hi", stream=streamed) == ["Hello"] * 2
        assert [len(peer.requests) for peer in origin.peers] == [2]
    assert asked == [(b"me@work", b"pass word"), (3, b"api.invalid", 443)]


@both
def test_a_wrong_login_and_a_refusal_are_reported(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(socks5(9, [], login=(b"me", b"right"))) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://me:hidden@127.0.0.1:{proxy.port}")
        with pytest.raises(mf.ConnectionFailedError, match="refused the user name or the password") as caught:
            ask(model_at("http://api.invalid/v1"), "Hi")
        assert "hidden" not in str(caught.value)
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(mf.ConnectionFailedError, match="user and password in its address"):
            ask(model_at("http://api.invalid/v1"), "Hi")
    with listening(socks5(9, [], code=4)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(mf.ConnectionFailedError, match=r"refuses a connection to api\.invalid: host unreachable"):
            ask(model_at("http://api.invalid/v1"), "Hi")


@both
@pytest.mark.parametrize("scheme", ["socks4", "socks4a"])
def test_version_4_with_and_without_a_name(ask: Ask, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    with listening(hello) as origin, listening(socks4(origin.port, asked)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://me@127.0.0.1:{proxy.port}")
        assert ask(model_at("http://10.1.2.3:81/v1"), "Hi") == ["Hello"]
        assert ask(model_at("http://api.invalid/v1"), "Hi") == ["Hello"]
    assert asked == [(1, 81, bytes([10, 1, 2, 3]), b"me", b""), (1, 80, b"\0\0\0\xff", b"me", b"api.invalid")]
    with listening(socks4(9, [], code=0x5B)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks4://127.0.0.1:{proxy.port}")
        with pytest.raises(mf.ConnectionFailedError, match="request rejected or failed"):
            ask(model_at("http://10.1.2.3/v1"), "Hi")
        with pytest.raises(mf.ConnectionFailedError, match="IPv6"):
            ask(model_at("http://[fe80::1]/v1"), "Hi")


@both
@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"\5", b"\5\0\5\0\0\3", b"\x09\x09", b""],
    ids=["http", "ssh", "cut", "cut later", "nonsense", "nothing"],
)
def test_a_server_that_is_not_a_socks_proxy_is_reported(ask: Ask, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def talk(peer: Peer) -> None:
        peer.line.recv(100)
        peer.send(said)

    with listening(talk) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(mf.ConnectionFailedError, match=f"through the proxy socks5://127.0.0.1:{proxy.port}"):
            ask(model_at("http://api.invalid/v1"), "Hi")


@both
@pytest.mark.parametrize("said", [b"", b"\5"])
def test_a_proxy_that_says_nothing_meets_the_limit_for_connecting(
    ask: Ask, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(peer: Peer) -> None:
        peer.send(said)
        peer.wait_for_close()

    with listening(talk) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        with quickly(after=0.3), pytest.raises(mf.RequestTimeoutError, match="no connection to"):
            ask(model_at("http://api.invalid/v1", timeout=mf.Timeout(connect=0.4)), "Hi")
        assert proxy.peers[0].left.wait(5)
