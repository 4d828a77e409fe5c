"""Billed tokens: the counts of all providers get the same meaning, and unknown ones are None."""

from __future__ import annotations

from typing import Any

import pytest

from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.usage import Usage, checked, usage_of
from msgflux_nb.protocol.wires.messages_answer import messages_usage


def counted(prompt: Any, completion: Any, total: Any = None, **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion, **more}
    if total is not None:
        fields["total_tokens"] = total
    if "reasoning" in more:
        fields["completion_tokens_details"] = {"reasoning_tokens": fields.pop("reasoning")}
    if "cached" in more:
        fields["prompt_tokens_details"] = {"cached_tokens": fields.pop("cached")}
    return fields


WAYS = {
    "openai: reasoning inside": (counted(10, 100, 110, reasoning=90), (10, 100)),
    "openai: all of it reasoning": (counted(10, 100, 110, reasoning=100), (10, 100)),
    "xai: reasoning apart": (counted(32, 9, 135, reasoning=94), (32, 103)),
    "xai: reasoning apart and cached inside": (counted(165, 2, 292, reasoning=125, cached=156), (165, 127)),
    "gemini by name": ({**counted(6009, 31, 6132), "reasoning_tokens": 92}, (6009, 123)),
    "gemini without an answer": (counted(21, 0, 81, reasoning=60), (21, 60)),
    "gemini without a completion": (counted(21, None, 81, reasoning=60), (21, 60)),
    "vercel: reasoning left out of the total": (counted(9, 2, 11, reasoning=25), (9, 27)),
    "no total, reasoning larger than the completion": (counted(9, 2, None, reasoning=25), (9, 27)),
    "cached apart": (counted(10, 5, 1015, cached=1000), (1010, 5)),
    "cached and reasoning apart": (counted(10, 5, 1045, cached=1000, reasoning=30), (1010, 35)),
    "deepseek": ({**counted(80, 25, 105), "prompt_cache_hit_tokens": 9, "prompt_cache_miss_tokens": 71}, (80, 25)),
    "anthropic": (
        {"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 40},
        (143, 5),
    ),
    "anthropic behind a proxy that adds up": (
        {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8, "cache_read_input_tokens": 100},
        (103, 5),
    ),
    "anthropic behind a proxy that includes": (
        {**counted(143, 5, 148), "cache_read_input_tokens": 100, "cache_creation_input_tokens": 40},
        (143, 5),
    ),
    "responses": (
        {"input_tokens": 101, "output_tokens": 4, "total_tokens": 105, "input_tokens_details": {"cached_tokens": 64}},
        (101, 4),
    ),
    "tools of the server read more": ({**counted(10, 5, 65), "tool_use_prompt_tokens": 50}, (60, 5)),
    "in words": (counted("7", 3.0, "10"), (7, 3)),
}


@pytest.mark.parametrize(("fields", "expected"), WAYS.values(), ids=WAYS)
def test_prompt_and_completion_are_all_that_was_billed(fields: dict[str, Any], expected: tuple[int, int]) -> None:
    usage = usage_of(fields)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.unclear) == (*expected, None)
    assert checked(usage) == usage, "once is enough"


def test_tokens_that_only_the_total_counts_are_thoughts_where_a_provider_counts_so() -> None:
    fields = counted(20, 198, 623)
    assert usage_of(fields, thoughts_in_total=True).completion_tokens == 603
    assert usage_of(counted(20, None, 623), thoughts_in_total=True).completion_tokens == 603
    assert usage_of(fields).unclear is not None


NO_WAY = {
    "a total that is too large": counted(10, 5, 900),
    "a total that is too small": counted(10, 5, 12),
    "no total": counted(10, 5, 0),
    "reasoning that does not make up for it": counted(10, 5, 900, reasoning=3),
    "more cached than there was": counted(10, 5, 15, cached=50),
    "a proxy's total that may or may not have the cache": {
        "input_tokens": 100,
        "output_tokens": 5,
        "total_tokens": 105,
        "cache_read_input_tokens": 50,
    },
    "less than nothing": counted(-10, 5, -5),
    "true": counted(True, 5, 6),
    "not a number": counted(float("nan"), 5, 6),
    "infinite": counted(10, float("inf"), 6),
    "half a token": counted(10.5, 5, 15),
    "too many": counted(10, 10**30, 15),
    "a word": counted("many", 5, 15),
    "cached less than nothing": counted(10, 5, 15, cached=-1),
    "reasoning as a list": counted(10, 5, 15, reasoning=[1]),
}


@pytest.mark.parametrize("fields", NO_WAY.values(), ids=NO_WAY)
def test_contradicting_counts_of_an_answer_are_reported(fields: dict[str, Any]) -> None:
    usage = usage_of(fields)
    assert usage.unclear is not None
    assert "so the cost is not known" in usage.unclear
    for count in (usage.prompt_tokens, usage.completion_tokens, usage.cached):
        assert count is None or count >= 0


