"""What an answer cost: what the provider itself says, else its tokens times the prices of genai-prices."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from decimal import Decimal

from ..protocol.events import Usage
from ..protocol.profile import Profile

__all__ = ["cost_of"]

Price = Callable[[int, int, int | None], float | None]
_MILLION = 1_000_000


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
            return price(usage.prompt_tokens, usage.completion_tokens, usage.cached)
    return None


@functools.cache
def _price(price_list: str, model: str) -> Price | None:
    """A function of (prompt tokens, completion tokens, cached) for one model; None where it has no price."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    def price(prompt: int, completion: int, cached: int | None, at: datetime.datetime | None = None) -> Decimal | None:
        tokens = Tokens(input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached)
        try:
            found = calc_price(tokens, model_ref=model, provider_id=price_list, genai_request_timestamp=at)
            return found.total_price
        except (LookupError, ValueError):
            return None

    def looked_up(prompt: int, completion: int, cached: int | None) -> float | None:
        found = price(prompt, completion, cached)
        return None if found is None else float(found)

    if price(1, 1, None) is None:
        return None
    return _even(price) or looked_up


def _even(price: Callable[..., Decimal | None]) -> Price | None:
    """The price where it is the same for each token, at any time and for any number: looking it up takes a while.

    None where it is not, such as where more tokens than so many cost more each.
    """
    parts = [price(*(_MILLION if place == part else 0 for place in range(3))) for part in range(2)]
    whole_cached = price(_MILLION, 0, _MILLION)
    if None in parts or whole_cached is None:
        return None
    each, said, kept = (Decimal(part or 0) / _MILLION for part in (*parts, whole_cached))

    def even(prompt: int, completion: int, cached: int | None) -> Decimal:
        again = cached or 0
        return (prompt - again) * each + again * kept + completion * said

    today = datetime.datetime.now(datetime.UTC).replace(minute=30)
    for numbers in ((1, 0, None), (7, 3, 5), (150_000, 9, 0), (300_000, 70_000, 200_000), (3_000_000, 1_000_000, 0)):
        if price(*numbers) != even(*numbers):
            return None
    hours = (today + datetime.timedelta(hours=hour) for hour in range(24))
    if any(price(7, 3, 5, hour) != even(7, 3, 5) for hour in hours):
        return None
    return lambda prompt, completion, cached: float(even(prompt, completion, cached))
