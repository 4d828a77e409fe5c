"""Messages from the page of a playground."""

from __future__ import annotations

from ..base.messages import PageMessage
from ..conversation.messages import DraftFields

__all__ = ["At", "Branch", "Code", "Compare", "Option", "Pick", "Run", "Tokens"]


class Run(PageMessage, frozen=True):
    """Run; it includes the fields, since traits come in separate messages, which may be handled later."""

    draft: DraftFields
    prefill: str
    schema: str
    at: float = 0


class At(PageMessage, frozen=True):
    """Do something with the turn at a position."""

    position: int


class Branch(PageMessage, frozen=True):
    """Continue from another token."""

    index: int
    token: str


class Option(PageMessage, frozen=True):
    """Set an option of the call; without a name, reset all to the model's."""

    name: str
    value: float | None


class Pick(PageMessage, frozen=True):
    """Pick a model for a side; an empty name for none."""

    side: int
    name: str


class Compare(PageMessage, frozen=True):
    """Compare two versions of a turn; by default the shown one and the one before it."""

    position: int
    left: int | None = None
    right: int | None = None


class Tokens(PageMessage, frozen=True):
    """Ask for the tokens of a side's answer, from one on."""

    side: int
    since: int = 0


class Code(PageMessage, frozen=True):
    """Ask for the code of the question, or of a grid of it."""

    grid: bool = False
