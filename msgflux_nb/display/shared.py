"""Loads the JSON files next to this module, which pages import too, so that both draw the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["shared"]


def shared(name: str) -> Any:
    """Return the content of the file ``name.json``."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_bytes())
