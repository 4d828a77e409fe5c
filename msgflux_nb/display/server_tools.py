"""Reads and draws what a provider's own tools did for an answer. Every value is escaped.

The provider has run them: a web search, code, a file search, an image, a call of an MCP server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import msgspec

from .tool_cards import LINE, QUIET, bounded, wrong

__all__ = ["ServerTool", "server_tool_cards", "server_tool_words", "server_tools"]

_MOST = 40
_DEEPEST = 20  # lists in lists
_NOT_THEIRS = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})
_ASKED = ("action", "queries", "code", "arguments", "operation", "revised_prompt", "input", "tools")
"""Fields of an item with the request to the tool; the first one present counts."""
_CAME = ("results", "outputs", "output", "result")
_QUIET_NAMES = frozenset({"type", "status", "id"})


class ServerTool(msgspec.Struct, frozen=True):
    """One call of a provider's tool.

    Attributes:
        name: the tool, such as ``web search``; for MCP with its server.
        asked: the request to the tool, as text.
        came: the tool's result, as text.
        failed: whether the call failed.
    """

    name: str
    asked: str = ""
    came: str = ""
    failed: bool = False


def server_tools(fields: dict[str, Any]) -> list[ServerTool]:
    """Return the calls of the provider's tools, in order.

    Args:
        fields: the fields of a choice, with a response's output items (``response_items``) or a message's blocks
            (``content_blocks``).
    """
    return [*_of_items(_dicts(fields.get("response_items"))), *_of_blocks(_dicts(fields.get("content_blocks")))]


def server_tool_cards(tools: Sequence[ServerTool]) -> str:
    """Draw each call as one line that opens to show its request and its result."""
    left = len(tools) - _MOST
    more = f'<div style="{LINE}"><small>{left:,} more</small></div>' if left > 0 else ""
    return "".join(map(_card, tools[:_MOST])) + more


def server_tool_words(tools: Sequence[ServerTool]) -> list[str]:
    """Return one line of text for each call."""
    return [f"[{one.name}: {_line(one.asked)}{' – failed' if one.failed else ''}]" for one in tools[:_MOST]]


def _card(tool: ServerTool) -> str:
    mark = " <small>failed</small>" if tool.failed else ""
    head = f'<small style="{QUIET}">{escape(tool.name)}</small> {escape(_line(tool.asked))}{mark}'
    came = wrong(bounded(tool.came)) if tool.failed else bounded(tool.came)
    inner = f"{bounded(tool.asked)}{came}"
    drawn = f"<details><summary>{head}</summary>{inner}</details>" if inner else f"<div>{head}</div>"
    return f'<div style="{LINE}">{drawn}</div>'


def _of_items(items: list[dict[str, Any]]) -> Iterator[ServerTool]:
    for item in items:
        kind = str(item.get("type") or "")
        if kind in _NOT_THEIRS or not kind.endswith(("_call", "_list_tools", "_request")):
            continue
        name = kind.removesuffix("_call").replace("_", " ")
        server = [str(item[field]) for field in ("server_label", "name") if item.get(field)]
        asked = next((_plain(item[field]) for field in _ASKED if item.get(field)), "")
        # The image is shown elsewhere; its base64 would be megabytes.
        came = "" if kind == "image_generation_call" else next((_plain(item[at]) for at in _CAME if item.get(at)), "")
        failed = bool(item.get("error")) or item.get("status") in ("failed", "incomplete")
        yield ServerTool(" · ".join([name, *server]), asked, _plain(item.get("error")) or came, failed)


def _of_blocks(blocks: list[dict[str, Any]]) -> Iterator[ServerTool]:
    results = {block["tool_use_id"]: block for block in blocks if isinstance(block.get("tool_use_id"), str)}
    for block in blocks:
        if block.get("type") not in ("server_tool_use", "mcp_tool_use"):
            continue
        result = results.get(str(block.get("id")), {})
        content = result.get("content")
        failed = bool(result.get("is_error")) or (isinstance(content, dict) and _is_error(content))
        names = [str(block[field]) for field in ("server_name", "name") if block.get(field)]
        name = " · ".join(names).replace("_", " ")
        yield ServerTool(name, _plain(block.get("input")), _plain(content), failed)


def _is_error(content: dict[str, Any]) -> bool:
    return "error_code" in content or str(content.get("type")).endswith("_error")


def _plain(value: Any, depth: int = 0) -> str:
    """Return a value as text: the texts of a list of results, a program's output, a query; else JSON."""
    if value is None or value == "" or value == {}:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        inner = (_plain(one, depth + 1) for one in value) if depth < _DEEPEST else ("…",)
        return "\n".join(filter(None, inner))
    if not isinstance(value, dict):
        return str(value)
    kept = {name: one for name, one in value.items() if name not in _QUIET_NAMES and not name.startswith("encrypted")}
    titled = [str(kept[name]) for name in ("title", "filename", "url") if isinstance(kept.get(name), str)]
    if titled:
        return " ".join(titled)
    for name in ("query", "command", "code", "text", "logs", "error_code", "content"):
        if isinstance(kept.get(name), str) and kept[name]:
            return str(kept[name])
    printed = [str(kept[name]) for name in ("stdout", "stderr") if kept.get(name)]
    if printed:
        return "\n".join(printed)
    try:
        return json.dumps(kept, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__


def _line(text: str) -> str:
    first = " ".join(text.split())
    return first if len(first) <= 120 else f"{first[:120]}…"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
