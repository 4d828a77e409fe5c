"""A hook for when a table is made. The front door sets it, so that ``to_frame`` need not import the engine."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["frame_made", "when_made"]

when_made: list[Callable[[], object]] = []
"""Functions without arguments, called each time that values become a table."""


def frame_made() -> None:
    """Call the hooks: a table is being made."""
    for call in when_made:
        call()
