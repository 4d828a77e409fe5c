"""A fast path for the simplest whole answer: one text message that ended normally. A batch gets millions of them.

The text may come in parts. Non-standard fields are ignored, and so is reasoning in a separate field, item, block or
part; it can still be read from the bytes. An answer with anything that changes its meaning is not plain, and
``accumulate`` reads it in full.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .events import Finished
from .profile import Profile, Wire
from .reasoning_marks import ReasoningMarks, may_hold_marks
from .request import ChatRequest
from .snapshot import GrowingChoice
from .usage import MOST_TOKENS, Usage, usage_of
from .wires.messages_answer import messages_usage

__all__ = ["PlainAnswer", "plain_answer", "plain_on"]

Nothing = None | tuple[()] | Literal[""]
"""Values that some servers send for an empty field."""
Zero = Literal[0, None]
INFINITE = float("inf")


class PlainAnswer(msgspec.Struct, frozen=True):
    """A plain answer.

    Attributes:
        text: the text that the model wrote.
        usage: what was billed, or None if the provider does not say.
        model: the model that answered, as the provider calls it.
    """

    text: str
    usage: Usage | None
    model: str | None


class _Text(msgspec.Struct, tag_field="type", tag="text", gc=False):
    text: str


class _Thinking(msgspec.Struct, tag_field="type", tag="thinking", gc=False):
    pass


class _Reasoning(msgspec.Struct, tag_field="type", tag="reasoning", gc=False):
    pass


class _Message(msgspec.Struct, gc=False):
    content: str | tuple[_Text | _Thinking | _Reasoning, ...]
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
    audio_tokens: Zero = None
    cache_write_tokens: Zero = None
    cache_creation_tokens: Zero = None
    cache_creation_input_tokens: Zero = None
    tool_use_prompt_tokens: Zero = None
    tool_use_prompt_token_count: Zero = None
    toolUsePromptTokenCount: Zero = None  # noqa: N815  # Gemini's own name


class _Completion(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: Zero = None
    image_tokens: Zero = None


class _Usage(msgspec.Struct, gc=False):
    """Usage in OpenAI's form; a count in any other field that ``usage_of`` reads makes the answer not plain."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int | None = None
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    cost: float | None = None
    is_byok: Literal[False] | None = None
    cost_details: dict[str, Any] | None = None
    estimated_cost: None = None
    cost_in_usd_ticks: None = None
    input_tokens_details: None = None
    output_tokens_details: None = None
    cached_tokens: None = None
    prompt_cache_hit_tokens: None = None
    cache_read_input_tokens: None = None
    cache_write_tokens: Zero = None
    cache_creation_tokens: Zero = None
    cache_creation_input_tokens: None = None
    cache_creation: None = None
    reasoning_tokens: None = None
    service_tier: None = None
    speed: None = None
    tool_use_prompt_tokens: Zero = None
    tool_use_prompt_token_count: Zero = None
    toolUsePromptTokenCount: Zero = None  # noqa: N815  # Gemini's own name
    num_search_queries: Zero = None
    search_context_size: None = None
    citation_tokens: Zero = None
    num_sources_used: Zero = None
    web_search_requests: Zero = None
    num_server_side_tools_used: Zero = None
    server_tool_use: None = None
    server_side_tool_usage_details: None = None

    def agrees(self, cached: int, reasoning: int) -> bool:
        """Whether the counts need no correction: every part is included in its sum, and the cost is complete."""
        prompt, completion, total = self.prompt_tokens, self.completion_tokens, self.total_tokens
        return (
            0 <= cached <= prompt < MOST_TOKENS
            and 0 <= reasoning <= completion < MOST_TOKENS
            and (total is None or total == prompt + completion)
            and (self.cost is None or 0 <= self.cost < INFINITE)
            and (self.cost_details is None or self.is_byok is False)
        )


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
    truncated: Literal[False] | None = None
    service_tier: str | None = None


class _OtherWire(msgspec.Struct, gc=False):
    """An answer of another wire, without the fields of an error or of a chat completion."""

    choices: None = None
    error: Nothing = None
    errors: Nothing = None
    error_msg: Nothing = None
    error_code: Nothing = None
    fault: Nothing = None
    detail: Nothing = None
    message: None = None
    Message: None = None
    msg: None = None
    success: None = None
    base_resp: None = None
    response: None = None
    prompt_feedback: None = None
    promptFeedback: None = None  # noqa: N815  # Gemini's own name


class _OutputText(msgspec.Struct, tag_field="type", tag="output_text", gc=False):
    text: str


class _OutputMessage(msgspec.Struct, tag_field="type", tag="message", gc=False):
    content: tuple[_OutputText]
    phase: Literal["final_answer"] | None = None


