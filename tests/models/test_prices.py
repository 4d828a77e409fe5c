"""The cost of an answer: as the provider says, else its tokens at known prices, else None."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from msgflux_nb.models.prices import _even, _price, cost_of, is_same_model
from msgflux_nb.models.profiles import PROFILES
from msgflux_nb.protocol.events import Usage
from msgflux_nb.storage import answers as store
from tests.models.test_chat import Call, both
from tests.scripted import Reply, chunk, completion, serving, stream

MILLION = Usage(prompt_tokens=1_000_000, completion_tokens=1_000_000)


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget stores and what was learnt of servers after each test."""
    monkeypatch.setattr(server_quirks, "_known", {})
    monkeypatch.setattr(store, "_stores", {})


def billed(model: str = "gpt-4.1-nano", **usage: Any) -> Reply:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 500_000, "total_tokens": 1_500_000, **usage}
    choice = {"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}
    return Reply([json.dumps({"model": model, "choices": [choice], "usage": usage}).encode()])


def model(name: str, url: str, **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion(name, base_url=url, api_key="k", **options)


@both
def test_tokens_cost_what_the_list_says(call: Call) -> None:
    with serving(billed()) as server:
        _, response = call(model("openai/gpt-4.1-nano", server.url), "Hi")
    assert response.metadata.cost == pytest.approx(0.10 + 0.40 / 2)  # dollars a million: 0.10 in, 0.40 out


@both
def test_cached_tokens_cost_less(call: Call) -> None:
    with serving(billed(prompt_tokens_details={"cached_tokens": 1_000_000})) as server:
        _, response = call(model("openai/gpt-4.1-nano", server.url), "Hi")
    assert response.metadata.cost == pytest.approx(0.025 + 0.40 / 2)


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_what_the_provider_says_it_took_is_what_it_cost(call: Call, streamed: bool) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.0}
    chunked = stream(
        "Hi", chunk(reason="stop"), b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
    )
    with serving(chunked if streamed else billed(cost=0.125)) as server:
        _, response = call(model("openrouter/openai/gpt-4.1-nano", server.url), "Hi", stream=streamed)
    assert response.metadata.cost == (0.0 if streamed else 0.125)


@both
@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("openai/a-model-of-tomorrow", {}),
        ("sambanova/DeepSeek-V3.2", {}),
        ("openai/gpt-4.1-nano", {"prompt_tokens": None}),
        ("openai/gpt-4.1-nano", {"completion_tokens": None}),
    ],
)
def test_an_unknown_cost_is_none_and_never_zero(call: Call, name: str, usage: dict[str, Any]) -> None:
    with serving(billed("unheard-of", **usage)) as server:
        _, response = call(model(name, server.url), "Hi")
    assert response.metadata.cost is None


@both
def test_without_usage_there_is_no_price(call: Call) -> None:
    with serving(stream("Hello")) as server:
        _, response = call(model("openai/gpt-4.1-nano", server.url), "Hi", stream=True)
    assert response.metadata.usage is None
    assert response.metadata.cost is None


def test_an_own_server_costs_nothing() -> None:
    with serving(completion("Hello"), stream("Hello")) as server:
        own = mf.Model.chat_completion("vllm/qwen3", base_url=server.url)
        assert own("Hi").metadata.cost == 0.0
        answer = own("Hi", stream=True)
        answer.consume()
        assert answer.metadata.cost == 0.0


def test_a_server_that_nobody_knows_has_no_price() -> None:
    with serving(billed()) as server:
        assert mf.Model.chat_completion("gpt-4.1-nano", base_url=server.url)("Hi").metadata.cost is None


