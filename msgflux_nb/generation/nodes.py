"""Builds the parts of a JSON Schema; each function returns a new dict."""

from __future__ import annotations

from typing import Any

import msgspec

from .dialect import IN_WORDS

__all__ = [
    "Node",
    "any_of",
    "anything",
    "enumeration",
    "joined",
    "key_names",
    "nullable",
    "refers",
    "without_null",
    "words_of",
]

Node = dict[str, Any]


def anything(definition: str | None) -> Node:
    """Return a schema for any JSON value in which every node has a type.

    Args:
        definition: the name of this schema in ``$defs``, for the items of arrays, which have to be declared (OpenAI:
            "array schema missing items"). None: an array holds no arrays.
    """
    if definition is None:
        free: Node = {"type": "object", "additionalProperties": True}
        return {"anyOf": [*_scalars(), free, {"type": "array", "items": {"anyOf": [*_scalars(), dict(free)]}}]}
    inner = {"$ref": f"#/$defs/{definition}"}
    objects: Node = {"type": "object", "additionalProperties": inner}
    return {"anyOf": [*_scalars(), objects, {"type": "array", "items": dict(inner)}]}


def _scalars() -> list[Node]:
    return [{"type": kind} for kind in ("string", "number", "boolean", "null")]


def joined(*texts: str | None) -> str:
    """Join the sentences of a description; None and empty texts are left out."""
    words = ""
    for text in texts:
        if text:
            words += f"{'' if not words else ' ' if words[-1] in '.!?' else '; '}{text}"
    return words


def words_of(extra: dict[str, Any]) -> str:
    """Return a value's title, description and examples as one text, since many dialects accept only a description.

    Example:
        >>> words_of({"title": "Amount", "description": "In cents.", "examples": [-250, 300]})
        'Amount: In cents.; for example -250 or 300'
    """
    said = ": ".join(str(extra[name]) for name in ("title", "description") if extra.get(name))
    examples = extra.get("examples") or ()
    shown = f"for example {' or '.join(_json(one) for one in examples)}" if examples else ""
    known = {"title", "description", "examples", *IN_WORDS}
    others = [f"{name}: {_json(value)}" for name, value in extra.items() if name not in known]
    return joined(said, shown, *others)


def _json(value: Any) -> str:
    if isinstance(value, str):
        return value if value.strip() == value and value else repr(value)
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return str(value)


def any_of(branches: list[Node]) -> Node:
    """Return a schema for one of ``branches``; a single branch is returned as it is."""
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def enumeration(values: list[Any]) -> Node:
    """Return an enum with its type; null becomes a branch next to it, since a typed enum cannot hold it."""
    branches: list[Node] = []
    for kind, python in (("string", str), ("integer", int)):
        members = [value for value in values if isinstance(value, python)]
        if members:
            branches.append({"type": kind, "enum": members})
    if None in values:
        branches.append({"type": "null"})
    return any_of(branches)


def nullable(schema: Node) -> Node:
    """Return a schema for ``schema`` or null; a description stays at the outer level."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    description = {"description": schema["description"]} if "description" in schema else {}
    bare = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [bare, {"type": "null"}], **description}


def without_null(schema: Node) -> Node:
    """Return ``schema`` without its branch for null, if it has other branches."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch != {"type": "null"}]
    if not branches:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if len(branches) > 1 or (rest and "$ref" in branches[0]):
        return {"anyOf": branches, **rest}
    words = joined(rest.get("description"), branches[0].get("description"))
    return {**branches[0], **rest, **({"description": words} if words else {})}


def refers(schema: Node) -> bool:
    """Whether ``schema`` always leads to a ``$ref``, and so back to the type that holds it."""
    inner = [schema["properties"][name] for name in schema.get("required", ())]
    inner += [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    return "$ref" in schema or any(refers(node) for node in inner)


def key_names(key: Node) -> Node | None:
    """Return the schema for an object's property names, which are always text in JSON; None: any text."""
    kind = key.get("type")
    if kind == "string":
        return key if len(key) > 1 else None
    if kind not in ("integer", "number"):
        return None
    if "enum" in key:
        return {"type": "string", "enum": [str(value) for value in key["enum"]]}
    words = joined(key.get("description"), *(said.format(key[word]) for word, said in IN_WORDS.items() if word in key))
    pattern = r"^-?[0-9]+$" if kind == "integer" else r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
    return {"type": "string", "pattern": pattern, **({"description": words} if words else {})}
