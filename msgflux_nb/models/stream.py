"""The driver of calls without ``await``: it opens, reads, waits before a retry and closes.

The other driver is ``async_response``. Every line that does not wait is in ``exchange``, ``call`` or
``answer``.
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
    """An answer that is still to come."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._abort = Abort()
        self._begun = False
        self._silent: Exchange | None = None  # what is still to be done once the shown answer has ended
        self._watchers: Watchers[Event] = Watchers()

    def watch(self, watcher: Callable[[Event | None], object]) -> None:
        """Look on while somebody else reads: this reads nothing.

        Args:
            watcher: told each event that arrives from now on, and None once when the shown answer has ended, however it
                did; at once if it has already. It is called on the thread that reads, and must not raise.
        """
        self._watchers.join(watcher)
        if self._over:
            self._watchers.end()
        else:
            self._let_look(self._call.exchange)

    @property
    def state(self) -> State:
        """The state of the answer that is shown."""
        return self._call.current.state

    @property
    def failed(self) -> MsgfluxError | None:
        """The error that has ended it, or None."""
        return self._call.current.failed

    def response(self) -> ModelResponse:
        """Return the answer as a whole one, once it is complete.

        Raises:
            StreamInterruptedError: it was cancelled or left, or still arrives.
        """
        self._call.current.check_complete()
        return ModelResponse(self._call)

    def cancel(self) -> None:
        """End the answer now, from any thread: the connection closes, and a loop that reads it ends quietly."""
        self._abort()
        if self._call.exchange.state == "new":
            self._call.exchange.stop("cancelled")
            self._watchers.end()

    def _leave(self) -> None:
        """End the answer unless it has ended."""
        if self._call.exchange.state in ("new", "running"):
            self.cancel()

    def _begin(self) -> bool:
        """Whether nobody has read it yet."""
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
        """The exchange that is shown next; None when the shown answer has ended."""
        exchange = self._call.step(error)
        if self._call.shown:
            self._silent, exchange = exchange, None
        elif exchange is not None and exchange is self._call.exchange:
            self._let_look(exchange)
        return None if self._abort.asked else exchange


class StreamResponse(Arriving):
    """An answer that arrives; nothing is sent before it is read.

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
        """Yield the structure as far as it has come: instances whose missing fields are None, the last one whole.

        Without a ``generation_schema``, the text so far. Where a structure is large, some of the steps are left out, so
        that building them does not take longer than the answer.

        Raises:
            MsgfluxError: as :meth:`consume`.
        """
        partials = Partials(self._call, time.monotonic)
        for event in self.events():
            yield from partials.after(event)
        yield self.consume()

    def rows(self) -> Iterator[Any]:
        """Yield the items of a list, each as soon as it is complete and valid.

        ``generation_schema`` is ``list[...]``, or a Struct with one field that is a list. An item that is broken does
        not end the loop: the others are yielded, and the error comes when the answer has ended, unless the model has
        corrected it by then; the corrected item is yielded last. ``consume()`` has the list in its order.

        Raises:
            SchemaError: the answer has no list; nothing was sent.
            MsgfluxError: as :meth:`consume`; its ``rows`` are the items that came.
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
        """Run the call to its end; what it means is decoded later.

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
        """Run one exchange; return the error that it failed with, or None."""
        from .taped import keep_recalled, open_exchange

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
                yield from exchange.close()
                return None
            except MsgfluxError as error:
                if abort.asked:
                    return None
                rest = exchange.finished_anyway()
                if rest is not None:
                    yield from rest
                    return None
                delay = exchange.delay_after(error)
                if delay is None:
                    return exchange.failed
            abort.wait(exchange.waits(delay))
            if abort.asked:
                return None


def _silently(run: Generator[Event, None, MsgfluxError | None]) -> Generator[Event, None, MsgfluxError | None]:
    """Run to the end without yielding anything."""
    return _ended(run)
    yield  # makes this a generator, as what is shown is one


def _ended(run: Generator[Any, None, MsgfluxError | None]) -> MsgfluxError | None:
    """Run to the end, and return what it returns."""
    while True:
        try:
            next(run)
        except StopIteration as end:
            error: MsgfluxError | None = end.value
            return error