@pytest.mark.parametrize(
    ("asked", "answered", "cost"),
    [
        ("openai/gpt-4.1-nano", "gpt-4.1-nano-2025-04-14", 0.3),  # its snapshot
        ("openai/gpt-4.1-nano", "GPT-4.1-nano", 0.3),
        ("openai/gpt-4.1-nano", "openai/gpt-4.1-nano", 0.3),
        ("openai/gpt-4.1-nano", "gpt-4.1-mini", 1.2),  # a router's choice: 0.40 in, 1.60 out
        ("openai/gpt-4.1", "gpt-4.1-nano-2025-04-14", 0.3),  # what the provider fell back to
        ("openai/auto", "gpt-4.1-nano", 0.3),
        ("openai/gpt-4.1-nano", "a-model-of-tomorrow", None),
        ("openai/gpt-4.1-nano", "gateway/our-own-7b", None),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_the_price_is_that_of_the_model_that_answered(
    asked: str, answered: str, cost: float | None, streamed: bool
) -> None:
    message = {"content": '{"value": "Hello"}'}
    choice = {"index": 0, "delta" if streamed else "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 500_000}
    body = json.dumps({"model": answered, "choices": [choice], "usage": usage}).encode()
    with serving(Reply([b"data: " + body + b"\n\ndata: [DONE]\n\n" if streamed else body])) as server:
        answer = model(asked, server.url)("Hi", stream=streamed)
        answer.consume()
        table = (
            None if streamed else mf.extract(["Hi"], str, model=model(asked, server.url), progress=False, store=False)
        )
    assert answer.metadata.cost == (cost if cost is None else pytest.approx(cost))
    assert table is None or (table["_cost"].isna()[0] if cost is None else table["_cost"][0] == pytest.approx(cost))


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gemini-2.5-flash", "models/gemini-2.5-flash", True),
        ("mistral-small-latest", "mistral-small-2506", True),
        ("grok-4", "grok-4-0709", True),
        ("openai/gpt-oss-20b:groq", "gpt-oss-20b", True),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", False),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("claude-opus-4", "claude-sonnet-4", False),
        ("llama-3-8b", "llama-3-70b", False),
    ],
)
def test_a_dated_name_is_the_same_model_and_another_name_is_another(asked: str, answered: str, same: bool) -> None:
    assert is_same_model(asked, answered) is same


def test_a_deployment_costs_what_the_model_behind_it_costs() -> None:
    with serving(billed("gpt-4.1-nano-2025-04-14")) as server:
        assert model("azure/my-deployment", server.url)("Hi").metadata.cost == pytest.approx(0.3)


def test_a_router_costs_what_the_provider_behind_it_costs() -> None:
    with serving(billed("openai/gpt-oss-20b")) as server:
        cost = model("huggingface/openai/gpt-oss-20b:groq", server.url)("Hi").metadata.cost
        assert cost is not None
        assert cost > 0
        assert model("huggingface/openai/gpt-oss-20b", server.url)("Hi").metadata.cost is None


def test_all_requests_of_a_call_are_paid_for_but_not_those_from_the_cache(tmp_path: Path) -> None:
    with serving(billed()) as server:
        asked = model("openai/gpt-4.1-nano", server.url, cache=tmp_path)
        with pytest.raises(mf.ValidationFailedError):
            asked("Hi", generation_schema=int).consume()
        assert len(server.bodies) == 2
        again = asked("Hi", generation_schema=int)
        assert len(server.bodies) == 2
        assert again.metadata.cost == 0.0


def test_of_a_call_that_was_half_in_the_cache_the_other_half_is_paid_for(tmp_path: Path) -> None:
    with serving(billed()) as server:
        options = {"cache": tmp_path, "profile": {"reasks": 0}}
        model("openai/gpt-4.1-nano", server.url, **options)("Hi", generation_schema=int)
        server.replies = [completion('{"value": 3}', usage=1_000_004)]
        answer = model("openai/gpt-4.1-nano", server.url, cache=tmp_path)("Hi", generation_schema=int)
        assert len(server.bodies) == 2
    assert answer.consume() == 3
    assert answer.metadata.attempts == 1
    assert answer.metadata.cost == pytest.approx(0.4, rel=0.01)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("anthropic", "claude-opus-4-5"),
        ("cerebras", "gpt-oss-120b"),
        ("deepseek", "deepseek-chat"),
        ("fireworks", "accounts/fireworks/models/gpt-oss-20b"),
        ("gemini", "gemini-2.5-flash"),
        ("groq", "openai/gpt-oss-20b"),
        ("mistral", "mistral-small-latest"),
        ("openrouter", "openai/gpt-4.1-nano"),
        ("perplexity", "llama-3.1-sonar-small-128k-online"),  # sonar costs something a request, too
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("xai", "grok-4"),
    ],
)
def test_every_price_list_that_a_row_names_has_prices(provider: str, name: str) -> None:
    cost = cost_of(MILLION, PROFILES[provider], name)
    assert cost is not None
    assert 0.01 < cost < 500


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("tier", "share"),
    [
        ("default", 1),
        ("auto", 1),
        (None, 1),
        ("flex", 0.5),
        ("batch", 0.5),
        ("priority", 1.8),
        ("scale", None),
        ("tomorrows", None),
    ],
)
def test_a_tier_has_its_own_price_or_none(call: Call, tier: str | None, share: float | None, streamed: bool) -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 500_000, "total_tokens": 1_500_000}
    whole = json.loads(billed("gpt-5-mini").pieces[0])
    told = b"data: " + json.dumps({"choices": [], "service_tier": tier, "usage": usage}).encode() + b"\n\n"
    wire = (
        stream("Hi", chunk(reason="stop"), told)
        if streamed
        else Reply([json.dumps({**whole, "service_tier": tier}).encode()])
    )
    with serving(wire) as server:
        _, response = call(model("openai/gpt-5-mini", server.url), "Hi", stream=streamed)
    assert response.metadata.cost == (None if share is None else pytest.approx((0.25 + 2.0 / 2) * share))


