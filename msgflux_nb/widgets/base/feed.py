"""Events of an answer → batches for a page: everything once, and everything again for a page that missed a batch."""

from __future__ import annotations

import threading
from typing import Any

from ...protocol.events import Event, ReasoningDelta, RefusalDelta, TextDelta
from .open_block import OpenBlock

__all__ = ["Batch", "Feed"]

Batch = dict[str, Any]


class Feed:
    """Collects the words of an answer for a page.

    A batch holds new text under ``text``, ``reasoning`` and ``refusal``. Markdown is told as HTML too: finished blocks
    and the open one, as ``OpenBlock.grow`` returns them.

    Args:
        markdown: whether the text is drawn as Markdown.
    """

    def __init__(self, *, markdown: bool = False) -> None:
        self._lock = threading.Lock()
        self._new: list[TextDelta | ReasoningDelta | RefusalDelta] = []
        self._texts: dict[str, list[str]] = {"text": [], "reasoning": [], "refusal": []}
        self._open = OpenBlock() if markdown else None

    def add(self, event: Event) -> bool:
        """Take an event; return whether there is something to send. Never waits for the page."""
        match event:
            case TextDelta(choice=0) | ReasoningDelta(choice=0) | RefusalDelta(choice=0):
                self._new.append(event)
                return True
        return False

    def batch(self) -> Batch:
        """Return what came since the last batch; empty if nothing did."""
        with self._lock:
            count = len(self._new)
            events = self._new[:count]
            del self._new[:count]  # keep what was appended meanwhile
            told: Batch = {}
            for name, kind in (("text", TextDelta), ("reasoning", ReasoningDelta), ("refusal", RefusalDelta)):
                piece = "".join(event.text for event in events if isinstance(event, kind))
                if piece:
                    told[name] = piece
                    self._texts[name].append(piece)
            if self._open is not None and "text" in told:
                told |= self._open.grow(told["text"])
            return told

    def whole(self) -> Batch:
        """Return everything that was sent so far."""
        with self._lock:
            told: Batch = {name: "".join(pieces) for name, pieces in self._texts.items()}
            return told if self._open is None else told | self._open.whole()

    def last(self) -> Batch:
        """Return the final batch: the block that was still open; empty if there is none."""
        with self._lock:
            return {} if self._open is None else self._open.last()
