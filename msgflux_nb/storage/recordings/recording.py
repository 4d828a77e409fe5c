"""Reads and checks a recording on disk, or a folder of them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...content.source import size_on_disk
from ...errors import RecordingError
from ...http.bounds import bounds
from .lines import Line, ModelLine, RecordedExchange, RecordingHeader, checksum_of_lines, from_line, piece_bytes
from .media import each_text, with_media

__all__ = ["ENDING", "PARTIAL", "Recording", "media_folder", "path_of", "read_recordings", "settings_of"]

ENDING = ".jsonl"
PARTIAL = ".partial"
_SEAL = re.compile(rb',"check":"[0-9a-f]{16}"\}')


def media_folder(path: Path) -> Path:
    """Return the folder of a recording's media."""
    name = path.name
    if name.endswith(PARTIAL):
        name = name.removesuffix(PARTIAL)
        name = name.rpartition(".")[0] if name.rpartition(".")[2].isdecimal() else name
    return path.with_name(f"{name.removesuffix(ENDING)}.media")


class Recording:
    """A recording, read from one file.

    Args:
        path: the file; if its name ends in ``.partial``, its end may be missing.

    Attributes:
        path: the file.
        header: its first line.
        models: the models, in the order of their first requests.
        exchanges: the exchanges, in the order in which they were asked.

    Raises:
        RecordingError: the file cannot be read, was changed, or was written by a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.models: list[ModelLine] = []
        self.exchanges: list[RecordedExchange] = []
        header: RecordingHeader | None = None
        lines = self._raw_lines()
        for number, line in self._read(lines):
            if isinstance(line, RecordingHeader):
                if number != 1:
                    raise RecordingError(f"{path}, line {number}: a second header, where exchanges were expected")
                header = line
            elif isinstance(line, ModelLine):
                if all(line.name != known.name for known in self.models):  # two processes may have written it
                    self.models.append(line)
            else:
                self.exchanges.append(line)
        self.exchanges.sort(key=lambda line: line.turn)
        if header is None:
            raise RecordingError(f"{path} is empty: expected a recording, whose first line is its header")
        self.header = header
        expected = header.exchanges
        if expected is not None and expected != len(self.exchanges):
            raise RecordingError(
                f"{path}: expected {expected} exchanges, as its header says, got {len(self.exchanges)}: lines were "
                "added or taken out by hand. Record it again."
            )
        if header.lines is not None and header.lines != checksum_of_lines(lines[1:]):
            raise RecordingError(
                f"{path}: its lines are not those that were recorded, or stand in another order; it was edited by "
                "hand. Record it again."
            )

    def _raw_lines(self) -> list[bytes]:
        try:
            data = _bytes_of(self.path)
        except OSError as error:
            raise RecordingError(f"the recording {self.path} cannot be read: {error.strerror}") from error
        lines = data.split(b"\n")
        torn = lines.pop()
        if not self.path.name.endswith(PARTIAL):
            lines += [torn + b"<end missing>"] if torn else []
        elif _SEAL.search(torn):  # only its line end is missing, or was changed
            lines.append(torn)
        return lines

    def _read(self, lines: list[bytes]) -> Iterator[tuple[int, Line]]:
        for number, line in enumerate(lines, 1):
            try:
                yield number, from_line(line)
            except RecordingError as error:
                raise RecordingError(f"{self.path}, line {number}: {error}") from None

    def model(self, exchange: RecordedExchange) -> ModelLine:
        """Return how the model of an exchange was built."""
        found = (line for line in self.models if line.name == exchange.asked)
        return next(found, ModelLine(name=exchange.asked))

    def chunks(self, exchange: RecordedExchange) -> list[tuple[int, bytes]]:
        """Return the pieces of an answer, each with the millisecond at which it came.

        Raises:
            RecordingError: a medium is missing, was changed, or all together are too large.
        """
        load = self._loading()
        return [
            (ms, piece_bytes(with_media(piece, load) if isinstance(piece, str) else piece))
            for ms, piece in exchange.chunks
        ]

    def body(self, exchange: RecordedExchange) -> Any:
        """Return a request with its media.

        Raises:
            RecordingError: as :meth:`chunks`.
        """
        load = self._loading()
        return each_text(exchange.body, lambda text: with_media(text, load))

    def _loading(self) -> Callable[[str], bytes]:
        """Return a function that loads media by their hashes, up to the limit of a streamed answer."""
        most = left = bounds().stream

        def load(name: str) -> bytes:
            nonlocal left
            place = media_folder(self.path) / name
            left -= place.stat().st_size * 4 // 3 if place.is_file() else 0
            if left < 0:
                raise RecordingError(
                    f"{self.path}: the media of one request or answer are larger than {most / 1024**2:,.0f} MB. Raise "
                    "the limit with the environment variable MSGFLUX_MAX_STREAM_MB."
                )
            return self.media(name)

        return load

    def media(self, name: str) -> bytes:
        """Return the media with a hash.

        Raises:
            RecordingError: the media file is missing or was changed.
        """
        place = media_folder(self.path) / name
        try:
            data = _bytes_of(place)
        except OSError as error:
            raise RecordingError(f"{self.path}: its file {place} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != name:
            raise RecordingError(f"{self.path}: its file {place} was changed after it was recorded. Record it again.")
        return data


def _bytes_of(path: Path) -> bytes:
    size = size_on_disk(path)
    with path.open("rb") as file:
        return file.read(size)


def path_of(path: Any, example: str) -> Path:
    """Return a caller's path; refuse anything else with an example."""
    if not isinstance(path, str | os.PathLike) or not str(path):
        said = "an empty text" if isinstance(path, str) else type(path).__name__
        raise TypeError(f"expected the path of a recording, got {said}; for example {example}.")
    return Path(path)


def read_recordings(path: str | os.PathLike[str]) -> list[Recording]:
    """Return the recording at a path, or all recordings in a folder in the order of their names.

    Raises:
        RecordingError: there is no recording, or one cannot be used.
    """
    if path == "":
        raise RecordingError("expected the path of a recording, got an empty text")
    place = Path(path).expanduser()
    if not place.is_dir():
        if not place.exists():
            here = f"the current folder is {Path.cwd()}"
            raise RecordingError(f"there is no recording {place} ({here}). {_instead(place)}")
        return [Recording(place)]
    found = [Recording(one) for one in sorted(place.rglob(f"*{ENDING}"))]
    if not found:
        raise RecordingError(f"the folder {place} holds no recording: expected files that end in {ENDING}")
    return found


def _instead(place: Path) -> str:
    partial = place.with_name(f"{place.name}{PARTIAL}")
    return f"But there is {partial}, which can be used." if partial.exists() else "Make one with mf.record."


def settings_of(recordings: list[Recording]) -> dict[str, dict[str, Any]]:
    """Return how each model was built, by name, in the order of their first requests."""
    found: dict[str, dict[str, Any]] = {}
    for recording in recordings:
        for line in recording.models:
            found.setdefault(line.name, line.settings)
    return found
