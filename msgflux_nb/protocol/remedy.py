"""Applies remedies: changes requests by what a model has refused before; pure.

A remedy is one change that is made in every later request to that model. If it drops something that the caller asked
for, ``metadata.warnings`` says so. ``refusal`` finds remedies in a server's answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from .profile import Profile, Wire

__all__ = ["Remedy", "is_asked", "on_wire", "profile_with", "remedied", "tool_fields", "without_strict"]

_OURS = {"responses": ("store", "stream_options")}
"""Fields that this package adds."""


class Remedy(msgspec.Struct, frozen=True):
    """One change of the requests to one model.

    Attributes:
        field: the refused field, or the refused role of a message.
        does: what is done with it.
        to: the new name, value or role; or the field with which it conflicts.
    """

    field: str
    does: Literal[
        "rename",
        "leave out",
        "set with tools",
        "give role",
        "drop strict",
        "set",
        "raise",
        "lower",
        "leave out with",
    ]
    to: str | None = None

    def __str__(self) -> str:
        said = {
            "rename": f"{self.field} is sent as {self.to}",
            "leave out": f"{self.field} is left out",
            "set with tools": f"{self.field} is {self.to!r} with tools",
            "give role": f"{self.field} messages are sent as {self.to} messages",
            "drop strict": "strict is left out" + (f" of the tool {self.to!r}" if self.to else ""),
            "set": f"{self.field} is asked for as {self.to}",
            "raise": f"{self.field} is at least {self.to}",
            "lower": f"{self.field} is at most {self.to}",
            "leave out with": f"{self.field} is left out with {self.to}",
        }
        return said[self.does]


def remedied(body: dict[str, Any], remedies: Iterable[Remedy], model: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a request's body with the remedies for its model, and warnings about what they change.

    Args:
        body: the body; it is not changed in place.
        remedies: the remedies for the model.
        model: the model's name, for the warnings.
    """
    warnings: list[str] = []
    for remedy in remedies:
        body, said = _applied(body, remedy, model)
        warnings += [said] if said else []
    return body, tuple(warnings)


def _applied(body: dict[str, Any], remedy: Remedy, model: str) -> tuple[dict[str, Any], str | None]:
    name, to = remedy.field, remedy.to
    if remedy.does == "drop strict":
        left = without_strict(body, to)
        of = f"of the tool {to!r}: {model} refuses its schema with it" if to else f"of the tools: {model} refuses it"
        return left, f"strict was left out {of}." if left.get("tools") != body.get("tools") else None
    if remedy.does == "give role":
        return _with_role(body, name, str(to), model)
    if remedy.does == "set with tools":
        if not body.get("tools") or body.get(name) == to:
            return body, None
        return {**body, name: to}, f"{name}={to!r} was sent: {model} does not reason with tools here."
    if name not in body or remedy.does in ("set", "raise", "lower", "leave out with"):  # see on_wire
        return body, None
    if remedy.does == "rename":
        return {(to if key == name and to else key): value for key, value in body.items()}, None
    left = {key: value for key, value in body.items() if key != name}
    return left, None if name == "stream_options" else f"{name}={body[name]!r} was left out: {model} does not take it."


def _with_role(body: dict[str, Any], role: str, to: str, model: str) -> tuple[dict[str, Any], str | None]:
    """Give messages another role; a new user message is joined with the next one, since turns have to alternate."""
    messages: list[dict[str, Any]] = []
    for message in body["messages"]:
        before = messages[-1] if messages else {}
        if message["role"] == role:
            messages.append({**message, "role": to, "_was": role} if to == "user" else {**message, "role": to})
        elif message["role"] == "user" and before.get("_was") and isinstance(before.get("content"), str):
            messages[-1] = {**message, "content": _joined(before["content"], message.get("content"))}
        else:
            messages.append(message)
    plain = [{key: value for key, value in message.items() if key != "_was"} for message in messages]
    if to != "user" or all(message["role"] != role for message in body["messages"]):
        return {**body, "messages": plain}, None
    said = f"the {role} message was sent as a user message: {model} takes no {role} messages."
    return {**body, "messages": plain}, said


def _joined(first: str, content: Any) -> Any:
    return [{"type": "text", "text": first}, *content] if isinstance(content, list) else f"{first}\n\n{content}"


def without_strict(body: dict[str, Any], tool: str | None = None) -> dict[str, Any]:
    """Return the body without ``strict`` in all schemas or in one tool's; answers are checked anyway."""
    found = dict(body)
    form = found.get("response_format")
    if isinstance(form, dict) and isinstance(form.get("json_schema"), dict) and tool is None:
        found["response_format"] = {**form, "json_schema": _less(form["json_schema"])}
    if isinstance(found.get("tools"), list):
        found["tools"] = [_eased(one) if tool in (None, _name(one)) else one for one in found["tools"]]
    return found


def _eased(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return {**_less(tool), "function": _less(function)} if isinstance(function, dict) else tool


def tool_fields(tool: Any) -> dict[str, Any]:
    """Return the object with a tool's name, schema and ``strict``; in chat completions that is ``function``."""
    function = tool.get("function") if isinstance(tool, dict) else {}
    found: dict[str, Any] = tool if function is None else function
    return found if isinstance(found, dict) else {}


def _name(tool: Any) -> Any:
    return tool_fields(tool).get("name")


def _less(form: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in form.items() if name != "strict"}


def profile_with(profile: Profile, remedies: Iterable[Remedy]) -> Profile:
    """Return a profile with the remedies that change it."""
    for remedy in remedies:
        if remedy.does == "set" and remedy.to in ("adaptive", "budget"):
            profile = msgspec.structs.replace(profile, thinking=remedy.to)
        elif remedy == Remedy("include", "leave out"):
            profile = msgspec.structs.replace(profile, encrypted_reasoning=False)
    return profile


def on_wire(
    body: dict[str, Any], remedies: Iterable[Remedy], wire: Wire, model: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a body in the form of its wire with the remedies for its model, and warnings about what they change."""
    warnings: list[str] = []
    for remedy in remedies:
        name, to = remedy.field, str(remedy.to)
        value = body.get(name)
        if value is None:
            continue
        if remedy.does == "leave out" and name in _OURS.get(wire, ()):
            body = _without(body, name)
            if name == "store":
                warnings.append(
                    f"store=False was left out, since {model} refuses it; the provider may keep the answer."
                )
        elif remedy.does == "raise" and value < int(to):
            body = {**body, name: int(to)}
            warnings.append(f"{name}={value} was sent as {to}, the least that {model} takes.")
        elif remedy.does == "lower" and value > int(to):
            body = _with_thinking_below({**body, name: int(to)}, int(to))
            warnings.append(f"{name}={value} was sent as {to}, the most that {model} takes.")
        elif remedy.does == "leave out with" and is_asked(body.get(to)):
            # A model that always thinks has to be told not to.
            body = {**body, name: {"type": "disabled"}} if name == "thinking" else _without(body, name)
            warnings.append(f"{name}={value!r} was left out: {model} does not take it with {to}.")
    return body, tuple(warnings)


def _with_thinking_below(body: dict[str, Any], most: int) -> dict[str, Any]:
    """Lower the thinking budget to half of all tokens if it would take them all."""
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("budget_tokens", 0) < most:
        return body
    return {**body, "thinking": {**thinking, "budget_tokens": max(1_024, most // 2)}}


def _without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def is_asked(value: Any) -> bool:
    """Return whether thinking is asked for, a call is forced, or any other field is set."""
    return value is not None and not (isinstance(value, dict) and value.get("type") in ("disabled", "auto", "none"))
