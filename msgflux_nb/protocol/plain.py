"""The plainest whole answer, read in one go: one message of text that ended by itself. A batch gets millions of them.

What a provider says of it that is nobody's standard is passed over. Whatever would change what the answer means makes
it no plain one, and it is read at length, by ``accumulate``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .events import Usage, usage_of

__all__ = ["PlainAnswer", "read_plain"]

Nothing = None | tuple[()] | Literal[""]
"""What some servers send in place of a field that they have nothing for."""


class PlainAnswer(msgspec.Struct, frozen=True):
    """Such an answer.

    Attributes:
        text: what the model wrote.
        usage: what was billed, or None if the provider does not say.
        model: the model that answered, as the provider calls it.
    """

    text: str
    usage: Usage | None
    model: str | None


class _Message(msgspec.Struct, gc=False):
    content: str
    refusal: Nothing = None
    tool_calls: Nothing = None
    function_call: Nothing = None
    audio: Nothing = None
    images: Nothing = None
    image: Nothing = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message
    finish_reason: Literal["stop"]
    index: Literal[0] = 0
    delta: Nothing = None
    error: Nothing = None
    finish_details: None = None
    usage: None = None


class _Prompt(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _Completion(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    """As OpenAI says it; any other field of those that ``usage_of`` looks at makes it another one."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int | None = None
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    cost: float | None = None
    estimated_cost: None = None
    input_tokens_details: None = None
    output_tokens_details: None = None
    cached_tokens: None = None
    prompt_cache_hit_tokens: None = None
    cache_read_input_tokens: None = None
    reasoning_tokens: None = None


class _Payload(msgspec.Struct, gc=False):
    choices: tuple[_Choice]
    object: Literal["chat.completion"] | None = None
    model: str | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: Nothing = None
    errors: Nothing = None
    type: None = None
    base_resp: None = None
    x_groq: None = None
    success: None = None


_decode = msgspec.json.Decoder(_Payload).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode


def read_plain(body: bytes) -> PlainAnswer | None:
    """Return what a body says, or None where it is no plain answer."""
    try:
        payload = _decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    text = payload.choices[0].message.content
    if not text.strip():
        return None
    return PlainAnswer(text, _usage(payload.usage), payload.model or None)


def _usage(raw: msgspec.Raw) -> Usage | None:
    try:
        said = _decode_usage(raw)
    except msgspec.MsgspecError:
        fields = msgspec.json.decode(raw)
        return usage_of(fields) if isinstance(fields, dict) and fields else None
    prompt, completion = said.prompt_tokens_details, said.completion_tokens_details
    return Usage(
        prompt_tokens=said.prompt_tokens,
        completion_tokens=said.completion_tokens,
        total_tokens=said.total_tokens,
        cached=None if prompt is None else prompt.cached_tokens,
        reasoning=None if completion is None else completion.reasoning_tokens,
        cost=said.cost,
    )
