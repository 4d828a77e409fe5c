"""Writes requests on Anthropic's Messages wire: translates the body of a chat completion; pure.

Source: https://docs.anthropic.com/en/api/messages, and recorded exchanges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import BadRequestError
from ..json_values import arguments_in
from ..profile import Profile
from ..tool_call import json_text
from ..turns import BLOCKS, ONLY_RESPONSES

__all__ = ["matches_blocks", "messages_body"]

_SAME = ("model", "temperature", "top_p", "stream", "service_tier", "metadata")
_MISSING = ("frequency_penalty", "presence_penalty", "seed", "verbosity")
_REFUSED = ("logprobs", "top_logprobs", "audio", "modalities")
_BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 24_576, "xhigh": 32_768, "max": 49_152}
"""Thinking tokens for each reasoning effort, for models that take a number."""
_OPENING = "(The conversation begins with an answer.)"
_CACHED = {"cache_control": {"type": "ephemeral"}}
_BLOCK_NONE = ("citations", "cache_control", "caller")  # fields that may be null in an answer, but not in a request


def messages_body(
    chat: dict[str, Any], profile: Profile, *, cache_prompt: bool = False
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Translate the body of a chat completion; also return warnings about what was left out.

    Args:
        chat: the body of a chat completion, as this package builds it; read, never changed.
        profile: the provider.
        cache_prompt: whether the provider caches the tools, the system text and all messages except the last.

    Raises:
        BadRequestError: this wire does not support part of the request.
    """
    for name in _REFUSED:
        if chat.get(name) not in (None, False):
            raise BadRequestError(f"{name}= does not exist on Anthropic's Messages wire. Leave it out.")
    missing = [name for name in _MISSING if chat.get(name) is not None]
    warnings = [f"left out, since Anthropic's Messages wire does not have it: {name}" for name in missing]
    system, others, moved = _system(chat["messages"])
    if moved:
        warnings.append("a system message was moved before the other messages, the only place where Anthropic takes it")
    messages = _merged(others)
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": [{"type": "text", "text": _OPENING}]})
        warnings.append("the history began with an answer; a short message of the user was put in front of it")
    body = {name: chat[name] for name in _SAME if name in chat}
    body["max_tokens"] = chat.get("max_tokens") or chat.get("max_completion_tokens") or profile.max_tokens
    body |= {"system": system} if system else {}
    body |= {"messages": [_shortened(message) for message in messages]} | _tools(chat)
    stop = chat.get("stop")
    body |= {"stop_sequences": [stop] if isinstance(stop, str) else list(stop)} if stop else {}
    body = _with_format(_with_thinking(body, chat, profile, warnings, messages), chat)
    return (_marked(body) if cache_prompt else body), tuple(warnings)


def _with_format(body: dict[str, Any], chat: dict[str, Any]) -> dict[str, Any]:
    form = chat.get("response_format")
    inner = form.get("json_schema") if isinstance(form, dict) else None
    if not isinstance(inner, dict):
        return body
    asked = {"format": {"type": "json_schema", "schema": inner.get("schema")}}
    return {**body, "output_config": {**body.get("output_config", {}), **asked}}


