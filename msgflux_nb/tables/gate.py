"""The gate before one endpoint: requests wait here until they may begin.

:mod:`.gate_rule` decides how many may be under way, :mod:`.pace` when the next one may begin. What is here lets them
wait on an event loop. Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ..protocol.allowance import Allowance
from .gate_rule import Rule, Ticket
from .pace import Pace

__all__ = ["Gate", "Ticket", "gate_of", "over_budget"]

_log = logging.getLogger("msgflux_nb")
_LEAST_SECONDS = 0.001  # of a wait, so that a rounded time is not looked at again and again


_Waiting = tuple[asyncio.Future[Ticket], float]


class Gate:
    """Lets requests through.

    Args:
        start: how many at once to begin with.
        most: how many at once at most.
        clock: seconds of the event loop.
        chance: a number from 0 to 1, for waits that do not move in step.

    Attributes:
        name: the model's, for the log.
    """

    def __init__(
        self,
        *,
        start: int = 8,
        most: int = 256,
        clock: Callable[[], float] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = ""
        self._paces = Pace(chance=chance)
        self._rule = Rule(start=start, most=most, pace=self._paces, chance=chance)
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._waiting: deque[_Waiting] = deque()
        self._refused: deque[_Waiting] = deque()  # those that come again
        self._refused_next = True
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> float:
        """How many at once, as it stands; whole numbers count."""
        return self._rule.limit

    @property
    def under_way(self) -> int:
        """How many there are."""
        return self._rule.under_way

    @property
    def congestions(self) -> int:
        """How often the limit was lowered."""
        return self._rule.congestions

    @property
    def usual_seconds(self) -> float | None:
        """How long an answer takes; None before the first."""
        return self._rule.usual

    def meet(self, *, start: int, most: int, rpm: float | None, tpm: float | None) -> None:
        """Do as the latest batch wants, also for those before it; what was learnt of the server stays.

        Args:
            start: how many at once to begin with, where nothing was learnt yet.
            most: how many at once at most.
            rpm: requests a minute, at most.
            tpm: tokens a minute, at most.
        """
        self._rule.meet(start=start, most=most)
        self.pace(rpm, tpm)

    def pace(self, rpm: float | None, tpm: float | None) -> None:
        """Set how many requests and how many tokens may begin in a minute; None for no limit."""
        self._paces.limit(rpm, tpm)

    async def enter(self, tokens: float = 0, *, again: bool = False) -> Ticket:
        """Wait until a request may begin.

        Args:
            tokens: what it will use, as far as can be told.
            again: whether it was refused before: such requests and the others begin in turn, so that neither keeps the
                other waiting where few may begin.
        """
        now = self._clock()
        if not self._waiting and not self._refused and self._paces.wait(now, tokens) <= 0 and self._rule.has_room(now):
            return self._rule.begin(now, tokens)
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        (self._refused if again else self._waiting).append((turn, tokens))
        self._wake()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(turn.result(), used=0)
            raise

    def leave(self, ticket: Ticket, *, used: float | None = None) -> None:
        """A request has ended in a way that says nothing about how much the server bears.

        Args:
            ticket: the request's.
            used: tokens, if the server says so.
        """
        self._rule.leave(ticket)
        self._settle(ticket, used)

    def succeed(self, ticket: Ticket, *, used: float | None = None) -> None:
        """A request was answered: there may be room for more."""
        self._rule.succeed(ticket, self._clock())
        self._settle(ticket, used)

    def congest(self, ticket: Ticket, *, retry_after: float | None = None) -> None:
        """The server said that it is too much."""
        limit, congestions = self.limit, self.congestions
        self._rule.refuse(ticket, self._clock(), retry_after=retry_after)
        if self.congestions > congestions:
            self._log_congestion(limit, retry_after)
        self._settle(ticket, 0)

    def heed(self, ticket: Ticket, allowance: Allowance) -> None:
        """The server said in an answer how much may still be sent; to be told before the request has ended."""
        self._paces.heed(self._clock(), ticket.before, allowance)

    def pause(self, seconds: float) -> None:
        """Let nothing begin for a while, and then one after the other; a longer pause under way is not shortened."""
        self._paces.pause(self._clock(), seconds, self._rule.limit)

    def _log_congestion(self, limit: float, retry_after: float | None) -> None:
        wish = "" if retry_after is None else f" It asks to wait {retry_after:.1f} s."
        if self._rule.in_storm:
            _log.info("%s: the server refuses everything; one request at a time tries again.%s", self.name, wish)
        else:
            _log.info("%s: at most %d requests at once instead of %d.%s", self.name, self.limit, limit, wish)

    def _settle(self, ticket: Ticket, used: float | None) -> None:
        if used is not None:
            self._paces.settle(ticket.tokens, used)
        self._wake()

    def _wake(self) -> None:
        """Let those begin that may; come back when time is all that is missing."""
        while self._waiting or self._refused:
            refused_next = bool(self._refused) and (self._refused_next or not self._waiting)
            line = self._refused if refused_next else self._waiting
            turn, tokens = line[0]
            if turn.done():
                line.popleft()
                continue
            now = self._clock()
            room = self._rule.has_room(now)
            wait = self._paces.wait(now, tokens) if room else self._rule.seconds_to_room(now)
            if not room or wait > 0:
                self._come_back(wait)
                return
            line.popleft()
            self._refused_next = not refused_next
            turn.set_result(self._rule.begin(now, tokens))

    def _come_back(self, seconds: float) -> None:
        if seconds == float("inf"):
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + max(seconds, _LEAST_SECONDS)
        if self._timer is not None:
            if self._timer.when() <= when and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._wake()


def over_budget(most: float, spent: float, answers: int, in_flight: int) -> str | None:
    """Return why nothing more may begin, where the calls in flight and one more might pass a budget; else None.

    Args:
        most: the budget, in US dollars.
        spent: what was spent so far.
        answers: for how many answers.
        in_flight: how many calls are under way; each is reckoned to cost what the others did.
    """
    each = spent / answers if answers else 0.0
    if spent + each * (in_flight + 1) <= most:
        return None
    return f"max_cost of ${most:,.4f}: ${spent:,.4f} are spent, and {in_flight} rows in flight"


_gates: dict[Any, Gate] = {}
_gates_of_objects: WeakKeyDictionary[Any, Gate] = WeakKeyDictionary()


def gate_of(key: Any, name: str = "") -> Gate:
    """Return the gate for calls that a provider counts together; it remembers what it has learnt.

    Args:
        key: what they have in common: address, key, model; or the model itself if its address is not known.
        name: the model's, for the log.
    """
    if isinstance(key, tuple):  # what a forked child inherits is its parent's
        gate = _gates.setdefault((os.getpid(), key), Gate(start=1))
    else:
        gate = _gates_of_objects.setdefault(key, Gate(start=1))
    gate.name = name
    return gate
