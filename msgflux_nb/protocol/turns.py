"""Turns a history into the messages that one provider accepts; pure; nothing is changed in place.

An assistant turn may hold fields that only the provider that wrote it understands. ``_msgflux`` names that provider and
model; the fields are sent back to these only. ``_msgflux`` itself is never sent.
"""

from __future__ import annotations

import re
from typing import Any

from ..content.picture import PictureLimits
from ..errors import MediaError
from .call_ids import other_id
from .profile import Profile

__all__ = ["BLOCKS", "ITEMS", "ONLY_MESSAGES", "ONLY_RESPONSES", "PROVENANCE", "outgoing", "with_system"]

PROVENANCE = "_msgflux"
ITEMS = "response_items"
"""The field of a turn that holds a response's output items as received, to be sent back in order."""
BLOCKS = "content_blocks"
"""The field of a turn that holds a message's content blocks as received, to be sent back in order."""
ONLY_MESSAGES = frozenset({"cache_control", "citations", "context"})
"""Fields of a content part that only the Messages wire has."""
ONLY_RESPONSES = frozenset({"detail", "prompt_cache_breakpoint"})
"""Fields of a content part that only the Responses wire has."""

_STANDARD = frozenset({"role", "content", "name", "refusal", "tool_calls", "function_call", "tool_call_id"})
_STANDARD_CALL = frozenset({"id", "type", "function", "custom"})
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
    "file": "models that read documents, such as openai/gpt-4.1-mini or openrouter/google/gemini-2.5-flash",
    "video": "video models, such as openrouter/google/gemini-2.5-flash or a Qwen2.5-VL on a vLLM server of yours",
}
_NINE = re.compile(r"[A-Za-z0-9]{9}")
_USUAL = PictureLimits()


def with_system(messages: list[dict[str, Any]], text: str | None) -> list[dict[str, Any]]:
    """Put a system text first, joined with a first system message, since some servers accept only one."""
    if not text:
        return list(messages)
    first = messages[0]
    if first.get("role") != "system" or not isinstance(first.get("content"), str):
        return [{"role": "system", "content": text}, *messages]
    return [{**first, "content": f"{text}\n\n{first['content']}"}, *messages[1:]]


def outgoing(
    messages: list[dict[str, Any]], profile: Profile, model: str, *, plain: bool = False
) -> list[dict[str, Any]]:
    """Return the messages in the form that a provider accepts.

    Args:
        messages: the history; read, never changed.
        profile: the provider.
        model: the model's name as the provider knows it.
        plain: whether this provider's own fields are left out too, because it has refused them.

    Raises:
        MediaError: a message holds media that this model does not accept.
    """
    _check_media(messages, profile, model)
    origin = None if plain else {"provider": profile.provider, "model": model}
    sent = [_for_provider(message, profile, origin) for message in messages]
    if profile.tool_ids == "nine_letters":
        sent = [_with_short_ids(message) for message in sent]
    limits = PictureLimits(profile.image_long_edge, profile.image_max_bytes)
    if limits != _USUAL:  # images from ChatBlock already keep the usual limits
        sent = [_with_fitting_images(message, limits) for message in sent]
    return sent


def _check_media(messages: list[dict[str, Any]], profile: Profile, model: str) -> None:
    name = model if profile.provider == "openai-compatible" else f"{profile.provider}/{model}"
    images = 0
    for position, message in enumerate(messages):
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            modality = _PART_MODALITY.get(part.get("type", "")) if isinstance(part, dict) else None
            images += modality == "image"
            if modality is not None and modality not in profile.modalities:
                takes = " and ".join(sorted(profile.modalities))
                raise MediaError(
                    f"{name} takes {takes} only, and messages[{position}] holds {_ARTICLES[modality]}. Remove it, or "
                    f"choose one of the {_TAKERS[modality]}. Nothing was sent."
                )
    if profile.image_max_count is not None and images > profile.image_max_count:
        raise MediaError(
            f"{name} takes at most {profile.image_max_count} images in a request, and the messages hold {images}. "
            "Leave some out, or ask in several requests. Nothing was sent."
        )


def _for_provider(message: dict[str, Any], profile: Profile, origin: dict[str, str] | None) -> dict[str, Any]:
    """Drop another provider's fields, put reasoning where this one expects it, and add the fields that it needs."""
    sent = message
    if PROVENANCE in message:
        own = message[PROVENANCE] == origin
        sent = _own_turn(message, profile) if own else _foreign_turn(message)
    calls = sent.get("tool_calls")
    if not isinstance(calls, list) or not calls:
        return sent
    if profile.call_fields:
        sent = {**sent, "tool_calls": [{**profile.call_fields, **calls[0]}, *calls[1:]]}
    if profile.blank_reasoning:
        sent = {profile.reasoning_name: "", **sent}
    return sent


def _own_turn(message: dict[str, Any], profile: Profile) -> dict[str, Any]:
    sent = {name: value for name, value in message.items() if name != PROVENANCE}
    reasoning = sent.pop("reasoning", None)
    wanted = {"never": False, "tool_turns": bool(sent.get("tool_calls")), "always": True}[profile.echo_reasoning]
    if reasoning and wanted:
        sent[profile.reasoning_name] = reasoning
    if "audio" in sent:  # the provider keeps the sound under its id, so the transcript would be a repetition
        sent["content"] = None
    return sent


def _foreign_turn(message: dict[str, Any]) -> dict[str, Any]:
    sent = {name: value for name, value in message.items() if name in _STANDARD}
    if "tool_calls" in sent:
        sent["tool_calls"] = [_only(call, _STANDARD_CALL) for call in sent["tool_calls"]]
    if "images" in message and not sent.get("content"):  # an empty turn is refused
        sent["content"] = "[image]"
    return sent


def _only(call: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name in names}


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    """Replace the ids of tool calls and results by nine letters and digits; equal ids stay equal in every request."""
    if isinstance(message.get("tool_calls"), list):
        calls = [{**call, "id": _short_id(call["id"])} if "id" in call else call for call in message["tool_calls"]]
        return {**message, "tool_calls": calls}
    if isinstance(message.get("tool_call_id"), str):
        return {**message, "tool_call_id": _short_id(message["tool_call_id"])}
    return message


def _short_id(call_id: str) -> str:
    return call_id if _NINE.fullmatch(call_id) else other_id(call_id, 9)


def _with_fitting_images(message: dict[str, Any], limits: PictureLimits) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_fitting(part, limits) for part in content]}


def _fitting(part: Any, limits: PictureLimits) -> Any:
    """Shrink an embedded image that is larger than the provider allows."""
    source = part.get("image_url") if isinstance(part, dict) else None
    url = source.get("url") if isinstance(source, dict) else None
    if not isinstance(url, str) or url[:5].lower() != "data:":
        return part
    if len(url) * 3 // 4 <= limits.max_bytes and limits.long_edge >= _USUAL.long_edge:
        return part
    from ..content.media import load_image

    return {**part, "image_url": {**source, "url": load_image(url, limits=limits).url}}  # type: ignore[dict-item]
