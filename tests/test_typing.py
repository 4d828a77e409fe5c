"""What a type checker says to users: mypy, strict, over tests/typing. Those files are checked, not run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TYPING = Path(__file__).parent / "typing"
SETTINGS = TYPING.parent.parent / "pyproject.toml"


def mypy(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--config-file", str(SETTINGS), "--no-error-summary"]
    return subprocess.run([*command, *map(str, files)], capture_output=True, text=True, cwd=SETTINGS.parent)


def test_the_public_types_are_what_the_files_assert() -> None:
    # Strict settings report an ignore that ignores nothing, so each "type: ignore" below is a mistake that is caught.
    done = mypy(*sorted(TYPING.glob("check_*.py")))
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        "assert_type(chain.final_answer, str)",
        "chain.final_answr",
        "chain.final_answer + 1  # type: ignore[operator]",
    ],
)
def test_a_wrong_assertion_is_found(tmp_path: Path, line: str) -> None:
    wrong = tmp_path / "wrong.py"
    head = "from typing import assert_type\nfrom msgflux_nb.generation.plan import ChainOfThoughts\n"
    wrong.write_text(f"{head}def f(chain: ChainOfThoughts[int]) -> None:\n    {line}\n", encoding="utf-8")
    assert mypy(wrong).returncode == 1
