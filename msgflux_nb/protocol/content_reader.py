"""Splits the arriving content of one choice into reasoning and new text, without an echoed prefill and marks."""

from __future__ import annotations

from .control_marks import MarkFilter, taken_out
from .pieces import TextPieces
from .prefill import EchoFilter
from .reasoning_marks import MarkedPart, ReasoningFilter, ReasoningMarks, split_at_lone_mark

__all__ = ["ContentReader"]

_LATE = (
    "the content has a closing mark of reasoning without an opening one, which the chat template holds, so the "
    "reasoning was streamed as text; .text holds the answer without it. If this model always reasons first, use "
    'profile={"reasoning_in_content": "begun"}, or a reasoning parser on the server.'
)
_AGAIN = (
    "the answer has more marks that end reasoning, such as </think>, than marks that begin it. Everything before the "
    "last one is in .reasoning; .text is the rest."
)
_NO_REASONING = "<think></think>"
_MOST_ENDS = 8


class ContentReader:
    """Reads the content of one choice while it arrives.

    Args:
        prefill: the start of the answer, as sent.
        echoed: whether the server repeats it at the beginning of the content.
        marks: where reasoning may be in the content.
        said: the text so far, to which the caller adds everything that is returned.

    Attributes:
        echo: finds and removes the repeated prefill.
        passed: whether everything from now on is new text.
        prefill_text: the text in the prefill, which may begin with reasoning.
        prefill_reasoning: the reasoning in the prefill.
        begun: whether anything has arrived.
    """

    def __init__(self, prefill: str, *, echoed: bool, marks: ReasoningMarks, said: TextPieces | None = None) -> None:
        self._marks = marks
        self._filter = ReasoningFilter("marked" if prefill and marks == "begun" else marks)
        parts = self._filter.feed(prefill) if prefill else []
        if prefill and not self._filter.inside:
            parts += self._filter.close()
            self._filter.passed = bool(prefill.strip()) or self._filter.passed
        self._filter.dropped.clear()
        self.prefill_text = "".join(part.text for part in parts if not part.reasoning)
        self.prefill_reasoning = "".join(part.text for part in parts if part.reasoning)
        self._no_text = not self.prefill_text.strip()
        if echoed:  # the content begins with the prefill, or with reasoning and then the prefill
            self._filter = ReasoningFilter(marks)
            self.prefill_reasoning = ""
        self.echo = EchoFilter(self.prefill_text if echoed else "")
        said = TextPieces() if said is None else said
        self._control = MarkFilter(said, prefill=self.prefill_text, never=marks == "never")
        self.passed = self._filter.passed and self.echo.passed
        self.begun = False
        self._found = False  # whether reasoning was found

    def feed(self, content: str) -> list[MarkedPart]:
        """Read some content, and return the pieces that are certain."""
        self.begun = self.begun or bool(content)
        return self._read(self._filter.feed(content))

    def separate(self) -> None:
        """Note that this server sends reasoning in a separate field."""
        self._filter.separate()

    def close(self) -> list[MarkedPart]:
        """Handle the end, and return what was held back."""
        parts = self._without_echo(self._filter.close())
        text = "".join(part.text for part in parts if not part.reasoning)
        rest = self._control.close(text + self.echo.close())
        parts = [part for part in parts if part.reasoning]
        return [*parts, MarkedPart(False, rest)] if rest else parts

    def mistaken_reasoning(self, *, ended: bool) -> str | None:
        """Return supposed reasoning that is text after all, since it was never closed; None if there is none.

        Args:
            ended: whether the model ended the answer itself.
        """
        said = self._filter.mistaken_reasoning(ended=ended)
        if said is None:
            return None
        return self._control.close(self.echo.feed(said) + self.echo.close())

    def split_late(self, text: str) -> tuple[str, str] | None:
        """Split content that was read as text, but ends its reasoning with a lone mark; None if it has none."""
        if self._marks == "never" or not self._no_text or not self._filter.passed:
            return None
        reasoning: list[str] = []
        while len(reasoning) < _MOST_ENDS and (late := split_at_lone_mark(text)) is not None:
            reasoning.append(late[0])
            text = late[1]
        if not reasoning:
            return None
        parts, taken = _behind_reasoning(text)
        self._control.taken += taken
        reasoning += [part.text for part in parts if part.reasoning]
        return "\n\n".join(reasoning), "".join(part.text for part in parts if not part.reasoning)

    def warnings(self, *, late: bool, streamed: bool) -> list[str]:
        """Return warnings about the marks.

        Args:
            late: whether ``split_late`` found reasoning.
            streamed: whether the text may have been read while it arrived.
        """
        said = [_AGAIN] if late and self._found else [_LATE] if late and streamed else []
        return [*said, taken_out(self._control.taken)] if self._control.taken else said

    def _read(self, parts: list[MarkedPart]) -> list[MarkedPart]:
        new: list[MarkedPart] = []
        for reasoning, text in self._without_echo(parts):
            said = text if reasoning else self._control.feed(text)
            if said:
                new.append(MarkedPart(reasoning, said))
        self.passed = self._filter.passed and self.echo.passed and not self._control.holds
        return new

    def _without_echo(self, parts: list[MarkedPart]) -> list[MarkedPart]:
        """Pieces of the content without an echoed prefill."""
        new: list[MarkedPart] = []
        for part in parts:
            self._found = self._found or part.reasoning
            text = part.text if part.reasoning or self.echo.passed else self.echo.feed(part.text)
            if text:
                new.append(MarkedPart(part.reasoning, text))
        if self._found:
            self._control.after_reasoning()
        self._control.open(self._filter.dropped)
        self._filter.dropped.clear()
        return new


def _behind_reasoning(text: str) -> tuple[list[MarkedPart], list[str]]:
    """Return what the text behind reasoning consists of, and the control marks that were taken out of it."""
    said = TextPieces()
    reader = ContentReader("", echoed=False, marks="marked", said=said)
    parts = reader.feed(f"{_NO_REASONING}{text}")
    for part in parts:
        if not part.reasoning:
            said.add(part.text)
    return [*parts, *reader.close()], reader._control.taken
