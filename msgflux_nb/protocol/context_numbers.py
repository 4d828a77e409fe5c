"""Reads the size of the model's context and of the prompt from a context error; pure.

A number counts only if a known phrase explains it, since a wrong number is worse than none.
"""

from __future__ import annotations

import re

from .evidence import Evidence

__all__ = ["context_numbers"]

_OF_CHARACTERS = re.compile(
    r"\bstring with (?:maximum )?length|\d characters\b", re.I
)  # OpenAI's string_above_max_length
_N = r"(\d[\d,]{0,14}\d|\d)"
_SENT = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"\({_N} (?:tokens )?in (?:the|your) (?:messages|prompt|input)",  # OpenAI, DeepSeek, OpenRouter
        rf"{_N} (?:tokens )?(?:from|of|in) (?:the |your )?(?:input|text input|prompt|messages)\b",
        rf"context limit: {_N} \+ \d+ > \d",  # Anthropic
        rf"(?:has|have|passed|contains?|received|given|sent) (?:at least |about )?{_N} (?:input |prompt )?tokens",
        rf"given: {_N} `?inputs`? tokens|given:? {_N}\b",  # TGI, Together
        rf"prompt (?:is )?too long:? {_N}",  # Anthropic, Fireworks
        rf"(?:input|prompt|request|token) (?:token )?count(?: of| is)?:? \(?{_N}",  # Gemini, Bedrock, Copilot
        rf"(?:input|prompt|request) \((?:length )?{_N}",  # SGLang, llama.cpp, vLLM
        rf"input length:? {_N}",
        rf"prompt contains {_N}|(?:request|messages|input) contains? {_N}",  # Mistral, xAI
        rf"resulted in {_N}|keep the first {_N}|current length is {_N}|(?:received|sent) {_N}\b",
        rf"requested(?: a total of| about|:)? ?\(?{_N}",
        rf"\({_N} in the request\)|(?<!output )tokens \({_N}\) exceed",  # Cloudflare, which may count both
        rf"number of input tokens {_N}|prompt_tokens \({_N}\)",  # watsonx, SiliconFlow
    )
]
_FITS = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"context limit: [\d +]+ > {_N}",  # Anthropic
        rf"> {_N} maximum",
        rf"(?:maximum|max|model'?s) (?:model |allowed |context |prompt |sequence |input ){{0,3}}(?:length|len"
        rf"|window|size|limit)"
        rf"(?: is| of|:)?(?: only| set to)? ?\(?{_N}",
        rf"context (?:length|window|size|limit)(?: limit)?(?: is| of|:)?(?: only)? ?\(?{_N}",
        rf"{_N} (?:tokens? )?(?:maximum )?(?:context|maximum)(?: length| window)?",
        rf"maximum number of tokens(?: allowed)? \(?{_N}",  # Gemini
        rf"(?:max input tokens|max size|token limit|tokens? limit):? ?\(?{_N}",
        rf"(?:limit (?:is|of)|cannot exceed|less than(?: max_seq_len)?|must be <=) ?\(?{_N}",
        rf"only supports (?:up to )?{_N}|tokens limit {_N}",  # Vertex, watsonx
        rf"input length should be \[\d+, ?{_N}\]",  # DashScope
        rf"maximum (?:of )?{_N}",
    )
]


def context_numbers(evidence: Evidence) -> dict[str, int | None]:
    """Return how many tokens were sent, as ``prompt_tokens``, and how many fit, as ``context_tokens``."""
    fits = evidence.context_tokens or _first(_FITS, evidence.prose)
    sent = evidence.prompt_tokens or _first(_SENT, evidence.prose)
    return {"prompt_tokens": sent, "context_tokens": fits}


def _first(patterns: list[re.Pattern[str]], prose: str) -> int | None:
    if _OF_CHARACTERS.search(prose):
        return None
    for pattern in patterns:
        found = pattern.search(prose)
        if found is not None:
            digits = next(filter(None, found.groups()))
            return int(re.sub(r"\D", "", digits))
    return None
