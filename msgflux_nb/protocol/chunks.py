"""A payload of the wire → what it says. The only place that knows the names of an answer's fields.

A streamed chunk and a whole answer have the same shape but for ``delta`` and ``message``; both become the same pieces,
so that everything after this module knows one kind of answer. Fields that are absent, null or of another type than
documented are passed over: real servers send all of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from .events import (
    AnnotationDelta,
    AnswerFields,
    Finished,
    Identified,
    ImageDelta,
    LogprobsDelta,
    ProviderFields,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TokenLogprob,
    ToolKind,
    Usage,
    UsageReported,
    finish_reason,
)

__all__ = [
    "CONTENT",
    "AudioFragment",
    "ChoicePiece",
    "Piece",
    "QuickChunk",
    "ToolFragment",
    "decode_quick",
    "pieces_of",
]


class ToolFragment(msgspec.Struct, frozen=True):
    """A fragment of a tool call under the server's own label, which need not mean anything."""

    index: int | None
    id: str | None
    name: str | None
    arguments: Any
    kind: ToolKind = "function"
    extra: dict[str, Any] | None = None
    choice: int = 0


class AudioFragment(msgspec.Struct, frozen=True):
    """A piece of sound in base64, cut anywhere."""

    data: str
    transcript: str
    id: str | None
    expires_at: int | None
    choice: int = 0


ChoicePiece = (
    TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolFragment
    | AudioFragment
    | ImageDelta
    | AnnotationDelta
    | LogprobsDelta
    | ProviderFields
    | Finished
)
Piece = ChoicePiece | AnswerFields | UsageReported | Identified
CONTENT = (TextDelta, ReasoningDelta, RefusalDelta, ToolFragment, AudioFragment, ImageDelta)
"""What a reader sees; once one of these has come, a request is not sent again."""

_DULL = frozenset({"id", "model", "object", "created", "choices", "usage", "obfuscation", "p", "error"})
_CHOICE = frozenset({"index", "delta", "message", "finish_reason", "logprobs", "text"})
_REASONING = ("reasoning_content", "reasoning", "reasoning_text")
_MESSAGE = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "audio", "images", "annotations", *_REASONING}
)
_CALL = frozenset({"index", "id", "type", "function", "custom"})


def pieces_of(payload: dict[str, Any]) -> Iterator[Piece]:
    """Yield what a chunk or a whole answer says, in the order in which it says it."""
    if payload.get("id") or payload.get("model"):
        yield Identified(id=_text(payload.get("id")), model=_text(payload.get("model")))
    choices = payload.get("choices")
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            yield from _of_choice(choice, position)
    fields = _others(payload, _DULL)
    if fields:
        yield AnswerFields(fields)
    usage = payload.get("usage") or (payload.get("x_groq") or {}).get("usage")
    if isinstance(usage, dict):
        yield UsageReported(_usage(usage))


def _of_choice(choice: dict[str, Any], position: int) -> Iterator[Piece]:
    streamed = isinstance(choice.get("delta"), dict)
    # Perplexity sends the delta and, beside it, the whole message so far.
    message = choice["delta"] if streamed else choice.get("message")
    index = choice.get("index")
    # GitHub numbers no choices in a whole answer; a stream that numbers none has one.
    index = index if isinstance(index, int) else 0 if streamed else position
    if isinstance(message, dict):
        yield from _of_message(message, index)
    elif isinstance(choice.get("text"), str) and choice["text"]:
        yield TextDelta(choice["text"], index)
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, dict):
        yield from _of_logprobs(logprobs, index)
    fields = _others(choice, _CHOICE)
    if fields:
        yield AnswerFields(fields)
    raw = choice.get("finish_reason")
    if isinstance(raw, str) and raw:
        yield Finished(finish_reason(raw), raw, index)


def _of_message(message: dict[str, Any], index: int) -> Iterator[Piece]:
    reasoning = _reasoning(message)
    if reasoning:
        yield ReasoningDelta(reasoning, index)
    yield from _of_content(message.get("content"), index)
    if _text(message.get("refusal")):
        yield RefusalDelta(message["refusal"], index)
    yield from _of_calls(message, index)
    audio = message.get("audio")
    if isinstance(audio, dict):
        yield from _of_audio(audio, index)
    for image in _dicts(message.get("images")):
        yield from _of_image(image, index)
    for annotation in _dicts(message.get("annotations")):
        yield AnnotationDelta(annotation, index)
    fields = _others(message, _MESSAGE)
    if fields:
        yield ProviderFields(fields, index)


def _reasoning(message: dict[str, Any]) -> str:
    """The reasoning, which some servers send in two fields at once; OpenRouter's details only where nothing else is."""
    for name in _REASONING:
        value = message.get(name)
        if isinstance(value, str) and value:
            return value
    found = [detail.get("text") or detail.get("summary") for detail in _dicts(message.get("reasoning_details"))]
    return "".join(text for text in found if isinstance(text, str))


def _of_content(content: Any, index: int) -> Iterator[Piece]:
    """Content is text, or a list of parts (Mistral), or the decoded structure itself (Cloudflare)."""
    if isinstance(content, str):
        if content:
            yield TextDelta(content, index)
    elif isinstance(content, dict):
        yield TextDelta(json.dumps(content, ensure_ascii=False), index)
    for part in _dicts(content):
        yield from _of_part(part, index)


