"""Forecasts what a provider will do with the start of an answer, from the request that a call would send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ...display.structure import type_name
from ...errors import MsgfluxError
from ...protocol.request import ChatRequest

__all__ = ["Outlook", "outlook_of", "starts"]

_STARTS = (
    ("step by step", "Let's think step by step."),
    ("the answer", "The answer is"),
    ("a JSON object", "{"),
    ("a Python fence", "```python"),
    ("a numbered list", "1."),
    ("a list", "-"),
)
_WHITE = {" ": "space", "\t": "tab", "\n": "line break"}


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The forecast for a start.

    Attributes:
        kind: ``none``, ``continued``, ``tried``, ``emulated``, ``rejected`` or ``impossible``.
        word: the kind in a word, for display.
        text: what will happen, or the error that the call would raise.
        space: a note about white space at its end; empty without one.
    """

    kind: str
    word: str
    text: str
    space: str = ""


def outlook_of(model: Any, start: str, schema: Any = None, beside: Mapping[str, Any] | None = None) -> Outlook:
    """Return what a model's provider will do with ``start``.

    Args:
        model: the model.
        start: the start of the answer.
        schema: the type to decode to, or None for text.
        beside: further keywords of the call.
    """
    try:
        request = _planned(model, start, None, beside)
    except MsgfluxError as error:
        return Outlook(kind="rejected", word="rejected", text=str(error))
    if schema is not None:
        try:
            request = _planned(model, start, schema, beside)
        except MsgfluxError as error:
            return Outlook(kind="impossible", word=f"impossible for {type_name(schema)}", text=str(error))
    if not request.prefill:
        text = (
            "White space alone is not a start: the model begins by itself." if start else "The model begins by itself."
        )
        return Outlook(kind="none", word="no start", text=text)
    kind, word, text = _treatment(request, model.name)
    remarks = [text, *_remarks(request, model, schema, beside)]
    return Outlook(kind=kind, word=word, text=" ".join(remarks), space=_space(request, model.name))


def starts(
    model: Any, given: Mapping[str, str], schema: Any = None, beside: Mapping[str, Any] | None = None
) -> list[tuple[str, str, str]]:
    """List starts to offer, as group, label and text; of ours, only those that this model can take.

    Args:
        model: the model.
        given: the user's own starts, by label.
        schema: the type to decode to, or None for text.
        beside: further keywords of the call.
    """
    usual = _STARTS if schema is None else tuple(_of_structure(model, schema))
    group = "usual" if schema is None else type_name(schema)
    possible = [(group, *one) for one in usual if outlook_of(model, one[1], schema, beside).kind != "impossible"]
    return [*(("yours", label, text) for label, text in given.items()), *possible]


def _of_structure(model: Any, schema: Any) -> Iterator[tuple[str, str]]:
    """Return the beginning of a structure's JSON with its first key, from its request."""
    yield "an object", "{"
    try:
        wire = _planned(model, "", schema).schema
    except MsgfluxError:
        return
    if wire is None or not wire.schema["properties"]:
        return
    name, node = next(iter(wire.schema["properties"].items()))
    key = msgspec.json.encode(name).decode()
    yield "its first field", f"{{{key}:" + (' "' if node.get("type") == "string" else "")


def _planned(model: Any, start: str, schema: Any, beside: Mapping[str, Any] | None = None) -> ChatRequest:
    """Return the request that a streamed call would send first; uses a start in ``beside`` if there is no other."""
    keywords = {**(beside or {}), **({"prefilling": start} if start else {})}
    request: ChatRequest = model.plan("…", stream=True, generation_schema=schema, **keywords)
    return request


def _treatment(request: ChatRequest, name: str) -> tuple[str, str, str]:
    if request.emulated:
        text = f"{name} is asked to begin this way, but nothing enforces it; whether it did is checked afterwards."
        return "emulated", "asked for in words", text
    if request.echoed is None:
        text = f"{name} goes on from here. Whether it repeats the start is tried once, by a short request before yours."
        return "tried", "tried first", text
    if request.echoed:
        return "continued", "continues", f"{name} goes on from here; it repeats the start, which is shown once."
    return "continued", "continues", f"{name} goes on from here."


def _remarks(request: ChatRequest, model: Any, schema: Any, beside: Mapping[str, Any] | None) -> Iterator[str]:
    if request.base_url is not None:
        yield f"It is sent to {request.base_url}."
    if schema is None:
        return
    without = _planned(model, "", schema, beside).schema_method
    if without != request.schema_method:
        yield f"With a start, {type_name(schema)} is asked for by {request.schema_method} instead of {without}."


def _space(request: ChatRequest, name: str) -> str:
    white = request.prefill[len(request.prefill.rstrip()) :]
    if not white:
        return ""
    said = _spoken(white)
    sent = msgspec.json.decode(request.body)["messages"][-1]["content"]
    if not request.emulated and isinstance(sent, str) and not sent.endswith(white):
        return f"It ends with {said}, which {name} does not take; it is not sent."
    if white.strip("\n") == "":
        return ""  # harmless: a new word begins after a line break
    return f"It ends with {said}, after which many models write badly."


def _spoken(white: str) -> str:
    kinds = set(white)
    word = _WHITE.get(white[0], "white space") if len(kinds) == 1 else "white space"
    if word == "white space":
        return word
    return f"a {word}" if len(white) == 1 else f"{len(white)} {word}s"
