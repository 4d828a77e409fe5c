"""Accuracy by the number of votes on the twenty recorded questions: the full vote, and two rules to stop early.

    python benchmarks/votes.py

The questions and their chains of thought come with the package (``msgflux_nb/course/recordings/chains.jsonl``,
local/qwen2.5-coder-0.5b at temperature 0.7). No model is asked. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

from typing import Any

import msgflux_nb as mf
from msgflux_nb.course.checks import wilson
from msgflux_nb.course.replayed import chains

COUNTS = (1, 3, 5, 10)
STOPS = ("beta", "window")


def voted(votes: tuple[Any, ...], count: int, stop: str | None) -> Any:
    """Return the result of a vote among the first answers; an unreadable answer raises, as in the recording."""
    left = iter(votes[:count])

    def answer(task: str) -> Any:
        given = next(left)
        if given is None:
            raise mf.ValidationFailedError("this answer could not be read")
        return str(given)

    return mf.plan.self_consistency(answer, "recorded", n=count, stop=stop)


def row(name: str, count: int, stop: str | None) -> str:
    """Return a row of the table."""
    recorded = chains()
    results = [voted(votes, count, stop) for _, votes in recorded]
    right = sum(result.final_answer == str(known) for result, (known, _) in zip(results, recorded, strict=True))
    low, high = wilson(right, len(recorded))
    asked = sum(result.calls for result in results)
    return f"| {name} | {right} of {len(recorded)} | {right / len(recorded):.0%} ({low:.0%}–{high:.0%}) | {asked} |"


def main() -> None:
    """Print the table."""
    most = len(chains()[0][1])
    print("| votes | right | accuracy | calls |\n|---|--:|--:|--:|")
    for count in sorted({*(one for one in COUNTS if one < most), most}):
        print(row(f"{count}", count, None))
    for stop in STOPS:
        print(row(f'up to {most}, stop="{stop}"', most, stop))


if __name__ == "__main__":
    main()
