"""The old gate, up to commit 21be8ea, which halved the limit at each refusal; ``gate.py`` compares with it."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections import deque
from collections.abc import Callable

from msgflux_nb.protocol.allowance import Allowance

__all__ = ["Gate"]

_GROWTH = 0.5  # a success below the ceiling; half as many again in one round of answers
_PROBE = 20  # successes at the ceiling for one more; at most one refusal in 20 for trying
_PATIENCE = 8  # times as many, where trying has failed again and again
_ROUND = 32  # answers at least, since those of models differ much among themselves
_SLOWER = 3.0  # times the shortest usual answer, from which on more at once only means longer waits
_SPREAD = 0.5  # of a wait that the server asks for, over which calls come back
_BURST_SECONDS = 5.0  # of the tokens a minute that may be used at once
_LONGEST_ALLOWANCE_SECONDS = 60.0  # after which it is tried, whatever was said: a day's limit comes back bit by bit
_LONGEST_BACKOFF_SECONDS = 30.0  # where everything is refused, and the server does not say for how long
_NEVER = float("-inf")


class Ticket:
    """One call under way.

    Attributes:
        tokens: what it was reckoned to use.
        before: how many calls, and how many tokens, had begun when it had.
    """

    __slots__ = ("before", "began", "epoch", "tokens")

    def __init__(self, epoch: int, tokens: float, began: float, before: tuple[float, float]) -> None:
        self.epoch = epoch
        self.tokens = tokens
        self.began = began
        self.before = before


class Budget:
    """How much of one thing may still begin until the provider counts anew, by the latest call that it spoke of.

    Attributes:
        begun: how much has begun in all.
    """

    def __init__(self) -> None:
        self.begun = 0.0
        self._end = float("inf")  # of what may have begun
        self._until = _NEVER
        self._told = _NEVER

    def set(self, left: float, before: float, until: float) -> None:
        """Take what is left: the provider has not counted what began after the call with which it says so."""
        if before >= self._told:
            self._told, self._end, self._until = before, before + left, until

    def wait_until(self, amount: float) -> float:
        """Return until when so much has to wait."""
        return self._until if self.begun + amount > self._end else _NEVER


class Gate:
    """Lets calls through.

    Args:
        start: how many at once to begin with.
        most: how many at once at most.
        clock: seconds of the event loop.
        chance: a number from 0 to 1, for waits that do not move in step.

    Attributes:
        limit: how many at once, as it stands; whole numbers count.
        under_way: how many there are.
        congestions: how often it was halved.
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
        self._in_vain = 0  # times that it was halved, one after the other
        self._seconds: list[float] = []
        self._quickest = float("inf")
        self._roomy = True
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._chance = chance
        self._waiting: deque[tuple[asyncio.Future[Ticket], float]] = deque()
        self._next_turn = _NEVER  # after a pause, one after the other
        self._gap_seconds = 0.0
        self._gaps_until = _NEVER
        self._request_seconds = self._token_seconds = 0.0
        self._next_request = self._next_token = _NEVER
        self._requests, self._tokens = Budget(), Budget()
        self._timer: asyncio.TimerHandle | None = None

    def meet(self, *, start: int, most: int, rpm: float | None, tpm: float | None) -> None:
        """Do as the latest batch wants, also for those before it; what was learnt of the server stays.

        Args:
            start: how many at once to begin with, where nothing was learnt yet.
            most: how many at once at most.
            rpm: requests a minute, at most.
            tpm: tokens a minute, at most.
        """
        self.most = most
        self.limit = float(min(self.limit if self.congestions else max(self.limit, start), most))
        self.pace(rpm, tpm)

    def pace(self, rpm: float | None, tpm: float | None) -> None:
        """Set how many requests and how many tokens may begin in a minute; None for no limit."""
        self._request_seconds = 60 / rpm if rpm else 0.0
        self._token_seconds = 60 / tpm if tpm else 0.0

    async def enter(self, tokens: float = 0, *, again: bool = False) -> Ticket:
        """Wait until a call may begin.

        Args:
            tokens: what it will use, as far as can be told.
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
        """A call has ended in a way that says nothing about how much the server bears.

        Args:
            ticket: the call's.
            used: tokens, where the server says so.
        """
        self.under_way -= 1
        if used is not None and self._token_seconds:
            self._next_token += (used - ticket.tokens) * self._token_seconds
        self._wake()

    def succeed(self, ticket: Ticket, *, used: float | None = None) -> None:
        """A call was answered: there may be room for more."""
        if ticket.epoch == self._epoch:  # an answer to what was sent before the refusal says nothing new
            self._in_vain = 0
        self._measure(self._clock() - ticket.began)
        if self.under_way >= int(self.limit) and self._roomy:  # else the limit is not what keeps us from more
            self._grow()
        self.leave(ticket, used=used)

    def congest(self, ticket: Ticket, *, retry_after: float | None = None) -> None:
        """The server said that it is too much; calls that began before that was known are one event together."""
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
            if self._in_vain:  # nothing was answered since, so nothing was learnt of how much there is room for
                self.pause(min(0.5 * 2**self._in_vain, _LONGEST_BACKOFF_SECONDS) * (1 - 0.5 * self._chance()))
            self._in_vain += 1
        if retry_after is not None:
            self.pause(retry_after)
        self.leave(ticket, used=0)

    def heed(self, ticket: Ticket, allowance: Allowance) -> None:
        """The server said, in answer to a call, how much may still be sent; to be told before the call has ended."""
        now, requests, tokens = self._clock(), allowance.requests, allowance.tokens
        if requests is not None:
            until = now + min(allowance.requests_seconds, _LONGEST_ALLOWANCE_SECONDS)
            self._requests.set(requests, ticket.before[0], until)
        if tokens is not None:
            until = now + min(allowance.tokens_seconds, _LONGEST_ALLOWANCE_SECONDS)
            self._tokens.set(tokens, ticket.before[1], until)

    def pause(self, seconds: float) -> None:
        """Let nobody begin for a while, and then one after the other; a longer pause under way is not shortened."""
        until = self._clock() + seconds
        if until <= self._next_turn:
            return
        self._gap_seconds = seconds * _SPREAD / max(1, int(self.limit))
        self._gaps_until = until + seconds * _SPREAD
        self._next_turn = until + self._gap()

    def _measure(self, seconds: float) -> None:
        """See, round by round, whether answers take longer than when there were fewer at once."""
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
        elif self._probing and self._credit >= self.limit:  # one more was borne for a whole round
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
        """Let those begin that may; come back when time is all that is missing."""
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
