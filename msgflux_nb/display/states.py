"""How states are drawn in static HTML and text: the same marks and words as in pages, which read the same file."""

from __future__ import annotations

from typing import NamedTuple

from .shared import shared

__all__ = ["CALLS", "COLOURS", "PHASES", "ROWS", "State"]

# Middle tones, which keep a contrast of 3 on white and on black: an untrusted notebook has no variables of a theme.
COLOURS = {"none": "#8a8a8a", "now": "#2f81f7", "done": "#2e9e4f", "look": "#c07a00", "bad": "#e5484d"}
"""The colour of what a state says of its thing: nothing, under way, well, look at it, went wrong."""


class State(NamedTuple):
    """A state as it is drawn.

    Attributes:
        sign: a character.
        colour: of the sign.
        word: what it is called; never the colour alone.
        icon: the drawing in the sign's place, where drawings are shown; empty for none.
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
"""How far a tool call is."""
PHASES = _states("phases")
"""What became of a tool call."""
