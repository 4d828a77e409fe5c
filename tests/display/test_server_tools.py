"""Tests how an answer shows what a provider's own tools did."""

from __future__ import annotations

from typing import Any

import pytest

from msgflux_nb.display.answer import answer_bundle
from msgflux_nb.display.server_tools import ServerTool, server_tool_cards, server_tool_words, server_tools
from tests.display.test_answer import HOSTILE, Answer

ITEMS: list[tuple[dict[str, Any], ServerTool]] = [
    (
        {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "rain in Oslo"}},
        ServerTool("web search", "rain in Oslo"),
    ),
    (
        {"type": "file_search_call", "queries": ["rain"], "results": [{"filename": "a.txt", "text": "wet"}]},
        ServerTool("file search", "rain", "a.txt"),
    ),
    (
        {"type": "code_interpreter_call", "code": "print(1)", "outputs": [{"type": "logs", "logs": "1"}]},
        ServerTool("code interpreter", "print(1)", "1"),
    ),
    (
        {"type": "image_generation_call", "revised_prompt": "a cat", "result": "AAAA"},
        ServerTool("image generation", "a cat"),
    ),
    (
        {"type": "mcp_call", "server_label": "wiki", "name": "ask", "arguments": '{"q":1}', "output": "yes"},
        ServerTool("mcp · wiki · ask", '{"q":1}', "yes"),
    ),
    (
        {"type": "mcp_call", "server_label": "wiki", "name": "ask", "arguments": "{}", "error": "no way"},
        ServerTool("mcp · wiki · ask", "{}", "no way", failed=True),
    ),
    (
        {"type": "mcp_list_tools", "server_label": "wiki", "tools": [{"name": "ask"}]},
        ServerTool("mcp list tools · wiki", '{"name": "ask"}'),
    ),
]
BLOCKS: list[tuple[dict[str, Any], Any, ServerTool]] = [
    (
        {"type": "server_tool_use", "name": "web_search", "input": {"query": "rain"}},
        [{"type": "web_search_result", "title": "Rain", "url": "https://x.org", "encrypted_content": "E"}],
        ServerTool("web search", "rain", "Rain https://x.org"),
    ),
    (
        {"type": "server_tool_use", "name": "web_search", "input": {"query": "rain"}},
        {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
        ServerTool("web search", "rain", "max_uses_exceeded", failed=True),
    ),
    (
        {"type": "server_tool_use", "name": "bash_code_execution", "input": {"command": "ls"}},
        {"type": "bash_code_execution_result", "stdout": "a", "stderr": "b", "return_code": 0},
        ServerTool("bash code execution", "ls", "a\nb"),
    ),
    (
        {"type": "mcp_tool_use", "server_name": "wiki", "name": "ask", "input": {"q": 1}},
        [{"type": "text", "text": "yes"}],
        ServerTool("wiki · ask", '{"q": 1}', "yes"),
    ),
]


@pytest.mark.parametrize(("item", "meant"), ITEMS, ids=lambda one: one.get("type") if isinstance(one, dict) else "")
def test_an_item_of_a_response_says_what_a_tool_did(item: dict[str, Any], meant: ServerTool) -> None:
    assert server_tools({"response_items": [{"type": "reasoning"}, item, {"type": "message"}]}) == [meant]


@pytest.mark.parametrize(("used", "came", "meant"), BLOCKS)
def test_a_block_of_a_message_says_what_a_tool_did(used: dict[str, Any], came: Any, meant: ServerTool) -> None:
    result = {"type": "some_tool_result", "tool_use_id": "t1", "content": came}
    assert server_tools({"content_blocks": [{"type": "text", "text": "Hi"}, {**used, "id": "t1"}, result]}) == [meant]


def test_calls_for_the_caller_are_not_among_the_server_tools() -> None:
    items = [{"type": "function_call", "name": "f"}, {"type": "custom_tool_call", "name": "g"}]
    assert server_tools({"response_items": items, "content_blocks": [{"type": "tool_use", "name": "h"}]}) == []


@pytest.mark.parametrize("wrong", [None, "x", {"a": 1}, [None, 1, "x", {}, {"type": None}, {"type": "shell_call"}]])
def test_a_value_that_is_not_a_list_of_items_is_ignored(wrong: Any) -> None:
    assert isinstance(server_tool_cards(server_tools({"response_items": wrong, "content_blocks": wrong})), str)


def test_what_a_tool_brings_is_text_and_never_html() -> None:
    call = {"type": "mcp_call", "server_label": HOSTILE, "name": HOSTILE, "arguments": HOSTILE, "output": HOSTILE}
    assert "<script>" not in server_tool_cards(server_tools({"response_items": [call]}))
    assert "<img" not in server_tool_cards(server_tools({"response_items": [{**call, "error": HOSTILE}]}))


def test_an_answer_shows_it_before_its_text() -> None:
    search = {"type": "web_search_call", "action": {"type": "search", "query": "rain in Oslo"}}
    bundle = answer_bundle(Answer("It rains.", fields={"response_items": [search]}))
    drawn = bundle["text/html"]
    assert drawn.index("rain in Oslo") < drawn.index("It rains.")
    assert bundle["text/plain"].startswith("[web search: rain in Oslo]\nIt rains.")


def test_a_long_list_is_cut() -> None:
    tools = [ServerTool("web search", f"query {number}") for number in range(50)]
    assert "10 more" in server_tool_cards(tools)
    assert len(server_tool_words(tools)) == 40


@pytest.mark.parametrize("field", ["action", "results"])
def test_deeply_nested_lists_are_shown_in_part(field: str) -> None:
    deep: Any = "rain"
    for _ in range(5_000):
        deep = [deep]
    (tool,) = server_tools({"response_items": [{"type": "web_search_call", field: deep}]})
    assert "…" in (tool.asked, tool.came)
