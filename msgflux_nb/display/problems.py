"""Says in a person's words what went wrong with an answer, and what to try."""

from __future__ import annotations

from typing import Any

from ..errors import (
    EmptyOutputError,
    FilteredError,
    MsgfluxError,
    RefusedError,
    StreamInterruptedError,
    ToolNotCalledError,
    TruncatedError,
    ValidationFailedError,
)
from .structure import type_name

__all__ = ["happened", "sentence", "told"]

_TITLES: dict[type[MsgfluxError], str] = {
    TruncatedError: "The answer was cut at the token limit",
    RefusedError: "The model declined to answer",
    FilteredError: "A filter removed the answer",
    EmptyOutputError: "The answer is empty",
    ToolNotCalledError: "The model called no tool",
}
_AGAIN = "asking again; what arrived is in this answer's <code>.snapshot.text</code>."
_FITTING = "asking again, naming the fields in the prompt, or giving a field that may be absent a default."


def told(problem: MsgfluxError, answer: Any) -> tuple[str, str]:
    """Return a title, as text, and what to try, as HTML; "" if the error's own message says it."""
    if isinstance(problem, StreamInterruptedError):
        tokens = getattr(answer.metadata.usage, "completion_tokens", None)
        return f"The answer broke off{f' after {tokens:,} tokens' if tokens else ''}", _AGAIN
    if isinstance(problem, ValidationFailedError):
        schema = answer.generation_schema
        return f"The answer does not fit {'its schema' if schema is None else type_name(schema)}", _FITTING
    found = next((title for kind, title in _TITLES.items() if isinstance(problem, kind)), "The answer cannot be used")
    return found, ""


def happened(problem: MsgfluxError, answer: Any) -> str:
    """Return what happened in a sentence; the marks of a protocol that are missing stand in the details."""
    said, provider = str(problem), str(answer.metadata.provider)
    if isinstance(problem, StreamInterruptedError) and "finish_reason" in said:
        return f"{provider} closed the connection in the middle of the answer. What had come is kept."
    return sentence(said, provider)


def sentence(message: str, name: str = "") -> str:
    """Return a message with a capital letter, unless it begins with a name of code, or with ``name``."""
    word = message.partition(" ")[0]
    return message[:1].upper() + message[1:] if word.isalpha() and word != name else message
