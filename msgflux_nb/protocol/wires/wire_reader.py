"""The interface of readers for wires other than chat completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

from ..chunks import Piece
from ..sse import ServerEvent

__all__ = ["QuickPiece", "WireReader", "with_type"]

QuickPiece = tuple[Literal["content", "reasoning", "arguments"], int | None, str]
"""A piece of an open text: the kind of the text, the number of the call, and the piece."""


class WireReader(Protocol):
    """Reads the payloads of one answer, in order.

    Attributes:
        done: whether the answer has announced its end.
        recognised: whether any payload of this wire has come.
        end: the event that ends a stream, for the error if it is missing.
        answer: what a whole answer is called, for the error if something else comes.
    """

    end: str
    answer: str
    done: bool
    recognised: bool

    def read(self, payload: dict[str, Any], *, whole: bool = False) -> Iterator[Piece]:
        """Yield the pieces that a payload adds to the answer."""

    def quick(self, payload: bytes) -> QuickPiece | None:
        """Read a payload that only continues a text, and return its piece; return None for any other payload."""

    def close(self) -> Iterator[Piece]:
        """Yield what is left at the end."""


def with_type(payload: Any, event: bytes | ServerEvent) -> Any:
    """Return a payload with its type, which some gateways give only as the event's name."""
    if not isinstance(payload, dict) or "type" in payload or not isinstance(event, ServerEvent):
        return payload
    return {"type": event.name, **payload} if "_" in event.name or "." in event.name else payload