def _with_thinking(
    body: dict[str, Any],
    chat: dict[str, Any],
    profile: Profile,
    warnings: list[str],
    messages: list[dict[str, Any]],
) -> dict[str, Any]:
    """Ask for thinking: by a word if the model decides how much, else by a number of tokens."""
    effort = chat.get("reasoning_effort")
    if effort is None:
        return body
    if effort == "none":
        return {**body, "thinking": {"type": "disabled"}}
    if profile.thinking == "none":
        warnings.append("left out, since this model does not think: reasoning_effort")
        return body
    if profile.thinking == "adaptive":
        word = "low" if effort == "minimal" else effort
        return {**body, "thinking": {"type": "adaptive"}, "output_config": {"effort": word}}
    budget = _BUDGETS.get(str(effort))
    if budget is None:
        raise BadRequestError(f"reasoning_effort: expected one of none, {', '.join(_BUDGETS)}; got {effort!r}.")
    if _has_thoughtless_calls(messages):
        warnings.append("left out, since the earlier turn with calls was made without thinking: reasoning_effort")
        return body
    # max_tokens includes thinking, so the thinking budget is added to the caller's limit.
    limited = {**body, "max_tokens": body["max_tokens"] + budget}
    return {**limited, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _has_thoughtless_calls(messages: list[dict[str, Any]]) -> bool:
    """Whether the calls that the last results answer were made without thinking, which has to come before them."""
    at, kinds = len(messages) - 1, set[Any]()
    while at > 0 and messages[at]["content"][0].get("type") == "tool_result":
        kinds |= {block.get("type") for block in messages[at - 1]["content"]}
        at -= 2
    return bool(kinds) and not kinds & {"thinking", "redacted_thinking"}


def _marked(body: dict[str, Any]) -> dict[str, Any]:
    """Mark the ends of what the provider may cache: tools, system text, all messages except the last."""
    marked = dict(body)
    if marked.get("tools"):
        marked["tools"] = [*marked["tools"][:-1], {**marked["tools"][-1], **_CACHED}]
    system = marked.get("system")
    if system:
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        marked["system"] = [*blocks[:-1], {**blocks[-1], **_CACHED}]
    messages = marked["messages"]
    if len(messages) > 1:
        before = messages[-2]
        content = before["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        last = (
            {**blocks[-1], **_CACHED} if blocks[-1].get("type") not in ("thinking", "redacted_thinking") else blocks[-1]
        )
        marked["messages"] = [*messages[:-2], {**before, "content": [*blocks[:-1], last]}, messages[-1]]
    return marked


# Messages.


def _system(messages: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]], bool]:
    """Return the system text, the other messages, and whether a system message was among them."""
    found = [message for message in messages if message.get("role") in ("system", "developer")]
    others = [message for message in messages if message.get("role") not in ("system", "developer")]
    moved = messages[: len(found)] != found
    if len(found) == 1 and isinstance(found[0].get("content"), str):
        return found[0]["content"], others, moved
    blocks = [block for message in found for block in _blocks(message.get("content"))]
    return blocks, others, moved


def _merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge neighbours of one role, with results of calls first; leave out empty turns."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.get("role") == "assistant" else "user"
        blocks = list(_turn(message)) if role == "assistant" else list(_asked(message))
        if not blocks or (role == "assistant" and all(_is_blank(block) for block in blocks)):
            continue
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    for message in merged:
        if message["role"] == "user":
            message["content"].sort(key=lambda block: block.get("type") != "tool_result")  # the sort is stable
    return merged


def _shortened(message: dict[str, Any]) -> dict[str, Any]:
    """Send a message of one plain text block as a text."""
    blocks = message["content"]
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return {**message, "content": blocks[0]["text"]}
    return message


