"""How many requests may be under way at once: a rule of events and times, without a clock or a loop; pure.

``docs/gate.md`` says what it does in words, where it comes from, and what it reaches in simulation.

Requests are counted in the order in which they began, and one that is still under way counts as not refused: refusals
come back sooner than answers, so that a share of what has come back would be far too high at every beginning.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from .pace import Pace

__all__ = ["Rule", "Ticket", "row_wait"]

# When refusals are congestion. In Page's cumulative sum a refusal adds ln(0.40 / 0.08), any other request adds
# ln(0.60 / 0.92), and four refusals in a row reach the bound; divided by the sum of both weights that is this.
_SHARE = 0.21
_MARGIN = 3.1
_MOST_TOLERATED = 0.4  # instead of that share, where refusals do not depend on how many are under way
_DECREASE = 0.5  # the least part of the limit that one congestion leaves

# How the limit grows.
_GROWTH = 2.0  # times as many a round, up to the ceiling
_SMALL_ROUND, _TRIAL_ROUND = 8, 20  # requests at least, and where one more at once is tried
_HEARD = 2 / 3  # of a round's requests must have ended; the others are taken as accepted
_PATIENCE = 8  # rounds at most before the next trial, where trials have failed again and again
_MEMORY = 400  # requests from which the usual share of refusals is reckoned
_SLOWER = 3.0  # times the shortest usual answer, from which on more at once only means longer waits
_MEDIAN_OF = 32  # answers at least, since those of models differ much among themselves

# A storm: everything is refused.
_STORM = 4  # refusals in a row, with nothing else under way
_FIRST_PROBE_SECONDS, _LATER, _LONGEST_PROBE_SECONDS = 0.25, 1.5, 10.0

# A refusal keeps its place for as long as an answer usually takes, within these bounds.
_UNKNOWN_SECONDS, _SHORTEST_COOLING_SECONDS, _LONGEST_COOLING_SECONDS = 0.25, 0.1, 1.0
_AT_FLOOR = 3.0  # times as long if only one place is left: that makes it less than one at once

# What a refused row waits itself: half a second at first, or as long as an answer takes if that is less.
_LONGEST_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0

# A request that takes much longer than usual gives its place to another one.
_OVERDUE, _OVERDUE_SECONDS, _OVERDUE_UNKNOWN_SECONDS = 4.0, 5.0, 15.0


class Ticket:
    """One request under way.

    Attributes:
        tokens: what it was reckoned to use.
        began: when.
        before: how many requests, and how many tokens, had begun when it had.
    """

    __slots__ = ("before", "began", "epoch", "refused", "round", "tokens")

    def __init__(self, tokens: float, began: float, before: tuple[float, float], epoch: int, round_: int) -> None:
        self.tokens, self.began, self.before = tokens, began, before
        self.epoch, self.round, self.refused = epoch, round_, False


class Rule:
    """Decides how many.

    Args:
        start: how many at once to begin with.
        most: how many at once at most.
        pace: is told of the pauses that a refusal asks for.
        chance: gives a number from 0 to 1, so that clients do not move in step.

    Attributes:
        limit: how many at once, as it stands; whole numbers count.
        most: the most at once.
        under_way: how many there are.
        congestions: how often it was lowered.
        in_storm: whether everything is refused, so that single requests try whether that is over.
    """

    def __init__(
        self, *, start: float = 8, most: int = 256, pace: Pace, chance: Callable[[], float] = random.random
    ) -> None:
        self.most = most
        self.limit = float(min(start, most))
        self.under_way = 0
        self.congestions = 0
        self.in_storm = False
        self.usual: float | None = None  # seconds that an answer takes
        self._pace, self._chance = pace, chance
        # Places.
        self._young: dict[Ticket, None] = {}  # under way, the oldest first
        self._overdue: set[Ticket] = set()
        self._cooling: deque[float] = deque()  # until when a refused request keeps its place
        # Congestion.
        self._epoch = 0
        self._window: deque[Ticket] = deque()  # begun in this epoch
        self._event: tuple[float, int, int] | None = None  # the limit before, how many had begun, how many were refused
        self._wished_until = float("-inf")
        self._tolerated = _SHARE
        self._suspected: float | None = None  # the share of refusals for which the limit was lowered
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
        """Do as the latest batch wants, also for those before it; what was learnt of the server stays."""
        self.most = most
        limit = float(min(self.limit if self.congestions else max(self.limit, start), most))
        if limit != self.limit:
            self.limit = self._known = limit
            self._new_round()

    # -- places -------------------------------------------------------------------------------------------------------

    def has_room(self, now: float) -> bool:
        """Whether one more may begin, as far as their number goes."""
        self._look(now)
        if self.under_way >= self.most:
            return False
        held = self.under_way - len(self._overdue)
        if self.in_storm:
            return held == 0
        return held + len(self._cooling) < int(self.limit)

    def seconds_to_room(self, now: float) -> float:
        """Return when to look again whether there is room, if nothing ends before; ``inf`` for never."""
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
        """Take the end of a request, which says nothing about how many the server bears."""
        if ticket.round == self._round:  # another one is counted in its place
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
        """Take note of the time: of places that are free again, and of requests that are overdue."""
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
        """Take an answer."""
        self._measure(now - ticket.began)
        self._streak = 0
        if self.in_storm and ticket.epoch == self._epoch:
            self.in_storm = False
            self.limit = self._known = max(1.0, self._before_storm / 2)
            self._ceiling = max(self.limit, self._before_storm)
            self._anew()
            self._pace.spread(now, min(self._probe_seconds / 2, now - ticket.began), self.limit)
        self._end(ticket)

    def _measure(self, seconds: float) -> None:
        """See, round by round, whether answers take longer than when there were fewer at once."""
        self.usual = seconds if self.usual is None else self.usual + (seconds - self.usual) / 8
        self._seconds.append(seconds)
        if len(self._seconds) >= max(_MEDIAN_OF, self.limit):
            median = sorted(self._seconds)[len(self._seconds) // 2]
            self._quickest = min(self._quickest, median)
            self._roomy = median <= _SLOWER * self._quickest
            self._seconds.clear()

    def _new_round(self) -> None:
        """Begin to judge the limit as it stands, by requests that begin from now on."""
        added = (self.limit - self._known) / self.limit
        trial = max(_SMALL_ROUND, min(_TRIAL_ROUND, 2 / added)) if added > 0 else _SMALL_ROUND
        self._round += 1
        self._size = max(int(trial), int(self.limit))
        # The trial fails if refusals exceed the usual number by half of what was added.
        self._bearable = (
            min(self._refused / max(1.0, self._tried), self._tolerated / 2) + added / 2 if added > 0 else 1.0
        )
        self._begun = self._heard = self._heard_refused = 0
        self._full = False

    def _take_back(self) -> None:
        """The trial failed: the limit is too high."""
        self.limit = self._ceiling = self._known
        self._patience = min(2 * self._patience, _PATIENCE)
        self._step, self._hold = 1.0, self._patience
        self._new_round()

    def _end_round(self) -> None:
        """The trial succeeded: keep the limit, and try a higher one."""
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
        """See whether fewer at once are refused less often; if not, their number was not the reason."""
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
        """Take a refusal: now and then it is that request's own trouble, often it is congestion."""
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
            self._anew()
            self._probe_again(now)

    def _look_for_congestion(self, now: float) -> None:
        """See whether, for some number n, of the last n requests more than n times the share and some more failed."""
        most, found, refused = _MARGIN, 0, 0
        for begun, ticket in enumerate(reversed(self._window), 1):
            refused += ticket.refused
            if refused - self._tolerated * begun > most:
                most, found, of_these = refused - self._tolerated * begun, begun, refused
        if found:
            self.congestions += 1
            self._anew()
            self._lower(now, self.limit, found, of_these)

    def _lower(self, now: float, before: float, begun: int, refused: int) -> None:
        """Lower the limit to the number of requests that were accepted together; to half of them at least."""
        self._event = before, begun, refused
        share = min(1.0, refused / begun)
        accepted = max(0.0, 1 - refused / max(begun, before))
        self._before, self._suspected = before, share if share < _MOST_TOLERATED else None
        self.limit = self._known = max(1.0, before * max(_DECREASE, accepted))
        self._ceiling = self.limit if accepted > _DECREASE else max(1.0, int(before) - 1)
        if accepted < _DECREASE and self._wished_until > now:
            self._pace.pause(now, self._wished_until - now, self.limit)
        self._new_round()

    def _anew(self) -> None:
        """Start a new count: what began before is one event."""
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
    """Return the seconds that a refused row waits itself before it asks for its turn again.

    Args:
        refusals: how often it was refused before.
        wish: the seconds that the provider asks for; None if it does not.
        usual: the seconds that an answer takes; None if that is not known.
        chance: a number from 0 to 1, so that rows do not move in step.
    """
    if wish is not None:
        return wish
    first = _LONGEST_FIRST_WAIT if usual is None else min(max(usual, _SHORTEST_COOLING_SECONDS), _LONGEST_FIRST_WAIT)
    return min(first * 2.0**refusals, _LONGEST_WAIT) * (1 - 0.5 * chance)
