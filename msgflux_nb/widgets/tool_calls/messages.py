"""What the pages of tool calls and of a call that waits send."""

from __future__ import annotations

from typing import Literal

from ..base.messages import PageMessage

__all__ = ["Decide", "DecideOpen", "Seen"]


class Seen(PageMessage, frozen=True):
    """A page shows the questions about these calls."""

    lanes: list[int]


class DecideOpen(PageMessage, frozen=True):
    """A person decided on the call that waits: a rejection has a reason, an edit the arguments as JSON."""

    verdict: Literal["approve", "edit", "reject"]
    reason: str = ""
    arguments: str = ""


class Decide(DecideOpen, frozen=True, kw_only=True):
    """A person decided on one call."""

    lane: int
