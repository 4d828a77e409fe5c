"""What checks of several lessons have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .exercise import NotYetError

__all__ = ["an", "entropy", "names", "need", "number", "wilson"]


def need(right: object, sentence: str) -> None:
    """Raise where something is not right.

    Raises:
        NotYetError: with this sentence.
    """
    if not right:
        raise NotYetError(sentence)


def an(value: Any) -> str:
    """Say what a value is, in words that fit after "you gave"."""
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:59]!r}…"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def number(answer: Any, what: str) -> float:
    """Return an answer that is to be a number.

    Args:
        answer: the answer.
        what: what it is to be, with its unit.

    Raises:
        NotYetError: it is not one.
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
    """Return the entropy, in bits, of candidates by their natural log probabilities, which are made to sum to 1."""
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
    """Write names one after the other."""
    return ", ".join(map(str, values))
