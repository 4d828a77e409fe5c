"""How much of a large matrix runs: a part of it in `make test`, all of it in `make thorough`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

__all__ = ["THOROUGH", "examples", "few"]

T = TypeVar("T")

THOROUGH = os.environ.get("MSGFLUX_TESTS") == "thorough"


def few(cases: Iterable[T], count: int) -> list[T]:
    """Return all cases in a thorough run, else ``count`` of them: the first, the last, and some evenly between."""
    every = list(cases)
    if THOROUGH or len(every) <= count:
        return every
    return [every[round(number * (len(every) - 1) / max(count - 1, 1))] for number in range(count)]


def examples(count: int) -> int:
    """Return how many examples Hypothesis draws: ``count`` in a thorough run, else a fifth, but at least ten."""
    return count if THOROUGH else max(count // 5, 10)
