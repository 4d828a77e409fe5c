"""The cost of an answer: as the provider states it, else its tokens times the prices of genai-prices."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from ..protocol.profile import Profile
from ..protocol.snapshot import Snapshot
from ..protocol.usage import Usage

__all__ = ["cost_of", "is_same_model", "listed_price", "unclear_bill", "with_request"]

Price = Callable[[int, int, int | None], float | None]
_MILLION = 1_000_000
_ALIAS = re.compile(r"-latest$")
_SNAPSHOT = re.compile(r"[-@](?:20\d\d-?[01]\d-?[0-3]\d|[0-3]\d-[0-3]?\d(?:-20\d\d)?|\d{3,4})(?:-v\d+)?$")
_USUAL_TIERS = frozenset(("default", "standard", "standard_only", "auto", "on_demand"))
_TIER_KEYS = ("service_tier", "processing", "speed")  # the keys under which genai-prices has flex, batch and fast
_ASKED_TIER = re.compile(rb'"service_tier": ?"(\w+)"')
# Anthropic's searches (the tool web_search_20250305) are missing here, since its usage counts them.
_SERVER_TOOL = re.compile(
    rb'"web_search_options"|"type": ?"(?:web_search(?:_preview[\w-]*)?|file_search|code_interpreter|image_generation|'
    rb'browser_search|x_search|openrouter:[\w.-]+)"'
)
_COUNTED = {
    "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_hour",
    "input_audio_tokens": "audio_prompt",
    "output_audio_tokens": "audio_completion",
    "output_image_tokens": "image_completion",
}
# Without a price for these tokens, genai-prices counts them as text, which is far off.
_NEEDED = {
    "cache_write_1h_tokens": "cache_write_1h_mtok",
    "input_audio_tokens": "input_audio_mtok",
    "output_audio_tokens": "output_audio_mtok",
    "output_image_tokens": "output_image_mtok",
}
# Prices for what no answer counts: requests, reasoning, citations.
_APART = ("requests_kcount", "output_reasoning_mtok", "output_citation_mtok")


def cost_of(usage: Usage | None, profile: Profile, model: str, *, answered: str | None = None) -> float | None:
    """Return US dollars, or None if the price, or a fact that it depends on, is not known.

    Args:
        usage: the tokens that were billed.
        profile: the provider's row.
        model: the model's name as the provider knows it.
        answered: the model that answered, as the provider calls it. If it differs from ``model``, which may be the
            name of a router or of a deployment on Azure, its price counts; if that is not known, the cost is None.
    """
    if profile.free:
        return 0.0
    if usage is None or usage.cost is not None:
        return None if usage is None else usage.cost
    if profile.price_list is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    if usage.unclear is not None or usage.fees:
        return None
    for name in (model, answered) if answered is None or is_same_model(model, answered) else (answered,):
        price = _price(profile.price_list, name) if name else None
        if name and price is not None:
            if _is_usual(usage):
                return price(usage.prompt_tokens, usage.completion_tokens, usage.cached)
            return _looked_up(profile.price_list, name, usage)
    return None


def is_same_model(asked: str, answered: str) -> bool:
    """Whether two names mean one model: the second may add a snapshot or a maker, and leave out the host.

    Example:
        >>> is_same_model("gpt-4.1-nano", "gpt-4.1-nano-2025-04-14"), is_same_model("gpt-4.1", "gpt-4.1-nano")
        (True, False)
    """
    asked, answered = _bare(asked), _bare(answered)
    alias = _ALIAS.sub("", asked)
    return answered in (asked, alias) or _SNAPSHOT.sub("", answered) == alias


def _bare(name: str) -> str:
    return name.lower().rpartition("/")[2].partition(":")[0] if not name.startswith("ft:") else name


def listed_price(profile: Profile, model: str) -> tuple[float, float] | None:
    """Return US dollars for a million tokens in, and out, as a short call costs them; None where they are not known."""
    if profile.free:
        return 0.0, 0.0
    price = None if profile.price_list is None else _price(profile.price_list, model)
    thousands = [] if price is None else [price(1_000, 0, None), price(0, 1_000, None)]
    sent, received = [None if one is None else round(one * 1_000, 6) for one in thousands] or [None, None]
    return None if sent is None or received is None else (sent, received)


def with_request(usage: Usage | None, request: bytes, answer: Snapshot | None = None) -> Usage | None:
    """Add facts of the request and the answer that change the price: the tier, and what is not billed by tokens.

    Args:
        usage: the tokens that were billed.
        request: the body of the request.
        answer: the answer; None if it is plain text.
    """
    if usage is None:
        return None
    if usage.tier is None and answer is not None and isinstance(answer.fields.get("service_tier"), str):
        usage = msgspec.structs.replace(usage, tier=answer.fields["service_tier"])  # sent before the usage
    sound = b'"input_audio"' in request and not usage.audio_prompt
    if answer is not None:
        sound = sound or (answer.audio is not None and not usage.audio_completion)
        sound = sound or (bool(answer.images) and not usage.image_completion)
    asked = _ASKED_TIER.search(request) if usage.tier is None else None
    tier_unknown = asked is not None and asked[1].decode().lower() not in _USUAL_TIERS
    if sound or tier_unknown or _has_server_tool(request):
        return msgspec.structs.replace(usage, fees=True)
    return usage


def _has_server_tool(request: bytes) -> bool:
    """Whether a request offers a provider's own tool, which is billed by the call and not by tokens."""
    if not (b"search" in request or b"code_interpreter" in request or b"image_generation" in request):
        return False
    return _SERVER_TOOL.search(request) is not None


