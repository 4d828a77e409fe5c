"""Opens an exchange over the network or from a recording, and records it if wanted; one function for each driver."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import MsgfluxError, StreamInterruptedError
from ..http.clients import aopen_bytes, open_bytes
from ..http.limits import Abort
from ..protocol.failure import failure_of_status
from .endpoint import Endpoint
from .exchange import Exchange
from .recording_context import RecordingContext, Replayed

if TYPE_CHECKING:
    from ..storage.recordings.lines import RecordedExchange

__all__ = ["aopen_exchange", "error_of_end", "error_of_status", "keep_recalled", "open_exchange"]

_CUT = "the recording ends here, since the reader left the stream"


def open_exchange(endpoint: Endpoint, exchange: Exchange, abort: Abort) -> AbstractContextManager[Iterator[bytes]]:
    """Send a request; the context yields the bytes of its answer as they come, as :func:`open_bytes` does.

    Raises:
        MsgfluxError: as :func:`open_bytes`; a replay raises the recorded error.
    """
    if exchange.recording is None:
        return _from_network(endpoint, exchange, abort)
    if exchange.recording.player is None:
        return _recorded(endpoint, exchange, abort, exchange.recording)
    return _replayed(exchange, abort, exchange.recording)


def aopen_exchange(
    endpoint: Endpoint, exchange: Exchange, abort: Abort, heard: Any
) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    """As :func:`open_exchange`, for a running event loop; calls ``heard`` with the headers of the answer."""
    if exchange.recording is None:
        return _afrom_network(endpoint, exchange, abort, heard)
    if exchange.recording.player is None:
        return _arecorded(endpoint, exchange, abort, exchange.recording, heard)
    return _areplayed(exchange, abort, exchange.recording, heard)


def keep_recalled(exchange: Exchange) -> None:
    """Record an answer that came from a cache, if a recorder is active."""
    if exchange.recording is not None and exchange.recording.recorder is not None:
        from .exchange_recording import recalled_line

        recalled_line(exchange, exchange.recording)


def _from_network(
    endpoint: Endpoint, exchange: Exchange, abort: Abort, observer: Any = None
) -> AbstractContextManager[Iterator[bytes]]:
    request = exchange.request
    return open_bytes(
        endpoint,
        request.body,
        exchange.timeout,
        stream=request.stream,
        abort=abort,
        remaining=exchange.remaining,
        observer=observer,
    )


def _afrom_network(
    endpoint: Endpoint, exchange: Exchange, abort: Abort, heard: Any, observer: Any = None
) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    request = exchange.request
    return aopen_bytes(
        endpoint,
        request.body,
        exchange.timeout,
        stream=request.stream,
        abort=abort,
        remaining=exchange.remaining,
        heard=heard,
        observer=observer,
    )


# -- recorded ----------------------------------------------------------------------------------------------------------


@contextmanager
def _recorded(
    endpoint: Endpoint, exchange: Exchange, abort: Abort, context: RecordingContext
) -> Iterator[Iterator[bytes]]:
    from .exchange_recording import ExchangeRecording

    record = ExchangeRecording(endpoint, exchange, context)
    try:
        with _from_network(endpoint, exchange, abort, record) as chunks:
            yield record.listened(chunks)
    except MsgfluxError as error:
        record.failed(error)
        raise
    finally:
        record.keep()


@asynccontextmanager
async def _arecorded(
    endpoint: Endpoint, exchange: Exchange, abort: Abort, context: RecordingContext, heard: Any
) -> AsyncIterator[AsyncIterator[bytes]]:
    from .exchange_recording import ExchangeRecording

    record = ExchangeRecording(endpoint, exchange, context)
    try:
        async with _afrom_network(endpoint, exchange, abort, heard, record) as chunks:
            yield record.alistened(chunks)
    except MsgfluxError as error:
        record.failed(error)
        raise
    finally:
        record.keep()


# -- replayed ----------------------------------------------------------------------------------------------------------


@contextmanager
def _replayed(exchange: Exchange, abort: Abort, context: RecordingContext) -> Iterator[Iterator[bytes]]:
    replay = _Replay(exchange, context)
    if replay.line.status is None or replay.line.status >= 300:
        for ms, _ in [*replay.chunks, (replay.line.ms, b"")]:
            abort.wait(replay.wait(ms))
        raise replay.error()
    yield _pieces(replay, abort)


def _pieces(replay: _Replay, abort: Abort) -> Iterator[bytes]:
    for ms, data in replay.chunks:
        wait = replay.wait(ms)
        if wait:
            abort.wait(wait)
        if abort.asked:
            raise StreamInterruptedError("the stream was cancelled")
        yield data
    abort.wait(replay.wait(replay.line.ms))
    if replay.line.end != "whole":
        raise replay.error()


@asynccontextmanager
async def _areplayed(
    exchange: Exchange, abort: Abort, context: RecordingContext, heard: Any
) -> AsyncIterator[AsyncIterator[bytes]]:
    from ..http.limits import pause

    replay = _Replay(exchange, context)
    heard(
        [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in replay.line.headers.items()
        ]
    )
    if replay.line.status is None or replay.line.status >= 300:
        for ms, _ in [*replay.chunks, (replay.line.ms, b"")]:
            await pause(abort, replay.wait(ms))
        raise replay.error()
    yield _apieces(replay, abort)


async def _apieces(replay: _Replay, abort: Abort) -> AsyncIterator[bytes]:
    from ..http.limits import pause

    for ms, data in replay.chunks:
        wait = replay.wait(ms)
        if wait:
            await pause(abort, wait)
        if abort.asked:
            raise StreamInterruptedError("the stream was cancelled")
        yield data
    await pause(abort, replay.wait(replay.line.ms))
    if replay.line.end != "whole":
        raise replay.error()


class _Replay:
    """A recorded exchange while it is replayed."""

    def __init__(self, exchange: Exchange, context: RecordingContext) -> None:
        from ..storage.recordings.player import ReplayPace

        request = exchange.request
        found = context.player.find(request.wire, request.body, context.sample)
        self.line = line = found.line
        exchange.replayed = Replayed(line.date[:10], found.recording.path.name)
        exchange.recorded_cost = line.cost
        if found.note is not None:
            exchange.notes = (*exchange.notes, found.note)
        if context.recorder is not None:
            from .exchange_recording import copied_line

            copied_line(line, found.recording, context)
        self.chunks = found.recording.chunks(line)
        self._context, self._began = context, context.seconds
        self._pace = None if context.player.at_once else ReplayPace(context.player.speed, time.monotonic())

    def wait(self, ms: int) -> float:
        """Advance the exchange's time to a recorded millisecond; return the seconds to wait for it."""
        self._context.seconds = self._began + ms / 1000
        return 0.0 if self._pace is None else self._pace.wait(ms, time.monotonic())

    def error(self) -> MsgfluxError:
        """Return the error with which the exchange ended."""
        if self.line.end != "whole":
            return error_of_end(self.line)
        return error_of_status(self.line, b"".join(data for _, data in self.chunks))


def error_of_end(line: RecordedExchange) -> MsgfluxError:
    """Return the error with which a recorded connection ended."""
    if line.end == "left":
        return StreamInterruptedError(_CUT)
    kind = getattr(errors, line.end, None)
    if not (isinstance(kind, type) and issubclass(kind, MsgfluxError)):
        kind = StreamInterruptedError
    return kind(line.message)


def error_of_status(line: RecordedExchange, body: bytes) -> MsgfluxError:
    """Return the error of a recorded answer with an error status."""
    return failure_of_status(line.status or 0, line.headers, body, url=line.path, now=_seconds_of(line.date))


def _seconds_of(date: str) -> float:
    import datetime

    try:
        return datetime.datetime.fromisoformat(date).timestamp()
    except ValueError:
        return 0.0
