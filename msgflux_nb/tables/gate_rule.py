"""How many requests may run at once: a rule of events and times, without a clock or a loop; pure.

``docs/gate.md`` describes the rule, its sources, and its results in simulation.

Requests are counted in the order in which they began, and a running one counts as not refused. Refusals come back
sooner than answers, so a share of finished requests would be far too high at every beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .pace import CHANCE, Pace

__all__ = ["Rule", "Ticket", "row_wait"]

# When refusals are congestion: Page's cumulative sum, in which a refusal adds ln(0.40 / 0.08), any other request adds
# ln(0.60 / 0.92), and four refusals in a row reach the bound; both numbers here are divided by the sum of the weights.
_SHARE = 0.21
_MARGIN = 3.1
_MOST_TOLERATED = 0.4  # the highest share that is tolerated if refusals do not depend on the number of requests
_DECREASE = 0.5  # one congestion leaves at least this part of the limit

# How the limit grows.
_GROWTH = 2.0  # factor per round, up to the ceiling
_SMALL_ROUND, _TRIAL_ROUND = 8, 20  # the least requests of a round, and of a round that tries one more at once
_HEARD = 2 / 3  # the part of a round's requests that must have ended; the others count as accepted
_PATIENCE = 8  # the most rounds before the next trial, after repeated failures
_MEMORY = 400  # the number of requests that the usual share of refusals is computed from
_SLOWER = 3.0  # times the shortest median; beyond this, more requests at once only wait longer
_MEDIAN_OF = 32  # the least number of answers, since their times vary much

# A storm: everything is refused.
_STORM = 4  # refusals in a row, with nothing else under way
_FIRST_PROBE_SECONDS, _LATER, _LONGEST_PROBE_SECONDS = 0.25, 1.5, 10.0

# A refused request keeps its place for as long as an answer usually takes, within these bounds.
_UNKNOWN_SECONDS, _SHORTEST_COOLING_SECONDS, _LONGEST_COOLING_SECONDS = 0.25, 0.1, 1.0
_AT_FLOOR = 3.0  # factor if only one place is left, which makes less than one request at once

# The wait of a refused row: at first the time of an answer, but at most half a second.
_LONGEST_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0

# A request that takes much longer than usual gives its place to another.
_OVERDUE, _OVERDUE_SECONDS, _OVERDUE_UNKNOWN_SECONDS = 4.0, 5.0, 15.0


class Ticket:
    """A running request.

    Attributes:
        tokens: the estimated number of its tokens.
        began: the time when it began.
        before: how many requests and tokens had begun by then, this one included.
    """

    __slots__ = ("before", "began", "epoch", "refused", "round", "tokens")

    def __init__(self, tokens: float, began: float, before: tuple[float, float], epoch: int, round_: int) -> None:
        self.tokens, self.began, self.before = tokens, began, before
        self.epoch, self.round, self.refused = epoch, round_, False


class Rule:
    """Decides how many requests may run at once.

    Args:
        start: the number of concurrent requests at the beginning.
        most: the maximum number of concurrent requests.
        pace: makes the pauses that refusals ask for.
        chance: returns a number from 0 to 1, so that the waits of many clients differ.

    Attributes:
        limit: the present limit on concurrent requests; its integer part counts.
        most: the maximum number of concurrent requests.
        under_way: the number of running requests.
        congestions: the number of times that the limit was lowered.
        in_storm: whether everything is refused, so that only single requests are tried.
    """

    def __init__(self, *, start: float = 8, most: int = 256, pace: Pace, chance: Callable[[], float] = CHANCE) -> None:
        self.most = most
        self.limit = float(min(start, most))
        self.under_way = 0
        self.congestions = 0
        self.in_storm = False
        self.usual: float | None = None  # seconds that an answer usually takes
        self._pace, self._chance = pace, chance
        # Places.
        self._young: dict[Ticket, None] = {}  # running and not overdue, the oldest first
        self._overdue: set[Ticket] = set()
        self._cooling: deque[float] = deque()  # times until which refused requests keep their places
        # Congestion.
        self._epoch = 0
        self._window: deque[Ticket] = deque()  # begun in this epoch
        self._event: tuple[float, int, int] | None = None  # the limit before, requests begun, requests refused
        self._wished_until = float("-inf")
        self._tolerated = _SHARE
        self._suspected: float | None = None  # the share of refusals that lowered the limit
        self._before = self.limit
        # Growth.
        self._known = self.limit  # the limit that held for a whole round
        self._ceiling = float("inf")
        self._step, self._hold, self._patience = 1.0, 0, 1
        self._tried = self._refused = 0.0
        self._seconds: list[float] = []
        self._quickest = float("inf")
        self._roomy = True
        self._round, self._size, self._begun, self._full = 0, 1, 0, False
        self._heard = self._heard_refused = 0
        self._bearable = 1.0
        self._new_round()
        # Storms.
        self._streak = 0
        self._before_storm = self.limit
        self._probe_seconds = _FIRST_PROBE_SECONDS

    def meet(self, *, start: int, most: int) -> None:
        """Apply the limits of batches; keep what was learnt of the server."""
        self.most = most
        limit = float(min(self.limit if self.congestions else max(self.limit, start), most))
        if limit != self.limit:
            self.limit = self._known = limit
            self._new_round()

    # -- places -------------------------------------------------------------------------------------------------------

    def has_room(self, now: float) -> bool:
        """Return whether the limit allows one more request."""
        self._look(now)
        if self.under_way >= self.most:
            return False
        held = self.under_way - len(self._overdue)
        if self.in_storm:
            return held == 0
        return held + len(self._cooling) < int(self.limit)

    def seconds_to_room(self, now: float) -> float:
        """Return the seconds until there may be room even if no request ends; ``inf`` for never."""
        until = self._cooling[0] if self._cooling else float("inf")
        oldest = next(iter(self._young), None)
        if oldest is not None:
            until = min(until, oldest.began + self._overdue_seconds)
        return max(0.0, until - now)

    def begin(self, now: float, tokens: float = 0.0) -> Ticket:
        """Count a request that begins."""
        counted = self._begun < self._size
        ticket = Ticket(tokens, now, self._pace.begin(now, tokens), self._epoch, self._round if counted else -1)
        self._begun += counted
        self.under_way += 1
        self._young[ticket] = None
        self._window.append(ticket)
        if len(self._window) > 4 * self.limit + 64:
            self._window.popleft()
        self._full = self._full or self.under_way + len(self._cooling) >= int(self.limit)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Note the end of a request that says nothing about the server's load."""
        if ticket.round == self._round:  # the round counts another one instead
            ticket.round, self._begun = -1, self._begun - 1
        self._end(ticket)

    def _end(self, ticket: Ticket) -> None:
        self.under_way -= 1
        self._pace.ended(ticket.before)
        self._young.pop(ticket, None)
        self._overdue.discard(ticket)
        if ticket.round == self._round:
            self._heard += 1
            self._heard_refused += ticket.refused
            if self._heard_refused > self._bearable * self._size:
                self._take_back()
            elif self._begun >= self._size and self._heard >= _HEARD * self._size:
                self._end_round()

    def _look(self, now: float) -> None:
        """Free the places of refused requests and of overdue ones, by the time."""
        while self._cooling and self._cooling[0] <= now:
            self._cooling.popleft()
        while self._young:
            oldest = next(iter(self._young))
            if now < oldest.began + self._overdue_seconds:
                return
            del self._young[oldest]
            self._overdue.add(oldest)

    @property
    def _overdue_seconds(self) -> float:
        return _OVERDUE_UNKNOWN_SECONDS if self.usual is None else max(_OVERDUE_SECONDS, _OVERDUE * self.usual)

    # -- answers ------------------------------------------------------------------------------------------------------

    def succeed(self, ticket: Ticket, now: float) -> None:
        """Note an answer."""
        self._measure(now - ticket.began)
        self._streak = 0
        if self.in_storm and ticket.epoch == self._epoch:
            self.in_storm = False
            self.limit = self._known = max(1.0, self._before_storm / 2)
            self._ceiling = max(self.limit, self._before_storm)
            self._new_epoch()
            self._pace.spread(now, min(self._probe_seconds / 2, now - ticket.began), self.limit)
        self._end(ticket)

    def _measure(self, seconds: float) -> None:
        """Check round by round whether answers take longer than with fewer requests at once."""
        self.usual = seconds if self.usual is None else self.usual + (seconds - self.usual) / 8
        self._seconds.append(seconds)
        if len(self._seconds) >= max(_MEDIAN_OF, self.limit):
            median = sorted(self._seconds)[len(self._seconds) // 2]
            self._quickest = min(self._quickest, median)
            self._roomy = median <= _SLOWER * self._quickest
            self._seconds.clear()

    def _new_round(self) -> None:
        """Begin to judge the present limit by the requests that begin from now on."""
        added = (self.limit - self._known) / self.limit
        trial = max(_SMALL_ROUND, min(_TRIAL_ROUND, 2 / added)) if added > 0 else _SMALL_ROUND
        self._round += 1
        self._size = max(int(trial), int(self.limit))
        # The trial fails if refusals exceed the usual number by half of the added requests.
        self._bearable = (
            min(self._refused / max(1.0, self._tried), self._tolerated / 2) + added / 2 if added > 0 else 1.0
        )
        self._begun = self._heard = self._heard_refused = 0
        self._full = False

    def _take_back(self) -> None:
        """End a failed trial: return to the limit before."""
        self.limit = self._ceiling = self._known
        self._patience = min(2 * self._patience, _PATIENCE)
        self._step, self._hold = 1.0, self._patience
        self._new_round()

    def _end_round(self) -> None:
        """End a round that succeeded: keep the limit, and try a higher one."""
        self._explain(self._heard_refused / self._size)
        usual = self._heard_refused <= self._tolerated * self._size
        if usual:
            self._tried, self._refused = self._tried + self._size, self._refused + self._heard_refused
            if self._tried > _MEMORY:
                self._tried, self._refused = self._tried / 2, self._refused / 2
        if self.limit > self._known:
            self._patience = 1
        self._known = self.limit
        if self._full and self._roomy and usual:
            self._grow()
        self._new_round()

    def _explain(self, share: float) -> None:
        """Check whether a lower limit reduced refusals; if not, tolerate that share: it has another cause."""
        if self._suspected is not None and share > self._suspected / 2:
            self._tolerated = max(self._tolerated, min(1.5 * share, _MOST_TOLERATED))
            self._ceiling = max(self._ceiling, self._before)
        elif share < self._tolerated / 3:
            self._tolerated = max(_SHARE, 0.8 * self._tolerated)
        self._suspected = None

    def _grow(self) -> None:
        if self._hold:
            self._hold -= 1
        elif self.limit < self._ceiling:
            self.limit = min(max(self.limit + 1, _GROWTH * self.limit), self._ceiling, self.most)
        else:
            self.limit = self._ceiling = min(self.limit + self._step, self.most)
            self._step = min(2 * self._step, max(1.0, self.limit / 2))

    # -- refusals -----------------------------------------------------------------------------------------------------

    def refuse(self, ticket: Ticket, now: float, *, retry_after: float | None = None) -> None:
        """Note a refusal, which may concern this request alone or be a sign of congestion."""
        ticket.refused = True
        usual = _UNKNOWN_SECONDS if self.usual is None else self.usual
        usual = _AT_FLOOR * usual if self.limit < 2 else usual
        self._cooling.append(now + min(max(usual, _SHORTEST_COOLING_SECONDS), _LONGEST_COOLING_SECONDS))
        if not self._streak:
            self._before_storm = self.limit
        self._streak += 1
        if retry_after is not None:
            self._wished_until = max(self._wished_until, now + retry_after)
        if self.in_storm:
            self._probe_again(now)
        elif ticket.epoch == self._epoch:
            self._look_for_congestion(now)
        elif self._event is not None and ticket.epoch == self._epoch - 1:
            before, begun, refused = self._event
            self._lower(now, before, begun, refused + 1)
        self._end(ticket)
        if not self.in_storm and self._streak >= _STORM and self.under_way <= len(self._overdue):
            self.in_storm, self._probe_seconds = True, _FIRST_PROBE_SECONDS
            self.congestions += 1
            self._new_epoch()
            self._probe_again(now)

    def _look_for_congestion(self, now: float) -> None:
        """Check whether, for any n, the refusals among the last n requests exceed the tolerated share by the margin."""
        most, found, refused = _MARGIN, 0, 0
        for begun, ticket in enumerate(reversed(self._window), 1):
            refused += ticket.refused
            if refused - self._tolerated * begun > most:
                most, found, of_these = refused - self._tolerated * begun, begun, refused
        if found:
            self.congestions += 1
            self._new_epoch()
            self._lower(now, self.limit, found, of_these)

    def _lower(self, now: float, before: float, begun: int, refused: int) -> None:
        """Lower the limit to the number of requests that were accepted at once, but at most by half."""
        self._event = before, begun, refused
        share = min(1.0, refused / begun)
        accepted = max(0.0, 1 - refused / max(begun, before))
        self._before, self._suspected = before, share if share < _MOST_TOLERATED else None
        self.limit = self._known = max(1.0, before * max(_DECREASE, accepted))
        self._ceiling = self.limit if accepted > _DECREASE else max(1.0, int(before) - 1)
        if accepted < _DECREASE and self._wished_until > now:
            self._pace.pause(now, self._wished_until - now, self.limit)
        self._new_round()

    def _new_epoch(self) -> None:
        """Start a new count: requests that began before belong to one event."""
        self._epoch += 1
        self._window.clear()
        self._event = None
        self._step, self._hold, self._patience = 1.0, 0, 1
        self._new_round()

    def _probe_again(self, now: float) -> None:
        wait = self._probe_seconds * (1 - 0.5 * self._chance())
        self._probe_seconds = min(_LATER * self._probe_seconds, _LONGEST_PROBE_SECONDS)
        self._pace.pause(now, max(wait, self._wished_until - now), 1)


def row_wait(refusals: int, wish: float | None, usual: float | None, chance: float) -> float:
    """Return the seconds that a refused row waits before it asks for its turn again.

    Args:
        refusals: how often it was refused before.
        wish: the seconds that the provider asks for, or None.
        usual: the seconds that an answer usually takes; None if unknown.
        chance: a number from 0 to 1, so that the waits of rows differ.
    """
    if wish is not None:
        return wish
    first = _LONGEST_FIRST_WAIT if usual is None else min(max(usual, _SHORTEST_COOLING_SECONDS), _LONGEST_FIRST_WAIT)
    return min(first * 2.0**refusals, _LONGEST_WAIT) * (1 - 0.5 * chance)
