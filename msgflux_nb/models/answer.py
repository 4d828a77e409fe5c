"""An answer, whole or arriving, as a user reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..content.generated import Audio, Image
from ..protocol.events import FinishReason, TokenLogprob, Usage
from ..protocol.request import ChatRequest
from ..protocol.snapshot import Choice, Snapshot
from ..protocol.tool_call import ToolCall
from ..protocol.tool_calls import ToolCallAggregator
from .bill import Bill, recorded_cost
from .call import Call
from .recording_context import Replayed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Answer", "Metadata", "ModelResponse"]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """About an answer.

    Attributes:
        usage: tokens billed, or None if the provider did not say; of all requests together, if it took several.
        finish_reason: why it ended, in one vocabulary for all providers; None while it runs.
        raw_finish_reason: the provider's own word for it.
        id: the provider's id of the answer.
        model: the model that answered, as the provider calls it.
        provider: the provider that answered, such as ``openai``.
        attempts: how many requests were sent; 0 for an answer from the cache.
        seconds_to_first_token: None if the answer came whole.
        seconds: the whole call, retries included.
        seconds_of_thought: from the first reasoning to the first word; None without reasoning, or if the answer came
            whole.
        cost: US dollars, or None when the price is unknown; 0 for an answer from the cache.
        cached: whether the answer was taken from the cache.
        schema_method: how a structure was asked for, or None for text: ``json_schema``, ``tool``, ``json_object`` or
            ``prompt``.
        wire: the API of the request: ``chat`` (chat completions), ``responses`` or ``messages``.
        lax: whether a structure fitted its schema only after a conversion, such as ``"1"`` to an int.
        prefill_method: ``continued`` by the model, or ``emulated`` by an instruction; None without a prefill.
        prefill_found: whether the provider's text began with the prefill; None unless an instruction asked for that
            or the server repeats a prefill.
        fields: other fields of the answer, such as ``citations``.
        warnings: sentences about what was changed, repaired, cut or left out. Repairs of a structure appear once
            ``consume`` has decoded it.
        replayed: where the answer was recorded: its date and file; None for one that came over the network.
        recorded_cost: US dollars that a replayed answer cost when it was recorded, or None if it is not known.
    """

    usage: Usage | None
    finish_reason: FinishReason | None
    raw_finish_reason: str | None
    id: str | None
    model: str | None
    provider: str
    attempts: int
    seconds_to_first_token: float | None
    seconds: float | None
    cost: float | None
    cached: bool
    schema_method: str | None
    wire: str
    lax: bool
    prefill_method: str | None
    prefill_found: bool | None
    fields: dict[str, Any]
    warnings: tuple[str, ...] = ()
    replayed: Replayed | None = None
    recorded_cost: float | None = None
    seconds_of_thought: float | None = None


class Answer:
    """The properties that a whole answer and a stream share."""

    def __init__(self, of: Call | Answer) -> None:
        self._call: Call = of._call if isinstance(of, Answer) else of

    @property
    def snapshot(self) -> Snapshot:
        """The answer so far; of a whole answer, all of it."""
        return self._call.snapshot

    @property
    def text(self) -> str:
        """The whole text, the prefill included exactly once."""
        return self.snapshot.text

    @property
    def continuation(self) -> str:
        """The part that the model wrote."""
        return self.snapshot.continuation

    @property
    def reasoning(self) -> str | None:
        """The model's reasoning, or None."""
        return self.snapshot.reasoning

    @property
    def refusal(self) -> str | None:
        """The model's refusal in its own words, or None."""
        return self.snapshot.refusal

    @property
    def images(self) -> list[Image]:
        """Images that the model made."""
        return list(self.snapshot.images)

    @property
    def audio(self) -> Audio | None:
        """Sound that the model made, or None."""
        return self.snapshot.audio

    @property
    def annotations(self) -> list[dict[str, Any]]:
        """Notes on the text such as citations, as the provider wrote them."""
        return list(self.snapshot.annotations)

    @property
    def logprobs(self) -> list[TokenLogprob]:
        """The tokens with their probabilities; empty unless ``logprobs=True``."""
        return list(self.snapshot.logprobs)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All answers to the request: one, unless ``n`` asked for more."""
        return self.snapshot.choices

    @property
    def tool_calls(self) -> list[ToolCall]:
        """Every tool call that came, in order; arguments of a broken or unfinished call are None."""
        calls = self._call.tool_calls
        return [] if calls is None else [ToolCall(one.id, one.name, one.arguments) for one in calls.states]

    @property
    def aggregator(self) -> ToolCallAggregator | None:
        """The aggregator of the tool calls, as ``consume`` returns it; None without tool calls."""
        calls = self._call.tool_calls
        if calls is not None:
            calls.message, calls.scrub = self._call.turn(), self._call.exchange.scrub
        return calls

    @property
    def response_type(self) -> str:
        """What ``consume`` returns.

        ``"tool_call"``, ``"structured"``, ``"audio_generation"``, ``"image_generation"`` or ``"text_generation"``.
        """
        if self._call.tool_calls is not None:
            return "tool_call"
        if self.generation_schema is not None:
            return "structured"
        snapshot = self.snapshot
        made = "audio" if snapshot.audio is not None else "image" if snapshot.images else "text"
        return f"{made}_generation"

    @property
    def bill(self) -> Bill:
        """Usage, cost, attempts and warnings: the part of ``metadata`` that a batch needs for each row."""
        return self._call.bill

    @property
    def metadata(self) -> Metadata:
        """Usage, cost, time, and why the answer ended."""
        call, snapshot, request, bill = self._call, self.snapshot, self._call.request, self.bill
        return Metadata(
            usage=bill.usage,
            finish_reason=snapshot.finish_reason,
            raw_finish_reason=snapshot.raw_finish_reason,
            id=snapshot.id,
            model=snapshot.model,
            provider=call.profile.provider,
            attempts=bill.attempts,
            seconds_to_first_token=call.current.times.seconds_to_first_token,
            seconds=call.seconds,
            cost=bill.cost,
            cached=call.cached,
            schema_method=request.schema_method,
            wire=call.current.wire,
            lax=call.decoded is not None and call.decoded.lax,
            prefill_method=None if not request.prefill else "emulated" if request.emulated else "continued",
            prefill_found=call.current.prefill_found,
            fields=snapshot.fields,
            warnings=bill.warnings,
            replayed=call.current.replayed,
            recorded_cost=recorded_cost(call.exchanges),
            seconds_of_thought=call.current.times.seconds_of_thought,
        )

    @property
    def request(self) -> ChatRequest:
        """The request whose answer this is."""
        return self._call.request

    def without_keys(self, text: str) -> str:
        """Return a text without the keys of the request, which an answer may repeat."""
        return self._call.exchange.scrub(text)

    def turn(self) -> dict[str, Any]:
        """Return the assistant's turn without its tool calls; ``to_messages`` adds them with their results."""
        return self._call.turn()

    @property
    def generation_schema(self) -> Any:
        """The type that the answer is decoded to, or None for a text."""
        schema = self.request.schema
        return None if schema is None else schema.type

    def to_messages(self) -> list[dict[str, Any]]:
        """Return the messages to append to the history: the assistant's turn and the results of its tool calls.

        Raises:
            ToolCallError: a call has no result yet; pass results to ``aggregator.insert_results``.
        """
        calls = self.aggregator
        if calls is not None:
            return calls.get_messages()
        return [{"role": "assistant", **self.turn()}]

    def to_frame(self) -> pd.DataFrame:
        """Return the answer as a DataFrame.

        Returns:
            For a structure, one row of its fields; for a text, one row with ``text``; for tool calls, a row each; for
            audio, one row with its transcript as ``text``, ``format`` and ``data``; for images, a row each with the
            answer's ``text``, ``media_type``, ``data``, and ``url`` if only the address came.
        """
        from ..tables.frame import to_frame

        value = self._call.value()
        if isinstance(value, ToolCallAggregator):
            return to_frame([call._asdict() for call in self.tool_calls])
        if self.generation_schema is not None:
            return to_frame([value])
        if isinstance(value, Audio):
            return to_frame([{"text": value.transcript, "format": value.format, "data": value.data}])
        if self.images:
            return to_frame([{"text": self.text, **image.described()} for image in self.images])
        return to_frame([{"text": self.text}])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from ..display.answer import answer_bundle

        return answer_bundle(self)

    def decoded(self) -> Any:
        """Return the value of a finished answer, as ``consume`` does, without reading further.

        Raises:
            MsgfluxError: as ``consume``.
        """
        return self._call.value()

    def __repr__(self) -> str:
        schema, usage = self._call.request.schema, self._call.usage
        kind = "text" if schema is None else schema.name
        if self.response_type not in ("text_generation", "structured"):
            kind = self.response_type.partition("_generation")[0]
        state = self.snapshot.finish_reason or self._call.exchange.state
        tokens = f", {usage.total_tokens} tokens" if usage is not None and usage.total_tokens is not None else ""
        return f"{type(self).__name__}({kind}, {state}{tokens})"


class ModelResponse(Answer):
    """A whole answer."""

    def consume(self) -> Any:
        """Return the answer.

        A :class:`ToolCallAggregator` where tools were called, else an instance of the ``generation_schema``, an
        :class:`Audio`, a list of :class:`Image`, or a ``str``.

        Raises:
            TruncatedError: a structure was cut at the token limit.
            RefusedError: the model declined.
            FilteredError: a content filter removed the answer.
            EmptyOutputError: there is no text.
            ToolNotCalledError: a call was required, and none came.
            ValidationFailedError: the text does not fit the schema.
        """
        return self._call.value()
