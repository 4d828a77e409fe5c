"""Which ``record`` or ``replay`` block the running code is in: a context variable, and a rule for other threads."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any, NamedTuple

__all__ = ["Active", "active", "enter", "leave"]


class Active(NamedTuple):
    """The current replay and recording.

    Attributes:
        player: answers instead of the network, or None.
        recorder: records the exchanges, or None.
    """

    player: Any = None
    recorder: Any = None


class _Block(NamedTuple):
    """An open block, and the threads that were running before it."""

    now: Active
    earlier: frozenset[threading.Thread]


_NOTHING = Active()
_active: ContextVar[Active | None] = ContextVar("msgflux_nb_recording", default=None)
_open: tuple[_Block, ...] = ()
_lock = threading.Lock()


def active() -> Active:
    """Return the current replay and recording.

    A thread without its own context, such as one of a pool, belongs to the innermost open block that was entered before
    the thread was started.
    """
    now = _active.get()
    if now is not None or not _open:
        return now or _NOTHING
    thread = threading.current_thread()
    return next((block.now for block in reversed(_open) if thread not in block.earlier), _NOTHING)


def enter(now: Active) -> Active:
    """Change the current state, and return the previous one, for :func:`leave`."""
    global _open
    before = active()
    with _lock:
        _open = (*_open, _Block(now, frozenset(threading.enumerate())))
    _active.set(now)
    return before


def leave(now: Active, before: Active) -> None:
    """Restore the previous state; it is set rather than reset, since a notebook cell may have its own context."""
    global _open
    with _lock:
        last = max(number for number, block in enumerate(_open) if block.now is now)
        _open = (*_open[:last], *_open[last + 1 :])
    _active.set(before)
