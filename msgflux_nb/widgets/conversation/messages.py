"""What the page of a conversation sends."""

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
    """The message being written: ``texts`` are those of its text parts, by the ids that stand in ``ids``."""

    text: str
    role: str
    call: str
    ids: list[str]
    texts: dict[str, str]


class Draft(PageMessage, frozen=True):
    """The message being written: ``at`` is when it was, by the page's clock, ``left`` whether its field was left."""

    draft: DraftFields
    left: bool = False
    at: float = 0


class Add(PageMessage, frozen=True):
    """The message being written becomes a turn."""

    draft: DraftFields


class Turn(PageMessage, frozen=True):
    """Something is asked of one turn."""

    id: str


class Edit(PageMessage, frozen=True):
    """A turn was edited; ``parts`` are read by ``turn_cards.rebuilt``."""

    id: str
    role: str
    parts: list[dict[str, Any]]


class Move(PageMessage, frozen=True):
    """A turn goes to another place."""

    id: str
    to: int


class Choose(PageMessage, frozen=True):
    """Another version of a turn is shown."""

    id: str
    sibling: int


class Variable(PageMessage, frozen=True):
    """A name was given a value."""

    name: str
    value: str


class Piece(PageMessage, frozen=True):
    """A piece of a file; its bytes come along."""

    id: str
    index: int
    count: int
    name: str
    loose: bool


class Address(PageMessage, frozen=True):
    """A file by its address."""

    id: str
    url: str
    loose: bool


class Pick(PageMessage, frozen=True):
    """A file by the name of the notebook's variable that holds it."""

    id: str
    name: str
    loose: bool


class Remove(PageMessage, frozen=True):
    """Files are taken out of the message being written."""

    ids: list[str]


class Thumbnails(PageMessage, frozen=True):
    """Pictures are asked for, by their hashes."""

    media: list[str]


class Sound(PageMessage, frozen=True):
    """A sound is asked for, by its hash."""

    media: str
