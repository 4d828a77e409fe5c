"""Undoes what a wire schema changed about a value: one plain function for each node.

:mod:`msgflux_nb.generation.schema` pairs every node of a schema with one of these. A value that a function does not
recognise stays unchanged, so that msgspec's validation can name it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

__all__ = [
    "Restore",
    "apply",
    "as_raw",
    "by_branch",
    "checked",
    "each",
    "each_value",
    "fields",
    "from_pairs",
    "from_text",
    "in_order",
    "look_alike",
    "unwrap",
    "without_repeats",
]

Restore = Callable[[Any], Any]

_SCALARS: dict[str, Any] = {
    "string": str,
    "integer": int | float,
    "number": int | float,
    "boolean": bool,
    "null": type(None),
}


def apply(restore: Restore | None, value: Any) -> Any:
    """Return the restored value; with ``restore=None`` the value is unchanged."""
    return value if restore is None else restore(value)


def unwrap(restore: Restore | None, name: str = "value") -> Restore:
    """Unwrap a value that is not an object from ``{name: ...}``."""

    def unwrap_value(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {name}:
            value = value[name]
        return apply(restore, value)

    return unwrap_value


def each(restore: Restore) -> Restore:
    """Restore every item of a list."""
    return lambda value: [restore(item) for item in value] if isinstance(value, list) else value


def each_value(restore_key: Restore | None, restore: Restore | None) -> Restore:
    """Restore every key and value of a dict."""

    def restored(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {_hashable(apply(restore_key, key)): apply(restore, item) for key, item in value.items()}

    return restored


def checked(restore: Restore | None, check: Callable[[Any], None]) -> Restore:
    """Restore a value, and check it."""

    def restored(value: Any) -> Any:
        value = apply(restore, value)
        check(value)
        return value

    return restored


def from_text(value: Any) -> Any:
    """Parse JSON that was sent as text; a text that is not JSON is returned as it is."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return value


def as_raw(value: Any) -> msgspec.Raw:
    """Encode a value again for ``msgspec.Raw``, which msgspec does not build from values."""
    return msgspec.Raw(msgspec.json.encode(value))


def without_repeats(restore: Restore | None) -> Restore:
    """Drop repeated items, since no dialect enforces a set."""

    def distinct(value: Any) -> Any:
        value = apply(restore, value)
        if not isinstance(value, list):
            return value
        return [item for i, item in enumerate(value) if item not in value[:i]]

    return distinct


def in_order(restores: dict[str, Restore | None]) -> Restore:
    """Turn ``{"item_0": a, "item_1": b}`` back into ``[a, b]``."""

    def listed(value: Any) -> Any:
        if not isinstance(value, dict) or set(value) != set(restores):
            return value
        return [apply(restore, value[name]) for name, restore in restores.items()]

    return listed


def from_pairs(restore_key: Restore | None, restore_value: Restore | None) -> Restore:
    """Turn ``[{"key": k, "value": v}, ...]`` back into a dict."""

    def mapping(value: Any) -> Any:
        if not _are_pairs(value):
            return value
        return {_hashable(apply(restore_key, pair["key"])): apply(restore_value, pair["value"]) for pair in value}

    return mapping


def fields(
    restores: dict[str, Restore], droppable: set[str], defaults: Mapping[str, Callable[[], Any]] | None
) -> Restore | None:
    """Restore an object's fields.

    Args:
        restores: the functions of the fields that need one, by wire name.
        droppable: wire names whose null means "absent", so that the field gets its default.
        defaults: None, unless msgspec decodes the type from a list: then all wire names in order, each with a function
            that returns the default, or raises ``LookupError`` for a required field.

    Returns:
        The function that restores the object; None if there is nothing to undo.
    """
    if not restores and not droppable and defaults is None:
        return None

    def restored(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = {k: v for k, v in value.items() if not (v is None and k in droppable)}
        value = {k: restores[k](v) if k in restores else v for k, v in value.items()}
        return value if defaults is None else _listed(value, defaults)

    return restored


def _listed(value: dict[str, Any], defaults: Mapping[str, Callable[[], Any]]) -> Any:
    """Turn an object into a list of its fields, up to the last one given; anything else is returned as it is."""
    if not set(value) <= set(defaults):
        return value
    names = list(defaults)
    end = max((names.index(name) + 1 for name in value), default=0)
    try:
        return [value[name] if name in value else defaults[name]() for name in names[:end]]
    except LookupError:
        return value


def by_branch(branches: list[tuple[dict[str, Any], Restore | None]], defs: dict[str, Any]) -> Restore | None:
    """Restore a union by the shape of the value: msgspec allows one type per shape, or tagged objects."""
    if all(restore is None for _, restore in branches):
        return None
    # A dict may be sent as pairs, so pairs are tried before other lists.
    branches = sorted(branches, key=lambda branch: not _is_pair(_resolved(branch[0], defs).get("items", {})))

    def chosen(value: Any) -> Any:
        for schema, restore in branches:
            if _fits(_resolved(schema, defs), value):
                return apply(restore, value)
        for schema, restore in branches if isinstance(value, str) else ():  # a number that the model wrote as text
            if schema.get("type") in ("integer", "number"):
                return apply(restore, value)
        return value

    return chosen


def look_alike(branches: list[dict[str, Any]], defs: dict[str, Any]) -> bool:
    """Whether one value can fit two branches that are objects, so that no function could choose."""
    objects = [schema for schema in (_resolved(branch, defs) for branch in branches) if schema.get("type") == "object"]
    return any(_overlap(a, b) for i, a in enumerate(objects) for b in objects[:i])


def _overlap(a: dict[str, Any], b: dict[str, Any]) -> bool:
    tags_a, tags_b = _tags(a), _tags(b)
    if any(tags_b.get(name, tag) != tag for name, tag in tags_a.items()):
        return False
    if "properties" not in a or "properties" not in b:
        return True
    return set(a["required"]) <= set(b["properties"]) or set(b["required"]) <= set(a["properties"])


def _resolved(schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    if len(schema.get("anyOf", ())) == 1:  # a wrapper around a reference with a description
        schema = schema["anyOf"][0]
    found: dict[str, Any] = defs.get(str(schema.get("$ref", "")).removeprefix("#/$defs/"), schema)
    return found


def _are_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(p, dict) and set(p) == {"key", "value"} for p in value)


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


def _fits(schema: dict[str, Any], value: Any) -> bool:
    if schema.get("type") == "array":
        return _are_pairs(value) if value and _is_pair(schema.get("items", {})) else isinstance(value, list)
    scalars = _SCALARS.get(str(schema.get("type")))
    if scalars is not None:
        return isinstance(value, scalars) and (isinstance(value, bool) == (scalars is bool))
    if schema.get("type") != "object" or not isinstance(value, dict):
        return False
    if "properties" not in schema:
        return True
    return set(value) <= set(schema["properties"]) and all(value.get(k) == tag for k, tag in _tags(schema).items())


def _is_pair(schema: dict[str, Any]) -> bool:
    return list(schema.get("properties", ())) == ["key", "value"]


def _tags(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    return {k: properties[k]["enum"][0] for k in schema.get("required", ()) if len(properties[k].get("enum", ())) == 1}
