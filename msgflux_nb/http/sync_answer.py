"""One answer, read by ``http.client`` from a connection that limits each read in time and size."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx

from ..errors import NotAnApiError
from .bounds import Bounds, too_large
from .greeting import QUOTED_BYTES, foreign_protocol
from .limits import Patience
from .route import BLOCK_BYTES, Headers
from .tcp import wait

__all__ = ["Line", "SyncAnswer"]

_TOGETHER_BYTES = 256 * 1024  # chunks that have arrived are joined up to this size
_SIZE_LINE_BYTES = 64  # longer than a chunk's size line: with less buffered, reading the next chunk may wait


class Line(io.RawIOBase):
    """A connection as a file: each read checks the time and the size limits.

    Args:
        line: the connection.
        patience: limits each wait.
        limits: the limits on size.
        stream: whether the answer is streamed as events.

    Attributes:
        came: how many bytes have arrived.
        over: whether the connection has ended.
    """

    def __init__(self, line: socket.socket, patience: Patience, limits: Bounds, *, stream: bool) -> None:
        super().__init__()
        self.came = 0
        self.over = False
        self.limits = limits
        self.stream = stream
        self._line, self._patience = line, patience
        self._greeting = b""
        self._allow("head", limits.head + BLOCK_BYTES)

    def readable(self) -> bool:
        """Return True, as the base class asks for."""
        return True

    def tell(self) -> int:
        """Return the read position, which tells how much is left in the buffer."""
        return self.came

    def readinto(self, buffer: Any) -> int:
        """Wait for bytes, and read them.

        Raises:
            TimeoutError: a limit of the call has passed.
            NotAnApiError: the answer is too large.
            httpx.RemoteProtocolError: the first bytes belong to another protocol.
        """
        wait(self._line, self._patience.next())
        size = self._line.recv_into(buffer)
        if self.came < len(b"HTTP/1.1"):
            self._greeting += bytes(buffer[: min(size, QUOTED_BYTES)])
            foreign = foreign_protocol(self._greeting) if size else None
            if foreign is not None:
                raise httpx.RemoteProtocolError(foreign)
        if not size and self._which == "head":  # http.client would accept a truncated head
            raise httpx.RemoteProtocolError("the connection was closed before an answer came")
        self.over = not size
        self.came += size
        if self.came > self._most:
            raise too_large(self._which, self.limits)
        return size

    def send(self, data: bytes) -> bool:
        """Send; return whether everything was sent, since a server may answer and close the connection early.

        Raises:
            TimeoutError: sending takes too long.
        """
        rest = memoryview(data)
        try:
            while rest:
                wait(self._line, self._patience.next())
                rest = rest[self._line.send(rest) :]
        except TimeoutError:
            raise
        except OSError:
            return False
        return True

    def begin_body(self) -> None:
        """Apply the limits of the body, once the head has come."""
        which = "stream" if self.stream else "answer"
        self._allow(which, 2 * getattr(self.limits, which) + self._most)  # the framing of chunks counts too

    def begin_trailers(self) -> None:
        """Apply the limits of the trailers, once the last chunk has come."""
        self._allow("trailers", self.came + self.limits.trailers)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn exceptions of sockets and ``http.client`` into httpx's."""
        try:
            yield
        except (httpx.HTTPError, NotAnApiError):
            raise
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time") from error
        except (http.client.HTTPException, ValueError) as error:
            raise self._as_httpx_error(error) from error
        except OSError as error:
            raise httpx.ReadError(str(error) or type(error).__name__) from error

    def _as_httpx_error(self, error: Exception) -> Exception:
        if isinstance(error, http.client.RemoteDisconnected):
            return httpx.RemoteProtocolError("the connection was closed before an answer came")
        if isinstance(error, http.client.IncompleteRead):
            return httpx.RemoteProtocolError("the connection was closed before the answer was whole")
        if isinstance(error, http.client.LineTooLong):
            if self._which in ("head", "trailers"):
                return too_large(self._which, self.limits)
            return httpx.RemoteProtocolError("expected the size of a chunk, got a line without end")
        message = str(error) or type(error).__name__
        if message.endswith(" headers"):
            return too_large("headers", self.limits)
        return httpx.RemoteProtocolError(f"expected an HTTP answer, got {message[:QUOTED_BYTES]!r}")

    def _allow(self, which: str, most: int) -> None:
        self._which, self._most = which, most


class _Buffer(io.BufferedReader):
    """A buffer on a connection. It survives an answer's ``close``, so that its unread bytes can be counted."""

    def close(self) -> None:
        """Do nothing: the buffer stays open."""


