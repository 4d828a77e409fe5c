"""Splits a payload of a chat completion into pieces; knows the names of an answer's fields.

The shortcuts of ``plain`` and ``sse`` know some of them too. A streamed chunk and a whole answer differ only in
``delta`` and ``message``. Both become the same pieces, so all other modules know one kind of answer. Fields that are
absent, null or of an undocumented type are skipped: real servers send all of these.
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
    ToolKind,
    UsageReported,
    finish_reason,
    token_of,
)
from .json_values import dicts_in, text_in, whole_number
from .usage import usages_in

__all__ = [
    "CONTENT",
    "AudioFragment",
    "ChoicePiece",
    "MessageSoFar",
    "Piece",
    "QuickCall",
    "QuickDelta",
    "ToolFragment",
    "decode_quick",
    "pieces_of",
    "pieces_of_message",
]


class ToolFragment(msgspec.Struct, frozen=True):
    """A fragment of a tool call with the server's own index, which may be meaningless."""

    index: int | None
    id: str | None
    name: str | None
    arguments: Any
    kind: ToolKind = "function"
    extra: dict[str, Any] | None = None
    choice: int = 0


class AudioFragment(msgspec.Struct, frozen=True):
    """A piece of base64 sound; the cuts may be anywhere."""

    data: str
    transcript: str
    id: str | None
    expires_at: int | None
    choice: int = 0


class MessageSoFar(msgspec.Struct, frozen=True):
    """A message in a stream: the answer so far, sent together with deltas, after them, or instead of them.

    Attributes:
        message: the message.
        with_delta: whether a delta came with the message.
    """

    message: dict[str, Any]
    with_delta: bool
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
Piece = ChoicePiece | MessageSoFar | AnswerFields | UsageReported | Identified
CONTENT = (TextDelta, ReasoningDelta, RefusalDelta, ToolFragment, AudioFragment, ImageDelta)
"""Pieces that a user sees; after the first of them a request is not sent again."""

_DULL = frozenset({"id", "model", "object", "created", "choices", "usage", "obfuscation", "p", "error"})
_CHOICE = frozenset({"index", "delta", "message", "finish_reason", "logprobs", "text", "usage", "error"})
_REASONING = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thoughts", "thought")
_THOUGHTS = ("reasoning_details", "thinking_blocks")
_MESSAGE = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "audio", "images", "image", "annotations"}
)
_CALL = frozenset({"index", "id", "type", "function", "custom"})
_LOGPROBS = frozenset({"content", "refusal", "tokens", "token_logprobs", "top_logprobs", "text_offset"})
_IMAGES = ("image_url", "inline_data", "inlineData", "source")
_THOUGHT_NAMES = ("text", "thinking", "reasoning", "summary", "content")
_THOUGHT_DEPTH = 4
_IMAGE_STARTS = {"/9j/": "jpeg", "R0lG": "gif", "UklG": "webp"}  # the base64 of the first three bytes


def pieces_of(payload: dict[str, Any], *, whole: bool = False, thoughts_in_total: bool = False) -> Iterator[Piece]:
    """Yield the pieces of a chunk or a whole answer, in order."""
    if payload.get("id") or payload.get("model"):
        yield Identified(id=text_in(payload.get("id")), model=text_in(payload.get("model")))
    found = payload.get("choices")
    choices = [found] if isinstance(found, dict) else dicts_in(found)
    for position, choice in enumerate(choices):
        index = whole_number(choice.get("index"))
        if index is None:  # GitHub does not number a whole answer's choices; a stream without numbers has one
            index = position if whole or len(choices) > 1 else 0
        yield from _of_choice(choice, index, whole)
    fields = _others(payload, _DULL)
    if fields:
        yield AnswerFields(fields)
    for usage in usages_in(payload, choices, thoughts_in_total=thoughts_in_total):
        yield UsageReported(usage)


def _of_choice(choice: dict[str, Any], index: int, whole: bool) -> Iterator[Piece]:
    delta, message = _message(choice.get("delta")), _message(choice.get("message"))
    # Perplexity and ModelScope send an empty delta together with the message of a whole answer.
    taken = (message or delta) if whole else delta
    if taken is not None:
        yield from pieces_of_message(taken, index)
    if message and not whole:  # Perplexity and Foundry Local with each delta, MiniMax at the end
        yield MessageSoFar(message, delta is not None, index)
    if delta is None and message is None and text_in(choice.get("text")):
        yield TextDelta(choice["text"], index)
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, dict):
        yield from _of_logprobs(logprobs, index)
    fields = _others(choice, _CHOICE)
    if fields:
        yield AnswerFields(fields, index)
    yield from _of_end(choice, index)


