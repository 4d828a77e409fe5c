"""Reads ``tool_choice`` in the form of any provider."""

from __future__ import annotations

import difflib
from typing import Any

from ..errors import BadRequestError, brief
from ..generation.tool_forms import is_server_tool, name_of_tool

__all__ = ["Choice", "choice_of", "is_forced"]

Choice = str | dict[str, Any] | None

_WORDS = {"auto": "auto", "required": "required", "none": "none", "any": "required"}


def choice_of(given: Any, tools: list[dict[str, Any]]) -> Choice:
    """Read ``tool_choice``.

    Returns:
        ``"auto"``, ``"required"`` or ``"none"``; the name of a tool; None if nothing was chosen; or a dict of an
        unknown form, which is sent as it is.

    Raises:
        BadRequestError: the named tool does not exist, or there are no tools.
    """
    choice = given if given is None or isinstance(given, str) else _in_dict(given)
    if isinstance(choice, dict):
        return choice
    names = [name_of_tool(tool) for tool in tools]
    if choice is not None and choice not in names:
        choice = _WORDS.get(choice, choice)
    if choice in (None, "auto", "none"):
        return choice
    if not tools:
        raise BadRequestError(
            f"tool_choice is {brief(given)}, but the request has no tools. Pass tool_schemas=[...] too."
        )
    if choice != "required" and choice not in names:
        near = difflib.get_close_matches(str(choice), [*_WORDS, *names], 1)
        advice = f" Did you mean {near[0]!r}?" if near else ""
        raise BadRequestError(
            f'tool_choice: expected "auto", "required", "none" or one of {", ".join(names)}; got {brief(given)}.'
            f"{advice}"
        )
    return choice


def is_forced(choice: Choice, tools: list[dict[str, Any]]) -> bool:
    """Whether the answer has to hold a call; a forced tool of the provider leaves none."""
    if not tools or choice in (None, "auto", "none"):
        return False
    if isinstance(choice, dict):
        return False
    chosen = tools if choice == "required" else [tool for tool in tools if name_of_tool(tool) == choice]
    return not any(is_server_tool(tool) for tool in chosen)


def _in_dict(given: Any) -> Choice:
    """Read a choice in the form of chat completions, the Responses API or Anthropic."""
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise BadRequestError(
            'tool_choice: expected "auto", "required", "none", the name of a tool, or a dict with a type such as '
            f'{{"type": "function", "function": {{"name": ...}}}}; got {brief(given, 120)}.'
        )
    inner = given.get(given["type"])
    name = inner.get("name") if isinstance(inner, dict) else given.get("name")
    if given["type"] in ("function", "custom", "tool") and isinstance(name, str):
        return name
    if len(given) == 1 and given["type"] in _WORDS:
        return _WORDS[given["type"]]
    return given
