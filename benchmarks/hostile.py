"""Malicious servers with ``timeout=2``: how long each blocks a call, and how much memory it makes the call use.

    python benchmarks/hostile.py [KIND ...]

Every driver meets each kind of server, each in its own process: sync and async, whole and streamed, and in a batch. The
kinds are those of `tests/http/test_hostile.py`, and further ones here. It prints the worst driver.
"""

from __future__ import annotations

import datetime
import functools
import gzip
import itertools
import os
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import brotli
from backports import zstd
from stream import load, machine

from tests.http.test_hostile import BLOCK, CHUNKED, KINDS, OK, after_a_request, calling, for_ever
from tests.scripted import Peer, listening

LIMIT_SECONDS, LONGEST_SECONDS, MOST_MB = 2.0, 2.5, 300
ZEROS = bytes(1 << 22)


def coded(coding: bytes, make: Callable[[], bytes]) -> Callable[[Peer], None]:
    """A server's body in a content coding, made once."""

    def talk(peer: Peer) -> None:
        body = _made(make)
        peer.read_request()
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
        peer.send(head % (coding, len(body)) + body)

    talk.made = make  # type: ignore[attr-defined]
    return talk


_made = functools.cache(lambda make: make())


def packed(packer: Any, last: Callable[[], bytes]) -> bytes:
    """Return more zeros than an answer may hold, packed."""
    pack = getattr(packer, "process", None) or packer.compress
    return b"".join(pack(ZEROS) for _ in range(80)) + last()


def brotli_bomb() -> bytes:
    """Return a Brotli bomb."""
    packer = brotli.Compressor(quality=1)
    return packed(packer, packer.finish)


def zstandard_bomb() -> bytes:
    """Return a Zstandard bomb."""
    packer = zstd.ZstdCompressor()
    return packed(packer, packer.flush)


def deflate_bomb() -> bytes:
    """Return a deflate bomb."""
    packer = zlib.compressobj(9)
    return packed(packer, packer.flush)


def nested() -> bytes:
    """Return a bomb of thirty layers of gzip."""
    body = b"{}"
    for _ in range(30):
        body = gzip.compress(body)
    return body


def event(delta: str) -> bytes:
    """Return an event repeated eight hundred times."""
    return b'data: {"choices":[{"index":0,"delta":{%b}}]}\n\n' % delta.encode() * 800


def whole(many: Callable[[], Iterable[bytes]], *, around: bytes) -> Callable[[Peer], None]:
    """A server's answer in one body with very many values in place of ``%b``, made once."""

    def talk(peer: Peer) -> None:
        body = _made(made)
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def made() -> bytes:
        return around % b",".join(many())

    talk.made = made  # type: ignore[attr-defined]
    return talk


def counted(delta: bytes) -> Callable[[Peer], None]:
    """A stream without end in which a number grows, so that every event brings something new."""

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK + b"\r\n")
        numbers = itertools.count()
        while not peer.left.is_set():
            events = (b'data: {"choices":[{"index":0,"delta":{%b}}]}\n\n' % delta for _ in range(200))
            peer.send(b"".join(each.replace(b"@", b"%d" % next(numbers)) for each in events))

    return talk


