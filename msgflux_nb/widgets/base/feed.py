"""Events of an answer in, batches for a page out: each thing once, and everything again for a page that missed some."""

from __future__ import annotations

import threading
from typing import Any

from ...display.markdown import blocks, markdown_html
from ...protocol.events import Event, ReasoningDelta, RefusalDelta, TextDelta

__all__ = ["Batch", "Feed"]

Batch = dict[str, Any]

_SHORT = 4_000  # characters of an open block that are read in next to no time


class Feed:
    """Collects what a page has to be told of an answer's words.

    A batch holds what is new under ``text``, ``reasoning`` and ``refusal``. Finished blocks of Markdown are in
    ``html``. ``tail`` says how much of the text so far is not in a block yet, in the units that JavaScript counts.

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
        self._enough = 0  # characters of the rest with which it is looked at again

    def add(self, event: Event) -> bool:
        """Take an event; returns whether there is something to tell. Never waits for the page."""
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
            del self._new[:count]  # what was appended meanwhile stays
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
        """Return the finished blocks. A long open block is looked at again once it has grown by much."""
        if len(self._rest) < self._enough:
            return []
        drawn, self._rest = blocks(self._rest)
        self._enough = len(self._rest) * 5 // 4 if len(self._rest) > _SHORT else 0
        return drawn

    def whole(self) -> Batch:
        """Return all that was told so far."""
        with self._lock:
            told: Batch = {name: "".join(pieces) for name, pieces in self._texts.items()}
            if self._html:
                told |= {"html": list(self._html), "tail": _units(self._rest)}
            return told

    def last(self) -> Batch:
        """Return the batch after which nothing follows: the block that was not finished; empty if there is none."""
        with self._lock:
            return {"html": [markdown_html(self._rest)], "tail": 0} if self._rest.strip() else {}


def _units(text: str) -> int:
    """How long JavaScript takes a text to be: it counts letters beyond U+FFFF twice."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
