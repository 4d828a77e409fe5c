"""Paid answers on disk, each under the whole request that it answers.

SQLite: killing the process loses no answer that was acknowledged, and a power cut loses at most the last moments'. The
file holds the bytes that the provider sent, never objects: an answer is read by the current code, and a file from
elsewhere cannot run anything. The key is a hash of the request's address and its whole body. Headers, which may hold
secrets, are not part of it. A streamed answer is not found by the same request without stream, and must not be: a
server that echoes a prefill may do so in one of them only.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

from ..errors import StoreError
from .file import File, SqliteFile
from .known import KnownKeys
from .recordings.hidden import hidden_answer
from .waiting import Table
from .worker import Worker

__all__ = ["Store", "StoreEntry", "file_of", "open_store", "open_stores", "request_key"]

_FILE_NAME = "answers.sqlite"
_SUFFIXES = frozenset((".sqlite", ".sqlite3", ".db"))
_USER = re.compile(r"(?<=://)[^/\s]*@")
_CHUNK = 65_536
_PUT = Table(
    "INSERT INTO answers (key, url, request, answer)", 4, "ON CONFLICT (key) DO UPDATE SET answer = excluded.answer"
)


def request_key(url: str, body: bytes) -> str:
    """Return the hash of a request: where it goes and everything in its body, whatever the order of its fields."""
    canonical = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(b"\n".join((url.encode(), canonical))).hexdigest()


class Store:
    """Answers in one SQLite file; safe for threads and for several processes on one machine.

    The file is used on a thread of its own, so that a waiting caller can be interrupted.

    Args:
        path: a file, which is created if need be; a folder, or a name without one of SQLite's endings, gets the file
            ``answers.sqlite`` in it. A folder that is created is its owner's alone. None for one that lives as long as
            this object: in memory, and where that gets too much, in a file that has no name.
        file: a file elsewhere that replaces the local one.

    Attributes:
        path: the file's.
        users: how many running batches keep their answers here.
        worker: the thread that uses the file.

    Raises:
        StoreError: the file cannot be created, read or written, or is not a store.
    """

    def __init__(self, path: str | os.PathLike[str] | None, file: File | None = None) -> None:
        self.path = None if path is None else file_of(path)
        self._own = SqliteFile(self.path) if file is None else None
        self._file = file or self._own or SqliteFile(None)
        self._all: KnownKeys | None = None
        self._known: KnownKeys | None = None  # the same filter, while it is up to date
        self._seen = 0
        self._version: Any = None
        self.users = 0
        self.worker = Worker(self._file)
        self.worker.ask(self._file.open)

    def __deepcopy__(self, memo: Any) -> Store:
        return self  # a copy of a model keeps its answers in the same file

    def get(self, key: str) -> bytes | None:
        """Return the answer's bytes, or None."""
        waiting = self.worker.waiting.get(_PUT, key)
        if waiting is not None:
            return bytes(waiting[3])
        row = self.row("SELECT answer FROM answers WHERE key = ?", key)
        if row is not None and not isinstance(row[0], bytes):
            raise StoreError(f"the store {self._file.name} holds an answer that is not bytes, for {key}")
        return None if row is None else row[0]

    def put(self, key: str, url: str, request: bytes, answer: bytes) -> None:
        """Keep an answer; it is on disk when this returns.

        Raises:
            StoreError: it is not on disk yet; it is written as soon as that is possible.
        """
        self.worker.put(_PUT, key, (key, url, request, answer))
        if self.worker.flush() and self.worker.trouble is not None:
            raise StoreError(self.worker.trouble)

    def __len__(self) -> int:
        row = self.row("SELECT count(*) FROM answers")
        return 0 if row is None else int(row[0])

    def __repr__(self) -> str:
        return f"Store({self._file.name}, {len(self):,} answers)"

    def close(self) -> None:
        """Close the file."""
        self.worker.close()

    def begin_again(self) -> None:
        """The file was deleted: write it again if a batch uses it or entries are pending; else leave it empty."""
        if self.users or self.worker.waiting:
            self.worker.follow()
            return
        self._all, self._known, self._seen = None, None, 0
        self.worker.ask(self._file.close)  # first: two open files of one path would share SQLite's log
        self.worker.ask(self._file.open)

    def row(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        """Run a statement as one transaction; return the first row of what it finds, or None."""
        return next(iter(self.rows(statement, *values)), None)

    def rows(self, statement: str, *values: object, within: float | None = None) -> list[tuple[Any, ...]]:
        """Run a statement as one transaction; return all that it finds, within the given number of seconds.

        Raises:
            StoreError: the file cannot be used, or another process holds it for half a minute.
        """
        return self.worker.ask(functools.partial(self._file.execute, statement, values), within)

    def run(self, statements: list[tuple[str, list[Any]]]) -> Future[list[tuple[Any, ...]]]:
        """Run statements on the file's thread: one, or several as one transaction; the future has what one finds."""

        def run() -> list[tuple[Any, ...]]:
            if len(statements) == 1:
                return self._file.execute(*statements[0])
            self._file.write(statements)
            return []

        return self.worker.submit(run)

    def take_over(self, path: Path, *statements: str) -> None:
        """Run statements as one transaction that read from another store's file, as the database ``other``."""
        own = self._own
        if own is None:
            raise StoreError(f"the store {self._file.name} takes over nothing")
        self.worker.ask(lambda: own.take_over(path, statements))

    # -- which keys there may be --------------------------------------------------------------------------------------

    def learn_keys(self) -> None:
        """Begin to load the known keys of rows, so that new ones need not be looked up."""
        if self._own is not None:
            self._known = None  # until writes of other processes have been read
            self.worker.submit(self._learn_keys)
            self.worker.wrote = self._learn_of_others

    def _learn_of_others(self) -> None:
        """Another process may have written: SQLite counts that."""
        version = self._file.execute("PRAGMA data_version", ())
        if version != self._version:
            self._version = version
            self._learn_keys()

    def may_know(self, key: bytes) -> bool:
        """Whether a row may have this key, or this question; False where none has."""
        known = self._known
        return known is None or key in known

    def will_know(self, *keys: bytes) -> None:
        """Keys of a row that is about to be written."""
        if self._all is not None:
            self._all.add(keys)

    def _learn_keys(self) -> None:
        """Read the entries written since the last time, by other processes too; on the file's thread."""
        ((most,),) = self._file.execute("SELECT max(rowid) FROM rows", ())
        known = self._all
        if known is None or (most or 0) < self._seen:
            known, self._seen = KnownKeys(2 * (most or 0)), 0
            known.add(
                key for write in self.worker.waiting.everything() for key in write.values[:2] if type(key) is bytes
            )
        statement = "SELECT rowid, key, question FROM rows WHERE rowid > ? ORDER BY rowid LIMIT ?"
        while found := self._file.execute(statement, (self._seen, _CHUNK)):
            known.add(key for row in found for key in row[1:] if isinstance(key, bytes))
            self._seen = found[-1][0]
        self._all = self._known = known


class StoreEntry:
    """The place of one request in a store.

    Args:
        store: the store.
        url: where the request goes; without user name and password. Users do not see each other's answers.
        body: its body.
        hide: returns bytes without the caller's key, which a gateway wants in a body or repeats.
    """

    def __init__(self, store: Store, url: str, body: bytes, *, hide: Callable[[bytes], bytes] = bytes) -> None:
        self._store, self._url, self._body, self._hide = store, _USER.sub("", url), body, hide
        user = _USER.search(url)
        name = "" if user is None else user[0].rstrip("@").partition(":")[0]
        self._key = request_key(self._url.replace("://", f"://{name}@", 1) if name else self._url, body)

    def get(self) -> bytes | None:
        """Return the bytes of its answer, or None."""
        return self._store.get(self._key)

    def put(self, data: bytes, *, texts: bytes = b"") -> None:
        """Keep the bytes of its complete answer.

        Args:
            data: the bytes, as they came.
            texts: what they say, each text in one piece: a key may have come in several.
        """
        data = self._hide(data)
        if self._hide(texts) != texts:
            data = hidden_answer([(0, data)], self._hidden)[0][1]
        self._store.put(self._key, self._url, self._hide(self._body), data)

    def _hidden(self, text: str) -> str:
        return self._hide(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


_stores: dict[Path, Store] = {}
_stores_lock = threading.Lock()


def open_stores() -> list[Store]:
    """Return the stores with a file that this process has opened, the first opened first."""
    with _stores_lock:
        return list(_stores.values())


def open_store(path: str | os.PathLike[str]) -> Store:
    """Return the store at a path; the same object for the same path.

    Raises:
        StoreError: the file cannot be created, read or written, or is not a store.
    """
    place = file_of(path).absolute()
    with _stores_lock:
        store = _stores.get(place)
        if store is None:
            store = _stores[place] = Store(place)
        elif not place.exists():
            store.begin_again()
        return store


def file_of(path: str | os.PathLike[str]) -> Path:
    """Return the file of the store that a path names.

    Raises:
        StoreError: no file can have this name.
    """
    try:
        named = Path(path).expanduser()
        place = named if named.suffix in _SUFFIXES and not named.is_dir() else named / _FILE_NAME
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return place
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, ``~`` of nobody
        why = str(error).rstrip(".")
        raise StoreError(
            f"the store {str(path)!r:.200} cannot be used: {why:.200}. Expected a path where a file is, or "
            "can be created."
        ) from error
    return place
