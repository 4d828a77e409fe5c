"""The limit on the size of a page's message, checked first so that no handler takes long."""

from __future__ import annotations

from typing import Any

__all__ = ["MessageTooLargeError", "check_size"]

_TEXT = 200_000  # characters of a message's texts; a data URL, which is read only once, does not count
_DATA = 40_000_000
_ITEMS = 10_000
_DEPTH = 64


class MessageTooLargeError(ValueError):
    """A page's message is larger than any that a person could make."""


def check_size(content: Any) -> None:
    """Check that a message is small enough to be handled at once; the check itself takes bounded time.

    Raises:
        MessageTooLargeError: the message is too large.
    """
    items, text, data = 0, 0, 0
    level: list[Any] = [content]
    for _ in range(_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if value.startswith("data:"):
                    data += len(value)
                else:
                    text += len(value)
            elif isinstance(value, (dict, list, tuple)):
                items += len(value)
                if items > _ITEMS:
                    raise _too_large(f"more than {_ITEMS:,} values")
                below += value
                if isinstance(value, dict):
                    below += value.values()
        if text > _TEXT or data > _DATA:
            raise _too_large(f"{max(text, data):,} characters of text, where {_TEXT:,} can be typed or pasted")
        if not below:
            return
        level = below
    raise _too_large(f"values nested more than {_DEPTH} levels deep")


def _too_large(what: str) -> MessageTooLargeError:
    return MessageTooLargeError(f"this is too large for a view, and nothing was changed: {what}. Do it from a cell")
