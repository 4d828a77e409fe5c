"""Messages from the pages of tool calls and of the card of a waiting call."""

from __future__ import annotations

from typing import Literal

from ..base.messages import PageMessage

__all__ = ["Decide", "DecideOpen", "Seen"]


class Seen(PageMessage, frozen=True):
    """Report that a page shows the questions about these calls."""

    lanes: list[int]


class DecideOpen(PageMessage, frozen=True):
    """Decide on the waiting call: a rejection has a reason, an edit the arguments as JSON."""

    verdict: Literal["approve", "edit", "reject"]
    reason: str = ""
    arguments: str = ""


class Decide(DecideOpen, frozen=True, kw_only=True):
    """Decide on one call."""

    lane: int
