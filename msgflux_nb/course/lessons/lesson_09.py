"""Lesson 9, ask often and vote: when to stop asking."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..checks import need
from ..exercise import Exercise
from ..lesson import Lesson
from ..replayed import chains

_SAME = 18  # the least number of right winners, of twenty
_SAVED = 0.8  # the largest share of the calls


def winner(votes: Any) -> Any:
    """Return the answer with the most votes, or the first one of a tie; ignore None."""
    counted = Counter(vote for vote in votes if vote is not None)
    return counted.most_common(1)[0][0] if counted else None


def stops(answer: Any) -> str:
    """Apply a rule to the votes one by one, and compare its winners and its calls with asking to the end."""
    need(callable(answer), f"Expected a function that takes the votes so far, got {type(answer).__name__}.")
    same = asked = 0
    for _, votes in chains():
        count = len(votes)
        for seen in range(1, len(votes) + 1):
            said = answer(list(votes[:seen]))
            need(isinstance(said, bool), f"Return True to stop or False to go on; yours returned {said!r}.")
            if said:
                count = seen
                break
        asked += count
        same += winner(votes[:count]) == winner(votes)
    total = sum(len(votes) for _, votes in chains())
    need(asked < total, "Your rule never stops, so it saves nothing.")
    need(same >= _SAME, f"Your rule asks {asked} times instead of {total}, and finds {same} of 20 winners. Stop later.")
    need(asked <= _SAVED * total, f"{same} of 20 winners, but {asked} calls of {total}. Stop once nothing can change.")
    return f"{same} of 20 winners with {asked} calls instead of {total}."


LESSON = Lesson(
    "09",
    "Ask often, vote",
    (
        Exercise(
            "a function of the votes so far that says when to stop",
            stops,
            hints=(
                "It gets a list such as [47, 47, 12] and returns True to stop.",
                "After a few votes, look at how far the leader is ahead of the second.",
                "Stop once the leader has two votes more than the second one.",
            ),
            solution="""
from collections import Counter

def stop(votes):
    counted = Counter(vote for vote in votes if vote is not None).most_common(2)
    if not counted:
        return False
    second = counted[1][1] if len(counted) > 1 else 0
    return counted[0][1] - second >= 2

answer = stop
""",
        ),
    ),
    recording="chains",
)
