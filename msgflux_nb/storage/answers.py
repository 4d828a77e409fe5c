"""The store: paid answers on disk, each under the hash of its whole request.

The file is an SQLite database. If the process is killed, no acknowledged answer is lost; after a power cut, at most the
last moments are. The file holds the bytes that the provider sent, never objects: the current code reads an answer, and
another user's file cannot run anything. The key is a hash of the request's address and its whole body, without headers,
which may hold secrets. A streamed answer must not be found by the same request without stream, since a server that
echoes a prefill may do so in one of them only.
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
_LAST_NUMBER = 2**62  # SQLite gives a new row the next number, up to 2**63 - 1
_PUT = Table(
    "INSERT INTO answers (key, url, request, answer)", 4, "ON CONFLICT (key) DO UPDATE SET answer = excluded.answer"
)


_GET = "SELECT answer FROM answers WHERE key = ?"


def request_key(url: str, body: bytes) -> str:
    """Return the hash of a request: of its address and its body, whatever the order of its fields."""
    canonical = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(b"\n".join((url.encode(), canonical))).hexdigest()


class Store:
    """Answers in one SQLite file; safe for threads and for several processes on one machine.

    A separate thread uses the file, so that a waiting caller can be interrupted.

    Args:
        path: a file, created if missing. In a folder, or for a name without one of SQLite's endings, the file is
            ``answers.sqlite``. A new folder is readable by its owner only. None for a store that lives as long as this
            object: in memory, or if it grows large in an unnamed file.
        file: replaces the local file by another one.

    Attributes:
        path: the path of the file.
        users: how many running batches use this store.
        worker: the thread that uses the file.

    Raises:
        StoreError: the file cannot be created, read or written, or is not a store; one that another process holds is
            no error.
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
        self.worker.open()

    def __deepcopy__(self, memo: Any) -> Store:
        return self  # a copy of a model keeps its answers in the same file

    def get(self, key: str) -> bytes | None:
        """Return the answer's bytes, or None."""
        waiting = self.worker.waiting.get(_PUT, key)
        return self._answer(key, self.rows(_GET, key)) if waiting is None else bytes(waiting[3])

    async def aget(self, key: str) -> bytes | None:
        """As :meth:`get`, for a running event loop, which it does not block."""
        waiting = self.worker.waiting.get(_PUT, key)
        if waiting is not None:
            return bytes(waiting[3])
        return self._answer(key, await self.worker.aask(functools.partial(self._file.execute, _GET, (key,))))

    def _answer(self, key: str, rows: list[tuple[Any, ...]]) -> bytes | None:
        answer = rows[0][0] if rows else None
        if answer is not None and not isinstance(answer, bytes):
            raise StoreError(f"the store {self._file.name} holds an answer that is not bytes, for {key}")
        return answer

    def put(self, key: str, url: str, request: bytes, answer: bytes) -> None:
        """Keep an answer; it is on disk when this returns.

        Raises:
            StoreError: the answer is not on disk yet; it is written as soon as possible.
        """
        self.put_soon(key, url, request, answer)
        self.written()

    def put_soon(self, key: str, url: str, request: bytes, answer: bytes) -> None:
        """Queue an answer to be written; until then :meth:`get` returns it from memory."""
        self.worker.put(_PUT, key, (key, url, request, answer))

    def written(self) -> None:
        """Wait until what is queued is on disk.

        Raises:
            StoreError: something is not on disk yet; it is written as soon as possible.
        """
        if self.worker.flush() and self.worker.trouble is not None:
            raise StoreError(self.worker.trouble)

    async def awritten(self) -> None:
        """As :meth:`written`, for a running event loop, which it does not block."""
        await self.worker.kept()
        if self.worker.waiting and self.worker.trouble is not None:
            raise StoreError(self.worker.trouble)

    def __len__(self) -> int:
        row = self.row("SELECT count(*) FROM answers")
        return 0 if row is None else int(row[0])

    def __repr__(self) -> str:
        return f"Store({self._file.name}, {len(self):,} answers)"

    def close(self) -> None:
        """Close the file."""
        self.worker.close()

    def restore_file(self) -> None:
        """Handle a deleted file: write it again if a batch uses it or entries are pending, else leave it empty."""
        if self.users or self.worker.waiting:
            self.worker.follow()
            return
        self._all, self._known, self._seen = None, None, 0
        self.worker.ask(self._file.close)  # close it first: two open files at one path would share SQLite's log
        self.worker.open()

    def row(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        """Run a statement as one transaction; return the first row of its result, or None."""
        return next(iter(self.rows(statement, *values)), None)

    def rows(self, statement: str, *values: object, within: float | None = None) -> list[tuple[Any, ...]]:
        """Run a statement as one transaction within some seconds; return all rows of its result.

        Raises:
            StoreError: the file cannot be used, or another process holds it for half a minute.
        """
        return self.worker.ask(functools.partial(self._file.execute, statement, values), within)

    def run(self, statements: list[tuple[str, list[Any]]]) -> Future[list[tuple[Any, ...]]]:
        """Run one or several statements as one transaction on the file's thread; the future has the rows."""

        def run() -> list[tuple[Any, ...]]:
            if len(statements) == 1:
                return self._file.execute(*statements[0])
            self._file.write(statements)
            return []

        return self.worker.submit(run)

    def take_over(self, path: Path, *statements: str) -> None:
        """Run statements as one transaction, with another store's file as the database ``other``."""
        own = self._own
        if own is None:
            raise StoreError(f"the store {self._file.name} is in memory, so it cannot take over rows")
        self.worker.ask(lambda: own.take_over(path, statements))

    # -- the filter of known keys -------------------------------------------------------------------------------------

    def learn_keys(self) -> None:
        """Begin to load the keys of rows, so that new keys need not be looked up."""
        if self._own is not None:
            self._known = None  # until writes of other processes have been read
            self.worker.submit(self._learn_keys)
            self.worker.wrote = self._learn_of_others

    def _learn_of_others(self) -> None:
        """Load the keys that other processes have written; SQLite counts their changes."""
        version = self._file.execute("PRAGMA data_version", ())
        if version != self._version:
            self._known = None  # every key is looked up until all are loaded
            self._learn_keys()
            self._version = version

    def may_know(self, key: bytes) -> bool:
        """Whether a row may have this key or this question; False if surely none has."""
        known = self._known
        return known is None or key in known

    def will_know(self, *keys: bytes) -> None:
        """Add the keys of a row that is about to be written."""
        if self._all is not None:
            self._all.add(keys)

    def _learn_keys(self) -> None:
        """Load the keys written since the last time, also by other processes; on the file's thread."""
        ((least, most),) = self._file.execute("SELECT (SELECT min(rowid) FROM rows), (SELECT max(rowid) FROM rows)", ())
        if most is not None and (least < 1 or most >= _LAST_NUMBER):  # new rows may have any number, also a small one
            self._all = self._known = None
            return
        known = self._all
        if known is None or (most or 0) < self._seen:
            ((count,),) = self._file.execute("SELECT count(*) FROM rows", ())
            known, self._seen = KnownKeys(2 * count), 0
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
        url: the address of the request. A user name in it is part of the key, so users do not see each other's answers.
        body: the request's body.
        hide: returns bytes without the caller's key, which a gateway may want in a body or repeat in an answer.
    """

    def __init__(self, store: Store, url: str, body: bytes, *, hide: Callable[[bytes], bytes] = bytes) -> None:
        self._store, self._url, self._body, self._hide = store, _USER.sub("", url), body, hide
        user = _USER.search(url)
        name = "" if user is None else user[0].rstrip("@").partition(":")[0]
        self._key = request_key(self._url.replace("://", f"://{name}@", 1) if name else self._url, body)

    def get(self) -> bytes | None:
        """Return the bytes of the answer, or None."""
        return self._store.get(self._key)

    async def aget(self) -> bytes | None:
        """As :meth:`get`, for a running event loop, which it does not block."""
        return await self._store.aget(self._key)

    def written(self) -> None:
        """Wait until the answer is on disk; raise StoreError if that is not possible now."""
        self._store.written()

    async def awritten(self) -> None:
        """As :meth:`written`, for a running event loop, which it does not block."""
        await self._store.awritten()

    def put(self, data: bytes, *, texts: bytes = b"") -> None:
        """Queue the bytes of the complete answer to be written.

        Args:
            data: the bytes as received.
            texts: the texts in them, each in one piece, since a key may have come in several.
        """
        data = self._hide(data)
        if self._hide(texts) != texts:
            data = hidden_answer([(0, data)], self._hidden)[0][1]
        self._store.put_soon(self._key, self._url, self._hide(self._body), data)

    def _hidden(self, text: str) -> str:
        return self._hide(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


_stores: dict[Path, Store] = {}
_stores_lock = threading.Lock()


def open_stores() -> list[Store]:
    """Return the stores with a file that this process has opened and not closed, in order of opening."""
    with _stores_lock:
        return [store for store in _stores.values() if not store.worker.closed]


def open_store(path: str | os.PathLike[str]) -> Store:
    """Return the store at a path; the same object for the same path until it is closed.

    Raises:
        StoreError: the file cannot be created, read or written, or is not a store.
    """
    place = file_of(path).absolute()
    with _stores_lock:
        store = _stores.get(place)
        if store is None or store.worker.closed:
            store = _stores[place] = Store(place)
        elif not place.exists():
            store.restore_file()
        elif store.worker.trouble is not None and not store.worker.waiting:
            store.worker.open()
        return store


def file_of(path: str | os.PathLike[str]) -> Path:
    """Return the file of the store at a path.

    Raises:
        StoreError: no file can have this name.
    """
    try:
        named = Path(path).expanduser()
        place = named if named.suffix in _SUFFIXES and not named.is_dir() else named / _FILE_NAME
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return place
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a NUL, an unknown ``~user``
        why = str(error).rstrip(".")
        raise StoreError(
            f"the store {str(path)!r:.200} cannot be used: {why:.200}. Expected a path where a file is, or "
            "can be created."
        ) from error
    return place
