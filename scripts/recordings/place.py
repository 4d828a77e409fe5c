"""The folder of the course's recordings, and the start of each."""

from __future__ import annotations

from pathlib import Path

import msgflux_nb as mf
from msgflux_nb.storage.recordings.recorder import Recorder

FOLDER = Path(__file__).parents[2] / "msgflux_nb" / "course" / "recordings"
SMALL = "local/smollm2-135m"
MODEL = "local/qwen2.5-coder-0.5b"
LICENCE = "Apache-2.0, as the model's"


def recording(name: str, title: str, *, add: bool = False, licence: str = LICENCE) -> Recorder:
    """Return a context manager that records the course's recording of this name."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return mf.record(FOLDER / f"{name}.jsonl", add=add, title=title, licence=licence)