CHOICE = b'{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"a",%b}}]}'
CALL = b'{"id":"c%d","type":"function","function":{"name":"f","arguments":"{}"}}'
VALUES = {
    "two million keys": whole(lambda: (b'"k%d":1' % n for n in range(2_000_000)), around=CHOICE),
    "a million keys": whole(lambda: (b'"k%d":1' % n for n in range(1_000_000)), around=CHOICE),
    "400,000 choices": whole(
        lambda: (b'{"index":%d,"message":{"content":"a"},"finish_reason":"stop"}' % n for n in range(400_000)),
        around=b'{"choices":[%b]}',
    ),
    "400,000 calls": whole(lambda: (CALL % n for n in range(400_000)), around=CHOICE % b'"tool_calls":[%b]'),
    "six million empty objects": whole(lambda: [b"{}"] * 6_000_000, around=CHOICE % b'"more":[%b]'),
    "a number of 30 MB": whole(lambda: [b'"n":' + b"9" * 30_000_000], around=CHOICE),
}
MORE = {
    "a bomb of Brotli": coded(b"br", brotli_bomb),
    "a bomb of Zstandard": coded(b"zstd", zstandard_bomb),
    "a bomb of deflate": coded(b"deflate", deflate_bomb),
    "thirty codings": coded(b", ".join([b"gzip"] * 30), nested),
    "empty parts of gzip without end": after_a_request(
        OK + b"Content-Encoding: gzip\r\n\r\n", then=gzip.compress(b"") * 3_000
    ),
    "a length that is not reached": after_a_request(
        OK + b"Content-Length: 99999999999\r\n\r\n{", then=b" ", every=0.02
    ),
    "a length that is passed": after_a_request(OK + b"Content-Length: 5\r\n\r\n", then=BLOCK),
    "two lengths": after_a_request(OK + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n", then=BLOCK),
    "a length of 50,000 digits": after_a_request(OK + b"Content-Length: " + b"9" * 50_000 + b"\r\n\r\n", then=BLOCK),
    "a chunk of four gigabytes": after_a_request(CHUNKED + b"ffffffff\r\n", then=BLOCK),
    "a chunk's size of 60,000 digits": after_a_request(CHUNKED + b"f" * 60_000 + b"\r\n", then=BLOCK),
    "blank lines without end": after_a_request(OK + b"\r\n", then=b"\n" * 65_536),
    "zeros without end": after_a_request(OK + b"\r\n", then=bytes(65_536)),
    "empty deltas without end": after_a_request(OK + b"\r\n", then=event('"content":""')),
    "letters without end": after_a_request(OK + b"\r\n", then=event('"content":"a"')),
    "reasoning without end": after_a_request(OK + b"\r\n", then=event('"reasoning_content":"aaaaaaaaaa"')),
    "arguments without end": after_a_request(
        OK + b"\r\n", then=event('"tool_calls":[{"index":0,"function":{"name":"f","arguments":"[[[["}}]')
    ),
    "new calls without end": counted(b'"tool_calls":[{"index":@,"id":"c@","function":{"name":"f","arguments":"{}"}}]'),
    "new fields without end": counted(b'"f@":"%b"' % (b"x" * 100)),
    "brackets without end": after_a_request(OK + b"\r\n", then=b"[" * 65_536),
    "a folded header without end": after_a_request(OK + b"X: a\r\n", then=b" y\r\n" * 8_000),
    "another protocol without end": after_a_request(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", then=BLOCK),
    "silence": lambda peer: peer.wait_for_close(30),
}


def before_http(first: bytes, then: bytes = b"", *, every: float = 0.0, head: bool = False) -> Callable[[Peer], None]:
    """Misbehave during TLS or the set-up of a tunnel; with ``head``, after the request for a tunnel."""

    def talk(peer: Peer) -> None:
        if head:
            peer.read_head()
        else:
            peer.line.recv(65_536)
        if first:
            peer.send(first)
        if then:
            for_ever(peer, then, every=every)
        peer.wait_for_close(30)

    return talk


TLS = {
    "TLS: silence": before_http(b""),
    "TLS: a record that drips": before_http(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", b"a", every=0.02),
    "TLS: warnings without end": before_http(b"", b"\x15\x03\x03\x00\x02\x01\x00" * 5_000),
    "TLS: a certificate without end": before_http(b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff", BLOCK),
}
PROXY = {
    "a tunnel: silence": before_http(b"", head=True),
    "a tunnel: a head that drips": before_http(b"HTTP/1.1 200 O", b"K", every=0.02, head=True),
    "a tunnel: headers without end": before_http(OK, b"A: b\r\n" * 5_000, head=True),
    "a tunnel: 1xx without end": before_http(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, head=True),
    "a tunnel: a refusal without end": before_http(b"HTTP/1.1 503 No\r\n\r\n", BLOCK, head=True),
    "a tunnel: and then silence": before_http(OK + b"\r\n", head=True),
    "a tunnel: and then no TLS": before_http(OK + b"\r\n", BLOCK, head=True),
}
SOCKS = {
    "SOCKS: silence": before_http(b""),
    "SOCKS: a greeting that drips": before_http(b"\x05", b"\x00", every=0.2),
    "SOCKS: zeros without end": before_http(b"\x05\x00", b"\x05\x00\x00\x03\xff" * 1_000),
}


def reached(name: str, url: str) -> tuple[str, dict[str, str]]:
    """Return the address for a call that meets such a server, and its environment variables."""
    if name in TLS:
        return url.replace("http:", "https:"), {}
    if name in PROXY:
        return "https://api.example.test/v1", {"HTTPS_PROXY": url.removesuffix("/v1")}
    if name in SOCKS:
        return "http://api.example.test/v1", {"ALL_PROXY": url.removesuffix("/v1").replace("http:", "socks5:")}
    return url, {}


def main() -> None:
    """Run and print."""
    kinds = {**KINDS, **MORE, **VALUES, **TLS, **PROXY, **SOCKS}
    wanted = sys.argv[1:] or list(kinds)
    print(f"{datetime.date.today()}, {machine()}, load {load()} before.\n")
    print("| what the server does | longest call, s | CPU of that call, s | most memory, MB | held |")
    print("|---|--:|--:|--:|---|")
    for name in wanted:
        if hasattr(kinds[name], "made"):
            _made(kinds[name].made)  # in advance, so that the server is not slow
        with listening(kinds[name]) as server:
            url, variables = reached(name, server.url)
            with mock.patch.dict(os.environ, variables), calling(LIMIT_SECONDS) as called:
                calls = called(url)
            server.faults.clear()  # errors from writing to a client that has left
        slowest, most = max(calls, key=lambda call: call.seconds), max(call.megabytes for call in calls)
        held = slowest.seconds <= LONGEST_SECONDS and most <= MOST_MB and all(call.said != "nothing" for call in calls)
        told = "yes" if held else f"no: {[call[:4] for call in calls]}"
        print(f"| {name} | {slowest.seconds:.2f} | {slowest.cpu:.2f} | {max(0, most)} | {told} |", flush=True)
    print(f"\nload {load()} after.")


if __name__ == "__main__":
    main()