def _of_end(choice: dict[str, Any], index: int) -> Iterator[Piece]:
    raw = choice.get("finish_reason")
    if isinstance(raw, dict):  # the form of SGLang and of Dynamo
        raw = raw.get("type") or next(iter(raw), None)
    details = text_in(_field(choice.get("finish_details"), "type"))  # OpenAI's first vision models
    if isinstance(raw, str) and raw not in ("", "null"):
        yield Finished(finish_reason(raw), raw, index)
    elif details:
        yield Finished(finish_reason(details), "", index)


def pieces_of_message(message: dict[str, Any], index: int) -> Iterator[ChoicePiece | AnswerFields]:
    """Yield the pieces of a message or a delta."""
    reasoning = _reasoning(message)
    if reasoning:
        yield ReasoningDelta(reasoning, index)
    yield from _of_content(message.get("content"), index)
    if text_in(message.get("refusal")):
        yield RefusalDelta(message["refusal"], index)
    yield from _of_calls(message, index)
    if isinstance(message.get("audio"), dict):
        yield from _of_audio(message["audio"], index)
    images = message.get("images")
    for url in map(_image_url, [*(images if isinstance(images, list) else [images]), message.get("image")]):
        if url:
            yield ImageDelta(url, index)
    for annotation in dicts_in(message.get("annotations")):
        yield AnnotationDelta(annotation, index)
    fields = _others(message, _MESSAGE)
    for name in _REASONING:
        if isinstance(fields.get(name), str):
            del fields[name]
    if fields:
        yield ProviderFields(fields, index)


def _reasoning(message: dict[str, Any]) -> str:
    """Return the reasoning. Some servers send it in two fields; the detailed one counts only if the other is empty."""
    for name in (*_REASONING, *_THOUGHTS):
        text = _thought(message.get(name))
        if text:
            return text
    return ""


