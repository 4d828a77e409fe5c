"""Answers as bytes: recorded ones of real providers, if they are there, and streams made for these tests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

NAMED = os.environ.get("MSGFLUX_WIRE")
RECORDED = Path(NAMED or Path(__file__).parents[3] / "shared" / "wire") / "exchanges.jsonl"
NAMED_2 = os.environ.get("MSGFLUX_WIRE2")
RECORDED_2 = Path(NAMED_2 or Path(__file__).parents[3] / "shared" / "wire2")
MADE = Path(__file__).parent


def recorded() -> list[dict[str, Any]]:
    """Return the recorded exchanges; an empty list if the file is missing."""
    if not RECORDED.exists():
        return []
    return [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def recorded_on(wire: str) -> list[dict[str, Any]]:
    """Return the recorded exchanges of ``"responses"`` or ``"messages"``; an empty list if the file is missing."""
    path = RECORDED_2 / f"dev_{wire}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def missing_2() -> Any:
    """Return the marks of a test without these exchanges: it is skipped, unless MSGFLUX_WIRE2 is set."""
    why = f"there are no recorded exchanges in {RECORDED_2}; MSGFLUX_WIRE2 names the folder of dev_*.jsonl"
    return () if NAMED_2 else pytest.mark.skip(reason=why)


def missing() -> Any:
    """Return the marks of a test without recorded exchanges: it is skipped, unless MSGFLUX_WIRE is set."""
    why = f"there are no recorded exchanges at {RECORDED}; MSGFLUX_WIRE names the folder of exchanges.jsonl"
    return () if NAMED else pytest.mark.skip(reason=why)


def made(wire: str = "chat") -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Return this folder's streams and answers on a wire by name, each with its meaning."""
    found = {}
    for path in sorted((MADE if wire == "chat" else MADE / wire).glob("*.expected")):
        answer = next(one for one in (path.with_suffix(".sse"), path.with_suffix(".json")) if one.exists())
        found[path.stem] = (answer.read_bytes(), json.loads(path.read_text(encoding="utf-8")))
    return found
