"""What a plan tells while it runs: that it began, what it asks, what it has spent, how it ended."""

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
        task: what was asked.
        limits: its limits that are set, by name.
        options: what shapes it: ``n`` and ``stop``, ``breadth`` and ``depth``, or ``max_steps``.
        stop: ends the plan, from any thread: what is in flight is cancelled, and the plan raises
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
    """What the plan has spent so far; None if a call did not say its tokens, or its price is not known."""

    calls: int
    tokens: int | None
    cost: float | None
    seconds: float


class StepTaken(msgspec.Struct, frozen=True):
    """A call of a tool has ended.

    Attributes:
        turn: the number of the turn that made it.
        call_id: the call.
        step: the call, its thought and its result.
    """

    turn: int
    call_id: str
    step: ToolStep


class PlanEnded(msgspec.Struct, frozen=True):
    """A plan has ended.

    Attributes:
        result: what the driver returns, a ``PlanResult``; where it raises, the result so far.
        error: what it raises, an interrupt included.
    """

    result: Any = None
    error: BaseException | None = None


PlanEvent = PlanStarted | Asking | Asked | Sample | Node | Turn | StepTaken | Spent | PlanEnded
"""A sample, node or turn that was told before, by its number, replaces what it was."""

OnPlanEvent = Callable[[Any], Any]
