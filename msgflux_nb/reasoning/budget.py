"""``Budget``: the limits of a plan, and what it has spent so far."""

from __future__ import annotations

import math
import numbers
import threading
import time
from collections.abc import Callable
from typing import Any, TypedDict

from ..errors import brief

__all__ = ["Budget", "Limits"]

_WHOLE = ("max_calls", "max_tokens")  # limits that are counted


class Limits(TypedDict, total=False):
    """The limits of a plan, as keywords; None, ``inf`` or absent means no limit.

    ``max_calls`` limits calls of the model, ``max_tokens`` all billed tokens, ``max_cost`` US dollars, ``max_seconds``
    the time since the start.
    """

    max_calls: int | None
    max_tokens: int | None
    max_cost: float | None
    max_seconds: float | None


class Budget:
    """Counts calls, tokens, dollars and seconds against their limits.

    Args:
        limits: see :class:`Limits`.
        reserved: calls held back for the closing call, so that ``max_calls`` includes it.
        now: the clock, in seconds.

    Raises:
        TypeError: a limit has an unknown name.
        ValueError: a limit is not a number above 0, or ``max_calls`` or ``max_tokens`` is not whole.

    Example:
        >>> budget = Budget({"max_calls": 2})
        >>> budget.took(tokens=100, cost=0.01)
        >>> budget.reached() is None, budget.admits(0), budget.admits(1)
        (True, True, False)
    """

    def __init__(self, limits: Limits, *, reserved: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        known = Limits.__annotations__
        for name in limits:
            if name not in known:
                raise TypeError(f"unknown keyword {name!r}; a plan's limits are: {', '.join(known)}")
        checked = {name: _limit(name, value) for name, value in limits.items()}
        self._limits: dict[str, Any] = {name: value for name, value in checked.items() if value is not None}
        self._reserved = reserved
        self._now = now
        self._began = now()
        self._largest = {"max_tokens": 0.0, "max_cost": 0.0}
        self._closing = False
        self.calls = 0
        self.tokens = 0
        self.cost = 0.0
        self.tokens_known = self.cost_known = True

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._now() - self._began

    @property
    def limits(self) -> dict[str, Any]:
        """The limits that were set, by name."""
        return dict(self._limits)

    def seconds_left(self) -> float | None:
        """Return the seconds until ``max_seconds``, at least 0; None without that limit, and for the closing call."""
        if self._closing or "max_seconds" not in self._limits:
            return None
        return min(max(0.0, float(self._limits["max_seconds"]) - self.seconds), threading.TIMEOUT_MAX)

    def began_before(self, seconds: float) -> None:
        """Count seconds that an earlier part of the plan took."""
        self._began -= seconds

    def close(self) -> None:
        """Allow one more call, the closing one, whatever limit is reached."""
        self._closing = True

    def took(self, tokens: int | None, cost: float | None) -> None:
        """Count a call.

        Raises:
            ValueError: a limit cannot be enforced, because the provider does not report what it limits.
        """
        self.calls += 1
        self.tokens += tokens or 0
        self.cost += cost or 0.0
        self.tokens_known = self.tokens_known and tokens is not None
        self.cost_known = self.cost_known and cost is not None
        for name, value in (("max_tokens", tokens), ("max_cost", cost)):
            self._largest[name] = max(self._largest[name], value or 0.0)
            if name in self._limits and value is None:
                what = "how many tokens a call took" if name == "max_tokens" else "what a call cost"
                raise ValueError(f"{name} cannot be enforced: {what} is not known. Use max_calls or max_seconds.")

    def reached(self) -> str | None:
        """Return the name of a reached limit, or None."""
        spent = {
            "max_calls": self.calls + self._reserved,
            "max_tokens": self.tokens,
            "max_cost": self.cost,
            "max_seconds": self.seconds,
        }
        return next((name for name, limit in self._limits.items() if spent[name] >= limit), None)

    def admits(self, in_flight: int) -> bool:
        """Return whether another call may start while others are in flight.

        A call's tokens and cost are known only at its end. So as many calls run at once as fit if each takes as much as
        the largest so far; the first one runs alone.
        """
        if self._closing:
            return True
        if self.reached() is not None:
            return False
        if in_flight == 0:
            return True
        if self.calls + in_flight + self._reserved >= self._limits.get("max_calls", float("inf")):
            return False
        for name, spent in (("max_tokens", float(self.tokens)), ("max_cost", self.cost)):
            if name in self._limits and spent + in_flight * self._largest[name] >= self._limits[name]:
                return False
            if name in self._limits and self.calls == 0:
                return False
        return True

    def took_response(self, response: Any) -> None:
        """Count the call that returned a response."""
        metadata = response.metadata
        usage = metadata.usage
        tokens = None
        if usage is not None:
            tokens = usage.total_tokens
            if tokens is None and usage.prompt_tokens is not None and usage.completion_tokens is not None:
                tokens = usage.prompt_tokens + usage.completion_tokens
        # A replay costs nothing, but the plan has to stop where the recorded one did.
        self.took(tokens, metadata.cost if getattr(metadata, "replayed", None) is None else metadata.recorded_cost)


def _limit(name: str, value: Any) -> int | float | None:
    """Return a limit as a plain number; None for no limit. numpy's numbers are numbers too."""
    if value is None:
        return None
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not value > 0:
        raise ValueError(f"{name}: expected a number above 0, got {brief(value)}; leave it out for no limit")
    if name in _WHOLE and value != math.inf and value % 1 != 0:
        raise ValueError(f"{name}: expected a whole number above 0, got {brief(value)}")
    try:
        number = float(value)
    except OverflowError:  # an int of more than 300 digits
        return None
    if math.isinf(number):
        return None
    return int(value) if isinstance(value, numbers.Integral) else number
