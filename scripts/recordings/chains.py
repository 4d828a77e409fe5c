"""Records twenty small questions × twenty chains of thought; ``chains.truth.json`` has the right answers.

``python -m scripts.recordings.chains [FIRST [SECONDS]]`` asks what is not recorded yet, from question FIRST on and for
SECONDS; the requests are those of ``mf.plan.self_consistency(model, task, n=20, answer=int)``. None of the questions
was replaced after it had been asked; the prompt got its example after a first measurement.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from typing import Any

import msgflux_nb as mf
from msgflux_nb.course.materials import chain_task
from msgflux_nb.generation.plan import ChainOfThoughts
from msgflux_nb.storage.recordings.recording import Recording
from scripts.recordings.place import FOLDER, MODEL, recording

QUESTIONS = {
    "What is 6 * 7 + 5?": 47,
    "What is 12 * 4 - 9?": 39,
    "What is (8 + 7) * 3?": 45,
    "What is 90 / 6 + 14?": 29,
    "What is 25 + 38 - 17?": 46,
    "What is 9 * 9 - 18?": 63,
    "What is 15 * 6 - 40?": 50,
    "What is (20 - 6) * 4?": 56,
    "A box holds 8 pens. How many pens are in 5 boxes after 6 are taken out?": 34,
    "A pack of 6 eggs costs 3 euros. What do 24 eggs cost?": 12,
    "Ann is 7. Ben is twice as old. How old is Ben in 3 years?": 17,
    "Tom has 30 sweets and eats 4 a day. How many are left after 5 days?": 10,
    "A bus has 40 seats. 17 people get in, then 9 more. How many seats are free?": 14,
    "A film begins at 20 and lasts 3 hours. How many hours before 24 does it end?": 1,
    "Three shirts cost 45 euros. What do two cost?": 30,
    "A rope of 48 m is cut into 6 equal parts. How long are two parts, in m?": 16,
    "Eva reads 12 pages a day. How many days does she need for 96 pages?": 8,
    "A farm has 9 cows and 14 hens. How many legs are there?": 64,
    "There are 5 rows of 11 chairs. 13 are broken. How many can be used?": 42,
    "Lea has 50 euros, buys 3 books of 9 euros each. How many euros are left?": 23,
}
COUNT = 20
MAX_TOKENS = 100


def missing(first: int) -> deque[tuple[str, int]]:
    """Return the questions and samples that are not recorded yet."""
    path = FOLDER / "chains.jsonl"
    known = set()
    if path.exists():
        known = {(question_in(line.body), line.sample) for line in Recording(path).exchanges}
    questions = list(QUESTIONS)
    wanted = [(one, number) for number in range(COUNT) for one in [*questions[first:], *questions[:first]]]
    return deque(one for one in wanted if one not in known)


def question_in(body: Any) -> str:
    """Return the question of a request; the outline of the structure and the example come before it."""
    content: str = body["messages"][-1]["content"]
    return content.rpartition("Q: ")[2].removesuffix("\nA:")


async def ask(left: deque[tuple[str, int]], until: float) -> None:
    model = mf.Model.chat_completion(MODEL, max_tokens=MAX_TOKENS, temperature=0.7)
    while left and time.monotonic() < until:
        question, number = left.popleft()
        response = await model.numbered(number).acall(chain_task(question), generation_schema=ChainOfThoughts[int])
        print(number, question, response.text.replace("\n", " ")[-60:], QUESTIONS[question], flush=True)


async def ask_side_by_side(left: deque[tuple[str, int]], seconds: float) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(ask(left, until) for _ in range(2)))


def main(first: int = 0, seconds: float = 500.0) -> None:
    with recording("chains", "Twenty small questions, twenty chains of thought each", add=True):
        asyncio.run(ask_side_by_side(missing(first), seconds))
    truth = json.dumps(QUESTIONS, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "chains.truth.json").write_text(truth, encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:3]))
