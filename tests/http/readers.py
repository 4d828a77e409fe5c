"""Both clients as functions of bytes: each reads an answer without a server and without a socket."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import httpx

import msgflux_nb as mf
from msgflux_nb.http.async_line import AsyncLine
from msgflux_nb.http.bounds import Bounds
from msgflux_nb.http.limits import Patience
from msgflux_nb.http.route import Headers
from msgflux_nb.http.sync_answer import Line, SyncAnswer


class Read(NamedTuple):
    """The result of reading an answer."""

    status: int
    headers: Headers
    body: bytes
    reusable: bool
    error: Exception | None = None


class _Socket:
    """Yields pieces, and then the end of the connection."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def settimeout(self, seconds: float | None) -> None:
        pass

    def send(self, data: bytes) -> int:
        return len(data)

    def recv_into(self, buffer: Any) -> int:
        if not self._pieces:
            return 0
        data = self._pieces[0][: len(buffer)]
        self._pieces[0] = self._pieces[0][len(data) :]
        if not self._pieces[0]:
            del self._pieces[0]
        buffer[: len(data)] = data
        return len(data)


def open_answer(
    pieces: Iterable[bytes], limits: Bounds | None = None, done: Callable[[bool], None] = lambda whole: None
) -> SyncAnswer:
    """Return an answer that consists of pieces and ends with the connection."""
    line: Any = _Socket(pieces)
    return SyncAnswer(Line(line, Patience(lambda: 5.0), limits or Bounds(), stream=False), done)


def read_sync(pieces: Iterable[bytes], limits: Bounds | None = None) -> Read:
    """Read pieces, then the end of the connection, as the client of calls without ``await`` does."""
    told: list[bool] = []
    answer = open_answer(pieces, limits, told.append)
    body: list[bytes] = []
    error: Exception | None = None
    try:
        answer.begin(b"x")
        body.extend(answer)
    except (httpx.HTTPError, mf.MsgfluxError) as found:
        error = found
    answer.close()
    return Read(answer.status, answer.headers, b"".join(body), told[0], error)


class _Transport:
    """The methods of an event loop's connection that the client calls."""

    def __init__(self) -> None:
        self.closing = False

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def write(self, data: bytes) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def read_async(pieces: Iterable[bytes], limits: Bounds | None = None) -> Read:
    """As :func:`read_sync`, as the client of calls with ``await`` does."""
    return _loop().run_until_complete(_read_async(pieces, limits or Bounds()))


async def _read_async(pieces: Iterable[bytes], limits: Bounds) -> Read:
    line, transport, patience = AsyncLine(_loop()), _Transport(), Patience(lambda: 5.0)
    line.connection_made(transport)  # type: ignore[arg-type]  # as much of one as is asked for
    line.send(b"x", limits)
    for piece in pieces:
        if piece and not transport.closing:
            line.data_received(piece)
    head: Any = None
    body: list[bytes] = []
    try:
        if line._reader is None or not line._reader.is_eof():
            transport.closing = True
            line.connection_lost(None)
        head = await line.head(patience, stream=False)
        while data := await line.piece(patience):
            body.append(data)
    except (httpx.HTTPError, mf.MsgfluxError) as found:
        return Read(head.code if head else 0, list(head.raw_headers) if head else [], b"".join(body), False, found)
    return Read(head.code, list(head.raw_headers), b"".join(body), line.lasts)


READERS: dict[str, Callable[..., Read]] = {"sync": read_sync, "async": read_async}
