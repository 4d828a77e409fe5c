"""The marks and words of states in static HTML and text; pages read them from the same file."""

from __future__ import annotations

from typing import NamedTuple

from .shared import shared

__all__ = ["CALLS", "COLOURS", "PHASES", "ROWS", "State", "word_colour"]

# Middle tones with a contrast of 3 on white and on black, since an untrusted notebook has no theme variables.
COLOURS = {"none": "#8a8a8a", "now": "#2f81f7", "done": "#2e9e4f", "look": "#c07a00", "bad": "#e5484d"}
"""Colours by meaning: neutral, in progress, success, warning, failure."""


def word_colour(colour: str) -> str:
    """Return a state's colour for text, mixed with that of the text around it, for a contrast of 4.5."""
    return f"color-mix(in srgb, {colour} 70%, currentColor)"


class State(NamedTuple):
    """How a state is drawn.

    Attributes:
        sign: a character for it.
        colour: the colour of the sign.
        word: its name, since a colour alone is not enough.
        icon: the name of the icon that replaces the sign where icons are drawn; may be empty.
    """

    sign: str
    colour: str
    word: str
    icon: str


def _states(group: str) -> dict[str, State]:
    signs = _SHARED["signs"]
    return {name: State(signs[icon], COLOURS[says], word, icon) for name, (says, word, icon) in _SHARED[group].items()}


_SHARED = shared("states")
ROWS = _states("rows")
"""How a row of a batch ended."""
CALLS = _states("calls")
"""How far a tool call has arrived."""
PHASES = _states("phases")
"""How a tool call is being run, or how it ended."""
