"""When the next request may begin: limits per minute, and the waits and rate limits that a provider sends; pure.

Every method takes the time as an argument, so that a test can set it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ..protocol.allowance import Allowance

__all__ = ["CHANCE", "Pace"]

CHANCE = random.SystemRandom().random
"""Draws a number from 0 to 1; the random numbers of a notebook stay as they are."""

_SPREAD = 0.5  # after a pause, requests begin spread over this part of its length
_BURST_SECONDS = 5.0  # tokens of this many seconds may be used at once
_LONGEST_ALLOWANCE_SECONDS = 60.0  # then one request is tried, since daily limits are often refilled gradually
_NEVER = float("-inf")


class WindowBudget:
    """A provider's limit for one window of time, in requests or tokens, as its latest answer reported it.

    Attributes:
        begun: the total amount that has begun.
    """

    def __init__(self) -> None:
        self.begun = 0.0
        self._end = float("inf")  # begun may rise to this
        self._until = float("inf")
        self._told = _NEVER
        self._most = 0.0  # the highest amount that was ever left
        self._begun_at_restart: float | None = None  # begun when the window restarted; None once an answer reports

    def set(self, left: float, before: float, until: float) -> None:
        """Note the reported rest; it does not count requests that began after the one whose answer reports it."""
        if before >= self._told:
            self._told, self._end, self._until = before, before + left, until
            self._most, self._begun_at_restart = max(self._most, left), None

    def ended(self, before: float) -> None:
        """Note the end of a request; if no answer has reported since the restart, drop the limit."""
        if self._begun_at_restart is not None and before > self._begun_at_restart:
            self._begun_at_restart, self._end, self._until = None, float("inf"), float("inf")

    def wait_until(self, now: float, amount: float) -> float:
        """Return the time until which this amount has to wait."""
        if now >= self._until:  # the window restarted: assume the highest rest until an answer reports
            self._begun_at_restart, self._end = self.begun, self.begun + max(self._most, amount)
            self._until = now + _LONGEST_ALLOWANCE_SECONDS
        return self._until if self.begun + amount > self._end else _NEVER


class Pace:
    """Says when the next request may begin.

    Args:
        chance: returns a number from 0 to 1, so that the waits of many clients differ.
    """

    def __init__(self, *, chance: Callable[[], float] = CHANCE) -> None:
        self._chance = chance
        self._next_turn = _NEVER  # the earliest begin of the next request, after a pause
        self._gap_seconds = 0.0
        self._gaps_until = _NEVER
        self._request_seconds = self._token_seconds = 0.0
        self._next_request = self._next_token = _NEVER
        self._requests, self._tokens = WindowBudget(), WindowBudget()

    def limit(self, rpm: float | None, tpm: float | None) -> None:
        """Limit the requests and the tokens per minute; None for no limit."""
        self._request_seconds = 60 / rpm if rpm else 0.0
        self._token_seconds = 60 / tpm if tpm else 0.0

    def wait(self, now: float, tokens: float) -> float:
        """Return the seconds until a request of some tokens may begin; 0 or less if it may now."""
        turn = max(self._next_turn, self._requests.wait_until(now, 1), self._tokens.wait_until(now, max(1.0, tokens)))
        if self._request_seconds:
            turn = max(turn, self._next_request)
        if self._token_seconds:
            turn = max(turn, self._next_token)
        return turn - now

    def begin(self, now: float, tokens: float) -> tuple[float, float]:
        """Count a request that begins; return the requests and tokens begun so far, this one included."""
        self._requests.begun += 1
        self._tokens.begun += tokens
        if now < self._gaps_until:
            self._next_turn = now + self._gap()
        if self._request_seconds:
            self._next_request = max(now, self._next_request) + self._request_seconds
        if self._token_seconds:
            self._next_token = max(now - _BURST_SECONDS, self._next_token) + tokens * self._token_seconds
        return self._requests.begun, self._tokens.begun

    def ended(self, before: tuple[float, float]) -> None:
        """Note the end of a request, after ``heed`` of its answer."""
        self._requests.ended(before[0])
        self._tokens.ended(before[1])

    def settle(self, reckoned: float, used: float) -> None:
        """Replace the estimated tokens of a request by those that it used."""
        if self._token_seconds:
            self._next_token += (used - reckoned) * self._token_seconds

    def heed(self, now: float, before: tuple[float, float], allowance: Allowance) -> None:
        """Note the rate limits in an answer; ``before`` is what ``begin`` returned for its request."""
        requests, tokens = allowance.requests, allowance.tokens
        if requests is not None:
            until = now + min(allowance.requests_seconds, _LONGEST_ALLOWANCE_SECONDS)
            self._requests.set(requests, before[0], until)
        if tokens is not None:
            until = now + min(allowance.tokens_seconds, _LONGEST_ALLOWANCE_SECONDS)
            self._tokens.set(tokens, before[1], until)

    def pause(self, now: float, seconds: float, at_once: float) -> None:
        """Let nothing begin for some seconds, then one request after the other; never shorten a pause.

        Args:
            now: the time.
            seconds: the length of the pause.
            at_once: the number of requests that wait for its end.
        """
        until = now + seconds
        if until <= self._next_turn:
            return
        self.spread(until, seconds * _SPREAD, at_once)

    def spread(self, begin: float, seconds: float, at_once: float) -> None:
        """Spread the begins of requests from a time on over some seconds."""
        self._gap_seconds = seconds / max(1, int(at_once))
        self._gaps_until = begin + seconds
        self._next_turn = begin + self._gap()

    def _gap(self) -> float:
        return 2 * self._chance() * self._gap_seconds
