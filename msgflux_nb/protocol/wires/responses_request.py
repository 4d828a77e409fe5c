"""Writes requests on OpenAI's Responses wire: translates the body of a chat completion; pure.

The content stays the same; only names and places differ. The provider stores nothing (``store: false``), so the output
items of earlier turns, including encrypted reasoning, are sent back in order with the calls that they led to.

Source: https://platform.openai.com/docs/api-reference/responses/create, and recorded exchanges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import BadRequestError
from ..profile import Profile
from ..tool_call import json_text
from ..turns import ITEMS, ONLY_MESSAGES
from .responses_items import final_text

__all__ = ["CHAT_ONLY", "matches_items", "responses_body"]

CHAT_ONLY = frozenset({"audio", "frequency_penalty", "modalities", "presence_penalty", "seed", "stop"})
"""Options that this wire does not have."""

_SAME = (
    *("model", "temperature", "top_p", "top_logprobs", "parallel_tool_calls", "service_tier", "stream", "user"),
    *("metadata", "prompt_cache_key", "safety_identifier"),
)
_LIMITS = ("max_tokens", "max_completion_tokens")
_ENCRYPTED, _LOGPROBS = "reasoning.encrypted_content", "message.output_text.logprobs"
_ITEM_FIELDS = {
    # OpenRouter adds a signature, and the format of what is encrypted.
    "reasoning": ("id", "type", "summary", "encrypted_content", "content", "signature", "format"),
    "function_call": ("id", "type", "call_id", "name", "arguments", "namespace", "caller"),
    "custom_tool_call": ("id", "type", "call_id", "name", "input", "namespace", "caller"),
    "message": ("id", "type", "role", "content", "phase", "status"),
}
"""The fields of each item that are sent back; items of other types are sent back unchanged."""


def responses_body(chat: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """Translate the body of a chat completion.

    Args:
        chat: the body of a chat completion, as this package builds it; read, never changed.
        profile: the provider.

    Raises:
        BadRequestError: this wire does not support part of the request.
    """
    # Only llama.cpp's server has a forced_call; it needs a stop text, and accepts one on this wire.
    same = (*_SAME, "stop") if profile.forced_call is not None else _SAME
    for name in sorted((CHAT_ONLY & chat.keys()).difference(same)):
        raise BadRequestError(
            f'{name}= does not exist on the Responses wire. Leave it out, or ask by chat completions with wire="chat".'
        )
    body = {name: chat[name] for name in same if name in chat}
    instructions, messages = _instructions(chat["messages"])
    if instructions is not None:
        body["instructions"] = instructions
    body["input"] = list(_items(messages))
    body |= _limits(chat) | _text(chat) | _tools(chat)
    if chat.get("reasoning_effort") is not None:
        body["reasoning"] = {"effort": chat["reasoning_effort"]}
    wanted = [_ENCRYPTED] if profile.encrypted_reasoning else []
    wanted += [_LOGPROBS] if chat.get("logprobs") else []
    body |= {"include": wanted} if wanted else {}
    if chat.get("stream"):  # the padding against eavesdroppers is not needed here
        body["stream_options"] = {"include_obfuscation": False}
    return {**body, "store": False}


def _instructions(messages: list[dict[str, Any]]) -> tuple[str | None, list[dict[str, Any]]]:
    """Return the leading system text, and the other messages."""
    first = messages[0]
    if first.get("role") not in ("system", "developer") or not isinstance(first.get("content"), str):
        return None, messages
    return first["content"], messages[1:]


def _limits(chat: dict[str, Any]) -> dict[str, Any]:
    return next(({"max_output_tokens": chat[name]} for name in _LIMITS if chat.get(name) is not None), {})


def _text(chat: dict[str, Any]) -> dict[str, Any]:
    """Return the fields for a structure and for verbosity."""
    text: dict[str, Any] = {}
    form = chat.get("response_format")
    if isinstance(form, dict):
        inner = form.get("json_schema")
        text["format"] = {"type": form.get("type"), **inner} if isinstance(inner, dict) else form
    if chat.get("verbosity") is not None:
        text["verbosity"] = chat["verbosity"]
    return {"text": text} if text else {}


# Tools.


def _tools(chat: dict[str, Any]) -> dict[str, Any]:
    tools = [_tool(tool) for tool in chat.get("tools") or ()]
    if isinstance(chat.get("web_search_options"), dict):
        tools.append({"type": "web_search", **chat["web_search_options"]})
    fields: dict[str, Any] = {"tools": tools} if tools else {}
    choice = chat.get("tool_choice")
    if isinstance(choice, dict):
        kind = str(choice.get("type"))
        inner = choice.get(kind)
        choice = {"type": kind, **inner} if isinstance(inner, dict) else choice
    return fields if choice is None else {**fields, "tool_choice": choice}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool without its inner object. ``strict`` is always sent, since this wire defaults to true."""
    kind = tool.get("type")
    inner = tool.get(str(kind))
    if kind == "function" and isinstance(inner, dict):
        return {"type": "function", **inner, "strict": bool(inner.get("strict", False))}
    if kind == "custom" and isinstance(inner, dict):
        form = inner.get("format")
        grammar = form.get("grammar") if isinstance(form, dict) else None
        flat = {"format": {"type": "grammar", **grammar}} if isinstance(grammar, dict) else {}
        return {"type": "custom", **inner, **flat}
    return tool


# Messages.


