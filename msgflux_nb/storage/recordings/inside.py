"""The recording that the running code is inside of: a context variable, which threads and tasks inherit."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple

__all__ = ["Inside", "inside", "set_inside"]


class Inside(NamedTuple):
    """What is under way.

    Attributes:
        player: answers instead of the network; None for the network.
        recorder: keeps the exchanges; None for no recording.
    """

    player: Any = None
    recorder: Any = None


_NOTHING = Inside()
_inside: ContextVar[Inside] = ContextVar("msgflux_nb_recording", default=_NOTHING)


def inside() -> Inside:
    """Return the current state."""
    return _inside.get()


def set_inside(now: Inside) -> Inside:
    """Change the current state, and return the previous one.

    To go back, set the previous state: a notebook cell may have a context of its own.
    """
    before = _inside.get()
    _inside.set(now)
    return before
