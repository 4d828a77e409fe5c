"""The interface of readers for wires other than chat completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

from ..chunks import Piece

__all__ = ["QuickPiece", "WireReader"]

QuickPiece = tuple[Literal["content", "reasoning", "arguments"], int | None, str]
"""A piece of an open text: the kind of the text, the number of the call, and the piece."""


class WireReader(Protocol):
    """Reads the payloads of one answer, in order.

    Attributes:
        done: whether the answer has announced its end.
        recognised: whether any payload of this wire has come.
        end: the event that ends a stream, for the error if it is missing.
    """

    end: str
    done: bool
    recognised: bool

    def read(self, payload: dict[str, Any], *, whole: bool = False) -> Iterator[Piece]:
        """Yield the pieces that a payload adds to the answer."""

    def quick(self, payload: bytes) -> QuickPiece | None:
        """Read a payload that only continues a text, and return its piece; return None for any other payload."""

    def close(self) -> Iterator[Piece]:
        """Yield what is left at the end."""
