"""When the next request may begin: limits per minute, waits that a provider asks for, budgets that it reports; pure.

Every method takes the time, so that a test can move it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ..protocol.allowance import Allowance

__all__ = ["Pace"]

_SPREAD = 0.5  # the part of a wait over which requests come back afterwards
_BURST_SECONDS = 5.0  # how many seconds' worth of the tokens a minute may be used at once
_LONGEST_ALLOWANCE_SECONDS = 60.0  # then one request tries it: a limit per day often comes back bit by bit
_NEVER = float("-inf")


class WindowBudget:
    """How much of one thing may begin before the provider's count restarts, by the latest request that it spoke of.

    Attributes:
        begun: how much has begun in all.
    """

    def __init__(self) -> None:
        self.begun = 0.0
        self._end = float("inf")  # of what may have begun
        self._until = float("inf")
        self._told = _NEVER
        self._most = 0.0  # that was ever left
        self._anew: float | None = None  # what had begun when the count restarted, if no answer has said more since

    def set(self, left: float, before: float, until: float) -> None:
        """Take what is left. The provider has not counted requests that began after the one whose answer says so."""
        if before >= self._told:
            self._told, self._end, self._until = before, before + left, until
            self._most, self._anew = max(self._most, left), None

    def ended(self, before: float) -> None:
        """Take the end of a request; where its answer said nothing, there is nothing to go by any more."""
        if self._anew is not None and before > self._anew:
            self._anew, self._end, self._until = None, float("inf"), float("inf")

    def wait_until(self, now: float, amount: float) -> float:
        """Return until when this amount has to wait."""
        if now >= self._until:  # the count restarted: assume the most ever left, until an answer tells
            self._anew, self._end = self.begun, self.begun + max(self._most, amount)
            self._until = now + _LONGEST_ALLOWANCE_SECONDS
        return self._until if self.begun + amount > self._end else _NEVER


class Pace:
    """Says when.

    Args:
        chance: gives a number from 0 to 1, so that clients do not move in step.
    """

    def __init__(self, *, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._next_turn = _NEVER  # after a pause, one after the other
        self._gap_seconds = 0.0
        self._gaps_until = _NEVER
        self._request_seconds = self._token_seconds = 0.0
        self._next_request = self._next_token = _NEVER
        self._requests, self._tokens = WindowBudget(), WindowBudget()

    def limit(self, rpm: float | None, tpm: float | None) -> None:
        """Set how many requests and how many tokens may begin in a minute; None for no limit."""
        self._request_seconds = 60 / rpm if rpm else 0.0
        self._token_seconds = 60 / tpm if tpm else 0.0

    def wait(self, now: float, tokens: float) -> float:
        """Return the seconds for which a request of so many tokens may not begin; 0 or less where it may."""
        turn = max(self._next_turn, self._requests.wait_until(now, 1), self._tokens.wait_until(now, max(1.0, tokens)))
        if self._request_seconds:
            turn = max(turn, self._next_request)
        if self._token_seconds:
            turn = max(turn, self._next_token)
        return turn - now

    def begin(self, now: float, tokens: float) -> tuple[float, float]:
        """Count a request that begins; return how many requests and tokens have begun, this one included."""
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
        """Take the end of a request, after what its answer said is left."""
        self._requests.ended(before[0])
        self._tokens.ended(before[1])

    def settle(self, reckoned: float, used: float) -> None:
        """Replace the tokens that a request was reckoned to use by those that it used."""
        if self._token_seconds:
            self._next_token += (used - reckoned) * self._token_seconds

    def heed(self, now: float, before: tuple[float, float], allowance: Allowance) -> None:
        """Take what the provider says is left; ``before`` is what ``begin`` returned for the request it answered."""
        requests, tokens = allowance.requests, allowance.tokens
        if requests is not None:
            until = now + min(allowance.requests_seconds, _LONGEST_ALLOWANCE_SECONDS)
            self._requests.set(requests, before[0], until)
        if tokens is not None:
            until = now + min(allowance.tokens_seconds, _LONGEST_ALLOWANCE_SECONDS)
            self._tokens.set(tokens, before[1], until)

    def pause(self, now: float, seconds: float, at_once: float) -> None:
        """Let nothing begin for a while, and then one after the other; a longer pause under way is not shortened.

        Args:
            now: the time.
            seconds: how long.
            at_once: how many requests will want to begin afterwards.
        """
        until = now + seconds
        if until <= self._next_turn:
            return
        self.spread(until, seconds * _SPREAD, at_once)

    def spread(self, begin: float, seconds: float, at_once: float) -> None:
        """Let what wants to begin from a time on do so one after the other, over so many seconds."""
        self._gap_seconds = seconds / max(1, int(at_once))
        self._gaps_until = begin + seconds
        self._next_turn = begin + self._gap()

    def _gap(self) -> float:
        return 2 * self._chance() * self._gap_seconds
