"""The typed events of an answer, and the functions that are told of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

import msgspec

from .bulk import check_count
from .sse import joined
from .usage import Usage

__all__ = [
    "AnnotationDelta",
    "AnswerFields",
    "AudioDelta",
    "Event",
    "Fields",
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
    "Watchers",
    "finish_reason",
    "real_number",
    "token_of",
]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "error", "unknown"]
ToolKind = Literal["function", "custom", "function_call"]
News = TypeVar("News")


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer's text."""

    text: str
    choice: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's reasoning."""

    text: str
    choice: int = 0


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's refusal."""

    text: str
    choice: int = 0


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """A fragment of a tool call as received.

    Attributes:
        call: the number of the call in its choice, counted from 0 in order of appearance.
        id: the call's id, if this fragment has it.
        name: the tool's name, or a piece of it.
        arguments: a piece of the arguments' text, or all of it if the server sends an object.
        choice: the number of the choice.
        kind: ``function``, ``custom`` (its input is text), or the deprecated ``function_call``.
        extra: the provider's own fields, to be sent back unchanged.
    """

    call: int
    id: str | None = None
    name: str | None = None
    arguments: Any = None
    choice: int = 0
    kind: ToolKind = "function"
    extra: dict[str, Any] | None = None


class AudioDelta(msgspec.Struct, frozen=True):
    """A piece of sound: new bytes, new words of the transcript, or both.

    Attributes:
        data: sound in the requested format.
        transcript: a piece of the transcript.
        id: the provider's id for the sound, by which a later message can refer to it.
        expires_at: when that id expires, in seconds since the epoch.
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
    """One token and its probability.

    Attributes:
        token: the token's text.
        logprob: the natural logarithm of its probability.
        bytes: its bytes, since a token may be part of a character.
        top: the most probable tokens in this place with their logarithms, in descending order.
        refusal: whether the token belongs to the refusal.
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
    """Non-standard fields of a message; kept, and sent back to the same provider and model only."""

    fields: dict[str, Any]
    choice: int = 0


class AnswerFields(msgspec.Struct, frozen=True):
    """Non-standard fields outside the message, such as ``citations``; kept, and never sent back.

    Attributes:
        fields: the fields.
        choice: the number of the choice that they belong to; 0 also for those of the whole answer.
    """

    fields: dict[str, Any]
    choice: int = 0


class Finished(msgspec.Struct, frozen=True):
    """A choice has ended; ``raw`` is the provider's own word. The reason is None if the answer is not ready yet."""

    reason: FinishReason | None
    raw: str
    choice: int = 0


class UsageReported(msgspec.Struct, frozen=True):
    """The provider's token count so far; the last one is billed."""

    usage: Usage


class Identified(msgspec.Struct, frozen=True):
    """The answer's id and model.

    Attributes:
        id: the provider's id for the answer.
        model: the model that answers.
        latest: whether this replaces earlier ones; else the first one counts.
    """

    id: str | None
    model: str | None
    latest: bool = False


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


