"""The way back: what a wire schema changed about a value is undone, one plain function a node.

:mod:`msgflux_nb.generation.schema` pairs every node of a schema with one of these. They leave what they do not
recognise as it is, so that msgspec's validation can name it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Restore", "apply", "by_branch", "each", "fields", "from_pairs", "in_order", "unwrap", "without_repeats"]

Restore = Callable[[Any], Any]


def apply(restore: Restore | None, value: Any) -> Any:
    """Return the restored value; None restores nothing."""
    return value if restore is None else restore(value)


def unwrap(restore: Restore | None) -> Restore:
    """Take a root that is no object out of ``{"value": ...}``."""

    def unwrap_value(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"value"}:
            value = value["value"]
        return apply(restore, value)

    return unwrap_value


def each(restore: Restore) -> Restore:
    """Restore every item of a list."""
    return lambda value: [restore(item) for item in value] if isinstance(value, list) else value


def without_repeats(restore: Restore | None) -> Restore:
    """Drop repeated items: no dialect enforces a set."""

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


def fields(restores: dict[str, Restore], droppable: set[str], order: list[str] | None) -> Restore | None:
    """Restore an object's fields.

    Args:
        restores: by wire name, for the fields that need it.
        droppable: wire names whose null means "absent", so that the default comes back.
        order: all wire names, where msgspec decodes the type from a list; else None.

    Returns:
        None where there is nothing to do.
    """
    if not restores and not droppable and order is None:
        return None

    def restored(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = {k: v for k, v in value.items() if not (v is None and k in droppable)}
        value = {k: restores[k](v) if k in restores else v for k, v in value.items()}
        if order is None or not set(order) >= set(value):
            return value
        return [value[name] for name in order if name in value]

    return restored


def by_branch(branches: list[tuple[dict[str, Any], Restore]], defs: dict[str, Any]) -> Restore | None:
    """Pick the branch that a value belongs to by its shape: msgspec allows one of each shape, or tagged objects."""
    if not branches:
        return None

    def chosen(value: Any) -> Any:
        for schema, restore in branches:
            if _fits(defs.get(str(schema.get("$ref", "")).removeprefix("#/$defs/"), schema), value):
                return restore(value)
        return value

    return chosen


def _are_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(p, dict) and set(p) == {"key", "value"} for p in value)


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


def _fits(schema: dict[str, Any], value: Any) -> bool:
    if schema.get("type") == "array":
        return isinstance(value, list)
    if not isinstance(value, dict) or "properties" not in schema:
        return False
    tags = {k: s["enum"][0] for k, s in schema["properties"].items() if len(s.get("enum", ())) == 1}
    return set(value) <= set(schema["properties"]) and all(value.get(k) == tag for k, tag in tags.items())