class _Answer(http.client.HTTPResponse):
    """``http.client``'s answer, with limited trailers."""

    line: Line

    def _read_and_discard_trailer(self) -> None:
        self.line.begin_trailers()
        super()._read_and_discard_trailer()  # type: ignore[misc]  # a private method, missing in typeshed

    def flush(self) -> None:
        """Do nothing: an abandoned answer may outlive its buffer, and Python 3.13 would print an error."""


class SyncAnswer:
    """An answer that is arriving.

    Args:
        line: the connection.
        done: called at the end with whether the connection can be reused.

    Attributes:
        status: the HTTP status, such as 200.
        headers: the headers in order.
    """

    def __init__(self, line: Line, done: Callable[[bool], None]) -> None:
        self.status = 0
        self.headers: Headers = []
        self._line = line
        self._buffer = _Buffer(line, BLOCK_BYTES)
        self._done: Callable[[bool], None] | None = done
        self._sent = False
        self._ended = False
        self._answer: _Answer = cast(_Answer, None)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the buffer; ``http.client`` calls this method of its socket."""
        return self._buffer

    def begin(self, message: bytes) -> None:
        """Send the request, and read the head of the answer; skip interim (1xx) heads."""
        with self._line.translated():
            self._sent = self._line.send(message)
            while self.status < 200:
                self._answer = _Answer(cast(socket.socket, self), method="POST")
                self._answer.line = self._line
                self._answer.begin()
                self.status = self._answer.status
                if self._buffer.tell() > self._line.limits.head:
                    raise too_large("head", self._line.limits)
                if self.status == http.client.SWITCHING_PROTOCOLS:
                    raise httpx.RemoteProtocolError("expected an HTTP/1.1 answer; the server switches the protocol")
            self.headers = [(name.encode("latin-1", "replace"), _bytes(value)) for name, value in _items(self._answer)]
            _check_framing(self._answer)
            self._line.begin_body()

    def __iter__(self) -> Iterator[bytes]:
        with self._line.translated():
            while not self._ended:
                pieces: list[bytes] = []
                try:
                    self._read_some(pieces)
                except Exception:
                    if pieces:
                        yield b"".join(pieces)  # the part before the break is still yielded
                    raise
                if pieces:
                    yield pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Release the connection, or close it if the body was not read to its end."""
        done, self._done = self._done, None
        if done is None:
            return
        lasts = self._sent and self._ended and self._lasts()
        # A file that is still open is closed by its finalizer, where Python drops an interrupt.
        if self._answer is not None:
            self._answer.close()
        self._line.close()
        done(lasts)

    def _read_some(self, pieces: list[bytes]) -> None:
        """Wait for a piece of the body, and read everything that has arrived."""
        read, size, buffer, line = self._answer.read1, 0, self._buffer, self._line
        while True:
            data = read(BLOCK_BYTES)
            if data:
                pieces.append(data)
            else:
                self._end()
                return
            size += len(data)
            if size > _TOGETHER_BYTES or line.came - buffer.tell() < _SIZE_LINE_BYTES:
                break
        if not self._answer.chunked and self._answer.length == 0:
            self._end()

    def _end(self) -> None:
        left, message = self._answer.length, "the connection was closed before the answer was whole"
        if self._answer.chunked and self._line.over:  # http.client accepts a truncated size line
            raise httpx.RemoteProtocolError(message)
        if not self._answer.chunked and left:
            raise httpx.RemoteProtocolError(f"{message}: {left:,} bytes are missing")
        self._ended = True

    def _lasts(self) -> bool:
        """Whether the connection can be reused: the answer's end is certain, and no bytes followed it."""
        headers = self._answer.headers
        doubtful = self._answer.chunked and "content-length" in headers
        ends = any("close" in value.lower() for value in headers.get_all("connection", ()))
        surplus = self._line.came != self._buffer.tell()
        return not (self._answer.will_close or ends or doubtful or surplus)


def _items(answer: http.client.HTTPResponse) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in answer.headers.items()]


def _bytes(value: str) -> bytes:
    return value.replace("\r\n", "").encode("latin-1", "replace")  # the white space of a folded line is kept


def _check_framing(answer: http.client.HTTPResponse) -> None:
    lengths = {part.strip() for value in answer.headers.get_all("content-length", ()) for part in value.split(",")}
    if not answer.chunked and (len(lengths) > 1 or any(not one.isdigit() for one in lengths)):
        raise httpx.RemoteProtocolError(
            f"expected one Content-Length that is a whole number, got {sorted(lengths)!r}"[:QUOTED_BYTES]
        )
    coding = str(answer.headers.get("transfer-encoding", "identity")).strip().lower()
    if coding not in ("chunked", "identity", ""):
        raise httpx.RemoteProtocolError(f"expected an answer that is chunked or plain, got {coding!r}"[:QUOTED_BYTES])
