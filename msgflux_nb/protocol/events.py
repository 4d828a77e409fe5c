"""The typed events that an answer is made of: what a stream yields, and what a whole answer is read as."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "AnnotationDelta",
    "AnswerFields",
    "AudioDelta",
    "Event",
    "FinishReason",
    "Finished",
    "Identified",
    "ImageDelta",
    "LogprobsDelta",
    "ProviderFields",
    "ReasoningDelta",
    "RefusalDelta",
    "TextDelta",
    "TokenLogprob",
    "ToolCallDelta",
    "ToolKind",
    "Usage",
    "UsageReported",
    "finish_reason",
]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "error", "unknown"]
ToolKind = Literal["function", "custom", "function_call"]


class Usage(msgspec.Struct, frozen=True):
    """What was billed, in tokens; None where the provider does not say.

    Attributes:
        prompt_tokens: tokens of the messages.
        completion_tokens: tokens of the answer, reasoning included.
        total_tokens: both.
        cached: prompt tokens that were read from the provider's cache.
        reasoning: answer tokens that were reasoning.
        cost: US dollars, where the provider itself says what it took.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    cost: float | None = None

    def __add__(self, other: Usage) -> Usage:
        """Return both together; what only one of them says is taken from it."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Usage(*(a if b is None else b if a is None else a + b for a, b in pairs))

    def updated(self, later: Usage) -> Usage:
        """Return the count after a later report of the same answer, which may leave some of it out."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(later), strict=True)
        return Usage(*(a if b is None else b for a, b in pairs))


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer's text."""

    text: str
    choice: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's reasoning."""

    text: str
    choice: int = 0


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the words with which a model declines."""

    text: str
    choice: int = 0


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """A fragment of a tool call, as it came.

    Attributes:
        call: which call of the choice it belongs to, counted from 0 in order of appearance.
        id: the call's id, if this fragment has it.
        name: the tool's name, or a piece of it.
        arguments: a piece of the arguments' text; whole arguments, where a server sends them as an object.
        choice: the choice that it belongs to.
        kind: ``function``, ``custom`` (its input is text), or the deprecated ``function_call``.
        extra: fields of the provider that have to go back as they came.
    """

    call: int
    id: str | None = None
    name: str | None = None
    arguments: Any = None
    choice: int = 0
    kind: ToolKind = "function"
    extra: dict[str, Any] | None = None


class AudioDelta(msgspec.Struct, frozen=True):
    """A piece of sound: its bytes so far decodable, its words, or both.

    Attributes:
        data: sound in the format that was asked for.
        transcript: a piece of what is said.
        id: the provider's name for the sound, with which a later message can refer to it.
        expires_at: until when it can, in seconds since the epoch.
    """

    data: bytes = b""
    transcript: str = ""
    id: str | None = None
    expires_at: int | None = None
    choice: int = 0


class ImageDelta(msgspec.Struct, frozen=True):
    """An image that the model made: a data URL, or a URL that is never fetched here."""

    url: str
    choice: int = 0


class AnnotationDelta(msgspec.Struct, frozen=True):
    """A note on the text, such as a citation, as the provider wrote it."""

    annotation: dict[str, Any]
    choice: int = 0


class TokenLogprob(msgspec.Struct, frozen=True):
    """One token and how likely it was.

    Attributes:
        token: its text.
        logprob: natural logarithm of its probability.
        bytes: its bytes, where a token is a part of a letter.
        top: the likeliest tokens in its place, with their logarithms, the likeliest first.
        refusal: whether it is a token of the refusal.
    """

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple[tuple[str, float], ...] = ()
    refusal: bool = False


class LogprobsDelta(msgspec.Struct, frozen=True):
    """Tokens of the answer with their probabilities."""

    tokens: tuple[TokenLogprob, ...]
    choice: int = 0


class ProviderFields(msgspec.Struct, frozen=True):
    """Fields of a message that are nobody's standard; kept, and sent back to the same provider and model only."""

    fields: dict[str, Any]
    choice: int = 0


class AnswerFields(msgspec.Struct, frozen=True):
    """Fields beside the message that are nobody's standard, such as ``citations``; kept, and never sent back."""

    fields: dict[str, Any]


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


Event = (
    TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | AudioDelta
    | ImageDelta
    | AnnotationDelta
    | LogprobsDelta
    | ProviderFields
    | AnswerFields
    | Finished
    | UsageReported
    | Identified
)

_REASONS: dict[str, FinishReason] = {
    **dict.fromkeys(("stop", "end_turn", "eos", "eos_token", "stop_sequence", "completed", "complete"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "max_output_tokens"), "length"),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use", "tool_call"), "tool_calls"),
    **dict.fromkeys(
        ("content_filter", "sensitive", "safety", "recitation", "blocklist", "prohibited_content"), "content_filter"
    ),
    "refusal": "refusal",
    **dict.fromkeys(("error", "network_error", "insufficient_system_resource"), "error"),
}


def finish_reason(raw: str) -> FinishReason:
    """Return the provider's word in ours; ``"unknown"`` for a word that was never seen."""
    return _REASONS.get(raw.lower(), "unknown")
