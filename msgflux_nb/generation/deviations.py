"""Warnings about where a decoded value differs from what the model wrote, as sentences."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["conversions", "key_warnings", "repeated_keys"]

_KEY = re.compile(r'"([^"\\]*)"\s*:')
_SPACED_KEY = re.compile(r'"\s+:')
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


def key_warnings(text: str, schema: dict[str, Any], *, wrapped: bool = False) -> tuple[str, ...]:
    """Name the keys that an object of the JSON text repeats, and in one sentence those that its schema does not know.

    Args:
        text: JSON.
        schema: the schema that was sent to the provider; where it allows further keys, none is named.
        wrapped: whether the schema's object only holds the value; an answer without it is the value itself.
    """
    foreign: dict[str, None] = {}
    try:
        value = msgspec.json.decode(text)
        as_written = text.count('":') == _keys_in(value) and _SPACED_KEY.search(text) is None
        bare = wrapped and isinstance(value, dict) and value.keys().isdisjoint(schema.get("properties", ()))
        if not bare:
            _note_foreign(value, schema, schema.get("$defs", {}), _DEPTH, foreign)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return ()
    repeated = () if as_written else repeated_keys(text)
    if not foreign:
        return repeated
    names = [_cut(repr(name)) for name in foreign]
    if len(names) == 1:
        return (*repeated, f"the model's JSON had the key {names[0]}, which was not asked for; it was left out.")
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    which = f"{', '.join(names[:_SHOWN])}{more}"
    return (*repeated, f"the model's JSON had keys that were not asked for ({which}); they were left out.")


def _keys_in(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum([_keys_in(inner) for inner in value.values() if type(inner) in (dict, list)])
    if type(value) is list:
        return sum([_keys_in(inner) for inner in value if type(inner) in (dict, list)])
    return 0


def _note_foreign(value: Any, node: Any, known: dict[str, Any], depth: int, found: dict[str, None]) -> None:
    """Add the keys that are no property of their object; unions are not checked."""
    if not isinstance(node, dict) or not depth:
        return
    if "$ref" in node:
        _note_foreign(value, known.get(str(node["$ref"]).removeprefix("#/$defs/")), known, depth - 1, found)
    elif isinstance(value, list):
        for item in value[:_SHOWN] if isinstance(node.get("items"), dict) else ():
            _note_foreign(item, node["items"], known, depth - 1, found)
    elif isinstance(value, dict) and isinstance(node.get("properties"), dict) and not node.get("additionalProperties"):
        for name, inner in value.items():
            if name not in node["properties"]:
                found[name] = None
            elif isinstance(inner, dict | list):
                _note_foreign(inner, node["properties"][name], known, depth - 1, found)


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
