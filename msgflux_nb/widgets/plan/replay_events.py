"""The result of a plan → the events of its run, in order, to replay it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...reasoning.plan_events import Asking, PlanEnded, PlanStarted, Spent, StepTaken
from ...reasoning.result import PlanResult
from ...reasoning.trace import Asked, Node, Sample, Turn

__all__ = ["replay_events"]


def replay_events(result: PlanResult) -> Iterator[tuple[float, Any]]:
    """Yield the seconds and the events of a plan that has ended.

    Its calls follow each other, each with its real duration: the trace does not show which ran at the same time.
    """
    yield (
        0.0,
        PlanStarted(
            kind=result.kind, task=result.task, limits=result.limits, options=result.options, stop=lambda: None
        ),
    )
    teller = _Teller(result)
    tell = {"react": _react, "self_consistency": _vote, "tree_of_thoughts": _tree}[result.kind]
    for event in tell(teller, result):
        if isinstance(event, Asked):
            yield teller.seconds, Asking(event.purpose, event.about)
            teller.seconds += event.seconds
        yield teller.seconds, event
    usage = result.usage
    tokens = 0 if not result.responses else None if usage is None else usage.total_tokens
    yield teller.seconds, Spent(result.calls, tokens, result.cost, result.seconds)
    yield teller.seconds, PlanEnded(result)


class _Teller:
    """The clock and the expenses at the present event."""

    def __init__(self, result: PlanResult) -> None:
        self.seconds = 0.0
        self._responses = iter(result.responses)
        self._calls = 0
        self._tokens: int | None = 0
        self._cost: float | None = 0.0

    def spent(self) -> Spent:
        """Count the next response."""
        response = next(self._responses, None)
        self._calls += 1
        if response is not None:
            usage = response.metadata.usage
            self._tokens = _sum(self._tokens, None if usage is None else usage.total_tokens)
            self._cost = _sum(self._cost, response.metadata.cost)
        return Spent(self._calls, self._tokens, self._cost, self.seconds)


def _sum(before: Any, more: Any) -> Any:
    return None if before is None or more is None else before + more


def _react(teller: _Teller, result: PlanResult) -> Iterator[Any]:
    responses = list(result.responses)
    for index, turn in enumerate(entry for entry in result.trace if isinstance(entry, Turn)):
        yield Asking("turn", turn.number)
        if index < len(responses):
            teller.seconds += responses[index].metadata.seconds or 0.0
        yield Turn(number=turn.number, text=turn.text, closing=turn.closing)
        yield teller.spent()
        for number, step in enumerate(turn.steps):
            yield StepTaken(turn.number, f"{turn.number}.{number}", step)


def _vote(teller: _Teller, result: PlanResult) -> Iterator[Any]:
    asked = [entry for entry in result.trace if isinstance(entry, Asked)]
    by_number = {entry.about: entry for entry in asked if entry.purpose == "sample"}
    for sample in (entry for entry in result.trace if isinstance(entry, Sample)):
        if sample.number in by_number:
            yield by_number.pop(sample.number)
        yield sample
        yield teller.spent()
    yield from by_number.values()
    yield from (entry for entry in asked if entry.purpose != "sample")


def _tree(teller: _Teller, result: PlanResult) -> Iterator[Any]:
    asked = [entry for entry in result.trace if isinstance(entry, Asked)]
    nodes = [entry for entry in result.trace if isinstance(entry, Node)]
    for level in range(1 + max((node.level for node in nodes), default=0)):
        for entry in _of(asked, "propose", level):
            yield entry
            yield teller.spent()
        here = [node for node in nodes if node.level == level + 1]
        for node in here:
            yield Node(id=node.id, parent=node.parent, level=node.level, path=node.path)
        values = {node.path: node for node in here}
        for entry in _of(asked, "value", level + 1):
            yield entry
            yield teller.spent()
            node = values[tuple(entry.about)]
            yield Node(id=node.id, parent=node.parent, level=node.level, path=node.path, value=node.value)
        yield from here
    yield from (entry for entry in asked if entry.purpose == "close")


def _of(asked: list[Asked], purpose: str, level: int) -> list[Asked]:
    return [entry for entry in asked if entry.purpose == purpose and len(entry.about) == level]
