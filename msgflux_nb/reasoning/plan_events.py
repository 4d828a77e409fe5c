"""The events of a running plan: its start, its calls, its spending, its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .trace import Asked, Node, Sample, ToolStep, Turn

__all__ = ["Asking", "OnPlanEvent", "PlanEnded", "PlanEvent", "PlanStarted", "Spent", "StepTaken"]


class PlanStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A plan has begun.

    Attributes:
        kind: ``react``, ``self_consistency`` or ``tree_of_thoughts``.
        task: the task.
        limits: the limits that are set, by name.
        options: the options of the plan: ``n`` and ``stop``, ``breadth`` and ``depth``, or ``max_steps``.
        stop: stops the plan, from any thread: calls in flight are cancelled, and the plan raises
            ``StreamInterruptedError`` with the result so far as its ``plan``.
    """

    kind: str
    task: Any
    limits: dict[str, Any]
    options: dict[str, Any]
    stop: Callable[[], None]


class Asking(msgspec.Struct, frozen=True):
    """A call begins; an :class:`Asked` of the same ``purpose`` and ``about`` ends it.

    Attributes:
        purpose: ``sample``, ``propose``, ``value``, ``judge``, ``close`` or ``turn``.
        about: the number of the sample or turn, or the path of the node.
    """

    purpose: str
    about: Any


class Spent(msgspec.Struct, frozen=True):
    """What the plan has spent so far.

    Attributes:
        calls: the number of calls.
        tokens: all billed tokens; None if those of a call are not known.
        cost: US dollars; None if the price of a call is not known.
        seconds: the time since the start.
    """

    calls: int
    tokens: int | None
    cost: float | None
    seconds: float


class StepTaken(msgspec.Struct, frozen=True):
    """A tool call has ended.

    Attributes:
        turn: the number of the turn with the call.
        call_id: the id of the call.
        step: the call with its thought and its result.
    """

    turn: int
    call_id: str
    step: ToolStep


class PlanEnded(msgspec.Struct, frozen=True):
    """A plan has ended.

    Attributes:
        result: the ``PlanResult`` that the driver returns; if it raises, the result so far.
        error: the exception that the driver raises, interrupts included; else None.
    """

    result: Any = None
    error: BaseException | None = None


PlanEvent = PlanStarted | Asking | Asked | Sample | Node | Turn | StepTaken | Spent | PlanEnded
"""The events of a plan. A sample, node or turn with the number of an earlier one replaces it."""

OnPlanEvent = Callable[[Any], Any]