def unclear_bill(usage: Usage | None, profile: Profile) -> tuple[str, ...]:
    """Return why a cost is not known, if the numbers of tokens contradict each other; else None."""
    if usage is None or usage.unclear is None or usage.cost is not None or profile.free:
        return ()
    return (usage.unclear,)


def _is_usual(usage: Usage) -> bool:
    """Whether the tokens in, out and cached are enough to know the cost."""
    others = usage.cache_write or usage.audio_prompt or usage.audio_completion or usage.image_completion
    return not others and (usage.tier is None or usage.tier.lower() in _USUAL_TIERS)


def _looked_up(price_list: str, model: str, usage: Usage) -> float | None:
    """Return the cost of tokens of several kinds or of another tier; None if one price is not listed."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    counts = {name: getattr(usage, field) for name, field in _COUNTED.items()}
    asked = Tokens(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=usage.cached,
        **{name: count for name, count in counts.items() if count},
    )
    if usage.cached and usage.audio_prompt:  # no provider says how many of the cached tokens are audio
        return None
    try:
        found = calc_price(asked, model_ref=model, provider_id=price_list)
        context = _context(found.model, usage)
        if context is None or any(
            counts[name] and getattr(found.model_price, price, None) is None for name, price in _NEEDED.items()
        ):
            return None
        if context:
            found = calc_price(asked, model_ref=model, provider_id=price_list, price_context=context)
    except (LookupError, ValueError):
        return None
    return float(found.total_price)


def _context(model: Any, usage: Usage) -> dict[str, str] | None:
    """Return the price list's selection for an answer's tier; None if it has no price for the tier."""
    tier = (usage.tier or "").lower()
    if not tier or tier in _USUAL_TIERS:
        return {}
    if any(getattr(usage, field) for field in _COUNTED.values()):
        return None
    now = datetime.datetime.now(datetime.UTC)
    needed = ["input_mtok", "output_mtok", *(["cache_read_mtok"] if usage.cached else ())]
    for variant in model.price_variants or ():
        named = [(key, value) for key, value in variant.when.items()]
        of_tier = len(named) == 1 and named[0][0] in _TIER_KEYS and named[0][1] == tier
        active = variant.constraint is None or variant.constraint.active(now)
        if of_tier and active and all(getattr(variant.prices, name, None) is not None for name in needed):
            return dict(named)
    return None


@functools.cache
def _price(price_list: str, model: str) -> Price | None:
    """Return a function of (prompt tokens, completion tokens, cached) for one model; None if it has no price."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    def price(prompt: int, completion: int, cached: int | None, at: datetime.datetime | None = None) -> Decimal | None:
        tokens = Tokens(input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached)
        try:
            found = calc_price(tokens, model_ref=model, provider_id=price_list, genai_request_timestamp=at)
        except (LookupError, ValueError):
            return None
        apart = any(getattr(found.model_price, name, None) is not None for name in _APART)
        return None if apart else found.total_price

    def looked_up(prompt: int, completion: int, cached: int | None) -> float | None:
        found = price(prompt, completion, cached)
        return None if found is None else float(found)

    if price(1, 1, None) is None:
        return None
    return _even(price) or looked_up


def _even(price: Callable[..., Decimal | None]) -> Price | None:
    """Return a price that is the same for every token at any time, so that it is looked up only once.

    None if it varies, for instance if tokens beyond a number cost more.
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
