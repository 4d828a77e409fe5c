"""The fields that a tool's schema names, flat, so that each can be ticked once it is filled."""

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
_FIELDS = 80  # of one tool
_TYPE_LENGTH = 60
_WORDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}

Node = dict[str, Any]


class ToolField(msgspec.Struct, frozen=True):
    """One value that a call of a tool may hold.

    Attributes:
        path: the keys that lead to it.
        type: its type, as in Python.
        required: whether a call has to have it.
        about: its description, or empty.
    """

    path: tuple[str, ...]
    type: str
    required: bool
    about: str


def tool_fields(tools: Any) -> dict[str, tuple[ToolField, ...]]:
    """Return the fields of each tool by its name: those of its own, and those of objects in their place.

    Args:
        tools: functions, ``Tool``s and JSON schemas of tools, in any mix.

    Raises:
        SchemaError: a function cannot be a tool.
    """
    found = {}
    for schema in tool_schemas(tools):
        inner = schema.get(schema.get("type", ""))
        if not isinstance(inner, dict) or is_server_tool(schema):
            continue  # it runs at the provider
        parameters = inner.get("parameters")
        root = parameters if isinstance(parameters, dict) else {}
        found[inner["name"]] = tuple(itertools.islice(_fields(root, root.get("$defs", {}), ()), _FIELDS))
    return found


def checked_arguments(text: str, name: str, tools: Any) -> dict[str, Any]:
    """Return what a person wrote as a call's arguments.

    Raises:
        ToolCallError: it is not a JSON object, or does not fit the function; the message says why.
    """
    try:
        arguments = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
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
    """Check arguments that a person wrote; the error speaks to them, and not to the model."""
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
    if not isinstance(node, dict):  # "true" is a schema too
        return {}
    target = definitions.get(str(node.get("$ref", "")).rpartition("/")[2])
    return target if isinstance(target, dict) else node


def _object(node: Node, definitions: Node) -> Node | None:
    """The object that a node describes, alone or as an alternative to null."""
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
    return _WORDS.get(str(kind), "Any" if kind is None else str(kind))
