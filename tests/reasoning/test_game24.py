"""Measures tree_of_thoughts on 50 puzzles of the Game of 24 that the authors of Tree of Thoughts logged."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.course.game24 import exact, is_24, is_right

LOGGED = Path(mf.__file__).parent / "course" / "data" / "game24.jsonl"


@pytest.fixture(scope="module")
def puzzles() -> list[dict[str, Any]]:
    return [json.loads(line) for line in LOGGED.read_text(encoding="utf-8").splitlines()]


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


def test_an_expression_of_any_length_is_read_at_once_and_is_not_right() -> None:
    assert not is_24("1+" * 50_000 + "1", "4 4 6 8")
    assert not is_24("a." * 500_000, "4 4 6 8")
