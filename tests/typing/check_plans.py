"""Plan schemas as a type checker sees them. Checked by mypy, never run."""

from __future__ import annotations

from typing import assert_type

import msgspec

from msgflux_nb.generation.plan import Action, ChainOfThoughts, ReAct, SelfConsistency, Step, TreeOfThoughts, Value


class Invoice(msgspec.Struct):
    total: float


def answers_have_the_type_in_brackets(
    chain: ChainOfThoughts[int],
    paths: SelfConsistency[list[str]],
    tree: TreeOfThoughts[Invoice],
    turn: ReAct[Invoice],
) -> None:
    assert_type(chain.final_answer, int)
    assert_type(paths.final_answer, list[str])
    assert_type(paths.paths[0].answer, list[str])
    assert_type(tree.final_answer, Invoice)
    assert_type(turn.final_answer, Invoice | None)


def without_brackets_it_is_text(chain: ChainOfThoughts, turn: ReAct) -> None:
    assert_type(chain.final_answer, str)
    assert_type(turn.final_answer, str | None)


def the_reasoning_is_typed(chain: ChainOfThoughts, turn: ReAct, tree: TreeOfThoughts) -> None:
    assert_type(chain.steps, list[Step])
    assert_type(turn.actions, list[Action])
    assert_type(turn.actions[0].arguments[0].value, Value)
    assert_type(tree.nodes[0].parent, int | None)


def decoding_keeps_the_type(text: str) -> None:
    assert_type(msgspec.json.decode(text, type=ChainOfThoughts[int]), ChainOfThoughts[int])


def a_plan_is_built_of_its_parts_and_cannot_be_changed() -> None:
    chain = ChainOfThoughts(steps=[Step(explanation="6 times 7", output="42")], final_answer=42)
    assert_type(chain, ChainOfThoughts[int])
    chain.final_answer = 43  # type: ignore[misc]  # frozen
    ChainOfThoughts(steps=["6 times 7"], final_answer=42)  # type: ignore[list-item]  # a step is a Step
