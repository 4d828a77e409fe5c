"""Warnings about what was changed in a caller's request, or left out of it; pure.

Routine changes that keep the meaning are not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .profile import Profile, Wire
from .turns import BLOCKS, ITEMS, ONLY_MESSAGES, ONLY_RESPONSES, PROVENANCE
from .wires.messages_request import matches_blocks
from .wires.responses_request import matches_items

__all__ = ["left_behind", "left_out"]

_SHOWN = 4
_OWN = frozenset({"stream_options"})
_PLAIN = frozenset({"message", "text", "function_call", "custom_tool_call", "tool_use", None})
_SPEAKERS = frozenset({"system", "developer", "user", "assistant"})
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
_FOREIGN: dict[Wire, frozenset[str]] = {"responses": ONLY_MESSAGES, "messages": ONLY_RESPONSES}
_HOMES = ((ITEMS, "responses", matches_items), (BLOCKS, "messages", matches_blocks))


def left_out(
    given: list[dict[str, Any]],
    body: dict[str, Any],
    profile: Profile,
    *,
    prefill: str = "",
    extra_body: dict[str, Any] | None = None,
    plain: bool = False,
) -> tuple[str, ...]:
    """Return a warning for each thing that was changed or left out.

    Args:
        given: the messages as the caller passed them.
        body: the request without the caller's own fields.
        profile: the provider.
        prefill: the start of the answer, if it is sent as a prefill.
        extra_body: the caller's own fields.
        plain: whether this provider's own fields were left out of earlier turns because it refused them.
    """
    found: list[str] = []
    sent = body["messages"]
    shrunk = sum(_shrunk(before, after) for before, after in zip(given, sent, strict=False) if before is not after)
    if shrunk:
        images = "an image was" if shrunk == 1 else f"{shrunk} images were"
        found.append(f"{images} made smaller, to what {profile.provider} takes.")
    pictures = sum(_without_picture(before, after) for before, after in zip(given, sent, strict=False))
    if pictures:
        images = "an image was" if pictures == 1 else f"images of {pictures} turns were"
        found.append(
            f"{images} left out of the history, since another model made them; the text [image] replaces them."
        )
    if prefill != prefill.rstrip() and profile.prefill_trimmed:
        found.append(f"the white space at the end of the prefill was not sent, since {profile.provider} refuses it.")
    if plain and any(PROVENANCE in message for message in given):
        found.append(
            f"{profile.provider} refused its own fields in earlier turns, such as signatures of reasoning; they were "
            "left out, so the model does not see that reasoning."
        )
    replaced = [name for name, value in (extra_body or {}).items() if _replaces(name, value, body)]
    if replaced:
        found.append(f"extra_body replaced what the call itself would have sent as {', '.join(replaced[:_SHOWN])}.")
    return tuple(found)


def _shrunk(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Count the images of a message that were made smaller."""
    parts, sent = before.get("content"), after.get("content")
    if not isinstance(parts, list) or not isinstance(sent, list) or len(parts) > len(sent):
        return 0
    pairs = zip(parts, sent[len(sent) - len(parts) :], strict=True)  # a note about the schema may come first
    return sum(_url(one) is not None and _url(one) != _url(other) for one, other in pairs)


def _url(part: Any) -> Any:
    source = part.get("image_url") if isinstance(part, dict) else None
    return source.get("url") if isinstance(source, dict) else None


def _without_picture(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return "images" in before and PROVENANCE in before and after.get("content") == "[image]"


def _replaces(name: str, value: Any, body: dict[str, Any]) -> bool:
    return name in body and name not in _OWN and body[name] != value


# Parts of earlier turns that the current provider does not accept.


def left_behind(messages: list[dict[str, Any]], wire: Wire, origin: dict[str, str]) -> tuple[str, ...]:
    """Return a warning for each reason why part of a turn is left out of the request.

    Args:
        messages: the history as the caller passed it.
        wire: how the request is sent.
        origin: the provider and the model of the request.
    """
    foreign: list[str] = []
    edited: list[str] = []
    for message in messages:
        for field, home, is_said in _HOMES:
            things = message.get(field)
            if not isinstance(things, list):
                continue
            if wire != home or message.get(PROVENANCE, origin) != origin:
                foreign += _kinds(things)
            elif not is_said(message, things):
                edited += _kinds(things)
    found = []
    names = [str(message["name"]) for message in messages if message.get("name") and message.get("role") in _SPEAKERS]
    if names and wire != "chat":
        found.append(f"this wire has no field for names; they were left out of the history: {_listed(names)}.")
    fields = _part_fields(messages) & _FOREIGN.get(wire, frozenset())
    if fields:
        found.append(
            f"this wire does not have these fields of content parts; they were left out: {_listed(sorted(fields))}."
        )
    if foreign:
        found.append(
            f"left out of the history, since this provider, model or wire does not support it: {_listed(foreign)}."
        )
    if edited:
        found.append(f"an edited turn was sent without the provider's fields of the original: {_listed(edited)}.")
    return tuple(found)


def _part_fields(messages: list[dict[str, Any]]) -> set[str]:
    contents = [message["content"] for message in messages if isinstance(message.get("content"), list)]
    return {name for content in contents for part in content if isinstance(part, dict) for name in part}


def _kinds(things: list[Any]) -> Iterator[str]:
    """Yield the kinds of items or blocks that no other provider understands."""
    for thing in things:
        if not isinstance(thing, dict):
            continue
        kind = thing.get("type")
        if kind in _THOUGHTS:
            yield "reasoning"
        elif kind not in _PLAIN:
            yield "what its own tools did"
        parts = thing.get("content") if kind == "message" else [thing]
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and (part.get("citations") or part.get("annotations")):
                yield "citations"


def _listed(kinds: list[str]) -> str:
    return ", ".join(dict.fromkeys(kinds))
