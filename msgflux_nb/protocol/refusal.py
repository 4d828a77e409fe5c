"""Finds the remedy for a request that a server refuses: which part to change, and how; pure.

Only a part that the server names is changed, and only if the answer keeps its meaning or carries a warning. Anything
else stays an error: ``stop`` and ``logprobs`` change the answer, and an unknown value has no other value that means the
same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from ..errors import BadRequestError, Fault, MsgfluxError
from .evidence import evidence_of
from .profile import Wire
from .remedy import Remedy, is_asked, tool_fields, without_strict

__all__ = ["remedy_of", "remedy_on"]

_RENAMED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_LEFT_OUT = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "random_seed", "parallel_tool_calls"),
    *("verbosity", "reasoning_effort", "stream_options"),
)
_VALUES_MATTER = ("verbosity", "reasoning_effort")  # another value may be accepted; the caller has to choose
_ROLES = ("system", "developer")
_NOT_TAKEN = (
    r"(?:unsupported|not (?:currently |yet )?(?:be )?(?:supported|permitted|allowed|available|enabled|recognized"
    r"|compatible)|n[o']t (?:currently )?(?:support|accept|allow|recognize|take)|unrecognized|unknown (?:name|parameter"
    r"|field|argument|request|variant|property)|extra (?:inputs|fields)|deprecated|unexpected|cannot find field"
    r"|only the default|\buse .{0,60}instead|not a valid (?:field|parameter|argument|property)"
    r"|incompatible|no longer supported|additional propert|only \d(?:\.\d+)? is allowed"
    r"|may only be set to 1|is not one of|argument not supported|invalid role)"
)
_REFUSED = re.compile(_NOT_TAKEN, re.I)
_WORDS = frozenset(("unsupportedparameter", "unknownparameter", "extraforbidden", "unsupportedvalue"))
_VALUE = re.compile(
    r"unsupported value|supported values|does not support '|must be one of|is not one of|invalid value", re.I
)
_LAST_NAME = re.compile(r"(?<![A-Za-z_])[A-Za-z_]++$")
_ROLE_PARAM = re.compile(r"messages\b.*role$")
_ABOUT_ROLES = re.compile(
    r"\brole|(?:system|developer) (?:message|prompt|instruction)|(?:variant|value|got)\W{1,4}(?:system|developer)\b"
    r"|['\"`](?:system|developer)['\"`] is not one of",
    re.I,
)
_DEVELOPER_INSTRUCTION = re.compile(r"developer instruction", re.I)
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_MOST = re.compile(
    r"(?:at most|<=|less than or equal to|(?:not|cannot) exceed|exceeds the model limit of|\d >"
    r"|range\D{0,40}\[\d+, ?)\W{0,3}(\d[\d,_]{0,11})",
    re.I,
)
_BELOW = re.compile(r"maxOutputTokens.{0,80}range is from \d+ \(inclusive\) to (\d{1,9}) \(exclusive\)", re.I)  # Vertex
_ABOUT_PROMPT = re.compile(r"context[ _]length|prompt|input tokens", re.I)
# Anthropic compiles all strict tools of a request into one grammar of limited size.
_NO_STRICT = re.compile(
    r"strict tools|compiled grammar|\.strict: extra inputs|too complex for compil|too many (?:optional )?parameters",
    re.I,
)
_BAD_TOOL = re.compile(r"invalid schema for function '([^']{1,64})'|tools\.(\d{1,3})\.custom: invalid schema", re.I)
_NO_THINKING = re.compile(r"not support thinking", re.I)  # Ollama
_TOOLS_AND_EFFORT = re.compile(r"tools? .{0,40}reasoning_effort|reasoning_effort.{0,80}\btools?\b", re.I)
# For one wire only.
_NESTED = {
    "responses": {"reasoning.effort": "reasoning_effort", "text.verbosity": "verbosity"},
    "messages": {"output_config.effort": "reasoning_effort"},
}
"""Options that a wire has inside an object, with their names."""
_MOST_LEAST = 1_024  # the largest minimum of tokens that is followed; OpenAI's minimum is 16
_LEAST = re.compile(r"max_output_tokens.{0,80}(?:>=|at least|minimum(?: value)? (?:of|is)) ?(\d{1,6})\b", re.I | re.S)
_ENCRYPTED = re.compile(r"encrypted.{0,20}not supported|reasoning\.encrypted_content", re.I)
_NO_BUDGET = re.compile(r"thinking\.type\.enabled\W{0,3} is not supported", re.I)
_NO_ADAPTIVE = re.compile(r"adaptive.{0,30}(?:is not supported|not support)|not support.{0,20}adaptive", re.I)
_NOT_BOTH = re.compile(r"temperature\W.{0,20}top_p\W.{0,20}cannot both", re.I)
_NOT_WITH_THINKING = re.compile(r"\b(temperature|top_p|top_k)\b.{0,100}\b(?:when|if|while) thinking", re.I | re.S)
_NOT_FORCED = re.compile(
    r"thinking\b.{0,100}(?:forces tool|tool_?choice|forced tool)|tool_?choice.{0,100}\bthinking", re.I | re.S
)
_LEVEL = re.compile(r"effort level|supported levels|unsupported value|supported values|invalid value", re.I)


def remedy_of(
    error: MsgfluxError,
    body: dict[str, Any],
    *,
    fixed: Collection[str] = (),
    known: Collection[Remedy] = (),
    first: Callable[[_Refusal], Remedy | None] | None = None,
) -> Remedy | None:
    """Return the change for a part that a server refuses by name; None if there is no remedy.

    Args:
        error: the server's answer.
        body: the request's body.
        fixed: fields that the caller wrote, which are not changed.
        known: the remedies so far; none is undone.
        first: finds remedies for a wire other than chat completions.
    """
    if not isinstance(error, BadRequestError) or error.fault not in (Fault.UNKNOWN, Fault.SETTINGS):
        return None
    evidence = evidence_of(error.status, error.body)
    places = [*_locations(error.body), *([evidence.param] if evidence.param else [])]
    refusal = _Refusal(evidence.prose, places, bool(_WORDS & {*evidence.words}))
    found = first(refusal) if first is not None else None
    found = found or _of_most(refusal, body) or _of_tools(refusal, body) or _of_roles(refusal, body)
    found = found or _of_fields(refusal, body, fixed) or _of_strict(refusal, body)
    if found is None or found.field in fixed or (found.does == "give role" and "messages" in fixed):
        return None
    touched = {one.field for one in known} | {one.to for one in known if one.does in ("rename", "give role")}
    goes_on = found.does == "lower" or (found.does, found.to) == ("give role", "user") or found.field == "strict"
    changed_back = found in known or (found.field in touched and not goes_on)
    return None if changed_back else found


class _Refusal(msgspec.Struct, frozen=True):
    """The contents of a refusal.

    Attributes:
        prose: its text.
        places: the places in the request that its fields name.
        by_code: whether its code says that a part is not accepted.
    """

    prose: str
    places: list[str]
    by_code: bool

    def refuses(self, name: str) -> bool:
        """Whether the refusal says that this field is not accepted."""
        if self.places:
            spelt = (name, _camel(name))
            return any(place in spelt or _last(place) in spelt for place in self.places) and self._refuses_something
        word = rf"(?<![\w.])(?:body\.)?(?:{re.escape(name)}|{_camel(name)})(?!\w)"
        near = rf"{word}.{{0,120}}?{_NOT_TAKEN}|{_NOT_TAKEN}.{{0,120}}?{word}"
        return re.search(near, self.prose, re.I | re.S) is not None

    @property
    def _refuses_something(self) -> bool:
        return self.by_code or _REFUSED.search(self.prose) is not None


def _of_tools(refusal: _Refusal, body: dict[str, Any]) -> Remedy | None:
    """Switch reasoning off for a model that cannot reason with tools; OpenAI's message says so."""
    if not body.get("tools") or body.get("reasoning_effort") == "none" or not _TOOLS_AND_EFFORT.search(refusal.prose):
        return None
    return Remedy("reasoning_effort", "set with tools", "none") if _REFUSED.search(refusal.prose) else None


