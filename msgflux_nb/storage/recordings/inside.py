"""The recording that the running code is inside of: a context variable, and a rule for threads without one."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any, NamedTuple

__all__ = ["Inside", "enter", "inside", "leave"]


class Inside(NamedTuple):
    """What is under way.

    Attributes:
        player: answers instead of the network; None for the network.
        recorder: keeps the exchanges; None for no recording.
    """

    player: Any = None
    recorder: Any = None


class _Block(NamedTuple):
    """A block that is open, and the threads that ran before it."""

    now: Inside
    earlier: frozenset[threading.Thread]


_NOTHING = Inside()
_inside: ContextVar[Inside | None] = ContextVar("msgflux_nb_recording", default=None)
_open: tuple[_Block, ...] = ()
_lock = threading.Lock()


def inside() -> Inside:
    """Return the current state.

    A thread that has no context of its own, such as one of a pool, belongs to the innermost block that is open and was
    entered before the thread was begun.
    """
    now = _inside.get()
    if now is not None or not _open:
        return now or _NOTHING
    thread = threading.current_thread()
    return next((block.now for block in reversed(_open) if thread not in block.earlier), _NOTHING)


def enter(now: Inside) -> Inside:
    """Change the current state, and return the previous one, for :func:`leave`."""
    global _open
    before = inside()
    with _lock:
        _open = (*_open, _Block(now, frozenset(threading.enumerate())))
    _inside.set(now)
    return before


def leave(now: Inside, before: Inside) -> None:
    """Go back to the previous state: it is set, since a notebook cell may have a context of its own."""
    global _open
    with _lock:
        last = max(number for number, block in enumerate(_open) if block.now is now)
        _open = (*_open[:last], *_open[last + 1 :])
    _inside.set(before)
