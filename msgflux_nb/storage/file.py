"""One SQLite file: opens, checks, reads and writes it, by one thread at a time and without long waits.

A lock of another process becomes an error after a moment; the caller decides how long to retry. If an open file or its
log is deleted or replaced, which SQLite does not notice, its contents are written to the file at the path.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..errors import StoreError
from .layout import TABLES, bring_up_to_date, refuse_foreign, transaction
from .log import Log, identity

__all__ = ["BusyError", "File", "SqliteFile", "Statement"]

T = TypeVar("T")
Statement = tuple[str, Sequence[object]]

_BUSY_SECONDS = 0.05  # how long SQLite waits for a lock; signals are delayed meanwhile
_LONGEST = 600_000_000  # bytes of one cell: two answers of the largest size, or the keys of a run
_LONGEST_ROW = 64_000_000  # bytes of one entry of the table rows, of which a batch reads many
_BUSY, _LOCKED = 5, 6  # SQLite's error codes
_CHUNK = 256
_UNSTEADY = 3  # after so many replacements with equal contents the file counts as the same


class BusyError(StoreError):
    """Another process holds the file for now."""


class File(Protocol):
    """The interface of a store's file.

    Attributes:
        name: the file's name in messages.
        lasts: whether its contents outlive this process.
    """

    name: str
    lasts: bool

    def open(self) -> None:
        """Open the file, unless it is open."""

    def execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run one statement as a transaction; return all rows of its result."""

    def write(self, statements: Iterable[Statement]) -> None:
        """Run several statements as one transaction."""

    def followed(self) -> str | None:
        """Make sure that this is the file at the path; return a sentence about what had to be done, or None."""

    def reopen(self) -> None:
        """Reopen the file after a failure, unless that would lose its contents."""

    def close(self) -> None:
        """Close the file."""


