"""Describes an answer's figures in short words."""

from __future__ import annotations

from typing import Any

__all__ = ["cut_at", "dollars", "flagged", "numbers", "recorded", "status"]


def status(response: Any, *, times: bool = True) -> tuple[str, ...]:
    """Describe an answer's figures in short words; an unknown figure is a dash, never 0.

    Args:
        response: a response in any state, or None; for a run with tools, all its answers count together.
        times: whether to include seconds; without them, equal answers have equal descriptions.
    """
    if response is None:
        return ()
    metadata = response.metadata
    usage, cost, steps = metadata.usage, metadata.cost, 1
    answers = getattr(response, "responses", None)  # a run with tools has several
    if answers is not None:
        usage, cost, steps = response.usage, response.cost, len(answers)
    sent, received = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
    words = [f"{steps} answers"] if steps > 1 else []
    words.append("– tokens" if usage is None else _tokens(sent, received))
    words.append("– cost" if cost is None else dollars(cost))
    if times:
        first, whole = metadata.seconds_to_first_token, metadata.seconds
        words += [] if first is None else [f"first word after {first:,.2f} s"]
        words += [] if whole is None else [f"{whole:,.2f} s"]
    words.append(metadata.finish_reason or "–")
    words += filter(None, [metadata.schema_method, metadata.cached and "cached", *recorded(metadata)])
    return tuple(words)


def recorded(metadata: Any) -> tuple[str, ...]:
    """Say when an answer was recorded, and by which model; empty for an answer from the network."""
    origin = getattr(metadata, "replayed", None)
    return () if origin is None else tuple(filter(None, (f"recorded {origin.date}", metadata.model)))


def flagged(response: Any) -> tuple[str, ...]:
    """Return the warnings of an answer, each with a mark; for a run with tools, those of all answers."""
    if response is None:
        return ()
    answers = getattr(response, "responses", None) or [response]
    return tuple(dict.fromkeys(f"⚠ {sentence}" for answer in answers for sentence in answer.metadata.warnings))


def cut_at(response: Any) -> int | bool:
    """Return at how many tokens a limit cut an answer; True if that number is unknown, False for any other answer."""
    if response is None or response.metadata.finish_reason != "length":
        return False
    usage = response.metadata.usage
    tokens = None if usage is None else usage.completion_tokens
    return True if tokens is None else tokens


def numbers(response: Any) -> dict[str, Any]:
    """Return the figures of an answer as numbers, for bars on a common scale; unknown ones are None."""
    metadata = response.metadata
    answers = getattr(response, "responses", None)
    usage, cost = (metadata.usage, metadata.cost) if answers is None else (response.usage, response.cost)
    sent, received = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
    return {
        "tokens": _tokens(sent, received),
        "price": "–" if cost is None else dollars(cost),
        "out": received,
        "cost": cost,
        "first": metadata.seconds_to_first_token,
        "seconds": metadata.seconds,
    }


def dollars(cost: float) -> str:
    """Write a cost; one that is too small for four digits is not shown as 0, and 0 is shown as free."""
    if not cost:
        return "free"
    return "< $0.0001" if 0 < cost < 0.0001 else f"${cost:,.4f}"


def _tokens(sent: int | None, received: int | None) -> str:
    return f"{_count(sent)} in · {_count(received)} out"


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"
