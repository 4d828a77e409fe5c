"""Which recording the code that runs now is inside of: a context variable, which threads and tasks carry."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple

__all__ = ["Inside", "inside", "set_inside"]


class Inside(NamedTuple):
    """What is under way.

    Attributes:
        player: answers in the place of the network; None for the network.
        recorder: keeps what is asked; None for nothing.
    """

    player: Any = None
    recorder: Any = None


_NOTHING = Inside()
_inside: ContextVar[Inside] = ContextVar("msgflux_nb_recording", default=_NOTHING)


def inside() -> Inside:
    """Return what is under way here."""
    return _inside.get()


def set_inside(now: Inside) -> Inside:
    """Change what is under way here, and return what was before.

    It is set back by setting what was before: a cell of a notebook may have a context of its own.
    """
    before = _inside.get()
    _inside.set(now)
    return before
