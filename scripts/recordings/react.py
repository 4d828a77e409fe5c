"""Three runs of ``mf.plan.react`` with two tools; the last one wastes its budget on what they cannot answer."""

from __future__ import annotations

import sys
from typing import Any

import msgflux_nb as mf
from scripts.recordings.place import recording

MODEL = "local/qwen2.5-coder-1.5b"
_PRICES = {"lamp": 40.0, "chair": 65.0, "desk": 120.0}


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


TASKS: dict[str, dict[str, Any]] = {
    "How much does a lamp cost in dollars?": {},
    "What does a desk cost, in euros?": {},
    "What does a sofa cost in dollars? Look it up until you find it.": {"max_calls": 5},
}


def main(first: int = 0, end: int = len(TASKS)) -> None:
    model = mf.Model.chat_completion(MODEL, temperature=0.0, max_tokens=70)
    title = "Three runs that think and use tools; one of them wastes its budget"
    with recording("react", title, add=first > 0):
        for task, budget in list(TASKS.items())[first:end]:
            result = mf.plan.react(model, task, tools=[price, to_dollars], **budget)
            print(task, "->", result.final_answer, result.stopped, result.calls, flush=True)
            print(result.to_frame().to_string(max_colwidth=40), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