class _Response(_OtherWire, gc=False, kw_only=True):
    object: Literal["response"]
    status: Literal["completed"]
    output: list[_OutputMessage | _Reasoning]
    type: None = None
    incomplete_details: None = None
    model: str | None = None
    service_tier: str | None = None
    usage: dict[str, Any] | None = None

    @property
    def plain(self) -> PlainAnswer | None:
        texts = [item.content[0].text for item in self.output if type(item) is _OutputMessage]
        usage = usage_of(self.usage, tier=self.service_tier) if self.usage else None
        return PlainAnswer(texts[0], usage, self.model or None) if len(texts) == 1 else None


class _Redacted(msgspec.Struct, tag_field="type", tag="redacted_thinking", gc=False):
    pass


class _AnthropicMessage(_OtherWire, gc=False, kw_only=True):
    """A message on Anthropic's wire."""

    type: Literal["message"]
    content: list[_Text | _Thinking | _Redacted]
    stop_reason: Literal["end_turn"]
    object: None = None
    model: str | None = None
    usage: dict[str, Any] | None = None

    @property
    def plain(self) -> PlainAnswer | None:
        texts = [block.text for block in self.content if type(block) is _Text]
        said = {name: value for name, value in (self.usage or {}).items() if value is not None}
        usage = messages_usage(said) if self.usage else None
        return PlainAnswer(texts[0], usage, self.model or None) if len(texts) == 1 else None


_decode = msgspec.json.Decoder(_Payload).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode
_decode_response = msgspec.json.Decoder(_Response).decode
_decode_message = msgspec.json.Decoder(_AnthropicMessage).decode


def plain_answer(body: bytes, request: ChatRequest, profile: Profile) -> PlainAnswer | None:
    """Return the plain answer to a request, or None if the answer has to be read in full.

    Args:
        body: the bytes of the answer.
        request: the request.
        profile: the provider.
    """
    if request.stream or request.prefill or request.has_tools or request.audio_format:
        return None
    marks = profile.marks_on(request.wire)
    return plain_on(request.wire, body, marks, thoughts_in_total=profile.thoughts_in_total)


def plain_on(
    wire: Wire, body: bytes, marks: ReasoningMarks = "marked", *, thoughts_in_total: bool = False
) -> PlainAnswer | None:
    """Return the plain answer in a body, or None if it is not one.

    Args:
        wire: the wire of the answer.
        body: its bytes.
        marks: where reasoning may be in the content.
        thoughts_in_total: whether tokens that only ``total_tokens`` counts are the model's thoughts.
    """
    if marks == "begun":
        return None
    try:
        if wire == "chat":
            return _read_chat(body, marks, thoughts_in_total)
        found = (_decode_response(body) if wire == "responses" else _decode_message(body)).plain
    except (ValueError, RecursionError):  # also of bytes that are not UTF-8
        return None
    if found is None:
        return None
    if marks == "marked" and may_hold_marks(found.text) and _without_reasoning(found.text) != found.text:
        return None
    return found if found.text.strip() else None


def _read_chat(body: bytes, marks: ReasoningMarks, thoughts_in_total: bool) -> PlainAnswer | None:
    payload = _decode(body)
    content = payload.choices[0].message.content
    text = content if type(content) is str else "".join([part.text for part in content if type(part) is _Text])
    if marks == "marked" and may_hold_marks(text):
        apart = _without_reasoning(text)
        if apart is None:
            return None
        text = apart
    if not text.strip():
        return None
    tier = payload.service_tier or None
    return PlainAnswer(text, _usage(payload.usage, tier, thoughts_in_total), payload.model or None)


def _without_reasoning(text: str) -> str | None:
    """Return what follows the reasoning; None where there is a warning to give."""
    choice = GrowingChoice(0, "", None)
    choice.add_content(text)
    choice.finished = Finished("stop", "stop")
    choice.close(streamed=False)
    return None if choice.warnings else str(choice.text)


def _usage(raw: msgspec.Raw, tier: str | None, thoughts_in_total: bool) -> Usage | None:
    try:
        said = _decode_usage(raw)
    except ValueError:
        return _other_usage(raw, tier, thoughts_in_total)
    prompt, completion = said.prompt_tokens_details, said.completion_tokens_details
    cached = None if prompt is None else prompt.cached_tokens
    reasoning = None if completion is None else completion.reasoning_tokens
    if not said.agrees(cached or 0, reasoning or 0):
        return _other_usage(raw, tier, thoughts_in_total)
    return Usage(
        prompt_tokens=said.prompt_tokens,
        completion_tokens=said.completion_tokens,
        total_tokens=said.total_tokens,
        cached=cached,
        reasoning=reasoning,
        cost=said.cost,
        tier=tier,
    )


def _other_usage(raw: msgspec.Raw, tier: str | None, thoughts_in_total: bool) -> Usage | None:
    fields = msgspec.json.decode(raw)
    if not isinstance(fields, dict) or not fields:
        return None
    return usage_of(fields, tier=tier, thoughts_in_total=thoughts_in_total)
