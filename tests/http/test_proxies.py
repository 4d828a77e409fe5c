"""Proxies of the environment, as real proxies on this machine; the hosts behind them do not exist."""

from __future__ import annotations

import base64
import contextlib
import os
import selectors
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import trustme

import msgflux_nb as mf
from msgflux_nb.http.environment import certificates, proxy_for
from tests.moments import quickly
from tests.scripted import Ask, Listener, Peer, both, completion, error, listening, model_at, stream, wire

ANSWER = wire(completion())
GOOD_BYE = b"Authorization: Basic " + base64.b64encode(b"me@work:pass word")


def hello(peer: Peer) -> None:
    while True:
        peer.read_request()
        peer.send(ANSWER)


def passing_on(line: socket.socket, port: int) -> None:
    """Pass bytes on, both ways, until one end closes."""
    # select.select() takes no file numbers above 1,023, which a test run as a whole has.
    with socket.create_connection(("127.0.0.1", port)) as origin, selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ, origin)
        selector.register(origin, selectors.EVENT_READ, line)
        while True:
            for key, _ in selector.select(10):
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]  # a socket
                if not data:
                    return
                key.data.sendall(data)


def tunnelling(
    port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n"
) -> Callable[[Peer], None]:
    """A proxy that opens all tunnels to one port of this machine."""

    def talk(peer: Peer) -> None:
        peer.read_head()
        peer.send(answer)
        if b" 200 " not in answer:
            return
        passing_on(peer.line, port)

    return talk


