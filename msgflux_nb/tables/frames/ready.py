"""What is to be done when a table is made; the front door says it, so that ``to_frame`` need not know the engine."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["frame_made", "when_made"]

when_made: list[Callable[[], object]] = []
"""Called with nothing whenever values become a table; each may be called again and again."""


def frame_made() -> None:
    """A table is made: do what is to be done."""
    for call in when_made:
        call()
