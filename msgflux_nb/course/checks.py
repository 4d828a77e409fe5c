"""Helpers for the checks of several lessons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .exercise import NotYetError

__all__ = ["an", "entropy", "names", "need", "number", "wilson"]


def need(right: object, sentence: str) -> None:
    """Check a condition.

    Raises:
        NotYetError: it does not hold; the error has this sentence.
    """
    if not right:
        raise NotYetError(sentence)


def an(value: Any) -> str:
    """Return the type of a value with its article, such as ``a list``."""
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:59]!r}…"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def number(answer: Any, what: str) -> float:
    """Check that an answer is a number and return it.

    Args:
        answer: the answer.
        what: what the number means, with its unit.

    Raises:
        NotYetError: it is not a number.
    """
    need(not isinstance(answer, bool), f"Expected {what} as a number, got {answer!r}.")
    need(not isinstance(answer, str), f"Expected {what} as a number, without quotes and units; you gave {an(answer)}.")
    try:
        value = float(answer)
    except (TypeError, ValueError):
        raise NotYetError(f"Expected {what} as a number, you gave {an(answer)}.") from None
    need(math.isfinite(value), f"Expected {what} as a number, got {value}.")
    return value


def entropy(logprobs: Iterable[float]) -> float:
    """Return the entropy, in bits, of candidates from their natural log probabilities, normalised to sum to 1."""
    weights = [math.exp(one) for one in logprobs]
    total = sum(weights)
    return -sum(weight / total * math.log2(weight / total) for weight in weights if weight > 0)


def wilson(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson 1927), from 0 to 1."""
    if not count:
        return 0.0, 1.0
    share, square = right / count, z * z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def names(values: Sequence[Any]) -> str:
    """Return names separated by commas."""
    return ", ".join(map(str, values))
