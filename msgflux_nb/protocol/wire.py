"""Chooses among the three wires: path, headers, form of the body, and reader of the answer; pure.

A request is always built as a chat completion first, the form of messages, tools and options in this package. The other
two wires translate that body, and have their own readers of answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import BadRequestError
from .call_ids import with_call_ids
from .left_out import left_behind
from .profile import Profile, Wire
from .remedy import Remedy, on_wire, profile_with
from .turns import BLOCKS, ITEMS
from .wires.messages_answer import MessagesReader
from .wires.messages_request import messages_body
from .wires.responses_answer import ResponsesReader
from .wires.responses_request import CHAT_ONLY, responses_body
from .wires.wire_reader import WireReader

__all__ = ["WIRES", "WireForm", "chosen_wire", "reader_of", "wire_body", "with_extra"]


class WireForm(msgspec.Struct, frozen=True):
    """The constants of a wire.

    Attributes:
        path: the path appended to the base address.
        headers: headers of each request.
        key_header: the header for the key, unless the provider's row names another.
    """

    path: str
    headers: dict[str, str] = {}
    key_header: str | None = None


WIRES: dict[Wire, WireForm] = {
    "chat": WireForm("/chat/completions"),
    "responses": WireForm("/responses"),
    "messages": WireForm("/messages", {"anthropic-version": "2023-06-01"}, "x-api-key"),
}


def chosen_wire(profile: Profile, only: Wire | None, learnt: Wire | None, chat: dict[str, Any]) -> Wire:
    """Return the wire for a request: the wanted one, else the provider's; chat if only chat supports the request.

    Args:
        profile: the provider.
        only: the caller's choice, or None.
        learnt: the one that this endpoint was found to have, or None.
        chat: the body of a chat completion.
    """
    if only is not None:
        return only
    wire = learnt or profile.wire
    if learnt is None and wire == "chat" and chat.get("tools") and chat.get("reasoning_effort") not in (None, "none"):
        wire = profile.reasoning_wire or wire
    only_chat = CHAT_ONLY & _with_our_names(chat, profile).keys() or _has_sound(chat["messages"])
    return "chat" if wire == "responses" and only_chat else wire


def _with_our_names(chat: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """Undo ``option_names``, which are those of chat completions; the other wires translate the usual names."""
    usual = {theirs: name for name, theirs in profile.option_names.items()}
    return {usual.get(name, name): value for name, value in chat.items()}


def wire_body(
    chat: dict[str, Any],
    wire: Wire,
    profile: Profile,
    *,
    given: list[dict[str, Any]],
    cache_prompt: bool = False,
    remedies: Sequence[Remedy] = (),
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Translate the body of a chat completion to another wire; also return warnings about what was left out.

    Args:
        chat: the body of a chat completion; read, never changed.
        wire: how the request is sent.
        profile: the provider.
        given: the messages as the caller passed them.
        cache_prompt: whether the provider caches the part that stays the same from request to request (Messages).
        remedies: changes for what this server refused in earlier requests.

    Raises:
        BadRequestError: this wire does not support part of the request.
    """
    left = left_behind(given, wire, {"provider": profile.provider, "model": chat["model"]})
    learnt = profile_with(profile, remedies)
    if wire != "chat":
        chat = _with_our_names(chat, profile)
    if wire == "responses":
        body, more = on_wire(with_call_ids(responses_body(chat, learnt), wire), remedies, wire, chat["model"])
        return body, left + more
    if wire == "messages":
        body, missing = messages_body(chat, learnt, cache_prompt=cache_prompt)
        body, more = on_wire(with_call_ids(body, wire), remedies, wire, chat["model"])
        return body, left + missing + more
    named = with_call_ids(chat, wire) if profile.tool_ids == "forty_letters" else chat
    body, more = on_wire(named, remedies, wire, chat["model"])
    if any(ITEMS in message or BLOCKS in message for message in body["messages"]):
        kept = [{k: v for k, v in message.items() if k not in (ITEMS, BLOCKS)} for message in body["messages"]]
        body = {**body, "messages": kept}
    return body, left + more


def with_extra(body: dict[str, Any], extra: dict[str, Any], wire: Wire) -> dict[str, Any]:
    """Add the caller's fields. On the other wires an object such as ``reasoning`` is merged with ours.

    Raises:
        BadRequestError: the fields ask for an answer that has to be fetched later.
    """
    if extra.get("background") and wire == "responses":
        raise BadRequestError(
            "extra_body: background=True starts an answer that has to be fetched later, which this package does not "
            "do. Leave it out; with stream=True a long answer keeps its connection open. Nothing was sent."
        )
    if wire == "chat":
        return {**body, **extra}
    both = {name: {**body[name], **value} for name, value in extra.items() if _are_objects(body.get(name), value)}
    return {**body, **extra, **both}


def _are_objects(mine: Any, theirs: Any) -> bool:
    return isinstance(mine, dict) and isinstance(theirs, dict)


def reader_of(wire: Wire, *, continues: bool = False) -> WireReader | None:
    """Return a new reader for an answer; None for chat completions, which the accumulator reads itself.

    Args:
        wire: the wire of the answer.
        continues: whether the answer continues one that was paused.
    """
    if wire == "responses":
        return ResponsesReader()
    return MessagesReader(continues=continues) if wire == "messages" else None


def _has_sound(messages: list[dict[str, Any]]) -> bool:
    if any("audio" in message for message in messages):
        return True
    contents = (message.get("content") for message in messages)
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return any(isinstance(part, dict) and part.get("type") in ("input_audio", "video_url") for part in parts)
