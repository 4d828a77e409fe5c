"""What to do when a table is made. The front door sets it, so that ``to_frame`` does not need to know the engine."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["frame_made", "when_made"]

when_made: list[Callable[[], object]] = []
"""Called with nothing whenever values become a table; each may be called again and again."""


def frame_made() -> None:
    """Do what was set, because a table is made."""
    for call in when_made:
        call()