def refusing(answer: bytes) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)

    return talk


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set a proxy in the environment."""

    def name(variable: str, server: Listener | str, login: str = "", scheme: str = "http") -> None:
        place = server if isinstance(server, str) else f"{scheme}://{login}127.0.0.1:{server.port}"
        monkeypatch.setenv(variable, place)

    return name


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    certificates.cache_clear()
    yield ca
    certificates.cache_clear()


def presenting(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


Named = Callable[..., None]


@both
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_is_asked_for_the_whole_address_over_one_connection(ask: Ask, named: Named, variable: str) -> None:
    with listening(hello) as proxy:
        named(variable, proxy)
        assert ask(model_at("http://api.invalid:8080/v1", api_key="secret"), "Hi", "Hi") == ["Hello"] * 2
        assert len(proxy.peers) == 1
        lines = proxy.requests[0][0].split("\r\n")
    assert lines[0] == "POST http://api.invalid:8080/v1/chat/completions HTTP/1.1"
    assert {"Host: api.invalid:8080", "Authorization: Bearer secret"} <= set(lines)


@both
def test_user_and_password_go_to_the_proxy(ask: Ask, named: Named) -> None:
    with listening(hello) as proxy:
        named("http_proxy", proxy, login="me%40work:pass%20word@")
        assert ask(model_at("http://api.invalid/v1"), "Hi") == ["Hello"]
        assert f"\r\nProxy-{GOOD_BYE.decode()}" in proxy.requests[0][0]


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_an_encrypted_connection_goes_through_a_tunnel(
    ask: Ask, named: Named, authority: trustme.CA, streamed: bool
) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(stream("Hel", "lo")) if streamed else ANSWER)

    with (
        listening(talk, tls=presenting(authority, "api.invalid")) as origin,
        listening(tunnelling(origin.port)) as proxy,
    ):
        named("https_proxy", proxy, login="me%40work:pass%20word@")
        model = model_at("https://api.invalid/v1", api_key="secret")
        assert ask(model, "Hi", "Hi", stream=streamed) == ["Hello"] * 2
        assert [len(peer.requests) for peer in origin.peers] == [2]
        (asked,), heads = proxy.requests, [head for head, _ in origin.requests]
    assert asked[0].split("\r\n")[:2] == ["CONNECT api.invalid:443 HTTP/1.1", "Host: api.invalid:443"]
    assert GOOD_BYE.decode() in asked[0]
    assert "secret" not in asked[0]
    assert all("secret" in head and "proxy" not in head.lower() for head in heads)
    assert all(head.startswith("POST /v1/chat/completions HTTP/1.1\r\n") for head in heads)


@both
def test_who_answers_through_a_tunnel_must_have_the_right_name(ask: Ask, named: Named, authority: trustme.CA) -> None:
    with (
        listening(hello, tls=presenting(authority, "127.0.0.1")) as origin,
        listening(tunnelling(origin.port)) as proxy,
    ):
        named("https_proxy", proxy)
        with pytest.raises(mf.ConnectionFailedError, match=r"not valid for 'api\.invalid'"):
            ask(model_at("https://api.invalid/v1"), "Hi")
        assert origin.requests == []


@both
@pytest.mark.parametrize("status", [407, 502])
def test_a_proxy_that_refuses_a_tunnel_is_named(ask: Ask, named: Named, status: int) -> None:
    with listening(refusing(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status)) as proxy:
        named("https_proxy", proxy, login="me:hidden@")
        with pytest.raises(mf.ConnectionFailedError, match=f"refuses .* with status {status}") as caught:
            ask(model_at("https://api.invalid/v1"), "Hi")
        assert f"the proxy http://127.0.0.1:{proxy.port}" in str(caught.value)
        assert ("user name and password" in str(caught.value)) is (status == 407)
    assert "hidden" not in str(caught.value)


@both
@pytest.mark.parametrize(("status", "kind"), [(407, mf.BadRequestError), (502, mf.ServerError)])
def test_a_proxy_that_passes_nothing_on_is_named(ask: Ask, named: Named, status: int, kind: type) -> None:
    with listening(refusing(wire(error(status, "no way")))) as proxy:
        named("http_proxy", proxy)
        with pytest.raises(kind, match="no way"):
            ask(model_at("http://api.invalid/v1"), "Hi")


@both
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named_without_its_password(ask: Ask, named: Named, scheme: str) -> None:
    with listening(hello) as proxy:
        pass
    named(f"{scheme}_proxy", proxy, login="me:hidden@")
    with pytest.raises(mf.ConnectionFailedError, match=f"through the proxy http://127.0.0.1:{proxy.port}") as caught:
        ask(model_at(f"{scheme}://api.invalid/v1"), "Hi")
    assert "hidden" not in str(caught.value)


@both
@pytest.mark.parametrize("puts_off", [False, True])
def test_a_proxy_that_opens_no_tunnel_meets_the_limit_for_connecting(ask: Ask, named: Named, puts_off: bool) -> None:
    def talk(peer: Peer) -> None:
        while not peer.wait_for_close(0.1 if puts_off else 10.0):
            peer.send(b"HTTP/1.1 100 Wait\r\n\r\n")

    with listening(talk) as proxy:
        named("https_proxy", proxy)
        with quickly(after=0.3), pytest.raises(mf.RequestTimeoutError, match="no connection to"):
            ask(model_at("https://api.invalid/v1", timeout=mf.Timeout(connect=0.4)), "Hi")


@both
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_asked_through_a_proxy(ask: Ask, named: Named, host: str) -> None:
    named("http_proxy", "http://127.0.0.1:9")
    with listening(hello) as server:
        assert ask(model_at(server.url.replace("127.0.0.1", host)), "Hi") == ["Hello"]


@both
def test_a_change_in_a_running_process_counts(ask: Ask, named: Named) -> None:
    with listening(hello) as first, listening(hello) as second:
        model = model_at("http://api.invalid/v1")
        for proxy in (first, second):
            named("http_proxy", proxy)
            ask(model, "Hi")
        assert [len(proxy.requests) for proxy in (first, second)] == [1, 1]


@pytest.mark.parametrize(
    ("no_proxy", "url", "through"),
    [
        ("", "http://api.example/", True),
        ("other.example", "http://api.example/", True),
        ("api.example", "http://api.example/", False),
        ("other.example, .example", "http://api.example/", False),
        ("example", "http://api.example/", False),
        ("ample", "http://api.example/", True),
        ("api.example:8080", "http://api.example:8080/", False),
        ("api.example:8080", "http://api.example:9090/", True),
        ("*", "http://api.example/", False),
        ("10.1.2.3", "http://10.1.2.3/", False),
        ("fe80::1", "http://[fe80::1]:8080/", False),
        ("", "http://[::1]:8080/", False),
        ("", "http://127.1.2.3/", False),
        ("", "http://model.localhost/", False),
        ("", "https://api.example/", False),
    ],
)
@pytest.mark.parametrize("spelling", [str.upper, str.lower])
def test_no_proxy_names_the_hosts_that_are_asked_directly(
    no_proxy: str, url: str, through: bool, spelling: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(spelling("HTTP_PROXY"), "http://proxy.example:3128")
    monkeypatch.setenv(spelling("NO_PROXY"), no_proxy)
    assert (proxy_for(httpx.URL(url)) is not None) is through


@pytest.mark.parametrize(
    ("text", "place", "auth"),
    [
        ("http://proxy.example:3128", ("http", "proxy.example", 3128), None),
        ("proxy.example:3128", ("http", "proxy.example", 3128), None),
        ("HTTP://Proxy.Example/", ("http", "proxy.example", 80), None),
        ("https://proxy.example", ("https", "proxy.example", 443), None),
        ("http://[fe80::1]:3128", ("http", "fe80::1", 3128), None),
        ("http://me@proxy.example", ("http", "proxy.example", 80), ("me", "")),
        ("http://m%C3%A9:p%3Aw@proxy.example", ("http", "proxy.example", 80), ("mé", "p:w")),
    ],
)
def test_a_proxy_can_be_named_in_many_forms(text: str, place: tuple[str, str, int], auth: object, named: Named) -> None:
    named("https_proxy", text)
    proxy = proxy_for(httpx.URL("https://api.example"))
    assert proxy is not None
    assert ((proxy.scheme, proxy.host, proxy.port), proxy.auth) == (place, auth)
    assert httpx.URL(proxy.url).host == place[1]
    assert "p:w" not in f"{proxy} {proxy!r}"


def test_a_cgi_script_takes_no_proxy_from_a_header_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``Proxy:`` header reaches a CGI script as HTTP_PROXY: https://httpoxy.org."""
    monkeypatch.setenv("HTTP_PROXY", "http://evil.example")
    assert proxy_for(httpx.URL("http://api.example")) is not None
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert proxy_for(httpx.URL("http://api.example")) is None
    monkeypatch.setenv("http_proxy", "http://good.example")
    proxy = proxy_for(httpx.URL("http://api.example"))
    assert proxy is not None
    assert proxy.host == "good.example"


