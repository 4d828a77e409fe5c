"""What pages and static HTML draw alike, as data: the JSON files next to this module, which pages import too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["shared"]


def shared(name: str) -> Any:
    """Return what is in one of the files, which is named without its suffix."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_bytes())
