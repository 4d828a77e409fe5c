"""``PlanResult``: what a plan came to, with everything that happened on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..display.plan import plan_bundle
from ..errors import described
from ..protocol.usage import Usage
from .log import Log
from .trace import Entry, Node, Sample, Turn

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PlanResult", "history_of", "read_as", "result_of", "text_of"]


class PlanResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan came to.

    Attributes:
        kind: ``react``, ``self_consistency`` or ``tree_of_thoughts``.
        task: what was asked.
        final_answer: of the type ``answer``; None if there is none.
        trace: calls of the model, then samples, nodes or turns, each in order.
        paths: of a tree the last beam, best first; of a vote the reasoning of each sample; of ``react`` its thoughts.
        stopped: what ended it before its plan did: the name of a limit, ``solved``, ``exhausted``, the rule of
            ``stop``, ``max_steps``, ``error`` or ``interrupted``; None if it came to its end.
        margin: of a vote: by which share of all samples the answer is ahead of the next one; 0 is a tie, which means
            nothing. None for others.
        calls: how often the model was asked; without a model, how often the functions in its place were called.
        usage: tokens of all responses together; None if one is not known.
        cost: US dollars of all responses together; None if one is not known.
        seconds: from start to end.
        responses: every answer of the model.
        messages: the task and its answer as a history that can go on; of ``react`` the whole conversation.
        judged: whether a model decided which answers are equal.
        limits: the limits that were set, by name.
        options: what shaped it: ``n`` and ``stop``, ``breadth`` and ``depth``, or ``max_steps``.
    """

    kind: str
    task: Any
    final_answer: Any
    trace: tuple[Entry, ...]
    paths: tuple[tuple[str, ...], ...]
    stopped: str | None
    margin: float | None
    calls: int
    usage: Usage | None
    cost: float | None
    seconds: float
    responses: tuple[Any, ...]
    messages: list[dict[str, Any]]
    judged: bool = False
    limits: dict[str, Any] = {}
    options: dict[str, Any] = {}

    def to_frame(self) -> pd.DataFrame:
        """Return the trace as a DataFrame: a row for each sample, node, or call of a tool and answer of ``react``."""
        from ..tables.frame import to_frame

        return to_frame([row for entry in self.trace for row in _rows(entry)])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return plan_bundle(self)

    def __repr__(self) -> str:
        stopped = "" if self.stopped is None else f", stopped by {self.stopped}"
        return f"PlanResult({self.kind}, {self.final_answer!r}, {self.calls} calls{stopped})"


def result_of(log: Log, **fields: Any) -> PlanResult:
    """Put a result together from what the log holds and what the plan adds; ``trace`` are the plan's own entries."""
    usages = [response.metadata.usage for response in log.responses]
    costs = [response.metadata.cost for response in log.responses]
    known = [usage for usage in usages if usage is not None]
    own = tuple(fields.pop("trace"))
    return PlanResult(
        trace=(*log.entries, *own),
        calls=log.budget.calls,
        usage=sum(known[1:], known[0]) if known and len(known) == len(usages) else None,
        cost=None if None in costs else sum(costs, 0.0),
        seconds=log.budget.seconds,
        limits=log.budget.limits,
        responses=tuple(log.responses),
        **fields,
    )


def read_as(value: Any, answer: Any) -> tuple[Any, str | None]:
    """Return a function's answer as a value of the type, or why it is none."""
    try:
        return msgspec.convert(value, answer), None
    except msgspec.ValidationError as error:
        return None, described(error)
    except TypeError:  # a type that msgspec does not know
        fits = isinstance(answer, type) and isinstance(value, answer)
        return (value, None) if fits else (None, f"expected {answer!r}, got {type(value).__name__}")


def text_of(task: Any) -> str:
    """Return a task or an answer as text: of a list of messages, the texts of them."""
    if isinstance(task, str):
        return task
    if isinstance(task, list | tuple) and all(isinstance(message, dict) and "role" in message for message in task):
        return "\n\n".join(str(message.get("content") or "") for message in task)
    try:
        return msgspec.json.encode(task, enc_hook=str).decode()
    except (TypeError, ValueError):
        return str(task)


def history_of(task: Any, answer: Any) -> list[dict[str, Any]]:
    """Return the task and its answer as messages."""
    is_history = isinstance(task, list | tuple) and all(isinstance(one, dict) and "role" in one for one in task)
    asked = list(task) if is_history else [{"role": "user", "content": text_of(task)}]
    return asked if answer is None else [*asked, {"role": "assistant", "content": text_of(answer)}]


def _rows(entry: Entry) -> list[dict[str, Any]]:
    if isinstance(entry, Sample):
        reasoning = "\n".join(entry.reasoning)
        row = {"sample": entry.number, "answer": entry.answer, "group": entry.group, "reasoning": reasoning}
        return [{**row, "problem": entry.problem}]
    if isinstance(entry, Node):
        names = ("id", "parent", "level", "value", "state")
        return [{**{name: getattr(entry, name) for name in names}, "thought": entry.path[-1]}]
    if isinstance(entry, Turn):
        calls = [_turn_row(entry, msgspec.structs.asdict(step)) for step in entry.steps]
        return calls or [_turn_row(entry, {"thought": "", "name": None, "arguments": None, "result": entry.text})]
    return []


def _turn_row(turn: Turn, step: dict[str, Any]) -> dict[str, Any]:
    arguments = step["arguments"]
    shown = None if arguments is None else msgspec.json.encode(arguments, enc_hook=str).decode()
    names = {"turn": turn.number, "thought": step["thought"], "tool": step["name"]}
    return {**names, "arguments": shown, "result": step["result"]}
