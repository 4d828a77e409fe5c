"""The gate before one endpoint: requests wait here until they may begin.

:mod:`.gate_rule` decides how many requests may run at once, :mod:`.pace` when the next one may begin. The gate makes
them wait. Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

from ..protocol.allowance import Allowance
from .gate_rule import Rule, Ticket
from .pace import CHANCE, Pace

__all__ = ["FirstAlone", "Gate", "Ticket", "gate_of", "over_budget"]

_log = logging.getLogger("msgflux_nb")
_ALONE_SECONDS = 5.0  # the longest time that the first request keeps others from being sent
_LEAST_SECONDS = 0.001  # the shortest wait, so that rounding does not make a busy loop


_Waiting = tuple[asyncio.Future[Ticket], float]


class Gate:
    """Lets requests through.

    Args:
        start: the number of concurrent requests at the beginning.
        most: the maximum number of concurrent requests.
        clock: returns the seconds of the event loop.
        chance: returns a number from 0 to 1, so that the waits of many clients differ.
        together: which ``most`` holds while several batches run: the largest, if each batch also keeps its own.

    Attributes:
        name: the model's name, for the log.
    """

    def __init__(
        self,
        *,
        start: int = 8,
        most: int = 256,
        clock: Callable[[], float] | None = None,
        chance: Callable[[], float] = CHANCE,
        together: Callable[[Iterable[int]], int] = max,
    ) -> None:
        self.name = ""
        self._held: dict[Hashable, tuple[int, float | None, float | None]] = {}  # the limits of batches that run
        self._together = together
        self._paces = Pace(chance=chance)
        self._rule = Rule(start=start, most=most, pace=self._paces, chance=chance)
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._waiting: deque[_Waiting] = deque()
        self._refused: deque[_Waiting] = deque()  # requests that were refused before
        self._refused_next = True
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> float:
        """The present limit on concurrent requests; its integer part counts."""
        return self._rule.limit

    @property
    def under_way(self) -> int:
        """The number of requests that are running."""
        return self._rule.under_way

    @property
    def congestions(self) -> int:
        """The number of times that the limit was lowered."""
        return self._rule.congestions

    @property
    def usual_seconds(self) -> float | None:
        """The seconds that an answer usually takes; None before the first."""
        return self._rule.usual

    def hold(
        self, batch: Hashable, *, start: int, most: int, rpm: float | None = None, tpm: float | None = None
    ) -> None:
        """Apply the limits of a batch until ``release``; keep what was learnt of the server.

        While several batches run, the smallest of their ``rpm`` and the smallest of their ``tpm`` hold.

        Args:
            batch: identifies the batch.
            start: the number of concurrent requests at the beginning, if nothing was learnt yet.
            most: the maximum number of concurrent requests.
            rpm: the maximum number of requests per minute; None for no limit.
            tpm: the maximum number of tokens per minute; None for no limit.
        """
        self._held[batch] = most, rpm, tpm
        self._apply(start)

    def release(self, batch: Hashable) -> None:
        """Drop the limits of a batch that has ended."""
        if self._held.pop(batch, None) is not None:
            self._apply(0)
            self._wake()

    @contextmanager
    def held(self, **limits: Any) -> Iterator[None]:
        """Apply limits inside a ``with`` block, as :meth:`hold` does."""
        batch = object()
        self.hold(batch, **limits)
        try:
            yield
        finally:
            self.release(batch)

    def _apply(self, start: int) -> None:
        held = self._held.values()
        if held:
            self._rule.meet(start=start, most=self._together(most for most, _, _ in held))
        rpm = min((rpm for _, rpm, _ in held if rpm), default=None)
        self._paces.limit(rpm, min((tpm for _, _, tpm in held if tpm), default=None))

    async def enter(self, tokens: float = 0, *, again: bool = False) -> Ticket:
        """Wait until a request may begin.

        Args:
            tokens: the estimated number of its tokens.
            again: whether it was refused before. Such requests and new ones begin alternately, so that neither kind
                waits for all of the other.
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
        """Note that a request has ended in a way that says nothing about the server's load.

        Args:
            ticket: its ticket.
            used: the tokens that it used, if the server says so.
        """
        self._rule.leave(ticket)
        self._settle(ticket, used)

    def succeed(self, ticket: Ticket, *, used: float | None = None) -> None:
        """Note that a request was answered, so that the limit may rise."""
        self._rule.succeed(ticket, self._clock())
        self._settle(ticket, used)

    def congest(self, ticket: Ticket, *, retry_after: float | None = None) -> None:
        """Note that the server refused a request because of its load."""
        limit, congestions = self.limit, self.congestions
        self._rule.refuse(ticket, self._clock(), retry_after=retry_after)
        if self.congestions > congestions:
            self._log_congestion(limit, retry_after)
        self._settle(ticket, 0)

    def heed(self, ticket: Ticket, allowance: Allowance) -> None:
        """Note the rate limits in an answer; call this before the request ends."""
        self._paces.heed(self._clock(), ticket.before, allowance)

    def pause(self, seconds: float) -> None:
        """Let nothing begin for some seconds, then one request after the other; never shorten a pause."""
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
        """Let requests begin that may; set a timer if the next one only has to wait."""
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


class FirstAlone:
    """Lets one request through alone until an answer has told what one costs, so that a budget holds from the start.

    A request that hangs keeps the others for five seconds.
    """

    def __init__(self) -> None:
        self._known = self._busy = False
        self._ended = asyncio.Event()

    async def begin(self) -> None:
        """Wait until a request may be sent."""
        now = asyncio.get_running_loop().time
        end = now() + _ALONE_SECONDS
        while self._busy and not self._known and now() < end:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), end - now())
        self._busy = True

    def end(self, *, known: bool = False) -> None:
        """Note that a request has ended, and whether the cost of an answer is known now."""
        if self._known:
            return
        self._known, self._busy = known, False
        self._ended.set()
        self._ended = asyncio.Event()


def over_budget(most: float, spent: float, each: float, in_flight: int) -> str | None:
    """Return why nothing more may begin if the calls in flight and one more might exceed a budget; else None.

    Args:
        most: the budget, in US dollars.
        spent: the US dollars spent so far.
        each: the US dollars that a call usually costs; 0 before the first answer.
        in_flight: the number of calls in flight.
    """
    if spent + each * (in_flight + 1) <= most:
        return None
    return f"max_cost of ${most:,.4f}: ${spent:,.4f} spent, {in_flight} rows in flight"


_gates: dict[Any, Gate] = {}
_gates_of_objects: WeakKeyDictionary[Any, Gate] = WeakKeyDictionary()


def gate_of(key: Any, name: str = "") -> Gate:
    """Return the gate of calls that a provider counts together; it keeps what it has learnt.

    Args:
        key: their address, key and model; or the model itself if its address is unknown.
        name: the model's name, for the log.
    """
    if isinstance(key, tuple):  # a forked child must not use its parent's gates
        gate = _gates.setdefault((os.getpid(), key), Gate(start=1))
    else:
        gate = _gates_of_objects.setdefault(key, Gate(start=1))
    gate.name = name
    return gate
