"""An answer as far as it has come, as values; and one choice of it while it grows."""

from __future__ import annotations

import base64
import re
from typing import Any

import msgspec

from ..content.generated import Audio, Image
from .chunks import AudioFragment, ChoicePiece, ToolFragment
from .events import (
    AnnotationDelta,
    AudioDelta,
    Event,
    Finished,
    FinishReason,
    ImageDelta,
    LogprobsDelta,
    ProviderFields,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from .tool_call import ToolCall
from .tool_calls import ToolCallAggregator

__all__ = ["Choice", "Fields", "GrowingChoice", "Snapshot"]

_BASE64_END = re.compile(r"=+")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers to a request; there is one unless more were asked for.

    Attributes:
        index: its number.
        text: the prefill and everything after it.
        continuation: the part that the model wrote.
        reasoning: its reasoning, or None.
        refusal: the words with which it declined, or None.
        tool_calls: every call that came, in order; the arguments of one that is broken or still arrives are None.
        audio: sound, or None.
        images: images, in order.
        annotations: notes on the text such as citations, as the provider wrote them.
        logprobs: the tokens with their probabilities; empty unless asked for.
        finish_reason: why it ended, in our words; None while it runs.
        raw_finish_reason: the same in the provider's word.
        fields: fields of the message that are nobody's standard, as they came.
    """

    index: int = 0
    text: str = ""
    continuation: str = ""
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    audio: Audio | None = None
    images: tuple[Image, ...] = ()
    annotations: tuple[dict[str, Any], ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    fields: dict[str, Any] = {}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as far as it has come. What it says itself is said of choice 0.

    Attributes:
        choices: all choices, by their numbers; at least choice 0.
        usage: what was billed, or None if the provider has not said.
        id: the provider's name for the answer.
        model: the model that answered, as the provider calls it.
        fields: fields of the whole answer that are nobody's standard, such as ``citations``.
    """

    choices: tuple[Choice, ...] = (Choice(),)
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    fields: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """The prefill and everything after it."""
        return self.choices[0].text

    @property
    def continuation(self) -> str:
        """The part that the model wrote."""
        return self.choices[0].continuation

    @property
    def reasoning(self) -> str | None:
        """The model's reasoning, or None."""
        return self.choices[0].reasoning

    @property
    def refusal(self) -> str | None:
        """The words with which it declined, or None."""
        return self.choices[0].refusal

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls of choice 0; where it has none, those of the first choice that has."""
        return next((choice.tool_calls for choice in self.choices if choice.tool_calls), ())

    @property
    def audio(self) -> Audio | None:
        """Sound, or None."""
        return self.choices[0].audio

    @property
    def images(self) -> tuple[Image, ...]:
        """Images, in order."""
        return self.choices[0].images

    @property
    def annotations(self) -> tuple[dict[str, Any], ...]:
        """Notes on the text such as citations, as the provider wrote them."""
        return self.choices[0].annotations

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """The tokens with their probabilities; empty unless asked for."""
        return self.choices[0].logprobs

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why it ended, in our words; None while it runs."""
        return self.choices[0].finish_reason

    @property
    def raw_finish_reason(self) -> str | None:
        """The same in the provider's word."""
        return self.choices[0].raw_finish_reason


class Pieces:
    """Text that grows by appending; joined only when somebody reads it."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self.add = self.list.append

    def __str__(self) -> str:
        if len(self.list) > 1:
            self.list[:] = ["".join(self.list)]
        return self.list[0] if self.list else ""


class GrowingChoice:
    """One choice while its pieces arrive."""

    def __init__(self, index: int, prefill: str, audio_format: str | None) -> None:
        self.index = index
        self.text, self.reasoning, self.refusal = Pieces(), Pieces(), Pieces()
        self.calls = ToolCallAggregator(streaming=True)
        self.images: list[Image] = []
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[TokenLogprob] = []
        self.finished: Finished | None = None
        self.fields = Fields()
        self._prefill = prefill
        self._audio_format = audio_format
        self._sound: list[bytes] = []
        self._words = Pieces()
        self._letters = ""  # base64 that is no whole byte yet
        self._audio_id: str | None = None
        self._audio_expires_at: int | None = None

    def add(self, piece: ChoicePiece) -> Event:
        """Take a piece, return what a reader sees of it."""
        match piece:
            case TextDelta(text=text):
                self.text.add(text)
            case ReasoningDelta(text=text):
                self.reasoning.add(text)
            case RefusalDelta(text=text):
                self.refusal.add(text)
            case ToolFragment():
                return self._add_call(piece)
            case AudioFragment():
                return self._add_audio(piece)
            case Finished():
                self.finished = piece
            case _:
                self._add_other(piece)
        return piece

    def _add_other(self, piece: ImageDelta | AnnotationDelta | LogprobsDelta | ProviderFields) -> None:
        match piece:
            case ImageDelta(url=url):
                self.images.append(Image(url))
            case AnnotationDelta(annotation=annotation):
                self.annotations.append(annotation)
            case LogprobsDelta(tokens=tokens):
                self.logprobs.extend(tokens)
            case ProviderFields(fields=fields):
                self.fields.add(fields)

    def _add_call(self, fragment: ToolFragment) -> ToolCallDelta:
        name, arguments, extra = fragment.name, fragment.arguments, fragment.extra
        call = self.calls.process(
            fragment.index, fragment.id, name, arguments, choice=self.index, kind=fragment.kind, extra=extra
        )
        return ToolCallDelta(call, fragment.id, name, arguments, self.index, fragment.kind, extra)

    def _add_audio(self, fragment: AudioFragment) -> AudioDelta:
        data = self._decoded(fragment.data)
        self._sound.append(data)
        self._words.add(fragment.transcript)
        self._audio_id = fragment.id or self._audio_id
        self._audio_expires_at = fragment.expires_at or self._audio_expires_at
        return AudioDelta(data, fragment.transcript, fragment.id, fragment.expires_at, self.index)

    @property
    def choice(self) -> Choice:
        """The choice so far."""
        continuation, finished = str(self.text), self.finished
        return Choice(
            index=self.index,
            text=self._prefill + continuation,
            continuation=continuation,
            reasoning=str(self.reasoning) or None,
            refusal=str(self.refusal) or None,
            tool_calls=tuple(ToolCall(state.id, state.name, state.arguments) for state in self.calls.states),
            audio=self._audio(),
            images=tuple(self.images),
            annotations=tuple(self.annotations),
            logprobs=tuple(self.logprobs),
            finish_reason=finished.reason if finished else None,
            raw_finish_reason=(finished.raw or None) if finished else None,
            fields=self.fields.read(),
        )

    def _audio(self) -> Audio | None:
        words = str(self._words)
        if len(self._sound) > 1:
            self._sound[:] = [b"".join(self._sound)]
        if not self._audio_id and not words and not any(self._sound):
            return None
        sound = self._sound[0] if self._sound else b""
        return Audio(sound, words, self._audio_format, self._audio_id, self._audio_expires_at)

    def _decoded(self, letters: str) -> bytes:
        """Decode base64 that comes in pieces, each with padding of its own or cut anywhere."""
        held = self._letters + letters
        pieces = _BASE64_END.split(held)
        last = pieces.pop()
        whole = len(last) // 4 * 4
        self._letters = last[whole:]
        return b"".join(_bytes_of(piece) for piece in [*pieces, last[:whole]])


def _bytes_of(letters: str) -> bytes:
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4))
    except ValueError:  # one letter too many, or none of base64: no sound is in it
        return b""


class Fields:
    """A provider's own fields while they arrive; folded only when somebody reads them.

    Lists grow, and neighbours of one type and index become one item whose texts are joined (OpenRouter's
    ``reasoning_details``); dicts are merged; of anything else the last one stays, since most is sent again with each
    chunk.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[Any]] = {}

    def add(self, fields: dict[str, Any]) -> None:
        """Take some more of them."""
        for name, value in fields.items():
            self._values.setdefault(name, []).append(value)

    def read(self) -> dict[str, Any]:
        """Return them by name."""
        for values in self._values.values():
            if len(values) > 1:
                values[:] = [_folded(values)]
        return {name: values[0] for name, values in self._values.items()}


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
            merged[name] = "".join(pieces)
    return {**group[0], **merged}
