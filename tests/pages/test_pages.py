"""Runs the pages' code without DOM elements under node: one test for each ``*.test.js`` in this folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.check_pages import node

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.test.js"))


def run(path: Path) -> subprocess.CompletedProcess[str]:
    command = [node(), "--test", "--test-reporter=spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=HERE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_under_node(path: Path) -> None:
    done = run(path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ℹ tests 0" not in done.stdout


def test_a_wrong_expectation_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.test.js"
    wrong.write_text('import test from "node:test";\ntest("one is two", (t) => t.assert.equal(1, 2));\n')
    done = run(wrong)
    assert done.returncode == 1
    assert "one is two" in done.stdout
