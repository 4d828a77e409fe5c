"""One exercise: a check of the answer, hints, a solution, and the learner's progress."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from ..display.icons import icon

__all__ = ["Exercise", "NotYetError", "Outcome"]

State = Literal["not attempted", "not yet", "right"]
_SHAPES = {"not attempted": "○", "not yet": "◐", "right": "●"}
_MARKS = {  # as in the views: a coloured mark and a word
    "not attempted": ("edit", "inherit"),
    "not yet": ("warning", "var(--jp-warn-color1, #f57c00)"),
    "right": ("check", "var(--jp-success-color1, #388e3c)"),
}


class NotYetError(AssertionError):
    """An answer is not right yet; the message says what is missing.

    It is an ``AssertionError``, so that graders such as otter and nbgrader count it as a failed test.
    """


class Outcome(msgspec.Struct, frozen=True):
    """The result of a check.

    Attributes:
        exercise: such as ``"06.a"``.
        state: ``"not attempted"``, ``"not yet"`` or ``"right"``.
        sentence: why the answer is right, or what is missing.
    """

    exercise: str
    state: State
    sentence: str

    def __bool__(self) -> bool:
        """Return whether the answer is right."""
        return self.state == "right"

    def __repr__(self) -> str:
        return f"{_SHAPES[self.state]} {self.exercise} {self.state}: {self.sentence}"

    def _repr_html_(self) -> str:
        drawing, colour = _MARKS[self.state]
        mark = f'<span style="color: {colour}">{icon(drawing)}</span> <b>{self.state}</b>'
        return f'<div style="line-height: 20px">{mark} &nbsp;{html.escape(self.sentence)}</div>'


class Exercise:
    """An exercise of a lesson.

    Args:
        title: the task, in a few words.
        test: takes an answer and returns a sentence for a right one, or None; raises :class:`NotYetError`.
        hints: hints that say more and more.
        solution: Python source whose last statement assigns ``answer``.

    Attributes:
        name: its name, such as ``"06.a"``; set by its lesson.
    """

    def __init__(self, title: str, test: Callable[[Any], str | None], *, hints: tuple[str, ...], solution: str) -> None:
        self.name = ""
        self.title = title
        self._test = test
        self._hints = hints
        self._solution = solution
        self._shown = 0
        self.attempts = 0
        self.latest: Outcome | None = None

    def test(self, answer: Any) -> None:
        """Check an answer for a grader: raise if it is wrong.

        Raises:
            NotYetError: it is not right yet; the message says what is missing.
        """
        found = self.check(answer)
        if not found:
            raise NotYetError(f"{self.name}: {found.sentence}")

    def check(self, answer: Any = None) -> Outcome:
        """Check an answer and return the outcome; never raise, so that a notebook runs to its end.

        Args:
            answer: the answer; None and ``...`` count as not attempted.
        """
        if answer is None or answer is ...:
            self.latest = Outcome(self.name, "not attempted", f"Write your answer in place of the dots: {self.title}.")
            return self.latest
        self.attempts += 1
        try:
            said = self._test(answer)
        except NotYetError as problem:
            self.latest = Outcome(self.name, "not yet", str(problem))
        except Exception as problem:  # an unexpected kind of answer
            sentence = f"Your answer could not be checked: {type(problem).__name__}: {problem}"
            self.latest = Outcome(self.name, "not yet", sentence)
        else:
            self.latest = Outcome(self.name, "right", said or "That is right.")
        return self.latest

    def hint(self) -> Text:
        """Return the next hint, or the last one again."""
        number = min(self._shown, len(self._hints) - 1)
        self._shown = number + 1
        return Text(f"Hint {number + 1} of {len(self._hints)}: {self._hints[number]}")

    def solution(self) -> Text:
        """Return a solution as Python code."""
        return Text(self._solution.strip("\n"), code=True)

    def __repr__(self) -> str:
        state = "not attempted" if self.latest is None else self.latest.state
        return f"{_SHAPES[state]} {self.name} {self.title} ({state})"


class Text(str):
    """A text that a notebook displays unchanged: a hint, or code."""

    _is_code: bool

    def __new__(cls, text: str, *, code: bool = False) -> Text:
        """Make a text; ``code`` selects a monospaced font."""
        made = super().__new__(cls, text)
        made._is_code = code
        return made

    def _repr_html_(self) -> str:
        tag = "pre" if self._is_code else "div"
        return f"<{tag}>{html.escape(self)}</{tag}>"
