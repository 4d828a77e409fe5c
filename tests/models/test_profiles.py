"""The table of providers: each row's facts, and its requests, compared with golden requests that a person has read.

After an intended change, run with ``MSGFLUX_WRITE_GOLDEN=1`` and read the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models.endpoint import Endpoint
from msgflux_nb.models.keys import HiddenValues, Key
from msgflux_nb.models.profiles import COMPATIBLE, PROFILES
from msgflux_nb.protocol.profile import Profile, SchemaMethod, for_model, override
from msgflux_nb.protocol.request import OPTIONS, build_request
from tests.scripted import completion, serving

GOLDEN = Path(__file__).parent / "golden"
ROWS = [*PROFILES.values(), COMPATIBLE]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8Dw"
    "HwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)

# The models whose requests are tested: a usual model of each provider, then models with an exception in the row.
MODELS: dict[str, list[str]] = {
    "anthropic": ["claude-sonnet-4-5", "claude-opus-5", "claude-fable-5"],
    "azure": ["my-deployment", "gpt-5"],
    "cerebras": ["gpt-oss-120b"],
    "deepseek": ["deepseek-chat", "deepseek-v4-pro"],
    "fireworks": ["accounts/fireworks/models/kimi-k2-instruct-0905"],
    "gemini": ["gemini-2.5-flash", "gemini-3-flash-preview"],
    "groq": ["llama-3.3-70b-versatile", "openai/gpt-oss-20b"],
    "huggingface": ["openai/gpt-oss-20b:groq"],
    "llamacpp": ["qwen3"],
    "lmstudio": ["qwen3"],
    "local": ["smollm2-135m"],
    "mistral": ["mistral-small-latest"],
    "nvidia": ["meta/llama-3.2-90b-vision-instruct"],
    "ollama": ["qwen3:8b"],
    "openai": ["gpt-4.1-nano", "gpt-3.5-turbo", "gpt-4o-audio-preview", "gpt-5"],
    "openai-compatible": ["any"],
    "openrouter": [
        *("meta-llama/llama-4", "anthropic/claude-sonnet-4.5", "anthropic/claude-opus-5", "google/gemini-3"),
        "openai/gpt-5",
    ],
    "perplexity": ["sonar"],
    "sambanova": ["DeepSeek-V3.2"],
    "sglang": ["Qwen/Qwen3-8B"],
    "together": ["Qwen/Qwen3-8B"],
    "vllm": ["Qwen/Qwen3-8B"],
    "xai": ["grok-4.3", "grok-4-fast-non-reasoning"],
}


class Person(msgspec.Struct):
    name: str
    age: int | None = None


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Look it up.",
            "parameters": {
                "type": "object",
                "title": "Place",
                "properties": {"city": {"type": "string", "title": "City"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("get_weather", "get_time")
]


def tool_turn(provider: str, model: str) -> list[dict[str, Any]]:
    """Return a turn with a call as ``to_messages`` gives it, with all fields that only its provider understands."""
    call = {
        "id": "call_abcdef0123456789",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
        "extra_content": {"google": {"thought_signature": "U0lH"}},
    }
    own = {
        "reasoning": "They ask for weather.",
        "reasoning_details": [{"type": "reasoning.text", "text": "They ask for weather.", "index": 0}],
        "_msgflux": {"provider": provider, "model": model},
    }
    return [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [call], **own},
        {"role": "tool", "tool_call_id": "call_abcdef0123456789", "content": "4 °C"},
    ]


def cases(row: Profile, model: str) -> dict[str, dict[str, Any]]:
    """Return the keywords of every tested request."""
    asked = {
        "text": {
            "options": {"temperature": 0.0, "max_tokens": 9, "seed": 7, "stop": ["END"], "reasoning_effort": "none"},
            "system_prompt": "Be brief.",
        },
        "streamed": {"stream": True},
        "prefill": {"prefilling": "Sure \n"},
        "prefill emulated": {"prefilling": "Sure", "prefill_mode": "emulate"},
        "schema": {"generation_schema": Person},
        "schema streamed": {"generation_schema": Person, "stream": True},
        "schema beside tools": {"generation_schema": Person, "tool_schemas": TOOLS},
        "tools auto": {"tool_schemas": TOOLS, "tool_choice": "auto"},
        "tools required": {"tool_schemas": TOOLS, "tool_choice": "required"},
        "tools named": {"tool_schemas": TOOLS, "tool_choice": "get_time"},
        "call as a structure": {"tool_schemas": TOOLS, "tool_choice": "get_time", "call_as_structure": True},
        "image": {
            "messages": [mf.ChatBlock.user("What is it?", media=[{"type": "image_url", "image_url": {"url": PIXEL}}])]
        },
        "history of its own": {"messages": tool_turn(row.provider, model), "tool_schemas": TOOLS[:1]},
        "history of another": {"messages": tool_turn("elsewhere", "other"), "tool_schemas": TOOLS[:1]},
    }
    for method in row.schema_methods:
        asked[f"schema by {method}"] = {
            "generation_schema": Person,
            "profile": override(row, {"schema_methods": [method]}),
        }
    return asked


def looked_at(row: Profile, model: str) -> dict[str, Any]:
    requests: dict[str, Any] = {}
    for name, keywords in cases(row, model).items():
        told = {"messages": "Hi", "profile": row, "options": {}, **keywords}
        try:
            request = build_request(told.pop("messages"), model=model, **told)
        except mf.MsgfluxError as error:
            requests[name] = {"refused": f"{type(error).__name__}: {error}"}
            continue
        body = json.loads(request.body)
        requests[name] = body if request.base_url is None else {"sent to": request.base_url, **body}
    return requests


def as_golden(provider: str) -> str:
    row = COMPATIBLE if provider == COMPATIBLE.provider else PROFILES[provider]
    lines = [
        f'"address": {_json(row.base_url or row.base_url_variable)}',
        f'"key": {_json([row.key_header, *row.key_variables])}',
    ]
    for model in MODELS[provider]:
        requests = looked_at(for_model(row, model), model)
        bodies = ",\n".join(f"  {_json(name)}: {_json(request)}" for name, request in requests.items())
        lines.append(f"{_json(model)}: {{\n{bodies}\n}}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("provider", MODELS)
def test_the_requests_to_a_provider_equal_their_golden_file(provider: str) -> None:
    path = GOLDEN / f"{provider}.json"
    written = as_golden(provider)
    if os.environ.get("MSGFLUX_WRITE_GOLDEN"):
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


def test_every_row_has_a_golden_file_and_every_golden_file_a_row() -> None:
    names = sorted(row.provider for row in ROWS)
    assert sorted(MODELS) == names
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == names


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.provider)
def test_each_row_of_the_profiles_has_documented_types(row: Profile) -> None:
    assert msgspec.convert(msgspec.to_builtins(row), Profile) == row
    assert re.fullmatch("[a-z-]+", row.provider)
    assert set(row.option_names) <= OPTIONS
    assert "text" in row.modalities
    assert row.modalities <= {"text", "image", "audio", "file", "video"}
    assert row.parallel > 0
    assert row.reasks >= 0
    assert 0 < row.image_long_edge <= 8_000
    assert 0 < row.image_max_bytes <= 20_000_000
    assert row.image_max_count is None or row.image_max_count > 0
    assert not set(row.call_fields) & {"id", "type", "function"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.provider)
def test_the_ways_to_ask_for_a_structure_are_known_and_each_stands_once(row: Profile) -> None:
    for methods in (row.schema_methods, row.schema_methods_streamed or ("prompt",)):
        assert set(methods) <= set(get_args(SchemaMethod))
        assert len(set(methods)) == len(methods) > 0


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.provider)
def test_addresses_have_no_slash_at_their_end_and_only_own_servers_go_without_a_key(row: Profile) -> None:
    for address in filter(None, (row.base_url, row.prefill_base_url)):
        assert re.fullmatch(r"https://[^/]+(/.*[^/])?|http://localhost:\d+/v1", address)
    hosted = row.base_url is None if row.provider == "azure" else str(row.base_url).startswith("https://")
    assert bool(row.key_variables) is hosted
    assert row.free is (not hosted and row is not COMPATIBLE)
    assert all(re.fullmatch("[A-Z_]+", name) for name in (*row.key_variables, row.base_url_variable or "A"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.provider)
def test_every_exception_for_a_model_is_a_row_again(row: Profile) -> None:
    for pattern, changes in row.models.items():
        assert override(row, changes) != row, f"{pattern} changes nothing"
        assert pattern == pattern.lower(), "names are compared in lower case"


def test_price_lists_are_those_of_genai_prices() -> None:
    from genai_prices.data import providers

    known = {provider.id for provider in providers}
    named = {row.price_list for row in ROWS} | {
        changes.get("price_list") for row in ROWS for changes in row.models.values()
    }
    assert named - {None} <= known


def test_azure_lives_where_the_environment_says_and_takes_its_key_in_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(completion("Hello")) as server:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url.removesuffix("/v1") + "/")
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-canary")
        assert mf.Model.chat_completion("azure/my-deployment")("Hi").consume() == "Hello"
    assert server.headers[0]["api-key"] == "azure-canary"
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize(
    "given", ["https://x.openai.azure.com", "https://x.openai.azure.com/openai/v1/", "x.openai.azure.com"]
)
def test_azures_path_is_added_once(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", given)
    model = mf.Model.chat_completion("azure/my-deployment", api_key="k")
    request = build_request("Hi", model="m", profile=model.profile, options={})
    assert model.endpoint(request).url == "https://x.openai.azure.com/openai/v1/chat/completions"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (None, "http://localhost:11434/v1"),
        ("127.0.0.1:9999", "http://127.0.0.1:9999/v1"),
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("gpu-box", "http://gpu-box:11434/v1"),
        ("http://gpu-box:80/", "http://gpu-box:80/v1"),
        ("https://ollama.example.com", "https://ollama.example.com/v1"),
    ],
)
def test_ollama_is_where_its_own_variable_says(
    given: str | None, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is None:
        monkeypatch.delenv("OLLAMA_HOST", raising=False)
    else:
        monkeypatch.setenv("OLLAMA_HOST", given)
    model = mf.Model.chat_completion("ollama/qwen3")
    assert model.endpoint(build_request("Hi", model="m", profile=model.profile, options={})).base_url == address


def test_azure_without_an_address_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    with pytest.raises(mf.BadRequestError, match="AZURE_OPENAI_ENDPOINT"):
        mf.Model.chat_completion("azure/my-deployment", api_key="k")("Hi")


@pytest.mark.parametrize("row", [row for row in ROWS if row.base_url], ids=lambda row: row.provider)
def test_no_key_is_ever_part_of_an_address(row: Profile) -> None:
    key = Key("canary-0123456789")
    endpoint = Endpoint(
        base_url=str(row.base_url), key=key, key_header=row.key_header, headers=HiddenValues({"X-A": "b"})
    )
    assert "canary" not in repr((endpoint, endpoint.url, endpoint.all_headers(stream=False)))
    assert "?" not in endpoint.url


@pytest.mark.parametrize(
    ("name", "prefill"),
    [
        ("claude-3-5-haiku-latest", "continue"),
        ("claude-opus-4-20250514", "continue"),
        ("claude-sonnet-4-5-20250929", "continue"),
        ("claude-haiku-4-5", "continue"),
        ("claude-opus-4-6", "none"),
        ("claude-sonnet-4-8", "none"),
        ("claude-sonnet-5", "none"),
        ("claude-opus-5-1", "none"),
    ],
)
def test_claude_continues_a_prefill_up_to_version_4_5(name: str, prefill: str) -> None:
    assert for_model(PROFILES["anthropic"], name).prefill == prefill


@pytest.mark.parametrize(
    ("name", "prefill"),
    [
        ("anthropic/claude-3.5-sonnet", "continue"),
        ("anthropic/claude-sonnet-4", "continue"),
        ("anthropic/claude-opus-4.5", "continue"),
        ("anthropic/claude-opus-4.6", "none"),
        ("anthropic/claude-sonnet-5", "none"),
        ("openai/gpt-4.1", "none"),
        ("qwen/qwen3-8b", "continue"),
    ],
)
def test_the_same_holds_behind_openrouter(name: str, prefill: str) -> None:
    assert for_model(PROFILES["openrouter"], name).prefill == prefill


def test_open_weights_of_openai_on_a_server_of_your_own_get_its_whole_name_and_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody-elses")
    with serving(completion("Hello")) as server:
        mf.Model.chat_completion("openai/gpt-oss-20b", base_url=server.url)("Hi")
    assert server.bodies[0]["model"] == "openai/gpt-oss-20b"
    assert "sk-somebody-elses" not in str(server.headers)
