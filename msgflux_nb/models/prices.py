"""What an answer cost: what the provider itself says, else its tokens times the prices of genai-prices."""

from __future__ import annotations

import functools
from typing import Any

from ..protocol.events import Usage
from ..protocol.profile import Profile

__all__ = ["cost_of"]


def cost_of(usage: Usage | None, profile: Profile, model: str, *, answered: str | None = None) -> float | None:
    """Return US dollars, or None when the price, or the number of tokens, is not known.

    Args:
        usage: what was billed.
        profile: by whom.
        model: the model's name as the provider knows it.
        answered: the model that answered, as the provider calls it; says more where ``model`` is an alias or, as on
            Azure, the name of a deployment.
    """
    if profile.free:
        return 0.0
    if usage is None or usage.cost is not None:
        return None if usage is None else usage.cost
    if profile.price_list is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    for name in (model, answered):
        price = _price(profile.price_list, name) if name else None
        if price is not None:
            cost: float = price(usage.prompt_tokens, usage.completion_tokens, usage.cached)
            return cost
    return None


@functools.cache
def _price(price_list: str, model: str) -> Any:
    """A function of (prompt tokens, completion tokens, cached) for one model; None where it has no price."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    def price(prompt: int, completion: int, cached: int | None) -> float | None:
        tokens = Tokens(input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached)
        try:
            return float(calc_price(tokens, model_ref=model, provider_id=price_list).total_price)
        except (LookupError, ValueError):
            return None

    return price if price(1, 1, None) is not None else None