def _of_part(part: dict[str, Any], index: int) -> Iterator[Piece]:
    thought = part.get("thinking") or part.get("summary") or part.get("reasoning")
    if isinstance(part.get("text"), str):
        if part["text"]:
            yield TextDelta(part["text"], index)
    elif thought:
        texts = [thought] if isinstance(thought, str) else [_text(one.get("text")) or "" for one in _dicts(thought)]
        yield ReasoningDelta("".join(texts), index)
    elif isinstance(part.get("refusal"), str):
        yield RefusalDelta(part["refusal"], index)
    elif "image_url" in part:
        yield from _of_image(part, index)
    else:
        yield AnnotationDelta(part, index)


def _of_image(image: dict[str, Any], index: int) -> Iterator[Piece]:
    source = image.get("image_url")
    url = source.get("url") if isinstance(source, dict) else source
    if isinstance(url, str) and url:
        yield ImageDelta(url, index)
    elif _text(image.get("b64_json")):
        yield ImageDelta(f"data:image/png;base64,{image['b64_json']}", index)


def _of_audio(audio: dict[str, Any], index: int) -> Iterator[Piece]:
    data, words, name = _text(audio.get("data")), _text(audio.get("transcript")), _text(audio.get("id"))
    if data or words or name:
        yield AudioFragment(data or "", words or "", name, _count(audio.get("expires_at")), index)


def _of_calls(message: dict[str, Any], index: int) -> Iterator[ToolFragment]:
    calls = message.get("tool_calls")
    for call in [calls] if isinstance(calls, dict) else _dicts(calls):
        custom = str(call.get("type")).lower() == "custom" or (not call.get("function") and bool(call.get("custom")))
        body = call.get("custom" if custom else "function")
        body = body if isinstance(body, dict) else {}
        yield ToolFragment(
            index=_count(call.get("index")),
            id=_text(call.get("id")),
            name=_text(body.get("name")),
            arguments=body.get("input" if custom else "arguments"),
            kind="custom" if custom else "function",
            extra=_others(call, _CALL) or None,
            choice=index,
        )
    legacy = message.get("function_call")
    # Snowflake fills it with empty texts beside the real call.
    if isinstance(legacy, dict) and (legacy.get("name") or legacy.get("arguments")):
        yield ToolFragment(None, None, _text(legacy.get("name")), legacy.get("arguments"), "function_call", None, index)


def _of_logprobs(logprobs: dict[str, Any], index: int) -> Iterator[Piece]:
    tokens = [_token(one, False) for one in _dicts(logprobs.get("content"))]
    tokens += [_token(one, True) for one in _dicts(logprobs.get("refusal"))]
    if not tokens and isinstance(logprobs.get("tokens"), list) and isinstance(logprobs.get("token_logprobs"), list):
        pairs = zip(logprobs["tokens"], logprobs["token_logprobs"], strict=False)
        tokens = [_token({"token": token, "logprob": value}, False) for token, value in pairs]
    kept = tuple(token for token in tokens if token is not None)
    if kept:
        yield LogprobsDelta(kept, index)


def _token(token: dict[str, Any], refusal: bool) -> TokenLogprob | None:
    text, logprob, octets = token.get("token"), token.get("logprob"), token.get("bytes")
    if not isinstance(text, str) or not isinstance(logprob, int | float):
        return None
    tops = ((one.get("token"), one.get("logprob")) for one in _dicts(token.get("top_logprobs")))
    return TokenLogprob(
        token=text,
        logprob=float(logprob),
        bytes=tuple(octets) if isinstance(octets, list) and all(isinstance(octet, int) for octet in octets) else None,
        top=tuple((str(one), float(value)) for one, value in tops if isinstance(value, int | float)),
        refusal=refusal,
    )


def _usage(usage: dict[str, Any]) -> Usage:
    prompt, completion = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    cached = prompt.get("cached_tokens") if isinstance(prompt, dict) else usage.get("cached_tokens")
    reasoning = completion.get("reasoning_tokens") if isinstance(completion, dict) else usage.get("reasoning_tokens")
    cost = usage.get("cost")
    cost = cost.get("total_cost") if isinstance(cost, dict) else cost  # Perplexity
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        total_tokens=_count(usage.get("total_tokens")),
        cached=_count(usage.get("prompt_cache_hit_tokens") if cached is None else cached),
        reasoning=_count(reasoning),
        cost=float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None,
    )


def _others(fields: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields that are not known and say something."""
    return {name: value for name, value in fields.items() if name not in known and value not in (None, "", [], {})}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


# The quick way: nine chunks of ten hold a piece of text, reasoning or arguments and else only what the first chunk has
# said already. They are decoded to these types at a fraction of the cost. Whatever has another field, or another type,
# does not fit them, and goes the long way: so nothing that a chunk may say is lost here.


class _Function(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    function: _Function
    index: int | None = None
    id: str | None = None
    type: str | None = None


class _Delta(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    content: str | None = None
    tool_calls: list[_Call] | None = None
    reasoning_content: str | None = None
    role: str | None = None
    refusal: None = None
    function_call: None = None


class _Choice(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    delta: _Delta
    index: int = 0
    finish_reason: None = None
    logprobs: None = None
    native_finish_reason: None = None


class QuickChunk(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A chunk that holds nothing but pieces of text, reasoning and tool calls."""

    choices: list[_Choice]
    id: str | None = None
    model: str | None = None
    object: str | None = None
    created: int | float | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    provider: str | None = None
    obfuscation: str | None = None
    p: str | None = None
    usage: None = None


decode_quick = msgspec.json.Decoder(QuickChunk).decode
"""Decode a payload to a :class:`QuickChunk`; raises ``msgspec.ValidationError`` where it holds anything else."""
