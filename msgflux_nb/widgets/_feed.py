"""Events of an answer in, batches for a page out: each thing once, and all of it again for a page that missed some."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ..protocol.events import Event, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from ._markdown import blocks, markdown_html

__all__ = ["Feed"]

Batch = dict[str, Any]


class Feed:
    """Collects what a page has to be told.

    A batch holds what is new under ``text``, ``reasoning``, ``refusal`` and ``calls``. Of Markdown, blocks that are
    finished are in ``html``, and ``tail`` says how much of the text so far is not in a block yet, in the units that
    JavaScript counts. A fragment of a call is ``[call, milliseconds, id, name, text]``.

    Args:
        markdown: whether the text is drawn as Markdown.
        clock: seconds from any start.
    """

    def __init__(self, *, markdown: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._markdown = markdown
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._new: list[Event] = []
        self._texts: dict[str, list[str]] = {"text": [], "reasoning": [], "refusal": []}
        self._calls: list[list[Any]] = []
        self._waiting_calls: list[list[Any]] = []
        self._html: list[str] = []
        self._rest = ""

    def add(self, event: Event) -> bool:
        """Take an event; returns whether there is something to tell. Never waits for the page."""
        match event:
            case TextDelta(choice=0) | ReasoningDelta(choice=0) | RefusalDelta(choice=0):
                self._new.append(event)
            case ToolCallDelta():
                milliseconds = round((self._clock() - self._began) * 1000)
                self.add_fragment(event.call, milliseconds, event.id, event.name, event.arguments)
            case _:
                return False
        return True

    def add_fragment(self, call: int, milliseconds: int, id_: str | None, name: str | None, arguments: Any) -> None:
        """Take a fragment of a call; arguments that are no text are told as they would be written."""
        text = arguments if isinstance(arguments, str) or arguments is None else _json(arguments)
        self._waiting_calls.append([call, milliseconds, id_, name, text])

    def batch(self) -> Batch:
        """Return what came since the last batch; empty if nothing did."""
        with self._lock:
            count = len(self._new)
            events, calls = self._new[:count], self._waiting_calls[:]
            del self._new[:count], self._waiting_calls[: len(calls)]  # what was appended meanwhile stays
            told: Batch = {}
            for name, kind in (("text", TextDelta), ("reasoning", ReasoningDelta), ("refusal", RefusalDelta)):
                piece = "".join(event.text for event in events if isinstance(event, kind))
                if piece:
                    told[name] = piece
                    self._texts[name].append(piece)
            if calls:
                told["calls"] = calls
                self._calls += calls
            if self._markdown and "text" in told:
                drawn, self._rest = blocks(self._rest + told["text"])
                if drawn:
                    self._html += drawn
                    told |= {"html": drawn, "tail": _units(self._rest)}
            return told

    def whole(self) -> Batch:
        """Return all that was told so far."""
        with self._lock:
            told: Batch = {name: "".join(pieces) for name, pieces in self._texts.items()}
            told["calls"] = list(self._calls)
            if self._html:
                told |= {"html": list(self._html), "tail": _units(self._rest)}
            return told

    def finished(self) -> tuple[Batch, Batch]:
        """Return all of it now that nothing follows, and what of that was not told yet: the last block."""
        with self._lock:
            drawn = [markdown_html(self._rest)] if self._markdown and self._rest.strip() else []
            self._html += drawn
            self._rest = ""
        last: Batch = {"html": drawn} if drawn else {}
        return self.whole(), last


def _units(text: str) -> int:
    """How long JavaScript takes a text to be: it counts letters beyond U+FFFF twice."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
