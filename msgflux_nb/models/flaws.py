"""Sentences about what was changed or cut on the way to an answer; warns if the server cut the prompt."""

from __future__ import annotations

import warnings

from ..protocol.cut_prompt import cut_prompt
from ..protocol.profile import Profile
from .exchange import Exchange
from .prices import unclear_bill

__all__ = ["Flaws"]


class Flaws:
    """Checks each complete exchange once.

    Args:
        profile: the provider's row.

    Attributes:
        aloud: whether a cut prompt also gives a Python warning; a batch gives one for all of its rows.
    """

    def __init__(self, profile: Profile) -> None:
        self.aloud = True
        self._profile = profile
        self._known: tuple[Exchange, str | None] | None = None
        self._told: Exchange | None = None

    def of(self, exchange: Exchange) -> tuple[str, ...]:
        """Return the sentences about an exchange; decoding may add more."""
        cut = self._cut(exchange)
        known = (*exchange.request.warnings, *((cut,) if cut else ()), *unclear_bill(exchange.usage, self._profile))
        if exchange.plain is not None:
            return known
        calls = (f"call of {state.name}: {said}" for state in exchange.tool_calls.states for said in state.repairs)
        return (*known, *exchange.snapshot.warnings, *calls)

    def tell(self, exchange: Exchange) -> None:
        """Warn if the prompt was cut; once."""
        if not self.aloud or self._told is exchange:
            return
        self._told = exchange
        cut = self._cut(exchange)
        if cut is not None:
            warnings.warn(cut, RuntimeWarning, stacklevel=4)

    def _cut(self, exchange: Exchange) -> str | None:
        if exchange.state != "complete":
            return None
        if self._known is None or self._known[0] is not exchange:
            said = exchange.plain is None and exchange.snapshot.fields.get("truncated") is True
            self._known = exchange, cut_prompt(exchange.request.body, exchange.usage, self._profile, said=said)
        return self._known[1]
