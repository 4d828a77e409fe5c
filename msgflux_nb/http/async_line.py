"""One async connection: aiohttp's protocol and parser, with limits; bytes received before a break are kept."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import httpx
from aiohttp.client_exceptions import ClientPayloadError, ServerDisconnectedError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import ContentLengthError, HttpProcessingError, LineTooLong, TransferEncodingError
from aiohttp.http_parser import HttpResponseParser, HttpResponseParserPy, RawResponseMessage
from aiohttp.streams import EofStream, StreamReader

from ..errors import NotAnApiError
from .bounds import Bounds, bounds, too_large
from .greeting import QUOTED_BYTES, foreign_protocol
from .limits import Patience
from .route import BLOCK_BYTES
from .tcp import has_something_to_read

__all__ = ["AsyncLine"]

# The possible ends of a head: the parser accepts lines without a carriage return, and some lines of blanks.
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")
_REST_OF_BLANK_LINE = re.compile(rb"[ \t\r]*\n")
_RECEIVED_BYTES = 256 * 1024  # the most that asyncio receives at once
# aiohttp's pure Python parser, used if there is no compiled one, drops bytes after an answer.
_SEES_SURPLUS = HttpResponseParser is not HttpResponseParserPy
T = TypeVar("T")


class AsyncLine(ResponseHandler):
    """A connection for one request after another.

    Attributes:
        ended: whether the answer is complete.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.ended = False
        self._came = 0
        self._greeting = b""  # the first bytes of an answer, which may come in pieces
        self._most = 0
        self._which = "head"
        self._limits = bounds()
        self._fault: BaseException | None = None
        self._reader: StreamReader | None = None
        self._rest: list[bytes] = []  # bytes that were unread when the connection broke
        self._in_blank_line = False  # whether the head's unfinished line is blank so far
        self._alarm: asyncio.Handle = cast(asyncio.Handle, None)

    # -- called by asyncio and the parser -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Count received bytes, and let the library parse them; ignore bytes after the connection broke."""
        if self._fault is not None:  # saving the unread bytes lets the library resume reading
            return
        if self._came < len(b"HTTP/1.1") and self._parser is not None:
            self._greeting += data[:QUOTED_BYTES]
            foreign = foreign_protocol(self._greeting)
            if foreign is not None:
                self._break(httpx.RemoteProtocolError(foreign))
                return
        self._came += len(data)
        if self._came > self._most and self._parser is not None:
            self._break(too_large(self._which, self._limits))
            return
        given = 0
        while self._reader is None and self._parser is not None and self._fault is None:
            end = _REST_OF_BLANK_LINE.match(data, given) if self._in_blank_line else None
            end = end or _BLANK_LINE.search(data, given)
            if end is None:
                break
            # Feed the head alone, since the parser drops it if the body bytes after it are damaged.
            super().data_received(data[given : end.end()])
            given, self._in_blank_line = end.end(), True
        if self._reader is None:
            _, newline, line = data[given:].rpartition(b"\n")
            self._in_blank_line = not line.strip(b" \t\r") and (self._in_blank_line or bool(newline))
        unread = self._reader is not None and not self._reader.is_eof()
        if (given < len(data) or (unread and not data)) and self._fault is None:
            super().data_received(data[given:])  # empty if the library continues with bytes that it has kept

    def connection_lost(self, exc: BaseException | None) -> None:
        """Handle a closed connection: bytes received before can still be read."""
        self._save()
        if self._fault is None and isinstance(exc, OSError):
            self._fault = exc
        super().connection_lost(exc)
        reader = self._reader
        if reader is not None and not reader.is_eof() and reader.exception() is None:
            reader.set_exception(exc or ClientPayloadError())

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Handle a complete head."""
        if data[0].code >= 200 and self._reader is None:
            self._reader = data[1]
            # From now on bytes belong to the body, even if the task that waits for the head has not run yet.
            self._which, self._most = "stream", self._most + 2 * self._limits.stream  # the framing of chunks counts too
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, exc_cause: Any = None) -> None:
        """Handle a broken connection: bytes received before can still be read."""
        if self._fault is None and isinstance(exc_cause, Exception):
            self._fault = exc_cause
        reader = self._reader
        if reader is not None and not reader.is_eof() and reader.exception() is None:
            self._save()
            reader.set_exception(self._fault or exc)
        super().set_exception(exc)

    # -- called by a request ------------------------------------------------------------------------------------------

    @property
    def is_fresh(self) -> bool:
        """Whether the connection is open and has no unread bytes, as far as this machine knows."""
        transport = self.transport
        if transport is None or transport.is_closing() or self.should_close:
            return False
        return not has_something_to_read(transport.get_extra_info("socket"))

    @property
    def lasts(self) -> bool:
        """Whether another request can follow: all was sent, the answer has ended, and no bytes followed it."""
        transport = self.transport
        if not _SEES_SURPLUS or not self.ended or self.should_close or transport is None or transport.is_closing():
            return False
        return not transport.get_write_buffer_size()

    def send(self, message: bytes, limits: Bounds) -> None:
        """Start to send a request; an early answer can be read at once."""
        self.ended, self._came, self._reader, self._fault = False, 0, None, None
        self._rest, self._in_blank_line, self._greeting = [], False, b""
        self._limits = limits
        self._which, self._most = "head", limits.head + _RECEIVED_BYTES
        self.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=BLOCK_BYTES,
            max_line_size=limits.head,
            max_field_size=limits.head,
            max_headers=limits.headers,
        )
        if self.transport is not None:
            self.transport.write(message)

    async def head(self, patience: Patience, *, stream: bool) -> RawResponseMessage:
        """Wait for the head of the answer; skip interim (1xx) heads.

        Raises:
            httpx.TransportError: no head arrives in time, or the answer is not HTTP.
            NotAnApiError: the head is larger than its limit.
        """
        size = 0
        while True:
            try:
                message, reader = await (self.read() if len(self) else self._bounded(self.read, patience))
            except Exception as error:
                raise self._as_httpx_error(error) from None
            if self._came > self._limits.head:  # with fewer bytes no head can be larger
                size += sum(len(name) + len(value) + 4 for name, value in message.raw_headers) + 16
                if size > self._limits.head:
                    raise too_large("head", self._limits)
            if message.code == 101:
                raise httpx.RemoteProtocolError("expected an HTTP/1.1 answer; the server switches the protocol")
            if message.code >= 200:
                break
        self._reader = reader
        if not stream:
            self._which, self._most = "answer", self._most + 2 * (self._limits.answer - self._limits.stream)
        return message

    async def piece(self, patience: Patience) -> bytes:
        """Return the received bytes of the body, or wait for the next; empty at its end.

        Raises:
            httpx.TransportError: nothing arrives in time, or the answer is incomplete.
            NotAnApiError: the answer is too large.
        """
        reader = self._reader
        assert reader is not None, "the head comes first"
        while True:
            if self._rest:
                data, self._rest = b"".join(self._rest), []
                return data
            try:
                data = reader.read_nowait()
                if not data and not reader.at_eof():
                    data = await self._bounded(reader.readany, patience)
                if reader.at_eof():
                    self.ended, self._most = True, self._came  # any byte after the answer breaks the connection
                if data or self.ended:
                    return data
            except Exception as error:
                if not self._rest:
                    raise self._as_httpx_error(error) from None

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _bounded(self, waiting: Callable[[], Awaitable[T]], patience: Patience) -> T:
        """Await within the call's current limits."""
        seconds = patience.next()
        if seconds == float("inf"):
            return await waiting()
        self._alarm = self._loop.call_later(seconds, self._late)
        try:
            return await waiting()
        finally:
            self._alarm.cancel()

    def _late(self) -> None:
        """Handle a passed limit; first read bytes that arrived in time while the loop was busy."""
        self._alarm = self._loop.call_soon(self._break, TimeoutError())

    def _break(self, why: Exception) -> None:
        self._fault, transport = why, self.transport
        self.set_exception(why)
        if transport is not None:
            transport.abort()

    def _save(self) -> None:
        """Save the unread bytes, since the library forgets them when the connection breaks."""
        reader = self._reader
        if reader is None or reader.exception() is not None or reader.at_eof():
            return
        with contextlib.suppress(RuntimeError):  # a task is waiting, so nothing is unread
            while data := reader.read_nowait():
                self._rest.append(data)

    def _as_httpx_error(self, error: Exception) -> BaseException:
        """Return a failure as an httpx exception."""
        why = self._fault or error
        if isinstance(why, httpx.HTTPError | NotAnApiError):
            return why
        if isinstance(why, TimeoutError):
            return httpx.ReadTimeout("no answer in time")
        if isinstance(why, ContentLengthError | TransferEncodingError | ClientPayloadError):
            return httpx.RemoteProtocolError("the connection was closed before the answer was whole")
        if isinstance(why, LineTooLong):
            return too_large("head", self._limits)
        if isinstance(why, HttpProcessingError):
            if "Too many headers" in why.message:
                return too_large("headers", self._limits)
            return httpx.RemoteProtocolError(
                f"expected an HTTP answer, got one that is damaged: {_parser_message(why)}"
            )
        if isinstance(why, ServerDisconnectedError | EofStream):
            return httpx.RemoteProtocolError("the connection was closed before an answer came")
        return httpx.ReadError(str(why) or type(why).__name__) if isinstance(why, OSError) else why


def _parser_message(error: HttpProcessingError) -> str:
    """Return the parser's message as one line; the parser marks the fault on a second line."""
    return " ".join(error.message.replace("^", "").split())[:QUOTED_BYTES]