class SqliteFile:
    """An SQLite file; without a path, a database that lives as long as this object.

    Every method raises ``BusyError`` if another process holds the file, and ``StoreError`` if it cannot be used.

    Args:
        path: the path; None for a database in memory, or in an unnamed file if it grows large.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lasts = path is not None
        self.name = "in memory" if path is None else repr(str(path))
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._identity: tuple[int, int] | None = None
        self._log: Log | None = None
        self._rescued: sqlite3.Connection | None = None
        self._done: str | None = None
        self._unsteady = 0
        self._size = 0  # the largest that was seen

    def open(self) -> None:
        """Open the file, unless it is open; create it and its folder if missing."""
        if self._pid != os.getpid():  # SQLite's connections do not survive a fork, and must not be closed after one
            self._inherited += [one for one in (self._connection, self._rescued) if one is not None]
            self._pid, self._connection, self._rescued = os.getpid(), None, None
        if self._connection is None:
            self._guarded(self._open)
        if self._rescued is not None:
            self._guarded(self._pour_back)

    def execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run one statement as a transaction; return all rows of its result."""

        def run(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            _limit(connection, statement)
            return connection.execute(statement, values).fetchall()

        try:
            self.open()
        except StoreError as error:
            if self._rescued is not None and statement.startswith("SELECT"):  # its file cannot be there for now
                return run(self._rescued)
            if not isinstance(error, BusyError) or not self._is_new():
                raise
            with contextlib.closing(_empty()) as nothing, contextlib.suppress(sqlite3.OperationalError):
                return run(nothing)
            raise  # the statement writes
        return self._guarded(run)

    def write(self, statements: Iterable[Statement]) -> None:
        """Run several statements as one transaction."""
        self.open()

        def run(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                for statement, values in statements:
                    _limit(connection, statement)
                    connection.execute(statement, values)

        self._guarded(run)

    def take_over(self, path: Path, statements: Iterable[str]) -> None:
        """Run statements as one transaction, with another store's file as the database ``other``."""
        self.execute("ATTACH ? AS other", (str(path),))
        try:
            self.write((statement, ()) for statement in statements)
        finally:
            self.execute("DETACH other", ())

    def reopen(self) -> None:
        """Reopen the file after a failure, unless that would lose its contents."""
        connection, log = self._connection, self._log
        with contextlib.suppress(OSError, sqlite3.Error):
            if connection is None or self.path is None or log is None:
                return
            if identity(self.path) == self._identity and log.moved() is None:
                self._connection = None
                connection.close()

    def close(self) -> None:
        """Close the file."""
        for connection in (self._connection, self._rescued):
            if connection is not None and self._pid == os.getpid():
                connection.close()
        self._connection = self._rescued = None

    # -- the file at the path -----------------------------------------------------------------------------------------

    def followed(self) -> str | None:
        """Make sure that this is the file at the path; return a sentence about what had to be done, or None."""
        path = self.path
        if path is not None and self._connection is not None and self._identity is not None:
            now = self._guarded(lambda _: identity(path))
            if now is None or (now != self._identity and self._unsteady < _UNSTEADY):
                self._leave(self._connection, gone=now is None)
            else:
                self._guarded(self._follow_log)
                if self._guarded(self._shrank):
                    self._guarded(self._restore)
        if self._rescued is not None:
            self.open()
        done, self._done = self._done, None
        return done

    def _leave(self, connection: sqlite3.Connection, *, gone: bool) -> None:
        """Close a file that is no longer at its path; keep its contents until they are written there again."""
        copy = self._guarded(_copy_in_memory)
        connection.close()
        self._connection = None
        if gone:
            _remove_logs(self.path)
        whole = _is_whole(copy)
        if whole:
            self._rescued = copy
        else:
            copy.close()
        self._tell("deleted" if gone else "replaced by another file", written=whole)

    def _follow_log(self, connection: sqlite3.Connection) -> None:
        """Make sure that the log is the one that SQLite uses; write the contents of a lost log again."""
        log, copy, written = self._log, None, True
        assert log is not None
        how = log.moved()
        if how == "deleted" or (how is not None and self._unsteady < _UNSTEADY):
            written = self._is_emptied(connection)
        elif self._known(log.is_damaged(connection)):
            how, written = "damaged", False
        else:
            return
        if not written:
            copy = _copy_of_cache(connection)
        if how == "damaged":
            log.clear()
        connection.close()
        self._connection, self._rescued = None, copy
        left = "was written again" if written or copy is not None else "may be lost"
        self._done = f"the log of the store {self.name} was {how} while it was in use; what only it held {left}"
        self.open()

    def _is_emptied(self, connection: sqlite3.Connection) -> bool:
        """Whether the log, also a deleted one that is still open, could be copied into the file."""
        try:
            (held, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                raise
            return False
        return not self._known(None if held else False)

    def _known(self, answer: bool | None) -> bool:
        if answer is None:
            raise BusyError(f"the store {self.name} cannot be used now: it is locked by another process")
        return answer

    def _shrank(self, _: object) -> bool:
        """Whether the file is smaller than before."""
        assert self.path is not None
        before, self._size = self._size, max(self._size, self.path.stat().st_size)
        return self.path.stat().st_size < before

    def _restore(self, connection: sqlite3.Connection) -> None:
        """Handle a smaller file: cleaned up by another program, or cut short, with or without a copy in its log."""
        assert self.path is not None
        connection.execute("PRAGMA shrink_memory")  # read the file, and not what this process remembers of it
        size = self.path.stat().st_size
        whole = _is_whole(connection)
        if whole:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        elif size == 0:
            connection.close()
            self._connection = None
            _remove_logs(self.path)
            self._open()
        else:
            raise sqlite3.DatabaseError("it was cut short while it was in use; delete it; the next use makes a new one")
        self._size = self.path.stat().st_size
        if self._size > size:
            self._tell("cut short", written=whole)

    def _tell(self, how: str, *, written: bool) -> None:
        what = "were written again" if written else "are lost"
        self._done = f"the store {self.name} was {how} while it was in use; its contents {what}"

    def _pour_back(self, connection: sqlite3.Connection) -> None:
        rescued = self._rescued
        assert rescued is not None
        there, here = (one.execute("SELECT count(*), max(rowid) FROM rows").fetchone() for one in (connection, rescued))
        # Some network file systems give the same file a new inode number again and again.
        self._unsteady = self._unsteady + 1 if there == here and here[0] else 0
        _pour(rescued, connection)
        self._rescued = None
        rescued.close()

    # -- opening ------------------------------------------------------------------------------------------------------

    def _open(self, _: sqlite3.Connection | None = None) -> None:
        path = self.path
        if path is not None and not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            "" if path is None else path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        try:
            connection.text_factory = _text
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            connection.set_authorizer(_authorized)
            if path is not None:
                connection.execute("PRAGMA trusted_schema=OFF")
                refuse_foreign(connection, path)
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
            bring_up_to_date(connection)
            before, self._identity = self._identity, None if path is None else identity(path)
            self._log = None if path is None else Log(path)
            if self._identity != before:
                self._size = 0
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _is_new(self) -> bool:
        """Whether the file is certainly empty, although another process holds it."""
        if self.path is None or self._connection is not None or self._rescued is not None:
            return False
        with contextlib.suppress(OSError):
            return self.path.stat().st_size == 0
        return False

    def _guarded(self, work: Callable[[Any], T]) -> T:
        """Run some work, and turn errors of SQLite and the file system into ours."""
        try:
            return work(self._connection)
        except (sqlite3.Error, OSError, OverflowError, UnicodeError) as error:
            if _is_busy(error):
                raise BusyError(f"the store {self.name} cannot be used now: {error} by another process") from error
            raise StoreError(
                f"the store {self.name} cannot be used: {error}. Expected an SQLite file of msgflux_nb, or a path "
                "where one can be created."
            ) from error


def _empty() -> sqlite3.Connection:
    """Return a store without entries that cannot be written."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    bring_up_to_date(connection)
    connection.execute("PRAGMA query_only=1")
    return connection


def _authorized(action: int, one: str | None, two: str | None, database: str | None, within: str | None) -> int:
    """Refuse the actions of triggers and views, which another user may add to the file after the check."""
    return sqlite3.SQLITE_OK if within is None else sqlite3.SQLITE_DENY


def _limit(connection: sqlite3.Connection, statement: str) -> None:
    """Let SQLite refuse too long values; it does so before it reads them."""
    is_of_rows = " FROM rows" in statement or " INTO rows" in statement
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ROW if is_of_rows else _LONGEST)


def _text(data: bytes) -> str | bytes:
    """Return a text; its bytes if it is none, so that only its own row has another type."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _is_whole(connection: sqlite3.Connection) -> bool:
    """Whether an open file has all of its pages."""
    try:
        has_rows = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rows'").fetchone() == (1,)
        return bool(has_rows and connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError as error:
        if _is_busy(error):
            raise
        return False


def _is_busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (_BUSY, _LOCKED)


def _copy_in_memory(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy of an open file's contents; empty its log, so that it is not taken for the new file's log."""
    copy = sqlite3.connect("", check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.backup(copy)
    return copy


def _copy_of_cache(connection: sqlite3.Connection) -> sqlite3.Connection | None:
    """Return a copy of a file without its log, if this connection remembers all that was in it, else None."""
    copy = sqlite3.connect("", check_same_thread=False, isolation_level=None)
    try:
        connection.backup(copy)
        if _is_whole(copy):
            return copy
    except sqlite3.OperationalError as error:
        if _is_busy(error):
            copy.close()
            raise
    copy.close()
    return None


def _remove_logs(path: Path | None) -> None:
    assert path is not None
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _pour(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy one file's contents into another; existing entries stay, except failures, which an answer replaces."""
    source.text_factory = _text
    target.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    with transaction(target):
        there = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in (table for table in TABLES if table in there):
            found = source.execute(f"SELECT * FROM {table}")  # noqa: S608  # our own names
            names = [column[0] for column in found.description]
            places = ", ".join("?" * len(names))
            statement = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608
            if table == "rows":
                better = ", ".join(f"{name} = excluded.{name}" for name in names if name != "key")
                statement = statement.replace("OR IGNORE ", "") + (
                    f" ON CONFLICT (key) DO UPDATE SET {better} WHERE rows.state = 'failed'"
                )
            while rows := found.fetchmany(_CHUNK):
                target.executemany(statement, rows)