def _of_fields(refusal: _Refusal, body: dict[str, Any], fixed: Collection[str]) -> Remedy | None:
    for name in (*_RENAMED, *_LEFT_OUT):
        thinks = name == "reasoning_effort" and _NO_THINKING.search(refusal.prose)
        if name not in body or name in fixed or not (thinks or refusal.refuses(name)):
            continue
        if name in _RENAMED:
            return None if _RENAMED[name] in body else Remedy(name, "rename", _RENAMED[name])
        if name in _VALUES_MATTER and _VALUE.search(refusal.prose):
            return None
        return Remedy(name, "leave out")
    return None


def _of_most(refusal: _Refusal, body: dict[str, Any]) -> Remedy | None:
    """Lower ``max_tokens`` to the model's maximum, which the server names; a too long prompt does not count."""
    text = " ".join([refusal.prose, *refusal.places])
    if not any(name in text for name in (*_LIMITS, "maximum tokens", "maxOutputTokens")) or _ABOUT_PROMPT.search(text):
        return None
    named = [int(re.sub("[,_]", "", number)) for number in _MOST.findall(text)]
    named += [int(number) - 1 for number in _BELOW.findall(text)]
    for name in _LIMITS:
        sent = body.get(name)
        most = next((number for number in named if type(sent) is int and 0 < number < sent), None)
        if most is not None:
            return Remedy(name, "lower", str(most))
    return None


