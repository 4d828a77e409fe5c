"""Tests whether a review finds the errors of the embedded model first, and whether its interval holds.

    python benchmarks/review.py [--write | --coverage]

It asks `local/smollm2-135m` about 200 invented sentences with a known truth, with `confidence=True`, and reviews the
answers a hundred times with different seeds. `--write` writes the answers to `tests/data/review_rows.json`, with which
`tests/tables/reviewing/test_embedded_rows.py` does the same without the model. `--coverage` asks no model: it counts in
how many of 300 simulated batches the interval holds the truth, for several sizes, error rates and random shares.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

import msgflux_nb as mf
from msgflux_nb.tables.reviewing.estimate import estimate_of
from msgflux_nb.tables.reviewing.order import mixed_order
from msgflux_nb.tables.reviewing.review import Review

ROWS = 200
READ = 40
DATA = Path(__file__).resolve().parents[1] / "tests" / "data" / "review_rows.json"
NAMES = [
    "Ada Moss",
    "Bo Lind",
    "Cy Arden",
    "Dora Vance",
    "Emil Roth",
    "Fay Kern",
    "Gus Holm",
    "Ida Beck",
    "Jan Maas",
    "Kim Oda",
]
CITIES = ["Ghent", "Lyon", "Porto", "Turin", "Bergen", "Krakow", "Graz", "Malmo"]
EASY = ("{name} was born in {city} in {year}.", "{name} lives in {city} since {year}.")
HARD = "{other} writes: my friend {name}, not I, came to {city} from {former} in {year}."


class Person(msgspec.Struct):
    """What a sentence says of a person."""

    name: str
    city: str
    year: int


def sentences() -> list[tuple[str, dict[str, Any]]]:
    """Return the sentences, most of them easy, each with its truth."""
    chance = random.Random(5)
    found = []
    for _ in range(ROWS):
        name, other = chance.sample(NAMES, 2)
        city, former = chance.sample(CITIES, 2)
        truth = {"name": name, "city": city, "year": chance.randint(1900, 2000)}
        form = HARD if chance.random() < 0.08 else chance.choice(EASY)
        found.append((form.format(other=other, former=former, **truth), truth))
    return found


def reviewed(result: pd.DataFrame, wrong: set[int], confidence: Any = None) -> tuple[list[float], int]:
    """Review a result a hundred times; return the enrichment of errors in the first rows, and the coverage."""
    truth = 1 - len(wrong) / len(result)
    ratios, held = [], 0
    for seed in range(100):
        review = Review(result, confidence=confidence, seed=seed)
        first = review.order.queue[:READ]
        ratios.append(len(wrong & set(first)) / READ / (1 - truth))
        found = estimate_of(review.order, {position: position not in wrong for position in first})
        held += found.low - 1e-9 <= truth <= found.high + 1e-9
    return ratios, held


def coverage() -> None:
    """Print in how many of 300 batches the interval holds the truth: the worst cases and the median."""
    found: list[tuple[int, str]] = []
    shares, errors = (0.2, 0.5), (0.02, 0.05, 0.2, 0.4)
    for rows, read, share, error in itertools.product((30, 200, 2_000), (20, 40, 100), shares, errors):
        for telling in (False, True) if read <= rows else ():
            held = 0
            for seed in range(300):
                chance = np.random.default_rng([7, seed, rows])
                wrong = chance.random(rows) < error
                doubts = np.where(wrong, chance.beta(4, 2, rows), chance.beta(2, 4, rows)) if telling else 0 * wrong
                order = mixed_order(range(rows), doubts, random_share=share, seed=seed)
                told = estimate_of(order, {one: not wrong[one] for one in order.queue[:read]})
                held += bool(told.low - 1e-9 <= 1 - wrong.mean() <= told.high + 1e-9)
            what = f"{rows:,} rows, {read} read, {share:.0%} at random, {error:.0%} wrong, "
            found.append((held, what + ("a confidence that tells" if telling else "no confidence")))
    found.sort()
    for held, what in found[:5]:
        print(f"{held} of 300: {what}")
    print(f"{len(found)} cases, the middle one {found[len(found) // 2][0]} of 300")


def main() -> None:
    """Ask the model, review its answers, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    asked = parser.parse_args()
    if asked.coverage:
        coverage()
        return
    rows = sentences()
    texts, truth = [text for text, _ in rows], pd.DataFrame([right for _, right in rows])
    model = mf.Model.chat_completion("local/smollm2-135m", temperature=0, max_tokens=80)
    began = time.perf_counter()
    result = mf.extract(texts, Person, model=model, confidence=True, progress=False)
    wrong = set(mf.score(result, truth).differences.index)
    ratios, held = reviewed(result, wrong)
    print(f"{len(wrong)} of {ROWS} rows wrong, {time.perf_counter() - began:.0f} s")
    mean = sum(ratios) / len(ratios)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}, on average {mean:.2f}"
    print(f"the first {READ} rows hold {spread} times the errors of a random choice")
    print(f"the interval held the truth in {held} of 100 repetitions", flush=True)
    if asked.write:
        sure = result.mf.confidence()
        told = [
            {"text": text, "truth": right, "answer": answer, "confidence": confidence}
            for (text, right), answer, confidence in zip(
                rows,
                result[["name", "city", "year"]].astype(object).where(result["name"].notna(), None).to_dict("records"),
                sure.astype(float).round(4).to_dict("records"),
                strict=True,
            )
        ]
        DATA.write_text("[\n" + ",\n".join(json.dumps(one) for one in told) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
