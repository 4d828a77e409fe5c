"""The events of a plan as moments in time: a page can draw the plan at any of them, and a twin replays them."""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import msgspec

from ...display.markdown import markdown_html
from ...display.plan import plan_recorded
from ...display.words import shown_text
from ...errors import printable
from ...protocol.events import TextDelta
from ...reasoning.plan_events import Asking, PlanEnded, PlanStarted, Spent, StepTaken
from ...reasoning.result import text_of
from ...reasoning.tool_loop import StepStarted
from ...reasoning.trace import Asked, Node, Sample, Turn
from ..base.feed import Batch
from ..base.open_block import OpenBlock

__all__ = ["Moments"]

_PROMPT = 2_000  # characters of a prompt, and of its answer, that a page gets
_THOUGHT = 8_000
_RESULT = 8_000
_TREE = "tree_of_thoughts"
_REACT = "react"

Moment = dict[str, Any]


class Moments:
    """The moments of one plan; may be used from any thread.

    Each is a dict with its kind under ``t`` and the milliseconds since the start under ``ms``. When a ``sample`` or
    ``node`` changes, there is another moment of it.

    Attributes:
        head: the kind, the task, the limits and the options of the plan.
        nodes: the present nodes of a tree, by id.
        samples: the samples of a vote, by number.
        turns: the turns of ``react``, by number.
        steps: the steps of ``react``, each as the number of its turn and the call.
        spent: the expenses so far.
        ended: the end of the plan; None before it.
    """

    def __init__(self) -> None:
        self.head: dict[str, Any] = {"kind": "", "task": "", "limits": {}, "options": {}}
        self.nodes: dict[int, Node] = {}
        self.samples: dict[int, Sample] = {}
        self.turns: dict[int, Turn] = {}
        self.steps: list[tuple[int, Any]] = []
        self.spent = Spent(0, 0, 0.0, 0.0)
        self.ended: PlanEnded | None = None
        self._lock = threading.RLock()
        self._all: list[Moment] = []
        self._told = 0
        self._began: float | None = None
        self._ids: dict[tuple[str, ...], int] = {}
        self._words: list[str] = []  # of the present answer
        self._open: OpenBlock | None = None

    def __len__(self) -> int:
        return len(self._all)

    # -- events ----------------------------------------------------------------------------------------------

    def take(self, at: float, event: Any) -> bool:
        """Take an event of a plan; return whether it changes the display.

        Args:
            at: the time of the event, in seconds of any clock.
            event: the driver's event; unknown ones are ignored.
        """
        with self._lock:
            if self._began is None:
                self._began = at
            if isinstance(event, PlanStarted):
                self.head = _head(event.kind, event.task, event.limits, event.options)
                return True
            moment = self._moment(event)
            if moment is None:
                return False
            self._add(moment, round(1000 * (at - self._began)))
            return True

    def _add(self, moment: Moment, milliseconds: int) -> None:
        last = self._all[-1] if len(self._all) > self._told else None
        if moment["t"] == "text" and last is not None and last["t"] == "text":
            last["w"] += moment["w"]  # the moment was not sent yet
            return
        self._all.append({**moment, "ms": milliseconds})

    def _moment(self, event: Any) -> Moment | None:
        match event:
            case Asking():
                return {"t": "ask", "p": event.purpose, "a": self._about(event.about)}
            case Asked():
                return self._asked(event)
            case StepStarted():
                return {"t": "words"}  # another answer begins
            case TextDelta(choice=0):
                return {"t": "text", "w": event.text}
            case Spent():
                self.spent = event
                return {"t": "spent", **msgspec.structs.asdict(event)}
            case PlanEnded():
                self.ended = event
                return {**_ended(event), "best": self._best(event.result)}
        return self._own(event)

    def _own(self, event: Any) -> Moment | None:
        """Return the moment of an event that only one kind of plan has."""
        match event:
            case Sample():
                self.samples[event.number] = event
                return _sample(event)
            case Node():
                return self._node(event)
            case Turn():
                self.turns[event.number] = event
                return {"t": "turn", "n": event.number, "w": _cut(event.text, _THOUGHT), "last": event.closing}
            case StepTaken():
                self.steps.append((event.turn, event.step))
                return _step(event)
        return None

    def _about(self, about: Any) -> Any:
        """Return a number unchanged, or for a path the id of its node, None for the root."""
        return self._ids.get(tuple(about)) if isinstance(about, tuple | list) else about

    def _best(self, result: Any) -> int | None:
        return self._about(result.paths[0]) if result is not None and result.kind == _TREE and result.paths else None

    def _asked(self, event: Asked) -> Moment:
        prompt = None if event.prompt is None else _cut(event.prompt, _PROMPT)
        what = {"p": event.purpose, "a": self._about(event.about), "q": prompt, "r": _cut(event.text, _PROMPT)}
        return {"t": "asked", **what, "e": event.problem, "s": event.seconds}

    def _node(self, event: Node) -> Moment:
        known = event.id in self.nodes
        self.nodes[event.id] = event
        self._ids[event.path] = event.id
        now = {"t": "node", "id": event.id, "v": _finite(event.value), "k": event.state}
        if known:
            return now
        return {**now, "up": event.parent, "l": event.level, "w": _cut(event.path[-1].strip(), _THOUGHT)}

    # -- for a page ---------------------------------------------------------------------------------------

    def batch(self) -> Batch:
        """Return the moments since the last batch; empty if there are none."""
        with self._lock:
            fresh = self._all[self._told :]
            self._told = len(self._all)
            for moment in fresh if self.head["kind"] == _REACT else ():
                self._draw(moment)
            return {"moments": [dict(moment) for moment in fresh]} if fresh else {}

    def _draw(self, moment: Moment) -> None:
        """Add to a moment what changes in the drawing of the answer's Markdown, as ``OpenBlock`` returns it."""
        match moment["t"]:
            case "words":
                self._words, self._open = [], None
            case "text":
                if not self._words and not _is_json(moment["w"]):
                    self._open = OpenBlock()
                self._words.append(moment["w"])
                if self._open is not None:
                    moment |= self._open.grow(moment["w"])
            case "turn" if self._open is not None:
                moment |= self._open.last()
            case "end" if moment.get("answer"):
                answer = self.ended.result.final_answer  # type: ignore[union-attr]  # an answer is part of a result
                said = "".join(self._words)
                if isinstance(answer, str) and said.strip() == answer.strip():
                    moment["said"] = True
                elif isinstance(answer, str) and not _is_json(answer):
                    moment["html"] = markdown_html(moment["answer"])

    def whole(self) -> Batch:
        """Return everything that was sent so far."""
        with self._lock:
            return {"moments": [dict(moment) for moment in self._all[: self._told]]}