def _of_roles(refusal: _Refusal, body: dict[str, Any]) -> Remedy | None:
    messages = body.get("messages")
    roles = {one.get("role") for one in messages if isinstance(one, dict)} if isinstance(messages, list) else set()
    about_roles = any(_ROLE_PARAM.search(place) for place in refusal.places) or _ABOUT_ROLES.search(refusal.prose)
    if not about_roles or not (_REFUSED.search(refusal.prose) or refusal.by_code):
        return None
    named = re.findall(r"\b(system|developer)\b", refusal.prose.lower())
    if not named:  # the refused role is named before the accepted ones
        return None
    if named[0] not in roles:  # Gemini calls a system message a developer instruction
        of_gemini = "system" in roles and _DEVELOPER_INSTRUCTION.search(refusal.prose)
        return Remedy("system", "give role", "user") if of_gemini else None
    other = _ROLES[1 - _ROLES.index(named[0])]
    takes_other = named[0] == "developer" or re.search(
        r"developer\W{0,3} (?:role|message)\w* instead", refusal.prose, re.I
    )
    return Remedy(named[0], "give role", other if takes_other else "user")


def _of_strict(refusal: _Refusal, body: dict[str, Any]) -> Remedy | None:
    """Leave ``strict`` out: of the tool that the server names, else of all tools."""
    tools = body.get("tools") or ()
    strict = {tool_fields(tool).get("name"): n for n, tool in enumerate(tools) if tool_fields(tool).get("strict")}
    if refusal.refuses("strict") or _NO_STRICT.search(refusal.prose):
        return Remedy("strict", "drop strict") if strict or without_strict(body) != body else None
    found = _BAD_TOOL.search(refusal.prose)
    name = found and next((name for name, n in strict.items() if found[1] == name or found[2] == str(n)), None)
    return Remedy("strict", "drop strict", name) if name else None


def _camel(name: str) -> str:
    """Return a field's name as xAI and Google write it in their messages."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _last(place: str) -> str:
    found = _LAST_NAME.search(place)
    return found.group() if found is not None else place


def _locations(body: Any) -> list[str]:
    """Return the places in pydantic's errors, as servers in Python send them: ``["body", "stream_options"]``."""
    details = body.get("detail", body.get("message")) if isinstance(body, dict) else None
    if isinstance(details, dict):
        details = details.get("detail")
    found = [one.get("loc") for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    return [".".join(map(str, place)) for place in found if isinstance(place, list) and place]


def remedy_on(
    wire: Wire,
    error: MsgfluxError,
    body: dict[str, Any],
    *,
    fixed: Collection[str] = (),
    known: Collection[Remedy] = (),
) -> Remedy | None:
    """Return what to change if a server names a part that it does not accept; None if there is no remedy.

    Args:
        wire: the wire of the request.
        error: the server's answer.
        body: the request's body.
        fixed: fields of the body that the caller wrote, which are not changed.
        known: the remedies so far; none is undone.
    """
    ours = {name: value for name, value in body.items() if name not in fixed}
    first = None if wire == "chat" else functools.partial(_of_responses if wire == "responses" else _of_messages, ours)
    return remedy_of(error, body, fixed=fixed, known=known, first=first)


def _of_responses(body: dict[str, Any], refusal: _Refusal) -> Remedy | None:
    least = _LEAST.search(refusal.prose)
    if least is not None and body.get("max_output_tokens", 10**9) < int(least[1]) <= _MOST_LEAST:
        return Remedy("max_output_tokens", "raise", least[1])
    if "include" in body and (_ENCRYPTED.search(refusal.prose) or refusal.refuses("include")):
        return Remedy("include", "leave out")
    if "store" in body and refusal.refuses("store"):
        return Remedy("store", "leave out")
    return _of_nested(refusal, body, "responses")


def _of_messages(body: dict[str, Any], refusal: _Refusal) -> Remedy | None:
    thinking = body.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind == "enabled" and _NO_BUDGET.search(refusal.prose):
        return Remedy("thinking", "set", "adaptive")
    if kind == "adaptive" and _NO_ADAPTIVE.search(refusal.prose):
        return Remedy("thinking", "set", "budget")
    if {"temperature", "top_p"} <= body.keys() and _NOT_BOTH.search(refusal.prose):
        return Remedy("top_p", "leave out with", "temperature")
    found = _NOT_WITH_THINKING.search(refusal.prose)
    if found is not None and found[1] in body and kind in ("enabled", "adaptive"):
        return Remedy(found[1], "leave out with", "thinking")
    if kind in ("enabled", "adaptive") and is_asked(body.get("tool_choice")) and _NOT_FORCED.search(refusal.prose):
        return Remedy("thinking", "leave out with", "tool_choice")
    return _of_nested(refusal, body, "messages")


def _of_nested(refusal: _Refusal, body: dict[str, Any], wire: str) -> Remedy | None:
    for path, option in _NESTED[wire].items():
        place, name = path.split(".")
        holder = body.get(place)
        if not isinstance(holder, dict) or name not in holder or _LEVEL.search(refusal.prose):
            continue
        if refusal.refuses(path) or refusal.refuses(name):
            return Remedy(option, "leave out")
    return None
