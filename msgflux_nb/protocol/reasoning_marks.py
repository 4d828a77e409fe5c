"""Separates reasoning that a server leaves in the content, between marks, from the answer's text.

A server without a reasoning parser sends the model's whole text: ``<think>…</think>`` and then the answer. Marks count
only at the beginning of the content, so an answer that mentions ``<think>`` stays unchanged. Some chat templates write
the opening mark into the prompt; then the answer holds only a closing mark.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

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
_PASSED_OVER = ("<|start|>assistant", "<|channel|>final<|message|>", "<|start_response|>", "<|begin_of_solution|>")
"""Filler before, or between, reasoning and answer; it belongs to neither."""

_HEADS = (*_OPENINGS, *_PASSED_OVER)
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
_FIND_LONE = re.compile("|".join(map(re.escape, _LONE)), re.I)
_FIND_OPENING = re.compile("|".join(re.escape(head) for head in _OPENINGS if head not in _PLAIN_WORDS), re.I)
_STARTS = "<◁[Hh"
_BLANK_LIMIT = 256  # after so many characters of white space no mark is expected
_TRIES = 8


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
    """

    def __init__(self, marks: ReasoningMarks) -> None:
        self.passed = marks == "never"
        self.inside = False
        self._begun = marks == "begun"
        self._held = ""
        self._closings: tuple[str, ...] = ()
        self._find: re.Pattern[str] | None = None
        self._blank = False  # whether white space is dropped, since it follows a mark
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
        held, self._held = self._held, ""
        if self._blank:
            held = held.lstrip()
        return [MarkedPart(self.inside, held)] if held else []

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
        if self._opening and self._opening not in _PLAIN_WORDS and after not in tuple(" ,.;:'\"`)"):
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
        if start[:1] in _FIRST_SIGNS:  # rare, so check this first
            head = next((head for head in _HEADS if start.startswith(head)), None)
            if head is None and start and any(head.startswith(start) for head in _HEADS):
                return False
        if head in _OPENINGS:
            self._open(head, _OPENINGS[head], body[len(head) :])
        elif head is not None:
            self._held, self._blank, self._begun = body[len(head) :], True, False
        elif self._begun and body[:1] not in ("{", "[", "`"):
            self._open("", _LONE, body)
        else:
            text, self._held, self.passed = body if self._blank else self._held, "", True
            if text:
                parts.append(MarkedPart(False, text))
            return False
        return True

    def _open(self, opening: str, closings: tuple[str, ...], rest: str) -> None:
        self._since = [self._held]
        self._held, self._opening, self._closings, self._begun = rest, opening, closings, False
        self._find = re.compile("|".join(map(re.escape, closings)), re.I)
        self.inside = self._blank = True

    def _inside(self, parts: list[MarkedPart]) -> bool:
        """Look for the mark that ends the reasoning."""
        assert self._find is not None
        if self._blank:
            self._held = self._held.lstrip()
            self._blank = not self._held
        found = self._find.search(self._held)
        end = len(self._held) - self._kept() if found is None else found.start()
        if end:
            parts.append(MarkedPart(True, self._held[:end]))
        if found is None:
            self._held = self._held[end:]
            return False
        self._held, self.inside, self._blank = self._held[found.end() :], False, True
        self._since.clear()
        return True

    def _kept(self) -> int:
        """Return how many characters at the end of the held content may begin a closing mark."""
        end = self._held[-_LONGEST_HEAD:].lower()
        for start in range(len(end)):
            if any(closing.startswith(end[start:]) for closing in self._closings):
                return len(end) - start
        return 0


def split_at_lone_mark(text: str) -> tuple[str, str] | None:
    """Split a text at a closing mark whose opening mark was in the prompt; None if there is none.

    A mark that is quoted, in a code block, after an opening mark or in the middle of a sentence does not count: there
    the text only mentions it.
    """
    if text.lstrip()[:3].startswith(("{", "[", "```")):  # JSON, whose strings may hold a mark
        return None
    opening = _FIND_OPENING.search(text)
    end = len(text) if opening is None else opening.start()
    for tried, found in enumerate(_FIND_LONE.finditer(text, 0, end)):
        if tried == _TRIES:
            return None
        if _ends_reasoning(text, found.start(), found.end()):
            return text[: found.start()].strip(), text[found.end() :].lstrip()
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
    if first == "[" and text.lstrip()[:7].lower() == "[think]":
        return True
    return (first in _STARTS and first != "[") or "</" in text or "|>" in text or "[/" in text or "◁/" in text
