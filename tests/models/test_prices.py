"""What an answer cost: what the provider says, else its tokens at known prices, else nothing is claimed."""

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
from msgflux_nb.models import chat
from msgflux_nb.models.prices import _even, _price, cost_of
from msgflux_nb.models.profiles import PROFILES
from msgflux_nb.protocol.events import Usage
from msgflux_nb.storage import answers as store
from tests.models.test_chat import Call, both
from tests.scripted import Reply, chunk, completion, serving, stream

MILLION = Usage(prompt_tokens=1_000_000, completion_tokens=1_000_000)


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a store nor what was learnt of a server outlives a test."""
    monkeypatch.setattr(chat, "_known", {})
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
def test_what_is_not_known_is_none_and_never_nothing(call: Call, name: str, usage: dict[str, Any]) -> None:
    with serving(billed("unheard-of", **usage)) as server:
        _, response = call(model(name, server.url), "Hi")
    assert response.metadata.cost is None


@both
def test_no_usage_is_no_price(call: Call) -> None:
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
        ("perplexity", "sonar"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("xai", "grok-4"),
    ],
)
def test_every_price_list_that_a_row_names_has_prices(provider: str, name: str) -> None:
    cost = cost_of(MILLION, PROFILES[provider], name)
    assert cost is not None
    assert 0.01 < cost < 500


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
