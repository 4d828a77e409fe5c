"""Writes the schemas of types that hold no others, and the limits of any type, in one dialect."""

from __future__ import annotations

from typing import Any

from msgspec import inspect

from . import nodes
from .dialect import BOUNDS, IN_WORDS, TEXT_FORMS, Rules
from .docs import class_doc
from .nodes import Node

__all__ = ["Leaves"]


class Leaves:
    """Writes the leaves and limits of one schema.

    Attributes:
        unenforced: by path, the limits that the dialect does not enforce, in words.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.unenforced: dict[str, dict[str, None]] = {}

    def leaf(self, info: inspect.Type, path: str) -> Node | None:
        """Return the schema of a type that holds no others; None for any other type."""
        match info:
            case inspect.NoneType():
                return {"type": "null"}
            case inspect.BoolType():
                return {"type": "boolean"}
            case inspect.IntType() | inspect.FloatType():
                return self._number(info, path)
            case inspect.StrType():
                return self.limited({"type": "string"}, _string_limits(info), path)
            case inspect.LiteralType(values=values):
                return nodes.enumeration(list(values))
            case inspect.EnumType(cls=cls):
                return _described(nodes.enumeration([member.value for member in cls]), cls)
        return self._text(info, path)

    def _text(self, info: inspect.Type, path: str) -> Node | None:
        form = TEXT_FORMS.get((type(info), None if self.rules.measured else getattr(info, "tz", None)))
        if form is None:
            return None
        by_format = self.rules.texts == "format"
        if by_format and form.format is not None and self._enforces("string", "format", form.format):
            return {"type": "string", "format": form.format}
        if not self._enforces("string", "pattern", form.pattern):
            self.note(path, form.words)
        elif not by_format:
            return {"type": "string", "pattern": form.pattern}
        else:
            return {"type": "string", "pattern": form.pattern, "description": form.words}
        return {"type": "string", "description": form.words}

    def _number(self, info: inspect.IntType | inspect.FloatType, path: str) -> Node:
        kind = "integer" if isinstance(info, inspect.IntType) else "number"
        limits = {"minimum": info.ge, "maximum": info.le, "exclusiveMinimum": info.gt, "exclusiveMaximum": info.lt}
        return self.limited({"type": kind}, {**limits, "multipleOf": info.multiple_of}, path)

    def limited(self, schema: Node, limits: dict[str, Any], path: str) -> Node:
        """Add limits: as keywords if the dialect enforces them, else in words."""
        words = []
        for keyword, value in limits.items():
            if value is None:
                continue
            has_pattern = "pattern" in schema and keyword in ("minLength", "maxLength")
            if self._enforces(schema["type"], keyword, value) and (self.rules.lengths_with_pattern or not has_pattern):
                schema[keyword] = value
            else:
                words.append(IN_WORDS[keyword].format(value))
        self.note(path, *words)
        return {**schema, "description": nodes.joined(schema.get("description"), *words)} if words else schema

    def _enforces(self, kind: str, keyword: str, value: Any) -> bool:
        rules = self.rules
        if keyword not in rules.keywords:
            return False
        if keyword == "pattern":
            simple = "(?" not in str(value)
            whole = str(value).startswith("^") and str(value).endswith("$")
            return rules.patterns == "any" or (simple and (whole or rules.patterns == "simple"))
        if keyword == "format":
            return rules.formats is None or value in rules.formats
        if keyword == "minItems":
            return rules.most_min_items is None or value <= rules.most_min_items
        return keyword not in BOUNDS or kind == "integer" or not rules.integers_only

    def note(self, path: str, *words: str) -> None:
        """Record what the description says about the value at ``path``."""
        if words:
            self.unenforced.setdefault(path, {}).update(dict.fromkeys(words))


def _string_limits(info: inspect.StrType) -> dict[str, Any]:
    return {"pattern": info.pattern, "minLength": info.min_length, "maxLength": info.max_length}


def _described(schema: Node, cls: Any) -> Node:
    """Add the docstrings of an enum and of its members; a number without one gets its member's name."""
    doc = class_doc(cls)
    own = {member: member.__doc__ for member in cls if isinstance(vars(member).get("__doc__"), str)}
    names = {member: member.name if isinstance(member.value, int) else None for member in cls}
    said = {member: own.get(member) or doc.parts.get(member.name) or names[member] for member in cls}
    members = "; ".join(f"{member.value}: {text}" for member, text in said.items() if text)
    words = nodes.joined(doc.text, members)
    return {**schema, "description": words} if words else schema
