"""One request from its first attempt to its end: attempts, times, and the answer so far.

All of an exchange that needs no waiting is here, so that the sync and the async driver only wait.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Literal, Protocol

from ..errors import MsgfluxError, RequestTimeoutError, StoreError, StreamInterruptedError
from ..http.limits import Timeout
from ..http.log import log_retry
from ..protocol.accumulate import Accumulator
from ..protocol.allowance import Allowance, allowance_of
from ..protocol.events import AudioDelta, Event, ImageDelta, RefusalDelta, TextDelta, ToolCallDelta, Usage, Watchers
from ..protocol.failure import Scrub
from ..protocol.plain import PlainAnswer, plain_answer
from ..protocol.profile import Profile, Wire
from ..protocol.request import ChatRequest
from ..protocol.snapshot import Snapshot
from ..protocol.tool_calls import ToolCallAggregator
from ..protocol.wire import reader_of
from .recording_context import RecordingContext, Replayed
from .retry import retry_delay
from .scrubbed import Masked, describe, texts_of, without_keys
from .times import Times

__all__ = ["Entry", "Exchange", "State"]

_WORDS = (TextDelta, RefusalDelta, ToolCallDelta, AudioDelta, ImageDelta)  # content other than reasoning

State = Literal["new", "running", "complete", "failed", "left", "cancelled"]


def _evenly() -> float:
    return 0.5


def _random() -> float:
    import random

    return random.SystemRandom().random()  # the generator of the user's own numbers stays as it is


def _not_recalled(error: MsgfluxError) -> list[Event] | None:
    warnings.warn(f"the answer in the cache cannot be used: {error}", RuntimeWarning, stacklevel=3)
    return None


def _not_kept(error: MsgfluxError) -> None:  # the answer was paid for: do not lose it
    warnings.warn(f"the answer was not kept in the cache: {error}", RuntimeWarning, stacklevel=3)


class Entry(Protocol):
    """The place of one request in a cache of answers."""

    def get(self) -> bytes | None:
        """Return the bytes of its answer, or None."""

    async def aget(self) -> bytes | None:
        """As ``get``, for a running event loop."""

    def put(self, data: bytes, *, texts: bytes) -> None:
        """Queue the bytes of its complete answer; ``texts`` are the answer's texts, each in one piece."""

    def written(self) -> None:
        """Wait until the answer is written."""

    async def awritten(self) -> None:
        """As ``written``, for a running event loop."""