def test_a_tier_that_is_named_before_the_usage_counts() -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 500_000, "total_tokens": 1_500_000}
    said = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}], "service_tier": "flex"}
    lines = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in (said, {"choices": [], "usage": usage})]
    with serving(Reply([*lines, b"data: [DONE]\n\n"], headers={"Content-Type": "text/event-stream"})) as server:
        response = model("openai/gpt-5-mini", server.url)("Hi", stream=True)
        response.consume()
    assert response.metadata.cost == pytest.approx(1.25 / 2)


@both
@pytest.mark.parametrize("asked", ["flex", "priority", "default"])
def test_a_tier_that_was_asked_for_and_not_confirmed_has_no_price(call: Call, asked: str) -> None:
    with serving(billed()) as server:
        _, response = call(model("openai/gpt-4.1-nano", server.url, extra_body={"service_tier": asked}), "Hi")
    assert response.metadata.cost == (pytest.approx(0.3) if asked == "default" else None)


@pytest.mark.parametrize(
    ("provider", "name", "usage", "dollars"),
    [
        # Dollars a million: 3 in; 3.75 written to the cache, 6 for an hour; 0.3 read from it.
        ("anthropic", "claude-sonnet-4-5", {"cache_write": 50_000}, (3 + 3.75) / 20),
        ("anthropic", "claude-sonnet-4-5", {"cache_write": 50_000, "cache_write_hour": 50_000}, (3 + 6) / 20),
        ("anthropic", "claude-sonnet-4-5", {"cached": 50_000}, (3 + 0.3) / 20),
        ("anthropic", "claude-sonnet-4-5", {"tier": "priority"}, None),
        ("openai", "gpt-audio", {"audio_prompt": 50_000}, (2.5 + 32) / 20),
        ("openai", "gpt-audio", {"audio_prompt": 50_000, "cached": 7}, None),
        ("openai", "gpt-4o", {"audio_prompt": 50_000}, None),
        ("openai", "gpt-4o", {"completion_tokens": 10, "audio_completion": 1}, None),
        ("openai", "gpt-4o", {"completion_tokens": 10, "image_completion": 1}, None),
        ("openai", "gpt-4.1-nano", {"unclear": "these contradict each other"}, None),
        ("openai", "gpt-4.1-nano", {"fees": True}, None),
        ("groq", "openai/gpt-oss-20b", {"tier": "flex"}, None),
        ("perplexity", "sonar", {}, None),
    ],
)
def test_tokens_of_other_kinds_have_their_own_price_or_none(
    provider: str, name: str, usage: dict[str, Any], dollars: float | None
) -> None:
    cost = cost_of(Usage(**{"prompt_tokens": 100_000, "completion_tokens": 0, **usage}), PROFILES[provider], name)
    assert cost == (None if dollars is None else pytest.approx(dollars))


@both
def test_sound_that_is_not_counted_apart_has_no_price(call: Call) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    asked = [{"role": "user", "content": [{"type": "text", "text": 'Is "input_audio" heard?'}, sound]}]
    with serving(billed("gemini-2.5-flash")) as server:
        _, response = call(model("gemini/gemini-2.5-flash", server.url), asked)
        _, text = call(model("gemini/gemini-2.5-flash", server.url), 'Is "input_audio" heard?')
    assert response.metadata.cost is None
    assert text.metadata.cost is not None


@both
def test_one_request_of_several_whose_price_is_not_known_makes_the_call_unknown(call: Call) -> None:
    unknown = billed(total_tokens=9, prompt_tokens=4, completion_tokens=700)
    with serving(unknown, completion('{"value": 3}')) as server:
        _, response = call(model("openai/gpt-4.1-nano", server.url), "Hi", generation_schema=int)
        assert len(server.bodies) == 2
    assert response.consume() == 3
    assert response.metadata.cost is None


