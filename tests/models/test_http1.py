"""HTTP/1.1 as bytes: every answer at every split, nothing that is cut goes unnoticed, and h11 reads the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_nb.models.http1 import ChunkedDecoder, ProtocolError, ResponseReader, plain_answer, request_head


def read(*pieces: bytes) -> tuple[ResponseReader, bytes]:
    """Feed the pieces one after the other."""
    reader = ResponseReader()
    return reader, b"".join([reader.feed(piece) for piece in pieces])


def whole(*pieces: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Read an answer to the end of its connection."""
    reader, body = read(*pieces)
    reader.close()
    assert reader.head is not None
    return reader.head.status, reader.head.headers, body


def in_pieces(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Cut data into pieces of these sizes, and what is left."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


FIXED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nHello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Long: one\r\n\t two\r\n\r\n"
    b'3;name="a;b"\r\nHel\r\n02\r\nlo\r\n1 \r\n\n\r\n0;last\r\nX-Trailer: t\r\nX-More: u\r\n\r\n'
)
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nHello\r\n\r\n"
AFTER_WAITING = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + FIXED
BARE_LINE_FEEDS = b"HTTP/1.1 200 OK\nContent-Length: 5\nX: y\n\nHello"

ANSWERS = {
    "length": (FIXED, b"Hello"),
    "chunked": (CHUNKED, b"Hello\n"),
    "until close": (UNTIL_CLOSE, b"Hello\r\n\r\n"),
    "after waiting": (AFTER_WAITING, b"Hello"),
    "bare line feeds": (BARE_LINE_FEEDS, b"Hello"),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "no content": (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b""),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
    "empty reason": (b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", b"x"),
    "equal lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\ncontent-length: 1\r\n\r\nx", b"x"),
    "folded framing": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", b"x"),
    "odd case": (b"HTTP/1.1 200 OK\r\ntRANSFER-eNCODING: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "both framings": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"x",
    ),
    "identity": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", b"x"),
}
every_answer = pytest.mark.parametrize(("wire", "body"), ANSWERS.values(), ids=ANSWERS)


@every_answer
def test_an_answer_is_the_same_at_every_split(wire: bytes, body: bytes) -> None:
    expected = whole(wire)
    assert expected[2] == body
    for at in range(1, len(wire)):
        assert whole(wire[:at], wire[at:]) == expected
    assert whole(*in_pieces(wire, [1] * len(wire))) == expected


@every_answer
def test_an_answer_that_is_cut_anywhere_is_an_error(wire: bytes, body: bytes) -> None:
    for at in range(len(wire)):
        if wire is UNTIL_CLOSE and at >= wire.index(b"\r\n\r\n") + 4:
            continue  # its end is the end of the connection
        with pytest.raises(ProtocolError, match="closed before"):
            whole(wire[:at])


