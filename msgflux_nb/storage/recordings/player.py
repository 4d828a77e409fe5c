"""``replay``: answers requests from recordings instead of the network, at their original speed."""

from __future__ import annotations

import functools
import math
import os
import secrets
import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ...errors import NotRecordedError, brief
from .active import Active, active, enter, leave
from .lines import RecordedExchange
from .matching import WantedRequest, differing, explained, is_same, question_of, question_of_line
from .recording import Recording, path_of, read_recordings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FoundAnswer", "Player", "ReplayPace", "player_of_environment", "replay", "speed_of_environment", "table_of"]

_Match = Literal["same", "masked", "options"]

_LONGEST_PAUSE_SECONDS = 1.5
_WORDS_SHOWN = 200


def replay(path: str | os.PathLike[str], speed: float = 1.0, otherwise: Any = None) -> Player:
    """Answer every request inside the block from a recording: no key, no network, the same answers.

    A request gets the recorded answer to the same request. If it was recorded several times, the answers come in order
    and start again after the last one. A request with the same messages but other options gets that answer too,
    with a warning in ``metadata.warnings``.

    Args:
        path: a recording, or a folder of them.
        speed: 1.0 is the original speed, with pauses of at most 1.5 s; 2.0 is twice as fast; ``math.inf`` waits for
            nothing.
        otherwise: a model that answers requests that are not recorded, with a warning in ``metadata.warnings``.

    Returns:
        A context manager; its ``recorded`` is a table of the recorded requests.

    Raises:
        RecordingError: there is no recording, it was changed by hand, or it has a later format version.
        NotRecordedError: a request inside the block is not recorded, and ``otherwise`` is None.
        ValueError: ``speed`` is not above 0.

    Example::

        with mf.replay("lesson.jsonl"):
            model("What is a token?")
    """
    where = path_of(path, 'mf.replay("lesson.jsonl")')
    return Player(read_recordings(path), where, speed=speed, otherwise=otherwise)


class FoundAnswer(NamedTuple):
    """The recorded exchange that answers a request.

    Attributes:
        recording: the recording that holds it.
        line: the exchange.
        note: how the request differs from the recorded one, in words; None for the same request.
    """

    recording: Recording
    line: RecordedExchange
    note: str | None


class ReplayPace:
    """Says when the next piece of a recorded answer is due.

    Args:
        speed: the factor to the original speed.
        now: the time in seconds at which the answer begins.
    """

    def __init__(self, speed: float, now: float) -> None:
        self._speed, self._due, self._ms = speed, now, 0

    def wait(self, ms: int, now: float) -> float:
        """Return the seconds to wait for a chunk that was recorded at this millisecond."""
        pause = min((ms - self._ms) / 1000, _LONGEST_PAUSE_SECONDS)
        self._ms = ms
        self._due += pause / self._speed
        return max(0.0, self._due - now)


