"""The cache of answers: what is found again, what is kept on disk, and that a fault of the cache loses no answer."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickletools
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from msgflux_nb.storage import answers as store
from msgflux_nb.storage.answers import Store, open_store, request_key
from tests.models.test_chat import Call, both, call_sync, model_at
from tests.moments import LONG
from tests.scripted import completion, error, serving, stream
from tests.tables.test_store_faults import locked

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


class Person(msgspec.Struct):
    name: str


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget stores and what was learnt of servers after each test."""
    monkeypatch.setattr(server_quirks, "_known", {})
    monkeypatch.setattr(store, "_stores", {})


# What is found again


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_the_same_request_is_answered_without_being_sent(call: Call, streamed: bool, tmp_path: Path) -> None:
    with serving(stream("Hel", "lo") if streamed else completion("Hello")) as server:
        model = model_at(server.url, cache=tmp_path)
        first, paid = call(model, "Hi", stream=streamed)
        second, found = call(model, "Hi", stream=streamed)
        assert len(server.bodies) == 1
    assert first == second == "Hello"
    assert (paid.metadata.cached, paid.metadata.attempts) == (False, 1)
    assert (found.metadata.cached, found.metadata.attempts, found.metadata.cost) == (True, 0, 0.0)
    assert streamed or found.metadata.usage.total_tokens == 7
    assert found.metadata.seconds is not None


def test_a_cache_that_another_process_holds_does_not_block_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msgflux_nb.storage.worker.LATE_SECONDS", LONG)
    path = tmp_path / "a.sqlite"

    async def ask() -> None:
        with locked(path):
            answering = asyncio.create_task(model.acall("Hi"))
            while not open_store(path).worker.waiting:
                await asyncio.sleep(0.01)
            assert not answering.done()
        assert (await answering).consume() == "Hello"
        assert (await model.acall("Hi")).metadata.cached

    with serving(completion("Hello")) as server:
        model = model_at(server.url, cache=path)
        asyncio.run(ask())
        assert len(server.bodies) == 1


def test_a_stream_from_the_cache_comes_in_the_same_parts(tmp_path: Path) -> None:
    with serving(stream("Hel", "lo")) as server:
        model = model_at(server.url, cache=tmp_path)
        fresh = list(model("Hi", stream=True).events())
        assert list(model("Hi", stream=True).events()) == fresh
        assert list(model("Hi", stream=True)) == ["Hel", "lo"]
        assert len(server.bodies) == 1


USUAL: dict[str, Any] = {"messages": "Hi"}


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ({"temperature": 1}, {}),
        ({"seed": 1}, {}),
        ({"max_tokens": 5}, {}),
        ({"extra_body": {"top_k": 3}}, {}),
        ({}, {"messages": "Hi "}),
        ({}, {"messages": [{"role": "user", "content": "Hi", "name": "Ada"}]}),
        ({}, {"system_prompt": "Be kind."}),
        ({}, {"prefilling": "Sure"}),
        ({}, {"generation_schema": Person}),
        ({}, {"tool_schemas": [TOOL]}),
        ({}, {"tool_schemas": [TOOL], "tool_choice": "none"}),
        ({}, {"stream": True}),
    ],
)
def test_a_change_of_any_part_makes_another_request(
    options: dict[str, Any], keywords: dict[str, Any], tmp_path: Path
) -> None:
    profile = {"prefill": "continue", "echo": False}
    with serving(completion('{"name": "Ada"}')) as server:
        call_sync(model_at(server.url, cache=tmp_path, profile=profile), **USUAL)
        for sent in (2, 2):  # sent once more, then found
            call_sync(model_at(server.url, cache=tmp_path, profile=profile, **options), **{**USUAL, **keywords})
            assert len(server.bodies) == sent


def test_another_model_or_another_server_is_another_request(tmp_path: Path) -> None:
    with serving(completion("one")) as first, serving(completion("two")) as second:
        model_at(first.url, cache=tmp_path)("Hi")
        mf.Model.chat_completion("other", base_url=first.url, cache=tmp_path)("Hi")
        assert len(first.bodies) == 2
        assert model_at(second.url, cache=tmp_path)("Hi").consume() == "two"