class Fields:
    """A provider's own fields while they arrive; merged only when they are read.

    Lists are concatenated, and neighbours of the same type and index become one item whose texts are joined
    (OpenRouter's ``reasoning_details``). Dicts are merged. Of any other value the last one counts.

    Args:
        repeated: whether a chunk may repeat everything before it, as Perplexity does with ``citations``; the fields of
            a message do not repeat.
    """

    def __init__(self, *, repeated: bool = False) -> None:
        self._repeated = repeated
        self._values: dict[str, list[Any]] = {}

    def add(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Add fields, and return the new ones.

        Raises:
            NotAnApiError: there are more than 10,000 of them.
        """
        new = {}
        for name, value in fields.items():
            if name not in self._values:
                check_count("fields", len(self._values))
            values = self._values.setdefault(name, [])
            if self._repeated and values:
                last = values[-1]
                if value == last:
                    continue
                if not isinstance(value, dict) and (not isinstance(value, list) or _goes_on(last, value)):
                    values.pop()
            values.append(value)
            new[name] = value
        return new

    def read(self) -> dict[str, Any]:
        """Return all fields by name."""
        for values in self._values.values():
            if len(values) > 1:
                values[:] = [_folded(values)]
        return {name: values[0] for name, values in self._values.items()}


def _goes_on(last: Any, value: list[Any]) -> bool:
    return isinstance(last, list) and value[: len(last)] == last


def _folded(values: list[Any]) -> Any:
    if all(isinstance(value, list) for value in values):
        return _one_list([item for value in values for item in value])
    if all(isinstance(value, dict) for value in values):
        return {name: item for value in values for name, item in value.items()}
    return values[-1]


def _one_list(items: list[Any]) -> list[Any]:
    groups: list[list[Any]] = []
    for item in items:
        if groups and _continues(groups[-1][0], item):
            groups[-1].append(item)
        else:
            groups.append([item])
    return [group[0] if len(group) == 1 else _one_item(group) for group in groups]


def _continues(first: Any, item: Any) -> bool:
    if not isinstance(first, dict) or not isinstance(item, dict) or item.get("index") is None:
        return False
    same = all(first.get(name) == item.get(name) for name in ("type", "index"))
    return same and item.get("id") in (None, first.get("id"))


def _one_item(group: list[dict[str, Any]]) -> dict[str, Any]:
    merged = {name: value for item in group for name, value in item.items() if value is not None}
    for name in ("text", "summary", "data", "signature"):
        pieces = [item[name] for item in group if isinstance(item.get(name), str)]
        if len(pieces) > 1:
            merged[name] = joined("".join(pieces))
    return {**group[0], **merged}


_WORDS: dict[FinishReason, str] = {
    "stop": "stop end_turn eos eos_token stop_sequence stop_token completed complete end done normal",
    "length": "length max_tokens model_length max_output_tokens model_context_window_exceeded",
    "tool_calls": "tool_calls function_call function_calls tool_use tool_call",
    "content_filter": "content_filter content_filtered guardrail_intervened sensitive safety recitation blocklist spii "
    "prohibited_content image_safety image_prohibited_content error_toxic model_armor",
    "refusal": "refusal",
    "error": "error network_error insufficient_system_resource abort aborted cancelled failed timeout",
}
_REASONS = {word: reason for reason, words in _WORDS.items() for word in words.split()}


def finish_reason(raw: str) -> FinishReason:
    """Translate the provider's word for why an answer ended; ``"unknown"`` for an unknown word."""
    word = raw.strip().lower()
    if word in _REASONS:
        return _REASONS[word]
    if word.startswith("<"):  # the token that ended it, such as <|eot_id|>: Together
        return "stop"
    # Some send more words, such as Dynamo, or Gemini's "function_call_filter: MALFORMED_FUNCTION_CALL".
    return "error" if word.startswith("error") or "malformed" in word else "unknown"


def token_of(fields: dict[str, Any], *, refusal: bool = False) -> TokenLogprob | None:
    """Read one token with its probability; None if one of the two is missing."""
    text, logprob, octets = fields.get("token"), real_number(fields.get("logprob")), fields.get("bytes")
    if not isinstance(text, str) or logprob is None:
        return None
    others = fields.get("top_logprobs")
    tops = [one for one in others if isinstance(one, dict)] if isinstance(others, list) else []
    pairs = ((one.get("token"), real_number(one.get("logprob"))) for one in tops)
    return TokenLogprob(
        token=text,
        logprob=logprob,
        bytes=tuple(octets) if isinstance(octets, list) and all(isinstance(octet, int) for octet in octets) else None,
        top=tuple((one, value) for one, value in pairs if isinstance(one, str) and value is not None),
        refusal=refusal,
    )


def real_number(value: Any) -> float | None:
    """Read a number; None for anything else."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


class Watchers(Generic[News]):
    """Functions that are called with each event while another reader takes them, and with None at the end.

    They are called on the reader's thread, and must not raise. ``join`` may be called from any thread.

    Example:
        >>> seen = []
        >>> watchers = Watchers()
        >>> watchers.join(seen.append)
        >>> watchers.tell("a")
        >>> watchers.end()
        >>> watchers.tell("b")
        >>> seen
        ['a', None]
    """

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: tuple[Callable[[News | None], object], ...] = ()  # replaced, never changed: thread-safe

    def __bool__(self) -> bool:
        """Whether there are any watchers."""
        return bool(self._all)

    def join(self, watcher: Callable[[News | None], object]) -> None:
        """Call a function with everything from now on."""
        self._all = (*self._all, watcher)

    def tell(self, news: News) -> None:
        """Call all watchers with an event."""
        for watcher in self._all:
            watcher(news)

    def end(self) -> None:
        """Call all watchers with None, once, and forget them."""
        watchers, self._all = self._all, ()
        for watcher in watchers:
            watcher(None)
