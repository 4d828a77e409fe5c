"""Test the course from an installed wheel: outside the clone, in an empty environment, without a network.

``python scripts/wheel_course.py`` (``make wheel``) builds wheel and sdist into build/dist, lets twine check both,
installs the wheel into build/wheel-env, copies the course by ``msgflux-nb course``, cuts the network off and runs every
lesson under nbval: answers from recordings are compared with the saved outputs. It prints the seconds of each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build"
DIST, TOOLS, ENVIRONMENT = BUILD / "dist", BUILD / "release-tools", BUILD / "wheel-env"
SECONDS = 240
"""The limit for all lessons together, on two cores and at infinite speed."""

# Kernels and the embedded model use the loopback; everything else is refused.
CUT = """
import socket

_connect, _look_up = socket.socket.connect, socket.getaddrinfo


def _only_here(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError("the network is cut off")
    return _connect(self, address)


def _only_ours(host, *more, **others):
    if host not in (None, "", "127.0.0.1", "::1", "localhost", "0.0.0.0"):
        raise OSError("the network is cut off")
    return _look_up(host, *more, **others)


socket.socket.connect, socket.getaddrinfo = _only_here, _only_ours
"""


def run(*command: str | Path, folder: Path = ROOT, **variables: str) -> str:
    """Run a command; return its output, or exit with it if it fails."""
    words = [str(word) for word in command]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(  # noqa: S603  # our own arguments
        words, cwd=folder, env={**environment, **variables}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def environment(folder: Path, *packages: str | Path) -> Path:
    """Create an environment with these packages; return its folder of programs."""
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *packages)
    return folder / "bin"


def build() -> Path:
    """Build wheel and sdist, and check both with twine; return the wheel."""
    shutil.rmtree(DIST, ignore_errors=True)
    tools = environment(TOOLS, "build", "twine")
    run(tools / "python", "-m", "build", "--outdir", DIST)
    print(run(tools / "twine", "check", "--strict", *sorted(DIST.iterdir())), end="")
    return next(DIST.glob("*.whl"))


def lessons(programs: Path, folder: Path) -> list[tuple[str, float]]:
    """Copy the course with the installed command, and run every lesson; return the seconds of each."""
    course, cut = folder / "course", folder / "cut"
    run(programs / "msgflux-nb", "course", course, folder=folder)
    for name in ("conftest.py", "nbval_sanitize.cfg"):
        shutil.copy(ROOT / "notebooks" / name, course)
    (course / "pytest.ini").write_text("[pytest]\n")  # its own root, not the clone's
    cut.mkdir()
    (cut / "sitecustomize.py").write_text(CUT)
    quiet = {"PYTHONPATH": str(cut), "MSGFLUX_REPLAY_SPEED": "inf"}
    is_cut = "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError as e: print(e)"
    assert run(programs / "python", "-c", is_cut, folder=folder, **quiet).strip() == "the network is cut off"
    home = run(programs / "python", "-c", "import msgflux_nb; print(msgflux_nb.__file__)", folder=folder, **quiet)
    assert Path(home.strip()).is_relative_to(ENVIRONMENT), home
    nbval = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env")
    measured = []
    for notebook in sorted(course.glob("*.ipynb")):
        begun = time.monotonic()
        options = (*nbval, "--nbval-sanitize-with", "nbval_sanitize.cfg", "--nbval-cell-timeout=240", notebook.name)
        run(programs / "python", *options, folder=course, **quiet)
        measured.append((notebook.stem, time.monotonic() - begun))
        print(f"{notebook.stem:<30} {measured[-1][1]:6.1f} s", flush=True)
    return measured


def main() -> int:
    """Build, install and run; return 0, or 1 if it takes too long."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--built", type=Path, help="a wheel that is there already")
    wheel = parser.parse_args().built or build()
    programs = environment(ENVIRONMENT, f"{wheel.resolve()}[local,lab]", "nbval==0.11.*")
    run(programs / "msgflux-nb", "models", "pull")
    with tempfile.TemporaryDirectory() as folder:
        seconds = sum(taken for _, taken in lessons(programs, Path(folder)))
    print(f"{'all lessons':<30} {seconds:6.1f} s, of {SECONDS} s")
    return int(seconds > SECONDS)


if __name__ == "__main__":
    sys.exit(main())
