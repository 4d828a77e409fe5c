"""Tools as a type checker sees them. Checked by mypy, never run."""

from __future__ import annotations

from typing import Any, assert_type

from msgflux_nb.generation.tool_schema import Tool, tool_schemas, tools_by_name


def add(a: int, b: int = 1) -> int:
    return a + b


async def read_later(room: str) -> str:
    return room


def functions_schemas_and_tools_are_taken_in_any_mix() -> None:
    schema = {"type": "function", "function": {"name": "x"}}
    assert_type(tool_schemas([add, read_later, schema, Tool.of(add)]), list[dict[str, Any]])
    assert_type(tool_schemas(add), list[dict[str, Any]])
    assert_type(tools_by_name([add, Tool.of(read_later)]), dict[str, Tool])
    tool_schemas(3)  # type: ignore[arg-type]  # no tool


def a_tool_binds_and_calls() -> None:
    tool = Tool.of(add)
    assert_type(tool.bind({"a": 1}), tuple[tuple[Any, ...], dict[str, Any]])
    assert_type(tool.is_async, bool)
    assert_type(tool.schema, dict[str, Any])
    Tool.of("add")  # type: ignore[arg-type]  # the function, not its name
    tool.name = "other"  # type: ignore[misc]  # frozen
