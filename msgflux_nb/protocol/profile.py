"""The differences between providers, as data.

No code branches on a provider's name. Each difference is a field here; its values are in the rows of
``models/profiles.py``, and a user may override them (``profile={"modalities": ["text", "image"]}``). If the models of
one provider differ, its row has patterns of their names.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from ..generation.schema import Dialect
from .address import without_secrets
from .reasoning_marks import ReasoningMarks

__all__ = ["ForcedCall", "Profile", "SchemaMethod", "Wire", "for_model", "override", "with_probabilities"]

SchemaMethod = Literal["json_schema", "tool", "json_object", "prompt"]
"""How a structure is asked for: by a schema that the server enforces; by a forced call of one tool, whose arguments are
the structure; as any JSON object, with the schema in the prompt; or by the prompt alone."""

Wire = Literal["chat", "responses", "messages"]
"""The format of requests and answers: OpenAI's chat completions, OpenAI's Responses, Anthropic's Messages."""


_WITHOUT_MARKS = frozenset(("openai", "azure", "anthropic"))


class ForcedCall(msgspec.Struct, frozen=True, kw_only=True):
    """How to make a model call a tool if ``tool_choice`` has no effect.

    Attributes:
        prefill: the start of an answer that is a tool call.
        stop: the text that ends the call.
    """

    prefill: str
    stop: str


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider's row.

    Attributes:
        provider: the name before the slash in ``"provider/model"``.
        base_url: the address of the API, without a trailing slash; None if the user has to give it.
        base_url_variable: the environment variable with the address of the API.
        base_url_path: the path to append to that variable's value.
        key_variables: the environment variables that may hold the key; the first one that is set counts. Empty if no
            key is needed.
        key_header: the header for the key; in ``Authorization`` it is a bearer token.
        price_list: the provider's name in genai-prices, or None if it has no prices there.
        free: whether calls cost nothing, so that their cost is known to be 0.
        thoughts_in_total: whether tokens that only ``total_tokens`` counts are the model's thoughts.
        parallel: how many requests a batch sends at once at first.
        parallel_most: how many requests a batch sends at once at most.
        several_choices: whether one request may ask for several answers (``n``) while its prompt is billed once.
        option_names: options that have another name in this provider's requests.
        parts: types of content parts that only this provider has.
        modalities: what a message may hold: ``text``, ``image``, ``audio``, ``file``, ``video``.
        image_long_edge: maximum pixels of an image's longer side.
        image_max_bytes: maximum bytes of an image, before base64.
        image_max_count: maximum images in one request; None for no limit.
        dialect: the dialect of JSON Schema for structured output.
        schema_methods: how a structure can be asked for, the best first; if the server refuses one, the next is tried.
        schema_methods_streamed: the same for streamed answers; None if they do not differ.
        strict_schemas: whether a schema may be sent as strict; else the server only tries to follow it.
        schema_in_prompt: whether the schema has to be in the prompt, since the server only constrains the output and
            does not show the schema to the model.
        reasks: how often an answer that does not fit its schema is sent back with the error.
        tools_with_schema: whether one request may have both tools and a structure.
        tool_keywords_dropped: JSON Schema keywords that tools must not contain.
        named_tool_choice: whether a tool can be forced by its name; if not, it is offered alone, and a call is forced.
        required_word: this provider's word for ``tool_choice="required"``.
        forced_tool_choice: whether a call can be forced at all; if not, ``auto`` is sent, and a structure is never
            asked for as a tool.
        forced_call: how to make the model call a tool if ``tool_choice`` has no effect.
        forced_call_fallback: whether a forced call that did not come is asked for again, as a structure.
        tool_ids: which ids of tool calls are accepted on chat completions: nine letters and digits, or at most forty
            characters. Others are replaced in requests.
        call_fields: fields for the first call of an earlier turn if another provider wrote it, so that it lacks them.
        prefill: how a prefill is sent: as a last assistant message (``continue``), as one with ``prefix`` set in it, or
            not at all (``none``).
        prefill_body: additional fields of a prefilled request.
        prefill_base_url: the address for prefilled requests, if it differs.
        prefill_with_tools: whether tools can be combined with a prefill.
        prefill_with_reasoning: whether reasoning can be combined with a prefill.
        prefill_trimmed: whether white space at the end of a prefill is removed, since the provider refuses it.
        echo: whether a whole answer repeats the prefill at its beginning; None if that is not known.
        echo_stream: the same for a streamed answer.
        reasoning_in_content: where reasoning may be in an answer's content: ``marked``: at its beginning, between marks
            such as ``<think>``; ``begun``: from its beginning, since the chat template holds the opening mark;
            ``never``: marks are part of the answer's text.
        reasoning_name: the field in which reasoning is sent back.
        echo_reasoning: the turns whose reasoning is sent back: none, those with tool calls, or all.
        blank_reasoning: whether a turn with calls but no reasoning gets an empty reasoning field, since the provider
            refuses the turn without it.
        split_special_tokens: whether control tokens of chat templates in the texts of messages, such as ``<|im_end|>``,
            are split before they are sent, since a server of open weights would obey them.
        special_tokens: more tokens of this model that are split.
        context_advice: what to do if the server's context is too small for a prompt.
        top_logprobs: how many alternatives to each token come with their probabilities at most; 0 if the provider
            gives no probabilities.
        logprobs_as_number: whether ``logprobs`` is the number of alternatives, and not true or false.
        stream_usage: whether ``stream_options.include_usage`` may be sent.
        stream_ends: whether every complete stream announces its end; if not, the end of the bytes is enough.
        wire: the format of requests and answers: chat completions, OpenAI's Responses, or Anthropic's Messages.
        reasoning_wire: the wire for tools together with a reasoning effort, and for models that exist on no other; None
            if ``wire`` serves them too.
        encrypted_reasoning: whether reasoning comes encrypted, to be sent back with the next turn (Responses).
        thinking: how a Messages model is asked to think: not at all, by a number of tokens, or by a word.
        max_tokens: the limit of an answer's tokens if the caller sets none, on a wire that requires one (Messages).
        models: changes by patterns of the model's name, such as ``{"*-mini": {"modalities": ["text"]}}``; every
            matching pattern applies, in order.
    """

    provider: str
    base_url: str | None = None
    base_url_variable: str | None = None
    base_url_path: str = ""
    key_variables: tuple[str, ...] = ()
    key_header: str = "Authorization"
    price_list: str | None = None
    free: bool = False
    thoughts_in_total: bool = False
    parallel: int = 8
    parallel_most: int = 128
    option_names: dict[str, str] = {}
    several_choices: bool = False
    modalities: frozenset[str] = frozenset({"text", "image", "audio", "file", "video"})
    parts: frozenset[str] = frozenset()
    image_long_edge: int = 1_568
    image_max_bytes: int = 3_750_000
    image_max_count: int | None = None
    dialect: Dialect = Dialect.OPENAI
    schema_methods: tuple[SchemaMethod, ...] = ("json_schema", "tool", "json_object", "prompt")
    schema_methods_streamed: tuple[SchemaMethod, ...] | None = None
    strict_schemas: bool = True
    schema_in_prompt: bool = False
    reasks: int = 1
    tools_with_schema: bool = True
    tool_keywords_dropped: frozenset[str] = frozenset()
    named_tool_choice: bool = True
    required_word: Literal["required", "any"] = "required"
    forced_tool_choice: bool = True
    forced_call: ForcedCall | None = None
    forced_call_fallback: bool = False
    tool_ids: Literal["any", "nine_letters", "forty_letters"] = "any"
    call_fields: dict[str, Any] = {}
    prefill: Literal["none", "continue", "prefix"] = "none"
    prefill_body: dict[str, Any] = {}
    prefill_base_url: str | None = None
    prefill_with_tools: bool = True
    prefill_with_reasoning: bool = True
    prefill_trimmed: bool = False
    echo: bool | None = False
    echo_stream: bool | None = False
    reasoning_in_content: ReasoningMarks = "marked"
    reasoning_name: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    echo_reasoning: Literal["never", "tool_turns", "always"] = "never"
    blank_reasoning: bool = False
    split_special_tokens: bool = False
    special_tokens: frozenset[str] = frozenset()
    context_advice: str = "Send less, or raise the server's context length."
    top_logprobs: int = 20
    logprobs_as_number: bool = False
    stream_usage: bool = True
    stream_ends: bool = True
    wire: Wire = "chat"
    reasoning_wire: Wire | None = None
    encrypted_reasoning: bool = False
    thinking: Literal["none", "budget", "adaptive"] = "none"
    max_tokens: int = 8_192
    models: dict[str, dict[str, Any]] = {}

    def __repr__(self) -> str:
        return without_secrets(super().__repr__())

    def marks_on(self, wire: Wire) -> ReasoningMarks:
        """Return where reasoning may be in the content of an answer on a wire.

        On their own wires OpenAI and Anthropic send reasoning separately, so marks in a text are part of the text.
        """
        marks = self.reasoning_in_content
        return "never" if marks == "marked" and wire != "chat" and self.provider in _WITHOUT_MARKS else marks


def override(profile: Profile, changes: dict[str, Any]) -> Profile:
    """Return ``profile`` with some fields changed; values are checked and converted like JSON.

    Raises:
        TypeError: a field does not exist or a value has the wrong type; the message lists the fields.
    """
    fields = Profile.__struct_fields__
    unknown = sorted(set(changes) - set(fields))
    if unknown:
        raise TypeError(f"unknown profile field {unknown[0]!r}; the fields are: {', '.join(fields)}")
    try:
        return msgspec.convert({**msgspec.to_builtins(profile), **msgspec.to_builtins(changes)}, Profile)
    except msgspec.ValidationError as error:
        raise TypeError(f"profile: {error}") from None


def for_model(profile: Profile, model: str) -> Profile:
    """Return the row for one model: with the changes of every pattern that matches its lower-case name."""
    for pattern, changes in profile.models.items():
        if fnmatchcase(model.lower(), pattern):
            profile = override(profile, changes)
    return profile


def with_probabilities(
    options: dict[str, Any], profile: Profile, wire: Wire, *, alternatives: int | None = None
) -> dict[str, Any] | None:
    """Return a model's options with the probabilities of tokens asked for; None if its provider gives none.

    Args:
        options: the options as they are.
        profile: the provider.
        wire: how requests look; Anthropic's Messages has no probabilities.
        alternatives: how many alternatives to each token are wanted; as many as the provider gives if None.
    """
    most = 0 if wire == "messages" else profile.top_logprobs
    if not most:
        return None
    count = most if alternatives is None else min(alternatives, most)
    asked = {"logprobs": count} if profile.logprobs_as_number else {"logprobs": True, "top_logprobs": count}
    return {**options, **asked}
