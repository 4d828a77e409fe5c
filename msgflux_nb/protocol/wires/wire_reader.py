"""The reader of a wire other than chat completions, as the accumulator sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

from ..chunks import Piece

__all__ = ["QuickPiece", "WireReader"]

QuickPiece = tuple[Literal["content", "reasoning", "arguments"], int | None, str]
"""A piece of a text that has begun: its kind, the number of the call, and the piece."""


class WireReader(Protocol):
    """Reads the payloads of one answer, in order.

    Attributes:
        done: whether the answer has said that it is over.
        recognised: whether anything of this wire has come.
        end: the event that ends a stream, for an error that says that it did not come.
    """

    end: str
    done: bool
    recognised: bool

    def read(self, payload: dict[str, Any], *, whole: bool = False) -> Iterator[Piece]:
        """Yield what a payload adds to the answer."""

    def quick(self, payload: bytes) -> QuickPiece | None:
        """Take a payload that only continues a text, and return its piece; take no other payload, and return None."""

    def close(self) -> Iterator[Piece]:
        """Yield what is left at the end."""
