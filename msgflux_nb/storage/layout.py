"""The tables of a store's file, and a check that a file holds nothing else."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError

__all__ = ["TABLES", "bring_up_to_date", "refuse_foreign", "transaction"]

_VERSION = 5
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
TABLES = ("answers", "rows", "runs", "corrections", "decisions")
_INDEXES = ("rows_by_question",)
_AUTOMATIC = re.compile(r"sqlite_(autoindex_(answers|rows|runs|corrections|decisions)_\d|stat1|stat4|sequence)")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_OUR_WORDS = frozenset(word.casefold() for word in _TOKEN.findall(_SCHEMA)) | {'"'}
_LONGEST = 4_000  # characters of a CREATE TABLE statement that are compared


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Check that a file holds only our tables, or some of them if a process was killed while it made them.

    A view, trigger, check or default in another user's file would run when a table is read or written.

    Raises:
        StoreError: the file holds something else.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION or version < 0:
        raise StoreError(f"{path} was written by a newer version of msgflux_nb ({version}). Use another file.")
    statement = "SELECT type, name, tbl_name, substr(sql, 1, ?) FROM sqlite_master"
    for kind, name, table, made in connection.execute(statement, (_LONGEST + 1,)):
        if not _is_ours(kind, name, table, made):
            raise StoreError(
                f"{path} is the database of another program: it has the {str(kind)[:20]} {str(name)[:60]!r}, which "
                "msgflux_nb does not create. Use another file."
            )


def _is_ours(kind: object, name: object, table: object, made: object) -> bool:
    if not isinstance(name, str) or table not in TABLES:
        return isinstance(name, str) and _AUTOMATIC.fullmatch(name) is not None and kind in ("table", "index")
    if made is None:
        return kind == "index" and _AUTOMATIC.fullmatch(name) is not None
    if (kind, name in TABLES) != ("table", True) and (kind, name in _INDEXES) != ("index", True):
        return False
    if not isinstance(made, str) or len(made) > _LONGEST:
        return False
    return all(word.casefold() in _OUR_WORDS for word in _TOKEN.findall(made))


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Create missing tables, in one transaction, since several processes may do so at once."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return
    with transaction(connection):
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        if "warnings" not in {name for _, name, *_ in connection.execute("PRAGMA table_info(rows)")}:
            connection.execute("ALTER TABLE rows ADD COLUMN warnings TEXT")
        connection.execute(f"PRAGMA user_version={_VERSION}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one transaction: all of it is kept, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
