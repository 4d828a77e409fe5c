"""Runs the scripts of the Makefile on small cases of this test."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook

from msgflux_nb.http import coding

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "scripts"


def run(*command: str | Path, folder: Path, path: str = "/usr/bin:/bin", **variables: str) -> tuple[int, str]:
    """Run a command with an almost empty environment; return its exit code and its output."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


# run_notebook.py


def run_notebook(folder: Path, *cells: str) -> tuple[int, str]:
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), folder / "one.ipynb")
    before = (folder / "one.ipynb").read_bytes()
    outcome = run(sys.executable, SCRIPTS / "run_notebook.py", folder / "one.ipynb", folder=folder)
    assert (folder / "one.ipynb").read_bytes() == before
    return outcome


def test_a_notebook_runs_and_its_last_table_is_printed(tmp_path: Path) -> None:
    code, told = run_notebook(
        tmp_path, "import pandas as pd", "pd.DataFrame({'first': [1]})", "pd.DataFrame({'last': [2]})", "print('end')"
    )
    assert (code, told) == (0, "   last\n0     2\n")


def test_a_cell_that_fails_ends_the_run_and_is_shown(tmp_path: Path) -> None:
    code, told = run_notebook(tmp_path, "import pandas as pd", "pd.DataFrame({'a': [1]})", "1 / 0", "print('more')")
    assert code == 1
    assert "ZeroDivisionError" in told
    assert "more" not in told


def test_a_kernel_that_dies_is_a_failure(tmp_path: Path) -> None:
    code, told = run_notebook(tmp_path, "import os; os._exit(1)")
    assert (code, told.splitlines()[-1]) == (1, "Kernel died")


def test_a_notebook_without_a_table_is_a_failure(tmp_path: Path) -> None:
    code, told = run_notebook(tmp_path, "print(1)")
    assert (code, told) == (1, f"{tmp_path / 'one.ipynb'} ran, but shows no table\n")


# make_venv.sh


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files that the script reads."""
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "constraints.txt", "scripts/make_venv.sh"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def environment(project: Path, kind: str) -> None:
    """A folder that looks like a finished environment of the script."""
    read = [project / name for name in ("pyproject.toml", "constraints.txt", "scripts/make_venv.sh")]
    binaries = project / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "msgflux-nb").touch(mode=0o755)
    key = hashlib.sha256(b"".join(path.read_bytes() for path in read)).hexdigest()
    (project / ".venv" / f"{kind}.stamp").write_text(key)


@pytest.mark.parametrize(
    ("made", "wanted", "done"), [("demo", "demo", True), ("test", "demo", True), ("demo", "test", False)]
)
def test_an_environment_that_holds_what_is_wanted_is_left_alone(
    project: Path, made: str, wanted: str, done: bool
) -> None:
    environment(project, made)
    # There is no interpreter of that name, so a script that continues fails.
    code, _ = run("scripts/make_venv.sh", wanted, "local,lab", folder=project, PYTHON="no-such-python")
    assert (code == 0) is done


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_the_packages_rebuilds_the_environment(project: Path, name: str) -> None:
    environment(project, "demo")
    with (project / name).open("a") as file:
        file.write("# changed\n")
    code, told = run("scripts/make_venv.sh", "demo", "local,lab", folder=project, PYTHON="no-such-python")
    assert code == 1
    assert "there is no no-such-python" in told


def test_a_python_that_is_too_old_is_named(project: Path) -> None:
    old = project / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    code, told = run("scripts/make_venv.sh", "demo", "local,lab", folder=project, PYTHON=str(old))
    assert code == 1
    assert "needs Python 3.11 or newer" in told
    assert "is Python 3.9.2" in told


# install_system.sh


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with the usual tools of a system, but without apt-get and without a browser."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "id", "uname", "env"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


def test_a_browser_that_cannot_be_installed_is_a_failure_that_says_how(tmp_path: Path, bare_path: str) -> None:
    code, told = run(SCRIPTS / "install_system.sh", "chromium", folder=tmp_path, path=bare_path)
    assert code == 1
    assert "The browser tests need Chromium, and it could not be installed here." in told
    assert "sudo apt-get install chromium" in told


@pytest.mark.parametrize("name", ["chromium", "chromium-headless-shell", "google-chrome-stable"])
def test_a_browser_that_is_there_is_enough(tmp_path: Path, bare_path: str, name: str) -> None:
    (Path(bare_path) / name).symlink_to("/bin/sh")
    assert run(SCRIPTS / "install_system.sh", "chromium", folder=tmp_path, path=bare_path) == (0, "")


def test_a_browser_that_is_named_is_enough(tmp_path: Path, bare_path: str) -> None:
    assert run(
        SCRIPTS / "install_system.sh", "chromium", folder=tmp_path, path=bare_path, MSGFLUX_CHROMIUM="/opt/chrome"
    ) == (0, "")


# What is committed


def test_every_constraint_is_one_exact_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 50
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []


def test_the_oldest_ipykernel_of_the_browser_tests_is_the_oldest_that_is_allowed() -> None:
    allowed = re.search(r'"ipykernel>=([0-9.]+),', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tested = re.search(r"ipykernel==([0-9.]+)", (SCRIPTS / "make_venv.sh").read_text(encoding="utf-8"))
    assert allowed is not None
    assert tested is not None
    assert tested[1] == f"{allowed[1]}.0"


def test_scripts_can_be_executed() -> None:
    names = [*SCRIPTS.glob("*.sh"), ROOT / ".ci" / "run", ROOT / "binder" / "postBuild"]
    assert [path.name for path in names if not os.access(path, os.X_OK)] == []


# .ci/run


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in which make only prints its arguments."""
    folder = tmp_path / "work" / "clone"
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    (tmp_path / "bin").mkdir()
    make = tmp_path / "bin" / "make"
    make.write_text('#!/bin/sh\necho "make $* ${MSGFLUX_WIRE:-none} ${MSGFLUX_WIRE2:-none}"\n')
    make.chmod(0o755)
    return folder


