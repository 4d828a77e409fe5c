"""What a plan did, step by step, as values: calls of the model, samples, nodes of a tree, turns with tools."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["Asked", "Entry", "Node", "NodeState", "Sample", "ToolStep", "Turn"]

NodeState = Literal["open", "kept", "pruned", "dead", "solved"]


class Asked(msgspec.Struct, frozen=True):
    """One call of a model.

    Attributes:
        purpose: ``sample``, ``propose``, ``value``, ``judge`` or ``close``.
        about: the number of the sample, or the path of the node.
        prompt: the text that was sent, or None if the caller's messages were sent as they are.
        text: what came.
        problem: why it could not be read; None if it could.
        seconds: how long it took.
    """

    purpose: str
    about: Any
    prompt: str | None
    text: str
    problem: str | None
    seconds: float


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a vote.

    Attributes:
        number: counts from 0.
        answer: the value; None if it could not be read.
        reasoning: the steps before it.
        group: number of the group of equal answers, in order of first appearance; None votes for nothing.
        problem: why it could not be read; None if it could.
    """

    number: int
    answer: Any
    reasoning: tuple[str, ...] = ()
    group: int | None = None
    problem: str | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One thought of a tree.

    Attributes:
        id: counts from 0 in the order in which thoughts were proposed.
        parent: id of the thought it continues; None for a first one.
        level: 1 for a first thought.
        path: all thoughts up to this one.
        value: how promising it is; None if nobody said.
        state: ``kept`` for the next level, ``pruned``, ``dead`` or ``solved`` by ``check``, ``open`` where the search
            ended before it was judged.
    """

    id: int
    parent: int | None
    level: int
    path: tuple[str, ...]
    value: float | None = None
    state: NodeState = "open"


class ToolStep(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool.

    Attributes:
        thought: what the model said with it.
        name: the tool.
        arguments: as it was run with them; None if they could not be read.
        result: the whole result, as text.
        cut: whether the model saw only its beginning.
    """

    thought: str
    name: str
    arguments: dict[str, Any] | None
    result: str
    cut: bool = False


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a model that may use tools.

    Attributes:
        number: counts from 1.
        text: what the model wrote with its calls, or its answer.
        closing: whether it was asked without tools, at a limit.
        steps: its calls that came to an end.
    """

    number: int
    text: str
    closing: bool = False
    steps: tuple[ToolStep, ...] = ()


Entry = Asked | Sample | Node | Turn
