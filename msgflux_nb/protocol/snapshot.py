"""The answer so far as a value, and one choice of it while it arrives."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import msgspec

from ..content.generated import Audio, Image
from .bulk import check_count
from .chunks import AudioFragment, ChoicePiece, ToolFragment, pieces_of_message
from .content_reader import ContentReader
from .events import (
    AnnotationDelta,
    AnswerFields,
    AudioDelta,
    Event,
    Fields,
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
from .pieces import TextPieces
from .reasoning_marks import MarkedPart, ReasoningMarks
from .tool_call import ToolCall
from .tool_calls import ToolCallAggregator

__all__ = ["Choice", "GrowingChoice", "Snapshot"]

_BASE64_END = re.compile(r"=+")
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=]")
_URL_SAFE = str.maketrans("-_", "+/")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers to a request; there is one unless more were asked for.

    Attributes:
        index: the choice's number.
        text: the prefill and everything after it.
        continuation: the part that the model wrote.
        reasoning: the model's reasoning, or None.
        refusal: the model's refusal, or None.
        tool_calls: every call, in order; the arguments of a call that is broken or still arriving are None.
        audio: sound, or None.
        images: images, in order.
        annotations: notes on the text such as citations, as the provider wrote them.
        logprobs: the tokens with their probabilities; empty unless asked for.
        finish_reason: why the choice ended, in one vocabulary for all providers; None while it arrives.
        raw_finish_reason: the same in the provider's words.
        fields: non-standard fields of the message, as received; of a further choice also those outside its message.
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
    """The answer so far. ``text``, ``reasoning`` and so on are those of choice 0.

    Attributes:
        choices: all choices, by their numbers; at least choice 0.
        usage: the billed tokens, or None if the provider has not said.
        id: the provider's id for the answer.
        model: the model that answered, as the provider calls it.
        fields: non-standard fields of the whole answer, such as ``citations``, and of choice 0 outside its message.
        warnings: sentences about what was found or changed while the answer was read.
    """

    choices: tuple[Choice, ...] = (Choice(),)
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    fields: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()

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
        """The model's refusal, or None."""
        return self.choices[0].refusal

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls of choice 0, or of the first choice that has some."""
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
        """Why the answer ended, in one vocabulary for all providers; None while it arrives."""
        return self.choices[0].finish_reason

    @property
    def raw_finish_reason(self) -> str | None:
        """Why the answer ended, in the provider's words."""
        return self.choices[0].raw_finish_reason