@both
def test_a_request_that_was_refused_cost_nothing(call: Call) -> None:
    refused = Reply([b'{"error": {"message": "response_format json_schema is not supported"}}'], status=400)
    with serving(refused, completion('{"value": 3}', usage=1_000_004)) as server:
        _, response = call(model("openai/gpt-4.1-nano", server.url), "Hi", generation_schema=int)
        assert len(server.bodies) == 2
    assert response.metadata.cost == pytest.approx(0.4, rel=0.01)


@pytest.mark.parametrize(
    "more",
    [
        {"web_search_options": {}},
        {"tools": [{"type": "web_search_preview"}]},
        {"tools": [{"type": "browser_search"}]},
        {"tools": [{"type": "openrouter:web_search"}]},
    ],
)
def test_tools_at_the_provider_are_billed_in_addition_to_the_tokens(more: dict[str, Any]) -> None:
    with serving(billed()) as server:
        asked = model("openai/gpt-4.1-nano", server.url, extra_body=more)
        text = model("openai/gpt-4.1-nano", server.url)('Is {"type": "web_search"} a search?')
        assert asked("Hi").metadata.cost is None
    assert text.metadata.cost == pytest.approx(0.3)


@both
@pytest.mark.parametrize("structured", [False, True])
def test_numbers_that_contradict_each_other_are_a_warning(call: Call, structured: bool) -> None:
    text = '{"value": 3}' if structured else "Hello"
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 900}
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    with serving(Reply([json.dumps({"choices": [choice], "usage": usage}).encode()])) as server:
        _, response = call(
            model("openai/gpt-4.1-nano", server.url), "Hi", generation_schema=int if structured else None
        )
        own = mf.Model.chat_completion("vllm/qwen3", base_url=server.url)("Hi")
        frame = mf.extract(["Hi"], int, model=model("openai/gpt-4.1-nano", server.url), progress=False)
    (warning,) = response.metadata.warnings
    assert warning == (
        "the provider counts 10 tokens in and 5 out, but 900 in all; these numbers contradict each other, so the cost "
        "is not known"
    )
    assert response.metadata.cost is None
    assert (own.metadata.cost, own.metadata.warnings) == (0.0, ())
    if structured:
        assert frame["_warnings"].tolist() == [warning]
        assert frame["_cost"].isna().all()


CODE = """
import sys
import msgflux_nb as mf
model = mf.Model.chat_completion("openai/gpt-4.1-nano", base_url=sys.argv[1], api_key="k")
answer = model("Hi")
assert answer.consume() == "Hello"
assert {"pydantic", "genai_prices"}.isdisjoint(sys.modules), "loaded without being asked"
assert answer.metadata.cost > 0
assert "genai_prices" in sys.modules
"""


def test_prices_are_loaded_when_somebody_asks_and_not_before() -> None:
    with serving(billed()) as server:
        subprocess.run([sys.executable, "-c", CODE, server.url], check=True, timeout=60)


NUMBERS = [(1, 1, None), (80, 25, 0), (1_000, 7, 900), (250_000, 100, 1_000), (2_000_000, 50_000, 0)]


@pytest.mark.parametrize(
    ("price_list", "name"),
    [
        ("openai", "gpt-4.1-nano"),
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-pro"),
        ("deepseek", "deepseek-chat"),
        ("mistral", "mistral-small-latest"),
    ],
)
def test_a_price_that_is_kept_is_the_one_of_the_list(price_list: str, name: str) -> None:
    price = _price(price_list, name)
    assert price is not None
    for prompt, written, cached in NUMBERS:
        tokens = Tokens(input_tokens=prompt, output_tokens=written, cache_read_tokens=cached)
        listed = calc_price(tokens, model_ref=name, provider_id=price_list).total_price
        assert price(prompt, written, cached) == float(listed)


def test_a_price_that_grows_with_the_prompt_is_looked_up_each_time() -> None:
    assert _even(lambda prompt, *_: Decimal(prompt) * (2 if prompt > 200_000 else 1)) is None


def test_a_price_that_changes_with_the_hour_is_looked_up_each_time() -> None:
    def at_night(prompt: int, completion: int, cached: int | None, at: Any = None) -> Decimal:
        return Decimal(prompt + completion) * (1 if at is None or at.hour != 3 else 2)

    assert _even(at_night) is None
    assert _even(lambda prompt, completion, cached, at=None: Decimal(prompt + completion)) is not None
