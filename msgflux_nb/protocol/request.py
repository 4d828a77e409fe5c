"""What a caller asks for → the request that one provider understands; pure.

The only place that knows the names of a request's fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import BadRequestError, MediaError, PrefillError
from ..generation.outline import outline
from ..generation.schema import WireSchema, wire_schema
from .prefill import prefilled_messages
from .profile import Profile

__all__ = ["OPTIONS", "ChatRequest", "build_request"]

OPTIONS = frozenset(
    {
        "frequency_penalty",
        "max_tokens",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "verbosity",
    }
)
"""The options that travel in a request's body; each is sent only if it was given."""

_PART_MODALITY = {
    "image_url": "image",
    "input_audio": "audio",
    "file": "file",
    "video_url": "video",
}
_ARTICLES = {"image": "an image", "audio": "a sound", "file": "a file", "video": "a video"}
_TAKERS = {
    "image": "vision models, such as openai/gpt-4.1-mini, gemini/gemini-2.5-flash or a Qwen2.5-VL on a server of yours",
    "audio": "audio models, such as openai/gpt-audio or gemini/gemini-2.5-flash",
    "file": "models that read documents, such as openai/gpt-4.1-mini or gemini/gemini-2.5-flash",
    "video": "video models, such as gemini/gemini-2.5-flash",
}


class ChatRequest(msgspec.Struct, frozen=True):
    """A request, ready to send, and what is needed to read its answer.

    Attributes:
        body: the JSON body; nothing in it is shared with the caller's lists.
        messages: the messages as the caller meant them, system prompt included, prefill not.
        prefill: the start of the answer that the model continues; empty when there is none.
        schema: what the answer is decoded to, or None for text.
        stream: whether the answer is to come in pieces.
        echoed: whether the answer will begin with the prefill again.
    """

    body: bytes
    messages: list[dict[str, Any]]
    prefill: str
    schema: WireSchema | None
    stream: bool
    echoed: bool


def build_request(
    messages: str | Sequence[dict[str, Any]],
    *,
    model: str,
    profile: Profile,
    options: dict[str, Any],
    system_prompt: str | None = None,
    prefilling: str | None = None,
    generation_schema: Any = None,
    stream: bool = False,
    extra_body: dict[str, Any] | None = None,
) -> ChatRequest:
    """Build the request that ``profile`` understands.

    Args:
        messages: the user's text, or a list of message dicts; read, never changed.
        model: the model's name as the provider knows it.
        profile: what is particular about the provider.
        options: values for names in ``OPTIONS``; 0, False and "" are values.
        system_prompt: put in front; joined with a system message that is already first.
        prefilling: the start of the answer.
        generation_schema: the type to decode to.
        stream: whether the answer is to come in pieces.
        extra_body: further fields, sent as they are; they win over ours.

    Raises:
        BadRequestError: the messages are not messages, or cannot be written as JSON.
        MediaError: a message holds what this model does not take.
        PrefillError: the prefill cannot be continued.
        SchemaError: the type has no JSON form.
    """
    listed = _listed(messages)
    _check_modalities(
        listed, f"{profile.provider}/{model}" if profile.provider != "openai-compatible" else model, profile
    )
    schema = None if generation_schema is None else wire_schema(generation_schema, profile.dialect)
    prefill = _checked_prefill(prefilling, schema)
    asked = _with_system(listed, system_prompt)
    noted = asked if schema is None or not profile.schema_in_prompt else _with_outline(asked, schema)
    body: dict[str, Any] = {"model": model, "messages": prefilled_messages(noted, prefill, profile)}
    for name in sorted(options):
        body[profile.max_tokens_name if name == "max_tokens" else name] = options[name]
    if schema is not None:
        form = {"name": schema.name, "strict": True, "schema": schema.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return ChatRequest(
        body=_encoded({**body, **(extra_body or {})}),
        messages=asked,
        prefill=prefill,
        schema=schema,
        stream=stream,
        echoed=bool(prefill) and (profile.echo_stream if stream else profile.echo),
    )


def _listed(messages: str | Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    if isinstance(messages, dict):
        return [messages]
    listed = list(messages)
    for position, message in enumerate(listed):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequestError(
                f"messages[{position}]: expected a dict with role and content, got {type(message).__name__}. "
                'ChatBlock.user("Hello") builds one.'
            )
    if not listed:
        raise BadRequestError("messages is empty; give a text, or a list with at least one message.")
    return listed


def _check_modalities(messages: list[dict[str, Any]], model: str, profile: Profile) -> None:
    for position, message in enumerate(messages):
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            modality = _PART_MODALITY.get(part.get("type", "")) if isinstance(part, dict) else None
            if modality is not None and modality not in profile.modalities:
                takes = " and ".join(sorted(profile.modalities))
                raise MediaError(
                    f"{model} takes {takes} only, and messages[{position}] holds {_ARTICLES[modality]}. Remove it, or "
                    f"choose one of the {_TAKERS[modality]}. Nothing was sent."
                )


def _checked_prefill(prefilling: str | None, schema: WireSchema | None) -> str:
    """The start of the answer; a prefill of nothing but white space is none."""
    if prefilling is None or not prefilling.strip():
        return ""
    if schema is None:
        return prefilling
    # White space before JSON says nothing, and llama.cpp leaves it out when it echoes a structured answer.
    prefill = prefilling.lstrip()
    if not prefill.startswith("{"):
        raise PrefillError(
            f"the answer has to be JSON for {schema.name}, which begins with {{; the prefill begins with "
            f"{prefill[:20]!r}. Leave the prefill out, or begin the JSON object in it."
        )
    return prefill


def _with_system(messages: list[dict[str, Any]], text: str | None) -> list[dict[str, Any]]:
    """Put a system text in front; where one is first already, they become one message: some servers take only one."""
    if not text:
        return list(messages)
    first = messages[0]
    if first.get("role") != "system" or not isinstance(first.get("content"), str):
        return [{"role": "system", "content": text}, *messages]
    return [{**first, "content": f"{text}\n\n{first['content']}"}, *messages[1:]]


def _with_outline(messages: list[dict[str, Any]], schema: WireSchema) -> list[dict[str, Any]]:
    """Say the schema, for servers that constrain the output but do not show it to the model.

    It ends a system message that is there: batches share that, and servers cache a prefix that stays the same.
    Without one it stands in front of the last user text, where a small model heeds it best.
    """
    note = f"Answer with JSON of this form: {outline(schema.schema)}"
    first = messages[0]
    if first["role"] == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{note}"}, *messages[1:]]
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        content = message.get("content")
        if message["role"] == "user" and isinstance(content, str | list):
            said = f"{note}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": note}, *content]
            return [*messages[:position], {**message, "content": said}, *messages[position + 1 :]]
    return [*messages, {"role": "user", "content": note}]


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError) as error:
        raise BadRequestError(f"the request cannot be written as JSON: {error}. Nothing was sent.") from None
