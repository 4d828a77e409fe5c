"""The driver of calls with ``await``; line for line like ``stream``, except for the awaits."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from ..errors import MsgfluxError
from ..protocol.events import Event, TextDelta
from ..protocol.request import ChatRequest
from .call import Call
from .exchange import Exchange
from .partials import Partials
from .rows import RowReader
from .stream import Arriving

__all__ = ["AsyncStreamResponse"]


class AsyncStreamResponse(Arriving):
    """A :class:`StreamResponse` that is read with ``async for`` and ``await``."""

    def __init__(self, call: Call, connect: Callable[[ChatRequest], Awaitable[Any]]) -> None:
        super().__init__(call)
        self._connect = connect

    async def __aiter__(self) -> AsyncIterator[str]:
        async for event in self.events():
            if type(event) is TextDelta and event.choice == 0:
                yield event.text

    async def events(self) -> AsyncIterator[Event]:
        """Yield typed events as they arrive; an answer that has ended yields none.

        Raises:
            MsgfluxError: the call failed; ``snapshot`` holds what had arrived.
        """
        if not self._begin():
            return
        try:
            exchange = self._next(None)
            while exchange is not None:
                shown = exchange is self._call.exchange
                run = self._run(exchange)
                try:
                    async for events in run:
                        for event in events if shown else ():
                            yield event
                finally:
                    await run.aclose()
                exchange = self._next(exchange.failed)
        finally:
            self._stop()

    async def partials(self) -> AsyncIterator[Any]:
        """Yield the structure so far, as :meth:`StreamResponse.partials` does."""
        partials = Partials(self._call, time.monotonic)
        async for event in self.events():
            for partial in partials.after(event):
                yield partial
        yield await self.consume()

    def rows(self) -> AsyncIterator[Any]:
        """Yield the items of a list, each as soon as it is complete and valid, as :meth:`StreamResponse.rows` does."""
        reader = RowReader(self._call)

        async def read() -> AsyncIterator[Any]:
            with reader.kept():
                async for event in self.events():
                    for row in reader.after(event):
                        yield row
                for row in reader.rest(await self.consume()):
                    yield row

        return read()

    async def consume(self) -> Any:
        """Read to the end, and return what the same call without ``stream`` returns."""
        await self.finish()
        return self._call.value()

    async def __aenter__(self) -> AsyncStreamResponse:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._leave()

    async def finish(self) -> None:
        """Run the call to its end without decoding its answer.

        Raises:
            MsgfluxError: the call failed.
        """
        async for _ in self.events():
            pass
        while self._silent is not None and not self._abort.asked:
            exchange, self._silent = self._silent, None
            async for _ in self._run(exchange):
                pass
            self._silent = self._call.step(exchange.failed)

    async def _run(self, exchange: Exchange) -> AsyncGenerator[list[Event], None]:
        """Run one exchange and yield its events in the groups in which they arrive; an error is in its ``failed``."""
        from ..http.limits import pause, waking
        from .transport import aopen_exchange, keep_recalled

        recalled = await exchange.arecall()
        if recalled is not None:
            keep_recalled(exchange)
            yield recalled
            return
        request, abort = exchange.request, self._abort
        with waking():
            while True:
                try:
                    endpoint = await self._connect(request)
                    exchange.begin(endpoint.scrub)
                    async with aopen_exchange(endpoint, exchange, abort, exchange.hear) as chunks:
                        async for data in chunks:
                            yield exchange.feed(data)
                    events = exchange.close()
                    await exchange.awritten()
                    yield events
                    return
                except MsgfluxError as error:
                    if abort.asked:
                        return
                    rest = exchange.finished_anyway()
                    if rest is not None:
                        await exchange.awritten()
                        yield rest
                        return
                    delay = exchange.delay_after(error)
                    if delay is None:
                        return
                await pause(abort, exchange.waits(delay))
                if abort.asked:
                    return
