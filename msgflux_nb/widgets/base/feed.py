"""Events of an answer → batches for a page: everything once, and everything again for a page that missed a batch."""

from __future__ import annotations

import threading
from typing import Any

from ...display.markdown import blocks, markdown_html
from ...protocol.events import Event, ReasoningDelta, RefusalDelta, TextDelta

__all__ = ["Batch", "Feed"]

Batch = dict[str, Any]

_SHORT = 4_000  # characters of an open block that are parsed fast


class Feed:
    """Collects the words of an answer for a page.

    A batch holds new text under ``text``, ``reasoning`` and ``refusal``, and finished blocks of Markdown under
    ``html``. ``tail`` is the length of the text after the last block, in JavaScript's units.

    Args:
        markdown: whether the text is drawn as Markdown.
    """

    def __init__(self, *, markdown: bool = False) -> None:
        self._markdown = markdown
        self._lock = threading.Lock()
        self._new: list[TextDelta | ReasoningDelta | RefusalDelta] = []
        self._texts: dict[str, list[str]] = {"text": [], "reasoning": [], "refusal": []}
        self._html: list[str] = []
        self._rest = ""
        self._enough = 0  # length of the rest at which it is parsed again

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
            if self._markdown and "text" in told:
                self._rest += told["text"]
                drawn = self._finished()
                if drawn:
                    self._html += drawn
                    told |= {"html": drawn, "tail": _units(self._rest)}
            return told

    def _finished(self) -> list[str]:
        """Return the finished blocks. A long open block is parsed again only after it has grown much."""
        if len(self._rest) < self._enough:
            return []
        drawn, self._rest = blocks(self._rest)
        self._enough = len(self._rest) * 5 // 4 if len(self._rest) > _SHORT else 0
        return drawn

    def whole(self) -> Batch:
        """Return everything that was sent so far."""
        with self._lock:
            told: Batch = {name: "".join(pieces) for name, pieces in self._texts.items()}
            if self._html:
                told |= {"html": list(self._html), "tail": _units(self._rest)}
            return told

    def last(self) -> Batch:
        """Return the final batch: the block that was still open; empty if there is none."""
        with self._lock:
            return {"html": [markdown_html(self._rest)], "tail": 0} if self._rest.strip() else {}


def _units(text: str) -> int:
    """Return a text's length in JavaScript, which counts UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
