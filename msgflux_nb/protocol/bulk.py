"""Refuses JSON from a server that holds more values than any answer needs, so that reading it stays quick; pure.

A body below the limit of bytes may hold millions of keys, choices or calls, each of which becomes an object. Only
payloads above half a megabyte are counted, and what a stream adds up to.
"""

from __future__ import annotations

from typing import Any

from ..errors import NotAnApiError

__all__ = ["check_count", "check_keys", "check_values"]

_SMALL_BYTES = 500_000
_MOST_KEYS = 1_500_000  # 16,000 tokens with twenty alternatives each have that many
_MOST_FIELDS = 10_000  # of one object
_MOST_ITEMS = 100_000  # of one list of objects or lists
_MOST_PARTS = 20_000  # of a message
_MOST = {"choices": 1_024, "tool_calls": 10_000, "output": 10_000, "fields": _MOST_FIELDS}
_LEVELS = 6  # in which the fields of an answer are


def check_count(what: str, count: int) -> None:
    """Check how many choices, tool calls or fields of a stream came before one.

    Raises:
        NotAnApiError: there are too many.
    """
    if count >= _MOST[what]:
        raise _refused(what, _MOST[what])


def check_keys(data: bytes) -> None:
    """Check the bytes of a payload, before they are decoded.

    Raises:
        NotAnApiError: there are too many keys, or objects and lists.
    """
    if len(data) <= _SMALL_BYTES:
        return
    if data.count(b'":') > _MOST_KEYS:
        raise _refused("keys", _MOST_KEYS)
    if data.count(b"{") + data.count(b"[") > _MOST_KEYS:
        raise _refused("objects and lists", _MOST_KEYS)


def check_values(data: bytes, value: Any) -> None:
    """Check a decoded payload.

    Raises:
        NotAnApiError: an object has too many fields, or a list too many items.
    """
    if len(data) <= _SMALL_BYTES:
        return
    level = [("", value)]
    for _ in range(_LEVELS):
        below: list[tuple[str, Any]] = []
        for name, one in level:
            if isinstance(one, dict):
                if len(one) > _MOST_FIELDS:
                    raise _refused("fields in one object", _MOST_FIELDS)
                below += one.items()
            elif isinstance(one, list) and one and isinstance(one[0], dict | list):
                _check_items(name, one)
                below += [(name, item) for item in one]
        level = below


def _check_items(name: str, items: list[Any]) -> None:
    most = _MOST.get(name, _MOST_ITEMS)
    if len(items) > most:
        raise _refused(f"items in {name or 'one list'}", most)
    if name == "content" and sum("token" not in item for item in items) > _MOST_PARTS:
        raise _refused("parts in content", _MOST_PARTS)


def _refused(what: str, most: int) -> NotAnApiError:
    return NotAnApiError(f"the answer has more than {most:,} {what}, which is a fixed limit. Check base_url.")
