"""Describes how a structure is asked for, from the request that a call would send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ...errors import PrefillError
from ...protocol.request import ChatRequest, schema_note

__all__ = ["Sending", "sending"]

_CHARACTERS = 200_000
_LATER = {"json_schema": "by a schema", "tool": "by a tool call", "json_object": "as JSON", "prompt": "in words"}


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """How one type is asked for.

    Attributes:
        way: the way, in one line.
        notes: notes about the schema, and about an answer that does not fit.
        unenforced: the limits that the provider does not enforce, by place in the schema (``$.steps[].output``).
        parts: the parts of the request about it, as titles and texts.
        wrapped: whether the answer is sent under ``"value"``.
        held: whether the server enforces the schema.
    """

    way: str
    notes: tuple[str, ...]
    unenforced: dict[str, str]
    parts: tuple[tuple[str, str], ...]
    wrapped: bool
    held: bool = False


def sending(model: Any, type_: Any, beside: Mapping[str, Any] | None = None) -> Sending:
    """Return how a model is asked for a type.

    Args:
        model: the model.
        type_: the type.
        beside: further keywords of the call, such as ``tool_schemas`` or ``prefilling``.

    Raises:
        SchemaError: the type has no form that this provider takes.
        BadRequestError: the further keywords do not fit.
    """
    keywords = {**(beside or {}), "generation_schema": type_}
    try:
        request = model.plan("…", stream=True, **keywords)
    except PrefillError:  # the prefill editor shows it
        request = model.plan("…", stream=True, **{**keywords, "prefilling": None})
    body = msgspec.json.decode(request.body)
    wire, method = request.schema, request.schema_method or "prompt"
    assert wire is not None
    unenforced = dict(line.partition(": ")[::2] for line in wire.unenforced)
    return Sending(
        way=_way(request, body, model),
        notes=tuple(_notes(request, model)),
        unenforced=unenforced if method in ("json_schema", "tool") else {},
        parts=tuple((title, _cut(text)) for title, text in _parts(request, body)),
        wrapped=wire.wrapped,
        held=_form(request, body).get("strict") is True,
    )


def _way(request: ChatRequest, body: dict[str, Any], model: Any) -> str:
    """Say in one sentence who makes sure that the answer fits, and how it is asked for if the server refuses."""
    form, method = _form(request, body), request.schema_method or "prompt"
    if form.get("strict") is True:
        way = f"{model.name} is held to this by its server"
    else:
        way = f"{model.name} is asked for this {_LATER[method]}, and its server does not enforce it"
    later = [_LATER[method] for method in request.later_methods]
    return f"{way}; if it refuses, it is asked {', then '.join(later)}." if later else f"{way}."


def _form(request: ChatRequest, body: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the body with the schema; empty if there is none."""
    if request.schema_method == "json_schema":
        asked = _format(body)[1]
        inner = asked.get("json_schema", asked)
        return {"strict": True, **inner} if request.wire == "messages" else inner
    if request.schema_method == "tool":
        tool: dict[str, Any] = body["tools"][-1]
        flat: dict[str, Any] = tool.get("function", tool)
        return flat
    return {}


def _format(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return where and how a wire's request states the format of the answer; empty if it does not."""
    for title, place in (
        ("response_format", body),
        ("text.format", body.get("text")),
        ("output_config.format", body.get("output_config")),
    ):
        found = place.get(title.rpartition(".")[2]) if isinstance(place, dict) else None
        if isinstance(found, dict):
            return title, found
    return "", {}


def _notes(request: ChatRequest, model: Any) -> Iterator[str]:
    wire = request.schema
    assert wire is not None
    if not wire.strict:
        yield "It holds Any or a recursive type, which this provider's schemas cannot express in full."
    if wire.wrapped:
        yield 'A schema has to be an object here, so the answer travels under "value"; you get it without.'
    yield _misfit(model.profile.reasks)


def _misfit(reasks: int) -> str:
    if reasks == 0:
        return "An answer that does not fit is a ValidationFailedError; this model is not asked again."
    times = "once" if reasks == 1 else f"at most {reasks} times"
    return f"An answer that does not fit goes back with its error, {times}."


def _parts(request: ChatRequest, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    assert request.schema is not None
    title, form = _format(body)
    if title:
        yield title, _json(form)
    if request.schema_method == "tool":
        yield "the last of tools", _json(body["tools"][-1])
        yield "tool_choice", _json(body["tool_choice"])
    note = schema_note(request.schema)
    if any(note in text for text in _all_texts(body)):
        yield "in the messages", note
    if request.schema.unenforced:
        yield "written in descriptions only, and checked after decoding", "\n".join(request.schema.unenforced)


def _all_texts(body: dict[str, Any]) -> Iterator[str]:
    """Yield all texts of a request, on any wire."""
    for message in body.get("messages") or body.get("input") or ():
        yield from _texts(message.get("content"))
    for system in (body.get("system"), body.get("instructions")):
        yield from _texts(system)


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if isinstance(part.get("text"), str)]


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _cut(text: str) -> str:
    left = len(text) - _CHARACTERS
    return f"{text[:_CHARACTERS]}\n… {left:,} more characters" if left > 0 else text
