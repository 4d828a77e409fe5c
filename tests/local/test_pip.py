from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msgflux_nb.errors import LocalModelError
from msgflux_nb.local.pip import download, run


class FakeRun:
    """Replaces pip: writes wheels, reports progress once, and returns pip's output."""

    def __init__(self, *wheels: str, code: int = 0, said: str = "") -> None:
        self.wheels, self.code, self.said = wheels, code, said
        self.command: list[str] = []

    def __call__(self, command: list[str], folder: Path, tick: Callable[[], None]) -> tuple[int, str]:
        self.command = command
        for name in self.wheels:
            (folder / name).write_bytes(b"1234567")
        tick()
        return self.code, self.said


def test_a_package_is_fetched_alone_as_a_wheel_and_without_a_cache(tmp_path: Path) -> None:
    fake = FakeRun("thing-1.0-py3-none-any.whl")
    assert download("thing==1.0", tmp_path, lambda _: None, run=fake) == tmp_path / "thing-1.0-py3-none-any.whl"
    assert fake.command[:5] == [sys.executable, "-P", "-m", "pip", "download"]
    assert {"--no-deps", "--no-cache-dir", "--no-input"} <= set(fake.command)
    assert fake.command[fake.command.index("--only-binary") + 1] == ":all:"
    assert fake.command[-3:] == ["--dest", str(tmp_path), "thing==1.0"]


def test_no_index_is_named_so_that_the_users_own_settings_hold(tmp_path: Path) -> None:
    fake = FakeRun("thing.whl")
    download("thing==1.0", tmp_path, lambda _: None, run=fake)
    options = [word for word in fake.command if word != str(tmp_path)]
    assert not any("://" in word or "index" in word or "host" in word for word in options)


def test_progress_is_the_size_of_what_is_arriving(tmp_path: Path) -> None:
    seen: list[int] = []
    (tmp_path / "pip-unpack-x").mkdir()
    (tmp_path / "pip-unpack-x" / "thing.whl").write_bytes(b"12345")
    download("thing==1.0", tmp_path, seen.append, run=FakeRun("thing.whl"))
    assert seen == [7]


def test_a_folder_that_pip_takes_away_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip-unpack-x").mkdir()
    seen: list[int] = []
    scan = os.scandir

    def late(place: Any) -> Any:
        if str(place).endswith("pip-unpack-x"):
            raise FileNotFoundError(place)
        return scan(place)

    monkeypatch.setattr(os, "scandir", late)
    download("thing==1.0", tmp_path, seen.append, run=FakeRun("thing.whl"))
    assert seen == [7]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)'", "no connection to"),
        ("ERROR: ... Temporary failure in name resolution", "no connection to"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("blah\nERROR: No matching distribution found for thing==1.0", "No matching distribution found for thing"),
        ("Traceback\n  broken pip", "broken pip"),
        ("", "it said nothing"),
    ],
)
def test_a_failure_says_what_is_wrong(tmp_path: Path, said: str, told: str) -> None:
    with pytest.raises(LocalModelError) as caught:
        download("thing==1.0", tmp_path, lambda _: None, run=FakeRun(code=1, said=said))
    assert told in str(caught.value)
    assert "thing==1.0" in str(caught.value)


def test_an_environment_without_pip_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LocalModelError, match="ensurepip"):
        download("thing==1.0", tmp_path, lambda _: None, run=FakeRun("thing.whl"))


def test_a_command_runs_with_its_temporary_files_in_the_folder(tmp_path: Path) -> None:
    code, said = run(
        [sys.executable, "-c", "import tempfile, sys; print(tempfile.gettempdir(), flush=True); sys.exit('no')"],
        tmp_path,
        lambda: None,
    )
    assert (code, said.split()) == (1, [str(tmp_path), "no"])


def test_a_command_is_ended_when_its_caller_is_interrupted(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    script = "import time, pathlib, os; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); {script}"], tmp_path, interrupt)
    assert not _alive(tmp_path / "pid")


def _alive(path: Path) -> bool:
    # The interrupt may come before the child has written its number; then it ended before that.
    return path.exists() and Path(f"/proc/{path.read_text()}").exists()
