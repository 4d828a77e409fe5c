"""Runs each fuzz target on its seeds, and on the inputs that once broke it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from .seeds import seeds_of
from .targets import TARGETS

# Inputs that once broke a target; each fault is fixed.
FOUND: dict[str, tuple[str, bytes]] = {
    "half a letter under a name that a field of ours has elsewhere": (
        "accumulator",
        b'\0\0\0data: {"choices":[{"delta":{"content":"a","tool_cals":[{"function":{"arguments":"\\ud83d"}}]}}]}\n\n',
    ),
    "an id that is given twice, and once more to the second call": (
        "aggregator",
        b"\0" + 3 * (b"$HlContent-Length: 3\r\n\r\n\xb4\xd8\x01%Im\x91\xb5\xd9\x02&Jn\x92\xb6\xda\x03\r" * 2),
    ),
    "what is damaged behind an answer whose head has bare newlines": (
        "http",
        b"1\x00HTTP/1.1 204 Txt;\n\n\r\n0\r\n\r\n",
    ),
    "a fence with nothing but spaces behind it": ("decoding", b"\0```" + b" " * 100_000 + b"x"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds(name: str) -> None:
    for seed in seeds_of(name):
        TARGETS[name](seed)


@pytest.mark.parametrize("what", FOUND)
def test_faults_that_the_fuzzer_found_stay_mended(what: str) -> None:
    name, data = FOUND[what]
    TARGETS[name](data)


def test_the_fuzzer_runs_and_says_what_breaks(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "2", "sse"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing broke" in done.stdout
    assert time.monotonic() - began < 60