def _items(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    custom: set[Any] = set()  # ids of calls whose input is text
    for message in messages:
        role = message.get("role")
        if role == "assistant":
            items = list(_turn(message))
            custom |= {item.get("call_id") for item in items if item.get("type") == "custom_tool_call"}
            yield from items
        elif role in ("tool", "function"):
            name = message.get("tool_call_id") or message.get("name")
            kind = "custom_tool_call_output" if name in custom else "function_call_output"
            yield {"type": kind, "call_id": name, "output": _output(message.get("content"))}
        else:
            yield {"role": role, "content": _content(message.get("content"))}


def _turn(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an assistant turn: the received items if nobody has edited the turn, else its current content."""
    items = message.get(ITEMS)
    if isinstance(items, list) and matches_items(message, items):
        yield from (_sent_back(item) for item in items)
        return
    content = message.get("content") or message.get("refusal")
    if content:
        # The type is optional in a user message, but llama.cpp requires it in an assistant message.
        yield {
            "type": "message",
            "role": "assistant",
            "content": content if isinstance(content, str) else _assistant_parts(content),
        }
    for call in _calls(message):
        function, inner = call.get("function"), call.get("custom")
        if isinstance(inner, dict) and not isinstance(function, dict):
            said = {"name": inner.get("name"), "input": inner.get("input") or ""}
            yield {"type": "custom_tool_call", "call_id": call.get("id"), **said}
        elif isinstance(function, dict):
            arguments = function.get("arguments")
            text = arguments if isinstance(arguments, str) else json_text(arguments or {})
            named = {"call_id": call.get("id") or function.get("name"), "name": function.get("name")}
            yield {"type": "function_call", **named, "arguments": text}


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    legacy = message.get("function_call")
    if isinstance(calls, list) and calls:
        return [call for call in calls if isinstance(call, dict)]
    return [{"function": legacy}] if isinstance(legacy, dict) else []


def matches_items(message: dict[str, Any], items: list[Any]) -> bool:
    """Return whether a turn still matches its received items, so that nobody has edited it."""
    found = [item for item in items if isinstance(item, dict)]
    texts = "".join(
        str(part.get("text") or part.get("refusal") or "")
        for item in found
        if item.get("type") == "message" and isinstance(item.get("content"), list)
        for part in item["content"]
        if isinstance(part, dict)
    )
    names = [item.get("call_id") or item.get("id") for item in found if str(item.get("type")).endswith("tool_call")]
    names += [item.get("call_id") or item.get("id") for item in found if item.get("type") == "function_call"]
    called = {item.get("call_id"): item.get("arguments", item.get("input")) for item in found if item.get("call_id")}
    said = message.get("content") or message.get("refusal") or ""
    calls = _calls(message)
    if said not in ("", texts, final_text(found)) or (texts and not said and not calls):
        return False
    return sorted(map(str, names)) == sorted(str(call.get("id")) for call in calls) and all(
        _same_arguments(call, called.get(call.get("id"))) for call in calls
    )


def _same_arguments(call: dict[str, Any], came: Any) -> bool:
    inner = call.get("function") or call.get("custom") or {}
    said = inner.get("arguments", inner.get("input"))
    return bool(said == came) or (said in ("{}", "", None) and came in ("{}", "", None, {}))


def _sent_back(item: Any) -> Any:
    names = _ITEM_FIELDS.get(str(item.get("type"))) if isinstance(item, dict) else None
    if names is None:
        return item
    kept = {name: item[name] for name in names if item.get(name) not in (None, [], "") or name == "arguments"}
    if item.get("type") == "reasoning":
        return {"summary": [], **kept}
    return {"arguments": "", **kept} if item.get("type") == "function_call" else kept


def _content(content: Any) -> Any:
    return [_part(part) for part in content] if isinstance(content, list) else content


def _assistant_parts(parts: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for part in parts:
        text, refusal = (part.get("text"), part.get("refusal")) if isinstance(part, dict) else (None, None)
        kept += [{"type": "output_text", "text": text}] if isinstance(text, str) else []
        kept += [{"type": "refusal", "refusal": refusal}] if isinstance(refusal, str) else []
    return kept


def _output(content: Any) -> Any:
    """Return a call's result: text or parts."""
    if isinstance(content, list):
        return _content(content)
    return content if isinstance(content, str) else json_text(content)


def _part(part: Any) -> Any:
    if not isinstance(part, dict):
        return {"type": "input_text", "text": str(part)}
    match part.get("type"):
        case "text":
            return {**_beside(part), "type": "input_text"}
        case "image_url":
            source = part.get("image_url")
            source = source if isinstance(source, dict) else {"url": source}
            detail = {"detail": source["detail"]} if source.get("detail") else {}
            return {**_beside(part, "image_url"), "type": "input_image", "image_url": source.get("url"), **detail}
        case "file":
            file = part["file"] if isinstance(part.get("file"), dict) else {}
            return {**_beside(part, "file"), "type": "input_file", **file}
        case "input_audio" | "video_url" as kind:
            raise BadRequestError(
                f'a content part of type "{kind}" does not exist on the Responses wire. Use a model that takes it by '
                'chat completions: wire="chat".'
            )
    return part


def _beside(part: dict[str, Any], source: str = "") -> dict[str, Any]:
    """Return a part's other fields, such as ``detail`` of a file; a warning names those that this wire lacks."""
    return {name: value for name, value in part.items() if name not in (source, "type", *ONLY_MESSAGES)}
