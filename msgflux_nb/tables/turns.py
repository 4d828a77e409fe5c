"""One ticket per request: each request of a batch waits at the gate for its turn and reports how it ended.

This holds for every request: that of a row, another way to ask for its structure, a probe, a correction. After a
failure that may pass, only the failed request waits and is sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import ConnectionFailedError, described
from ..http.log import log_retry
from ..models.batch_call import NotSentError
from ..models.retry import retry_delay
from .gate import FirstAlone, Gate, Ticket
from .gate_rule import row_wait
from .outcome import Outcome, congestion
from .pace import CHANCE

__all__ = ["RowTurn", "Turns", "asks_too_long", "put_aside"]

_PATIENCE_SECONDS = 900.0  # the longest time of refusals without an answer, and the longest wait of a row
_LONG_IN_SECONDS = 36_000.0  # longer waits are written in hours or days
_CHARACTERS_A_TOKEN = 4
# A batch stops if so many rows in a row were put aside, and three times the rows in flight: three of four are refused.
_MOST_ASIDE, _ASIDE_EACH = 10, 3


class Turns:
    """The turns of all requests of a batch.

    Args:
        gate: limits the concurrent requests.
        max_retries: how often a request is sent again after a failure that may pass.
        may_send: returns whether anything more may be sent for the row at a position.
        stop: stops the batch, with a reason.
        rest: waits some seconds while other rows are worked on.
        first_alone: whether the first request is sent alone, to learn what an answer costs.

    Attributes:
        in_flight: the positions of rows that have sent a request and have not ended.
        paid: US dollars of the answers so far of rows that have not ended, by position.
        answered: the number of requests that were answered.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        max_retries: int,
        may_send: Callable[[int], bool],
        stop: Callable[[str], object],
        rest: Callable[[float], Awaitable[None]],
        first_alone: bool,
    ) -> None:
        self.in_flight: set[int] = set()
        self.paid: dict[int, float] = {}
        self.answered = 0
        self._gate, self._max_retries, self._may_send, self._stop = gate, max_retries, may_send, stop
        self.rest = rest
        self._aside = 0  # the rows that were put aside since the latest answer
        self._refused_since: float | None = None  # the time since which the provider refuses everything
        self._usual_seconds: float | None = None
        self._answered_at = float("-inf")
        self._used, self._answers = 0.0, 0
        self._first = FirstAlone() if first_alone else None

    def of(self, position: int, prepared: Any) -> RowTurn:
        """Return the turns of one row's requests."""
        return RowTurn(self, position, prepared)

    async def enter(self, position: int, size: int, *, again: bool) -> Ticket:
        """Wait until a request may begin.

        Raises:
            NotSentError: the batch has stopped.
        """
        usual = self._used / self._answers if self._answers else 0.0
        if self._first is not None:
            await self._first.begin()
        try:
            ticket = await self._gate.enter(size / _CHARACTERS_A_TOKEN + usual, again=again)
        except BaseException:
            self._ended()
            raise
        if not self._may_send(position):
            self.leave(ticket, used=0)
            raise NotSentError("nothing more is sent, since the batch has stopped.")
        self.in_flight.add(position)
        return ticket

    def heed(self, ticket: Ticket, prepared: Any) -> None:
        """Pass the provider's rate limits to the gate."""
        allowance, prepared.allowance = prepared.allowance, None
        if allowance is not None:
            self._gate.heed(ticket, allowance)

    def succeed(self, ticket: Ticket, usage: Any, seconds: float) -> None:
        """Report an answer to the gate."""
        self.answered += 1
        self._refused_since, self._aside = None, 0
        self._usual_seconds, self._answered_at = seconds, asyncio.get_running_loop().time()
        used = None
        if usage is not None:
            completion = float(usage.completion_tokens or 0)
            used = (usage.prompt_tokens or 0) + completion
            self._used, self._answers = self._used + completion, self._answers + 1
        self._gate.succeed(ticket, used=used)

    def leave(self, ticket: Ticket, *, used: float | None = None) -> None:
        """Report an end that says nothing about the server's load."""
        self._gate.leave(ticket, used=used)
        self._ended()

    def break_off(self, ticket: Ticket, error: Exception, began: float) -> None:
        """Report a request that failed without a refusal.

        Some servers close connections when there are too many. So a connection that is closed within a second counts
        as refused while other requests run and are answered. If the server is gone, its rows fail without waiting.

        Args:
            ticket: its ticket.
            error: why it failed.
            began: the time at which it was sent.
        """
        now = asyncio.get_running_loop().time()
        lately = now - self._answered_at < max(1.0, 2 * (self._usual_seconds or 0.0))
        if not isinstance(error, ConnectionFailedError) or now - began > 1.0 or not self.in_flight or not lately:
            self.leave(ticket, used=0)
        else:
            self._gate.congest(ticket)
            self._ended()

    def pay(self, position: int, dollars: float) -> None:
        """Note the cost of the answers so far of a row that has not ended."""
        self.paid[position] = dollars
        self._ended(known=True)

    def end(self, position: int) -> None:
        """Note that a row has ended and its cost is in the ledger."""
        self.paid.pop(position, None)
        if position in self.in_flight:
            self.in_flight.remove(position)
            self._ended(known=self.answered > 0)

    def _ended(self, *, known: bool = False) -> None:
        if self._first is not None:
            self._first.end(known=known)

    def give_way(self, error: Exception, ticket: Ticket, refusals: int) -> float | None:
        """Report a refusal; return the seconds until the request may wait for its turn again, None to put it aside."""
        wish = getattr(error, "retry_after", None)
        aside = asks_too_long(error)
        self._gate.congest(ticket, retry_after=None if aside else wish)  # other rows do not wait so long
        self._ended()
        now = asyncio.get_running_loop().time()
        self._refused_since = now if self._refused_since is None else self._refused_since
        self._aside += aside
        asked = "" if wish is None else f", and asks to wait {_said(wish)}"
        if now - self._refused_since > _PATIENCE_SECONDS:
            self._stop(f"the provider is at capacity{asked}: {error}")
            return 0.0
        if self._aside >= _MOST_ASIDE + _ASIDE_EACH * len(self.in_flight):
            self._stop(f"the provider refuses nearly every row{asked}: {error}")
        return None if aside else row_wait(refusals, wish, self._usual_seconds, CHANCE())

    def retry_delay(self, error: Exception, attempt: int) -> float | None:
        """Return the seconds to wait before another try; None to give up."""
        return retry_delay(
            error,
            attempt=attempt,
            max_retries=self._max_retries,
            had_content=False,
            chance=CHANCE(),
            no_answer_passes=True,
        )


