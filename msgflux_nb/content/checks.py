"""Checks the messages that a caller passes, before anything is sent, and returns them as a list.

Every entry point uses these checks: a call, the template of a batch, ``run_tools``, ``ChatBlock``, widgets.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..errors import BadRequestError, brief

__all__ = ["ROLES", "check_messages", "check_part", "check_role", "meant"]

ROLES = ("system", "developer", "user", "assistant", "tool", "function")

# Part types of chat completions, of the Responses API and of Anthropic's messages, and additions of some providers.
PARTS: dict[str, tuple[str, Any] | None] = {
    "text": ("text", str),
    "image_url": ("image_url", dict | str),
    "input_audio": ("input_audio", dict),
    "file": ("file", dict),
    "video_url": ("video_url", dict | str),
    "refusal": ("refusal", str),
    "input_text": ("text", str),
    "output_text": ("text", str),
    "input_image": None,
    "input_file": None,
    "input_video": None,
    "image": None,
    "document": None,
    "audio_url": None,
    "audio": None,
    "video": None,
    "file_url": None,
    "document_url": None,
    "image_file": None,
    "reference": None,
    "container_upload": None,
    "thinking": None,
    "redacted_thinking": None,
    "reasoning": None,
    "tool_use": None,
    "tool_result": None,
    "search_result": None,
    "server_tool_use": None,
    "web_search_tool_result": None,
}
"""For each part type, its required field and that field's type; None where the provider checks it."""

_AS_THEY_ARE = frozenset(
    {
        *("web_fetch_tool_result", "code_execution_tool_result", "bash_code_execution_tool_result"),
        *("text_editor_code_execution_tool_result", "tool_search_tool_result", "tool_reference", "tool_addition"),
        *("tool_removal", "mcp_tool_use", "mcp_tool_result", "mcp_tool_listing", "advisor_tool_result"),
        *("browser_state", "compaction", "fallback"),
    }
)
"""Part types of Anthropic's own tools; few people write them, so error messages do not list them."""

_EXAMPLE = 'mf.ChatBlock.user("Hello") builds one'


