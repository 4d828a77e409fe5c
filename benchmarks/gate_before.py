"""The old gate, up to commit 21be8ea, which halved the limit at each refusal; ``gate.py`` compares with it."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgflux_nb.protocol.allowance import Allowance

__all__ = ["Gate"]

_GROWTH = 0.5  # growth per success below the ceiling: half as many again in one round of answers
_PROBE = 20  # successes at the ceiling before one more is tried, so that at most one request in 20 is refused for that
_PATIENCE = 8  # the largest factor of _PROBE, after repeated failed tries
_ROUND = 32  # the least number of answers in a round, since answer times of models vary much
_SLOWER = 3.0  # the factor of the shortest median time from which on more requests only wait longer
_SPREAD = 0.5  # the share of a requested wait over which calls are spread afterwards
_BURST_SECONDS = 5.0  # the seconds of the token limit that may be used at once
_LONGEST_ALLOWANCE_SECONDS = 60.0  # a request is tried after this time, since a daily limit is restored gradually
_LONGEST_BACKOFF_SECONDS = 30.0  # the longest pause if everything is refused without a requested wait
_NEVER = float("-inf")


class Ticket:
    """One call in flight.

    Attributes:
        tokens: the estimated tokens of the call.
        before: the numbers of calls and of tokens that had begun before it.
    """

    __slots__ = ("before", "began", "epoch", "tokens")

    def __init__(self, epoch: int, tokens: float, began: float, before: tuple[float, float]) -> None:
        self.epoch = epoch
        self.tokens = tokens
        self.began = began
        self.before = before


class Budget:
    """How many requests or tokens may still begin before the provider's limit is reset, by its latest headers.

    Attributes:
        begun: the total that has begun.
    """

    def __init__(self) -> None:
        self.begun = 0.0
        self._end = float("inf")  # the total that may have begun
        self._until = _NEVER
        self._told = _NEVER

    def set(self, left: float, before: float, until: float) -> None:
        """Set the remaining amount; the provider has not counted what began after the call that reports it."""
        if before >= self._told:
            self._told, self._end, self._until = before, before + left, until

    def wait_until(self, amount: float) -> float:
        """Return the time until which this amount has to wait."""
        return self._until if self.begun + amount > self._end else _NEVER


class Gate:
    """Limits the number of concurrent calls.

    Args:
        start: the number of concurrent calls to begin with.
        most: the maximum number of concurrent calls.
        clock: returns the seconds of the event loop.
        chance: returns a random number from 0 to 1, so that waits differ.

    Attributes:
        limit: the present limit; its whole part counts.
        under_way: the number of calls in flight.
        congestions: how often the limit was halved.
    """

    def __init__(
        self,
        *,
        start: int = 8,
        most: int = 256,
        clock: Callable[[], float] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.most = most
        self.limit = float(min(start, most))
        self.under_way = 0
        self.congestions = 0
        self._ceiling = float("inf")
        self._credit = 0
        self._patience = 1
        self._probing = False
        self._epoch = 0
        self._in_vain = 0  # successive halvings without an answer
        self._seconds: list[float] = []
        self._quickest = float("inf")
        self._roomy = True
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._chance = chance
        self._waiting: deque[tuple[asyncio.Future[Ticket], float]] = deque()
        self._next_turn = _NEVER  # after a pause, calls begin one by one
        self._gap_seconds = 0.0
        self._gaps_until = _NEVER
        self._request_seconds = self._token_seconds = 0.0
        self._next_request = self._next_token = _NEVER
        self._requests, self._tokens = Budget(), Budget()
        self._timer: asyncio.TimerHandle | None = None

    def meet(self, *, start: int, most: int, rpm: float | None, tpm: float | None) -> None:
        """Apply the limits of the latest batch to all batches; what was learnt of the server stays.

        Args:
            start: the number of concurrent calls to begin with, if nothing was learnt yet.
            most: the maximum number of concurrent calls.
            rpm: the maximum number of requests per minute.
            tpm: the maximum number of tokens per minute.
        """
        self.most = most
        self.limit = float(min(self.limit if self.congestions else max(self.limit, start), most))
        self.pace(rpm, tpm)

    @contextmanager
    def held(self, **limits: Any) -> Iterator[None]:
        """Apply limits to a ``with`` block, as batches now ask for it; the old gate kept them afterwards."""
        self.meet(**limits)
        yield

    def pace(self, rpm: float | None, tpm: float | None) -> None:
        """Set the numbers of requests and tokens that may begin in a minute; None for no limit."""
        self._request_seconds = 60 / rpm if rpm else 0.0
        self._token_seconds = 60 / tpm if tpm else 0.0

    async def enter(self, tokens: float = 0, *, again: bool = False) -> Ticket:
        """Wait until a call may begin.

        Args:
            tokens: the estimated tokens of the call.
        """
        if not self._waiting and self.under_way < int(self.limit) and self._wait_seconds(tokens) <= 0:
            return self._admit(tokens)
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, tokens))
        self._wake()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.under_way -= 1
                self._wake()
            raise

    def leave(self, ticket: Ticket, *, used: float | None = None) -> None:
        """Record the end of a call that says nothing about the capacity of the server.

        Args:
            ticket: the ticket of the call.
            used: the tokens that the server reports, if any.
        """
        self.under_way -= 1
        if used is not None and self._token_seconds:
            self._next_token += (used - ticket.tokens) * self._token_seconds
        self._wake()

    def succeed(self, ticket: Ticket, *, used: float | None = None) -> None:
        """Record an answered call: the limit may grow."""
        if ticket.epoch == self._epoch:  # an answer to a request from before the refusal says nothing new
            self._in_vain = 0
        self._measure(self._clock() - ticket.began)
        if self.under_way >= int(self.limit) and self._roomy:  # else the limit is not the bottleneck
            self._grow()
        self.leave(ticket, used=used)

    def congest(self, ticket: Ticket, *, retry_after: float | None = None) -> None:
        """Record a refusal; refusals of calls that began before it was known count as one event."""
        if ticket.epoch == self._epoch:
            self._epoch += 1
            self.congestions += 1
            self._patience = min(2 * self._patience, _PATIENCE) if self._probing else 1
            self._probing = False
            self._credit = 0
            if not self._in_vain:
                known = 0.0 if self._ceiling == float("inf") else self._ceiling / 2
                self._ceiling = max(1.0, int(self.limit) - 1, known)
            self.limit = max(1.0, self.limit / 2)
            if self._in_vain:  # no answer since the last halving, so nothing was learnt of the capacity
                self.pause(min(0.5 * 2**self._in_vain, _LONGEST_BACKOFF_SECONDS) * (1 - 0.5 * self._chance()))
            self._in_vain += 1
        if retry_after is not None:
            self.pause(retry_after)
        self.leave(ticket, used=0)

    def heed(self, ticket: Ticket, allowance: Allowance) -> None:
        """Apply the remaining limits that a server reports with an answer; call this before the end of the call."""
        now, requests, tokens = self._clock(), allowance.requests, allowance.tokens
        if requests is not None:
            until = now + min(allowance.requests_seconds, _LONGEST_ALLOWANCE_SECONDS)
            self._requests.set(requests, ticket.before[0], until)
        if tokens is not None:
            until = now + min(allowance.tokens_seconds, _LONGEST_ALLOWANCE_SECONDS)
            self._tokens.set(tokens, ticket.before[1], until)

    def pause(self, seconds: float) -> None:
        """Let no call begin for some time, then one by one; a longer present pause is not shortened."""
        until = self._clock() + seconds
        if until <= self._next_turn:
            return
        self._gap_seconds = seconds * _SPREAD / max(1, int(self.limit))
        self._gaps_until = until + seconds * _SPREAD
        self._next_turn = until + self._gap()

    def _measure(self, seconds: float) -> None:
        """Measure in each round whether answers take longer than with fewer concurrent calls."""
        self._seconds.append(seconds)
        if len(self._seconds) >= max(_ROUND, self.limit):
            usual = statistics.median(self._seconds)
            self._quickest = min(self._quickest, usual)
            self._roomy = usual <= _SLOWER * self._quickest
            self._seconds.clear()

    def _gap(self) -> float:
        return 2 * self._chance() * self._gap_seconds

    def _grow(self) -> None:
        if self.limit < self._ceiling:
            self.limit = min(self.limit + _GROWTH, self._ceiling, self.most)
            return
        self._credit += 1
        if self._credit >= max(_PROBE, self.limit) * self._patience:
            self._credit, self._probing = 0, True
            self.limit = self._ceiling = min(self.limit + 1, self.most)
        elif self._probing and self._credit >= self.limit:  # the server has taken one more for a whole round
            self._probing, self._patience = False, 1

    def _admit(self, tokens: float) -> Ticket:
        now = self._clock()
        self.under_way += 1
        self._requests.begun += 1
        self._tokens.begun += tokens
        if now < self._gaps_until:
            self._next_turn = now + self._gap()
        if self._request_seconds:
            self._next_request = max(now, self._next_request) + self._request_seconds
        if self._token_seconds:
            self._next_token = max(now - _BURST_SECONDS, self._next_token) + tokens * self._token_seconds
        return Ticket(self._epoch, tokens, now, (self._requests.begun, self._tokens.begun))

    def _wait_seconds(self, tokens: float) -> float:
        turn = max(self._next_turn, self._requests.wait_until(1), self._tokens.wait_until(max(1.0, tokens)))
        if self._request_seconds:
            turn = max(turn, self._next_request)
        if self._token_seconds:
            turn = max(turn, self._next_token)
        return turn - self._clock()

    def _wake(self) -> None:
        """Let calls begin that may; if the next one only has to wait for a time, set a timer."""
        while self._waiting and self.under_way < int(self.limit):
            turn, tokens = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
                continue
            wait = self._wait_seconds(tokens)
            if wait > 0:
                self._come_back(wait)
                return
            self._waiting.popleft()
            turn.set_result(self._admit(tokens))

    def _come_back(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._wake()
