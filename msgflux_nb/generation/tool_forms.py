"""Turns a tool in any provider's form into the entries of ``tools`` in a chat completion.

A tool that runs at the provider (web search, an MCP server) is a dict of another type, and is sent as it is.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from ..errors import SchemaError, brief

__all__ = ["check_name", "expected_tool", "is_server_tool", "name_of_tool", "read_tool"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SCHEMA_NAMES = ("parameters", "input_schema", "inputSchema")
_FUNCTION_FIELDS = ("name", "description", "strict")


def read_tool(tool: Any, place: str) -> list[dict[str, Any]] | None:
    """Return the entries for a tool; None if it is not a tool written as data.

    Args:
        tool: a dict in the form of chat completions, the Responses API, Anthropic or Gemini; or an object with
            ``name``, ``description`` and ``inputSchema``, such as an MCP tool.
        place: the tool's place in the caller's list, for errors.

    Raises:
        SchemaError: the tool lacks a name, or providers do not accept its name.
    """
    if not isinstance(tool, dict):
        schema = next((found for found in (getattr(tool, name, None) for name in _SCHEMA_NAMES) if found), None)
        if not isinstance(schema, dict) or not isinstance(getattr(tool, "name", None), str):
            return None
        described = {"description": tool.description} if getattr(tool, "description", None) else {}
        return [_function({"name": tool.name, **described, "parameters": schema}, place)]
    kind = tool.get("type", "function" if _is_named(tool) else None)
    own = kind == "function" or (kind == "custom" and any(name in tool for name in _SCHEMA_NAMES))
    if own:  # "custom" is Anthropic's word for it
        return [_function(tool, place)]
    if kind == "custom":
        return [_custom(tool, place)]
    if kind is None:
        return _untyped(tool, place)
    if not isinstance(kind, str) or not kind or (_is_named(tool) and _is_near("function", kind)):
        raise expected_tool(tool, place)
    return [tool]


def is_server_tool(tool: dict[str, Any]) -> bool:
    """Whether an entry of ``tools`` runs at the provider; the caller then never receives a call of it."""
    return tool.get("type") not in ("function", "custom")


def name_of_tool(tool: dict[str, Any]) -> str:
    """Return the name of an entry of ``tools``, or its type if it runs at the provider."""
    inner = tool.get("function") or tool.get("custom")
    named = inner if isinstance(inner, dict) else tool
    return str(named.get("name") or tool.get("name") or tool.get("type") or next(iter(tool), ""))


def check_name(name: str, place: str) -> None:
    """Raise a SchemaError for a name that providers do not accept."""
    if _NAME.fullmatch(name) is None:
        raise SchemaError(
            f"{place}: a tool's name is 1 to 64 of the letters a-z and A-Z, digits, _ and -, not {name!r}. "
            "Define it with def under such a name."
        )


def expected_tool(tool: Any, place: str) -> SchemaError:
    """Return the error for a value that is not a tool."""
    kind = tool.get("type") if isinstance(tool, dict) else None
    near = (
        f' Did you mean "type": "function"? It is {kind!r}.'
        if isinstance(kind, str) and _is_near("function", kind)
        else ""
    )
    return SchemaError(
        f'{place}: expected {{"type": "function", "function": {{"name": ..., "parameters": ...}}}}, the same in the '
        f"form of another provider, or a tool that runs at the provider, got {brief(tool, 120)}.{near} A Python "
        "function can be passed as it is."
    )


def _is_named(tool: dict[str, Any]) -> bool:
    return isinstance(tool.get("function"), dict) or (
        isinstance(tool.get("name"), str) and ("description" in tool or any(name in tool for name in _SCHEMA_NAMES))
    )


def _is_near(word: str, given: str) -> bool:
    return given != word and bool(difflib.get_close_matches(given.lower(), [word], cutoff=0.75))


def _untyped(tool: dict[str, Any], place: str) -> list[dict[str, Any]]:
    """Read Gemini's forms: ``{"function_declarations": [...]}``, ``{"google_search": {}}``."""
    declared = tool.get("functionDeclarations", tool.get("function_declarations"))
    if isinstance(declared, list):
        return [_function(one, f"{place}.function_declarations[{i}]") for i, one in enumerate(declared)]
    if len(tool) == 1 and all(isinstance(value, dict) for value in tool.values()):
        return [tool]
    raise expected_tool(tool, place)


def _custom(tool: dict[str, Any], place: str) -> dict[str, Any]:
    """Read OpenAI's custom tool, which takes a text."""
    inner = tool.get("custom", tool)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise expected_tool(tool, place)
    check_name(inner["name"], place)
    return tool if "custom" in tool else {"type": "custom", "custom": _without(tool, "type")}


def _function(tool: Any, place: str) -> dict[str, Any]:
    """Return a function in the form of chat completions; other keys of the entry are kept."""
    if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
        name = tool["function"].get("name")
        if isinstance(name, str):
            check_name(name, place)
            return tool if "type" in tool else {"type": "function", **tool}
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str) or "function" in tool:
        raise expected_tool(tool, place)
    check_name(tool["name"], place)
    schemas = [tool[name] for name in _SCHEMA_NAMES if tool.get(name) is not None]
    function = {name: tool[name] for name in _FUNCTION_FIELDS if tool.get(name) is not None}
    parameters = {"parameters": schemas[0]} if schemas else {}
    others = _without(tool, "type", *_FUNCTION_FIELDS, *_SCHEMA_NAMES)
    return {"type": "function", "function": {**function, **parameters}, **others}


def _without(tool: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in tool.items() if name not in names}
