"""One call from its request to its end: attempts, limits, times and the answer so far.

Everything about a call that needs no waiting, so that the sync and the async driver hold nothing but their waits.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Literal

from ..errors import MsgfluxError, RequestTimeoutError, StalledStreamError, StreamInterruptedError
from ..protocol.accumulate import Accumulator, Snapshot
from ..protocol.events import Event
from ..protocol.failure import Scrub
from ..protocol.profile import Profile
from ..protocol.request import ChatRequest
from .retry import retry_delay
from .transport import Timeout

__all__ = ["Exchange", "State"]

State = Literal["new", "running", "complete", "failed", "left", "cancelled"]


class Exchange:
    """Bookkeeping of one call.

    Attributes:
        request: what is sent.
        profile: to whom.
        timeout: the limits.
        state: where the call stands; ``left`` is a stream that its reader did not read to the end.
        attempts: how many times the request was sent.
    """

    def __init__(
        self,
        request: ChatRequest,
        profile: Profile,
        *,
        timeout: Timeout,
        max_retries: int,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.request = request
        self.profile = profile
        self.timeout = timeout
        self.state: State = "new"
        self.attempts = 0
        self._max_retries = max_retries
        self._clock, self._chance = clock, chance
        self._accumulator = self._fresh(str)
        self._began: float | None = None
        self._attempt_began = 0.0
        self._first_content: float | None = None
        self._last_content: float | None = None
        self._ended: float | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The answer so far."""
        return self._accumulator.snapshot

    @property
    def seconds_to_first_token(self) -> float | None:
        """From the first attempt to the first content; None where the answer came whole, or not at all."""
        if self._began is None or self._first_content is None or not self.request.stream:
            return None
        return self._first_content - self._began

    @property
    def seconds(self) -> float | None:
        """From the first attempt to the end, or until now."""
        if self._began is None:
            return None
        return (self._clock() if self._ended is None else self._ended) - self._began

    def begin(self, scrub: Scrub) -> None:
        """Start an attempt, with an empty answer."""
        self.state = "running"
        self.attempts += 1
        self._attempt_began = self._clock()
        self._began = self._attempt_began if self._began is None else self._began
        self._last_content = None
        self._accumulator = self._fresh(scrub)

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes, return what they say.

        Raises:
            RequestTimeoutError: a limit has passed.
        """
        events = self._accumulator.feed(data)
        now = self._clock()
        if events and self._accumulator.has_content:
            self._last_content = now
            self._first_content = now if self._first_content is None else self._first_content
        self._check_limits(now)
        return events

    def close(self) -> list[Event]:
        """Take the end of the answer, return what it completes.

        Raises:
            MsgfluxError: the answer is not complete, or is an error.
        """
        events = self._accumulator.close()
        self._accumulator.finish()
        self._end("complete")
        return events

    def retry_after(self, error: MsgfluxError) -> float:
        """Return the seconds to wait before the next attempt, or raise ``error`` with all that arrived."""
        delay = retry_delay(
            error,
            attempt=self.attempts,
            max_retries=self._max_retries,
            had_content=self._accumulator.has_content,
            chance=self._chance(),
        )
        if delay is not None:
            return delay
        self._end("failed")
        if type(error) is RequestTimeoutError and self._accumulator.has_content:
            error = StalledStreamError(f"the stream went silent in the middle of the answer: {error}")
        error.attempts = self.attempts
        error.snapshot = self.snapshot
        raise error

    def stop(self, state: Literal["left", "cancelled"]) -> None:
        """Note that the call ends here, if it has not ended yet."""
        if self.state in ("new", "running"):
            self._end(state)

    def finished_anyway(self) -> bool:
        """Whether the answer had its ``[DONE]`` before something went wrong; then it is complete."""
        if not self._accumulator.done or self._accumulator.failure is not None:
            return False
        self._end("complete")
        return True

    def check_complete(self) -> None:
        """Raise what keeps this answer from being used whole.

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

    def _fresh(self, scrub: Scrub) -> Accumulator:
        return Accumulator(prefill=self.request.prefill, echoed=self.request.echoed, scrub=scrub)

    def _end(self, state: State) -> None:
        self.state = state
        self._ended = self._clock()

    def _check_limits(self, now: float) -> None:
        if now - self._attempt_began > self.timeout.total:
            raise RequestTimeoutError(
                f"the answer took longer than {self.timeout.total:g} s. Raise timeout=, or ask for less."
            )
        if not self.request.stream or self._accumulator.done:
            return
        since = self._attempt_began if self._last_content is None else self._last_content
        limit = self.timeout.first if self._last_content is None else self.timeout.between
        if now - since > limit:
            raise StalledStreamError(
                f"the stream stayed open but sent no content for {limit:g} s. Raise timeout=, or try again."
            )
