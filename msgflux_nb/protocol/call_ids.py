"""Replaces ids of tool calls that a server would refuse as too long or for their characters.

Kimi writes ``functions.f:0``, vLLM ``chatcmpl-tool-`` and 32 digits. If a conversation moves to another server, such an
id is replaced: by the same new id in a call, in its result, and in every request.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from .profile import Wire

__all__ = ["other_id", "with_call_ids"]

_TAKEN: dict[Wire, re.Pattern[str]] = {
    "chat": re.compile(r".{1,40}", re.DOTALL),
    "responses": re.compile(r".{1,64}", re.DOTALL),
    "messages": re.compile(r"[A-Za-z0-9_-]+"),
}
"""The ids that the wire's own provider accepts."""
_FIELDS = {"tool_use": "id", "tool_result": "tool_use_id"}


def with_call_ids(body: dict[str, Any], wire: Wire) -> dict[str, Any]:
    """Return the body with ids that its provider accepts; the same object if nothing had to change."""
    place = "input" if wire == "responses" else "messages"
    things = body[place]
    changed = [_thing(thing, wire) for thing in things]
    same = all(one is other for one, other in zip(changed, things, strict=True))
    return body if same else {**body, place: changed}


def other_id(call_id: str, length: int) -> str:
    """Return a hash of an id, as letters and digits."""
    import hashlib

    return base64.b32encode(hashlib.sha256(call_id.encode()).digest()).decode()[:length]


def _thing(thing: dict[str, Any], wire: Wire) -> dict[str, Any]:
    if wire == "responses":
        return _named(thing, "call_id", wire)
    named = _named(thing, "tool_call_id", wire)
    place = "content" if wire == "messages" else "tool_calls"
    inner = thing.get(place)
    if not isinstance(inner, list):
        return named
    changed = [_inner(one, wire) if isinstance(one, dict) else one for one in inner]
    same = all(one is other for one, other in zip(changed, inner, strict=True))
    return named if same else {**named, place: changed}


def _inner(part: dict[str, Any], wire: Wire) -> dict[str, Any]:
    field = "id" if wire == "chat" else _FIELDS.get(str(part.get("type")))
    return part if field is None else _named(part, field, wire)


def _named(thing: dict[str, Any], field: str, wire: Wire) -> dict[str, Any]:
    call_id = thing.get(field)
    if not isinstance(call_id, str) or _TAKEN[wire].fullmatch(call_id):
        return thing
    return {**thing, field: f"call_{other_id(call_id, 32)}"}