class Exchange:
    """The state of one request.

    Args:
        request: the request.
        profile: the provider's row.
        timeout: the limits of time.
        max_retries: how many more times it may be sent.
        entry: its place in a cache of answers.
        keep: whether to keep the bytes in ``received``.
        clock: returns seconds from any start, never going back.
        chance: returns a number from 0 to 1, so that the waits of many clients differ.
        recording: how it is recorded or replayed; None if neither.

    Attributes:
        state: ``left`` means that the reader left the stream before its end.
        attempts: how many times the request was sent.
        failed: the error that ended it, with all that had arrived; None unless it failed.
        cached: whether its answer was taken from the cache.
        allowance: the provider's rate limits, read only with ``keep``; None if it sent none.
        times: when its parts came.
        watchers: told of each event on the reading thread; None without watchers.
        replayed: where its answer was recorded; None for one that came over the network.
        recorded_cost: what the answer cost when it was recorded.
        notes: sentences for the reader, if another model answers in place of the one asked.
        recalled: the bytes that came from the cache.
        plain: a whole answer that is only a text; ``snapshot`` holds it too, read on demand.
    """

    def __init__(
        self,
        request: ChatRequest,
        profile: Profile,
        *,
        timeout: Timeout,
        max_retries: int,
        entry: Entry | None = None,
        keep: bool = False,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] | None = None,
        recording: RecordingContext | None = None,
    ) -> None:
        if recording is not None and recording.player is not None:
            clock, chance = recording.clock, _evenly
        self.recording = recording
        self.replayed: Replayed | None = None
        self.recorded_cost: float | None = None
        self.notes: tuple[str, ...] = ()
        self.recalled = b""
        self.plain: PlainAnswer | None = None
        self.request = request
        self.profile = profile
        self.timeout = timeout
        self.state: State = "new"
        self.attempts = 0
        self.failed: MsgfluxError | None = None
        self.cached = False
        self.allowance: Allowance | None = None
        self.watchers: Watchers[Event] | None = None
        self._max_retries = max_retries
        self._entry = entry
        self.scrub: Scrub = str
        self._masked = Masked(str)
        self._keeps = keep
        self._received: list[bytes] = []
        self.times = Times(timeout, stream=request.stream, clock=clock)
        self._chance = chance or _random
        self._paused: Accumulator | None = None  # the paused answer that this one continues
        self._reading: Accumulator | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The answer so far, without the endpoint's keys in its fields."""
        return self._masked.snapshot(self._accumulator.snapshot)

    @property
    def usage(self) -> Usage | None:
        """The tokens that were billed; None until the provider says, or if it does not."""
        return self._masked.usage(self._accumulator.snapshot.usage if self.plain is None else self.plain.usage)

    @property
    def answered(self) -> str | None:
        """The model that answered, as the provider calls it."""
        return self._accumulator.snapshot.model if self.plain is None else self.plain.model

    @property
    def has_answer(self) -> bool:
        """Whether at least a part of an answer has come, since a provider bills that."""
        if self.state == "complete" or self._accumulator.has_content:
            return True
        return self._accumulator.snapshot.usage is not None

    @property
    def is_empty(self) -> bool:
        """Whether it is complete but holds no choice, as a server sends in a bad moment; it may be sent again."""
        accumulator = self._accumulator
        first = accumulator.snapshot.choices[0]
        return self.state == "complete" and not accumulator.has_content and first.finish_reason in (None, "unknown")

    @property
    def is_paused(self) -> bool:
        """Whether the provider has paused and wants the answer sent back (Anthropic, after many own tool calls)."""
        if self.plain is not None or not any(name in self.request.body for name in (b'"tools":', b'"mcp_servers":')):
            return False
        return self.state == "complete" and self._accumulator.snapshot.raw_finish_reason == "pause_turn"

    def go_on_with(self, before: Exchange) -> None:
        """Continue the answer of an exchange that has paused."""
        self._paused = before._accumulator
        self._reading = None

    @property
    def tool_calls(self) -> ToolCallAggregator:
        """The tool calls so far."""
        return self._accumulator.tool_calls

    @property
    def received(self) -> bytes | None:
        """The bytes of the answer as received, if they are kept; else None."""
        if len(self._received) > 1:
            self._received = [b"".join(self._received)]  # a large answer is not held twice
        return self._received[0] if self._received else None

    @property
    def wire(self) -> Wire:
        """The wire of the answer: that of the request, except at gateways."""
        return "chat" if self.plain is None and self._accumulator.is_chat else self.request.wire

    @property
    def prefill_found(self) -> bool | None:
        """Whether the answer began with the prefill.

        None if neither the server repeats it nor an instruction asked for it, and until it is known.
        """
        return self._accumulator.prefill_found

    @property
    def seconds(self) -> float | None:
        """Seconds from the first attempt to the end, or until now."""
        return self.times.seconds

    def take_whole(self, body: bytes, seconds: float, scrub: Scrub) -> bool:
        """Read a body as a whole answer; return False and change nothing if it is not one.

        Args:
            body: all of its bytes.
            seconds: how long it took.
            scrub: removes the endpoint's keys from a text.
        """
        self.scrub, self._masked = scrub, Masked(scrub)
        self.plain = plain_answer(body, self.request, self.profile)
        if self.plain is not None:
            self._received = [body]
            self._end("complete")
        elif not self._holds_answer(body):
            return False
        self.attempts += 1
        self.times.took(seconds)
        return True

    def _holds_answer(self, body: bytes) -> bool:
        """Read a body that is not plain; forget it if it is an error, incomplete or empty: the driver reports that."""
        self._restart(self.scrub)
        try:
            self.feed(body)
            self.close()
            if not self.is_empty:
                return True
        except MsgfluxError:
            pass
        self.state, self._reading = "new", None
        self.times.forget()
        return False

    def begin(self, scrub: Scrub) -> None:
        """Start an attempt, with an empty answer."""
        self.attempts += 1
        self._restart(scrub)

    def hear(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Read the rate limits from the headers of an answer."""
        if self._keeps:  # only a batch needs them
            self.allowance = allowance_of(headers, now=time.time())

    def recall(self) -> list[Event] | None:
        """Take the answer from the cache and return its events; None if the cache has none that can be used."""
        try:
            data = None if self._entry is None else self._entry.get()
        except MsgfluxError as error:
            return _not_recalled(error)
        return None if data is None else self._recalled(data)

    async def arecall(self) -> list[Event] | None:
        """As :meth:`recall`, for a running event loop, which it does not block."""
        try:
            data = None if self._entry is None else await self._entry.aget()
        except MsgfluxError as error:
            return _not_recalled(error)
        return None if data is None else self._recalled(data)

    def _recalled(self, data: bytes) -> list[Event] | None:
        entry = self._entry
        self._restart(str)
        self._entry, self.cached, self.recalled = None, True, data
        try:
            events = self.feed(data)
            return events + self.close()
        except MsgfluxError as error:  # ask the model instead
            self._entry, self.cached, self.state = entry, False, "new"
            self.times.forget()
            self._reading = None
            return _not_recalled(error)

    def written(self) -> None:
        """Wait until the answer is in its cache; warn if it cannot be written."""
        if self._entry is not None:
            try:
                self._entry.written()
            except StoreError as error:
                _not_kept(error)

    async def awritten(self) -> None:
        """As :meth:`written`, for a running event loop, which it does not block."""
        if self._entry is not None:
            try:
                await self._entry.awritten()
            except StoreError as error:
                _not_kept(error)

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes and return their events.

        Raises:
            RequestTimeoutError: a limit has passed.
        """
        accumulator = self._accumulator
        events = accumulator.feed(data)
        if self.watchers is not None:
            for event in events:
                self.watchers.tell(event)
        if self._keeps or self._entry is not None:
            self._received.append(data)
        content = bool(events) and accumulator.has_content
        words = content and not self.times.has_words and any(isinstance(event, _WORDS) for event in events)
        if self.times.came(content=content, over=accumulator.done or accumulator.failure is not None, words=words):
            raise self.times.limit_error()
        return events

    def close(self) -> list[Event]:
        """Handle the end of the answer, and return the events that it completes.

        Raises:
            MsgfluxError: the answer is not complete, or is an error.
        """
        events = self._accumulator.close()
        if self.watchers is not None:
            for event in events:
                self.watchers.tell(event)
        self._accumulator.finish()
        self._end("complete")
        if self._entry is not None:
            self._keep(self._entry)
        return events

    def remaining(self) -> float:
        """Return how many seconds the next wait may last; ``inf`` for no limit."""
        return self.times.remaining()

    def reason(self, error: MsgfluxError) -> MsgfluxError:
        """Return the cause of a failed attempt: the server's own error or the limit that has passed, else ``error``."""
        said = self._accumulator.failure
        if said is not None and isinstance(error, RequestTimeoutError | StreamInterruptedError):
            return said  # the server said why it stopped
        if isinstance(error, RequestTimeoutError) and self.times.is_up:
            return self.times.limit_error()
        return error

    def delay_after(self, error: MsgfluxError) -> float | None:
        """Return the seconds until the next attempt; None if there is none, and ``failed`` then holds the error."""
        error = self.reason(error)
        delay = retry_delay(
            error,
            attempt=self.attempts,
            max_retries=self._max_retries,
            had_content=self._accumulator.has_content,
            chance=self._chance(),
        )
        if delay is None:
            self._end("failed")
            describe(error, without_keys(self.snapshot, self.scrub), self.attempts, self.scrub)
            # A verbose traceback prints the variables of every frame, and the driver's frames hold the answer's bytes
            # and the request's headers. So the traceback starts at the caller.
            self.failed = error.with_traceback(None)
        else:
            log_retry(self.profile.provider, error, delay, self.attempts)
        return delay

    def waits(self, delay: float) -> float:
        """Return the seconds to really wait; a replay has its own speed."""
        return delay if self.recording is None else self.recording.waits(delay)

    def stop(self, state: Literal["left", "cancelled"]) -> None:
        """End the exchange, unless it has ended."""
        if self.state in ("new", "running"):
            self._end(state)

    def finished_anyway(self) -> list[Event] | None:
        """Complete an answer whose ``[DONE]`` came before something went wrong; return None if it had not come."""
        if not self._accumulator.done or self._accumulator.failure is not None:
            return None
        try:
            return self.close()
        except MsgfluxError:
            return None

    def check_complete(self) -> None:
        """Raise an error unless the answer is complete.

        Raises:
            StreamInterruptedError: it was cancelled or not read to the end.
        """
        if self.state == "complete":
            return
        why = {
            "cancelled": "the stream was cancelled",
            "failed": "the call failed",
            "left": "the stream was left before its end, which closed its connection",
        }.get(self.state, "the answer is still arriving")
        raise StreamInterruptedError(
            f"{why}; what arrived is in .snapshot. Call the model again for a whole answer.",
            snapshot=self.snapshot,
            attempts=self.attempts,
        )

    def _keep(self, entry: Entry) -> None:
        try:
            entry.put(self.received or b"", texts=texts_of(self._accumulator.snapshot))
        except StoreError as error:
            _not_kept(error)

    def _restart(self, scrub: Scrub) -> None:
        self.state = "running"
        self.times.begin()
        self._received, self._reading = [], None
        self.scrub, self._masked = scrub, Masked(scrub)

    @property
    def _accumulator(self) -> Accumulator:
        """The accumulator of the answer; a plain answer is fed to it when more than its text is wanted."""
        reading = self._reading
        if reading is None:
            self._reading = reading = self._fresh(self.scrub)
            if self.plain is not None:
                reading.feed(self.received or b"")
                reading.close()
                reading.finish()
        return reading

    def _fresh(self, scrub: Scrub) -> Accumulator:
        if self._paused is not None:
            return self._paused.continued(reader_of(self.request.wire, continues=True), scrub)
        return Accumulator(
            prefill=self.request.prefill,
            echoed=bool(self.request.echoed),
            needs_end=self.profile.stream_ends,
            audio_format=self.request.audio_format,
            thoughts_in_total=self.profile.thoughts_in_total,
            marks=self.profile.marks_on(self.request.wire),
            scrub=scrub,
            reader=reader_of(self.request.wire),
        )

    def _end(self, state: State) -> None:
        self.state = state
        self.times.end()