class GrowingChoice:
    """One choice while it arrives."""

    def __init__(
        self,
        index: int,
        prefill: str,
        audio_format: str | None,
        *,
        echoed: bool = False,
        marks: ReasoningMarks = "marked",
    ) -> None:
        self.index = index
        self.text, self.reasoning, self.refusal = TextPieces(), TextPieces(), TextPieces()
        self.content = ContentReader(prefill, echoed=echoed, marks=marks, said=self.text)
        self.warnings: list[str] = []
        self._thought = TextPieces()  # reasoning that was in the content
        self._messages = TextPieces()  # content that came in whole messages
        self.calls = ToolCallAggregator(streaming=True)
        self.images: list[Image] = []
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[TokenLogprob] = []
        self.finished: Finished | None = None
        self.fields = Fields()
        self._around = Fields(repeated=True)  # those outside the message
        self._message: dict[str, Any] | None = None  # the whole message, if a stream sends it
        self._only_messages = False  # whether the text comes in messages, without deltas
        self._prefill = self.content.prefill_text
        self._audio_format = audio_format
        self._sound: list[bytes] = []
        self._words = TextPieces()
        self._letters = ""  # base64 that is not a complete byte yet
        self._audio_id: str | None = None
        self._audio_expires_at: int | None = None

    def add_content(self, content: str) -> list[Event]:
        """Add some content, and return the events that it makes."""
        return self._events_of(self.content.feed(self.text.completed(content)))

    def add(self, piece: ChoicePiece | AnswerFields) -> Event | None:
        """Add a piece that is not content, and return the event that it makes, if any."""
        match piece:
            case TextDelta():
                raise TypeError("expected a piece other than content; add_content takes that")
            case ReasoningDelta(text=text):
                self.content.separate()
                return self._append(ReasoningDelta, self.reasoning, self.reasoning.completed(text))
            case RefusalDelta(text=text):
                return self._append(RefusalDelta, self.refusal, self.refusal.completed(text))
            case ToolFragment():
                return self._add_call(piece)
            case AudioFragment():
                return self._add_audio(piece)
            case Finished():
                self.finished = piece
                return piece
            case AnswerFields(fields=fields):
                new = self._around.add(fields)
                return AnswerFields(new, self.index) if new else None
        return piece if self._add_other(piece) else None

    def add_message(self, message: dict[str, Any], *, with_delta: bool) -> list[ChoicePiece | AnswerFields]:
        """Add a message of a stream, and return its new pieces; a server may send only messages, or one at the end.

        Args:
            message: the message.
            with_delta: whether a delta came with it; then ``rest_of_message`` returns what the deltas left out.
        """
        self._message = message
        if with_delta:
            return []
        missing = self._missing()
        self._only_messages = self._only_messages or not (self.content.begun or self.reasoning.list or len(self.calls))
        pieces: list[ChoicePiece | AnswerFields] = []
        for piece in pieces_of_message(message, self.index):
            if isinstance(piece, AnswerFields) or (type(piece) in missing and not isinstance(piece, TextDelta)):
                pieces.append(piece)
            elif TextDelta in missing and isinstance(piece, TextDelta):
                self._messages.add(piece.text)
                pieces.append(piece)
            elif self._only_messages and isinstance(piece, TextDelta):
                new = self._messages.new_part(piece.text)
                self._messages.add(new)
                pieces.append(TextDelta(new, self.index))
            elif self._only_messages and isinstance(piece, ReasoningDelta):
                pieces.append(ReasoningDelta(self.reasoning.new_part(piece.text), self.index))
        return pieces

    def rest_of_message(self) -> list[ChoicePiece | AnswerFields]:
        """Return the pieces of the message that no delta has sent."""
        missing = self._missing() if self._message is not None else frozenset()
        return [piece for piece in pieces_of_message(self._message or {}, self.index) if type(piece) in missing]

    def close(self, *, streamed: bool) -> list[Event]:
        """Handle the end, and return the text held back: half a character, or a possible prefill or mark.

        Args:
            streamed: whether the text may have been read while it arrived.
        """
        self.calls.finish()
        half, self.text.half = self.text.half, ""
        tails: list[Event | None] = [*self._events_of(self.content.feed("\ufffd" if half else ""))]
        tails += self._events_of(self.content.close())
        for kind, pieces in ((ReasoningDelta, self.reasoning), (RefusalDelta, self.refusal)):
            half, pieces.half = pieces.half, ""
            tails.append(self._append(kind, pieces, "\ufffd" if half else ""))
        tails += self._settle(streamed)
        return [tail for tail in tails if tail is not None]

    def _settle(self, streamed: bool) -> list[Event | None]:
        """Correct what only the end shows: supposed reasoning that is text, or reasoning without an opening mark."""
        reason = None if self.finished is None else self.finished.reason
        told: list[Event | None] = []
        text = self.content.mistaken_reasoning(ended=reason not in (None, "length"))
        late = None
        if text is not None:
            self._thought = TextPieces()
            told = [self._append(TextDelta, self.text, text)]
        elif (late := self.content.split_late(str(self.text))) is not None:
            reasoning, text = late
            self._thought.list[:] = [f"{str(self._thought).rstrip()}\n\n{reasoning}".lstrip()]
            self.text.list[:] = [text] if text else []
        self.warnings += self.content.warnings(late=late is not None, streamed=streamed)
        return told

    @property
    def is_waiting(self) -> bool:
        """Whether half a character is held back."""
        return bool(self.text.half or self.reasoning.half)

    def _missing(self) -> frozenset[type]:
        """Return the kinds of pieces that have not arrived."""
        found: dict[type, Any] = {
            TextDelta: self.content.begun,
            ReasoningDelta: self.reasoning.list,
            RefusalDelta: self.refusal.list,
            ToolFragment: len(self.calls),
            AudioFragment: self._sound,
            ImageDelta: self.images,
            AnnotationDelta: self.annotations,
            ProviderFields: self.fields.read(),
        }
        return frozenset(kind for kind, pieces in found.items() if not pieces)

    def _events_of(self, parts: list[MarkedPart]) -> list[Event]:
        events: list[Event] = []
        for reasoning, text in parts:
            (self._thought if reasoning else self.text).add(text)
            events.append(ReasoningDelta(text, self.index) if reasoning else TextDelta(text, self.index))
        return events

    def _append(self, kind: Callable[[str, int], Event], pieces: TextPieces, text: str) -> Event | None:
        if not text:
            return None
        pieces.add(text)
        return kind(text, self.index)

    def _add_other(self, piece: ImageDelta | AnnotationDelta | LogprobsDelta | ProviderFields) -> bool:
        match piece:
            case ImageDelta(url=url):
                image = Image(url)
                if image in self.images:  # some servers send it again at the end
                    return False
                self.images.append(image)
            case AnnotationDelta(annotation=annotation):
                self.annotations.append(annotation)
            case LogprobsDelta(tokens=tokens):
                self.logprobs.extend(tokens)
            case ProviderFields(fields=fields):
                self.fields.add(fields)
        return True

    def add_call(self, *fragment: Any, **more: Any) -> int:
        """Add a fragment of a call, as ``process`` of the aggregator takes it; return the position of the call.

        Raises:
            NotAnApiError: there are more than 10,000 calls.
        """
        call = self.calls.process(*fragment, **more)
        check_count("tool_calls", call)
        return call

    def _add_call(self, fragment: ToolFragment) -> ToolCallDelta:
        name, arguments, extra = fragment.name, fragment.arguments, fragment.extra
        call = self.add_call(
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
            reasoning=self._reasoning or None,
            refusal=str(self.refusal) or None,
            tool_calls=tuple(ToolCall(state.id, state.name, state.arguments) for state in self.calls.states),
            audio=self._audio(),
            images=tuple(self.images),
            annotations=tuple(self.annotations),
            logprobs=tuple(self.logprobs),
            finish_reason=finished.reason if finished else None,
            raw_finish_reason=(finished.raw or None) if finished else None,
            fields={**self._around.read(), **self.fields.read()},
        )

    @property
    def _reasoning(self) -> str:
        """All reasoning: that of the provider's reasoning field, and that of the content."""
        found = str(self.reasoning)
        thought = (self.content.prefill_reasoning + str(self._thought)).strip() if self._thought.list else ""
        return f"{found}\n\n{thought}" if found and thought else found or thought

    def _audio(self) -> Audio | None:
        words = str(self._words)
        if len(self._sound) > 1:
            self._sound[:] = [b"".join(self._sound)]
        if not self._audio_id and not words and not any(self._sound):
            return None
        rest = _bytes_of(self._letters) if len(self._letters) > 1 else b""  # the end may lack its padding
        sound = (self._sound[0] if self._sound else b"") + rest
        return Audio(sound, words, self._audio_format, self._audio_id, self._audio_expires_at)

    def _decoded(self, letters: str) -> bytes:
        """Decode base64 that comes in pieces, cut anywhere or each with its own padding."""
        if not self._letters and letters.startswith("data:"):
            letters = letters.partition(",")[2]
        held = self._letters + _NO_BASE64.sub("", letters.translate(_URL_SAFE))
        pieces = _BASE64_END.split(held)
        last = pieces.pop()
        whole = len(last) // 4 * 4
        self._letters = last[whole:]
        return b"".join(_bytes_of(piece) for piece in [*pieces, last[:whole]])


def _bytes_of(letters: str) -> bytes:
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4))
    except ValueError:  # a single leftover character holds no sound
        return b""