def test_the_order_of_fields_and_the_key_make_no_difference(tmp_path: Path) -> None:
    with serving(completion("Hello")) as server:
        model_at(server.url, cache=tmp_path, extra_body={"a": 1, "b": {"c": 2, "d": 3}}, api_key="k1")("Hi")
        model_at(server.url, cache=tmp_path, extra_body={"b": {"d": 3, "c": 2}, "a": 1}, api_key="k2")("Hi")
        assert len(server.bodies) == 1
    assert request_key("u", b'{"a":1,"b":2}') == request_key("u", b'{"b":2,"a":1}')
    assert request_key("u", b'{"a":1}') != request_key("v", b'{"a":1}')


@both
def test_an_answer_that_failed_or_was_cut_is_not_kept(call: Call, tmp_path: Path) -> None:
    with serving(error(400, "no"), stream("Hel", done=False, cut=True), completion("Hello")) as server:
        model = model_at(server.url, cache=tmp_path)
        with pytest.raises(mf.BadRequestError):
            call(model, "Hi")
        with pytest.raises(mf.StreamInterruptedError):
            call(model, "Hi", stream=True)
        assert len(open_store(tmp_path)) == 0
        assert call(model, "Hi")[0] == "Hello"


def test_a_second_request_of_the_same_call_is_found_too(tmp_path: Path) -> None:
    with serving(completion("no"), completion('{"name": "Ada"}')) as server:
        model = model_at(server.url, cache=tmp_path)
        assert model("Hi", generation_schema=Person).metadata.attempts == 2
        again = model("Hi", generation_schema=Person)
        assert again.consume() == Person("Ada")
        assert len(server.bodies) == 2
    assert (again.metadata.cached, again.metadata.attempts, again.metadata.cost) == (True, 0, 0.0)


# What is on disk


def test_the_bytes_are_those_that_came_and_nothing_that_runs(tmp_path: Path) -> None:
    reply = stream("Hel", "lo")
    with serving(reply) as server:
        model_at(server.url, cache=tmp_path / "cache", api_key="canary-0123456789")("Hi", stream=True).consume()
    file = tmp_path / "cache" / "answers.sqlite"
    [(answer, request)] = sqlite3.connect(file).execute("SELECT answer, request FROM answers").fetchall()
    assert answer == b"".join(piece for piece in reply.pieces if isinstance(piece, bytes))
    assert json.loads(request)["messages"] == [{"role": "user", "content": "Hi"}]
    for left in file.parent.iterdir():
        data = left.read_bytes()
        assert b"canary" not in data
        with pytest.raises(Exception):  # noqa: B017  # whatever pickle says of what is no pickle
            list(pickletools.genops(data))


def test_the_folder_and_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    with serving(completion("Hello")) as server:
        model_at(server.url, cache=tmp_path / "cache")("Hi")
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").iterdir()}
    assert set(modes.values()) == {0o600}
    assert "answers.sqlite" in modes


@pytest.mark.parametrize(
    ("given", "file"),
    [("here", "here/answers.sqlite"), ("here.sqlite", "here.sqlite"), ("a/b.db", "a/b.db"), (".", "answers.sqlite")],
)
def test_a_name_with_an_ending_of_sqlite_is_a_file_and_any_other_a_folder(
    given: str, file: str, tmp_path: Path
) -> None:
    open_store(tmp_path / given)
    assert (tmp_path / file).is_file()


# What cannot be used


def write_newer(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")


def write_other(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_bytes(b"no database, but long enough to be taken for one" * 40), "cannot be used"),
        (write_newer, "newer version"),
        (write_other, "the database of another program"),
    ],
)
def test_a_file_of_something_else_is_refused_before_anything_is_sent(write: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    write(path)
    before = path.read_bytes()
    with pytest.raises(mf.StoreError, match=words):
        mf.Model.chat_completion("m", base_url="http://127.0.0.1:1/v1", cache=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".sqlite", "a\0.sqlite", "~nobody-has-this-name/a.sqlite"])
@pytest.mark.parametrize(
    "use", [open_store, mf.runs, lambda name: mf.extract(["a"], str, store=name, model="openai/a")]
)
def test_a_name_that_no_file_can_have_is_an_error_of_ours(use: Any, name: str) -> None:
    with pytest.raises(mf.StoreError, match=r"cannot be used: .+\. Expected a path"):
        use(name)


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(mf.StoreError, match="file"):
        open_store(tmp_path / "file" / "cache")


def spoil(path: Path) -> None:
    """Damage everything after the header of an open file."""
    for left in path.parent.glob(f"{path.name}*"):
        data = left.read_bytes()
        left.write_bytes(data[:100] + b"\xff" * (len(data) - 100))


