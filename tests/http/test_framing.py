"""The framing of answers: both clients read them alike, at every split, and notice every cut answer."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import h11
import httpx
import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import given, settings
from hypothesis import strategies as st

import msgflux_nb as mf
from msgflux_nb.http.async_line import AsyncLine
from msgflux_nb.http.bounds import Bounds
from msgflux_nb.http.route import request_head
from tests.http.readers import READERS, Read
from tests.thorough import examples

both_readers = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
Reader = Callable[[Iterable[bytes]], Read]


def in_pieces(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Cut data into pieces of these sizes, and the rest."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


FIXED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nHello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Y: one\r\n\r\n"
    b'3;name="a;b"\r\nHel\r\n02\r\nlo\r\n1\r\n\n\r\n0;last\r\nX-Trailer: t\r\nX-More: u\r\n\r\n'
)
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nHello\r\n\r\n"
AFTER_WAITING = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + FIXED

ANSWERS = {
    "length": (FIXED, b"Hello"),
    "chunked": (CHUNKED, b"Hello\n"),
    "until close": (UNTIL_CLOSE, b"Hello\r\n\r\n"),
    "after waiting": (AFTER_WAITING, b"Hello"),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 5\nX: y\n\nHello", b"Hello"),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b""),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
    "empty reason": (b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", b"x"),
    "odd case": (b"HTTP/1.1 200 OK\r\ntRANSFER-eNCODING: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
}
every_answer = pytest.mark.parametrize(("wire", "body"), ANSWERS.values(), ids=ANSWERS)


@both_readers
@every_answer
def test_an_answer_is_the_same_at_every_split(reader: Reader, wire: bytes, body: bytes) -> None:
    expected = reader([wire])
    assert (expected.body, expected.error) == (body, None)
    for at in range(1, len(wire)):
        assert reader([wire[:at], wire[at:]]) == expected
    assert reader(in_pieces(wire, [1] * len(wire))) == expected


@both_readers
@every_answer
def test_an_answer_that_is_cut_anywhere_is_an_error(reader: Reader, wire: bytes, body: bytes) -> None:
    blank = wire.index(b"\n\n" if b"\r" not in wire else b"\r\n\r\n")
    for at in range(len(wire)):
        if wire is UNTIL_CLOSE and at >= blank + 4:
            continue  # its end is the end of the connection
        found = reader([wire[:at]])
        if b" 204 " in wire or b" 304 " in wire or body == b"":
            continue  # it has no body, and a head may end with its connection
        assert isinstance(found.error, httpx.TransportError), (at, found)
        assert body.startswith(found.body)


@both_readers
@pytest.mark.parametrize(
    ("wire", "reusable"),
    [
        (FIXED, True),
        (CHUNKED, True),
        (AFTER_WAITING, True),
        (UNTIL_CLOSE, False),
        (FIXED + b"x", False),
        (FIXED + FIXED, False),
        (CHUNKED + b"x", False),
        (b"HTTP/1.1 204 OK\r\n\r\n", True),
        (FIXED.replace(b"1.1", b"1.0"), False),
        (FIXED.replace(b"200 OK\r\n", b"200 OK\r\nConnection: close\r\n"), False),
        (FIXED.replace(b"200 OK\r\n", b"200 OK\r\nConnection: foo\r\nConnection: close\r\n"), False),
    ],
)
def test_only_an_answer_that_ended_cleanly_leaves_its_connection_usable(
    reader: Reader, wire: bytes, reusable: bool
) -> None:
    assert reader([wire]).reusable is reusable


@both_readers
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_what_came_before_a_broken_chunk_is_not_lost(reader: Reader, size: int) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nHel\r\n2\r\nlo\r\ngarbage\r\n"
    found = reader(in_pieces(wire, [size] * (len(wire) // size)))
    assert (found.body, found.reusable) == (b"Hello", False)
    assert isinstance(found.error, httpx.RemoteProtocolError)


@both_readers
@pytest.mark.parametrize(
    "wire",
    [
        b"garbage\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"\x00\x00\x12\x04\x00\x00",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nHello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nHello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nHello",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_bytes_that_are_not_an_answer_are_refused(reader: Reader, wire: bytes) -> None:
    assert isinstance(reader([wire]).error, httpx.TransportError)
    assert isinstance(reader(in_pieces(wire, [1] * len(wire))).error, httpx.TransportError)


@both_readers
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \n", b" \r\n", b"\t\r\r\n"])
@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 204 x\n", b"HTTP/1.1 204 x\r\nA:\n", b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 204 x\n"]
)
def test_whatever_ends_a_head_ends_it_however_it_is_cut(reader: Reader, line: bytes, end: bytes) -> None:
    """A damaged byte that arrives together with the head does not change the head."""
    wire = line + end + b"\xff"
    one_by_one = reader(in_pieces(wire, [1] * len(wire)))
    for size in (2, 3, len(wire) - 1, len(wire)):
        found = reader(in_pieces(wire, [size] * (len(wire) // size)))
        assert (found.status, found.headers, found.error is None) == (
            one_by_one.status,
            one_by_one.headers,
            one_by_one.error is None,
        ), size


@both_readers
def test_a_long_body_that_comes_with_its_head_does_not_count_as_a_long_head(reader: Reader) -> None:
    wire = FIXED.replace(b"5", b"300005") + b"x" * 300_000
    assert len(reader([wire[:250_000], wire[250_000:]]).body) == 300_005


chunk_sizes = st.lists(st.integers(1, 400), max_size=12)
pieces_sizes = st.lists(st.integers(1, 60), max_size=60)
extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b;c"'])
trailers = st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"])


def chunked(body: bytes, sizes: list[int], extension: bytes = b"") -> bytes:
    """Code a body; trailers and the last line end are still to come."""
    parts = [part for part in in_pieces(body, sizes) if part]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n"


@both_readers
@given(st.binary(max_size=2000), chunk_sizes, pieces_sizes, extensions, trailers)
@settings(max_examples=examples(150), deadline=None)
def test_any_chunking_of_any_bytes_in_any_pieces_comes_back_whole(
    reader: Reader, body: bytes, chunks: list[int], pieces: list[int], extension: bytes, trailer: bytes
) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, chunks, extension)
    found = reader(in_pieces(wire + trailer + b"\r\n", pieces))
    assert (found.body, found.error, found.reusable) == (body, None, True)


TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEF-_0123456789", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
HEADERS = st.lists(st.tuples(TOKEN.map(lambda name: f"x-{name}"), VALUE), max_size=5)


@both_readers
@given(HEADERS, st.binary(max_size=500), st.sampled_from(["length", "chunked", "close"]), chunk_sizes, pieces_sizes)
@settings(max_examples=examples(150), deadline=None)
def test_h11_reads_the_same(
    reader: Reader, headers: list[tuple[str, str]], body: bytes, framing: str, chunks: list[int], pieces: list[int]
) -> None:
    lines = [f"{name}: {value}".encode() for name, value in headers]
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    if framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
    sent = chunked(body, chunks) + b"\r\n" if framing == "chunked" else body
    wire = b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", sent])
    found = reader(in_pieces(wire, pieces))
    assert (found.status, found.headers, found.body) == read_by_h11(wire)


def read_by_h11(wire: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    connection.receive_data(b"")
    response: Any = connection.next_event()
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    return response.status_code, response.headers.raw_items(), body


@given(HEADERS)
@settings(max_examples=examples(100), deadline=None)
def test_h11_takes_the_heads_that_are_sent(headers: list[tuple[str, str]]) -> None:
    raw = [(b"Host", b"x"), *((name.encode(), value.encode()) for name, value in headers)]
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(request_head("POST", b"/v1/chat?a=b", raw))
    request: Any = connection.next_event()
    assert (request.method, request.target, request.headers.raw_items()) == (b"POST", b"/v1/chat?a=b", raw)


@pytest.mark.parametrize("value", [b"secret\r\nX: y", b"secret\n", b"\rsecret", b"secret\0"])
def test_a_header_that_would_begin_another_is_refused_without_showing_it(value: bytes) -> None:
    with pytest.raises(httpx.LocalProtocolError, match="X-Key") as caught:
        request_head("POST", b"/", [(b"X-Key", value)])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("size", [1_000, 262_144])
def test_a_body_that_comes_before_anybody_has_read_the_head_is_body(name: str, size: int) -> None:
    body = b"x" * 1_000_000
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for head in (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"):
        read = READERS[name]([head, *pieces])
        assert read.error is None
        assert read.body == body


def test_a_line_that_is_broken_by_too_much_reads_nothing_more() -> None:
    limits = Bounds(answer=100_000, stream=100_000)
    pieces = [b"x" * 1_000 for _ in range(2_000)]
    for reader in READERS.values():
        read = reader([b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", *pieces], limits)
        assert isinstance(read.error, mf.NotAnApiError)
        assert len(read.body) < 1_000_000


@pytest.mark.parametrize("end", [b"\n\n", b"\n\r\n", b"\r\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("head", [b"HTTP/1.1 204 T", b"HTTP/1.1 100 A\n\nHTTP/1.1 204 T"])
def test_what_is_damaged_behind_an_answer_takes_nothing_from_it_at_any_split(head: bytes, end: bytes) -> None:
    data = head + end + b"\r\n0\r\n\r\n"
    splits = [[data], [data[at : at + 1] for at in range(len(data))]]
    splits += [[data[:at], data[at:]] for at in range(len(data))]
    for pieces in splits:
        read = READERS["async"](pieces)
        assert (read.status, read.error, read.reusable) == (204, None, False)


def test_our_attributes_do_not_overwrite_those_of_aiohttp() -> None:
    """aiohttp's handler keeps its own state in attributes of the same object."""
    loop = asyncio.new_event_loop()
    theirs = set(vars(ResponseHandler(loop)))
    loop.close()
    ours = set(re.findall(r"self\.(\w+)(?:: [^=\n]+)? = ", inspect.getsource(AsyncLine.__init__)))
    assert "_rest" in ours
    assert not theirs & ours
