"""Reasoning patterns as structures that a model fills in; pass one as ``generation_schema``.

Each is generic in the type of ``final_answer``: ``ChainOfThoughts[int]``, ``TreeOfThoughts[Invoice]``; without
brackets the type is ``str``. The reasoning comes before the answer, because a model writes the fields in order. All
are valid in OpenAI's strict mode: no recursion, no dict, every field required. Rules that a schema cannot express are
checked after decoding; an error names the node, step or path at fault.

The docstrings, without references, and the descriptions of fields are sent to the model, so they are short.

Lists are bounded, because a small model whose output follows a grammar fills an open list until its tokens run out:
SmolLM2-135M repeated one step without end. Texts are bounded in the schema only: a longer text is still accepted.
"""

from __future__ import annotations

from typing import Annotated, Generic

import msgspec
from msgspec import Meta
from typing_extensions import TypeVar

__all__ = [
    "Action",
    "Argument",
    "ChainOfThoughts",
    "ReAct",
    "ReasoningPath",
    "SelfConsistency",
    "Step",
    "ThoughtNode",
    "TreeOfThoughts",
    "Value",
]

T = TypeVar("T", default=str)


def _text(description: str, max_length: int) -> Meta:
    return Meta(description=description, extra_json_schema={"maxLength": max_length})


Value = str | int | float | bool | None | Annotated[list[str | int | float | bool], Meta(max_length=64)]


class Step(msgspec.Struct, frozen=True):
    """One step of reasoning."""

    explanation: Annotated[str, _text("what is done in this step, and why", 240)]
    output: Annotated[str, _text("what comes out of it", 120)]


class ChainOfThoughts(msgspec.Struct, Generic[T], frozen=True):
    """Reason step by step, then answer.

    References:
        Wei et al. 2022, Chain-of-Thought Prompting Elicits Reasoning in Large Language Models,
        https://arxiv.org/abs/2201.11903.

    Example:
        >>> import msgspec
        >>> text = '{"steps": [{"explanation": "6 times 7", "output": "42"}], "final_answer": 42}'
        >>> msgspec.json.decode(text, type=ChainOfThoughts[int]).final_answer
        42
    """

    steps: Annotated[list[Step], Meta(description="the reasoning, one after another", min_length=1, max_length=8)]
    final_answer: T


class Argument(msgspec.Struct, frozen=True):
    """One argument of an action."""

    name: Annotated[str, _text("name of the parameter", 64)]
    value: Value


class Action(msgspec.Struct, frozen=True):
    """A tool to run."""

    name: Annotated[str, _text("name of the tool", 64)]
    arguments: Annotated[list[Argument], Meta(max_length=16)]

    def __post_init__(self) -> None:
        names: set[str] = set()
        for argument in self.arguments:
            if argument.name in names:
                raise ValueError(f"action {self.name!r} has two arguments named {argument.name!r}")
            names.add(argument.name)


class ReAct(msgspec.Struct, Generic[T], frozen=True):
    """Think, then either act with tools or give the final answer.

    References:
        One turn of Yao et al. 2022, ReAct: Synergizing Reasoning and Acting in Language Models,
        https://arxiv.org/abs/2210.03629. A turn acts or answers, never both: an answer given along with actions was
        made up before their observations were seen.
    """

    thought: Annotated[str, _text("what is known, and what to do next", 500)]
    actions: Annotated[list[Action], Meta(description="tools to run now; empty with a final_answer", max_length=8)]
    final_answer: Annotated[T | None, Meta(description="the answer; null while tools are still needed")]

    def __post_init__(self) -> None:
        names = ", ".join(action.name for action in self.actions)
        if self.actions and self.final_answer is not None:
            raise ValueError(f"final_answer is given together with actions ({names}) whose results are not known yet")
        if not self.actions and self.final_answer is None:
            raise ValueError("neither an action nor a final_answer is given")


class ReasoningPath(msgspec.Struct, Generic[T], frozen=True):
    """One independent way to the answer."""

    reasoning: Annotated[str, _text("steps to the answer", 500)]
    answer: T


class SelfConsistency(msgspec.Struct, Generic[T], frozen=True):
    """Reason in several independent ways, then choose the answer that most of them reach.

    References:
        Wang et al. 2022, Self-Consistency Improves Chain of Thought Reasoning in Language Models,
        https://arxiv.org/abs/2203.11171. The final answer is one of the paths' answers; texts are compared without
        case, outer spaces and a last full stop.
    """

    paths: Annotated[list[ReasoningPath[T]], Meta(description="different ways to reason", min_length=1, max_length=8)]
    final_answer: T

    def __post_init__(self) -> None:
        chosen = _comparable(self.final_answer)
        if all(_comparable(path.answer) != chosen for path in self.paths):
            found = "; ".join(f"path {number}: {path.answer!r}" for number, path in enumerate(self.paths, 1))
            raise ValueError(f"final_answer {self.final_answer!r} is the answer of no path ({found})")


def _comparable(answer: object) -> object:
    return answer.strip().removesuffix(".").casefold() if isinstance(answer, str) else answer


class ThoughtNode(msgspec.Struct, frozen=True):
    """One thought of a tree."""

    id: Annotated[int, Meta(description="number of this thought")]
    parent: Annotated[int | None, Meta(description="id of the thought it continues, null for a first one")]
    thought: Annotated[str, _text("one idea", 300)]
    score: Annotated[float, Meta(description="how promising it is", ge=0, le=1)]


class TreeOfThoughts(msgspec.Struct, Generic[T], frozen=True):
    """Explore a tree of thoughts, score each, then answer from the best path.

    References:
        Yao et al. 2023, Tree of Thoughts: Deliberate Problem Solving with Large Language Models,
        https://arxiv.org/abs/2305.10601. The tree is a flat list in which a parent stands before its children. The
        task itself is the root, so several thoughts may have no parent; the best path begins at one of those.
    """

    nodes: Annotated[
        list[ThoughtNode], Meta(description="all thoughts, parents before children", min_length=1, max_length=40)
    ]
    best_path: Annotated[list[int], Meta(description="ids, from a first thought on", min_length=1, max_length=20)]
    final_answer: T

    def __post_init__(self) -> None:
        parents = _parents(self.nodes)
        before: int | None = None
        for node in self.best_path:
            if node not in parents:
                raise ValueError(f"best_path names node {node}, which does not exist; nodes: {_listed(parents)}")
            if parents[node] != before:
                came = "begins at" if before is None else f"goes from node {before} to"
                raise ValueError(f"best_path {came} node {node}, whose parent is {parents[node]}")
            before = node


def _parents(nodes: list[ThoughtNode]) -> dict[int, int | None]:
    """Map each node to its parent, in order; a parent has to come before its children."""
    parents: dict[int, int | None] = {}
    for node in nodes:
        if node.id in parents:
            raise ValueError(f"node {node.id} is given twice")
        if node.parent is not None and node.parent not in parents:
            why = "comes later or is itself" if any(other.id == node.parent for other in nodes) else "does not exist"
            raise ValueError(f"node {node.id}: its parent {node.parent} {why}; nodes before it: {_listed(parents)}")
        parents[node.id] = node.parent
    return parents


def _listed(nodes: dict[int, int | None]) -> str:
    return ", ".join(str(node) for node in nodes) or "none"
