"""Servers in virtual time for tests of the gate: each has its reasons to refuse, and counts its requests."""

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
    """Answers after some time, or refuses.

    Args:
        seconds: the time of an answer.
        share: the share of requests that are refused, independent of the load.
        room: the number of requests that are answered at once; further ones are refused.
        a_minute: the number of requests that are answered in a minute; the count restarts at each full minute.
        bucket: the number of requests that may come at once, and the number of further ones per second.
        storms: the periods in which everything is refused, each from a time to a time.
        retry_after: the wait that a refusal asks for; "window" for the rest of the minute.
        hanging: the numbers of the requests, from 1, that take ten minutes.
        spread: the sigma of the logarithm of an answer's time.
        workers: the number of requests that are worked on at once; further ones wait in line.
        refusal_seconds: the time of a refusal.
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
        """Return whether a request was answered, and the wait that a refusal asks for."""
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
    """The present gate or the old one."""

    async def enter(self, tokens: float = 0) -> Any:
        """Wait for a ticket."""

    def succeed(self, ticket: Any, *, used: float | None = None) -> None:
        """Report an answer."""

    def congest(self, ticket: Any, *, retry_after: float | None = None) -> None:
        """Report a refusal."""


class Case(msgspec.Struct, frozen=True):
    """The result of a simulation.

    Attributes:
        seconds: the time until all rows except hanging ones were answered.
        refused: the number of refused requests.
        most: the largest number of requests that were answered at once.
        limit: the limit of the gate at the end.
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
    """Ask about so many rows; ``wait`` returns the wait of a refused row."""
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
