"""Twenty small questions × twenty chains of thought, with their truth; ``chains.truth.json`` lies beside it.

``python -m scripts.recordings.chains 0 5`` records the questions 0 to 4 and adds them to what is there.
"""

from __future__ import annotations

import asyncio
import json
import sys

import msgflux_nb as mf
from msgflux_nb.reasoning.trace import Sample
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


async def record(begin: int, end: int) -> None:
    model = mf.Model.chat_completion(MODEL, max_tokens=80)
    for question in list(QUESTIONS)[begin:end]:
        task = f"{question} Think in one short step."
        result = await mf.plan.aself_consistency(model, task, n=COUNT, answer=int, temperature=0.7)
        samples = [entry for entry in result.trace if isinstance(entry, Sample)]
        right = sum(sample.answer == QUESTIONS[question] for sample in samples)
        print(f"{question} {QUESTIONS[question]}: {result.final_answer}, {right} of {COUNT} right", flush=True)


def main(begin: int, end: int) -> None:
    with recording("chains", "Twenty small questions, twenty chains of thought each", add=begin > 0):
        asyncio.run(record(begin, end))
    truth = json.dumps(QUESTIONS, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "chains.truth.json").write_text(truth, encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3] or (0, len(QUESTIONS))))
