"""What is particular about a provider, as data.

No code branches on a provider's name: whatever differs between two providers is a field here, and its value a row in
``models/profiles.py`` that a user may override (``profile={"modalities": ["text", "image"]}``). Where the models of one
provider differ, the row says so by patterns of their names.
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
"""How a structure is asked for: a schema that the server enforces; a call of one forced tool, whose arguments it is;
any JSON object, with the schema in the prompt; or nothing but the prompt."""

Wire = Literal["chat", "responses", "messages"]
"""How requests and answers look: OpenAI's chat completions, OpenAI's Responses, Anthropic's Messages."""


class ForcedCall(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a model call a tool that does not do it when told to.

    Attributes:
        prefill: the start of an answer that is a call.
        stop: what ends the call.
    """

    prefill: str
    stop: str


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider's row.

    Attributes:
        provider: the name before the slash in ``"provider/model"``.
        base_url: where the API lives, without a trailing slash; None if the user has to give it.
        base_url_variable: the environment variable that says where the API lives.
        base_url_path: the path to append to its value.
        key_variables: the environment variables that may hold the key, the first that is set counts; none where no key
            is needed.
        key_header: the header for the key; in ``Authorization`` it is a bearer token.
        price_list: the provider's name in genai-prices, or None when it has no prices there.
        free: whether calls cost nothing, so that a cost of 0 is a fact and not a guess.
        thoughts_in_total: whether tokens that only ``total_tokens`` counts are the model's thoughts.
        parallel: how many requests the server answers at once, if known; a batch begins with that many.
        parallel_most: how many a batch tries at most, while the server copes.
        several_choices: whether one request may ask for several answers (``n``), and its prompt is billed once.
        option_names: options that have another name in this provider's requests.
        parts: further types of content parts, beyond those of all wires.
        modalities: what a message may hold: ``text``, ``image``, ``audio``, ``file``, ``video``.
        image_long_edge: maximum pixels of an image's longer side.
        image_max_bytes: maximum bytes of an image, before base64.
        image_max_count: maximum images in one request; None for no limit.
        dialect: which JSON Schema the provider's structured output takes.
        schema_methods: how a structure can be asked for, the best first; a method that the server refuses is followed
            by the next.
        schema_methods_streamed: the same for streamed answers; None if they do not differ.
        strict_schemas: whether a schema may be sent as strict; else the server only tries to follow it.
        schema_in_prompt: the server only constrains the output and does not show the schema to the model, so the
            request has to.
        reasks: how often an answer that does not fit its schema is sent back with the error.
        tools_with_schema: whether tools and a structure can be asked for at once.
        tool_keywords_dropped: JSON Schema keywords that tools must not have here.
        named_tool_choice: whether a tool can be forced by its name; else it is the only one offered, and forced.
        required_word: this provider's word for ``tool_choice="required"``.
        forced_tool_choice: whether a call can be forced at all; else ``auto`` is sent in its place, and a structure is
            not asked for as a tool.
        forced_call: how to make the model call if ``tool_choice`` does not.
        forced_call_fallback: whether a forced call that did not come is asked for again, as a structure.
        tool_ids: which ids of tool calls are accepted on chat completions; others are replaced in requests: nine
            letters and digits, or at most forty signs.
        call_fields: fields that the first call of an earlier turn gets where it has none of its own, since another
            provider wrote it.
        prefill: how a prefill is continued: ``continue`` a last assistant message; the same with ``prefix`` set in it;
            or ``none``.
        prefill_body: additional fields of a prefilled request.
        prefill_base_url: where prefilled requests go, if elsewhere.
        prefill_with_tools: whether tools can be combined with a prefill.
        prefill_with_reasoning: whether reasoning can be combined with a prefill.
        prefill_trimmed: whether white space at the end of a prefill is refused, and so stripped before sending.
        echo: whether a whole answer begins with the prefill again; None if that has to be tried.
        echo_stream: the same for a streamed answer.
        reasoning_in_content: where reasoning may stand in an answer's content: ``marked``, at its beginning between
            marks such as ``<think>``; ``begun``, from its beginning, since the chat template holds the opening mark;
            ``never``, so that marks are the answer's own words.
        reasoning_name: the field in which reasoning goes back.
        echo_reasoning: with which turns reasoning goes back: none, those with tool calls, or all.
        blank_reasoning: whether a turn with calls that has no reasoning goes back with an empty text for it, since
            without the field it is refused.
        split_special_tokens: whether control tokens of chat templates in the texts of messages, such as ``<|im_end|>``,
            are split before they are sent: a server of open weights takes them for its own.
        special_tokens: further ones of this model that are split.
        context_advice: what to do if the server's context is too small for a prompt.
        top_logprobs: how many alternatives to each token come with their probabilities at most; 0 if the provider
            gives no probabilities.
        logprobs_as_number: whether ``logprobs`` is the number of alternatives, and not true or false.
        stream_usage: whether ``stream_options.include_usage`` may be sent.
        stream_ends: whether every complete stream says that it ends; if not, the end of the bytes counts.
        wire: how requests and answers look: chat completions, OpenAI's Responses, or Anthropic's Messages.
        encrypted_reasoning: whether reasoning comes encrypted, to go back with the next turn (Responses).
        thinking: how a Messages model is asked to think: not at all, by a number of tokens, or by a word.
        max_tokens: tokens of an answer if the caller sets no limit, on a wire that needs one (Messages).
        models: changes by patterns of the model's name, such as ``{"*-mini": {"modalities": ["text"]}}``; every pattern
            that fits counts, in their order.
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
    encrypted_reasoning: bool = False
    thinking: Literal["none", "budget", "adaptive"] = "none"
    max_tokens: int = 8_192
    models: dict[str, dict[str, Any]] = {}

    def __repr__(self) -> str:
        return without_secrets(super().__repr__())


def override(profile: Profile, changes: dict[str, Any]) -> Profile:
    """Return ``profile`` with some fields changed; values are checked and converted as if read from JSON.

    Raises:
        TypeError: a field does not exist or a value has the wrong type; the message names the fields there are.
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
    """Return the row as it is for one model: with the changes of every pattern that fits its name, in lower case."""
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
