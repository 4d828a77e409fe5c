"""Splits the arriving content of one choice into reasoning and new text, without an echoed prefill and marks."""

from __future__ import annotations

from .prefill import EchoFilter
from .reasoning_marks import MarkedPart, ReasoningFilter, ReasoningMarks, split_at_lone_mark

__all__ = ["ContentReader"]

_LATE = (
    "the reasoning in the content ends with a closing mark whose opening stands in the model's template, so it was "
    "told as text while it streamed; .text holds only what follows it. If this model always reasons first, use "
    'profile={"reasoning_in_content": "begun"}, or a reasoning parser on the server.'
)


class ContentReader:
    """Reads the content of one choice while it arrives.

    Args:
        prefill: the start of the answer, as sent.
        echoed: whether the server repeats it at the beginning of the content.
        marks: where reasoning may be in the content.

    Attributes:
        echo: finds and removes the repeated prefill.
        passed: whether everything from now on is new text.
        prefill_text: the text in the prefill, which may begin with reasoning.
        prefill_reasoning: the reasoning in the prefill.
        begun: whether anything has arrived.
    """

    def __init__(self, prefill: str, *, echoed: bool, marks: ReasoningMarks) -> None:
        self._marks = marks
        self._filter = ReasoningFilter("marked" if prefill and marks == "begun" else marks)
        parts = self._filter.feed(prefill) if prefill else []
        if prefill and not self._filter.inside:
            parts += self._filter.close()
            self._filter.passed = bool(prefill.strip()) or self._filter.passed
        self.prefill_text = "".join(part.text for part in parts if not part.reasoning)
        self.prefill_reasoning = "".join(part.text for part in parts if part.reasoning)
        self._no_text = not self.prefill_text.strip()
        if echoed:  # the content begins with the prefill, or with reasoning and then the prefill
            self._filter = ReasoningFilter(marks)
            self.prefill_reasoning = ""
        self.echo = EchoFilter(self.prefill_text if echoed else "")
        self.passed = self._filter.passed and self.echo.passed
        self.begun = False
        self._found = False  # whether reasoning was found

    def feed(self, content: str) -> list[MarkedPart]:
        """Read some content, and return the pieces that are certain."""
        self.begun = self.begun or bool(content)
        return self._without_echo(self._filter.feed(content))

    def separate(self) -> None:
        """Note that this server sends reasoning in a separate field."""
        self._filter.separate()

    def close(self) -> list[MarkedPart]:
        """Handle the end, and return what was held back."""
        parts = self._without_echo(self._filter.close())
        rest = self.echo.close()
        return [*parts, MarkedPart(False, rest)] if rest else parts

    def mistaken_reasoning(self, *, ended: bool) -> str | None:
        """Return supposed reasoning that is text after all, since it was never closed; None if there is none.

        Args:
            ended: whether the model ended the answer itself.
        """
        text = self._filter.mistaken_reasoning(ended=ended)
        return None if text is None else self.echo.feed(text) + self.echo.close()

    def split_late(self, text: str) -> tuple[str, str] | None:
        """Split content that was read as text, but ends its reasoning with a lone mark; None if it has none."""
        if self._marks == "never" or self._found or not self._no_text or not self._filter.passed:
            return None
        return split_at_lone_mark(text)

    @staticmethod
    def late_warning() -> str:
        """Return the warning that such reasoning was streamed as text."""
        return _LATE

    def _without_echo(self, parts: list[MarkedPart]) -> list[MarkedPart]:
        new: list[MarkedPart] = []
        for part in parts:
            self._found = self._found or part.reasoning
            text = part.text if part.reasoning or self.echo.passed else self.echo.feed(part.text)
            if text:
                new.append(MarkedPart(part.reasoning, text))
        self.passed = self._filter.passed and self.echo.passed
        return new
