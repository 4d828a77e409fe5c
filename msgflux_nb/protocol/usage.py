"""Reads the billed tokens of an answer, checks them against their total, and reads the cost if it is reported.

Providers count differently. Reasoning is part of ``completion_tokens`` (OpenAI) or not (xAI, Gemini); cached tokens are
part of ``prompt_tokens`` (OpenAI) or not part of ``input_tokens`` (Anthropic). ``total_tokens`` tells which. Numbers
that do not add up in any known way stay as received, and ``unclear`` says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from .json_values import text_in

__all__ = ["MOST_TOKENS", "Usage", "checked", "usage_of", "usages_in"]

MOST_TOKENS = 2**53
"""A larger number is not a count."""
_DIGITS = 16
_TICKS_A_DOLLAR = 10_000_000_000  # xAI's unit
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")  # Moonshot, DeepSeek, Anthropic
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")
_TOOL_PROMPT = ("tool_use_prompt_tokens", "tool_use_prompt_token_count", "toolUsePromptTokenCount")
# Fees other than for tokens: Perplexity's searches and citations, xAI's sources, Anthropic's and xAI's server tools.
_FEES = (
    *("num_search_queries", "search_context_size", "citation_tokens", "num_sources_used", "web_search_requests"),
    *("num_server_side_tools_used", "server_tool_use", "server_side_tool_usage_details"),
)


class Usage(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """The billed tokens; None where the provider does not say.

    Attributes:
        prompt_tokens: tokens of the messages, including those read from and written to the provider's cache.
        completion_tokens: tokens of the answer, reasoning included.
        total_tokens: the provider's total; some totals leave out part of the counts above.
        cached: prompt tokens that were read from the provider's cache.
        reasoning: answer tokens that were reasoning.
        cost: US dollars, if the provider itself reports them.
        cache_write: prompt tokens that were written to the provider's cache.
        cache_write_hour: how many of these are kept for an hour.
        audio_prompt: prompt tokens that were audio.
        audio_completion: answer tokens that were audio.
        image_completion: answer tokens that were images.
        tier: the provider's service tier for the request, such as ``flex``; None if it does not say.
        fees: whether something other than tokens is billed, such as searches.
        unclear: how these numbers contradict each other, as a sentence; None if they agree.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    cost: float | None = None
    cache_write: int = 0
    cache_write_hour: int = 0
    audio_prompt: int = 0
    audio_completion: int = 0
    image_completion: int = 0
    tier: str | None = None
    fees: bool = False
    unclear: str | None = None

    def __add__(self, other: Usage) -> Usage:
        """Return the sum; a count that one of the two lacks is unknown."""
        pairs = zip(self.__struct_fields__, _values(self), _values(other), strict=True)
        return Usage(**{name: _sum(name, a, b) for name, a, b in pairs})

    def updated(self, later: Usage, thoughts_in_total: bool = False) -> Usage:
        """Return the count updated by a later, possibly incomplete report of the same answer."""
        pairs = zip(self.__struct_fields__, _values(self), _values(later), strict=True)
        merged = {name: b if b or (b is not None and name in _NUMBERS) else a for name, a, b in pairs}
        usage = Usage(**{**merged, "unclear": later.unclear})
        return usage if usage.unclear is not None else checked(usage, thoughts_in_total=thoughts_in_total)


_NUMBERS = frozenset(("prompt_tokens", "completion_tokens", "total_tokens", "cached", "reasoning", "cost"))


def usages_in(
    payload: dict[str, Any], choices: list[dict[str, Any]], *, thoughts_in_total: bool = False
) -> Iterator[Usage]:
    """Yield the counts in a chunk or a whole answer: of each choice (Moonshot), and of all together."""
    groq = payload.get("x_groq")
    whole = (payload.get("usage"), groq.get("usage") if isinstance(groq, dict) else None)
    found = next((usage for usage in whole if isinstance(usage, dict) and usage), None)
    for usage in (*(choice.get("usage") for choice in choices), found):
        if isinstance(usage, dict) and usage:
            yield usage_of(usage, tier=payload.get("service_tier"), thoughts_in_total=thoughts_in_total)