@both
def test_a_disk_that_fails_costs_a_warning_and_no_answer(call: Call, tmp_path: Path) -> None:
    with serving(completion("Hello")) as server:
        model = model_at(server.url, cache=tmp_path)
        open_store(tmp_path).close()
        with pytest.warns(RuntimeWarning, match="cache") as warned:
            value, response = call(model, "Hi")
    assert value == "Hello"
    assert response.metadata.attempts == 1
    assert len(warned) == 2  # it could not be looked for, and not be kept


@both
def test_a_file_that_is_spoilt_meanwhile_costs_a_warning_and_no_answer(call: Call, tmp_path: Path) -> None:
    with serving(completion("Hello")) as server:
        call(model_at(server.url, cache=tmp_path), "first")
        open_store(tmp_path).close()
        model = model_at(server.url, cache=tmp_path)
        spoil(tmp_path / "answers.sqlite")
        with pytest.warns(RuntimeWarning, match="cache"):
            assert call(model, "second")[0] == "Hello"


@both
@pytest.mark.parametrize("kept", [b"", b"<html>", b'{"choices": []', b"data: {}\n\n"])
def test_an_unusable_answer_in_the_cache_is_asked_for_again(call: Call, kept: bytes, tmp_path: Path) -> None:
    with serving(completion("Hello")) as server:
        model = model_at(server.url, cache=tmp_path)
        call(model, "Hi")
        with sqlite3.connect(tmp_path / "answers.sqlite") as connection:
            connection.execute("UPDATE answers SET answer = ?", (kept,))
        with pytest.warns(RuntimeWarning, match="cannot be used"):
            value, response = call(model, "Hi")
        assert (value, response.metadata.cached, response.metadata.attempts) == ("Hello", False, 1)
        assert call(model, "Hi")[1].metadata.cached  # the new answer replaces the old one


# Threads and processes


def test_many_threads_share_a_store(tmp_path: Path) -> None:
    shared = open_store(tmp_path)
    assert open_store(str(tmp_path)) is shared

    def work(number: int) -> None:
        for i in range(20):
            shared.put(f"{number}-{i}", "u", b"{}", b"x" * 1_000)
            assert shared.get(f"{number}-{i}") == b"x" * 1_000

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shared) == 160


WRITER = """
import sys
from msgflux_nb.storage.answers import Store
kept = Store(sys.argv[1])
for number in range(int(sys.argv[3])):
    kept.put(f"{sys.argv[2]}-{number}", "u", b"{}", b"x" * 5_000)
    print(number, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("folder", range(4))
def test_processes_create_and_write_the_same_file_at_once(folder: int, tmp_path: Path) -> None:
    running = [writer(tmp_path, name, 20) for name in ("a", "b", "c")]
    for process in running:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(Store(tmp_path)) == 60


def test_a_process_that_is_killed_while_it_writes_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    process = writer(tmp_path, "a", 1_000_000)
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(30)]
    time.sleep(0.013)
    process.send_signal(signal.SIGKILL)
    seen += process.communicate()[0].splitlines(keepends=True)
    acknowledged = [int(line) for line in seen if line.endswith("\n")]
    left = Store(tmp_path)
    assert len(acknowledged) >= 30
    assert all(left.get(f"a-{number}") == b"x" * 5_000 for number in acknowledged)


FORKS = """
import os, sys
from msgflux_nb.storage.answers import Store
kept = Store(sys.argv[1])
kept.put("parent", "u", b"{}", b"1")
kept.worker._lock.acquire()  # as by another thread of the parent, in the middle of something
child = os.fork()
if child == 0:
    kept.put("child", "u", b"{}", b"2")
    sys.exit(0 if kept.get("parent") == b"1" else 2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
kept.worker._lock.release()
kept.put("later", "u", b"{}", b"3")
assert [kept.get(key) for key in ("parent", "child", "later")] == [b"1", b"2", b"3"]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_a_connection_of_its_own(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKS, str(tmp_path)], check=True, timeout=30)


def test_a_copy_of_a_model_keeps_its_answers_in_the_same_file(tmp_path: Path) -> None:
    with serving(completion("once")) as server:
        model = model_at(server.url, cache=tmp_path)
        model("Hi")
        assert copy.deepcopy(model)("Hi").metadata.cached
        assert len(server.bodies) == 1
