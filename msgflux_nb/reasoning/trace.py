"""The entries of a plan's trace: calls of the model, samples, nodes of a tree, turns with tools."""

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
        prompt: the text that was sent, or None if the caller's messages were sent unchanged.
        text: the text of the answer.
        problem: why the answer could not be read, or None.
        seconds: how long the call took.
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
        number: the number of the sample, from 0.
        answer: the answer; None if it could not be read.
        reasoning: the reasoning steps before it.
        group: the number of its group of equal answers, in order of first appearance; None if it has no vote.
        problem: why the answer could not be read, or None.
    """

    number: int
    answer: Any
    reasoning: tuple[str, ...] = ()
    group: int | None = None
    problem: str | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One thought of a tree.

    Attributes:
        id: the number of the thought, from 0, in the order of proposal.
        parent: the id of the thought that it continues; None for a first thought.
        level: the level in the tree; 1 for a first thought.
        path: all thoughts up to this one.
        value: how promising the path is; None if it was not valued.
        state: ``kept`` for the next level, ``pruned``, ``dead`` or ``solved`` by ``check``, or ``open`` if the search
            ended before it was judged.
    """

    id: int
    parent: int | None
    level: int
    path: tuple[str, ...]
    value: float | None = None
    state: NodeState = "open"


class ToolStep(msgspec.Struct, frozen=True, kw_only=True):
    """One tool call.

    Attributes:
        thought: the model's thought about the call.
        name: the tool.
        arguments: the arguments of the call as it was run; None if they could not be read.
        result: the whole result, as text.
        cut: whether the model saw only the beginning of the result.
    """

    thought: str
    name: str
    arguments: dict[str, Any] | None
    result: str
    cut: bool = False


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a model that may use tools.

    Attributes:
        number: the number of the turn, from 1.
        text: the text that the model wrote with its calls, or its answer.
        closing: whether this is the closing turn, without tools, at a limit.
        steps: its ended calls.
    """

    number: int
    text: str
    closing: bool = False
    steps: tuple[ToolStep, ...] = ()


Entry = Asked | Sample | Node | Turn