def usage_of(fields: dict[str, Any], *, tier: Any = None, thoughts_in_total: bool = False) -> Usage:
    """Read a provider's count, under the names of OpenAI, Anthropic and many others.

    Args:
        fields: the ``usage`` of the answer.
        tier: the ``service_tier`` of the answer.
        thoughts_in_total: whether tokens that only the total counts are the model's thoughts.
    """
    counts = _Counts(fields)
    cost, more_cost = _said_cost(fields)
    kept = fields.get("cache_creation")
    hour = counts.read(kept, "ephemeral_1h_input_tokens") if isinstance(kept, dict) else None
    short = counts.read(kept, "ephemeral_5m_input_tokens") if isinstance(kept, dict) else None
    written = counts.first((counts.prompt, *_WRITTEN), (fields, *_WRITTEN))
    usage = Usage(
        prompt_tokens=counts.first((fields, "prompt_tokens", "input_tokens")),
        completion_tokens=counts.first((fields, "completion_tokens", "output_tokens")),
        total_tokens=counts.read(fields, "total_tokens"),
        cached=counts.first((counts.prompt, "cached_tokens"), (fields, *_CACHED)),
        reasoning=counts.first((counts.completion, "reasoning_tokens"), (fields, "reasoning_tokens")),
        cost=cost,
        cache_write=written or (hour or 0) + (short or 0),
        cache_write_hour=hour or 0,
        audio_prompt=counts.read(counts.prompt, "audio_tokens") or 0,
        audio_completion=counts.read(counts.completion, "audio_tokens") or 0,
        image_completion=counts.read(counts.completion, "image_tokens") or 0,
        tier=text_in(fields.get("service_tier"))
        or ("fast" if fields.get("speed") == "fast" else None)
        or text_in(tier),
        fees=more_cost or any(map(_says_something, map(fields.get, _FEES))),
        unclear=counts.problem,
    )
    if usage.unclear is not None:
        return usage
    tools = counts.first((counts.prompt, *_TOOL_PROMPT), (fields, *_TOOL_PROMPT)) or 0
    with_cache = _with_cache(usage) if counts.is_anthropics else usage
    return checked(with_cache, thoughts_in_total=thoughts_in_total, tool_prompt=tools)


def checked(usage: Usage, *, thoughts_in_total: bool = False, tool_prompt: int = 0) -> Usage:
    """Return a count in which ``prompt_tokens`` and ``completion_tokens`` include everything that was billed.

    Args:
        usage: the count as received; a checked count stays unchanged.
        thoughts_in_total: whether tokens that only the total counts are the model's thoughts.
        tool_prompt: prompt tokens that server tools have added, if they are counted separately.
    """
    prompt, completion, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    thought, kept = usage.reasoning or 0, (usage.cached or 0) + usage.cache_write
    if prompt is None:
        return usage
    if completion is None:  # Gemini leaves it out while only thoughts have arrived
        rest = -1 if total is None else total - prompt
        return _counted(usage, prompt, rest) if rest >= 0 and (thoughts_in_total or 0 < thought == rest) else usage
    gap = 0 if total is None else total - prompt - completion
    if gap == 0 and thought <= completion and kept <= prompt:  # the usual case
        return usage
    if gap == 0 and thought > completion and kept <= prompt:  # Vercel's gateway, Perplexity: neither count has it
        return _counted(usage, prompt, completion + thought)
    for more_prompt in (0, kept, tool_prompt):
        for more in (thought, 0):
            if gap == more_prompt + more > 0 and kept <= prompt + more_prompt and thought <= completion + more:
                return _counted(usage, prompt + more_prompt, completion + more)
    # The total of a proxy that adds up Anthropic's numbers, or that leaves out the reasoning.
    if -gap in (kept, thought, kept + thought) and kept <= prompt and thought <= completion:
        return usage
    if gap > 0 and not thought and thoughts_in_total and kept <= prompt:
        return _counted(usage, prompt, completion + gap)
    return _unclear(usage)