def test_the_head_says_what_came() -> None:
    reader, _ = read(CHUNKED)
    assert reader.head is not None
    assert reader.head.headers == [(b"Transfer-Encoding", b"chunked"), (b"X-Long", b"one two")]
    assert (reader.head.chunked, reader.head.length, reader.head.lasting) == (True, None, True)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_what_came_before_a_broken_chunk_is_not_lost(size: int) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nHel\r\n2\r\nlo\r\ngarbage\r\n"
    reader, body = read(*in_pieces(wire, [size] * (len(wire) // size)))
    assert body == b"Hello"
    assert "got b'garbage'" in str(reader.fault)
    assert not reader.reusable
    with pytest.raises(ProtocolError, match="garbage"):
        reader.close()


def test_how_many_bytes_are_missing_is_said() -> None:
    with pytest.raises(ProtocolError, match="3 bytes are missing"):
        whole(FIXED[:-3])


@pytest.mark.parametrize(
    ("wire", "reusable"),
    [
        (FIXED, True),
        (CHUNKED, True),
        (AFTER_WAITING, True),
        (UNTIL_CLOSE, False),
        (FIXED[:-1], False),
        (FIXED + b"x", False),
        (CHUNKED + b"x", False),
        (b"HTTP/1.1 204 OK\r\n\r\n", True),
        (b"HTTP/1.1 204 OK\r\n\r\nx", False),
        (FIXED.replace(b"1.1", b"1.0"), False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: foo\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False),
        (ANSWERS["both framings"][0], False),
    ],
)
def test_only_an_answer_that_ended_cleanly_leaves_its_connection_usable(wire: bytes, reusable: bool) -> None:
    for at in range(1, len(wire) + 1):
        assert read(wire[:at], wire[at:])[0].reusable is reusable


def test_an_answer_that_ended_with_its_connection_leaves_none_to_use() -> None:
    reader, _ = read(UNTIL_CLOSE.replace(b"1.0", b"1.1"))
    reader.close()
    assert (reader.ended, reader.reusable) == (True, False)


@pytest.mark.parametrize("surplus", [b"x", b"\r\n", FIXED])
@pytest.mark.parametrize("wire", [FIXED, CHUNKED])
def test_bytes_behind_an_answer_are_noticed_also_when_they_come_later(wire: bytes, surplus: bytes) -> None:
    reader, body = read(wire, surplus)
    assert body == read(wire)[1]
    assert reader.surplus
    assert not reader.reusable


@pytest.mark.parametrize(
    "wire",
    [
        b"garbage\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",  # a TLS alert: https on the other side
        b"\x00\x00\x12\x04\x00\x00",  # HTTP/2
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nHello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nHello",
        b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nHello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nHello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nHello",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: unchunked\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_refused(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(wire)
    with pytest.raises(ProtocolError):
        read(*in_pieces(wire, [1] * len(wire)))


@pytest.mark.parametrize("line", [b"A: " + b"x" * 300_000, b"A: x\r\n" * 50_000], ids=["one line", "many lines"])
@pytest.mark.parametrize("step", [300_100, 65_536])
def test_a_head_of_300_kilobytes_is_refused(line: bytes, step: int) -> None:
    wire = b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n"
    with pytest.raises(ProtocolError, match="longer than"):
        read(*in_pieces(wire, [step] * (len(wire) // step)))
    assert read(wire[:200_000] + b"\r\n\r\n")[0].head is not None


def test_a_long_body_that_comes_with_its_head_is_no_long_head() -> None:
    wire = FIXED.replace(b"5", b"300005") + b"x" * 300_000
    assert len(whole(wire)[2]) == 300_005


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b"1_0\r\n",
        b"1\r\nxy",
        b"1\r\nx\n\n",
        b"1\r\nx\r\r\n",
        b"5\r\nHello6\r\n",
        b"f" * 16 + b"\r\n",
        b"f" * 20_000,
        b"1\r\nx\r\n" + b"f" * 20_000,
    ],
)
def test_what_is_not_chunked_is_refused(wire: bytes) -> None:
    for pieces in ([wire], in_pieces(wire, [1] * len(wire))):
        decoder = ChunkedDecoder()
        with pytest.raises(ProtocolError, match="chunk"):
            list(map(decoder.feed, pieces))


chunk_sizes = st.lists(st.integers(1, 400), max_size=12)
pieces_sizes = st.lists(st.integers(1, 60), max_size=60)
extensions = st.sampled_from([b"", b";a", b";a=b", b'; a="b;c"', b" "])
trailers = st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"])


@given(st.binary(max_size=2000), chunk_sizes, pieces_sizes, extensions, trailers)
@settings(max_examples=300, deadline=None)
def test_any_chunking_of_any_bytes_fed_in_any_pieces_comes_back_whole(
    body: bytes, chunks: list[int], pieces: list[int], extension: bytes, trailer: bytes
) -> None:
    wire = chunked(body, chunks, extension) + trailer + b"\r\n"
    decoder = ChunkedDecoder()
    back = []
    for piece in in_pieces(wire, pieces):
        assert not (piece and decoder.ended)
        back.append(decoder.feed(piece))
    assert b"".join(back) == body
    assert (decoder.ended, decoder.rest) == (True, b"")


@given(st.binary(max_size=200), chunk_sizes, pieces_sizes, st.data())
@settings(max_examples=200, deadline=None)
def test_a_chunked_answer_that_is_cut_anywhere_is_an_error(
    body: bytes, chunks: list[int], pieces: list[int], data: st.DataObject
) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, chunks) + b"\r\n"
    cut = data.draw(st.integers(0, len(wire) - 1))
    reader, came = read(*in_pieces(wire[:cut], pieces))
    assert body.startswith(came)
    with pytest.raises(ProtocolError):
        reader.close()


def chunked(body: bytes, sizes: list[int], extension: bytes = b"") -> bytes:
    """Code a body; trailers and the last line end are still to come."""
    parts = [part for part in in_pieces(body, sizes) if part]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n"


TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEF-_0123456789", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
HEADERS = st.lists(st.tuples(TOKEN.map(lambda name: f"x-{name}"), VALUE), max_size=5)


@given(HEADERS, st.binary(max_size=500), st.sampled_from(["length", "chunked", "close"]), chunk_sizes, pieces_sizes)
@settings(max_examples=300, deadline=None)
def test_h11_reads_the_same(
    headers: list[tuple[str, str]], body: bytes, framing: str, chunks: list[int], pieces: list[int]
) -> None:
    lines = [f"{name}: {value}".encode() for name, value in headers]
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    if framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
    sent = chunked(body, chunks) + b"\r\n" if framing == "chunked" else body
    wire = b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", sent])
    assert whole(*in_pieces(wire, pieces)) == read_by_h11(wire)


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
@settings(max_examples=100, deadline=None)
def test_h11_takes_the_heads_that_are_sent(headers: list[tuple[str, str]]) -> None:
    raw = [(b"Host", b"x"), *((name.encode(), value.encode()) for name, value in headers)]
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(request_head("POST", b"/v1/chat?a=b", raw))
    request: Any = connection.next_event()
    assert (request.method, request.target, request.headers.raw_items()) == (b"POST", b"/v1/chat?a=b", raw)


@pytest.mark.parametrize("value", [b"secret\r\nX: y", b"secret\n", b"\rsecret", b"secret\0"])
def test_a_header_that_would_begin_another_is_refused_without_showing_it(value: bytes) -> None:
    with pytest.raises(ProtocolError, match="X-Key") as caught:
        request_head("POST", b"/", [(b"X-Key", value)])
    assert "secret" not in str(caught.value)


# The plainest answer


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Y: Z\r\nContent-Length: 5\r\n\r\nHello"


@pytest.mark.parametrize(
    "wire",
    [
        PLAIN,
        PLAIN.replace(b"X-Y: Z", b"Connection: keep-alive"),
        b"HTTP/1.1 200 Fine \xe9\r\ncontent-length:5\r\n\r\nHello",
        b"HTTP/1.1 200 \r\nCONTENT-LENGTH:  5 \r\nConnection: Keep-Alive\r\n\r\nHello",
    ],
)
def test_the_plainest_answer_is_read_at_once(wire: bytes) -> None:
    found = plain_answer(wire)
    assert found is not None
    assert found[1] == b"Hello"
    assert b"\r\ncontent-length:" in found[0]


@pytest.mark.parametrize(
    "wire",
    [
        *(wire for name, (wire, _) in ANSWERS.items() if name not in ("length", "empty", "empty reason")),
        PLAIN[:-1],
        PLAIN[:40],
        PLAIN + b"x",
        PLAIN.replace(b"200", b"201"),
        PLAIN.replace(b"200", b"404"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"X-Y: Z", b"Connection: close"),
        PLAIN.replace(b"X-Y: Z", b"Connection: keep-alive, close"),
        PLAIN.replace(b"X-Y: Z", b"Connection: keep-alive\r\nConnection: close"),
        PLAIN.replace(b"X-Y: Z", b"Connection : close"),
        PLAIN.replace(b"X-Y: Z", b"Transfer-Encoding: chunked"),
        PLAIN.replace(b"X-Y: Z", b"Transfer-Encoding : chunked"),
        PLAIN.replace(b"X-Y: Z", b"Content-Encoding: gzip"),
        PLAIN.replace(b"X-Y: Z", b"Content-Length: 6"),
        PLAIN.replace(b"X-Y: Z", b"Content-Length : 6"),
        PLAIN.replace(b"X-Y: Z", b"X: y\n Content-Length: 6"),
        PLAIN.replace(b"X-Y: Z", b"X: y\nConnection: close"),
        PLAIN.replace(b"X-Y: Z", b"X: y\n\nZ: z"),
        PLAIN.replace(b"Length: 5", b"Length: -5"),
        PLAIN.replace(b"Length: 5", b"Length: +5"),
        PLAIN.replace(b"Length: 5", b"Length: 0x5"),
        PLAIN.replace(b"Length: 5", b"Length: "),
        b"",
    ],
)
def test_every_other_answer_is_left_to_the_reader(wire: bytes) -> None:
    assert plain_answer(wire) is None


HEADER_LINES = [
    *(b"X-Y: Z", b"Content-Length: 5", b"content-length: 5", b"Content-Length: 4", b"Content-Length: 5 ", b" folded"),
    *(b"Connection: close", b"connection: keep-alive", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"A:"),
    *(b"Via: connection", b"X: content-length: 5", b"Content-Length: 5, 5", b"X-Content-Length: 4", b"Age: 1\nB: c"),
]


@given(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 500 No"]),
    st.lists(st.sampled_from(HEADER_LINES), max_size=6),
    st.sampled_from([b"", b"Hell", b"Hello", b"Hello!", b"\r\n\r\nx"]),
)
@settings(max_examples=1500)
def test_what_is_read_at_once_is_what_the_reader_reads(start: bytes, lines: list[bytes], body: bytes) -> None:
    wire = b"\r\n".join([start, *lines, b"", b""]) + body
    found = plain_answer(wire)
    if found is not None:
        reader, read_body = read(wire)
        assert reader.head is not None
        assert (reader.head.status, read_body, reader.reusable) == (200, found[1], True)
