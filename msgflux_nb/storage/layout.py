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
_AUTOMATIC = re.compile(r"sqlite_(stat1|stat4|sequence)")
_AUTOMATIC_INDEX = re.compile(r"sqlite_autoindex_(answers|rows|runs|corrections|decisions)_\d")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_LONGEST = 4_000  # characters of a CREATE TABLE statement that are compared


def _tokens(statement: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _TOKEN.findall(statement))


def _forms() -> dict[tuple[str, str], tuple[tuple[str, ...], ...]]:
    """Return the statements, as SQLite keeps them, that may have made each table and index."""
    made = [_tokens(statement.replace("IF NOT EXISTS ", "")) for statement in _SCHEMA.split(";") if statement.strip()]
    forms: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {(words[1], words[2]): (words,) for words in made}
    (rows,) = forms["table", "rows"]
    start = rows.index("warnings") - 1  # at the comma before it
    without_warnings = (*rows[:start], *rows[start + 3 :])  # files before version 4
    return forms | {("table", "rows"): (rows, without_warnings)}


_FORMS = _forms()


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Check that a file holds only our tables, or some of them if a process was killed while it made them.

    A view, trigger, check or default in another user's file would run when a table is read or written.

    Raises:
        StoreError: the file holds something else.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION or version < 0:
        raise StoreError(f"{path} was written by a newer version of msgflux_nb ({version}). Use another file.")
    statement = "SELECT type, name, substr(sql, 1, ?) FROM sqlite_master"
    for kind, name, made in connection.execute(statement, (_LONGEST + 1,)):
        if not _is_ours(kind, name, made):
            why = ", which msgflux_nb does not create"
            if (kind, name) in _FORMS:
                why = " with other columns, defaults or constraints than msgflux_nb creates"
            raise StoreError(
                f"{path} is the database of another program: it has the {str(kind)[:20]} {str(name)[:60]!r}{why}. "
                "Use another file."
            )


def _is_ours(kind: object, name: object, made: object) -> bool:
    if not isinstance(name, str):
        return False
    if made is None:
        return kind == "index" and _AUTOMATIC_INDEX.fullmatch(name) is not None
    if not isinstance(made, str) or len(made) > _LONGEST:
        return False
    if _AUTOMATIC.fullmatch(name) is not None:
        return kind == "table"
    return _tokens(made) in _FORMS.get((str(kind), name), ())


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Create what is missing, in one transaction, since several processes may do so at once."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION and not _is_missing(connection):
        return
    with transaction(connection):
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        if not _has_warnings(connection):
            connection.execute("ALTER TABLE rows ADD COLUMN warnings TEXT")
        connection.execute(f"PRAGMA user_version={_VERSION}")


def _is_missing(connection: sqlite3.Connection) -> bool:
    """Whether a table, an index or a column is missing."""
    found = set(connection.execute("SELECT type, name FROM sqlite_master"))
    return not _FORMS.keys() <= found or not _has_warnings(connection)


def _has_warnings(connection: sqlite3.Connection) -> bool:
    return "warnings" in {name for _, name, *_ in connection.execute("PRAGMA table_info(rows)")}


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
