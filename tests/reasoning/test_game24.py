"""The measure of plans: 50 puzzles of Game of 24 that the authors of Tree of Thoughts logged."""

from __future__ import annotations

import ast
import asyncio
import json
import operator
import os
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf

NAMED = os.environ.get("MSGFLUX_PLANS")
LOGGED = Path(NAMED or Path(__file__).parents[3] / "shared" / "plans") / "game24.jsonl"
pytestmark = (
    []
    if NAMED or LOGGED.exists()
    else [
        pytest.mark.skip(
            reason=f"there are no logged puzzles at {LOGGED}; MSGFLUX_PLANS names the folder of game24.jsonl"
        )
    ]
)
OPERATORS: dict[Any, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
STEP = re.compile(r"\(?(-?[\d./]+)\)? ([-+*/]) \(?(-?[\d./]+)\)? [=≈] (-?[\d./]+)")


@pytest.fixture(scope="module")
def puzzles() -> list[dict[str, Any]]:
    return [json.loads(line) for line in LOGGED.read_text(encoding="utf-8").splitlines()]


def is_24(expression: str, numbers: str) -> bool:
    """Whether it uses each number once and gives 24."""
    used: list[int] = []

    def value(node: ast.AST) -> Fraction:
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.BinOp(left=left, op=op, right=right):
                return Fraction(OPERATORS[type(op)](value(left), value(right)))
            case ast.Constant(value=int(number)):
                used.append(number)
                return Fraction(number)
        raise ValueError(node)

    try:
        return value(ast.parse(expression.strip(), mode="eval")) == 24 and Counter(used) == Counter(
            map(int, numbers.split())
        )
    except (ArithmeticError, KeyError, SyntaxError, ValueError):
        return False


def is_right(path: tuple[str, ...], numbers: str) -> bool:
    last = "".join(path).strip().rpartition("\n")[2]
    return is_24(last.lower().replace("answer: ", "").partition("=")[0], numbers)


def exact(path: tuple[str, ...], numbers: str) -> bool | None:
    """Follow the steps in exact arithmetic: solved where 24 alone is left, dead where something else is."""
    left = [Fraction(number) for number in numbers.split()]
    for thought in path:
        found = STEP.match(thought.strip())
        try:
            first, second = Fraction(found[1]), Fraction(found[3])  # type: ignore[index]  # caught below
            left.remove(first)
            left.remove(second)
            left.append(OPERATORS[found[2]](first, second))  # type: ignore[index]
            if left[-1] != Fraction(found[4]):  # type: ignore[index]
                return None
        except (ArithmeticError, TypeError, ValueError):
            return None
    return left == [24] if len(left) == 1 else None


def search(puzzle: dict[str, Any], asked: Counter[str], *, checked: bool, twin: bool) -> Any:
    def propose(path: tuple[str, ...]) -> list[str]:
        asked["proposals"] += 1
        return puzzle["proposals"].get("".join(path), [])

    def value(path: tuple[str, ...]) -> float:
        asked["values"] += 1
        return puzzle["values"].get("".join(path), 0.0)

    functions: dict[str, Any] = {"propose": propose, "value": value}
    if checked:
        functions["check"] = lambda path: exact(path, puzzle["numbers"])
    if twin:
        return asyncio.run(mf.plan.atree_of_thoughts(None, puzzle["numbers"], breadth=5, depth=4, **functions))
    return mf.plan.tree_of_thoughts(None, puzzle["numbers"], breadth=5, depth=4, **functions)


@pytest.mark.parametrize("twin", [False, True], ids=["sync", "async"])
def test_the_search_ends_with_the_beams_of_the_authors(puzzles: list[dict[str, Any]], twin: bool) -> None:
    asked: Counter[str] = Counter()
    results = [search(puzzle, asked, checked=False, twin=twin) for puzzle in puzzles]
    for result, puzzle in zip(results, puzzles, strict=True):
        assert ["".join(path) for path in result.paths] == puzzle["logged"]["answers"]
    solved = [any(is_right(path, p["numbers"]) for path in r.paths) for r, p in zip(results, puzzles, strict=True)]
    assert (sum(solved), dict(asked)) == (32, {"proposals": 800, "values": 4334})


def test_an_exact_check_solves_more_with_less(puzzles: list[dict[str, Any]]) -> None:
    asked: Counter[str] = Counter()
    results = [search(puzzle, asked, checked=True, twin=False) for puzzle in puzzles]
    solved = [
        any(exact(path, p["numbers"]) or is_right(path, p["numbers"]) for path in r.paths)
        for r, p in zip(results, puzzles, strict=True)
    ]
    assert sum(solved) == 37
    assert asked["proposals"] <= 613
    assert asked["values"] <= 2420


@pytest.mark.parametrize("twin", [False, True], ids=["sync", "async"])
def test_stopping_early_finds_the_same_winner(puzzles: list[dict[str, Any]], twin: bool) -> None:
    def vote(puzzle: dict[str, Any], stop: str | None) -> Any:
        answers = iter(puzzle["samples"])
        if twin:
            given = mf.plan.aself_consistency(lambda task: next(answers), puzzle["numbers"], n=100, stop=stop)
            return asyncio.run(given)
        return mf.plan.self_consistency(lambda task: next(answers), puzzle["numbers"], n=100, stop=stop)

    full = [vote(puzzle, None) for puzzle in puzzles]
    early = [vote(puzzle, "beta") for puzzle in puzzles]
    assert [
        sum(is_24(r.final_answer, p["numbers"]) for r, p in zip(results, puzzles, strict=True))
        for results in (full, early)
    ] == [5, 5]
    assert [one.final_answer for one in full] == [one.final_answer for one in early]
    assert sum(one.calls for one in full) == 5000
    assert sum(one.calls for one in early) == 3683
