"""The command ``msgflux-nb``: ``lab``, ``doctor``, ``models``, ``recordings`` and ``course``.

Each command is a function of its parsed arguments that returns an exit code. Results go to stdout; progress and errors
go to stderr. Our own errors are one line without a traceback, because they say what to do.
"""

from __future__ import annotations

import argparse
import difflib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple, NoReturn

from . import __version__
from .cli_recordings import add_recordings
from .errors import MsgfluxError
from .local import weights
from .local.default import default_weights
from .local.gguf import read_header
from .local.machine import available_memory_bytes, usable_cores
from .local.server import import_library, needed_memory_bytes
from .models.profiles import PROFILES

__all__ = ["main"]

_JUPYTERLAB = 'pip install "jupyterlab>=4.5.7,<5"'


def main(argv: list[str] | None = None) -> int:
    """Run the command line; ``argv`` has no program name, and None means the arguments of this process.

    Returns: 0 for success, 1 for a failure, 2 for a wrong command line, 130 after an interrupt.
    """
    arguments, rest = _parser().parse_known_args(argv)
    if rest and arguments.run is not lab:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = [word for word in rest if word != "--"]
    try:
        run: Callable[[argparse.Namespace], int] = arguments.run
        code = run(arguments)
        sys.stdout.flush()
        return code
    except MsgfluxError as error:
        print(f"msgflux-nb: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nmsgflux-nb: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser whose error suggests the command that was probably meant."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        near = difflib.get_close_matches(wrong[1], re.findall(r"[\w-]+", wrong[2]), n=1) if wrong else []
        super().error(f"{message}. Did you mean {near[0]!r}?" if near else message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="msgflux-nb", description="Chat-completion models in Jupyter notebooks.")
    parser.add_argument("--version", action="version", version=f"msgflux-nb {__version__}")
    parser.set_defaults(run=first_steps)
    commands = parser.add_subparsers(metavar="COMMAND")

    models = commands.add_parser("models", help="list, fetch and check the weights of embedded models")
    models.set_defaults(run=list_models)
    actions = models.add_subparsers(metavar="ACTION")
    pull = actions.add_parser("pull", help="fetch weights, unless they are present and complete")
    pull.add_argument("name", nargs="?", default=default_weights(), help="default: %(default)s")
    pull.set_defaults(run=pull_model)
    verify = actions.add_parser("verify", help="read all weights and compare their SHA-256")
    verify.add_argument("name", nargs="?", help="default: all that are present")
    verify.set_defaults(run=verify_models)

    add_recordings(commands)

    doctor_ = commands.add_parser("doctor", help="check the installation, and say how to fix what is missing")
    doctor_.set_defaults(run=doctor)
    lab_ = commands.add_parser(
        "lab", help="start JupyterLab", description="Start JupyterLab. Further options are passed on to it."
    )
    lab_.add_argument("notebook", nargs="?", help="a notebook to open")
    lab_.set_defaults(run=lab)
    course_ = commands.add_parser("course", help="copy the course's notebooks into a folder")
    course_.add_argument("folder", metavar="FOLDER", help="the target, such as my-course; created if missing")
    course_.set_defaults(run=copy_course)
    return parser


def first_steps(arguments: argparse.Namespace) -> int:
    """Print the three things to do first."""
    print(
        "Three things to do:\n"
        "  msgflux-nb doctor          see what is installed and what is missing\n"
        "  msgflux-nb course FOLDER   copy the course, then open its first lesson\n"
        "  msgflux-nb lab             start JupyterLab\n"
        "More: msgflux-nb --help"
    )
    return 0


def copy_course(arguments: argparse.Namespace) -> int:
    """Copy the course's notebooks; existing ones are kept."""
    from .course.notebooks_folder import copy_notebooks

    folder = Path(arguments.folder)
    copied, kept = copy_notebooks(folder)
    print(f"{len(copied)} notebooks copied to {folder}")
    if kept:
        print(f"{len(kept)} existed already and were kept: {', '.join(kept)}", file=sys.stderr)
    print(f"Begin with: msgflux-nb lab {shlex.quote(str(folder / sorted([*copied, *kept])[0]))}")
    return 0


# models


def list_models(arguments: argparse.Namespace) -> int:
    """Print the known models with their size and whether they are present."""
    installed = weights.installed_models()
    for name, row in weights.WEIGHTS.items():
        size = f"{row.size_bytes / 1e6:,.0f} MB"
        state = "here" if name in installed else "not here"
        print(f"local/{name:<20} {size:>9}  {state:<8}  {row.license:<10}  {row.note}")
        if name in installed:
            print(f"  {installed[name]}")
    if len(installed) < len(weights.WEIGHTS):
        print("Fetch one with: msgflux-nb models pull NAME")
    return 0


def pull_model(arguments: argparse.Namespace) -> int:
    """Fetch the weights of one model; a terminal gets a progress bar."""
    from tqdm import tqdm

    name = arguments.name.removeprefix("local/")
    total = weights.WEIGHTS[name].size_bytes if name in weights.WEIGHTS else None
    terminal = sys.stderr.isatty()
    bar = tqdm(
        total=total,
        desc=name,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        disable=not terminal,
        leave=False,
        ncols=shutil.get_terminal_size().columns,  # tqdm draws nothing if a terminal reports 0 columns
    )
    told = terminal
    with bar:

        def show(arrived: int) -> None:
            nonlocal told
            if not told:  # one line in a log, instead of a bar
                told = True
                print(f"fetching {name} ({(total or 0) / 1e6:,.0f} MB) ...", file=sys.stderr)
            bar.n = min(arrived, total or arrived)
            bar.refresh()

        path = weights.pull(name, progress=show)
    print(f"{name} is present and complete: {path}")
    return 0


def verify_models(arguments: argparse.Namespace) -> int:
    """Check the SHA-256 of one model, or of all that are present; reads the whole files."""
    named = arguments.name
    names = [named.removeprefix("local/")] if named else list(weights.installed_models())
    if not names:
        print("msgflux-nb: no weights found. Fetch them with: msgflux-nb models pull", file=sys.stderr)
        return 1
    for name in names:
        print(f"{name} is complete: {weights.verify(name)}")
    return 0


# doctor


class Check(NamedTuple):
    """One line of ``doctor``; ``ok`` is None for mere information."""

    ok: bool | None
    subject: str
    found: str
    mend: str = ""


def doctor(arguments: argparse.Namespace) -> int:
    """Print a line for each requirement, with its fix; return 1 if the offline path would not work."""
    failed = set()
    for check in _checks():
        mark = {True: "ok", False: "FAIL", None: "-"}[check.ok]
        print(f"{mark:<4}  {check.subject:<22} {check.found}" + (f"  ->  {check.mend}" if check.mend else ""))
        if check.ok is False:
            failed.add(check.subject)
    if not failed:
        print("The offline path works.")
    elif failed <= {"xllamacpp", "weights", "memory"}:
        print("The embedded model does not work yet. Recordings do, and all lessons of the course but 11.")
    else:
        print("The offline path does not work yet.")
    return int(bool(failed))


def _checks() -> Iterator[Check]:
    yield Check(True, "python", platform.python_version())
    yield Check(True, "msgflux-nb", __version__)
    yield _package("anywidget", "", "pip install --upgrade anywidget")
    yield _package("ipykernel", "7.0.", "pip install --upgrade ipykernel", needed=False)
    yield _package("jupyterlab", "", _JUPYTERLAB, needed=False)
    yield _library()
    yield _weights()
    yield _memory()
    yield Check(None, "cores", str(usable_cores()))
    for name in sorted({name for profile in PROFILES.values() for name in profile.key_variables}):
        yield Check(None, name, "set" if os.environ.get(name) else "not set")


def _package(name: str, broken: str, mend: str, *, needed: bool = True) -> Check:
    """Check the version of a package; ``broken`` is the prefix of versions that do not work."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(False if needed else None, name, "not installed", mend)
    if broken and version.startswith(broken):
        return Check(False, name, f"{version}, which crashes when a widget streams", mend)
    return Check(True, name, version)


def _library() -> Check:
    try:
        import_library()
    except MsgfluxError as error:
        return Check(False, "xllamacpp", str(error))
    return Check(True, "xllamacpp", metadata.version("xllamacpp"))


def _weights() -> Check:
    try:
        return Check(True, "weights", str(weights.verify(default_weights())))
    except MsgfluxError as error:
        return Check(False, "weights", str(error))


def _memory() -> Check:
    free, path = available_memory_bytes(), weights.installed_models().get(default_weights())
    if free is None:
        return Check(None, "memory", "this system does not say")
    told = f"{free / 1e6:,.0f} MB free"
    try:
        needed = needed_memory_bytes(read_header(path)) if path else 0
    except MsgfluxError:  # the line above reports it
        needed = 0
    if free < needed:
        return Check(False, "memory", f"{told}, {needed / 1e6:,.0f} MB needed", "shut down other kernels")
    return Check(True, "memory", told)


# lab


def lab(arguments: argparse.Namespace) -> int:
    """Replace this process by JupyterLab, so that its Ctrl-C question and exit code reach the terminal."""
    if util.find_spec("jupyterlab") is None:
        print(f"msgflux-nb: JupyterLab is not installed. Install it with: {_JUPYTERLAB}", file=sys.stderr)
        return 1
    if arguments.notebook is not None and not Path(arguments.notebook).exists():
        here = f"the current folder is {Path.cwd()}"
        print(f"msgflux-nb: there is no notebook {arguments.notebook} ({here})", file=sys.stderr)
        return 1
    # JupyterLab refuses to run as root, which is usual in a container.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    named = [arguments.notebook] if arguments.notebook is not None else []
    return become([sys.executable, "-m", "jupyterlab", *root, *named, *arguments.rest])


def become(command: list[str]) -> int:
    """Replace this process by ``command``; on systems without exec, run it and return its exit code."""
    if os.name != "posix":
        return subprocess.call(command)  # noqa: S603  the person's own command line
    return os.execv(command[0], command)  # noqa: S606  the same


if __name__ == "__main__":
    sys.exit(main())
