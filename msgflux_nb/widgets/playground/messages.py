"""What the page of a playground sends."""

from __future__ import annotations

from ..base.messages import PageMessage
from ..conversation.messages import DraftFields

__all__ = ["At", "Branch", "Code", "Compare", "Option", "Pick", "Run", "Tokens"]


class Run(PageMessage, frozen=True):
    """Ask; the fields come along, since traits travel in messages of their own, which could be handled later."""

    draft: DraftFields
    prefill: str
    schema: str
    at: float = 0


class At(PageMessage, frozen=True):
    """Something is asked of the turn at a position."""

    position: int


class Branch(PageMessage, frozen=True):
    """Go on from another token."""

    index: int
    token: str


class Option(PageMessage, frozen=True):
    """A setting of the call was moved; without a name, all are as the model has them."""

    name: str
    value: float | None


class Pick(PageMessage, frozen=True):
    """A model was picked for a side; an empty name is none."""

    side: int
    name: str


class Compare(PageMessage, frozen=True):
    """Two versions of a turn are compared; by default the shown one and the one before it."""

    position: int
    left: int | None = None
    right: int | None = None


class Tokens(PageMessage, frozen=True):
    """The tokens of a side's answer are asked for, from one on."""

    side: int
    since: int = 0


class Code(PageMessage, frozen=True):
    """The code is asked for, of this question or of a grid of it."""

    grid: bool = False
