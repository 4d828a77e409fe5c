"""Messages from the page of a conversation."""

from __future__ import annotations

from typing import Any, TypedDict

from ..base.messages import PageMessage

__all__ = [
    "Add",
    "Address",
    "Choose",
    "Draft",
    "DraftFields",
    "Edit",
    "Move",
    "Pick",
    "Piece",
    "Remove",
    "Sound",
    "Thumbnails",
    "Turn",
    "Variable",
]


class DraftFields(TypedDict):
    """The message being written: ``ids`` are its parts in order, ``texts`` the texts of its text parts by id."""

    text: str
    role: str
    call: str
    ids: list[str]
    texts: dict[str, str]


class Draft(PageMessage, frozen=True):
    """The draft has changed: ``at`` is the time by the page's clock, ``left`` whether its field was left."""

    draft: DraftFields
    left: bool = False
    at: float = 0


class Add(PageMessage, frozen=True):
    """Make the message being written a turn."""

    draft: DraftFields


class Turn(PageMessage, frozen=True):
    """Do something with one turn."""

    id: str


class Edit(PageMessage, frozen=True):
    """Save an edited turn; ``turn_cards.rebuilt`` reads ``parts``."""

    id: str
    role: str
    parts: list[dict[str, Any]]


class Move(PageMessage, frozen=True):
    """Move a turn."""

    id: str
    to: int


class Choose(PageMessage, frozen=True):
    """Show another version of a turn."""

    id: str
    sibling: int


class Variable(PageMessage, frozen=True):
    """Set the value of a ``{{name}}``."""

    name: str
    value: str


class Piece(PageMessage, frozen=True):
    """A piece of a file; its bytes are in the buffers."""

    id: str
    index: int
    count: int
    name: str
    loose: bool


class Address(PageMessage, frozen=True):
    """Add a file by its address."""

    id: str
    url: str
    loose: bool


class Pick(PageMessage, frozen=True):
    """Add a file by the name of the notebook's variable that holds it."""

    id: str
    name: str
    loose: bool


class Remove(PageMessage, frozen=True):
    """Remove files from the message being written."""

    ids: list[str]


class Thumbnails(PageMessage, frozen=True):
    """Ask for pictures by their hashes."""

    media: list[str]


class Sound(PageMessage, frozen=True):
    """Ask for a sound by its hash."""

    media: str
