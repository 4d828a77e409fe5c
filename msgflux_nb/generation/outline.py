"""Writes a wire schema in short form, for a model whose server does not show it the schema.

A small model reads ``{"name": string, "age": integer}`` far better than the same as a JSON Schema.
"""

from __future__ import annotations

from typing import Any

__all__ = ["outline"]


def outline(schema: dict[str, Any]) -> str:
    """Return ``schema`` as one line that looks like the wanted JSON, with types in place of values.

    Descriptions and limits are in parentheses; a recursive type is written as ``<Name>``.
    """
    definitions: dict[str, Any] = schema.get("$defs", {})
    text = _form(schema)
    for name, definition in definitions.items():
        text += f", where <{name}> is {_form(definition)}"
    return text


def _form(schema: dict[str, Any]) -> str:
    return _shape(schema) + _remark(schema)


def _shape(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"<{schema['$ref'].rpartition('/')[2]}>"
    if "anyOf" in schema:
        return " or ".join(_form(branch) for branch in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in schema["enum"])
    if "properties" in schema:
        fields = ", ".join(f'"{name}": {_form(field)}' for name, field in schema["properties"].items())
        return f"{{{fields}}}"
    if "items" in schema:
        return f"[{_form(schema['items'])}, ...]"
    kind = schema["type"]
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _remark(schema: dict[str, Any]) -> str:
    remarks = [" ".join(schema["description"].split())] if "description" in schema else []
    if "minimum" in schema or "maximum" in schema:
        remarks.append(f"from {schema.get('minimum', '-∞')} to {schema.get('maximum', '∞')}")
    return f" ({'; '.join(remarks)})" if remarks else ""