COSTS: dict[str, tuple[dict[str, Any], float | None, bool]] = {
    "openrouter": (
        {"cost": 0.00019, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.00019}},
        0.00019,
        False,
    ),
    "openrouter, own key": (
        {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.19}},
        0.2,
        False,
    ),
    "openrouter, own key, free of a fee": (
        {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.19}},
        0.19,
        False,
    ),
    "openrouter, own key, upstream unknown": (
        {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
        None,
        True,
    ),
    "openrouter in its first form": ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 19.95, False),
    "perplexity": ({"cost": {"input_tokens_cost": 0.1, "request_cost": 0.006, "total_cost": 0.5}}, 0.5, False),
    "perplexity without a sum": ({"cost": {"input_tokens_cost": 0.1}}, None, True),
    "deepinfra": ({"estimated_cost": 1.253e-05}, 1.253e-05, False),
    "xai": ({"cost_in_usd_ticks": 731_000, "num_sources_used": 0}, 0.0000731, False),
    "in words": ({"cost": "0.25"}, 0.25, False),
    "nothing": ({"cost": 0.0}, 0.0, False),
    "no word": ({"cost": None}, None, False),
    "less than nothing": ({"cost": -0.5}, None, True),
    "not a number": ({"cost": float("nan")}, None, True),
    "true": ({"cost": True}, None, True),
    "searches of perplexity": ({"search_context_size": "low", "num_search_queries": 3}, None, True),
    "searches of anthropic": ({"server_tool_use": {"web_search_requests": 2}}, None, True),
    "no searches of anthropic": ({"server_tool_use": {"web_search_requests": 0}}, None, False),
    "sources of xai": ({"num_sources_used": 4}, None, True),
}


@pytest.mark.parametrize(("fields", "cost", "more"), COSTS.values(), ids=COSTS)
def test_what_a_provider_says_it_took_is_read_and_what_it_leaves_out_is_noted(
    fields: dict[str, Any], cost: float | None, more: bool
) -> None:
    usage = usage_of({**counted(10, 5, 15), **fields})
    assert usage.cost == (None if cost is None else pytest.approx(cost))
    assert usage.fees == more


def test_kinds_of_tokens_are_told_apart() -> None:
    usage = usage_of(
        {
            **counted(100, 50, 150),
            "prompt_tokens_details": {"audio_tokens": 30, "cached_tokens": 0, "cache_write_tokens": 7},
            "completion_tokens_details": {"audio_tokens": 20, "image_tokens": 10},
            "service_tier": "standard",
        }
    )
    assert (usage.audio_prompt, usage.audio_completion, usage.image_completion, usage.cache_write) == (30, 20, 10, 7)
    assert usage.tier == "standard"


def test_what_anthropic_keeps_for_an_hour_is_told_apart() -> None:
    kept = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30}
    usage = usage_of({"input_tokens": 5, "output_tokens": 1, "cache_creation": kept})
    assert (usage.prompt_tokens, usage.cache_write, usage.cache_write_hour) == (45, 40, 30)


def test_a_sum_with_an_unknown_count_is_unknown() -> None:
    known = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3, cost=0.5, cache_write=4)
    both = known + Usage(prompt_tokens=10, completion_tokens=20)
    assert both == Usage(prompt_tokens=11, completion_tokens=22, cache_write=4)
    assert known + known == Usage(prompt_tokens=2, completion_tokens=4, total_tokens=6, cost=1.0, cache_write=8)


@pytest.mark.parametrize("size", [1, 40, 10_000])
def test_reports_in_pieces_are_checked_together(size: int) -> None:
    wire = (
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":32,"total_tokens":32}}\n\n'
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"completion_tokens":9,'
        b'"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}}\n\ndata: [DONE]\n\n'
    )
    accumulator = Accumulator()
    for start in range(0, len(wire), size):
        accumulator.feed(wire[start : start + size])
    accumulator.close()
    usage = accumulator.finish().usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.unclear) == (32, 103, None)


@pytest.mark.parametrize(("kind", "input_tokens", "fees"), [("message", 5, False), ("compaction", 900, True)])
def test_tokens_that_stand_in_a_step_of_the_answer_and_in_no_sum_have_no_known_price(
    kind: str, input_tokens: int, fees: bool
) -> None:
    steps = [{"type": kind, "input_tokens": input_tokens, "output_tokens": 3}]
    usage = messages_usage({"input_tokens": 5, "output_tokens": 3, "iterations": steps})
    assert (usage.prompt_tokens, usage.fees) == (5, fees)
