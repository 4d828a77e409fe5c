"""A lock between processes, for the moment in which a file is read and rewritten."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["locked"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock inside the block; wait for other processes of this machine first."""
    name = hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:24]
    user = os.getuid() if hasattr(os, "getuid") else "user"
    place = Path(tempfile.gettempdir()) / f"msgflux-nb-{user}-{name}.lock"
    with open(os.open(place, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        _lock(file)
        try:
            yield
        finally:
            _unlock(file)


def _lock(file: Any) -> None:
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
        return
    import msvcrt

    while True:
        with contextlib.suppress(OSError):  # another process holds it
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            return
        time.sleep(0.02)


def _unlock(file: Any) -> None:
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN)
        return
    import msvcrt

    file.seek(0)
    msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
