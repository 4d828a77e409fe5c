"""Tests that the fast path for plain answers gives the result of the full reading, or leaves the answer to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_nb.errors import MsgfluxError
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.misfit import problem_of
from msgflux_nb.protocol.plain import plain_on
from msgflux_nb.protocol.snapshot import Snapshot
from tests.thorough import examples

USAGE = {
    "prompt_tokens": 80,
    "completion_tokens": 25,
    "total_tokens": 105,
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
TEXT = {"type": "text", "text": "x"}
MESSAGE = {"role": "assistant", "content": "Hello \u2028 é", "refusal": None, "annotations": []}
CHOICE = {"index": 0, "message": MESSAGE, "logprobs": None, "finish_reason": "stop"}
ANSWER = {
    "id": "a",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [CHOICE],
    "usage": USAGE,
    "service_tier": "default",
    "system_fingerprint": "fp",
}


def at_length(body: bytes) -> Snapshot:
    accumulator = Accumulator()
    accumulator.feed(body)
    accumulator.close()
    return accumulator.finish()


def check(body: bytes) -> bool:
    """Return whether the fast path takes an answer; check that it then gives what the full reading gives."""
    found = plain_on("chat", body)
    if found is None:
        return False
    snapshot = at_length(body)
    assert (found.text, found.usage, found.model) == (snapshot.text, snapshot.usage, snapshot.model)
    assert (snapshot.finish_reason, snapshot.tool_calls, snapshot.images) == ("stop", (), ())
    assert snapshot.audio is None
    assert problem_of(snapshot, structured=True, text=None) is None
    return True


def answer(*, choice: dict[str, Any] | None = None, message: dict[str, Any] | None = None, **fields: Any) -> bytes:
    said = {**CHOICE, "message": {**MESSAGE, **(message or {})}, **(choice or {})}
    return json.dumps({**ANSWER, "choices": [said], **fields}).encode()


PLAIN = {
    "openai": answer(),
    "minimal": b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}',
    "vllm": answer(
        choice={"stop_reason": None, "token_ids": None},
        message={"tool_calls": [], "reasoning_content": None, "function_call": None, "audio": None},
        prompt_logprobs=None,
        kv_transfer_params=None,
    ),
    "llama.cpp": answer(timings={"prompt_n": 1, "prompt_ms": 2.5}, __verbose={"x": 1}),
    "openrouter": answer(provider="Groq", usage={**USAGE, "cost": 0.25, "cost_details": {}}),
    "reasoning": answer(message={"reasoning_content": "I think."}),
    "parts": answer(message={"content": [TEXT, {"type": "text", "text": " é", "annotations": []}], "vendor": {"a": 1}}),
    "parts with reasoning among them": answer(
        message={"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, TEXT]}
    ),
    "parts with another's reasoning among them": answer(
        message={"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}, TEXT]}
    ),
    "parts with marked reasoning": answer(
        message={"content": [{"type": "text", "text": "<thi"}, {"type": "text", "text": "nk>Hm.</think>x"}]}
    ),
    "usage in words": answer(usage={"prompt_tokens": "7", "completion_tokens": 3.0}),
    "usage of anthropic": answer(usage={"input_tokens": 7, "output_tokens": 3}),
    "usage of deepseek": answer(usage={**USAGE, "prompt_cache_hit_tokens": 9, "prompt_tokens_details": None}),
    "cost of perplexity": answer(usage={**USAGE, "cost": {"total_cost": 0.5}}),
    "reasoning of xai": answer(usage={**USAGE, "total_tokens": 109}),
    "sound": answer(usage={**USAGE, "prompt_tokens_details": {"audio_tokens": 3}}),
    "ticks": answer(usage={**USAGE, "cost_in_usd_ticks": 731_000}),
    "own key": answer(usage={**USAGE, "cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": 2}}),
    "flex": answer(service_tier="flex"),
    "tier of mistral": answer(usage={**USAGE, "service_tier": "standard"}, service_tier=None),
    "no usage": answer(usage=None),
    "empty usage": answer(usage={}),
}
OTHER = {
    "nothing": b"",
    "no JSON": b"<html>",
    "a list": b"[]",
    "no choices": b'{"choices":[]}',
    "two choices": json.dumps({**ANSWER, "choices": [CHOICE, {**CHOICE, "index": 1}]}).encode(),
    "another index": answer(choice={"index": 1}),
    "a refusal": answer(message={"refusal": "No."}),
    "no text": answer(message={"content": None}),
    "blank text": answer(message={"content": " \n"}),
    "an image among parts": answer(message={"content": [TEXT, {"type": "image_url", "image_url": {"url": "x"}}]}),
    "a refusal among parts": answer(message={"content": [TEXT, {"type": "refusal", "refusal": "No."}]}),
    "a part without a kind": answer(message={"content": [{"text": "x"}]}),
    "a part of another kind": answer(message={"content": [{"type": "output_text", "text": "x"}]}),
    "reasoning in parts and no text": answer(message={"content": [{"type": "thinking", "thinking": "Hm."}]}),
    "half a letter in each of two parts": answer(
        message={"content": [{"type": "text", "text": "\ud83d"}, {"type": "text", "text": "\ude00"}]}
    ),
    "a call": answer(message={"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}),
    "an old call": answer(message={"function_call": {"name": "f", "arguments": "{}"}}),
    "sound": answer(message={"audio": {"data": "AAAA", "id": "x"}}),
    "images": answer(message={"images": [{"image_url": {"url": "data:image/png;base64,AAAA"}}]}),
    "cut": answer(choice={"finish_reason": "length"}),
    "filtered": answer(choice={"finish_reason": "content_filter"}),
    "no reason": answer(choice={"finish_reason": None}),
    "an error": answer(error={"message": "x"}),
    "an error in words": answer(error="x"),
    "an error of a choice": answer(choice={"error": {"message": "x"}}),
    "an error by its kind": answer(object="error"),
    "an error of minimax": answer(base_resp={"status_code": 1001, "status_msg": "x"}),
    "half a letter": answer().replace(b"Hello", b"\\ud83d"),
    "cut off": answer()[:-1],
    "deep": b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"x":' + b"[" * 9999 + b"]" * 9999 + b"}",
}


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
def test_a_plain_answer_is_read_as_it_is_at_length(body: bytes) -> None:
    assert check(body)


@pytest.mark.parametrize("body", OTHER.values(), ids=OTHER)
def test_every_other_answer_is_left_to_the_long_way(body: bytes) -> None:
    assert plain_on("chat", body) is None


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 99), st.floats(allow_nan=False), st.just(""), st.just("stop"), st.text(),
    st.just([]), st.just({}), st.just([TEXT, {"type": "thinking"}]), st.just({"message": "x"}),
)  # fmt: skip
NAMES = {
    "payload": [
        "object",
        "model",
        "usage",
        "error",
        "errors",
        "type",
        "base_resp",
        "x_groq",
        "success",
        "detail",
        "code",
        "service_tier",
    ],
    "choice": ["index", "finish_reason", "delta", "error", "finish_details", "usage", "text", "message", "logprobs"],
    "message": ["content", "refusal", "tool_calls", "function_call", "audio", "images", "image", "reasoning", "role"],
    "usage": [
        *(*USAGE, "cost", "estimated_cost", "cached_tokens", "reasoning_tokens", "input_tokens_details", "is_byok"),
        *("cost_details", "cost_in_usd_ticks", "cache_write_tokens", "cache_read_input_tokens", "service_tier"),
        *("cache_creation_input_tokens", "num_sources_used", "search_context_size", "server_tool_use", "speed"),
        *("citation_tokens", "num_search_queries", "tool_use_prompt_tokens", "cache_creation", "web_search_requests"),
    ],
}


@given(st.fixed_dictionaries({place: st.dictionaries(st.sampled_from(names), ODD) for place, names in NAMES.items()}))
@settings(max_examples=examples(1000), deadline=None)
def test_whatever_a_provider_says_the_short_way_reads_the_same_or_nothing(said: dict[str, Any]) -> None:
    usage = {**USAGE, **said["usage"]}
    body = answer(choice=said["choice"], message=said["message"], **{"usage": usage, **said["payload"]})
    try:
        check(body)
    except MsgfluxError as error:
        raise AssertionError(f"the long way refuses it: {error}: {body!r}") from error
