"""Tools → the JSON schemas that a request offers. So far it takes schemas only; functions are being built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import SchemaError

__all__ = ["tool_schemas"]


def tool_schemas(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the tools as JSON schemas.

    Raises:
        SchemaError: a tool is no JSON schema.
    """
    for tool in tools:
        if not isinstance(tool, dict):
            raise SchemaError(f"expected the JSON schema of a tool, got {type(tool).__name__}.")
    return list(tools)
