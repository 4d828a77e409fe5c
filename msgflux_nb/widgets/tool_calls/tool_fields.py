"""The fields of a tool's schema as a flat list, so that each can be ticked once it has a value."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec

from ...errors import ToolCallError
from ...generation.tool_forms import is_server_tool, read_tool
from ...generation.tool_schema import TO_THE_MODEL, Tool, listed_tools, tool_schemas

__all__ = ["ToolField", "checked_arguments", "tool_fields"]

_DEPTH = 4
_FIELDS = 80  # the most fields of one tool
_TYPE_LENGTH = 60
_WORDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}
_FORMATS = {"date": "date", "date-time": "datetime", "time": "time", "duration": "timedelta", "uuid": "UUID"}

_TIME = "^[0-9]{2}:[0-9]{2}"  # how a schema without formats of times writes one

Node = dict[str, Any]


class ToolField(msgspec.Struct, frozen=True):
    """One field of a tool's arguments.

    Attributes:
        path: the keys that lead to it.
        type: its type, as written in Python.
        required: whether it is required.
        about: its description, or empty.
    """

    path: tuple[str, ...]
    type: str
    required: bool
    about: str


def tool_fields(tools: Any) -> dict[str, tuple[ToolField, ...]]:
    """Return the fields of each tool by its name; an object is replaced by its fields.

    Args:
        tools: functions, ``Tool``s and JSON schemas of tools, in any mix.

    Raises:
        SchemaError: a function cannot be a tool.
    """
    found = {}
    for schema in tool_schemas(tools):
        inner = schema.get(schema.get("type", ""))
        if not isinstance(inner, dict) or is_server_tool(schema):
            continue  # a provider's own tool
        parameters = inner.get("parameters")
        root = parameters if isinstance(parameters, dict) else {}
        found[inner["name"]] = tuple(itertools.islice(_fields(root, root.get("$defs", {}), ()), _FIELDS))
    return found


def checked_arguments(text: str, name: str, tools: Any) -> dict[str, Any]:
    """Read a person's text as a call's arguments.

    Raises:
        ToolCallError: it is not a JSON object, or does not fit the function; the message says why.
    """
    try:
        arguments = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise ToolCallError(f"this is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ToolCallError(f"expected a JSON object, got {type(arguments).__name__}")
    for tool in listed_tools(tools or ()):
        if read_tool(tool, "tools") is None:
            known = tool if isinstance(tool, Tool) else Tool.of(tool)
            if known.name == name:
                _check(known, arguments)
    return arguments


def _check(tool: Tool, arguments: dict[str, Any]) -> None:
    """Check a person's arguments; the error addresses the person, not the model."""
    try:
        tool.bind(arguments)
    except ToolCallError as error:
        raise ToolCallError(str(error).removeprefix(f"{tool.name}: ").removesuffix(TO_THE_MODEL)) from error


def _fields(node: Node, definitions: Node, path: tuple[str, ...], required: bool = True) -> Iterator[ToolField]:
    names = node.get("required", ())
    for name, child in node.get("properties", {}).items():
        target = _object(_resolved(child, definitions), definitions)
        needed = required and name in names
        if target is not None and target.get("properties") and len(path) + 1 < _DEPTH:
            yield from _fields(target, definitions, (*path, name), needed and target is _resolved(child, definitions))
            continue
        about = child.get("description", "") if isinstance(child, dict) else ""
        yield ToolField((*path, name), _type(child, definitions)[:_TYPE_LENGTH], needed, str(about))


def _resolved(node: Any, definitions: Node) -> Node:
    if not isinstance(node, dict):  # true is a schema too
        return {}
    target = definitions.get(str(node.get("$ref", "")).rpartition("/")[2])
    return target if isinstance(target, dict) else node


def _object(node: Node, definitions: Node) -> Node | None:
    """Return the object schema of a node, alone or as an alternative to null; else None."""
    if "properties" in node:
        return node
    branches = [_resolved(branch, definitions) for branch in node.get("anyOf", ())]
    others = [branch for branch in branches if branch.get("type") != "null"]
    return others[0] if len(others) == 1 and len(branches) == 2 and "properties" in others[0] else None


def _type(node: Any, definitions: Node, depth: int = 0) -> str:
    node = _resolved(node, definitions)
    if depth >= _DEPTH:
        return "…"
    if "enum" in node:
        return " | ".join(map(repr, node["enum"]))
    if "const" in node:
        return repr(node["const"])
    for word in ("anyOf", "oneOf"):
        if word in node:
            return " | ".join(dict.fromkeys(_type(branch, definitions, depth + 1) for branch in node[word]))
    kind = node.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**node, "type": one}, definitions, depth + 1) for one in kind)
    if kind == "array":
        return f"list[{_type(node['items'], definitions, depth + 1)}]" if "items" in node else "list"
    if kind == "null":
        return "None"
    if kind == "string":
        return _text_type(node)
    return _WORDS.get(str(kind), "Any" if kind is None else str(kind))


def _text_type(node: Node) -> str:
    timed = str(node.get("pattern", "")).startswith(_TIME)
    return _FORMATS.get(str(node.get("format")), "time" if timed else "str")
