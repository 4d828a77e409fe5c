"""Lesson 1, a call: the request, the answer, the cost."""

from __future__ import annotations

from typing import Any

from ..checks import an, need, number
from ..exercise import Exercise
from ..lesson import Lesson

SYSTEM = "You answer in one short sentence."
QUESTION = "What is a token?"


def meets_the_request(answer: Any) -> str:
    """Compare messages with the recorded ones."""
    need(
        isinstance(answer, list | tuple),
        f"Messages are a list of dicts, one for each turn: [..., ...]; you gave {an(answer)}.",
    )
    need(
        all(isinstance(turn, dict) and {"role", "content"} <= turn.keys() for turn in answer),
        'Each turn is a dict with "role" and "content".',
    )
    roles = [turn["role"] for turn in answer]
    need("system" in roles, 'The recorded request begins with a turn of the role "system". Yours has none.')
    need(roles == ["system", "user"], f"Expected the roles system, user, in this order; yours are {', '.join(roles)}.")
    need(answer[0]["content"] == SYSTEM, f"The system turn says {answer[0]['content']!r}; the recorded one {SYSTEM!r}.")
    need(answer[1]["content"] == QUESTION, f"The user asks {answer[1]['content']!r}; recorded is {QUESTION!r}.")
    return "These messages are the recorded request, so the recording can answer them."


def bill(answer: Any) -> str:
    """Compare a bill for a million calls with the tokens of the recorded call."""
    from ..replayed import first_call

    prompt, completion = first_call()
    value = number(answer, "the bill in dollars")
    right = prompt * 0.10 + completion * 0.40
    need(abs(value - right * 1e-6) > 1e-9, "That is the bill of one call. What do a million of them cost?")
    need(
        abs(value - (prompt + completion) * 0.10) > 0.005,
        "You took one price for all tokens. Those of the answer cost four times as much.",
    )
    need(
        abs(value - right) < 0.01,
        f"One call takes {prompt} tokens in and {completion} out. Multiply each by its price for a million tokens.",
    )
    return f"{prompt} tokens in and {completion} out: ${right:.2f} for a million calls."


LESSON = Lesson(
    "01",
    "A call: request, answer, bill",
    (
        Exercise(
            "the messages of the recorded request",
            meets_the_request,
            hints=(
                "A request is a list of turns. The Playground's tab Raw shows this one, under messages.",
                'A turn is {"role": ..., "content": ...}. The system prompt is a turn, too: the first one.',
                f"The roles are system and user; the system turn says {SYSTEM!r}.",
            ),
            solution=f"""
answer = [
    mf.ChatBlock.system({SYSTEM!r}),
    mf.ChatBlock.user({QUESTION!r}),
]
""",
        ),
        Exercise(
            "the bill for a million calls",
            bill,
            hints=(
                "usage.prompt_tokens are the tokens in, usage.completion_tokens those out.",
                "Tokens in cost $0.10 for a million, tokens out $0.40 for a million.",
                "A million calls of p tokens in and c out cost p × 0.10 + c × 0.40 dollars.",
            ),
            solution=f"""
usage = model({QUESTION!r}, system_prompt={SYSTEM!r}).metadata.usage
answer = usage.prompt_tokens * 0.10 + usage.completion_tokens * 0.40
""",
        ),
    ),
    recording="first_call",
)
