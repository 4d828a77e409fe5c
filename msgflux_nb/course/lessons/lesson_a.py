"""Appendix: failures, and which of them to retry."""

from __future__ import annotations

from typing import Any

from ..checks import need
from ..exercise import Exercise
from ..lesson import Lesson

AGAIN = {
    "Too many requests": True,
    "A stream that is cut": True,
    "A refusal": False,
    "A model that was retired": False,
}
_WHY = {
    "Too many requests": "the server says when to come back, and the same request is answered then",
    "A stream that is cut": "the network failed, not the request; what had arrived is in the error's snapshot",
    "A refusal": "the model has answered: it will not do this, however often it is asked",
    "A model that was retired": "the name no longer exists; the same request can never succeed",
}


def again(answer: Any) -> str:
    """Compare a decision about each failure with what helps."""
    need(isinstance(answer, dict), "Expected a dict from each failure to True (try again) or False.")
    for name, right in AGAIN.items():
        need(name in answer, f"{name!r} is missing. Expected: {', '.join(AGAIN)}.")
        need(isinstance(answer[name], bool), f"{name!r}: expected True or False, got {answer[name]!r}.")
        need(answer[name] is right, f"{name!r}: think again: {_WHY[name]}.")
    return "Wait and try what may pass; change what cannot."


LESSON = Lesson(
    "A",
    "When it fails",
    (
        Exercise(
            "which of the four failures may be tried again",
            again,
            hints=(
                "Ask of each: would the very same request be answered in a minute?",
                "A rate limit and a broken connection pass by themselves. A refusal and a retired model do not.",
            ),
            solution="""
answer = {
    "Too many requests": True,
    "A stream that is cut": True,
    "A refusal": False,
    "A model that was retired": False,
}
""",
        ),
    ),
    recording="errors",
)
