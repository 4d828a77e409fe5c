"""Servers in virtual time for the gate's rule: each refuses for reasons of its own, and counts what it is asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from msgflux_nb.tables.gate_rule import row_wait
from tests.tables.virtual import run_virtually

__all__ = ["Case", "Server", "simulate"]

REFUSAL_SECONDS = 0.005


class Server:
    """Answers after a while, or refuses.

    Args:
        seconds: how long an answer takes.
        share: the part of all requests that is refused, whatever else there is to do.
        room: how many are answered at once; what comes beyond is refused.
        a_minute: how many requests are answered in a minute, counted anew at each full minute.
        bucket: how many requests may come at once, and how many more a second.
        storms: from when to when everything is refused.
        retry_after: what a refusal asks to wait; "window" for the rest of the minute.
        hanging: which requests, counted from 1, take ten minutes.
        spread: sigma of the logarithm of how long an answer takes.
        workers: how many are worked on at once; what comes beyond waits in line.
        refusal_seconds: how long a refusal takes.
    """

    def __init__(
        self,
        seconds: float,
        *,
        share: float = 0.0,
        room: Callable[[float], float] = lambda _: float("inf"),
        a_minute: int | None = None,
        bucket: tuple[float, float] | None = None,
        storms: Iterable[tuple[float, float]] = (),
        retry_after: float | str | None = None,
        hanging: Iterable[int] = (),
        spread: float = 0.0,
        workers: int | None = None,
        refusal_seconds: float = REFUSAL_SECONDS,
    ) -> None:
        self.seconds, self.share, self.room, self.a_minute, self.bucket = seconds, share, room, a_minute, bucket
        self.storms, self.retry_after, self.hanging = list(storms), retry_after, set(hanging)
        self.spread, self.workers, self.refusal_seconds = spread, workers, refusal_seconds
        self.chance = random.Random(1)
        self.asked = self.refused = self.busy = self.most_busy = 0
        self._minute, self._used = -1, 0
        self._level, self._filled = 0.0 if bucket is None else bucket[0], 0.0

    async def ask(self, now: float) -> tuple[bool, float | None]:
        """Return whether a request was answered, and what a refusal asks to wait."""
        self.asked += 1
        number = self.asked
        if not self._takes(now):
            self.refused += 1
            wait = 60 - now % 60 if self.retry_after == "window" else self.retry_after
            await asyncio.sleep(self.refusal_seconds)
            return False, wait  # type: ignore[return-value]  # a text was looked at above
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            seconds = self.seconds * (self.chance.lognormvariate(0, self.spread) if self.spread else 1.0)
            if self.workers is not None:
                seconds *= max(1.0, self.busy / self.workers)
            await asyncio.sleep(600.0 if number in self.hanging else seconds)
        finally:
            self.busy -= 1
        return True, None

    def _takes(self, now: float) -> bool:
        if any(begin <= now < end for begin, end in self.storms) or self.busy >= self.room(now):
            return False
        if self.share and self.chance.random() < self.share:
            return False
        if self.a_minute is not None:
            if now // 60 != self._minute:
                self._minute, self._used = now // 60, 0
            self._used += 1
            return self._used <= self.a_minute
        if self.bucket is not None:
            size, a_second = self.bucket
            self._level, self._filled = min(size, self._level + (now - self._filled) * a_second), now
            if self._level < 1:
                return False
            self._level -= 1
        return True


class AnyGate(Protocol):
    """A gate, as it is or as it was."""

    async def enter(self, tokens: float = 0) -> Any:
        """Wait for a ticket."""

    def succeed(self, ticket: Any, *, used: float | None = None) -> None:
        """Take an answer."""

    def congest(self, ticket: Any, *, retry_after: float | None = None) -> None:
        """Take a refusal."""


class Case(msgspec.Struct, frozen=True):
    """What came of a simulation.

    Attributes:
        seconds: until all rows but those that hang were answered.
        refused: how many requests were refused.
        most: the most that were answered at once.
        limit: the gate's at the end.
    """

    seconds: float
    refused: int
    most: int
    limit: float


def simulate(
    gate: AnyGate,
    server: Server,
    *,
    rows: int = 1_500,
    at_once: int = 64,
    wait: Callable[[int, float | None, float | None, float], float] = row_wait,
) -> Case:
    """Ask about so many rows; ``wait`` says how long a refused row waits itself."""
    left, chance, ends = iter(range(rows)), random.Random(2), []

    async def work() -> None:
        now = asyncio.get_running_loop().time
        for _ in left:
            refusals = 0
            while True:
                ticket = await gate.enter()
                answered, wish = await server.ask(now())
                if answered:
                    gate.succeed(ticket)
                    ends.append(now())
                    break
                gate.congest(ticket, retry_after=wish)
                await asyncio.sleep(wait(refusals, wish, server.seconds, chance.random()))
                refusals += 1

    async def all_of_them() -> None:
        await asyncio.gather(*(work() for _ in range(at_once)))

    run_virtually(all_of_them())
    return Case(
        sorted(ends)[-1 - len(server.hanging)], server.refused, server.most_busy, float(getattr(gate, "limit", 0))
    )
