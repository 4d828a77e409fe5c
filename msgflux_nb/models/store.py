"""What was paid for is on disk: answers by the whole request that they answer.

SQLite, one transaction an answer, committed before anybody sees it. What is kept are the bytes that the provider sent,
never objects: an answer is read again by the code of the day, and a file from elsewhere can run nothing. The key is a
hash of where the request goes and of its whole body, and of nothing secret: headers are not part of it. So a streamed
answer is not found by the same request without stream, as it must not be: a server that echoes a prefill may do so in
one of them only.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from ..errors import StoreError

__all__ = ["Store", "StoreEntry", "open_store", "request_key"]

T = TypeVar("T")

_FILE_NAME = "answers.sqlite"
_SUFFIXES = frozenset((".sqlite", ".sqlite3", ".db"))
_VERSION = 1
_BUSY_SECONDS = 30.0
_USER = re.compile(r"(?<=://)[^/\s]*@")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    request BLOB NOT NULL,
    answer BLOB NOT NULL,
    created REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400)
)
"""


def request_key(url: str, body: bytes) -> str:
    """Return the hash of a request: where it goes and everything in its body, whatever the order of its fields."""
    canonical = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(b"\n".join((url.encode(), canonical))).hexdigest()


class Store:
    """Answers in one SQLite file; safe for threads and for several processes on one machine.

    Args:
        path: a file, which is created if need be; a folder, or a name without one of SQLite's endings, gets the file
            ``answers.sqlite`` in it. A folder that is created is its owner's alone.

    Raises:
        StoreError: it cannot be created, read or written, or is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _file(Path(path).expanduser())
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._connection = self._guarded(self._open)

    def get(self, key: str) -> bytes | None:
        """Return the answer's bytes, or None."""
        row = self._run("SELECT answer FROM answers WHERE key = ?", key)
        return None if row is None else bytes(row[0])

    def put(self, key: str, url: str, request: bytes, answer: bytes) -> None:
        """Keep an answer; it is on disk when this returns."""
        self._run(
            "INSERT INTO answers (key, url, request, answer) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET answer = excluded.answer",
            key,
            url,
            request,
            answer,
        )

    def __len__(self) -> int:
        row = self._run("SELECT count(*) FROM answers")
        return 0 if row is None else int(row[0])

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self):,} answers)"

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, *values: object) -> tuple[bytes | int, ...] | None:
        def run() -> tuple[bytes | int, ...] | None:
            with self._lock, self._connection:
                row: tuple[bytes | int, ...] | None = self._connection.execute(statement, values).fetchone()
                return row

        if self._pid != os.getpid():  # SQLite's connections do not survive a fork, and must not be closed after one
            self._inherited.append(self._connection)
            self._pid, self._lock, self._connection = os.getpid(), threading.Lock(), self._guarded(self._open)
        return self._guarded(run)

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            connection.close()
            raise StoreError(f"{self.path} was written by a newer version of msgflux_nb ({version}). Use another file.")
        if not version and connection.execute("SELECT 1 FROM sqlite_master WHERE tbl_name != 'answers'").fetchone():
            connection.close()
            raise StoreError(f"{self.path} is a database of something else. Use another file.")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")
        with connection:
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA user_version={_VERSION}")
        return connection

    def _guarded(self, work: Callable[[], T]) -> T:
        """Say in our words what SQLite and the file system refuse."""
        try:
            return work()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the store {self.path} cannot be used: {error}. Expected an SQLite file of msgflux_nb, or a path "
                "where one can be created."
            ) from error


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to a log that readers need not wait for; SQLite does not wait itself for another process that does so."""
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


class StoreEntry:
    """The place of one request in a store.

    Args:
        store: the store.
        url: where the request goes; a user name and password in it are not kept.
        body: its body.
    """

    def __init__(self, store: Store, url: str, body: bytes) -> None:
        self._store, self._url, self._body = store, _USER.sub("", url), body
        self._key = request_key(self._url, body)

    def get(self) -> bytes | None:
        """Return the bytes of its answer, or None."""
        return self._store.get(self._key)

    def put(self, data: bytes) -> None:
        """Keep the bytes of its complete answer."""
        self._store.put(self._key, self._url, self._body, data)


_stores: dict[Path, Store] = {}
_stores_lock = threading.Lock()


def open_store(path: str | os.PathLike[str]) -> Store:
    """Return the store at a path; the same object for the same path.

    Raises:
        StoreError: it cannot be created, read or written, or is no such file.
    """
    place = _file(Path(path).expanduser()).absolute()
    with _stores_lock:
        if place not in _stores or not place.exists():
            _stores[place] = Store(place)
        return _stores[place]


def _file(path: Path) -> Path:
    return path if path.suffix in _SUFFIXES and not path.is_dir() else path / _FILE_NAME
