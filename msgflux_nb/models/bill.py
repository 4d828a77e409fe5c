"""Tokens and dollars of all requests of a call; None if one of the answers does not say."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..protocol.events import Usage
from ..protocol.profile import Profile
from .exchange import Exchange
from .prices import cost_of, with_request
from .recording_context import Replayed

__all__ = ["Bill", "cost_together", "recorded_cost", "usage_together"]


class Bill(msgspec.Struct, frozen=True):
    """What a call cost, and the warnings that belong to its value.

    Attributes:
        usage: tokens billed, or None if the provider did not say.
        attempts: how many requests were sent.
        cost: US dollars, or None when the price is unknown.
        warnings: sentences about what was changed, repaired, cut or left out.
        replayed: where the answer was recorded; None for one that came over the network.
    """

    usage: Usage | None
    attempts: int
    cost: float | None
    warnings: tuple[str, ...] = ()
    replayed: Replayed | None = None


def usage_together(exchanges: Sequence[Exchange]) -> Usage | None:
    """Return the tokens of all answers together; None if one of the answers does not say."""
    whole: Usage | None = None
    for one in exchanges:
        if one.has_answer:
            usage = one.usage
            if usage is None:
                return None
            whole = usage if whole is None else whole + usage
    return whole


def cost_together(exchanges: Sequence[Exchange], profile: Profile, model: str) -> float | None:
    """Return the cost of all requests that got an answer over the network, partial answers included.

    Args:
        exchanges: all of them.
        profile: who answered.
        model: the model's name as the provider knows it.
    """
    billed = [one for one in exchanges if one.has_answer and not one.cached and one.replayed is None]
    if not billed:
        sent = any(one.attempts for one in exchanges)
        free = profile.free or (exchanges[-1].cached and not sent) or any(one.replayed for one in exchanges)
        return 0.0 if free else None
    whole = 0.0
    for one in billed:
        cost = _cost(one, profile, model)
        if cost is None:
            return None
        whole += cost
    return whole


def recorded_cost(exchanges: Sequence[Exchange]) -> float | None:
    """Return the cost of the replayed requests when they were recorded; None if one of them is not known."""
    costs = [one.recorded_cost for one in exchanges if one.replayed is not None and one.has_answer]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def _cost(exchange: Exchange, profile: Profile, model: str) -> float | None:
    usage = exchange.usage
    if usage is not None and usage.cost is None and profile.price_list is not None:  # else nothing below changes it
        usage = with_request(usage, exchange.request.body, None if exchange.plain else exchange.snapshot)
    return cost_of(usage, profile, model, answered=exchange.answered)
