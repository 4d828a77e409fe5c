"""``PlanResult``: the result of a plan, with everything that happened on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..content.depth import refuse_deep
from ..display.plan import plan_bundle
from ..errors import described
from ..protocol.usage import Usage
from .log import Log
from .trace import Entry, Node, Sample, Turn

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PlanResult", "history_of", "read_as", "result_of", "text_of"]


class PlanResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a plan; a pickle of it has everything but the ``responses``, which hold connections and keys.

    Attributes:
        kind: ``react``, ``self_consistency`` or ``tree_of_thoughts``.
        task: the task.
        final_answer: the answer, of the type ``answer``; None if there is none.
        trace: the calls of the model, then samples, nodes or turns, each in order.
        paths: of a tree the last beam, best first; of a vote the reasoning of each sample; of ``react`` the thoughts.
        stopped: what ended the plan early: the name of a limit, ``solved``, ``exhausted``, the rule of ``stop``,
            ``max_steps``, ``error`` or ``interrupted``; None if it ran to its end.
        margin: for a vote, the lead of the answer over the next one, as a share of all samples; 0 is a tie, so the
            answer is arbitrary. None for other plans.
        calls: how often the model was asked; without a model, how often the functions that replace it were called.
        usage: tokens of all responses together; None if one is not known.
        cost: US dollars of all responses together; None if one is not known.
        seconds: the time from start to end.
        responses: every response of the model.
        messages: the task and its answer as a history that can be continued; for ``react`` the whole conversation.
        judged: whether a model decided which answers are equal.
        limits: the limits that were set, by name.
        options: the options of the plan: ``n`` and ``stop``, ``breadth`` and ``depth``, or ``max_steps``.
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
        """Return the trace as a DataFrame: a row for each sample, node, or tool call and answer of ``react``."""
        from ..tables.frame import to_frame

        return to_frame([row for entry in self.trace for row in _rows(entry)])

    def __reduce__(self) -> Any:
        kept = {name: getattr(self, name) for name in self.__struct_fields__ if name != "responses"}
        return _unpickled, (kept,)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return plan_bundle(self)

    def __repr__(self) -> str:
        stopped = "" if self.stopped is None else f", stopped by {self.stopped}"
        return f"PlanResult({self.kind}, {self.final_answer!r}, {self.calls} calls{stopped})"


def _unpickled(fields: dict[str, Any]) -> PlanResult:
    return PlanResult(responses=(), **fields)


def result_of(log: Log, **fields: Any) -> PlanResult:
    """Build a result from the log and the plan's own fields; ``trace`` holds the plan's own entries."""
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
    """Return a function's answer as a value of the type ``answer``, or why it is not one."""
    try:
        return msgspec.convert(value, answer), None
    except msgspec.ValidationError as error:
        return None, described(error)
    except TypeError:  # msgspec does not support the type
        fits = isinstance(answer, type) and isinstance(value, answer)
        return (value, None) if fits else (None, f"expected {answer!r}, got {type(value).__name__}")


def text_of(task: Any) -> str:
    """Return a task or an answer as text; for a list of messages, their texts."""
    if isinstance(task, str):
        return task
    if isinstance(task, list | tuple) and all(isinstance(message, dict) and "role" in message for message in task):
        return "\n\n".join(str(message.get("content") or "") for message in task)
    refuse_deep(task, "a task or an answer", ValueError)
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
