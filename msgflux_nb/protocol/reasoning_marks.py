"""Separates reasoning that a server leaves in the content, between marks, from the answer's text.

A server without a reasoning parser sends the model's whole text: ``<think>…</think>`` and then the answer. Marks count
only at the beginning of the content, so an answer that mentions ``<think>`` stays unchanged. Some chat templates write
the opening mark into the prompt; then the answer holds only a closing mark. A pair of marks may be inside another one.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Literal, NamedTuple

from .control_marks import HEADS, may_end_in_mark

__all__ = ["ReasoningFilter", "ReasoningMarks", "may_hold_marks", "split_at_lone_mark"]

ReasoningMarks = Literal["marked", "begun", "never"]
"""Where reasoning may be in the content: between marks at its beginning; from its beginning on, since the chat template
opens it; or never, so that marks are part of the answer's text."""

_TAGS = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think")
_OPENINGS: dict[str, tuple[str, ...]] = {
    **{f"<{tag}>": (f"</{tag}>",) for tag in _TAGS},
    "◁think▷": ("◁/think▷",),  # Kimi
    "[think]": ("[/think]",),  # Magistral
    "<|begin_of_thought|>": ("<|end_of_thought|>",),
    "<|channel|>analysis<|message|>": ("<|end|>", "<|channel|>final<|message|>"),  # gpt-oss
    "<|channel>thought": ("<channel|>",),  # Gemma 4
    "<|start_thinking|>": ("<|end_thinking|>",),  # Cohere
    "here is my thought process:": ("here is my response:",),  # Granite
}
"""The marks that end the reasoning, by opening mark, in lower case."""
_PLAIN_WORDS = frozenset(("here is my thought process:",))
_HEADS = (*_OPENINGS, *HEADS)  # those of the second kind belong to neither reasoning nor answer
_LONGEST_HEAD = max(map(len, _HEADS))
_FIRST_SIGNS = frozenset(head[0] for head in _HEADS)
_LONE = (
    *(f"</{tag}>" for tag in _TAGS),
    "◁/think▷",
    "[/think]",
    "<|end_of_thought|>",
    "<channel|>",
    "<|end_thinking|>",
)
_PAIRED = tuple(head for head in _OPENINGS if head not in _PLAIN_WORDS and not head.startswith("<|channel|>"))
_FIND_MARK = re.compile("|".join(map(re.escape, (*_LONE, *_PAIRED, "<|channel|>"))), re.I)
_STARTS = "<◁"
_MENTION = tuple(" ,.;:'\"`)")  # a mark in front of one of these is part of a sentence
_NEXT_END = 4_000  # characters behind a closing mark in which another one is looked for, if two were opened
_BLANK_LIMIT = 256  # after so many characters of white space no mark is expected
_TRIES = 8
_MOST_MARKS = 100_000  # a text with more of them is not reasoning
_MOST_HEADS = 64  # marks before the answer; what begins with more is text, since each one copies the rest
_LONG, _MOST_HEADS_OF_LONG = 1_000_000, 8  # characters, and as many marks before them


class MarkedPart(NamedTuple):
    """A piece of the content.

    Attributes:
        reasoning: whether the piece is reasoning; else it is text.
        text: the characters.
    """

    reasoning: bool
    text: str


