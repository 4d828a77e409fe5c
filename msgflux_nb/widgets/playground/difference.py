"""What differs between two versions of a turn, word by word."""

from __future__ import annotations

import difflib
import re
from typing import Any

from ...content.messages import Message
from ..conversation.variables import texts_of

__all__ = ["difference", "plain_text"]

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_MOST_WORDS = 4_000  # comparing takes time by the square


def plain_text(message: Message) -> str:
    """Return what a message says: its texts, and its calls as they would be written."""
    calls = message.get("tool_calls")
    written = [_call(call) for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return "\n".join([*texts_of(message), *written])


def difference(before: str, after: str) -> list[tuple[str, str]]:
    """Compare two texts.

    Returns:
        Pieces in order, each with ``"same"``, ``"gone"`` (only in the first) or ``"new"`` (only in the second). Words
        are compared, or lines where a text is long.
    """
    pieces = [_WORDS.findall(before), _WORDS.findall(after)]
    if max(map(len, pieces)) > _MOST_WORDS:
        pieces = [_LINES.findall(before), _LINES.findall(after)]
    left, right = pieces
    found: list[tuple[str, str]] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(left[i1:i2])))
            continue
        found += [("gone", "".join(left[i1:i2]))] if i1 < i2 else []
        found += [("new", "".join(right[j1:j2]))] if j1 < j2 else []
    return found


def _call(call: dict[str, Any]) -> str:
    function = call.get("function") or call.get("custom")
    inner = function if isinstance(function, dict) else {}
    return f"{inner.get('name', '')}({inner.get('arguments', inner.get('input', ''))})"
