"""TLS: the environment says which authorities are trusted, and no other is."""

from __future__ import annotations

import asyncio
import datetime
import gc
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import msgflux_nb as mf
from msgflux_nb.http.environment import certificates
from tests.moments import LONG, quickly
from tests.scripted import Ask, Peer, both, completion, listening, model_at, stream, wire

ANSWER = wire(completion())


def hello(peer: Peer) -> None:
    while True:
        peer.read_request()
        peer.send(ANSWER)


def presenting(authority: trustme.CA, *names: str, **options: datetime.datetime) -> ssl.SSLContext:
    """Return the TLS context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """An authority that SSL_CERT_FILE names, so that it is trusted."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    certificates.cache_clear()
    yield authority
    certificates.cache_clear()


@both
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_server_of_a_named_authority_is_trusted_and_its_connection_used_again(
    ask: Ask, trusted: trustme.CA, name: str, streamed: bool
) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(stream("Hel", "lo")) if streamed else ANSWER)

    with listening(talk, tls=presenting(trusted, name)) as server:
        url = server.url.replace("127.0.0.1", name)
        assert ask(model_at(url), "Hi", "Hi", "Hi", stream=streamed) == ["Hello"] * 3
        assert len(server.peers) == 1
        assert server.peers[0].line.selected_alpn_protocol() in (None, "http/1.1")  # type: ignore[attr-defined]  # it is encrypted


@both
def test_a_server_of_an_unknown_authority_is_refused_with_what_to_do(ask: Ask, authority: trustme.CA) -> None:
    with listening(hello, tls=presenting(authority, "127.0.0.1")) as server:
        with pytest.raises(mf.ConnectionFailedError, match=r"certificate verify failed.* SSL_CERT_FILE") as caught:
            ask(model_at(server.url, max_retries=1, api_key="secret"), "Hi")
        assert (caught.value.attempts, len(server.peers)) == (2, 2)
        assert server.requests == []


YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


@both
@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("other.example", {}, "not valid for '127.0.0.1'"),
        ("127.0.0.1", {"not_after": YESTERDAY, "not_before": YESTERDAY}, "certificate has expired"),
    ],
)
def test_a_certificate_for_another_name_or_time_is_refused(
    ask: Ask, trusted: trustme.CA, name: str, options: dict[str, datetime.datetime], said: str
) -> None:
    with listening(hello, tls=presenting(trusted, name, **options)) as server:
        with pytest.raises(mf.ConnectionFailedError, match=said):
            ask(model_at(server.url), "Hi")
        assert server.requests == []


@both
def test_a_server_without_encryption_at_an_https_address_is_reported(ask: Ask) -> None:
    said = r"(?i)wrong.version.number|record layer"
    with (
        listening(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server,
        pytest.raises(mf.ConnectionFailedError, match=said),
    ):
        ask(model_at(server.url.replace("http:", "https:")), "Hi")


@both
def test_a_server_that_is_silent_while_encryption_is_agreed_on_meets_the_limit_for_connecting(ask: Ask) -> None:
    with listening(Peer.wait_for_close) as server:
        with quickly(after=0.3), pytest.raises(mf.RequestTimeoutError, match="no connection to"):
            ask(model_at(server.url.replace("http:", "https:"), timeout=mf.Timeout(connect=0.4)), "Hi")
        assert server.peers[0].left.wait(5)


@both
def test_the_limit_between_pieces_holds_under_encryption_too(ask: Ask, trusted: trustme.CA) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(wire(stream("Hel", done=False)).removesuffix(b"0\r\n\r\n"))
        peer.ping_for_ever(0.1)

    with listening(talk, tls=presenting(trusted, "127.0.0.1")) as server:
        with quickly(after=0.4), pytest.raises(mf.StalledStreamError) as caught:
            ask(model_at(server.url, timeout=mf.Timeout(between=0.5)), "Hi", stream=True)
        assert caught.value.snapshot.text == "Hel"
        assert server.peers[0].left.wait(5)


@both
def test_a_long_request_arrives_whole(ask: Ask, trusted: trustme.CA) -> None:
    text = "0123456789" * 500_000
    with listening(hello, tls=presenting(trusted, "127.0.0.1")) as server:
        assert ask(model_at(server.url), text, "Hi") == ["Hello"] * 2
        assert text.encode() in server.requests[0][1]
        assert len(server.peers) == 1


@both
def test_an_idle_connection_that_the_server_has_closed_is_replaced(ask: Ask, trusted: trustme.CA) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(ANSWER)
        peer.line.unwrap() if peer.number == 1 else None  # type: ignore[attr-defined]  # with a good-bye, and without

    def sleeping() -> str:
        time.sleep(0.3)
        return "Hi"

    with listening(talk, tls=presenting(trusted, "127.0.0.1")) as server:
        assert ask(model_at(server.url), "Hi", sleeping, sleeping) == ["Hello"] * 3
        assert len(server.peers) == 3


@both
def test_a_file_of_authorities_that_is_not_there_is_named(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authority.pem")
    certificates.cache_clear()
    said = r"SSL_CERT_FILE names /nowhere/authority\.pem"
    with listening(Peer.wait_for_close) as server, pytest.raises(mf.ConnectionFailedError, match=said):
        ask(model_at(server.url.replace("http:", "https:")), "Hi")


def test_an_event_loop_that_ends_leaves_no_encrypted_connection_and_does_not_wait(trusted: trustme.CA) -> None:
    over = threading.Event()

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(ANSWER)
        over.wait(LONG)  # and does not hear that the other side says good-bye
        peer.wait_for_close()

    async def main(model: mf.ChatCompletion) -> None:
        await asyncio.gather(*(model.acall("Hi") for _ in range(3)))

    with (
        listening(talk, tls=presenting(trusted, "127.0.0.1")) as server,
        warnings.catch_warnings(record=True) as seen,
    ):
        warnings.simplefilter("always")
        with quickly():
            asyncio.run(main(model_at(server.url)))
        over.set()
        gc.collect()
        assert all(peer.left.wait(5) for peer in server.peers)
    assert [str(warning.message) for warning in seen] == []
