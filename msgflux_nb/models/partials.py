"""The structure of an answer as far as it has arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..generation.partial import partial_instance
from ..protocol.events import Event, TextDelta, ToolCallDelta
from ..protocol.partial_json import PartialJSON
from .call import Call

__all__ = ["Partials", "StructureText"]

_SHARE = 9.0  # at most a tenth of the time is spent building partial structures


class StructureText:
    """The text of a call's structure as it arrives: the answer's text, or the arguments of the tool call that holds it.

    Args:
        call: the call.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._begun = False
        self._lane: int | None = None  # index of the tool call that holds the structure

    def new(self, event: Event) -> str:
        """Return the text that an event adds; the first text begins with the prefill."""
        text = ""
        request = self._call.request
        if isinstance(event, TextDelta) and event.choice == 0 and request.schema_tool is None:
            text = event.text
        elif isinstance(event, ToolCallDelta) and event.choice == 0 and request.schema_tool is not None:
            self._lane = event.call if event.name == request.schema_tool else self._lane
            text = event.arguments if event.call == self._lane and isinstance(event.arguments, str) else ""
        if text and not self._begun:
            self._begun = True
            text = request.prefill + text
            text = text if request.schema is None else text.lstrip()
        return text


class Partials:
    """Reads a call's answer as JSON while it arrives, each character once.

    Args:
        call: the call.
        clock: returns seconds from any start; measures how long building takes.
    """

    def __init__(self, call: Call, clock: Callable[[], float]) -> None:
        self._call = call
        self._clock = clock
        self._parser = PartialJSON()
        self._new = StructureText(call).new
        self._text: list[str] = []
        self._not_before: float | None = None

    def after(self, event: Event) -> Iterator[Any]:
        """Yield the structure after an event, if it has changed and enough time has passed."""
        text = self._new(event)
        if not text:
            return
        schema = self._call.request.schema
        if schema is None:
            self._text.append(text)
        elif self._parser.error is None:
            self._parser.feed(text)
        began = self._clock()
        if self._not_before is not None and began < self._not_before:
            return
        shown = self._so_far()
        now = self._clock()
        # The first one takes longest, since it makes the partial types.
        self._not_before = now if self._not_before is None else now + _SHARE * (now - began)
        if shown is not None:
            yield shown

    def _so_far(self) -> Any:
        schema = self._call.request.schema
        if schema is None:
            return "".join(self._text)
        value = self._parser.value
        if value is None or self._parser.complete:
            return None
        try:
            return partial_instance(schema.type, value if schema.restore is None else schema.restore(value))
        except RecursionError:  # nested too deeply; decoding raises the error at the end of the stream
            return None
