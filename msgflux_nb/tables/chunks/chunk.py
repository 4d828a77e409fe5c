"""``Chunk``: the length and the overlap of the pieces of a long text."""

from __future__ import annotations

import msgspec

from ...errors import brief

__all__ = ["Chunk"]

_FEWEST = 16


class Chunk(msgspec.Struct, frozen=True):
    """How to read rows that are too long, for ``mf.extract(..., chunk=mf.Chunk(tokens=1500, overlap=150))``.

    Attributes:
        tokens: the maximum length of a piece, in estimated tokens; shorter texts are read whole.
        overlap: the maximum number of tokens that two pieces share, so that text at a cut is whole in one of them.

    Raises:
        ValueError: a number is out of range.
    """

    tokens: int = 1500
    overlap: int = 150

    def __post_init__(self) -> None:
        for name, least in (("tokens", _FEWEST), ("overlap", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"Chunk: expected {name} of at least {least}, got {brief(value)}")
        if self.overlap * 2 >= self.tokens:
            raise ValueError(
                f"Chunk: expected an overlap of less than half of tokens={self.tokens}, got {self.overlap}"
            )