class ReasoningFilter:
    """Separates reasoning from text while the content arrives in pieces.

    Args:
        marks: where reasoning may be.

    Attributes:
        passed: whether everything from now on is text.
        inside: whether the last content was reasoning.
        dropped: marks that belong to neither reasoning nor text.
    """

    def __init__(self, marks: ReasoningMarks) -> None:
        self.passed = marks == "never"
        self.inside = False
        self._begun = marks == "begun"
        self._held = ""
        self._closings: tuple[str, ...] = ()
        self._marks: tuple[str, ...] = ()
        self._find: re.Pattern[str] | None = None
        self._blank = False  # whether white space is dropped, since it follows a mark
        self.dropped: list[str] = []
        self._ended = False
        self._heads = 0  # marks that were read before the answer
        self._deep = 0  # marks that were opened inside the reasoning and are not closed yet
        self._last = ""  # the last character of the reasoning
        self._opening = ""  # the mark that opened the reasoning; empty if a template did
        self._since: list[str] = []  # everything since the reasoning began, the mark included

    def feed(self, text: str) -> list[MarkedPart]:
        """Read some content, and return the pieces that are certain."""
        if self.passed:
            return [MarkedPart(False, text)] if text else []
        self._held += text
        if self.inside:
            self._since.append(text)
        parts: list[MarkedPart] = []
        while self._step(parts):
            pass
        return parts

    def close(self) -> list[MarkedPart]:
        """Handle the end, and return what was held back."""
        self._ended = True
        parts: list[MarkedPart] = []
        while self._held and not self.passed and self._step(parts):
            pass
        held, self._held = self._held, ""
        if self._blank:
            held = held.lstrip()
        return [*parts, MarkedPart(self.inside, held)] if held else parts

    def separate(self) -> None:
        """Note that this server sends reasoning in a separate field, so that content does not begin with it."""
        self._begun = False

    def mistaken_reasoning(self, *, ended: bool) -> str | None:
        """Return supposed reasoning that is text after all, since it was never closed; None if it was reasoning.

        Args:
            ended: whether the model ended the answer itself; an answer that was cut off was cut in its reasoning.
        """
        if not self.inside or not ended:
            return None
        said = "".join(self._since)
        after = said.lstrip()[len(self._opening) :][:1]
        if self._opening and self._opening not in _PLAIN_WORDS and after not in ("", *_MENTION):
            return None
        self.inside = False
        return said

    def _step(self, parts: list[MarkedPart]) -> bool:
        return self._inside(parts) if self.inside else self._at_head(parts)

    def _at_head(self, parts: list[MarkedPart]) -> bool:
        """Look for a mark at the start of the held content."""
        body = self._held.lstrip()
        if not body and len(self._held) <= _BLANK_LIMIT:
            return False
        start = body[:_LONGEST_HEAD].lower()
        head = None
        if start[:1] in _FIRST_SIGNS and self._heads < self._most_heads():  # rare, so check this first
            head = next((head for head in _HEADS if start.startswith(head)), None)
            if head is None and start and any(head.startswith(start) for head in _HEADS):
                return False
        behind = body[len(head) : len(head) + 1] if head is not None else ""
        if head in HEADS and not behind and not self._ended:
            return False
        if head in HEADS and not self._blank and behind in ("", *_MENTION):
            head = None
        self._heads += head is not None
        if head in _OPENINGS:
            self._open(head, _OPENINGS[head], body[len(head) :])
        elif head is not None:
            self.dropped.append(body[: len(head)])
            self._held, self._blank, self._begun = body[len(head) :], True, False
        elif self._begun and body[:1] not in ("{", "[", "`"):
            self._open("", _LONE, body)
        else:
            text, self._held, self.passed = body if self._blank else self._held, "", True
            if text:
                parts.append(MarkedPart(False, text))
            return False
        return True

    def _most_heads(self) -> int:
        return _MOST_HEADS if len(self._held) < _LONG else _MOST_HEADS_OF_LONG

    def _open(self, opening: str, closings: tuple[str, ...], rest: str) -> None:
        self._since = [self._held]
        self._held, self._opening, self._closings, self._begun = rest, opening, closings, False
        inner = tuple(mark for mark in _PAIRED if opening in ("", mark))
        self._marks = (*closings, *inner)
        self._find = re.compile("|".join(map(re.escape, self._marks)), re.I)
        self.inside = self._blank = True
        self._deep, self._last = 0, ""

    def _inside(self, parts: list[MarkedPart]) -> bool:
        """Look for the mark that ends the reasoning."""
        assert self._find is not None
        if self._blank:
            self._held = self._held.lstrip()
            self._blank = not self._held
        found, after = self._closing()
        end = len(self._held) - self._kept(after) if found is None else found.start()
        if found is None or (self._deep and self._is_inner(found.end()) is None):
            self._think(end, parts)
            return False
        behind = self._held[found.end() :]
        self._think(end, parts)
        self._held, self.inside, self._blank = behind, False, True
        self._since.clear()
        return True

    def _closing(self) -> tuple[re.Match[str] | None, int]:
        """Pass marks that are opened and closed inside the reasoning; return the one that may end it, and its place."""
        assert self._find is not None
        at = 0
        for found in self._find.finditer(self._held):
            if found[0].lower() not in self._closings:
                before = self._held[found.start() - 1 : found.start()] or self._last
                self._deep += before not in tuple("`'\"")
            elif self._deep and self._is_inner(found.end()):
                self._deep -= 1
            else:
                return found, found.start()
            at = found.end()
        return None, at

    def _think(self, end: int, parts: list[MarkedPart]) -> None:
        """Take the held content as reasoning, up to its end."""
        if end:
            parts.append(MarkedPart(True, self._held[:end]))
            self._last = self._held[end - 1]
            self._held = self._held[end:]

    def _is_inner(self, end: int) -> bool | None:
        """Whether another mark behind a closing one ends the reasoning; None while that is not known."""
        behind = self._held[end : end + _NEXT_END]
        next_end = _lone_mark(behind)
        if next_end is not None and (next_end.end() < len(behind) or self._ended):
            return True
        return False if self._ended or len(behind) == _NEXT_END else None

    def _kept(self, after: int) -> int:
        """Return how many characters at the end of the held content, behind a place, may begin a mark."""
        end = self._held[after:][-_LONGEST_HEAD:].lower()
        for start in range(len(end)):
            if any(mark.startswith(end[start:]) for mark in self._marks):
                return len(end) - start
        return 0


