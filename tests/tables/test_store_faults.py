"""A store that fails while a batch runs: reported at once, written as soon as possible, nothing paid for twice."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import Store, open_store
from msgflux_nb.storage.batches import BatchRecords
from msgflux_nb.storage.file import SqliteFile
from tests.moments import quickly
from tests.scripted import Reply
from tests.tables.counting import Counting, counting, named, restart_kernel

__all__ = ["counting"]

TEXTS = [f"row {number}" for number in range(60)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


def kept(path: Path) -> int:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        count: int = connection.execute("SELECT count(*) FROM rows WHERE state = 'ok'").fetchone()[0]
        return count


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def connection_of(path: Path) -> sqlite3.Connection:
    file = open_store(path).worker.file
    assert isinstance(file, SqliteFile)
    file.open()
    assert file._connection is not None
    return file._connection


# The faults of the store in the middle of a batch, each with its repair.


@contextmanager
def locked(path: Path, how: str = "IMMEDIATE") -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(f"BEGIN {how}")
    yield
    other.execute("COMMIT")
    other.close()


@contextmanager
def limited(path: Path, pragma: str, lifted: str) -> Iterator[None]:
    """Let SQLite refuse writes, on this connection and on later ones."""
    monkeypatch = pytest.MonkeyPatch()
    usual = SqliteFile._open

    def opened(self: SqliteFile, _: Any = None) -> None:
        usual(self)
        assert self._connection is not None
        self._connection.execute(f"PRAGMA {pragma}")

    monkeypatch.setattr(SqliteFile, "_open", opened)
    open_store(path).worker.ask(lambda: connection_of(path).execute(f"PRAGMA {pragma}"))
    yield
    monkeypatch.undo()
    open_store(path).worker.ask(lambda: connection_of(path).execute(f"PRAGMA {lifted}"))


def full(path: Path) -> Any:
    return limited(path, "max_page_count=1", "max_page_count=1000000")


def read_only(path: Path) -> Any:
    return limited(path, "query_only=1", "query_only=0")


@contextmanager
def hanging(path: Path) -> Iterator[None]:
    monkeypatch, goes_on = pytest.MonkeyPatch(), threading.Event()
    usual = SqliteFile.write

    def write(self: SqliteFile, statements: Any) -> None:
        goes_on.wait(20)  # as a write to a network's disk that is away
        usual(self, statements)

    monkeypatch.setattr(SqliteFile, "write", write)
    yield
    goes_on.set()
    monkeypatch.undo()


@contextmanager
def no_store(path: Path) -> Iterator[None]:
    """Put something else at the path of the store."""
    path.with_name("other").write_bytes(b"no database, but long enough to be taken for one" * 40)
    os.replace(path.with_name("other"), path)
    yield
    path.unlink()


@pytest.fixture
def faults() -> Iterator[ExitStack]:
    """A stack of faults; closing it repairs them."""
    with ExitStack() as stack:
        yield stack


FAULTS = {"locked": locked, "full": full, "read_only": read_only, "hanging": hanging, "no_store": no_store}


class Halfway:
    """Calls a function when half of the rows were asked for."""

    def __init__(self, counting: Counting, act: Callable[[], object]) -> None:
        self._act, self._left = act, len(TEXTS) // 2
        self._lock = threading.Lock()
        counting.reply = self

    def __call__(self, text: str) -> Reply:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._act()
        reply = named(text)
        return Reply([0.02, *reply.pieces], headers=reply.headers)


def extracted(counting: Counting, path: Path, **options: Any) -> tuple[pd.DataFrame, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        frame = counting.extract(TEXTS, store=path, max_concurrency=4, **options)
    assert all(one.category is mf.StoreWarning for one in said)
    assert all(Path(one.filename).name == "counting.py" for one in said)
    return frame, [str(one.message) for one in said]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_batch_goes_on_and_what_could_not_be_written_is_written_later(
    counting: Counting, path: Path, monkeypatch: pytest.MonkeyPatch, faults: ExitStack, fault: str
) -> None:
    Halfway(counting, lambda: faults.enter_context(FAULTS[fault](path)))
    began = time.monotonic()
    frame, said = extracted(counting, path)
    assert frame["_status"].tolist() == ["ok"] * 60
    assert frame["name"].tolist() == TEXTS
    assert counting.calls == 60
    assert time.monotonic() - began < 12
    assert said
    assert "run.sqlite" in said[0]
    assert "waits in memory" in said[-1] or "wait in memory" in said[-1]
    report = frame.attrs["report"]
    assert report["store_error"] in said
    assert 20 < report["not_stored"] <= 61
    if fault == "locked":  # still, and it can be read; what waits is known too
        again, _ = extracted(counting, path)
        assert again["_status"].tolist() == ["cached"] * 60
    elif fault != "hanging":
        with pytest.raises(mf.StoreError, match="cannot be used"):
            counting.extract(TEXTS, store=path)
    faults.close()
    wait_until(lambda: not open_store(path).worker.waiting)
    assert kept(path) == 60
    restart_kernel(monkeypatch)
    again, said = extracted(counting, path)
    assert again["_status"].tolist() == ["cached"] * 60
    assert said == []
    assert counting.calls == 60


@pytest.mark.parametrize("fault", FAULTS)
def test_a_batch_stops_where_that_is_asked_for(counting: Counting, path: Path, faults: ExitStack, fault: str) -> None:
    Halfway(counting, lambda: faults.enter_context(FAULTS[fault](path)))
    frame, said = extracted(counting, path, on_store_error="stop")
    states = frame["_status"].value_counts()
    assert states["ok"] == counting.calls < 50
    assert states["pending"] == 60 - states["ok"]
    assert "on_store_error='stop'" in frame.attrs["report"]["stopped"]
    assert said
    faults.close()
    whole = mf.resume(frame, progress=False)
    assert set(whole["_status"]) == {"ok"}
    assert counting.calls == 60
    wait_until(lambda: not open_store(path).worker.waiting)
    assert kept(path) == 60


@pytest.mark.parametrize("fault", ["full", "read_only"])
@pytest.mark.filterwarnings("ignore::msgflux_nb.StoreWarning")
def test_a_grid_stops_where_that_is_asked_for(counting: Counting, path: Path, faults: ExitStack, fault: str) -> None:
    Halfway(counting, lambda: faults.enter_context(FAULTS[fault](path)))
    texts = [f"input {number}" for number in range(200)]
    options: dict[str, Any] = {"models": counting.model(), "store": path, "progress": False}
    result = mf.grid({"a": "{text}"}, texts, **options, on_store_error="stop")
    assert "on_store_error='stop'" in result.attrs["report"]["stopped"]
    assert 30 <= counting.calls < 200
    faults.close()
    mf.grid({"a": "{text}"}, texts, **options)
    assert counting.calls == 200


def first_batch(counting: Counting, path: Path) -> None:
    frame, said = extracted(counting, path)
    assert frame["_status"].tolist() == ["ok"] * 60
    assert "is locked by another process" in said[0]
    assert len(said) == 2
    assert frame.attrs["report"]["not_stored"] == 61
    assert mf.runs(path)["state"].tolist() == ["complete"]


def first_batch_that_stops(counting: Counting, path: Path) -> None:
    frame, _ = extracted(counting, path, on_store_error="stop")
    assert frame["_status"].tolist() == ["pending"] * 60
    assert "is locked by another process" in frame.attrs["report"]["stopped"]
    assert counting.calls == 0


def first_grid(counting: Counting, path: Path) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mf.grid({"a": "{text}"}, TEXTS, models=counting.model(), store=path, progress=False)
    assert "is locked by another process" in str(said[0].message)
    assert counting.calls == 60


def first_call(counting: Counting, path: Path) -> None:
    model = counting.model(cache=path)
    with pytest.warns(RuntimeWarning, match="is locked by another process"):
        model("a")
    model("a")  # it waits to be written, and is found there
    assert counting.calls == 1


@pytest.mark.parametrize(
    ("use", "lock"),
    [
        (first_batch, "EXCLUSIVE"),
        (first_batch_that_stops, "IMMEDIATE"),
        (first_grid, "IMMEDIATE"),
        (first_call, "EXCLUSIVE"),
    ],
)
def test_a_new_store_that_another_process_locks_is_reported_at_once_and_written_later(
    counting: Counting, path: Path, use: Callable[[Counting, Path], None], lock: str
) -> None:
    with locked(path, lock), quickly():
        use(counting, path)
        assert path.stat().st_size == 0
    wait_until(lambda: not open_store(path).worker.waiting)
    assert open_store(path).worker.trouble is None
    store = open_store(path)
    assert max(kept(path), len(store)) == counting.calls


def test_a_short_lock_is_not_reported(counting: Counting, path: Path) -> None:
    lock = locked(path)

    def hold() -> None:
        lock.__enter__()
        threading.Timer(0.3, lambda: lock.__exit__(None, None, None)).start()

    Halfway(counting, hold)
    frame, said = extracted(counting, path)
    assert said == []
    assert frame.attrs["report"]["store_error"] is None
    assert kept(path) == 60


def test_a_warning_comes_while_the_batch_runs(counting: Counting, path: Path, faults: ExitStack) -> None:
    told: list[float] = []

    def note(*_: Any, **__: Any) -> None:
        told.append(time.monotonic())

    Halfway(counting, lambda: faults.enter_context(full(path)))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        counting.extract(TEXTS, store=path, max_concurrency=1)
    ended = time.monotonic()
    faults.close()
    assert ended - told[0] > 0.2


def test_where_warnings_are_errors_the_frame_comes_with_it(counting: Counting, path: Path, faults: ExitStack) -> None:
    Halfway(counting, lambda: faults.enter_context(full(path)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(mf.StoreWarning) as caught:
            counting.extract(TEXTS, store=path, max_concurrency=4)
    faults.close()
    assert (caught.value.result["_status"] == "ok").sum() >= 30  # type: ignore[attr-defined]


# Deleted, and exchanged


def delete(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def delete_its_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def exchange(path: Path) -> None:
    other = path.with_name("other.sqlite")
    store = Store(other)
    store.put("k", "u", b"{}", b"an answer that was in it")
    store.close()
    os.replace(other, path)


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def delete_logs(path: Path) -> None:
    log_of(path).unlink()
    path.with_name(path.name + "-shm").unlink()


def exchange_log(path: Path) -> None:
    path.with_name("other").write_bytes(b"")
    os.replace(path.with_name("other"), log_of(path))


LOST_LOGS: list[Callable[[Path], object]] = [
    lambda path: log_of(path).unlink(),
    lambda path: path.with_name(path.name + "-shm").unlink(),
    delete_logs,
    exchange_log,
    lambda path: os.truncate(log_of(path), 0),
]


@pytest.mark.parametrize("act", [delete, lambda path: path.unlink(), delete_its_folder, exchange, *LOST_LOGS])
def test_what_a_store_held_that_is_gone_is_written_there_again(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    path = tmp_path / "folder" / "run.sqlite"
    Halfway(counting, lambda: act(path))
    frame, said = extracted(counting, path)
    assert len(said) == 1
    assert "while it was in use" in said[0]
    assert frame.attrs["report"]["not_stored"] == 0
    assert kept(path) == 60
    if act is exchange:
        assert open_store(path).get("k") == b"an answer that was in it"
    assert mf.runs(path)["state"].tolist() == ["complete"]
    restart_kernel(monkeypatch)
    assert set(extracted(counting, path)[0]["_status"]) == {"cached"}
    assert counting.calls == 60


@pytest.mark.parametrize("act", LOST_LOGS)
def test_two_users_of_a_store_both_survive_the_loss_of_its_log(path: Path, act: Callable[[Path], object]) -> None:
    one, two = Store(path), Store(path)
    one.put("a", "u", b"{}", b"1")
    two.put("b", "u", b"{}", b"2")
    act(path)
    for number, store in enumerate((one, two, one, two)):
        with contextlib.suppress(mf.StoreError):  # the other user may have to let go of the log first
            store.put(f"c{number}", "u", b"{}", b"3")
    wait_until(lambda: not one.worker.waiting and not two.worker.waiting)
    assert all(store.get(f"c{number}") == b"3" for store in (one, two) for number in range(4))
    assert any("while it was in use" in said for said in one.worker.problems)
    if act is not LOST_LOGS[-1]:  # else neither of the two may remember what the other wrote
        assert [store.get(key) for store in (one, two) for key in ("a", "b")] == [b"1", b"2"] * 2
    one.close()
    two.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM answers").fetchone()[0] >= 4


@pytest.mark.parametrize("half", [False, True])
def test_a_log_that_is_damaged_after_other_pages_were_read_says_that_answers_may_be_lost(
    path: Path, half: bool
) -> None:
    store = Store(path)
    for number in range(20):
        store.put(f"a{number}", "u", b"{}", os.urandom(100_000))
    os.truncate(log_of(path), log_of(path).stat().st_size // 2 if half else 0)
    store.worker.ask(lambda: store.worker.file._connection.execute("PRAGMA shrink_memory"))  # type: ignore[attr-defined]
    store.put("b", "u", b"{}", b"2")
    assert "may be lost" in store.worker.problems[0]
    assert store.get("b") == b"2"
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_what_another_program_does_with_the_log_is_no_fault(path: Path) -> None:
    store = Store(path)
    for number in range(4):
        store.put(f"a{number}", "u", b"{}", os.urandom(100_000))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA journal_size_limit=50000")
            other.execute(f"PRAGMA wal_checkpoint({('TRUNCATE', 'RESTART', 'FULL', 'PASSIVE')[number]})")
            store.worker.follow()
            other.execute("UPDATE answers SET url = 'v'")
            store.worker.follow()
    store.put("b", "u", b"{}", b"2")
    assert store.worker.problems == []
    assert len(store) == 5
    store.close()


def test_a_store_that_is_deleted_at_the_very_end_is_noticed(counting: Counting, path: Path) -> None:
    texts = ["a", "b"]
    counting.extract(texts, store=path)
    store = open_store(path)
    delete(path)
    store.worker.follow()
    assert kept(path) == 2


def cut(path: Path, size: int = 0) -> None:
    os.truncate(path, size)


def empty_log(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def cut_without_log(path: Path) -> None:
    empty_log(path)
    cut(path)


def cut_to_half_and_deleted(path: Path) -> None:
    store = open_store(path)
    empty_log(path)
    store.worker.follow()
    cut(path, 4096)
    store.worker.follow()
    assert "cut short" in str(store.worker.trouble)
    with pytest.raises(mf.StoreError, match=r"cut short|malformed"):
        open_store(path)
    delete(path)
    store.worker.open()


def clean_up(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DROP TABLE decisions")
        other.execute("VACUUM")
    empty_log(path)


@pytest.mark.parametrize(
    ("act", "said", "left"),
    [
        (cut, "cut short .* written again", 3),
        (cut_without_log, "cut short .* are lost", 0),
        (cut_to_half_and_deleted, "cut short .* delete it", 0),
        (clean_up, None, 3),
    ],
)
def test_a_store_that_is_cut_short_is_reported_and_still_used(
    counting: Counting, path: Path, act: Callable[[Path], object], said: str | None, left: int
) -> None:
    counting.extract(["a", "b", "c"], store=path)
    store = open_store(path)
    store.worker.follow()
    store.users += 1  # as in the middle of a batch
    act(path)
    store.worker.follow()
    told = store.worker.problems
    assert told == [] if said is None else any(re.search(said, one) for one in told)
    assert kept(path) == left
    counting.extract(["d"], store=path)
    assert kept(path) == left + 1


def test_a_store_that_was_deleted_between_two_batches_begins_again(counting: Counting, path: Path) -> None:
    counting.extract(["a"], store=path)
    delete(path)
    assert counting.extract(["a"], store=path)["_status"].tolist() == ["ok"]
    assert counting.calls == 2


# Stores made by other people

COLUMNS = (
    "key, question, state, text, request, answer, error, attempts, prompt_tokens, completion_tokens, cost, seconds"
)
FOREIGN = {
    "view": "DROP TABLE rows; CREATE VIEW rows AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) "
    "SELECT i AS key, i AS question, i AS state FROM n",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON rows BEGIN DELETE FROM rows; END",
    "endless trigger": "CREATE TRIGGER t BEFORE INSERT ON runs BEGIN SELECT count(*) FROM (WITH RECURSIVE n(i) AS "
    "(SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n); END",
    "other table": "CREATE TABLE more (a)",
    "check": "DROP TABLE runs; CREATE TABLE runs (run TEXT UNIQUE, began REAL, told BLOB, keys BLOB CHECK (keys = 1))",
    "generated": "DROP TABLE runs; CREATE TABLE runs (run TEXT UNIQUE, began REAL, told BLOB AS (x'00'), keys BLOB)",
    "index": "CREATE INDEX i ON rows (upper(state))",
    "default": "PRAGMA writable_schema=1; UPDATE sqlite_master SET sql = replace(sql, 'error TEXT', "
    "'error TEXT DEFAULT (julianday(''now''))') WHERE name = 'rows'",
    "unique column": "PRAGMA writable_schema=1; UPDATE sqlite_master SET sql = replace(sql, 'state TEXT NOT NULL', "
    "'state TEXT NOT NULL PRIMARY KEY') WHERE name = 'rows'",
    "unique index": "DROP INDEX rows_by_question; CREATE UNIQUE INDEX rows_by_question ON rows (state)",
    "other index": "DROP INDEX rows_by_question; CREATE INDEX rows_by_question ON rows (state)",
    "no cost": "ALTER TABLE rows DROP COLUMN cost",
    "one column": "DROP TABLE rows; CREATE TABLE rows (key BLOB NOT NULL UNIQUE)",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_with_more_than_our_tables_is_refused(counting: Counting, path: Path, kind: str) -> None:
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.executescript(FOREIGN[kind])
    with quickly(), pytest.raises(mf.StoreError, match="the database of another program"):
        counting.extract(["a"], store=path)
    assert counting.calls == 0


@pytest.mark.parametrize(
    "missing",
    ["ALTER TABLE rows DROP COLUMN warnings", "DROP TABLE rows", "DROP TABLE runs", "DROP INDEX rows_by_question"],
)
def test_what_a_file_of_ours_lacks_is_created(counting: Counting, path: Path, missing: str) -> None:
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(missing)
    frame, said = extracted(counting, path)
    assert said == []
    assert kept(path) == 60
    assert frame.attrs["report"]["not_stored"] == 0


def test_a_trigger_that_is_made_while_the_store_is_open_does_nothing(counting: Counting, path: Path) -> None:
    counting.extract(["a"], store=path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON rows BEGIN DELETE FROM rows; END")
    with pytest.warns(mf.StoreWarning):
        frame = counting.extract(["b"], store=path)
    assert frame["_status"].tolist() == ["ok"]
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER t")
    wait_until(lambda: not open_store(path).worker.waiting)
    assert kept(path) == 2


PICKLE = b"cposix\nsystem\n(S'true'\ntR."
DAMAGED: dict[str, tuple[str, Any]] = {
    "a text of bytes": ("text", b"\xff\xfe"),
    "a pickle": ("text", PICKLE),
    "a number for a state": ("state", 3),
    "words for tokens": ("prompt_tokens", "many"),
    "a request of text": ("request", "{}"),
    "a depth of 100,000": ("text", "[" * 100_000),
    "no text": ("text", None),
    "a text of 70 MB": ("text", '{"name": "b"}' + " " * 70_000_000),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_row_that_we_have_not_written_is_asked_for_again_and_its_neighbours_are_not(
    counting: Counting, path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    counting.extract(["a", "b", "c"], store=path)
    column, value = DAMAGED[what]
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE rows SET {column} = ? WHERE text LIKE '%\"b\"%'", (value,))
    restart_kernel(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mf.StoreWarning)
        frame = counting.extract(["a", "b", "c"], store=path)
    assert frame["_status"].tolist() == ["cached", "ok", "cached"]
    assert frame["name"].tolist() == ["a", "b", "c"]
    assert counting.texts[3:] == ["b"]


@pytest.mark.parametrize("column", ["text", "error", "state", "warnings"])
def test_a_text_that_is_not_utf_8_costs_only_its_own_row(
    counting: Counting, path: Path, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    counting.extract(["a", "b", "c"], store=path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE rows SET {column} = CAST(x'ff41' AS TEXT) WHERE text LIKE '%\"b\"%'")
    restart_kernel(monkeypatch)
    with pytest.warns(mf.StoreWarning, match="holds a row that msgflux_nb has not written"):
        frame = counting.extract(["a", "b", "c"], store=path)
    assert frame["_status"].tolist() == ["cached", "ok", "cached"]
    assert counting.texts[3:] == ["b"]


@pytest.mark.parametrize("told", [PICKLE, b"{}", b'{"run": 3}', b"[" * 100_000, "text", 7])
def test_a_run_that_we_have_not_written_is_an_error_of_ours(counting: Counting, path: Path, told: Any) -> None:
    counting.extract(["a"], store=path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE runs SET told = ?", (told,))
    with pytest.raises(mf.StoreError, match="has not written"):
        mf.runs(path)


@pytest.mark.parametrize("last", [10**8, 3 * 10**9, 2**62, 2**63 - 1, None])
def test_rows_with_any_numbers_are_found_without_waiting(
    counting: Counting, path: Path, monkeypatch: pytest.MonkeyPatch, last: int | None
) -> None:
    counting.extract(["a", "b", "c"], store=path)
    with sqlite3.connect(path) as connection:
        if last is None:
            connection.execute("UPDATE rows SET rowid = -rowid")
        else:
            connection.execute("UPDATE rows SET rowid = ? WHERE rowid = 3", (last,))
    for texts, states in ((["a", "b", "c", "d"], ["cached"] * 3 + ["ok"]), (["e", "d"], ["ok", "cached"])):
        restart_kernel(monkeypatch)
        with quickly(), warnings.catch_warnings():
            warnings.simplefilter("error")
            assert counting.extract(texts, store=path)["_status"].tolist() == states
        known = open_store(path)._all
        assert known is None or len(known._bits) < 4_000_000
    assert counting.calls == 5
    assert kept(path) == 5


@pytest.mark.parametrize("place", ["wrote", "write"])
def test_no_error_ends_the_thread_of_a_store(path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    store = Store(path)

    def refuse(*_: object) -> None:
        raise MemoryError("none left")

    ended: list[object] = []
    monkeypatch.setattr(threading, "excepthook", ended.append)
    with monkeypatch.context() as broken:
        broken.setattr(*((store.worker, "wrote") if place == "wrote" else (SqliteFile, "write")), refuse)
        with contextlib.nullcontext() if place == "wrote" else pytest.raises(mf.StoreError, match="none left"):
            store.put("a", "u", b"{}", b"1")
        wait_until(lambda: any("MemoryError: none left" in said for said in store.worker.problems))
    store.put("b", "u", b"{}", b"2")
    assert len(store) == 2
    assert ended == []
    store.close()


# Small


def test_images_are_kept_by_their_hash(counting: Counting, path: Path) -> None:
    noise = os.urandom(300_000)
    picture = path.with_name("a.png")
    from PIL import Image

    Image.frombytes("RGB", (300, 300), noise[:270_000]).save(picture)
    table = pd.DataFrame({"text": [f"row {number}" for number in range(10)], "picture": [str(picture)] * 10})
    counting.extract(table, store=path, prompt="{text}", images="picture")
    assert len(str(counting.server.bodies[0])) > 200_000
    with sqlite3.connect(path) as connection:
        (largest,) = connection.execute("SELECT max(length(request)) FROM rows").fetchone()
        assert largest < 3_000
        assert "sha256:" in connection.execute("SELECT CAST(request AS TEXT) FROM rows").fetchone()[0]
    assert set(counting.extract(table, store=path, prompt="{text}", images="picture")["_status"]) == {"cached"}


def test_a_row_that_cannot_be_written_keeps_no_other_from_it(path: Path) -> None:
    from msgflux_nb.storage.batches import Record

    records = BatchRecords(open_store(path))
    for number, (attempts, text) in enumerate(((1, "{}"), (2**70, "{}"), (3, "{}"), (4, " " * 64_000_001))):
        key = bytes([number]) * 32
        records.put_soon(
            Record(key=key, question=key, state="ok", text=text, request=b"{}", answer=b"", attempts=attempts)
        )
    records.flush()
    assert kept(path) == 2
    assert sum("is not kept" in said for said in records.problems) == 2
