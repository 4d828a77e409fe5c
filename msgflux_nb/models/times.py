"""The times of one exchange: its start, its content, and the limit of the next wait; no waiting."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RequestTimeoutError, StalledStreamError
from ..http.limits import Timeout

__all__ = ["Times"]

_AFTERWARDS_SECONDS = 1.0  # the wait for usage or the end of the bytes, once the answer has ended or failed
_SLACK_SECONDS = 0.01


class Times:
    """Keeps times and limits, by a clock.

    Args:
        timeout: the limits.
        stream: whether the answer is streamed; else only the limit of the whole call counts.
        clock: returns seconds from any start, never going back.
    """

    def __init__(self, timeout: Timeout, *, stream: bool, clock: Callable[[], float]) -> None:
        self._timeout, self._stream, self._clock = timeout, stream, clock
        self._began: float | None = None
        self._attempt_began = 0.0
        self._first_content: float | None = None
        self._first_words: float | None = None  # the first content other than reasoning
        self._last_content: float | None = None
        self._over_since: float | None = None  # when [DONE] or an error came
        self._late_since: float | None = None  # when bytes first came after the limit
        self._ended: float | None = None

    def begin(self) -> None:
        """Start an attempt."""
        self._attempt_began = self._clock()
        self._began = self._attempt_began if self._began is None else self._began
        self._last_content = self._over_since = self._late_since = None

    def forget(self) -> None:
        """Forget the attempt: what was read is not the answer."""
        self._began = self._ended = self._first_content = self._first_words = None

    def end(self) -> None:
        """End the exchange."""
        self._ended = self._clock()

    def took(self, seconds: float) -> None:
        """Set how long the exchange took, as measured by somebody else."""
        self._began = None if self._ended is None else self._ended - seconds

    def came(self, *, content: bool, over: bool, words: bool = True) -> bool:
        """Note that bytes came; return whether they came too late.

        Args:
            content: whether they hold a part of the answer.
            over: whether the answer has ended or failed by now.
            words: whether that part is more than reasoning.
        """
        now = self._clock()
        if content:
            self._first_words = now if words and self._first_words is None else self._first_words
            self._last_content = now
            self._first_content = now if self._first_content is None else self._first_content
        if over and self._over_since is None:
            self._over_since = now
        return now > self._limit() and self._is_past(now)

    def remaining(self) -> float:
        """Return how many seconds the next wait may last; ``inf`` for no limit."""
        return self._limit() - self._clock()

    @property
    def is_up(self) -> bool:
        """Whether the limit has passed."""
        return self.remaining() <= _SLACK_SECONDS

    @property
    def seconds_to_first_token(self) -> float | None:
        """Seconds from the first attempt to the first content; None if the answer came whole, or not at all."""
        if self._began is None or self._first_content is None or not self._stream:
            return None
        return self._first_content - self._began

    @property
    def has_words(self) -> bool:
        """Whether content other than reasoning has come."""
        return self._first_words is not None

    @property
    def seconds_of_thought(self) -> float | None:
        """Seconds from the first reasoning to the first other content; None if there was none, or it came whole."""
        if self._first_words is None or self._first_content is None or not self._stream:
            return None
        return self._first_words - self._first_content or None

    @property
    def seconds(self) -> float | None:
        """Seconds from the first attempt to the end, or until now."""
        if self._began is None:
            return None
        return (self._clock() if self._ended is None else self._ended) - self._began

    def limit_error(self) -> RequestTimeoutError:
        """Return the error for the limit that has passed."""
        if self._clock() - self._attempt_began > self._timeout.total - _SLACK_SECONDS:
            return RequestTimeoutError(
                f"the answer took longer than {self._timeout.total:g} s. Raise timeout=, or ask for less."
            )
        seconds = self._timeout.first if self._last_content is None else self._timeout.between
        return StalledStreamError(
            f"the stream stayed open but sent no content for {seconds:g} s. Raise timeout=, or try again."
        )

    def _is_past(self, now: float) -> bool:
        """Whether to enforce a limit that has passed: a whole answer that is here is kept, though it was read late."""
        self._late_since = now if self._late_since is None else self._late_since
        return self._stream or now - self._late_since > _AFTERWARDS_SECONDS

    def _limit(self) -> float:
        """Return the time by which the next content, or the end, has to come."""
        whole = self._attempt_began + self._timeout.total
        if self._over_since is not None:
            return min(whole, self._over_since + _AFTERWARDS_SECONDS)
        if not self._stream:
            return whole
        if self._last_content is None:
            return min(whole, self._attempt_began + self._timeout.first)
        return min(whole, self._last_content + self._timeout.between)