def meant(given: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` if the word is close to a known one, else an empty text."""
    found = difflib.get_close_matches(given, [*known], 1)
    return f" Did you mean {found[0]!r}?" if found else ""


def check_messages(messages: Any, parts: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return messages as a list: a text becomes a user message, a single message a list of one.

    Args:
        messages: what the caller passed; it is not changed.
        parts: more types of content parts that this provider accepts.

    Raises:
        BadRequestError: a message is malformed; the error says which one, and what was expected.
    """
    if isinstance(messages, str):
        if not messages.strip():
            raise BadRequestError("messages: the text is empty. Give a question, or a list of messages.")
        return [{"role": "user", "content": messages}]
    if type(messages) is not list:  # nearly always it is one
        messages = _iterable(messages)
    found = list(messages)
    if not found:
        raise BadRequestError("messages is empty; give a text, or a list with at least one message.")
    for position, message in enumerate(found):
        _check_message(message, f"messages[{position}]", parts)
    return found


def _iterable(messages: Any) -> Iterable[Any]:
    if isinstance(messages, Mapping):
        return [messages]
    if _is_table(messages) or isinstance(messages, bytes) or not isinstance(messages, Iterable):
        advice = " mf.extract(data, Schema, model=model) asks about each row of a table." if _is_table(messages) else ""
        raise BadRequestError(
            f"messages: expected a text or a list of messages, got {type(messages).__name__}; {_EXAMPLE}.{advice}"
        )
    return messages


def _check_message(message: Any, place: str, parts: Collection[str]) -> None:
    if not isinstance(message, dict):
        raise BadRequestError(
            f"{place}: expected a dict with role and content, got {type(message).__name__}; {_EXAMPLE}."
        )
    role = check_role(message, place)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise BadRequestError(
            f"{place}: the result of a tool has to say which call it answers: tool_call_id is missing. "
            "mf.ChatBlock.tool(call.id, result) builds it."
        )
    _check_content(message, role, place, parts)


def check_role(message: dict[str, Any], place: str) -> str:
    """Return the role of a message.

    Raises:
        BadRequestError: the message has no role, or one that no provider knows.
    """
    role = message.get("role")
    if role is None and message.get("type") in PARTS:
        raise BadRequestError(
            f"{place}: this is a content part of type {message['type']!r}, not a message. Put it into one: "
            "mf.ChatBlock.user(text, media=[part])."
        )
    if not isinstance(role, str):
        came = (
            f"role {brief(role, 40)}"
            if "role" in message
            else f"a dict with {', '.join(map(str, message)) or 'nothing'}"
        )
        raise BadRequestError(f"{place}: expected a role, one of {', '.join(ROLES)}; got {came[:120]}; {_EXAMPLE}.")
    if role not in ROLES:
        raise BadRequestError(
            f"{place}: expected a role, one of {', '.join(ROLES)}; got {brief(role, 40)}.{meant(role.lower(), ROLES)}"
        )
    return role


def _check_content(message: dict[str, Any], role: str, place: str, parts: Collection[str]) -> None:
    content = message.get("content")
    _check_calls(message.get("tool_calls"), place)
    if content is None:
        if role == "assistant" and (message.keys() - {"role", "content", "_msgflux"} or "content" in message):
            return  # calls, a refusal, sound, reasoning: sent back as the provider wrote it
        raise BadRequestError(
            f'{place}: expected content in the message of role "{role}", got none. Give a text, or a list of '
            "content parts."
        )
    if isinstance(content, str):
        return
    if not isinstance(content, list | tuple):
        raise BadRequestError(
            f"{place}.content: expected a text or a list of content parts, got {type(content).__name__}. "
            "mf.ChatBlock.user(text, media=[...]) builds a message with images, sound or files."
        )
    for number, part in enumerate(content):
        check_part(part, f"{place}.content[{number}]", parts)


def check_part(part: Any, place: str, parts: Collection[str] = ()) -> None:
    """Check one content part.

    Raises:
        BadRequestError: it is not a content part, or its type is unknown.
    """
    if isinstance(part, str):
        raise BadRequestError(
            f'{place}: expected a content part, got a str. Write {{"type": "text", "text": {brief(part, 40)}}}.'
        )
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        came = (
            f"a dict with {', '.join(map(str, part))[:80] or 'nothing'}"
            if isinstance(part, dict)
            else type(part).__name__
        )
        raise BadRequestError(
            f"{place}: expected a content part, a dict with a type, got {came}. mf.ChatBlock.text, .image, .audio and "
            ".file build them."
        )
    if kind in parts or kind in _AS_THEY_ARE:
        return
    if kind not in PARTS:
        raise BadRequestError(
            f"{place}: no content part is of type {brief(kind, 40)}.{meant(kind, PARTS)} The types are: "
            f'{", ".join(PARTS)}. If your server takes others, name them: profile={{"parts": [{brief(kind, 40)}]}}.'
        )
    needed = PARTS[kind]
    if needed is None:
        return
    field, types = needed
    inner = part.get(field)
    lacks_url = kind in ("image_url", "video_url") and isinstance(inner, dict) and not isinstance(inner.get("url"), str)
    if not isinstance(inner, types) or lacks_url:
        raise BadRequestError(f"{place}: {_wrong_field(part, kind, field)}")


def _check_calls(calls: Any, place: str) -> None:
    """Check the tool calls of an earlier turn: a caller's history may keep them in a form that is not the wire's."""
    if calls is None:
        return
    if not isinstance(calls, list | tuple):
        raise BadRequestError(f"{place}.tool_calls: expected a list of calls, got {type(calls).__name__}.")
    for number, call in enumerate(calls):
        inner = call.get(call.get("type", "function")) if isinstance(call, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            raise BadRequestError(
                f'{place}.tool_calls[{number}]: expected {{"id": ..., "type": "function", "function": {{"name": ..., '
                f'"arguments": "..."}}}}, got {brief(call, 80)}. response.to_messages() writes the turn.'
            )


def _wrong_field(part: dict[str, Any], kind: str, field: str) -> str:
    forms = {
        "image_url": '{"url": "https://... or data:..."}',
        "video_url": '{"url": "https://..."}',
        "input_audio": '{"data": base64, "format": "wav"}',
        "file": '{"filename": ..., "file_data": "data:..."}',
    }
    came = brief(part[field]) if field in part else f"a dict with {', '.join(map(str, part))[:60]}"
    return f"expected {field} in a part of type {kind!r}, {forms.get(kind, 'a str')}, got {came}."


def _is_table(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in ("pandas", "polars", "dask", "numpy", "pyarrow")
