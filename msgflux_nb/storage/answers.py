"""What was paid for is on disk: answers by the whole request that they answer.

SQLite, one transaction an answer, committed before anybody sees it: killing the process loses none of them, and a power
cut at most the last moments'. What is kept are the bytes that the provider sent,
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
from typing import Any, TypeVar

import msgspec

from ..errors import StoreError

__all__ = ["Store", "StoreEntry", "open_store", "open_stores", "request_key"]

T = TypeVar("T")

_FILE_NAME = "answers.sqlite"
_SUFFIXES = frozenset((".sqlite", ".sqlite3", ".db"))
_VERSION = 5
_BUSY_SECONDS = 30.0
_USER = re.compile(r"(?<=://)[^/\s]*@")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    request BLOB NOT NULL,
    answer BLOB NOT NULL,
    created REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400)
);
CREATE TABLE IF NOT EXISTS rows (
    key BLOB NOT NULL UNIQUE,
    question BLOB NOT NULL,
    state TEXT NOT NULL,
    text TEXT,
    request BLOB NOT NULL,
    answer BLOB,
    error TEXT,
    attempts INTEGER,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cost REAL,
    seconds REAL,
    warnings TEXT
);
CREATE INDEX IF NOT EXISTS rows_by_question ON rows (question);
CREATE TABLE IF NOT EXISTS runs (
    run TEXT NOT NULL UNIQUE,
    began REAL NOT NULL,
    told BLOB NOT NULL,
    keys BLOB NOT NULL DEFAULT x''
);
CREATE TABLE IF NOT EXISTS corrections (
    subject BLOB NOT NULL,
    schema TEXT NOT NULL,
    field TEXT NOT NULL,
    value BLOB NOT NULL,
    was BLOB NOT NULL,
    UNIQUE (subject, schema, field)
);
CREATE TABLE IF NOT EXISTS decisions (
    subject BLOB NOT NULL,
    kind TEXT NOT NULL,
    told BLOB NOT NULL,
    UNIQUE (subject, kind)
);
"""


def request_key(url: str, body: bytes) -> str:
    """Return the hash of a request: where it goes and everything in its body, whatever the order of its fields."""
    canonical = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(b"\n".join((url.encode(), canonical))).hexdigest()


class Store:
    """Answers in one SQLite file; safe for threads and for several processes on one machine.

    Args:
        path: a file, which is created if need be; a folder, or a name without one of SQLite's endings, gets the file
            ``answers.sqlite`` in it. A folder that is created is its owner's alone. None for one that lives as long as
            this object: in memory, and where that gets too much, in a file that has no name.

    Raises:
        StoreError: it cannot be created, read or written, or is no such file.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else _file(Path(path).expanduser())
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._connection = self._guarded(self._open)

    def __deepcopy__(self, memo: Any) -> Store:
        return self  # a copy of a model keeps its answers in the same file

    def get(self, key: str) -> bytes | None:
        """Return the answer's bytes, or None."""
        row = self.row("SELECT answer FROM answers WHERE key = ?", key)
        return None if row is None else bytes(row[0])

    def put(self, key: str, url: str, request: bytes, answer: bytes) -> None:
        """Keep an answer; it is on disk when this returns."""
        self.row(
            "INSERT INTO answers (key, url, request, answer) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET answer = excluded.answer",
            key,
            url,
            request,
            answer,
        )

    def __len__(self) -> int:
        row = self.row("SELECT count(*) FROM answers")
        return 0 if row is None else int(row[0])

    def __repr__(self) -> str:
        return f"Store({self._name}, {len(self):,} answers)"

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def row(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        """Run a statement as one transaction; return the first row of what it finds, or None."""
        return next(iter(self.rows(statement, *values)), None)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as one transaction; return all that it finds."""

        def run() -> list[tuple[Any, ...]]:
            with self._lock, self._connection:
                return self._connection.execute(statement, values).fetchall()

        self._reopen_after_a_fork()
        return self._guarded(run)

    def take_over(self, path: Path, *statements: str) -> None:
        """Run statements as one transaction that read from another store's file, as the database ``other``."""

        def run() -> None:
            with self._lock:
                self._connection.execute("ATTACH ? AS other", (str(path),))
                try:
                    with self._connection:
                        for statement in statements:
                            self._connection.execute(statement)
                finally:
                    self._connection.execute("DETACH other")

        self._reopen_after_a_fork()
        self._guarded(run)

    def _reopen_after_a_fork(self) -> None:
        if self._pid != os.getpid():  # SQLite's connections do not survive a fork, and must not be closed after one
            self._inherited.append(self._connection)
            self._pid, self._lock, self._connection = os.getpid(), threading.Lock(), self._guarded(self._open)

    @property
    def _name(self) -> str:
        return "in memory" if self.path is None else repr(str(self.path))

    def _open(self) -> sqlite3.Connection:
        path = self.path
        if path is None:
            connection = sqlite3.connect("", check_same_thread=False)
            connection.executescript(_SCHEMA)
            return connection
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            self._prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, path: Path) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION or version < 0:
            raise StoreError(f"{path} was written by a newer version of msgflux_nb ({version}). Use another file.")
        if not version and connection.execute("SELECT 1 FROM sqlite_master").fetchone() and not _ours(connection):
            raise StoreError(f"{path} is a database of something else. Use another file.")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        if version != _VERSION:
            _bring_up_to_date(connection)

    def _guarded(self, work: Callable[[], T]) -> T:
        """Say in our words what SQLite and the file system refuse."""
        try:
            return work()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the store {self._name} cannot be used: {error}. Expected an SQLite file of msgflux_nb, or a path "
                "where one can be created."
            ) from error


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Create what is missing, in one transaction: several processes may do so at once."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        if "warnings" not in {name for _, name, *_ in connection.execute("PRAGMA table_info(rows)")}:
            connection.execute("ALTER TABLE rows ADD COLUMN warnings TEXT")
        connection.execute(f"PRAGMA user_version={_VERSION}")


def _ours(connection: sqlite3.Connection) -> bool:
    """Whether there is nothing but what a process that was killed while it made the file has left."""
    names = {name for (name,) in connection.execute("SELECT tbl_name FROM sqlite_master")}
    return names <= {"answers", "rows", "runs", "corrections", "decisions"}


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
        url: where the request goes; a user name and password in it are not kept. Users do not see each other's answers.
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

    def put(self, data: bytes) -> None:
        """Keep the bytes of its complete answer."""
        self._store.put(self._key, self._url, self._hide(self._body), self._hide(data))


_stores: dict[Path, Store] = {}
_stores_lock = threading.Lock()


def open_stores() -> list[Store]:
    """Return the stores with a file that this process has opened, the first opened first."""
    with _stores_lock:
        return list(_stores.values())


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