def _head(kind: str, task: Any, limits: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    kept = {name: limit for name, limit in limits.items() if math.isfinite(limit)}
    return {"kind": kind, "task": _cut(text_of(task), _PROMPT), "limits": kept, "options": options}


def _sample(event: Sample) -> Moment:
    shown = None if event.answer is None else _cut(_plain(event.answer), _RESULT)
    chain = [_cut(step, _THOUGHT) for step in event.reasoning]
    moment = {"t": "sample", "n": event.number, "v": shown, "g": event.group}
    return moment | ({"c": chain} if chain else {}) | ({"e": event.problem} if event.problem else {})


def _step(event: StepTaken) -> Moment:
    step = event.step
    arguments = None if step.arguments is None else msgspec.json.encode(step.arguments, enc_hook=str).decode()
    what = {"n": event.turn, "id": event.call_id, "w": _cut(step.thought, _THOUGHT), "f": step.name}
    left = max(0, len(step.result) - _RESULT)
    return {"t": "step", **what, "x": arguments, "r": _cut(step.result, _RESULT), "left": left, "cut": step.cut}


def _ended(event: PlanEnded) -> Moment:
    result, error = event.result, event.error
    if result is None:
        return {"t": "end", "error": None if error is None else [type(error).__name__, str(error)]}
    usage = result.usage
    answer = result.final_answer
    return {
        "t": "end",
        "answer": None if answer is None else _cut(_plain(answer), _THOUGHT),
        "stopped": result.stopped,
        "margin": result.margin,
        "judged": result.judged,
        "recorded": " · ".join(plan_recorded(result)),
        "calls": result.calls,
        "tokens": None if usage is None else usage.total_tokens,
        "cost": result.cost,
        "seconds": result.seconds,
        "error": None if error is None else [type(error).__name__, str(error)],
    }


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _finite(value: float | None) -> float | None:
    """Return a number that JSON can hold; None for infinity and NaN."""
    return None if value is None else max(-sys.float_info.max, min(value, sys.float_info.max))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else text_of(value)


def _cut(text: str, limit: int) -> str:
    text = shown_text(printable(text))
    return text if len(text) <= limit else f"{text[:limit]}…"
