"""The calibration of the embedded models' confidence, on rows with a known truth.

    python benchmarks/confidence.py [--only NAME ...] [--answers N]

The rows are packages, persons and reviews of `data/local_models.jsonl`, and `tests/data/biographies.json`. With
`--answers 3` the confidence is the agreement of three answers at temperature 0.8 instead of the probability of tokens.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas as pd
from local_models import SCHEMAS, rows_of

import msgflux_nb as mf
from msgflux_nb.tables.judging.calibration import calibration_of

BIOGRAPHIES = Path(__file__).resolve().parents[1] / "tests" / "data" / "biographies.json"
MODELS = ("smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")


def biographies() -> list[dict[str, Any]]:
    """Return the biographies as rows of persons."""
    rows = json.loads(BIOGRAPHIES.read_text(encoding="utf-8"))
    return [{"kind": "person", "text": row.pop("text"), "truth": row} for row in rows]


def cells(name: str, answers: int) -> list[tuple[Any, bool]]:
    """Return the confidence of each cell, and whether it is right."""
    options: dict[str, Any] = {"temperature": 0} if answers == 1 else {"temperature": 0.8}
    model = mf.Model.chat_completion(f"local/{name}", max_tokens=200, **options)
    found: list[tuple[Any, bool]] = []
    for kind in ("package", "person", "review"):
        rows = rows_of(kind, 0) + (biographies() if kind == "person" else [])
        texts = [row["text"] for row in rows]
        how: bool | int = True if answers == 1 else answers
        table = mf.extract(texts, SCHEMAS[kind], model=model, confidence=how, progress=False)
        sure, truth = table.mf.confidence(), pd.DataFrame([row["truth"] for row in rows])
        wrong = mf.score(table, truth).differences
        missed = set(zip(wrong.index, wrong["field"], strict=True))
        found += [(sure[field][row], (row, field) not in missed) for field in truth for row in range(len(rows))]
    return found


def main() -> None:
    """Measure each model in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(MODELS[:2]), choices=MODELS)
    parser.add_argument("--answers", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.only:
        found = cells(name, asked.answers)
        right = sum(one for _, one in found)
        print(f"{name}: {right} of {len(found)} cells right; {calibration_of(found)}")
        print(calibration_of(found).bands.round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
