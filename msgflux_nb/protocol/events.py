"""A payload of the wire → typed events. The only place that knows the names of an answer's fields.

A streamed chunk and a whole answer have the same shape but for ``delta`` and ``message``; both become the same
events, so that everything after this module knows one kind of answer.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "Event",
    "FinishReason",
    "Finished",
    "Identified",
    "ReasoningDelta",
    "RefusalDelta",
    "TextDelta",
    "Usage",
    "UsageReported",
    "events_of",
    "finish_reason",
]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "error", "unknown"]


class Usage(msgspec.Struct, frozen=True):
    """What was billed, in tokens; None where the provider does not say.

    Attributes:
        prompt_tokens: tokens of the messages.
        completion_tokens: tokens of the answer, reasoning included.
        total_tokens: both.
        cached: prompt tokens that were read from the provider's cache.
        reasoning: answer tokens that were reasoning.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached: int | None = None
    reasoning: int | None = None


class TextDelta(msgspec.Struct, frozen=True):
    """A piece of the answer's text."""

    text: str
    choice: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True):
    """A piece of the model's reasoning."""

    text: str
    choice: int = 0


class RefusalDelta(msgspec.Struct, frozen=True):
    """A piece of the words with which a model declines."""

    text: str
    choice: int = 0


class Finished(msgspec.Struct, frozen=True):
    """A choice has ended; ``raw`` is the provider's own word."""

    reason: FinishReason
    raw: str
    choice: int = 0


class UsageReported(msgspec.Struct, frozen=True):
    """The provider's count so far; the last one is the bill."""

    usage: Usage


class Identified(msgspec.Struct, frozen=True):
    """Which answer this is, and of which model."""

    id: str | None
    model: str | None


Event = TextDelta | ReasoningDelta | RefusalDelta | Finished | UsageReported | Identified

_REASONS: dict[str, FinishReason] = {
    **dict.fromkeys(("stop", "end_turn", "eos", "eos_token", "stop_sequence", "completed"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "max_output_tokens"), "length"),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(("content_filter", "sensitive", "safety", "recitation"), "content_filter"),
    "refusal": "refusal",
    **dict.fromkeys(("error", "network_error", "insufficient_system_resource"), "error"),
}


def finish_reason(raw: str) -> FinishReason:
    """Return the provider's word in ours; ``"unknown"`` for a word that was never seen."""
    return _REASONS.get(raw.lower(), "unknown")


def events_of(payload: dict[str, Any]) -> list[Event]:
    """Return what a chunk or a whole answer says, in the order in which it says it.

    Fields that are absent, null or of another type than documented are passed over: real servers send all of these.
    """
    events: list[Event] = []
    if payload.get("id") or payload.get("model"):
        events.append(Identified(id=_text_or_none(payload.get("id")), model=_text_or_none(payload.get("model"))))
    choices = payload.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            events.extend(_choice_events(choice))
    usage = payload.get("usage")
    if isinstance(usage, dict):
        events.append(UsageReported(_usage(usage)))
    return events


def _choice_events(choice: dict[str, Any]) -> list[Event]:
    index = choice.get("index")
    index = index if isinstance(index, int) else 0
    events: list[Event] = []
    # Perplexity sends the delta and, beside it, the whole message so far.
    message = choice.get("delta") if isinstance(choice.get("delta"), dict) else choice.get("message")
    if isinstance(message, dict):
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            events.append(ReasoningDelta(reasoning, index))
        events.extend(_content_events(message.get("content"), index))
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal:
            events.append(RefusalDelta(refusal, index))
    raw = choice.get("finish_reason")
    if isinstance(raw, str) and raw:
        events.append(Finished(finish_reason(raw), raw, index))
    return events


def _content_events(content: Any, index: int) -> list[Event]:
    """Content is text, or a list of parts (Mistral), or the decoded structure itself (Cloudflare)."""
    if isinstance(content, str):
        return [TextDelta(content, index)] if content else []
    if isinstance(content, dict):
        return [TextDelta(msgspec.json.encode(content).decode(), index)]
    events: list[Event] = []
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            events.append(TextDelta(part["text"], index))
        elif isinstance(part.get("thinking"), list):
            inner = _content_events(part["thinking"], index)
            events.extend(ReasoningDelta(event.text, index) for event in inner if isinstance(event, TextDelta))
    return events


def _usage(usage: dict[str, Any]) -> Usage:
    prompt = usage.get("prompt_tokens_details")
    completion = usage.get("completion_tokens_details")
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        total_tokens=_count(usage.get("total_tokens")),
        cached=_count(prompt.get("cached_tokens")) if isinstance(prompt, dict) else None,
        reasoning=_count(completion.get("reasoning_tokens")) if isinstance(completion, dict) else None,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
