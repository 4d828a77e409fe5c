"""Reads values of an expected type from a server's JSON; anything else is ignored; pure."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["arguments_in", "dicts_in", "text_in", "whole_number"]

_DIGITS = 20  # more cannot be a count


def arguments_in(value: Any) -> dict[str, Any]:
    """Return a call's arguments, which some servers send as JSON text; empty for anything that is not an object."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def dicts_in(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; an empty list if the value is not a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_in(value: Any) -> str | None:
    """Return a text that is not empty; None for anything else."""
    return value if isinstance(value, str) and value else None


def whole_number(value: Any) -> int | None:
    """Read a whole number, which some servers write as 0.0 or "0"; None for anything else."""
    if isinstance(value, str) and value.isdecimal() and len(value) < _DIGITS:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
