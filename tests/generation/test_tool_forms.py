"""Tests that tools are accepted in the form of any provider, together with Python functions."""

from __future__ import annotations

import types
from typing import Any

import msgspec
import pytest

from msgflux_nb.errors import SchemaError
from msgflux_nb.generation.tool_schema import tool_schemas, tools_by_name

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WANTED = {
    "type": "function",
    "function": {"name": "weather", "description": "Tell it.", "parameters": PARAMETERS},
}
NAMED = {"name": "weather", "description": "Tell it."}

FORMS = {
    "chat completions": WANTED,
    "Mistral's clients": {"function": WANTED["function"]},
    "the functions of old": {**NAMED, "parameters": PARAMETERS},
    "the Responses API": {"type": "function", **NAMED, "parameters": PARAMETERS},
    "Anthropic": {**NAMED, "input_schema": PARAMETERS},
    "Anthropic with a type": {"type": "custom", **NAMED, "input_schema": PARAMETERS},
    "MCP as a dict": {**NAMED, "inputSchema": PARAMETERS},
    "Gemini": {"function_declarations": [{**NAMED, "parameters": PARAMETERS}]},
    "MCP as an object": types.SimpleNamespace(**NAMED, inputSchema=PARAMETERS),
}

SERVER_TOOLS: list[dict[str, Any]] = [
    {"type": "openrouter:web_search"},
    {"type": "browser_search"},
    {"type": "web_search_preview", "search_context_size": "low"},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    {"type": "mcp", "server_label": "d", "server_url": "https://example.com/sse", "require_approval": "never"},
    {"type": "builtin_function", "function": {"name": "$web_search"}},
    {"google_search": {}},
]


def area(width: float) -> float:
    """Tell an area."""
    return width


@pytest.mark.parametrize("form", FORMS)
def test_a_function_in_the_form_of_any_provider_is_the_same_tool(form: str) -> None:
    before = repr(FORMS[form])
    assert tool_schemas([area, FORMS[form]])[1:] == [WANTED]
    assert repr(FORMS[form]) == before


@pytest.mark.parametrize("tool", SERVER_TOOLS, ids=str)
def test_tools_at_the_provider_are_sent_unchanged_next_to_functions(tool: dict[str, Any]) -> None:
    sent = tool_schemas([tool, area, WANTED])
    assert sent[0] == tool
    assert [one["function"]["name"] for one in sent[1:]] == ["area", "weather"]
    assert list(tools_by_name([tool, area])) == ["area"]


def test_fields_next_to_a_function_stay_there() -> None:
    [sent] = tool_schemas([{**NAMED, "input_schema": PARAMETERS, "cache_control": {"type": "ephemeral"}}])
    assert sent == {**WANTED, "cache_control": {"type": "ephemeral"}}
    [sent] = tool_schemas([{"type": "function", **NAMED, "parameters": PARAMETERS, "strict": True}])
    assert sent["function"]["strict"] is True


def test_a_custom_tool_is_taken_in_both_of_its_forms() -> None:
    whole = {"type": "custom", "custom": {"name": "code", "description": "Write it."}}
    assert (
        tool_schemas([whole])
        == tool_schemas([{"type": "custom", "name": "code", "description": "Write it."}])
        == [whole]
    )


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ({"type": "functoin", "function": {"name": "x"}}, 'Did you mean "type": "function"'),
        ({"type": "function", "function": {}}, r"tools\[0\]: expected"),
        ({"type": "function", "name": "no spaces", "parameters": {}}, "letters"),
        ({"nam": "x", "parameters": {}}, r"tools\[0\]: expected"),
        ({"type": 3}, r"tools\[0\]: expected"),
        ({"type": "custom", "custom": {}}, r"tools\[0\]: expected"),
        ("get_weather", r"tools\[0\]: expected"),
        (None, r"tools\[0\]: expected"),
        (msgspec.defstruct("Weather", [("city", str)]), "generation_schema"),
    ],
)
def test_a_value_that_is_not_a_tool_is_an_error_that_says_what_is_one(tool: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        tool_schemas([tool])


@pytest.mark.parametrize("tools", ["area", 3, b"x"])
def test_what_holds_no_tools_is_an_error(tools: Any) -> None:
    with pytest.raises(SchemaError, match="expected a list"):
        tool_schemas(tools)


def test_a_schema_without_a_function_cannot_be_run() -> None:
    with pytest.raises(SchemaError, match=r"tools\[1\].*'weather'.*Pass the Python function"):
        tools_by_name([area, WANTED])
