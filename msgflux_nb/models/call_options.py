"""The keywords of a call: their types, and the checked form that a request is built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from ..content.keywords import refuse_unknown

__all__ = ["CallOptions", "Messages", "Tools", "asked_for"]

Messages = str | Sequence[dict[str, Any]]
Tools = Sequence[dict[str, Any] | Callable[..., Any]]


class CallOptions(TypedDict, total=False):
    """The keywords of a call except ``stream``, for type checkers."""

    system_prompt: str | None
    prefilling: str | None
    prefill: str | None
    generation_schema: Any
    tool_schemas: Tools | None
    tool_choice: str | dict[str, Any] | None


def asked_for(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Check the keywords of a call and return them as ``build_request`` takes them.

    Args:
        keywords: as the caller gave them.

    Raises:
        TypeError: a keyword is unknown, or both ``prefilling`` and ``prefill`` are given.
    """
    unknown = {name: value for name, value in keywords.items() if name not in CallOptions.__annotations__}
    if unknown:
        refuse_unknown("model(...)", unknown, (*CallOptions.__annotations__, "stream"))
    asked = {name: value for name, value in keywords.items() if name != "prefill"}
    prefill = keywords.get("prefill")
    if prefill is None:
        return asked
    if asked.get("prefilling") is not None:
        raise TypeError("prefilling and prefill are the same option; give one of them")
    return {**asked, "prefilling": prefill}