def ci(clone: Path, **variables: str) -> tuple[int, list[str]]:
    code, told = run(".ci/run", folder=clone, path=f"{clone.parents[1]}/bin:/usr/bin:/bin", **variables)
    return code, told.splitlines()


def test_a_public_checkout_runs_all_but_what_reads_recorded_exchanges_and_says_so(clone: Path) -> None:
    code, told = ci(clone)
    assert code == 0
    missing = [line.split()[:2] for line in told[:2]]
    assert missing == [["WITHOUT", "exchanges.jsonl:"], ["WITHOUT", "dev_responses.jsonl:"]]
    assert told[2:] == ["make check none none", "make test none none"]


def test_recorded_exchanges_beside_the_clone_are_used(clone: Path) -> None:
    for folder, name in (("wire", "exchanges.jsonl"), ("wire2", "dev_responses.jsonl")):
        (clone.parent / "shared" / folder).mkdir(parents=True)
        (clone.parent / "shared" / folder / name).touch()
    shared = f"{clone}/../shared"
    assert ci(clone) == (0, [f"make {part} {shared}/wire {shared}/wire2" for part in ("check", "test")])


def test_recorded_exchanges_that_are_named_and_missing_are_an_error(clone: Path) -> None:
    code, told = ci(clone, MSGFLUX_WIRE="/nowhere")
    assert (code, told) == (1, ["there is no /nowhere/exchanges.jsonl; MSGFLUX_WIRE names its folder"])


def test_the_workflow_runs_what_a_change_has_to_pass() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands == [".ci/run", "make crawl"]


# what messages say to install


def test_messages_name_packages_that_the_project_needs_as_it_needs_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [each.split(";")[0] for extra in project["optional-dependencies"].values() for each in extra]
    sources = {path: path.read_text() for path in (ROOT / "msgflux_nb").rglob("*.py")}
    named = [name for text in sources.values() for name in re.findall(r'pip install "([^"{]+)"', text)]
    assert len(named) >= 7
    assert set(named) <= set(needed)
    assert [path.name for path, text in sources.items() if re.search(r"pip install.*msgflux-nb", text)] == []
    assert set(coding._PACKAGES.values()) <= set(needed)
