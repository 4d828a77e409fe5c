"""Lesson 2, one token at a time: the entropy at a token, and where an answer could have taken another turn."""

from __future__ import annotations

from typing import Any

from ..checks import entropy, need, number
from ..exercise import Exercise
from ..lesson import Lesson
from ..replayed import sentence


def _entropies() -> list[float]:
    return [entropy(logprob for _, logprob in token.top) for token in sentence()]


def unsure(answer: Any) -> str:
    """Compare an entropy with that of the first token."""
    value = number(answer, "the entropy in bits")
    right = _entropies()[0]
    need(value >= 0, "An entropy is not negative: it is minus the sum of p · log2 p.")
    need(
        abs(value - right * 0.6931) > 0.01 or abs(value - right) < 0.01,
        "That is the entropy in nats. Take log2, or divide by ln 2, to get bits.",
    )
    need(
        abs(value - right) < 0.02,
        "Take the twenty candidates of the first token, make their probabilities sum to 1, and sum −p · log2 p.",
    )
    return f"{right:.2f} bits: as unsure as a choice among {2**right:.1f} equal candidates."


def fork(answer: Any) -> str:
    """Compare a position with the one of the highest entropy."""
    tokens = sentence()
    need(isinstance(answer, int) and not isinstance(answer, bool), "Expected the position of a token, such as 3.")
    need(0 <= answer < len(tokens), f"The answer has {len(tokens)} tokens, at the positions 0 to {len(tokens) - 1}.")
    entropies = _entropies()
    right = max(range(len(tokens)), key=entropies.__getitem__)
    need(
        entropies[answer] >= entropies[right] - 0.01,
        f"At {answer} ({tokens[answer].token!r}) the entropy is {entropies[answer]:.2f} bits. One place has more.",
    )
    return f"At {right} the model wrote {tokens[right].token!r}; it could nearly as well have gone elsewhere."


LESSON = Lesson(
    "02",
    "One token at a time",
    (
        Exercise(
            "the entropy of the first token, in bits",
            unsure,
            hints=(
                "response.logprobs[0].top has the candidates: pairs of a token and its natural log probability.",
                "p = exp(logprob). The twenty p do not sum to 1, so divide each by their sum.",
                "The entropy is -sum(p * log2(p)) over the candidates.",
            ),
            solution="""
import math

with q.replay(speed=float("inf")):
    response = model("Write one short sentence about the sea.", stream=True)
    response.consume()
weights = [math.exp(logprob) for _, logprob in response.logprobs[0].top]
shares = [weight / sum(weights) for weight in weights]
answer = -sum(share * math.log2(share) for share in shares)
""",
        ),
        Exercise(
            "the position at which the model was least sure",
            fork,
            hints=(
                "Compute the entropy of each token, not only of the first.",
                "The fork is where the entropy is largest: max(range(len(tokens)), key=...).",
            ),
            solution="""
import math

def entropy(token):
    weights = [math.exp(logprob) for _, logprob in token.top]
    return -sum(w / sum(weights) * math.log2(w / sum(weights)) for w in weights)

with q.replay(speed=float("inf")):
    response = model("Write one short sentence about the sea.", stream=True)
    response.consume()
answer = max(range(len(response.logprobs)), key=lambda place: entropy(response.logprobs[place]))
""",
        ),
    ),
    recording="samples",
)
