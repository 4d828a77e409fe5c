"""Whether an answer to one schema may be decoded to another.

It may if the model was asked for the same: every field that is wanted now was wanted then, with the same name,
description, kind and choices. Bounds, formats and whether null is allowed may differ, since decoding checks them.
Fields that are no longer wanted do not matter.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..generation.schema import WireSchema

__all__ = ["reusable"]

_CHECKED_LATER = frozenset(
    (
        *("title", "default", "examples", "$comment", "format", "pattern", "minimum", "maximum", "exclusiveMinimum"),
        *("exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "required"),
        *("additionalProperties", "$defs", "definitions", "propertyOrdering", "nullable"),
    )
)
_DEEPEST = 32  # levels of references
_Pairs = frozenset[tuple[tuple[str, ...], tuple[str, ...]]]


def reusable(wanted: WireSchema, request: bytes) -> bool:
    """Return whether the answer to an earlier request may be decoded to the present schema.

    Args:
        wanted: the present schema.
        request: the body of the earlier request.
    """
    try:
        asked = _asked_schema(msgspec.json.decode(request))
    except (ValueError, RecursionError):  # another program may have written the store
        return False
    if asked is None:
        return False
    new = _Schema(wanted.schema, wanted.schema.get("$defs", {}))
    return _carries(new, _Schema(asked, asked.get("$defs", {})), frozenset())


class _Schema(msgspec.Struct, frozen=True):
    """A part of a JSON Schema, the definitions of its references, and the references that led here."""

    part: dict[str, Any]
    names: dict[str, Any]
    through: tuple[str, ...] = ()

    def resolved(self) -> _Schema:
        part, through = self.part, self.through
        for _ in range(_DEEPEST):
            reference = part.get("$ref")
            if not isinstance(reference, str):
                break
            found = self.names.get(reference.rpartition("/")[2])
            if not isinstance(found, dict):
                break
            through += (reference,)
            part = {**found, **{name: value for name, value in part.items() if name != "$ref"}}
        branches = [one for one in part.get("anyOf", ()) if one != {"type": "null"}]
        if len(branches) == 1 and isinstance(branches[0], dict):
            rest = {name: value for name, value in part.items() if name != "anyOf"}
            return _Schema({**branches[0], **rest}, self.names, through).resolved()
        return _Schema(part, self.names, through)

    def at(self, part: Any) -> _Schema:
        return _Schema(part if isinstance(part, dict) else {}, self.names)


def _asked_schema(body: Any) -> dict[str, Any] | None:
    """Return the schema in a request of any wire; None if only the prompt describes it."""
    try:
        form = body.get("response_format") or {}
        if form.get("type") == "json_schema":
            return dict(form["json_schema"]["schema"])
        for place in ("text", "output_config"):  # Responses, Messages
            form = (body.get(place) or {}).get("format") or {}
            if form.get("type") == "json_schema":
                return dict(form["schema"])
        (tool,) = body["tools"]
        tool = tool.get("function", tool)
        return dict(tool["parameters"] if "parameters" in tool else tool["input_schema"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _carries(new: _Schema, old: _Schema, above: _Pairs) -> bool:
    new, old = new.resolved(), old.resolved()
    pair = (new.through, old.through)
    if all(pair) and pair in above:  # a recursive type: equal if the rest is equal
        return True
    above |= {pair}
    for name in new.part.keys() | old.part.keys():
        if name in _CHECKED_LATER:
            continue
        here, there = new.part.get(name), old.part.get(name)
        if name == "properties":
            same = isinstance(here, dict) and isinstance(there, dict) and _fields(new, here, old, there, above)
        elif name in ("items", "anyOf", "prefixItems"):
            same = _parts(new, here, old, there, above)
        elif name == "type":
            same = _kinds(here) == _kinds(there)
        elif name == "enum":
            same = _choices(here) == _choices(there)
        else:
            same = here == there
        if not same:
            return False
    return True


def _fields(new: _Schema, here: dict[str, Any], old: _Schema, there: dict[str, Any], above: _Pairs) -> bool:
    return all(name in there and _carries(new.at(part), old.at(there[name]), above) for name, part in here.items())


def _parts(new: _Schema, here: Any, old: _Schema, there: Any, above: _Pairs) -> bool:
    if isinstance(here, dict) and isinstance(there, dict):
        return _carries(new.at(here), old.at(there), above)
    if not isinstance(here, list) or not isinstance(there, list):
        return bool(here == there)
    mine, theirs = ([one for one in parts if one != {"type": "null"}] for parts in (here, there))
    pairs = zip(mine, theirs, strict=False)
    return len(mine) == len(theirs) and all(_carries(new.at(a), old.at(b), above) for a, b in pairs)


def _kinds(kind: Any) -> set[Any]:
    return set(kind if isinstance(kind, list) else [kind]) - {"null"}


def _choices(values: Any) -> set[str]:
    return {repr(value) for value in values or [] if value is not None}
