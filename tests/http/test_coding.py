"""Compressed bodies: every coding, however it is cut, alone and in chains; damage and bombs are errors."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable

import brotli
import httpx
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

import msgflux_nb as mf
from msgflux_nb.http.bounds import Bounds
from msgflux_nb.http.coding import Decoder, decoder_of
from tests.scripted import Ask, Peer, Reply, both, completion, listening, model_at, stream, wire


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
    "two": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "three": ("zstd,identity, deflate , gzip", lambda data: gzip.compress(zlib.compress(zstd.compress(data)))),
}
every = pytest.mark.parametrize(("name", "packed"), CODINGS.values(), ids=CODINGS)


def decoder(name: str, most: int = 1 << 26) -> Decoder:
    found = decoder_of(name, "answer", Bounds(answer=most))
    assert found is not None
    return found


@every
@given(data=st.binary(max_size=3_000), sizes=st.lists(st.integers(1, 90), max_size=30))
def test_any_bytes_come_back_however_they_are_cut(
    name: str, packed: Callable[[bytes], bytes], data: bytes, sizes: list[int]
) -> None:
    one, rest, found = decoder(name), packed(data), b""
    for size in [*sizes, len(rest)]:
        found += one.feed(rest[:size]) if rest[:size] else b""
        rest = rest[size:]
    assert found == data


@every
def test_large_ones_come_back_too(name: str, packed: Callable[[bytes], bytes]) -> None:
    data = bytes(range(256)) * 10_000 + bytes(3_000_000)
    assert decoder(name).feed(packed(data)) == data


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_in_a_row_are_one_body(name: str) -> None:
    packed = CODINGS[name][1]
    assert decoder(name).feed(packed(b"Hel") + packed(b"lo")) == b"Hello"


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_what_is_damaged_is_an_error(name: str) -> None:
    one = decoder(name)
    with pytest.raises(httpx.DecodingError):
        one.feed(b"this is not compressed at all, by nobody " * 10)


@every
def test_a_bomb_is_an_error_at_its_limit(name: str, packed: Callable[[bytes], bytes]) -> None:
    bomb = packed(bytes(20_000_000))
    with pytest.raises(mf.NotAnApiError, match="larger than 1 MB"):
        decoder(name, 1 << 20).feed(bomb)
    assert len(decoder(name, 1 << 30).start(bomb, 1000)) <= 600_000


@pytest.mark.parametrize("name", ["", "identity", " Identity , "])
def test_no_coding_has_no_decoder(name: str) -> None:
    assert decoder_of(name, "answer", Bounds()) is None


@pytest.mark.parametrize(
    ("name", "said"), [("compress", "content-encoding identity, gzip"), ("gzip," * 9 + "gzip", "at most 3 codings")]
)
def test_an_unknown_coding_is_named(name: str, said: str) -> None:
    with pytest.raises(httpx.DecodingError, match=f"(?i){said}"):
        decoder_of(name, "answer", Bounds())


@pytest.mark.parametrize(
    ("name", "modules", "package"),
    [("br", ["brotli"], "brotli"), ("zstd", ["compression.zstd", "backports.zstd"], r"backports\.zstd")],
)
def test_a_missing_package_is_named(
    name: str, modules: list[str], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(httpx.DecodingError, match=f'pip install "{package}>=1'):
        decoder_of(name, "answer", Bounds())


@both
@every
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_is_read(ask: Ask, name: str, packed: Callable[[bytes], bytes], streamed: bool) -> None:
    reply = stream("Hel", "lo") if streamed else completion()
    body = packed(b"".join(piece for piece in reply.pieces if isinstance(piece, bytes)))
    answer = wire(Reply([body[:20], body[20:]], headers={"Content-Encoding": name}))

    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(answer)

    with listening(talk) as server:
        assert ask(model_at(server.url), "Hi", "Hi", stream=streamed) == ["Hello"] * 2
        assert len(server.peers) == 1


@both
def test_a_batch_reads_it_too_and_an_error_says_what_it_holds(ask: Ask) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            body = brotli.compress(b'{"error": {"message": "no such model"}}')
            peer.send(wire(Reply([body], status=404, headers={"Content-Encoding": "br"})))

    with listening(talk) as server:
        with pytest.raises(mf.NotFoundError, match="no such model"):
            ask(model_at(server.url), "Hi")
        frame = mf.extract(["a"], str, model=model_at(server.url), store=False, progress=False)
        assert "no such model" in frame["_error"][0]
