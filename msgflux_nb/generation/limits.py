"""Checks that a schema is small enough for its provider, before anything is sent."""

from __future__ import annotations

from ..errors import SchemaError
from .dialect import SchemaLimits
from .nodes import Node

__all__ = ["check_limits"]


def check_limits(schema: Node, limits: SchemaLimits) -> None:
    """Check the size of a finished schema.

    Raises:
        SchemaError: the schema is too large; the message names the field that exceeds the limit, and the limit.
    """
    count = _Count(limits)
    count.walk(schema, "$", 0)
    for name, definition in schema.get("$defs", {}).items():
        count.add("characters", len(name), name)
        count.walk(definition, name, 0)


class _Count:
    """The counts so far. References are not followed, so each definition counts once, from its own root."""

    def __init__(self, limits: SchemaLimits) -> None:
        self.limits = limits
        self.counts = dict.fromkeys(_NOUNS, 0)

    def add(self, what: str, number: int, path: str) -> None:
        self.counts[what] += number
        most = getattr(self.limits, what)
        if self.counts[what] > most:
            self._refuse(path, most, _NOUNS[what])

    def walk(self, node: Node, path: str, depth: int) -> None:
        if node.get("type") in ("object", "array"):
            depth += 1
            if depth > self.limits.depth:
                self._refuse(path, self.limits.depth, "levels of objects and arrays inside each other")
        self._enum([str(value) for value in node.get("enum", ())], path)
        for name, inner in node.get("properties", {}).items():
            self.add("properties", 1, f"{path}.{name}")
            self.add("characters", len(name), f"{path}.{name}")
            self.walk(inner, f"{path}.{name}", depth)
        for branch in node.get("anyOf", ()):
            self.walk(branch, path, depth)
        if "items" in node:
            self.walk(node["items"], f"{path}[]", depth)

    def _enum(self, values: list[str], path: str) -> None:
        length = sum(map(len, values))
        if len(values) > self.limits.long_enum and length > self.limits.long_enum_characters:
            most = self.limits.long_enum_characters
            self._refuse(path, most, f"characters in an enum of more than {self.limits.long_enum} values")
        self.add("enum_values", len(values), path)
        self.add("characters", length, path)

    def _refuse(self, path: str, most: int, noun: str) -> None:
        raise SchemaError(
            f"{path}: with this field the schema has more than {most:,} {noun}, which is the limit of "
            f"{self.limits.reader}. Ask for fewer or shorter fields, or split the task over several calls."
        )


_NOUNS = {
    "properties": "properties",
    "enum_values": "values in its enums",
    "characters": "characters in the names of its fields and the values of its enums",
}
