"""Type-checks tests/typing as a user's type checker would, with strict mypy and pyright; those files are not run."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_typing import pyright

TYPING = Path(__file__).parent / "typing"
SETTINGS = TYPING.parent.parent / "pyproject.toml"


def mypy(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--config-file", str(SETTINGS), "--no-error-summary"]
    return subprocess.run([*command, *map(str, files)], capture_output=True, text=True, cwd=SETTINGS.parent)


def test_the_public_types_are_what_the_files_assert() -> None:
    # Strict settings report a superfluous "type: ignore", so each one below stands for an error that is found.
    done = mypy(*sorted(TYPING.glob("check_*.py")))
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_pyright_says_the_same(tmp_path: Path) -> None:
    done = pyright(*sorted(TYPING.glob("check_*.py")))
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.py"
    head = "from typing import assert_type\nfrom msgflux_nb.generation.plan import ChainOfThoughts\n"
    lines = "    assert_type(chain.final_answer, str)\n    chain.final_answr\n"
    wrong.write_text(f"{head}def f(chain: ChainOfThoughts[int]) -> None:\n{lines}", encoding="utf-8")
    done = pyright(wrong)
    assert done.returncode == 1
    assert "2 errors" in done.stdout


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


def test_a_misspelt_attribute_of_a_widget_is_found_in_every_module(tmp_path: Path) -> None:
    """In a copy of each module with a view, the first call of one of the view's own methods is misspelt."""
    wrong: dict[Path, Path] = {}
    for path in modules_of_views():
        text, count = re.subn(r"\bself\.([a-z_]+)\(", r"self.\1_misspelt(", path.read_text(encoding="utf-8"), count=1)
        assert count, path
        wrong[path] = tmp_path / f"{len(wrong)}.py"
        wrong[path].write_text(text, encoding="utf-8")
    assert len(wrong) > 8
    shadows = [word for path, copy in wrong.items() for word in ("--shadow-file", str(path), str(copy))]
    known, cache = SETTINGS.parent / ".mypy_cache", tmp_path / "cache"
    if known.exists():  # what the linter has left spares it the reading of all other modules
        shutil.copytree(known, cache)
    command = [sys.executable, "-m", "mypy", "--config-file", str(SETTINGS), "--cache-dir", str(cache)]
    done = subprocess.run([*command, *shadows], capture_output=True, text=True, cwd=SETTINGS.parent)
    for path in wrong:
        named = re.escape(path.relative_to(SETTINGS.parent).as_posix())
        assert re.search(rf"^{named}:.*_misspelt", done.stdout, re.MULTILINE), f"{path}\n{done.stdout}{done.stderr}"


def modules_of_views() -> set[Path]:
    """Return the modules that define a class of widgets."""
    from scripts.check_pages import views

    kinds = {base for view in views().values() for base in view.__mro__ if base.__module__.startswith("msgflux_nb.")}
    return {Path(inspect.getfile(kind)) for kind in kinds}
