"""``mf.lesson``: a lesson by its number, with its exercises, its recordings and the learner's progress."""

from __future__ import annotations

import importlib
import json
import math
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import brief
from .exercise import Exercise

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LESSONS", "Lesson", "lesson", "recordings_folder"]

LESSONS = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "A")
"""The lessons in order; ``A`` is the appendix."""

_begun: dict[str, Lesson] = {}


def recordings_folder() -> Path:
    """Return the folder of the recordings that come with the package."""
    return Path(str(files("msgflux_nb") / "course" / "recordings"))


class Lesson:
    """A lesson.

    Args:
        number: its number, such as ``"06"``.
        title: its idea.
        exercises: its exercises in order; the first one is ``.a``, the next one ``.b``.
        recording: the name of its main recording.

    Attributes:
        a, b, c: its exercises; None if it has fewer.
    """

    def __init__(
        self, number: str, title: str, exercises: tuple[Exercise, ...], *, recording: str | None = None
    ) -> None:
        self.number, self.title = number, title
        self.exercises = exercises
        self._recording = recording
        for letter, exercise in zip("abc", exercises, strict=False):
            exercise.name = f"{number}.{letter}"
        padded = (*exercises, None, None)
        self.a: Exercise = exercises[0]
        self.b: Exercise | None = padded[1]
        self.c: Exercise | None = padded[2]

    def recording(self, name: str | None = None) -> str:
        """Return the path of one of the course's recordings, by default this lesson's.

        Raises:
            ValueError: the recording does not exist; the error lists those that do.
        """
        name = name or self._recording
        path = recordings_folder() / f"{name}.jsonl"
        if name is None or not path.is_file():
            known = ", ".join(sorted(one.stem for one in recordings_folder().glob("*.jsonl")))
            raise ValueError(f"expected the name of a recording of the course ({known}), got {name!r}")
        return str(path)

    def replay(self, name: str | None = None, *, speed: float | None = None) -> Any:
        """Return a context manager in which every model answers from a recording of the course.

        Args:
            name: the name of the recording; None for this lesson's.
            speed: 1.0 for the original speed; None for ``MSGFLUX_REPLAY_SPEED``, or 1.0.
        """
        from ..storage.recordings.player import replay

        return replay(self.recording(name), speed=_speed() if speed is None else speed)

    def model(self, name: str | None = None) -> Any:
        """Return a recording as a model: it answers the recorded requests without a key or a network."""
        from ..models.model import Model

        return Model.chat_completion(f"replay/{Path(self.recording(name)).stem}")

    def truth(self, name: str | None = None) -> Any:
        """Return the right answers for a recording: the content of its ``.truth.json``."""
        path = Path(self.recording(name)).with_suffix(".truth.json")
        return json.loads(path.read_text(encoding="utf-8"))

    def progress(self) -> pd.DataFrame:
        """Return a table of the exercises with the number of tries and the state of each."""
        from ..tables.frame import to_frame

        rows = [
            {
                "exercise": one.name,
                "title": one.title,
                "attempts": one.attempts,
                "state": "not attempted" if one.latest is None else one.latest.state,
            }
            for one in self.exercises
        ]
        return to_frame(rows).set_index("exercise")

    def __repr__(self) -> str:
        right = sum(bool(one.latest) for one in self.exercises)
        return f"Lesson {self.number}: {self.title} ({right} of {len(self.exercises)} exercises right)"


def lesson(number: str | int) -> Lesson:
    """Return a lesson of the course; the same object until the kernel ends, so that it keeps the progress.

    Args:
        number: ``"01"`` to ``"12"``, ``6`` for ``"06"``, or ``"A"`` for the appendix.

    Raises:
        ValueError: there is no such lesson.

    Example:
        >>> lesson(6).number
        '06'
    """
    name = (number if isinstance(number, str) else brief(number)).strip().upper()
    name = f"{int(name):02d}" if name.isdecimal() else name
    if name not in LESSONS:
        raise ValueError(f"lesson: expected one of {', '.join(LESSONS)}, got {brief(number)}")
    if name not in _begun:
        module = importlib.import_module(f"{__package__}.lessons.lesson_{name.lower()}")
        _begun[name] = module.LESSON
    return _begun[name]


def _speed() -> float:
    given = os.environ.get("MSGFLUX_REPLAY_SPEED", "").strip()
    try:
        return float(given) if given else 1.0
    except ValueError:
        return math.inf
