"""The tools, types and prompts of the course's recordings, so that the same can be asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

__all__ = [
    "PROMPT",
    "TASKS",
    "Release",
    "chain_task",
    "price",
    "solver",
    "to_dollars",
    "verdict_scorer",
    "weather",
]

_PRICES = {"lamp": 40.0, "chair": 65.0, "desk": 120.0}
PROMPT = "Read this note: {text}"
TASKS: dict[str, dict[str, Any]] = {
    "How much does a lamp cost in dollars?": {},
    "What does a desk cost, in euros?": {},
    "What does a sofa cost in dollars? Look it up until you find it.": {"max_calls": 5},
}
"""The three tasks of lesson 8, with their budgets."""

_SOLVERS = dict(
    zip(TASKS, ("local/qwen2.5-coder-1.5b", "local/qwen2.5-coder-1.5b", "local/qwen2.5-coder-0.5b"), strict=True)
)


_EXAMPLE = """Q: Ann has 3 bags of 4 apples and eats 2. How many are left?
A: {"steps": [{"explanation": "3 * 4", "output": "12"}, {"explanation": "12 - 2", "output": "10"}], "final_answer": 10}
"""


def chain_task(question: str) -> str:
    """Return the prompt for a chain of thoughts: an example step by step, then the question."""
    return f"{_EXAMPLE}\nQ: {question}\nA:"


def solver(task: str) -> Any:
    """Return the model of a task of lesson 8."""
    from ..models.model import Model

    return Model.chat_completion(_SOLVERS[task], temperature=0.0, max_tokens=120)


def price(item: str) -> str:
    """Look up what one item costs, in euros.

    Args:
        item: such as lamp.
    """
    found = _PRICES.get(item.strip().lower())
    return f"{found} euros" if found is not None else f"No item {item!r} was found. Try another name."


def to_dollars(euros: float) -> str:
    """Convert euros to dollars.

    Args:
        euros: an amount.
    """
    return f"{euros * 1.1:.2f} dollars"


def weather(city: str, unit: str = "celsius") -> str:
    """Say what the weather is like in a city.

    Args:
        city: its name.
        unit: celsius or fahrenheit.
    """
    return f"{city}: 20 degrees {unit}"


class Release(msgspec.Struct):
    """A note about a package."""

    package: Annotated[str, msgspec.Meta(description="name of the package")]
    version: str
    mood: Literal["good", "bad"]


def verdict_scorer(truth: dict[str, str]) -> Callable[[str, str], bool]:
    """Return a scorer for reviews: whether the first word of an answer is the known verdict.

    Args:
        truth: ``good`` or ``bad`` for the text of each review.
    """

    def is_right(answer: str, review: str) -> bool:
        words = answer.lower().replace(".", " ").split()
        return bool(words) and words[0] == truth[review]

    return is_right