def _thought(value: Any, depth: int = _THOUGHT_DEPTH) -> str:
    """Return the text of reasoning, unwrapped from the forms of Envoy, Mistral, Databricks, OpenRouter and LiteLLM."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return "".join([_thought(one, depth - 1) for one in value])
    if isinstance(value, dict) and depth:
        return next(filter(None, (_thought(value.get(name), depth - 1) for name in _THOUGHT_NAMES)), "")
    return ""


def _of_content(content: Any, index: int) -> Iterator[ChoicePiece | AnswerFields]:
    """Read content: a text, a list of parts (Mistral, Databricks), or the decoded structure itself (Cloudflare)."""
    if isinstance(content, str):
        if content:
            yield TextDelta(content, index)
    elif isinstance(content, list) and all(_is_part(part) for part in content):
        for part in content:
            yield from _of_part(part, index) if isinstance(part, dict) else _of_content(part, index)
    elif content is not None:
        yield TextDelta(json.dumps(content, ensure_ascii=False), index)


def _is_part(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and ("type" in part or "text" in part))


def _of_part(part: dict[str, Any], index: int) -> Iterator[ChoicePiece | AnswerFields]:
    kind, text = str(part.get("type")).lower(), part.get("text")
    text = text.get("value") if isinstance(text, dict) else text
    sound = part.get("input_audio") or part.get("audio")
    if "think" in kind or "reason" in kind:
        thought = _thought(part)
        if thought:
            yield ReasoningDelta(thought, index)
    elif isinstance(text, str):
        yield from _of_content(text, index)
        for annotation in dicts_in(part.get("annotations")):
            yield AnnotationDelta(annotation, index)
    elif text_in(part.get("refusal")):
        yield RefusalDelta(part["refusal"], index)
    elif isinstance(sound, dict):
        yield from _of_audio(sound, index)
    else:
        yield _of_odd_part(part, kind, index)


def _of_odd_part(part: dict[str, Any], kind: str, index: int) -> ImageDelta | AnnotationDelta | AnswerFields:
    if kind.endswith(("reference", "citation")):
        return AnnotationDelta(part, index)
    url = _image_url(part) if "image" in kind or any(name in part for name in _IMAGES[:3]) else None
    return ImageDelta(url, index) if url else AnswerFields({"content_parts": [part]}, index)


def _image_url(image: Any) -> str | None:
    """Return the URL of an image in any form that servers use; bytes become a data URL."""
    if isinstance(image, str):
        return image if image.startswith(("data:", "http://", "https://")) else _data_url(image)
    if not isinstance(image, dict):
        return None
    for name in _IMAGES:
        source = image.get(name)
        if isinstance(source, dict):  # OpenAI's image_url, Gemini's inline_data, Anthropic's source
            kind = text_in(source.get("mime_type") or source.get("mimeType") or source.get("media_type"))
            return text_in(source.get("url")) or _data_url(source.get("data"), kind)
        if text_in(source):
            return _image_url(source)
    return text_in(image.get("url")) or _data_url(image.get("b64_json"))


def _data_url(letters: Any, kind: str | None = None) -> str | None:
    if not isinstance(letters, str) or not letters:
        return None
    return f"data:{kind or 'image/' + _IMAGE_STARTS.get(letters[:4], 'png')};base64,{letters}"


def _of_audio(audio: dict[str, Any], index: int) -> Iterator[AudioFragment]:
    data, words, name = (
        text_in(audio.get("data")),
        text_in(audio.get("transcript")),
        text_in(audio.get("id")),
    )
    expires_at = whole_number(audio.get("expires_at")) or None
    if data or words or name or expires_at:
        yield AudioFragment(data or "", words or "", name, expires_at, index)


def _of_calls(message: dict[str, Any], index: int) -> Iterator[ToolFragment]:
    found = message.get("tool_calls")
    calls = [found] if isinstance(found, dict) else dicts_in(found)
    # The calls in one list are different calls, even if neither index nor id tells them apart.
    unnumbered = len(calls) > 1 and all(whole_number(call.get("index")) is None for call in calls)
    for position, call in enumerate(calls):
        yield from _of_call(call, position if unnumbered else whole_number(call.get("index")), index)
    legacy = message.get("function_call")
    # Snowflake fills function_call with empty texts; older servers send the same call in both forms.
    if isinstance(legacy, dict) and not calls and (legacy.get("name") or legacy.get("arguments")):
        yield ToolFragment(
            None, None, text_in(legacy.get("name")), legacy.get("arguments"), "function_call", None, index
        )


def _of_call(call: dict[str, Any], label: int | None, index: int) -> Iterator[ToolFragment]:
    function, body = call.get("function"), call.get("custom")
    custom = isinstance(body, dict) and (not function or str(call.get("type")).lower() == "custom")
    extra = _others(call, _CALL)
    body = body if custom else function
    if not isinstance(body, dict):  # Cloudflare's form has no function object
        body = {"name": extra.pop("name", function), "arguments": extra.pop("arguments", None)}
    name, arguments = text_in(body.get("name")), body.get("input" if custom else "arguments")
    if name or text_in(call.get("id")) or arguments not in (None, "") or extra:
        kind: ToolKind = "custom" if custom else "function"
        yield ToolFragment(label, text_in(call.get("id")), name, arguments, kind, extra or None, index)


def token_pieces(tokens: Any, index: int = 0) -> Iterator[LogprobsDelta]:
    """Yield the tokens of a list as one piece; nothing if it is empty."""
    kept = tuple(token for token in map(token_of, dicts_in(tokens)) if token is not None)
    if kept:
        yield LogprobsDelta(kept, index)


def _of_logprobs(logprobs: dict[str, Any], index: int) -> Iterator[LogprobsDelta | AnswerFields]:
    tokens = [token_of(one) for one in dicts_in(logprobs.get("content"))]
    tokens += [token_of(one, refusal=True) for one in dicts_in(logprobs.get("refusal"))]
    if not tokens and isinstance(logprobs.get("tokens"), list) and isinstance(logprobs.get("token_logprobs"), list):
        pairs = zip(logprobs["tokens"], logprobs["token_logprobs"], strict=False)
        tokens = [token_of({"token": token, "logprob": value}) for token, value in pairs]
    kept = tuple(token for token in tokens if token is not None)
    if kept:
        yield LogprobsDelta(kept, index)
    fields = _others(logprobs, _LOGPROBS)  # DeepSeek: the reasoning's logprobs
    if fields:
        yield AnswerFields({f"logprobs_{name}": value for name, value in fields.items()}, index)


def _message(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str) and value:
        return {"content": value}
    return value if isinstance(value, dict) else None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _others(fields: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return the unknown fields that are not empty."""
    return {name: value for name, value in fields.items() if name not in known and value not in (None, "", [], {})}


# The quick path: nearly all chunks hold one piece of text, reasoning or arguments, and otherwise only known fields.
# These types decode such chunks only; a chunk with any other field or type is read in full.


class _Function(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | None = None


class QuickCall(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A fragment of a tool call."""

    function: _Function
    index: int | None = None
    id: str | None = None
    type: str | None = None


class QuickDelta(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A piece of text, of reasoning, or of tool calls."""

    content: str | None = None
    tool_calls: list[QuickCall] | None = None
    reasoning_content: str | None = None
    role: str | None = None
    refusal: None = None
    function_call: None = None


class _Choice(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    delta: QuickDelta
    index: int = 0
    finish_reason: None = None
    logprobs: None = None
    native_finish_reason: None = None


class _QuickChunk(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
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


decode_quick = msgspec.json.Decoder(_QuickChunk).decode
"""Decode a chunk that holds only such pieces; raises ``ValueError`` if it holds anything else."""