class RowTurn:
    """The turns of the requests for one answer of a row, one after the other."""

    __slots__ = ("_before", "_began", "_faults", "_paid", "_position", "_prepared", "_refusals", "_turns")

    def __init__(self, turns: Turns, position: int, prepared: Any) -> None:
        self._turns, self._position, self._prepared = turns, position, prepared
        self._faults = self._refusals = 0
        self._before = turns.paid.get(position, 0.0)  # for earlier answers of the row
        self._paid = False
        self._began = 0.0

    async def begin(self, size: int) -> Ticket:
        """Wait until a request of so many bytes may be sent.

        Raises:
            NotSentError: the batch has stopped.
        """
        if self._paid:
            self.pay(self._prepared.spent)
        ticket = await self._turns.enter(self._position, size, again=self._refusals > 0)
        self._began = asyncio.get_running_loop().time()
        return ticket

    def succeed(self, ticket: Ticket, usage: Any) -> None:
        """Report that a request was answered, with its usage or None."""
        self._turns.heed(ticket, self._prepared)
        self._turns.succeed(ticket, usage, asyncio.get_running_loop().time() - self._began)
        self._paid = True
        self._faults = self._refusals = 0

    def pay(self, dollars: float | None) -> None:
        """Note what this answer has cost so far, its corrections included."""
        self._turns.pay(self._position, self._before + (dollars or 0.0))

    async def fail(self, ticket: Ticket, error: Exception) -> bool:
        """Report that a request failed, wait, and return whether to send it again."""
        turns = self._turns
        if not self._paid:
            turns.in_flight.discard(self._position)
        turns.heed(ticket, self._prepared)
        wait: float | None
        if congestion(error):
            wait = turns.give_way(error, ticket, self._refusals)
            self._refusals += 1
        else:
            turns.break_off(ticket, error, self._began)
            self._faults += 1
            wait = turns.retry_delay(error, self._faults)
        if wait is None:
            self._faults = self._refusals = 0
            return False
        log_retry(f"row {self._position}", error, wait, max(self._faults, self._refusals))
        await turns.rest(wait)
        return True

    def drop(self, ticket: Ticket) -> None:
        """Report that a request was cancelled or ended without an answer."""
        self._turns.leave(ticket)


def asks_too_long(error: BaseException) -> bool:
    """Return whether a refusal asks for a longer wait than a row waits in a batch."""
    return congestion(error) and (getattr(error, "retry_after", None) or 0.0) > _PATIENCE_SECONDS


def put_aside(error: Any, attempts: int, paid: float | None) -> Outcome:
    """Return the outcome of a row whose provider asks for a long wait; ``paid`` is the cost of its answers so far."""
    wait = _said(error.retry_after)
    text = f"put aside, since the provider asks to wait {wait}; mf.resume asks it again: {described(error)}"
    return Outcome("interrupted" if paid else "pending", error=text, attempts=attempts, cost=paid or None)


def _said(seconds: float) -> str:
    """Return a wait as people say it."""
    if seconds < _LONG_IN_SECONDS:
        return f"{seconds:,.0f} s"
    days = seconds / 86_400
    if days < 2:
        return f"{seconds / 3_600:,.0f} hours"
    return f"{days:,.0f} days" if days < 3_650 else "more than ten years"
