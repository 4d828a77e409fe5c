"""Rows with a shared prompt: tokens read and seconds per row, with llama.cpp's prompt cache and without.

    python benchmarks/shared_prompt.py [--model NAME] [--rows N] [--pairs N]

It runs `mf.extract` over packages of `data/local_models.jsonl` with two examples before each row. The same rows are
asked with `cache_prompt` (llama.cpp's default, and so ours) and without, by turns; a separate first row warms up. The
server reports with each answer how many tokens it read and how long that took. The last line has the same figures of
the course's chains of thought.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_models import SCHEMAS, rows_of
from stream import load, machine

import msgflux_nb as mf
from msgflux_nb.course.lesson import recordings_folder
from msgflux_nb.storage.answers import open_store
from msgflux_nb.storage.recordings.recording import Recording

EXAMPLES = (
    ("numpy 2.1.3 came out in November.", SCHEMAS["package"]("numpy", "2.1.3", 2)),
    ("We still pin attrs to 23.2.0 because of the plugin.", SCHEMAS["package"]("attrs", "23.2.0", 23)),
)


def asked(name: str, texts: list[str], *, cached: bool) -> dict[str, float]:
    """Ask the rows; return the medians of the server's figures, and the seconds per row."""
    model = mf.Model.chat_completion(f"local/{name}", temperature=0, max_tokens=60, extra_body={"cache_prompt": cached})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.sqlite"
        began = time.monotonic()
        mf.extract(texts, SCHEMAS["package"], model=model, examples=EXAMPLES, store=path, progress=False)
        seconds = time.monotonic() - began
        answers = [json.loads(answer) for (answer,) in open_store(path).rows("SELECT answer FROM rows")]
    timings: list[dict[str, Any]] = [answer["timings"] for answer in answers]
    told = {"prompt": [answer["usage"]["prompt_tokens"] for answer in answers]}
    told["read"] = [one["prompt_n"] for one in timings]
    told["reading"] = [one["prompt_ms"] / 1000 for one in timings]
    return {**{what: statistics.median(values) for what, values in told.items()}, "row": seconds / len(texts)}


def recorded() -> str:
    """Return the figures of the course's chains of thought, in words."""
    recording = Recording(recordings_folder() / "chains.jsonl")
    answers = [json.loads(b"".join(piece for _, piece in recording.chunks(line))) for line in recording.exchanges]
    read = statistics.median(answer["timings"]["prompt_n"] for answer in answers)
    prompt = statistics.median(answer["usage"]["prompt_tokens"] for answer in answers)
    return f"{len(answers)} recorded chains of thought: {read:.0f} of {prompt:.0f} tokens read (medians)"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    print(f"{datetime.date.today()}, {machine()}, load {load()} before. {options.model}\n")
    first, *texts = [row["text"] for row in rows_of("package", 0)][: options.rows + 1]
    asked(options.model, [first], cached=True)
    found: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for _ in range(options.pairs):
        for cached in found:
            found[cached].append(asked(options.model, texts, cached=cached))
    print("| prompt | tokens of a row's prompt | tokens read a row | seconds of reading a row | seconds a row |")
    print("|---|--:|--:|--:|--:|")
    for cached, runs in found.items():
        best = {what: min(run[what] for run in runs) for what in runs[0]}
        how = "shared, read once" if cached else "read again for each row"
        print(f"| {how} | {best['prompt']:.0f} | {best['read']:.0f} | {best['reading']:.2f} | {best['row']:.2f} |")
    print(f"\nload {load()} after\n{recorded()}")


if __name__ == "__main__":
    main()
