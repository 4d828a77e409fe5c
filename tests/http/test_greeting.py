"""Checks that another protocol is recognised and named before its bytes are read as an answer."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import httpx
import pytest
import trustme

import msgflux_nb as mf
from msgflux_nb.http.greeting import foreign_protocol
from tests.http.readers import READERS, Read
from tests.http.test_proxies import authority, presenting  # noqa: F401  # a fixture
from tests.scripted import Ask, Peer, both, listening, model_at

GREETINGS = {
    b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80": "HTTP/2 alone",
    b"\x00\x00\x22\x07\x00\x00\x00\x00\x00": "HTTP/2 alone",
    b"HTTP/2 200\r\n\r\n": "HTTP/2 alone",
    b"\x15\x03\x01\x00\x02\x02\x50": "https://",
    b"SSH-2.0-OpenSSH_9.6\r\n": "SSH",
    b"220 mail.example ESMTP Postfix\r\n": "SMTP or FTP",
    b"220 (vsFTPd 3.0.5)\r\n": "FTP",
    b"+OK POP3 ready\r\n": "POP3 or IMAP",
    b"* OK IMAP4rev1 ready\r\n": "POP3 or IMAP",
    b"-ERR unknown command 'POST'\r\n": "Redis",
    b"E\x00\x00\x00\x8eSFATAL\x00": "PostgreSQL",
    b"J\x00\x00\x00\x0a8.0.36\x00": "MySQL",
    b"AMQP\x00\x00\x09\x01": "AMQP",
    b"RFB 003.008\n": "VNC",
    b"RTSP/1.0 400 Bad Request\r\n": "sound and video",
    b"\x05\xff": "SOCKS",
    b"\xff\xfd\x18\xff\xfd\x20": "Telnet",
    b'INFO {"server_id":1}\r\n': "NATS",
    b"garbage\r\n\r\n": "expected an HTTP answer, got b'garbage",
}


@pytest.mark.parametrize(("said", "name"), GREETINGS.items(), ids=list(GREETINGS.values()))
def test_the_greeting_of_a_foreign_protocol_is_shown(said: bytes, name: str) -> None:
    assert name in (foreign_protocol(said) or "")


@pytest.mark.parametrize("said", [b"", b"H", b"HTTP/1.", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 500"])
def test_the_beginning_of_an_http_answer_is_not_a_foreign_protocol(said: bytes) -> None:
    assert foreign_protocol(said) is None


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("said", GREETINGS, ids=list(GREETINGS.values()))
def test_a_greeting_in_single_bytes_is_not_an_answer_either(reader: Callable[..., Read], said: bytes) -> None:
    """This holds even for a greeting that continues like an answer: HTTP/2.0 is refused however it is cut."""
    for size in (1, 3, 6, len(said)):
        read = reader([said[at : at + size] for at in range(0, len(said), size)])
        assert isinstance(read.error, httpx.RemoteProtocolError), size
        assert "expected an HTTP answer" in str(read.error)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_version_that_comes_in_single_bytes_is_read(reader: Callable[..., Read]) -> None:
    whole = b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nHi"
    assert "HTTP/2 alone" in str(reader([bytes([byte]) for byte in whole]).error)


def saying(said: bytes) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(said)
        peer.wait_for_close()

    return talk


@both
@pytest.mark.parametrize(("said", "name"), GREETINGS.items(), ids=list(GREETINGS.values()))
def test_a_call_says_what_the_server_speaks(ask: Ask, said: bytes, name: str) -> None:
    with listening(saying(said)) as server, pytest.raises(mf.ConnectionFailedError) as caught:
        ask(model_at(server.url, timeout=5), "Hi")
    assert name in str(caught.value)
    assert "Check base_url" in str(caught.value)


@both
def test_a_server_that_speaks_first_is_recognised_too(ask: Ask) -> None:
    def talk(peer: Peer) -> None:
        peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        peer.wait_for_close()

    with listening(talk) as server, pytest.raises(mf.ConnectionFailedError, match="SSH"):
        ask(model_at(server.url, timeout=5), "Hi")


@both
def test_a_server_that_speaks_only_http2_is_recognised(
    ask: Ask,
    authority: trustme.CA,  # noqa: F811  # the fixture
) -> None:
    context = presenting(authority, "127.0.0.1")
    context.set_alpn_protocols(["h2"])

    def talk(peer: Peer) -> None:
        assert isinstance(peer.line, ssl.SSLSocket)
        peer.send(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18))
        peer.wait_for_close()

    with listening(talk, tls=context) as server, pytest.raises(mf.ConnectionFailedError, match="HTTP/2 alone"):
        ask(model_at(server.url, timeout=5), "Hi")


@both
def test_a_plain_server_at_an_https_address_is_recognised(ask: Ask) -> None:
    said = "begin the address with http://"
    with (
        listening(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server,
        pytest.raises(mf.ConnectionFailedError, match=said),
    ):
        ask(model_at(server.url.replace("http:", "https:")), "Hi")


def test_a_real_ssh_server_would_be_recognised_before_it_waits() -> None:
    """An SSH server sends its greeting without a request, and here in two pieces."""

    def talk(peer: Peer) -> None:
        peer.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.send(b"S", 0.05, b"SH-2.0-x\r\n")
        peer.wait_for_close()

    with listening(talk) as server, pytest.raises(mf.ConnectionFailedError, match="expected an HTTP"):
        model_at(server.url, timeout=5)("Hi")