class _Counts:
    """Reads the counts of one report, and records the first invalid one."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.problem: str | None = None
        self.prompt = _dict(fields.get("prompt_tokens_details")) or _dict(fields.get("input_tokens_details"))
        self.completion = _dict(fields.get("completion_tokens_details")) or _dict(fields.get("output_tokens_details"))
        own = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")
        # Anthropic's input_tokens do not include cached tokens.
        self.is_anthropics = (
            fields.get("prompt_tokens") is None
            and self.prompt.get("cached_tokens") is None
            and any(fields.get(name) is not None for name in own)
        )

    def read(self, fields: dict[str, Any], name: str) -> int | None:
        value = fields.get(name)
        count = _count(value)
        if count is None and value is not None and value != "" and self.problem is None:
            said = repr(value) if isinstance(value, int | float) and abs(value) < MOST_TOKENS else type(value).__name__
            self.problem = f"the provider's count {name!r} is {said}, so the cost is not known"
        return count

    def first(self, *places: Any) -> int | None:
        for fields, *names in places:
            for name in names:
                count = self.read(fields, name)
                if count is not None:
                    return count
        return None


def _with_cache(usage: Usage) -> Usage:
    """Add the cached tokens to Anthropic's count, which leaves them out."""
    prompt, completion, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    kept = (usage.cached or 0) + usage.cache_write
    if prompt is None or not kept:
        return usage
    naive = total is not None and completion is not None and total == prompt + completion
    if naive and kept <= prompt:  # a proxy's total: whether its prompt includes the cache is unknown
        return _unclear(usage)
    return msgspec.structs.replace(usage, prompt_tokens=prompt + kept)


def _counted(usage: Usage, prompt: int, completion: int) -> Usage:
    return msgspec.structs.replace(usage, prompt_tokens=prompt, completion_tokens=completion)


def _unclear(usage: Usage) -> Usage:
    named = (("cached", usage.cached), ("written to a cache", usage.cache_write), ("of reasoning", usage.reasoning))
    parts = [f"{count:,} {name}" for name, count in named if count]
    said = (
        f"the provider counts {usage.prompt_tokens:,} tokens in and {usage.completion_tokens or 0:,} out"
        + (f" ({', '.join(parts)})" if parts else "")
        + (f", but {usage.total_tokens:,} in all" if usage.total_tokens is not None else "")
        + "; these numbers contradict each other, so the cost is not known"
    )
    return msgspec.structs.replace(usage, unclear=said)


def _said_cost(fields: dict[str, Any]) -> tuple[float | None, bool]:
    """Return the cost that the provider reports, and whether more was billed than it reports."""
    cost = fields.get("cost")
    if isinstance(cost, dict):  # Perplexity
        total = _amount(cost.get("total_cost"))
        return total, total is None
    amount = _amount(cost)
    more = amount is None and _says_something(cost)
    if amount is None and fields.get("estimated_cost") is not None:  # DeepInfra
        amount = _amount(fields["estimated_cost"])
        more = amount is None
    if amount is None and fields.get("cost_in_usd_ticks") is not None:  # xAI
        ticks = _count(fields["cost_in_usd_ticks"])
        return (None, True) if ticks is None else (ticks / _TICKS_A_DOLLAR, False)
    # OpenRouter with the user's own key for the provider behind it: that provider bills separately.
    upstream = _amount(_dict(fields.get("cost_details")).get("upstream_inference_cost"))
    own_key = fields.get("is_byok")
    if own_key is None:  # earlier answers lack the field; they had an upstream cost only if it was billed separately
        own_key = amount is not None and upstream is not None and upstream > amount
    if own_key is not True:
        return amount, more
    return (None, True) if amount is None or upstream is None else (amount + upstream, False)


def _count(value: Any) -> int | None:
    """Read a number of tokens, which some servers write as 5.0 or "5"; None for anything else."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < _DIGITS else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < MOST_TOKENS else None


def _amount(value: Any) -> float | None:
    """Read US dollars; None for anything that cannot be an amount."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None


def _says_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    return bool(value) and value != "0"


def _sum(name: str, a: Any, b: Any) -> Any:
    if name in ("tier", "unclear"):
        return a if b is None or a == b else b if a is None else f"{a}; {b}"
    if name == "fees":
        return a or b
    return None if a is None or b is None else a + b


def _values(usage: Usage) -> tuple[Any, ...]:
    return msgspec.structs.astuple(usage)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
