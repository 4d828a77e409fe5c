"""``record``: records every request inside the block in a file, which replaces the old one at the end."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import re
import secrets
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from ...content.source import size_on_disk
from ...errors import RecordingError
from .active import Active, active, enter, leave
from .lines import FORMAT, Line, ModelLine, RecordedExchange, RecordingHeader, checksum_of_lines, from_line, to_line
from .locks import locked
from .media import each_text, without_media
from .recording import PARTIAL, Recording, media_folder, path_of

__all__ = ["Recorder", "now_text", "record"]

_MOST_BYTES = 256_000_000  # kept in memory while the disk is full
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)

Scrub = str | re.Pattern[str] | Callable[[str], str]


def record(
    path: str | os.PathLike[str],
    add: bool = False,
    scrub: Scrub | Iterable[Scrub] = (),
    *,
    title: str = "",
    licence: str = "",
) -> Recorder:
    """Record every request inside the block, by any model; streams, batches, errors and retries included.

    The file is written as ``….partial`` in the same folder, and gets its name when the block ends without an error.
    After an error, or if the process is killed, the ``.partial`` stays and can be replayed. Neither keys nor headers of
    requests are written.

    Args:
        path: the file; its name usually ends in ``.jsonl``. Media are written into a folder ``….media`` next to it.
        add: whether to add to an existing recording; else it is replaced.
        scrub: more texts and patterns to hide, or functions that hide them in a text.
        title: the recording's title, for its first line.
        licence: the licence under which it may be shared.

    Returns:
        A context manager, for one recording.

    Raises:
        RecordingError: the file cannot be written, or is not a recording.

    Example::

        with mf.record("lesson.jsonl"):
            model("What is a token?")
    """
    where = path_of(path, 'mf.record("lesson.jsonl")').expanduser()
    if not isinstance(add, bool):
        raise TypeError(
            f"add: expected True or False, got {type(add).__name__}. To hide texts from the recording, "
            "pass them as scrub=[...]."
        )
    given = [scrub] if isinstance(scrub, str | re.Pattern) or callable(scrub) else scrub
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise TypeError(f"scrub: expected texts, patterns or functions of a text, got {type(given).__name__}")
    given = list(given)
    for one in given:
        if not (isinstance(one, str | re.Pattern) or callable(one)):
            raise TypeError(f"scrub: expected a text, a pattern or a function of a text, got {type(one).__name__}")
    return Recorder(where, add=add, scrub=given, title=title, licence=licence)


def now_text() -> str:
    """Return the time, in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Recorder:
    """A recording in progress; a context manager.

    Args:
        path: the file.
        add: whether to add to an existing recording.
        scrub: what else to hide.
        title: the recording's title.
        licence: the licence under which it may be shared.

    Attributes:
        path: the file.
        partial: the file that is written first; None before the block begins.
        scrub: what else to hide.
        learnt: what the models in the block learn about their endpoints, by model; so the recording holds the requests
            by which they learnt it.
        token: a unique name, which keeps this recording's answers apart from others in a cache.
        secrets: the keys and secret values of all models that were asked.
    """

    def __init__(self, path: Path, *, add: bool, scrub: list[Scrub], title: str, licence: str) -> None:
        if path.is_dir():
            raise RecordingError(f"{path} is a folder: expected a file, such as {path / 'lesson.jsonl'}")
        self.path, self.scrub = path, scrub
        self.partial: Path | None = None
        self.learnt: dict[Any, Any] = {}
        self.secrets: dict[Any, Any] = {}
        self.token = f"record-{secrets.token_hex(8)}"
        self._header = RecordingHeader(
            format=FORMAT, id=secrets.token_hex(8), title=title, licence=licence, date=now_text()
        )
        self._add = add
        self._lock = threading.Lock()
        self._models: list[ModelLine] = []
        self._exchanges: list[RecordedExchange] = []
        self._turns = itertools.count(1)
        self._file: int | None = None
        self._was: bytes | None = None
        self._left, self._media = bytearray(), dict[str, bytes]()  # bytes not written yet, since the disk is full
        self._trouble: str | None = None
        self._pid = os.getpid()
        self._entered: list[tuple[Active, Active]] = []

    def __enter__(self) -> Recorder:
        if self._entered or self.partial is not None:
            raise RecordingError("this recording has begun already; call mf.record again for another one")
        self._was = _header_at(self.path)
        self._open()
        now = active()._replace(recorder=self)
        self._entered.append((now, enter(now)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leave(*self._entered.pop())
        with self._lock:
            assert self._file is not None
            self._only_own()
            self._flush()
            os.close(self._file)
            self._file = None
        if error is not None:
            error.add_note(f"What was recorded until then is in {self.partial}.")
            return
        if self._left or self._media:
            raise RecordingError(
                f"the recording {self.partial} cannot be written: {self._trouble}. The newest exchanges are missing "
                "from it. Make room, and record it again."
            )
        with locked(self.path):
            self._swap_in()

    def __repr__(self) -> str:
        return f"record({str(self.path)!r}, {len(self._exchanges)} exchanges)"

    def __len__(self) -> int:
        return len(self._exchanges)

    def turn(self) -> int:
        """Return the place of an exchange that begins, in the order of asking."""
        return next(self._turns)

    def keep(self, line: RecordedExchange, model: ModelLine) -> None:
        """Write an exchange; it is in the file when this returns. Safe for threads."""
        with self._lock:
            if self._file is None:
                warnings.warn(
                    f"an answer that ended after its recording is not in {self.path}: read it inside the with block.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return
            if all(model.name != known.name for known in self._models):
                self._models.append(model)
                self._write(model)
            self._exchanges.append(line)
            self._write(line)

    def without_media(self, value: Any) -> Any:
        """Return JSON or a text with long media replaced by hashes, and store the media next to the file."""
        return each_text(value, lambda text: without_media(text, self._keep_media))

    def copy_media(self, line: RecordedExchange, source: Recording) -> None:
        """Store the media of another recording's exchange next to this one."""
        folder = media_folder(source.path)
        if folder.is_dir():
            marks = re.findall(r"<media:([0-9a-f]{64}):", to_line(line).decode())
            for name in dict.fromkeys(marks):
                self._keep_media(name, source.media(name))

    def _keep_media(self, name: str, data: bytes) -> None:
        with self._lock:
            if self._file is not None:  # else an answer ended after its recording, which is said when it is kept
                self._only_own()
                self._media[name] = data
                self._flush()

    def _put_media(self, name: str, data: bytes) -> None:
        place = media_folder(self.path) / name
        if place.exists():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f"{name}.{secrets.token_hex(4)}")
        try:
            temporary.write_bytes(data)
            temporary.replace(place)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _write(self, line: Line) -> None:
        """Append a line; a forked child may append to the same file."""
        self._only_own()
        self._left += to_line(line)
        self._flush()

    def _only_own(self) -> None:
        if self._pid != os.getpid():  # the parent process writes its own unwritten bytes
            self._pid, self._left, self._media = os.getpid(), bytearray(), {}

    def _flush(self) -> None:
        """Write what is unwritten. If the disk is full, the rest stays in memory, and a cut line is completed later."""
        try:
            self._follow()
            assert self._file is not None
            for name in list(self._media):
                self._put_media(name, self._media[name])
                del self._media[name]
            while self._left:
                del self._left[: os.write(self._file, self._left)]
        except OSError as error:
            why = error.strerror or str(error)
            if len(self._left) + sum(map(len, self._media.values())) > _MOST_BYTES:
                raise RecordingError(f"the recording {self.partial} cannot be written: {why}") from error
            if why != self._trouble:
                self._trouble = why
                warnings.warn(
                    f"the recording {self.partial} cannot be written: {why}. New exchanges are kept in "
                    "memory, and written when the file can be written again.",
                    RuntimeWarning,
                    stacklevel=2,
                )
        else:
            self._trouble = None

    def _follow(self) -> None:
        """If the file was deleted or moved away, write its contents to a new one."""
        gone = self._file
        if gone is None or self.partial is None or self.partial.exists():
            return
        self._create()
        self._left[:0] = _contents(gone)
        os.close(gone)
        warnings.warn(
            f"the recording {self.partial} was deleted while it was written; its contents are written there again.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _open(self) -> None:
        try:
            self._create()
            assert self._file is not None
            os.write(self._file, to_line(self._header))
        except OSError as error:
            raise RecordingError(f"the recording {self.path} cannot be written: {error.strerror}") from error

    def _create(self) -> None:
        """Create a new file next to the target; leftovers of an earlier recording stay."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            place = self.path.with_name(f"{self.path.name}{f'.{number}' if number > 1 else ''}{PARTIAL}")
            with contextlib.suppress(FileExistsError):
                self._file = os.open(place, _NEW, 0o666)
                self.partial = place
                return
        raise RecordingError(f"there are too many files {self.path}.….partial: delete those that are not needed")

    def _swap_in(self) -> None:
        """Replace the target by the recording, together with what another process has recorded there meanwhile."""
        assert self.partial is not None
        written = Recording(self.partial)  # including the exchanges of forked children
        if not written.exchanges:
            self.partial.unlink()
            warnings.warn(f"nothing was asked, so nothing was recorded; {self.path} stays as it was.", stacklevel=3)
            return
        header, models, exchanges = self._header, written.models, written.exchanges
        here = _header_at(self.path)
        if here is not None and (self._add or here != self._was):
            there = Recording(self.path)
            header = there.header
            new = [one for one in models if all(one.name != known.name for known in there.models)]
            models, exchanges = [*there.models, *new], [*there.exchanges, *exchanges]
        write_recording(self.path, header, models, exchanges)
        self.partial.unlink()


def _contents(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)  # what is written is appended, wherever this is
    return b"".join(iter(lambda: os.read(file, 1 << 20), b""))


def write_recording(
    path: Path, header: RecordingHeader, models: list[ModelLine], exchanges: list[RecordedExchange]
) -> None:
    """Write a whole recording, and put it in its place atomically."""
    known = [line.cost for line in exchanges if line.cost is not None]
    rest: list[Line] = [*models, *(msgspec.structs.replace(line, turn=0) for line in exchanges)]
    lines = [to_line(line) for line in rest]
    head = RecordingHeader(
        format=FORMAT,
        id=header.id,
        title=header.title,
        licence=header.licence,
        date=header.date,
        models=tuple(one.name for one in models),
        exchanges=len(exchanges),
        lines=checksum_of_lines(lines),
        cost=sum(known) if known else None,
    )
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        temporary.write_bytes(b"".join([to_line(head), *lines]))
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RecordingError(
            f"the recording {path} cannot be written: {error.strerror}. What was recorded is in a file next to it that "
            f"ends in {PARTIAL}."
        ) from error


def _header_at(path: Path) -> bytes | None:
    """Return the first line of a recording, which each exchange changes; None if there is no file."""
    try:
        size = size_on_disk(path)
        with open(path, "rb") as file:
            first = file.readline(size)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordingError(f"the recording {path} cannot be read: {error.strerror}") from error
    try:
        line = from_line(first)
    except RecordingError as error:
        raise RecordingError(f"{path} was not overwritten. Its first line: {error}") from None
    if not isinstance(line, RecordingHeader):
        raise RecordingError(f"{path} is not a recording, and was not overwritten. Use another name.")
    return first
