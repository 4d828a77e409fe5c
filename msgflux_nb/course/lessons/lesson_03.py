"""Lesson 3, a distribution: an answer is one draw, and a share of forty draws has an interval."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..checks import need, number, wilson
from ..exercise import Exercise
from ..lesson import Lesson
from ..replayed import samples

_SLACK = 0.03


def _likeliest(temperature: float) -> tuple[str, int]:
    return Counter(text.strip().rstrip(".").lower() for text in samples(temperature)).most_common(1)[0]


def rate(answer: Any) -> str:
    """Compare a share and its interval with those of the forty samples at temperature 1.2."""
    need(
        isinstance(answer, tuple | list) and len(answer) == 3,
        "Expected three numbers: the share, and both ends of its interval, such as (0.4, 0.26, 0.55).",
    )
    share, low, high = (number(one, "a share from 0 to 1") for one in answer)
    word, count = _likeliest(1.2)
    need(share <= 1 and high <= 1, "A share goes from 0 to 1, not to 100.")
    need(abs(share - count / 40) < 0.001, f"Of the forty answers at temperature 1.2, how many say {word!r}?")
    need(low < share < high, "The interval has to hold the share itself: low < share < high.")
    right = wilson(count, 40)
    need(
        abs(low - right[0]) < _SLACK and abs(high - right[1]) < _SLACK,
        f"An interval of 95 % from forty draws is about {right[1] - right[0]:.2f} wide; yours is {high - low:.2f}.",
    )
    return f"{word!r}: {count} of 40, so {right[0]:.0%} to {right[1]:.0%} of all answers."


def enough(answer: Any) -> str:
    """Compare a number of samples with the one that an interval of ±5 points needs."""
    value = number(answer, "how many samples")
    share = _likeliest(1.2)[1] / 40
    right = 1.96**2 * share * (1 - share) / 0.05**2
    need(value > 40 or right < 40, "Forty samples give an interval of about ±15 points. It takes more for ±5.")
    need(
        0.9 * right <= value <= max(1.1 * right, 386),
        f"The half width is 1.96 · √(p (1 − p) / n). Set it to 0.05 and solve for n; {value:,.0f} is too "
        f"{'few' if value < right else 'many'}.",
    )
    return f"About {right:,.0f}: three times as narrow costs nine times as many calls."


LESSON = Lesson(
    "03",
    "It is a distribution",
    (
        Exercise(
            "the share of the most frequent answer at temperature 1.2, with its 95 % interval",
            rate,
            hints=(
                "collections.Counter counts the forty texts; most_common(1) is the most frequent one.",
                "mf.score and JUDGING use Wilson's interval; the plain one, p ± 1.96·√(p(1−p)/n), is near enough here.",
                "The answer is a tuple: (share, low, high), each from 0 to 1.",
            ),
            solution="""
import math
from collections import Counter

with q.replay(speed=float("inf")):
    hot = mf.Model.chat_completion(
        "local/qwen2.5-coder-0.5b", temperature=1.2, max_tokens=6, logprobs=True, top_logprobs=20
    )
    texts = [hot("Name one animal. Answer with one word only.").text for _ in range(40)]
share = Counter(text.strip().rstrip(".").lower() for text in texts).most_common(1)[0][1] / 40
z, n = 1.96, 40
middle = (share + z * z / (2 * n)) / (1 + z * z / n)
half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
answer = (share, middle - half, middle + half)
""",
        ),
        Exercise(
            "how many samples an interval of ±0.05 takes",
            enough,
            hints=(
                "The half width of the interval is about 1.96 · √(p (1 − p) / n).",
                "Solve 0.05 = 1.96 · √(p (1 − p) / n) for n; p is the share from the exercise before.",
                "If you do not trust p, take 0.5: it gives the most samples, 385.",
            ),
            solution="""
answer = 385
""",
        ),
    ),
    recording="samples",
)
