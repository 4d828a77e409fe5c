"""Checks any schema by OpenAI's documented rules of strict mode.

Written from https://platform.openai.com/docs/guides/structured-outputs ("Supported schemas"), not from our code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

KEYWORDS = {
    "string": {"enum", "pattern", "format"},
    "integer": {"enum", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "number": {"enum", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "boolean": set(),
    "null": set(),
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "required", "additionalProperties"},
}
FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


def strict_problems(schema: dict[str, Any]) -> list[str]:
    """Return everything in a schema that strict mode refuses, each with its place."""
    found = [] if schema.get("type") == "object" else ["$: the root is no object"]
    found += [f"$: {word} at the root" for word in ("$ref", "anyOf") if word in schema]
    body = {word: value for word, value in schema.items() if word != "$defs"}
    definitions = schema.get("$defs", {})
    for path, node in [("$", body), *((f"$defs.{name}", node) for name, node in definitions.items())]:
        for place, inner in walk(node, path):
            found += [f"{place}: {problem}" for problem in _problems(inner, definitions)]
    return found


def walk(node: dict[str, Any], path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every node of a schema with its place; references are not followed."""
    yield path, node
    inner = {f".{name}": value for name, value in node.get("properties", {}).items()}
    inner |= {f".anyOf[{i}]": branch for i, branch in enumerate(node.get("anyOf", []))}
    inner |= {f".{name}": node["$defs"][name] for name in node.get("$defs", {})}
    inner |= {f".{word}": node[word] for word in ("items", "additionalProperties") if isinstance(node.get(word), dict)}
    for place, value in inner.items():
        yield from walk(value, path + place)


def _problems(node: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    if "$ref" in node:
        yield from [f"{word} beside $ref" for word in node if word != "$ref"]
        if node["$ref"].removeprefix("#/$defs/") not in definitions:
            yield f"{node['$ref']} is not defined"
        return
    if "anyOf" in node:
        yield from [f"{word} beside anyOf" for word in node if word not in ("anyOf", "description")]
        yield from _first_keys(node["anyOf"])
        return
    kinds = node.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not kinds:
        yield "no type"
        return
    allowed = {"type", "description"}.union(*(KEYWORDS[kind] for kind in kinds))
    yield from [f"{word} is not allowed" for word in node if word not in allowed]
    yield from _values(node, kinds)


def _values(node: dict[str, Any], kinds: list[str]) -> Iterator[str]:
    if "object" in kinds:
        if node.get("additionalProperties") is not False:
            yield "an open object"
        yield from [
            f"{name} is not required" for name in node.get("properties", ()) if name not in node.get("required", ())
        ]
    if "array" in kinds and "items" not in node:
        yield "an array without items"
    if "format" in node and node["format"] not in FORMATS:
        yield f"the format {node['format']}"
    python = {"string": str, "integer": int}
    if "enum" in node and not all(isinstance(value, python[kinds[0]]) for value in node["enum"]):
        yield "an enum of other values than its type"


def _first_keys(branches: list[dict[str, Any]]) -> Iterator[str]:
    """Objects of one anyOf have to differ in their first key, or in its only allowed value."""
    firsts = []
    for branch in branches:
        for name, node in list(branch.get("properties", {}).items())[:1]:
            firsts.append((name, *(node["enum"] if len(node.get("enum", ())) == 1 else ())))
    if len(set(firsts)) < len(firsts):
        yield "objects of an anyOf that begin with the same key"
