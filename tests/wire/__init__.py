"""Answers as bytes: recorded ones of real providers, where they are at hand, and streams of our own making."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

NAMED = os.environ.get("MSGFLUX_WIRE")
RECORDED = Path(NAMED or Path(__file__).parents[3] / "shared" / "wire") / "exchanges.jsonl"
MADE = Path(__file__).parent


def recorded() -> list[dict[str, Any]]:
    """The recorded exchanges; none where the file is missing."""
    if not RECORDED.exists():
        return []
    return [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def missing() -> Any:
    """How a test that needs the recorded exchanges is marked without them: skipped, unless MSGFLUX_WIRE named them."""
    why = f"there are no recorded exchanges at {RECORDED}; MSGFLUX_WIRE names the folder of exchanges.jsonl"
    return () if NAMED else pytest.mark.skip(reason=why)


def made() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Our own streams and answers by name, each with what it means."""
    found = {}
    for path in sorted(MADE.glob("*.expected")):
        wire = next(one for one in (path.with_suffix(".sse"), path.with_suffix(".json")) if one.exists())
        found[path.stem] = (wire.read_bytes(), json.loads(path.read_text(encoding="utf-8")))
    return found
