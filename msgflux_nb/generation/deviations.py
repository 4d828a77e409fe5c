"""Warnings about where a decoded value differs from what the model wrote, as sentences."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

__all__ = ["conversions", "left_out_keys", "repeated_keys"]

_KEY = re.compile(r'"([^"\\]*)"\s*:')
_SHOWN = 3
_DEPTH = 12
_CHARACTERS = 40


def repeated_keys(text: str) -> tuple[str, ...]:
    """Name the keys that an object of the JSON text repeats; the last value counts."""
    keys = _KEY.findall(text)
    if len(set(keys)) == len(keys):
        return ()
    found: dict[str, None] = {}

    def note(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            found.update(dict.fromkeys(name for name, count in counts.items() if count > 1))

    try:
        json.loads(text, object_pairs_hook=note)
    except (ValueError, RecursionError):
        return ()
    return tuple(
        f"the model's JSON had the key {_cut(repr(name))} more than once in an object; the last value counts."
        for name in list(found)[:_SHOWN]
    )


def left_out_keys(text: str, schema: dict[str, Any]) -> tuple[str, ...]:
    """Name the keys of the JSON text that its schema does not know; their values are lost.

    Args:
        text: JSON.
        schema: the schema that was sent to the provider.
    """
    try:
        found = [*islice(_foreign(msgspec.json.decode(text), schema, schema.get("$defs", {}), _DEPTH), _SHOWN)]
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return ()
    return tuple(
        f"the model's JSON had the key {_cut(repr(name))}, which was not asked for; it was left out." for name in found
    )


def _foreign(value: Any, node: Any, known: dict[str, Any], depth: int) -> Iterator[str]:
    """Yield the keys that are no property of their object; unions are not checked."""
    if not isinstance(node, dict) or not depth:
        return
    if "$ref" in node:
        yield from _foreign(value, known.get(str(node["$ref"]).removeprefix("#/$defs/")), known, depth - 1)
    elif isinstance(value, list):
        for item in value[:_SHOWN]:
            yield from _foreign(item, node.get("items"), known, depth - 1)
    elif isinstance(value, dict) and isinstance(node.get("properties"), dict) and not node.get("additionalProperties"):
        for name, inner in value.items():
            if name in node["properties"]:
                yield from _foreign(inner, node["properties"][name], known, depth - 1)
            else:
                yield name


def conversions(written: Any, value: Any) -> tuple[str, ...]:
    """Name the values that had to be converted to fit.

    Args:
        written: the JSON value before conversion.
        value: what it was converted to.
    """
    try:
        read = msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        return (_GENERAL,)
    found: list[str] = []
    for sentence in _changes("", written, read):
        if len(found) == _SHOWN:
            return (*found, "further values were converted to fit their types, too.")
        found.append(sentence)
    return tuple(found)


_GENERAL = "a value of the model's JSON was converted to fit its type."


def _changes(path: str, written: Any, read: Any) -> Iterator[str]:
    if isinstance(written, dict) and isinstance(read, dict):
        for name, inner in written.items():
            if name in read:
                yield from _changes(f"{path}.{name}" if path else name, inner, read[name])
    elif isinstance(written, list) and isinstance(read, list):
        for place, (before, after) in enumerate(zip(written, read, strict=False)):
            yield from _changes(f"{path}[{place}]", before, after)
    elif _kind(written) is not _kind(read):
        yield f"{path or 'the answer'}: {_named(written)} was read as {_named(read)}."


def _kind(value: Any) -> type:
    """Return a value's type; int and float count as one type."""
    return float if type(value) is int else type(value)


def _named(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {_cut(repr(value))}"
    shown = _cut(json.dumps(value, default=str))
    return f"the number {shown}" if _kind(value) is float else shown


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"
