"""One ticket a request: each request of a batch waits for its turn at the gate, and tells the gate how it ended.

It does not matter what a request is for: a row, another way to ask for its structure, a probe, a correction. A failure
that may pass is that request's wait; requests answered before it are not sent again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from ..http.log import log_retry
from ..models.batch_call import NotSentError
from ..models.retry import retry_delay
from .gate import Gate, Ticket
from .gate_rule import row_wait
from .outcome import congestion

__all__ = ["RowTurn", "Turns"]

_PATIENCE_SECONDS = 900.0  # of refusals in a row, or of a wait that the provider asks for
_CHARACTERS_A_TOKEN = 4


class Turns:
    """What the requests of a batch have in common.

    Args:
        gate: how many requests the provider bears.
        max_retries: how many further times a request is sent after a failure that may pass.
        may_send: whether anything more may be sent.
        stop: ends the batch, for a reason.
        rest: waits for some seconds, during which other rows can be asked for.

    Attributes:
        in_flight: the rows that are being asked for: a request is under way, or was answered and another one follows.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        max_retries: int,
        may_send: Callable[[], bool],
        stop: Callable[[str], object],
        rest: Callable[[float], Awaitable[None]],
    ) -> None:
        self.in_flight: set[int] = set()
        self._gate, self._max_retries, self._may_send, self._stop = gate, max_retries, may_send, stop
        self.rest = rest
        self._refused_since: float | None = None  # when the provider began to refuse everything
        self._usual_seconds: float | None = None
        self._used, self._answers = 0.0, 0

    def of(self, position: int, prepared: Any) -> RowTurn:
        """Return the turns of one row."""
        return RowTurn(self, position, prepared)

    async def enter(self, position: int, size: int, *, again: bool) -> Ticket:
        """Wait until a request may begin.

        Raises:
            NotSentError: the batch has stopped.
        """
        usual = self._used / self._answers if self._answers else 0.0
        ticket = await self._gate.enter(size / _CHARACTERS_A_TOKEN + usual, again=again)
        if not self._may_send():
            self._gate.leave(ticket, used=0)
            raise NotSentError("nothing more is sent, since the batch has stopped.")
        self.in_flight.add(position)
        return ticket

    def heed(self, ticket: Ticket, prepared: Any) -> None:
        """Pass on what the provider says may still be sent."""
        allowance, prepared.allowance = prepared.allowance, None
        if allowance is not None:
            self._gate.heed(ticket, allowance)

    def succeed(self, ticket: Ticket, usage: Any, seconds: float) -> None:
        """Take an answer."""
        self._refused_since = None
        self._usual_seconds = seconds
        used = None
        if usage is not None:
            completion = float(usage.completion_tokens or 0)
            used = (usage.prompt_tokens or 0) + completion
            self._used, self._answers = self._used + completion, self._answers + 1
        self._gate.succeed(ticket, used=used)

    def leave(self, ticket: Ticket, *, used: float | None = None) -> None:
        """Take an end that says nothing about how much the server bears."""
        self._gate.leave(ticket, used=used)

    def give_way(self, error: Exception, ticket: Ticket, refusals: int) -> float:
        """The provider refused a request: return the seconds until it may wait for its turn again."""
        wish = getattr(error, "retry_after", None)
        self._gate.congest(ticket, retry_after=wish)
        now = asyncio.get_running_loop().time()
        self._refused_since = now if self._refused_since is None else self._refused_since
        if max(wish or 0.0, now - self._refused_since) > _PATIENCE_SECONDS:
            self._stop(f"the provider has no room for more, and asks to wait {wish or 0:,.0f} s: {error}")
            return 0.0
        return row_wait(refusals, wish, self._usual_seconds, _chance())

    def retry_delay(self, error: Exception, attempt: int) -> float | None:
        """Return the seconds to wait before another try; None to give up."""
        return retry_delay(
            error,
            attempt=attempt,
            max_retries=self._max_retries,
            had_content=False,
            chance=_chance(),
            no_answer_passes=True,
        )


class RowTurn:
    """The turns of one row's requests, one after the other."""

    __slots__ = ("_began", "_faults", "_paid", "_position", "_prepared", "_refusals", "_turns")

    def __init__(self, turns: Turns, position: int, prepared: Any) -> None:
        self._turns, self._position, self._prepared = turns, position, prepared
        self._faults = self._refusals = 0
        self._paid = False
        self._began = 0.0

    async def begin(self, size: int) -> Ticket:
        """Wait until a request of so many bytes may be sent.

        Raises:
            NotSentError: the batch has stopped.
        """
        ticket = await self._turns.enter(self._position, size, again=self._refusals > 0)
        self._began = asyncio.get_running_loop().time()
        return ticket

    def succeed(self, ticket: Ticket, usage: Any) -> None:
        """A request was answered, and has used so many tokens; None if that is not known."""
        self._turns.heed(ticket, self._prepared)
        self._turns.succeed(ticket, usage, asyncio.get_running_loop().time() - self._began)
        self._paid = True
        self._faults = self._refusals = 0

    async def fail(self, ticket: Ticket, error: Exception) -> bool:
        """A request failed: return whether to send it again, after the wait that this takes."""
        turns = self._turns
        if not self._paid:
            turns.in_flight.discard(self._position)
        turns.heed(ticket, self._prepared)
        wait: float | None
        if congestion(error):
            wait = turns.give_way(error, ticket, self._refusals)
            self._refusals += 1
        else:
            turns.leave(ticket, used=0)
            self._faults += 1
            wait = turns.retry_delay(error, self._faults)
        if wait is None:
            self._faults = self._refusals = 0
            return False
        log_retry(f"row {self._position}", error, wait, max(self._faults, self._refusals))
        await turns.rest(wait)
        return True

    def drop(self, ticket: Ticket) -> None:
        """A request was cancelled, or ended without an answer."""
        self._turns.leave(ticket)


def _chance() -> float:
    return random.random()  # noqa: S311  # a wait needs no secret
