"""The driver of calls without ``await``: it opens, reads, waits before a retry and closes.

The other driver is ``async_stream``. Every line that does not wait is in ``exchange``, ``call`` or ``answer``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from ..errors import MsgfluxError
from ..http.limits import Abort
from ..protocol.events import Event, TextDelta, Watchers
from ..protocol.request import ChatRequest
from .answer import Answer, ModelResponse
from .call import Call
from .exchange import Exchange, State
from .partials import Partials
from .rows import RowReader

__all__ = ["Arriving", "StreamResponse"]


class Arriving(Answer):
    """An answer that is still arriving, or not yet asked for."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._abort = Abort()
        self._begun = False
        self._silent: Exchange | None = None  # the next exchange after the shown answer
        self._watchers: Watchers[Event] = Watchers()

    def watch(self, watcher: Callable[[Event | None], object]) -> None:
        """Get the events while somebody else reads the answer; this reads nothing itself.

        Args:
            watcher: called with each event from now on, and with None once the shown answer has ended, at once if it
                has already. It is called on the thread that reads, and must not raise.
        """
        self._watchers.join(watcher)
        if self._over:
            self._watchers.end()
        else:
            self._let_look(self._call.exchange)

    @property
    def state(self) -> State:
        """The state of the shown answer."""
        return self._call.current.state

    @property
    def failed(self) -> MsgfluxError | None:
        """The error that ended the shown answer, or None."""
        return self._call.current.failed

    def response(self) -> ModelResponse:
        """Return the complete answer as a ``ModelResponse``.

        Raises:
            StreamInterruptedError: the stream was cancelled or left early, or the answer is still arriving.
        """
        self._call.current.check_complete()
        return ModelResponse(self._call)

    def cancel(self) -> None:
        """Cancel the answer, from any thread: the connection closes, and a loop over the stream ends quietly."""
        self._abort()
        if self._call.exchange.state == "new":
            self._call.exchange.stop("cancelled")
            self._watchers.end()

    def _leave(self) -> None:
        """Cancel the answer unless it has ended."""
        if self._call.exchange.state in ("new", "running"):
            self.cancel()

    def _begin(self) -> bool:
        """Note that reading begins; return whether this is the first time and nothing was sent."""
        begun, self._begun = self._begun, True
        return not begun and self._call.exchange.state == "new"

    def _stop(self) -> None:
        self._call.current.stop("cancelled" if self._abort.asked else "left")
        self._watchers.end()

    @property
    def _over(self) -> bool:
        return self.state not in ("new", "running")

    def _let_look(self, exchange: Exchange) -> None:
        exchange.watchers = self._watchers if self._watchers else None

    def _next(self, error: MsgfluxError | None) -> Exchange | None:
        """Return the next exchange to show; None when the shown answer has ended."""
        exchange = self._call.step(error)
        if self._call.shown:
            self._silent, exchange = exchange, None
        elif exchange is not None and exchange is self._call.exchange:
            self._let_look(exchange)
        return None if self._abort.asked else exchange


class StreamResponse(Arriving):
    """An answer that arrives piece by piece; nothing is sent before it is read.

    Iterate for text, or call ``consume`` for the whole. Leaving a loop early closes the connection.

    Example::

        with model("Tell me a story", stream=True) as stream:
            for text in stream:
                print(text, end="")
    """

    def __init__(self, call: Call, connect: Callable[[ChatRequest], Any]) -> None:
        super().__init__(call)
        self._connect = connect

    def __iter__(self) -> Iterator[str]:
        for event in self.events():
            if type(event) is TextDelta and event.choice == 0:
                yield event.text

    def events(self) -> Iterator[Event]:
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
                error = yield from (run if shown else _silently(run))
                exchange = self._next(error)
        finally:
            self._stop()

    def partials(self) -> Iterator[Any]:
        """Yield the structure so far: instances whose missing fields are None; the last one is complete.

        Without a ``generation_schema``, yield the text so far. For a large structure some steps are skipped, so that
        building them does not take longer than the answer.

        Raises:
            MsgfluxError: as :meth:`consume`.
        """
        partials = Partials(self._call, time.monotonic)
        for event in self.events():
            yield from partials.after(event)
        yield self.consume()

    def rows(self) -> Iterator[Any]:
        """Yield the items of a list, each as soon as it is complete and valid.

        ``generation_schema`` is ``list[...]``, or a Struct with one field that is a list. A broken item does not end
        the loop: the error is raised at the end of the answer. If the model corrects the item by then, it is yielded
        last instead. ``consume()`` returns the list in its order.

        Raises:
            SchemaError: the answer has no list; nothing was sent.
            MsgfluxError: as :meth:`consume`; its ``rows`` are the items that arrived.
        """
        reader = RowReader(self._call)

        def read() -> Iterator[Any]:
            with reader.kept():
                for event in self.events():
                    yield from reader.after(event)
                yield from reader.rest(self.consume())

        return read()

    def consume(self) -> Any:
        """Read to the end, and return what the same call without ``stream`` returns.

        Raises:
            StreamInterruptedError: the stream was cancelled or left early; ``snapshot`` holds what had arrived.
            MsgfluxError: as :meth:`ModelResponse.consume`.
        """
        self.finish()
        return self._call.value()

    def __enter__(self) -> StreamResponse:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._leave()

    def finish(self) -> None:
        """Run the call to its end without decoding its answer.

        Raises:
            MsgfluxError: the call failed.
        """
        for _ in self.events():
            pass
        while self._silent is not None and not self._abort.asked:
            exchange, self._silent = self._silent, None
            error = _ended(_silently(self._run(exchange)))
            self._silent = self._call.step(error)

    def _run(self, exchange: Exchange) -> Generator[Event, None, MsgfluxError | None]:
        """Run one exchange and yield its events; return the error that it failed with, or None."""
        from .transport import keep_recalled, open_exchange

        recalled = exchange.recall()
        if recalled is not None:
            keep_recalled(exchange)
            yield from recalled
            return None
        request, abort = exchange.request, self._abort
        while True:
            try:
                endpoint = self._connect(request)
                exchange.begin(endpoint.scrub)
                with open_exchange(endpoint, exchange, abort) as chunks:
                    for data in chunks:
                        yield from exchange.feed(data)
                events = exchange.close()
                exchange.written()
                yield from events
                return None
            except MsgfluxError as error:
                if abort.asked:
                    return None
                rest = exchange.finished_anyway()
                if rest is not None:
                    exchange.written()
                    yield from rest
                    return None
                delay = exchange.delay_after(error)
                if delay is None:
                    return exchange.failed
            abort.wait(exchange.waits(delay))
            if abort.asked:
                return None


def _silently(run: Generator[Event, None, MsgfluxError | None]) -> Generator[Event, None, MsgfluxError | None]:
    """Run an exchange to its end without yielding its events."""
    return _ended(run)
    yield  # makes this a generator, so that the caller can ``yield from`` it


def _ended(run: Generator[Any, None, MsgfluxError | None]) -> MsgfluxError | None:
    """Run a generator to its end and return its value."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            error: MsgfluxError | None = end.value
            return error
