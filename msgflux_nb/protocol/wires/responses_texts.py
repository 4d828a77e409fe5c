"""Keeps the texts of an answer on the Responses wire, so that an event that repeats a text adds only its new part.

Source: https://platform.openai.com/docs/api-reference/responses-streaming, and recorded exchanges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..chunks import Piece, ToolFragment, token_pieces
from ..events import AnnotationDelta, ReasoningDelta, RefusalDelta, TextDelta
from ..json_values import whole_number

__all__ = ["ResponsesTexts"]

_PARAGRAPH = "\n\n"


class ResponsesTexts:
    """The texts, annotations and probabilities that were already yielded, by output_index and part.

    A key is ``(channel, output_index, part)``; the channels are ``text``, ``refusal``, ``summary``, ``reasoning`` and
    ``arguments``.

    Attributes:
        ahead: texts that an item had when it was added; they are held back, since some servers send them again.
        first: the number of each message's first part, by output_index: Bedrock counts from 1.
        custom: the output_index of each call whose input is a text.
        listed: the output_index of each message that had parts when it was added.
    """

    def __init__(self) -> None:
        self.ahead: dict[tuple[str, int, int], str] = {}
        self.first: dict[int, int] = {}
        self.custom: set[int] = set()
        self.listed: set[int] = set()
        self._at: dict[int, int] = {}  # the part of each item that grows
        self._open: set[int] = set()  # items whose part has not ended
        self._running: set[int] = set()  # items whose numbers run on with each piece: vLLM
        self._told: dict[tuple[Any, ...], int] = {}  # how many characters of each part were yielded
        self._reasoned = False  # whether reasoning has come, so that the next part begins a paragraph
        self._notes: dict[tuple[int, int], list[dict[str, Any]]] = {}  # annotations that were yielded
        self._tokens: set[tuple[Any, ...]] = set()  # parts whose probabilities were yielded

    def continued(self, key: tuple[str, int, int], text: str) -> bool:
        """Count a piece of a text of which some was yielded before; return whether that is so."""
        told = self._told.get(key)
        if not told or not text:
            return False
        self._told[key] = told + len(text)
        return True

    def part_of(self, index: int, part: int, *, begins: bool, grows: bool) -> int:
        """Return the number of the part that an event is about; some servers count a part for each piece of a text.

        Args:
            index: the output_index.
            part: the number in the event.
            begins: whether the event says that a part begins.
            grows: whether the event brings a piece of a text.
        """
        at = self._at.get(index)
        runs = at is not None and part != at and not begins and index not in self.listed
        if runs and (index in self._running or (grows and index in self._open)):
            self._running.add(index)
            return at or 0
        self._at[index] = part
        if begins or grows:
            self._open.add(index)
        else:
            self._open.discard(index)
        return part

    def channels(self, index: int) -> set[str]:
        """Return the channels of an item of which anything was yielded."""
        return {key[0] for key in self._told if key[1] == index}

    def held(self) -> Iterator[Piece]:
        """Yield what is still held back."""
        for key, text in [*self.ahead.items()]:
            yield from self.new_text(key, text)

    def _new(self, key: tuple[Any, ...], text: Any, grows: bool) -> str:
        """Return the new part of a text: all of a piece, or the rest of a repetition."""
        if not isinstance(text, str) or not text:
            return ""
        told = self._told.get(key, 0)
        new = text if grows else text[told:]
        self._told[key] = told + len(new)
        return new

    def new_text(self, key: tuple[str, int, int], text: Any, *, grows: bool = False) -> Iterator[Piece]:
        """Yield what is new in one text: reasoning, text, a refusal, or a call's arguments."""
        channel, index, _ = key
        if channel == "arguments" and isinstance(text, dict):  # some servers send the object itself
            if key not in self._told:
                self._told[key] = 1
                yield ToolFragment(index, None, None, text)
            return
        begins = key not in self._told
        if isinstance(text, str) and text:
            ahead = self.ahead.pop(key, "")
            if ahead and grows and not _repeats(ahead, text):  # the pieces continue the item's first text
                text = ahead + text
        new = self._new(key, text, grows)
        if not new:
            return
        if channel == "arguments":
            yield ToolFragment(index, None, None, new, "custom" if index in self.custom else "function")
        elif channel == "text":
            yield TextDelta(new)
        elif channel == "refusal":
            yield RefusalDelta(new)
        else:
            yield ReasoningDelta(_PARAGRAPH + new if begins and self._reasoned else new)
            self._reasoned = True

    def new_annotation(self, key: tuple[int, int], annotation: Any, place: Any) -> Iterator[Piece]:
        """Yield an annotation once; it comes as an event, and again in the part, the item and the response."""
        notes, place = self._notes.setdefault(key, []), whole_number(place)
        if not isinstance(annotation, dict):
            return
        if annotation not in notes or (place is not None and place >= len(notes)):
            notes.append(annotation)
            yield AnnotationDelta(annotation)

    def new_probabilities(self, key: tuple[Any, ...], tokens: Any, *, grows: bool = False) -> Iterator[Piece]:
        """Yield the probabilities of a piece's tokens, or of a part's if none of it were yielded."""
        if isinstance(tokens, list) and tokens and (grows or key not in self._tokens):
            self._tokens.add(key)
            yield from token_pieces(tokens)

    def learn_numbers(self, index: int, part: int, text: Any) -> Iterator[Piece]:
        """Learn from an event how a message's parts are numbered, and yield the parts before this one."""
        begun = sorted(key for key in self.ahead if key[:2] == ("text", index))
        if index in self.first or not begun:
            self.first[index] = min(self.first.get(index, part), part)
        elif part == 0 or (isinstance(text, str) and text):
            mine, before = (self.ahead.get(("text", index, number), "") for number in (part, part - 1))
            clear = _repeats(before, text) != _repeats(mine, text)
            first = int(part > 0 and (_repeats(before, text) if clear else part == 1))
            self.first[index] = first
            for key in reversed(begun) if first else ():
                self.ahead["text", index, key[2] + 1] = self.ahead.pop(key)
        if index not in self.first:
            return
        for key in sorted(key for key in self.ahead if key[:2] == ("text", index) and key[2] < part):
            yield from self.new_text(key, self.ahead[key])

    def mark_repeated(self, channel: str, index: int, texts: list[str], first: int) -> None:
        """Mark an item's texts as yielded if all of their characters were, in parts with other numbers.

        Args:
            channel: the channel of the texts.
            index: the output_index.
            texts: the texts of the complete item.
            first: the number of its first part.
        """
        told = sum(count for key, count in self._told.items() if key[:2] == (channel, index))
        if told >= sum(map(len, texts)):
            for number, text in enumerate(texts, first):
                key = (channel, index, number)
                self._told[key] = max(self._told.get(key, 0), len(text))


def _repeats(begun: str, text: Any) -> bool:
    """Whether a text repeats the text that an item had when it was added."""
    return bool(begun and text) and isinstance(text, str) and (begun.startswith(text) or text.startswith(begun))
