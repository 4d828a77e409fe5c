"""Records sixty rows × two models by ``mf.extract``; ``rows.truth.json`` has the texts and the right values.

``python -m scripts.recordings.rows 0`` asks the first model, ``1`` the second one and adds it.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Annotated, Literal

import msgspec

import msgflux_nb as mf
from msgflux_nb.storage.recordings.recording import Recording
from scripts.recordings.place import FOLDER, MODEL, SMALL, recording

PATH = FOLDER / "rows.jsonl"
PROMPT = "Read this note: {text}"


class Release(msgspec.Struct):
    """A note about a package."""

    package: Annotated[str, msgspec.Meta(description="name of the package")]
    version: str
    mood: Literal["good", "bad"]


_NOTES = (
    ("{package} {version} is out, and it is much faster.", "good"),
    ("I went back from {package} {version}: it breaks my plots.", "bad"),
    ("Upgraded to {package} {version} today. No trouble at all.", "good"),
    ("Since {package} {version} the tests hang.", "bad"),
    ("Thanks for {package} {version}, the new docs are lovely.", "good"),
    ("Careful: {package} {version} eats all the memory.", "bad"),
)
_PACKAGES = ("numpy", "pandas", "polars", "duckdb", "altair", "scipy", "dask", "xarray", "bokeh", "networkx")
_VERSIONS = ("1.2", "2.0.1", "0.9", "3.4", "1.0.0", "0.20.3", "2.11", "5.1", "4.0", "1.7.2")


def rows() -> list[tuple[str, Release]]:
    """Return the texts and the right values: each package with each kind of note."""
    found = []
    for number in range(60):
        package, version = _PACKAGES[number % 10], _VERSIONS[(number * 7 + number // 10) % 10]
        note, mood = _NOTES[number // 10]
        found.append((note.format(package=package, version=version), Release(package, version, mood)))  # type: ignore[arg-type]  # a Literal
    return found


def main(number: int) -> None:
    model = mf.Model.chat_completion((SMALL, MODEL)[number], temperature=0.0, max_tokens=60)
    texts = [text for text, _ in rows()]
    # Rows that an earlier run has recorded are not asked again.
    known = str([line.body for line in Recording(PATH).exchanges if line.asked == model.name]) if PATH.exists() else ""
    with recording("rows", "Sixty notes about packages, read by two models", add=True):
        left = [text for text in texts if text not in known]
        mf.extract(left, Release, model=model, prompt=PROMPT, store=False, progress=False)
    with mf.replay(PATH, speed=math.inf):
        result = mf.extract(texts, Release, model=model, prompt=PROMPT, store=False, progress=False)
    truth = [{"text": text, **msgspec.to_builtins(right)} for text, right in rows()]
    (FOLDER / "rows.truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    for field in Release.__struct_fields__:
        values = list(result[field].astype(object))
        right = sum(str(value) == getattr(one, field) for value, (_, one) in zip(values, rows(), strict=True))
        print(model.name, field, right, "of", len(texts))


if __name__ == "__main__":
    main(int(sys.argv[1]))
