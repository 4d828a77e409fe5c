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
from .asking import Asking, Replayed
from .endpoint import Endpoint
from .exchange import Exchange

if TYPE_CHECKING:
    from ..storage.recordings.lines import RecordedExchange

__all__ = ["aopen_exchange", "error_of_end", "error_of_status", "keep_recalled", "open_exchange"]

_CUT = "the recording ends here, since the reader left the stream"


def open_exchange(endpoint: Endpoint, exchange: Exchange, abort: Abort) -> AbstractContextManager[Iterator[bytes]]:
    """Send a request; the context yields the bytes of its answer as they come, as :func:`open_bytes` does.

    Raises:
        MsgfluxError: as :func:`open_bytes`; a replay raises the recorded error.
    """
    if exchange.asking is None:
        return _live(endpoint, exchange, abort)
    if exchange.asking.player is None:
        return _kept(endpoint, exchange, abort, exchange.asking)
    return _played(exchange, abort, exchange.asking)


def aopen_exchange(
    endpoint: Endpoint, exchange: Exchange, abort: Abort, heard: Any
) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    """As :func:`open_exchange`, for a running event loop; calls ``heard`` with the headers of the answer."""
    if exchange.asking is None:
        return _alive(endpoint, exchange, abort, heard)
    if exchange.asking.player is None:
        return _akept(endpoint, exchange, abort, exchange.asking, heard)
    return _aplayed(exchange, abort, exchange.asking, heard)


def keep_recalled(exchange: Exchange) -> None:
    """Record an answer that came from a cache, if a recorder is active."""
    if exchange.asking is not None and exchange.asking.recorder is not None:
        from .taking import recalled_line

        recalled_line(exchange, exchange.asking)


def _live(
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


def _alive(
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
def _kept(endpoint: Endpoint, exchange: Exchange, abort: Abort, asking: Asking) -> Iterator[Iterator[bytes]]:
    from .taking import ExchangeRecording

    take = ExchangeRecording(endpoint, exchange, asking)
    try:
        with _live(endpoint, exchange, abort, take) as chunks:
            yield take.listened(chunks)
    except MsgfluxError as error:
        take.failed(error)
        raise
    finally:
        take.keep()


@asynccontextmanager
async def _akept(
    endpoint: Endpoint, exchange: Exchange, abort: Abort, asking: Asking, heard: Any
) -> AsyncIterator[AsyncIterator[bytes]]:
    from .taking import ExchangeRecording

    take = ExchangeRecording(endpoint, exchange, asking)
    try:
        async with _alive(endpoint, exchange, abort, heard, take) as chunks:
            yield take.alistened(chunks)
    except MsgfluxError as error:
        take.failed(error)
        raise
    finally:
        take.keep()


# -- replayed ----------------------------------------------------------------------------------------------------------


@contextmanager
def _played(exchange: Exchange, abort: Abort, asking: Asking) -> Iterator[Iterator[bytes]]:
    play = _Play(exchange, asking)
    if play.line.status is None or play.line.status >= 300:
        for ms, _ in [*play.chunks, (play.line.ms, b"")]:
            abort.wait(play.wait(ms))
        raise play.error()
    yield _pieces(play, abort)


def _pieces(play: _Play, abort: Abort) -> Iterator[bytes]:
    for ms, data in play.chunks:
        wait = play.wait(ms)
        if wait:
            abort.wait(wait)
        if abort.asked:
            raise StreamInterruptedError("the stream was cancelled")
        yield data
    abort.wait(play.wait(play.line.ms))
    if play.line.end != "whole":
        raise play.error()


@asynccontextmanager
async def _aplayed(exchange: Exchange, abort: Abort, asking: Asking, heard: Any) -> AsyncIterator[AsyncIterator[bytes]]:
    from ..http.limits import pause

    play = _Play(exchange, asking)
    heard([(name.encode(), value.encode("latin-1", "replace")) for name, value in play.line.headers.items()])
    if play.line.status is None or play.line.status >= 300:
        for ms, _ in [*play.chunks, (play.line.ms, b"")]:
            await pause(abort, play.wait(ms))
        raise play.error()
    yield _apieces(play, abort)


async def _apieces(play: _Play, abort: Abort) -> AsyncIterator[bytes]:
    from ..http.limits import pause

    for ms, data in play.chunks:
        wait = play.wait(ms)
        if wait:
            await pause(abort, wait)
        if abort.asked:
            raise StreamInterruptedError("the stream was cancelled")
        yield data
    await pause(abort, play.wait(play.line.ms))
    if play.line.end != "whole":
        raise play.error()


class _Play:
    """A recorded exchange while it is replayed."""

    def __init__(self, exchange: Exchange, asking: Asking) -> None:
        from ..storage.recordings.player import ReplayPace

        request = exchange.request
        found = asking.player.find(request.wire, request.body, asking.sample)
        self.line = line = found.line
        exchange.replayed = Replayed(line.date[:10], found.recording.path.name)
        exchange.recorded_cost = line.cost
        if found.differs is not None:
            exchange.notes = (*exchange.notes, f"recorded with other options: {found.differs}")
        if asking.recorder is not None:
            from .taking import model_line

            asking.recorder.copy_media(line, found.recording)
            asking.recorder.keep(line, model_line(asking, str))
        self.chunks = found.recording.chunks(line)
        self._asking, self._began = asking, asking.seconds
        self._pace = None if asking.player.at_once else ReplayPace(asking.player.speed, time.monotonic())

    def wait(self, ms: int) -> float:
        """Advance the exchange's time to a recorded millisecond; return the seconds to wait for it."""
        self._asking.seconds = self._began + ms / 1000
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
    kind = getattr(errors, line.end, StreamInterruptedError)
    made: MsgfluxError = kind(line.message)
    return made


def error_of_status(line: RecordedExchange, body: bytes) -> MsgfluxError:
    """Return the error of a recorded answer with an error status."""
    return failure_of_status(line.status or 0, line.headers, body, url=line.path, now=_seconds_of(line.date))


def _seconds_of(date: str) -> float:
    import datetime

    try:
        return datetime.datetime.fromisoformat(date).timestamp()
    except ValueError:
        return 0.0