def split_at_lone_mark(text: str) -> tuple[str, str] | None:
    """Split a text at a closing mark whose opening mark was in the prompt; None if there is none.

    A mark that is quoted, in a block of code, closes one that was opened before it or stands in the middle of a
    sentence does not count: there the text only mentions it.
    """
    if text.lstrip()[:3].startswith(("{", "[", "```")):  # JSON, whose strings may hold a mark
        return None
    found = _lone_mark(text)
    return None if found is None else (text[: found.start()].strip(), text[found.end() :].lstrip())


def _lone_mark(text: str) -> re.Match[str] | None:
    """Return the first closing mark that ends reasoning and whose opening is not in the text."""
    open_, tried = 0, 0
    for found in islice(_FIND_MARK.finditer(text), _MOST_MARKS):
        if found[0].lower() not in _LONE:
            open_ += text[found.start() - 1 : found.start()] not in tuple("`'\"")
        elif open_:
            open_ -= 1
        elif _ends_reasoning(text, found.start(), found.end()):
            return found
        else:
            tried += 1
            if tried == _TRIES:
                return None
    return None


def _ends_reasoning(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 2) : start], text[end : end + 1]
    if before[-1:] in tuple("`'\"") or after in tuple("`'\""):
        return False
    if text.count("```", 0, start) % 2:
        return False
    in_a_line = before[-1:] in (" ", "\t") and after in (" ", "\t")
    return not in_a_line or before[0] in ".!?…。:"


def may_hold_marks(text: str) -> bool:
    """Whether a complete content may hold marks; a quick check, since few do."""
    first = text[:1] if not text[:1].isspace() else text.lstrip()[:1]
    if first == "[" and text.lstrip()[:7].lower() in ("[think]", "[|assis"):
        return True
    if first in ("H", "h") and text.lstrip()[:4].lower() == "here":
        return True
    return first in _STARTS or may_end_in_mark(text) or "</" in text or "|>" in text or "[/" in text or "◁/" in text