@both
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("socks5://me:hidden@127.0.0.1:9", r'socks5://127\.0\.0\.1:9.*pip install "socksio'),
        ("ftp://me:hidden@127.0.0.1:9", r"expected a proxy with http://.*ftp://127\.0\.0\.1:9"),
        ("http://me:hidden@127.0.0.1:port", r"not an address\. Expected http://host:port"),
        ("http://", r"not an address\. Expected http://host:port.*HTTPS_PROXY"),
        (":3128", r"not an address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_reported_with_what_to_do(
    ask: Ask, named: Named, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    named("https_proxy", text)
    with pytest.raises(mf.ConnectionFailedError, match=said) as caught:
        ask(model_at("https://api.invalid/v1"), "Hi")
    assert "hidden" not in str(caught.value)


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_an_encrypted_proxy_is_spoken_to_through_httpx(
    ask: Ask, named: Named, authority: trustme.CA, streamed: bool
) -> None:
    answer = wire(stream("Hel", "lo") if streamed else completion(), "Connection: close")
    with listening(refusing(answer), tls=presenting(authority, "127.0.0.1")) as proxy:
        named("http_proxy", proxy, login="me%40work:pass%20word@", scheme="https")
        assert ask(model_at("http://api.invalid/v1", api_key="secret"), "Hi", "Hi", stream=streamed) == ["Hello"] * 2
        head = proxy.requests[0][0]
    assert head.startswith("POST http://api.invalid/v1/chat/completions HTTP/1.1\r\n")
    assert GOOD_BYE.decode() in head


@both
def test_an_encrypted_proxy_opens_tunnels_too(ask: Ask, named: Named, authority: trustme.CA) -> None:
    closing = refusing(wire(completion(), "Connection: close"))
    with (
        listening(closing, tls=presenting(authority, "api.invalid")) as origin,
        listening(tunnelling(origin.port), tls=presenting(authority, "127.0.0.1")) as proxy,
    ):
        named("https_proxy", proxy, login="me%40work:pass%20word@", scheme="https")
        assert ask(model_at("https://api.invalid/v1", api_key="secret"), "Hi") == ["Hello"]
        assert "secret" not in proxy.requests[0][0]
        assert "secret" in origin.requests[0][0]
        assert "proxy" not in origin.requests[0][0].lower()


def test_the_embedded_servers_address_is_reached_whatever_proxy_is_named(named: Named) -> None:
    named("all_proxy", "socks5://127.0.0.1:9")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(listening(hello))
        assert model_at(server.url)("Hi").consume() == "Hello"