def _asked(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if message.get("role") in ("tool", "function"):
        content = message.get("content")
        said = (
            _blocks(content)
            if isinstance(content, list)
            else content
            if isinstance(content, str)
            else json_text(content)
        )
        name = message.get("tool_call_id") or message.get("name")
        failed = {"is_error": True} if message.get("is_error") else {}
        yield {"type": "tool_result", "tool_use_id": name, "content": said, **failed}
    else:
        yield from _blocks(message.get("content"))


def _turn(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an assistant turn: the received blocks if nobody has edited the turn, else its current content."""
    blocks = message.get(BLOCKS)
    if isinstance(blocks, list) and matches_blocks(message, blocks):
        yield from (_sent_back(block) for block in blocks if not _is_empty(block))
        return
    yield from _blocks(message.get("content") or message.get("refusal"))
    for call in _calls(message):
        function = call["function"]
        name = call.get("id") or function.get("name")
        yield {
            "type": "tool_use",
            "id": name,
            "name": function.get("name"),
            "input": arguments_in(function.get("arguments")),
        }


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls, legacy = message.get("tool_calls"), message.get("function_call")
    if isinstance(calls, list) and calls:
        named = [_as_function(call) for call in calls if isinstance(call, dict)]
        return [call for call in named if isinstance(call.get("function"), dict)]
    return [{"function": legacy}] if isinstance(legacy, dict) else []


def _as_function(call: dict[str, Any]) -> dict[str, Any]:
    """Turn a call with text input, which this wire does not have, into a call with one argument."""
    inner = call.get("custom")
    if not isinstance(inner, dict) or isinstance(call.get("function"), dict):
        return call
    return {**call, "function": {"name": inner.get("name"), "arguments": {"input": inner.get("input") or ""}}}


def matches_blocks(message: dict[str, Any], blocks: list[Any]) -> bool:
    """Return whether a turn still matches its received blocks, so that nobody has edited it."""
    found = [block for block in blocks if isinstance(block, dict)]
    text = "".join(str(block.get("text") or "") for block in found if block.get("type") == "text")
    called = {block.get("id"): block.get("input") or {} for block in found if block.get("type") == "tool_use"}
    calls = {call.get("id"): arguments_in(call["function"].get("arguments")) for call in _calls(message)}
    said = message.get("content") or ""
    return (said == text or (not said and bool(calls))) and called == calls


def _is_empty(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and not block.get("text")


def _is_blank(block: Any) -> bool:
    """Whether a block is only white space; the provider refuses a turn of nothing else."""
    return isinstance(block, dict) and block.get("type") == "text" and not str(block.get("text") or "").strip()


def _sent_back(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return {name: value for name, value in block.items() if value is not None or name not in _BLOCK_NONE}


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [block for part in content or () for block in _block(part)] if isinstance(content, list | tuple) else []


def _block(part: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(part, dict):
        yield {"type": "text", "text": str(part)}
        return
    match part.get("type"):
        case "text":
            if part.get("text"):
                yield {name: value for name, value in part.items() if name not in ONLY_RESPONSES}
        case "refusal":
            yield from _blocks(part.get("refusal"))
        case "image_url":
            source = part.get("image_url")
            url = source.get("url") if isinstance(source, dict) else source
            yield {**_beside(part, "image_url"), "type": "image", "source": _source(url)}
        case "file":
            yield {**_document(part.get("file")), **_beside(part, "file")}
        case "input_audio" | "video_url" as kind:
            raise BadRequestError(
                f'a content part of type "{kind}" does not exist on Anthropic\'s Messages wire. Leave it out, or ask a '
                "model of another provider. Nothing was sent."
            )
        case _:
            yield part


def _beside(part: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a part's other fields, such as ``citations`` of a file; a warning names those that this wire lacks."""
    kept = {name: value for name, value in part.items() if value is not None}
    return {name: value for name, value in kept.items() if name not in (source, "type", *ONLY_RESPONSES)}


def _source(url: Any) -> dict[str, Any]:
    if isinstance(url, str) and url[:5].lower() == "data:":
        head, _, data = url.partition(",")
        return {"type": "base64", "media_type": head[5:].partition(";")[0] or "image/png", "data": data}
    return {"type": "url", "url": url}


def _document(file: Any) -> dict[str, Any]:
    if not isinstance(file, dict):
        raise BadRequestError(f"a file part holds a dict with file_data, got {type(file).__name__}.")
    title = {"title": file["filename"]} if file.get("filename") else {}
    if file.get("file_id"):
        return {"type": "document", "source": {"type": "file", "file_id": file["file_id"]}, **title}
    source = _source(file.get("file_data") or file.get("file_url"))
    if str(source.get("media_type", "")).startswith("text/"):
        import base64

        text = base64.b64decode(source["data"]).decode("utf-8", "replace")
        source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, **title}


# Tools.


def _tools(chat: dict[str, Any]) -> dict[str, Any]:
    tools = [_tool(tool) for tool in chat.get("tools") or ()]
    if isinstance(chat.get("web_search_options"), dict):
        tools.append({"type": "web_search_20250305", "name": "web_search"})
    if not tools:
        return {}
    choice = _choice(chat.get("tool_choice"))
    if chat.get("parallel_tool_calls") is False and choice.get("type") != "none":
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": True}
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type") == "custom" and isinstance(tool.get("custom"), dict):
        raise BadRequestError(
            f"the custom tool {tool['custom'].get('name')!r} takes text as its input, which Anthropic's tools do not. "
            "Give it as a function with one parameter."
        )
    if tool.get("type") != "function" or not isinstance(function, dict):
        return tool
    said = {"description": function["description"]} if function.get("description") else {}
    strict = {"strict": True} if function.get("strict") else {}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function.get("name"), **said, "input_schema": schema, **strict}


def _choice(choice: Any) -> dict[str, Any]:
    if choice is None:
        return {}
    if isinstance(choice, dict):
        inner = choice.get("function")
        return {"type": "tool", "name": inner.get("name")} if isinstance(inner, dict) else choice
    return {"type": {"required": "any"}.get(str(choice), str(choice))}
