"""``Chunk``: how long the pieces are that a long text is read in, and how far they overlap."""

from __future__ import annotations

import msgspec

__all__ = ["Chunk"]

_FEWEST = 16


class Chunk(msgspec.Struct, frozen=True):
    """How a row that is too long is read, for ``mf.extract(..., chunk=mf.Chunk(tokens=1500, overlap=150))``.

    Attributes:
        tokens: a row with a text of more than so many tokens, by estimate, is read in pieces of at most so many.
        overlap: how many tokens two pieces share at most, so that text at a cut is whole in one of them.

    Raises:
        ValueError: a number cannot be.
    """

    tokens: int = 1500
    overlap: int = 150

    def __post_init__(self) -> None:
        for name, least in (("tokens", _FEWEST), ("overlap", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"Chunk: expected {name} of at least {least}, got {value!r}")
        if self.overlap * 2 >= self.tokens:
            raise ValueError(
                f"Chunk: expected an overlap of less than half of tokens={self.tokens}, got {self.overlap}"
            )