class Player:
    """A replay of recordings; a context manager.

    Args:
        recordings: the recordings, in the order in which their answers are used.
        path: the path that the user gave.
        speed: the factor to the original speed.
        otherwise: a model that answers requests that are not recorded.

    Attributes:
        learnt: what the models in the block learn about their endpoints, by model.
        token: a unique name, which keeps this replay's answers apart from others in a cache.
    """

    def __init__(
        self, recordings: Sequence[Recording], path: Path, *, speed: float = 1.0, otherwise: Any = None
    ) -> None:
        if isinstance(speed, bool) or not isinstance(speed, int | float) or not speed > 0:
            raise ValueError(f"speed: expected a number above 0, or math.inf; got {brief(speed)}")
        if otherwise is not None and not hasattr(otherwise, "acall"):
            raise TypeError(
                f"otherwise: expected a model of mf.Model.chat_completion, or None; got {type(otherwise).__name__}"
            )
        self.recordings, self.path, self.speed, self.otherwise = list(recordings), path, speed, otherwise
        self.learnt: dict[Any, Any] = {}
        self.token = f"replay-{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._lines = [(one, line) for one in self.recordings for line in one.exchanges]
        self._questions = [question_of_line(line) for _, line in self._lines]
        self._whole: dict[bytes, list[int]] = {}
        self._asked: dict[bytes, list[int]] = {}
        for number, question in enumerate(self._questions):
            self._whole.setdefault(question.whole, []).append(number)
            self._asked.setdefault(question.asked, []).append(number)
        self._hidden = [number for number, (_, line) in enumerate(self._lines) if line.hidden]
        self._given: dict[Any, int] = {}
        self._entered: list[tuple[Active, Active]] = []

    def __enter__(self) -> Player:
        now = active()._replace(player=self)
        self._entered.append((now, enter(now)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leave(*self._entered.pop())

    def __repr__(self) -> str:
        return f"replay({str(self.path)!r}, {len(self._lines)} exchanges, speed={self.speed:g})"

    @property
    def at_once(self) -> bool:
        """Whether the replay does not wait."""
        return math.isinf(self.speed)

    @property
    def recorded(self) -> pd.DataFrame:
        """The recorded exchanges as a table, one row each."""
        return table_of(self.recordings)

    def has(self, wire: str, body: bytes) -> bool:
        """Whether there is an answer to a request."""
        return bool(self._candidates(question_of(wire, body))[0])

    def find(self, wire: str, body: bytes, sample: int = 0) -> FoundAnswer:
        """Return the next exchange that answers a request.

        Raises:
            NotRecordedError: none does; the message shows the nearest request, and how to record this one.
        """
        question = question_of(wire, body)
        numbers, match = self._candidates(question)
        if not numbers:
            bodies = [one.body for one in self._questions]
            raise NotRecordedError(explained(question.body, bodies, *self._called()))
        equal = self._questions[numbers[0]].whole if match == "masked" else question.whole
        own = [number for number in numbers if self._lines[number][1].sample == sample]
        if sample == 0:  # repeated requests, as for forty samples, get the other samples one by one
            own += [number for number in numbers if self._lines[number][1].sample != sample]
        numbers = own or numbers
        with self._lock:
            key = (equal, sample if own else None)
            place = self._given[key] = self._given.get(key, -1) + 1
        number = numbers[place % len(numbers)]
        recording, line = self._lines[number]
        return FoundAnswer(recording, line, self._note(match, number, wire, question))

    def _note(self, match: _Match, number: int, wire: str, question: WantedRequest) -> str | None:
        if match == "same" or (match == "masked" and self._questions[number].asked == question.asked):
            return None
        if match == "masked":
            return "a part of the recorded request is hidden; there, any text matches"
        line, body = self._lines[number][1], self._questions[number].body
        words = [f"wire {line.wire} and not {wire}"] if line.wire != wire else []
        return f"recorded with other options: {', '.join([*words, *differing(body, question.body)])}"

    def _called(self) -> tuple[str, str]:
        """Return the name of the recording, and what to do about a request that is not in it."""
        if Path(str(files("msgflux_nb"))) in self.path.resolve().parents:  # part of this package
            return (
                self.path.name,
                "The table .recorded of its model lists what can be asked. Your own model answers anything: "
                "mf.Model.chat_completion() is a small one on this machine.",
            )
        return str(self.path), f'Record it with: with mf.record("{self.path}", add=True): …'

    def _candidates(self, question: WantedRequest) -> tuple[list[int], _Match]:
        """Return the numbers of the exchanges that answer, and how they match."""
        same = self._whole.get(question.whole)
        if same:
            return same, "same"
        masked = [number for number in self._hidden if is_same(self._questions[number].body, question.body)]
        if masked:
            return masked, "masked"
        alike = self._asked.get(question.asked, [])
        if not alike:
            return [], "options"
        apart = {number: _apart(self._questions[number].body, question.body) for number in alike}
        least = min(apart.values())
        return [number for number in alike if apart[number] == least], "options"


def _apart(recorded: Any, asked: Any) -> int:
    return sum(recorded.get(name) != asked.get(name) for name in recorded.keys() | asked.keys())


def table_of(recordings: Sequence[Recording]) -> pd.DataFrame:
    """Return the exchanges of recordings as a table, one row each."""
    import pandas as pd

    lines = [(recording.path.name, line) for recording in recordings for line in recording.exchanges]
    columns = {
        "question": [_last_words(line.body) for _, line in lines],
        "model": [line.asked for _, line in lines],
        "options": [", ".join(_options(line.body)) for _, line in lines],
        "status": pd.array([line.status for _, line in lines], "Int64"),
        "end": [line.end for _, line in lines],
        "seconds": [line.ms / 1000 for _, line in lines],
        "prompt_tokens": pd.array([line.prompt_tokens for _, line in lines], "Int64"),
        "completion_tokens": pd.array([line.completion_tokens for _, line in lines], "Int64"),
        "cost": [line.cost for _, line in lines],
        "date": [line.date[:10] for _, line in lines],
        "file": [file for file, _ in lines],
    }
    return pd.DataFrame(columns)


def _options(body: Any) -> list[str]:
    left = ("messages", "input", "model", "system", "instructions")
    return [
        f"{name}={value}" if isinstance(value, bool | int | float | str) else str(name)
        for name, value in body.items()
        if name not in left
    ]


def _last_words(body: Any) -> str:
    """Return the last text that a person wrote, shortened."""
    turns = body.get("messages", body.get("input", ""))
    said = [turn for turn in turns if isinstance(turn, dict) and turn.get("role") == "user"] if turns else []
    content = said[-1].get("content") if isinstance(turns, list) and said else turns
    if isinstance(content, list):
        content = " ".join(str(part.get("text", f"[{part.get('type')}]")) for part in content if isinstance(part, dict))
    text = " ".join(str(content).split())
    return text if len(text) <= _WORDS_SHOWN else f"{text[: _WORDS_SHOWN - 1]}…"


def player_of_environment() -> Player | None:
    """Return the replay that ``MSGFLUX_REPLAY`` names, or None if it is not set.

    Raises:
        RecordingError: its recording cannot be used.
        ValueError: ``MSGFLUX_REPLAY_SPEED`` is not a speed.
    """
    named = os.environ.get("MSGFLUX_REPLAY", "").strip()
    if not named:
        return None
    return _environments(named, speed_of_environment())


def speed_of_environment() -> float:
    """Return the speed that ``MSGFLUX_REPLAY_SPEED`` names, or 1.0 if it is not set.

    Raises:
        ValueError: the variable is not a speed.
    """
    said = os.environ.get("MSGFLUX_REPLAY_SPEED", "").strip() or "1.0"
    try:
        return float(said)
    except ValueError:
        raise ValueError(f"MSGFLUX_REPLAY_SPEED: expected a number above 0, or inf; got {said!r}") from None


@functools.lru_cache(maxsize=8)
def _environments(named: str, speed: float) -> Player:
    return replay(named, speed)
