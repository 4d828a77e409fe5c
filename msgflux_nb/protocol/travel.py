"""What of earlier turns cannot go to the provider that is asked now, as sentences; pure.

A turn holds what only its own provider understands: output items on the Responses wire, content blocks on the Messages
wire. They go back to that provider and model over the same wire, as long as nobody has edited the turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .messages_request import blocks_are_said
from .profile import Wire
from .responses_request import items_are_said
from .turns import BLOCKS, ITEMS, PROVENANCE

__all__ = ["left_behind"]

_PLAIN = frozenset({"message", "text", "function_call", "custom_tool_call", "tool_use", None})
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
_HOMES = ((ITEMS, "responses", items_are_said), (BLOCKS, "messages", blocks_are_said))


def left_behind(messages: list[dict[str, Any]], wire: Wire, origin: dict[str, str]) -> tuple[str, ...]:
    """Return a sentence for each kind of reason why something of a turn stays out of the request.

    Args:
        messages: the history as the caller gave it.
        wire: how the request is sent.
        origin: the provider and the model that are asked.
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
    if foreign:
        found.append(
            f"what only another provider, model or wire understands stayed out of the history: {_listed(foreign)}."
        )
    if edited:
        found.append(f"an edited turn goes back as it reads now, without what came with it: {_listed(edited)}.")
    return tuple(found)


def _kinds(things: list[Any]) -> Iterator[str]:
    """What some items or blocks hold that no other provider understands."""
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
