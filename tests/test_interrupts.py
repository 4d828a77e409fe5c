"""Tests that an interrupt acts within a second, whatever text, store or server keeps the process busy."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf
from tests.moments import LONG, quickly
from tests.scripted import Reply, completion, model_at, serving, stream

# Texts that once froze a kernel, and for each reader a text that a model can write.
READING = """
import json, signal, time
from tests.fuzz.growth import READERS, TEXTS

slow = [
    ("an answer as a structure", "an array of escaped quotes"),
    ("JSON as models write it", "an array of escaped quotes"),
    ("Markdown", "links that open"), ("Markdown in pieces", "nested lists"), ("Markdown in pieces", "a table"),
    ("two versions", "lines that differ"), ("JSON in pieces", "nested arrays that end"),
]
made = {"titles": "<title" * 50_000, "images": "![" * 100_000, "equal lines": "a\\n" * 100_000,
        "a list": "- a b c\\n" * 20_000, "letters": "a" * 200_000}
pairs = [(reader, TEXTS[name](200_000)) for reader, name in slow]
pairs += [("the body of an error", made["titles"]), ("Markdown", made["images"]), ("two versions", made["equal lines"])]
pairs += [("Markdown in pieces", made["a list"]), ("a row", made["letters"])]
pairs += [(reader, TEXTS["an array of escaped quotes"](50_000)) for reader in READERS]
found = []
for reader, text in pairs:
    read, came = READERS[reader], []

    def interrupted(signum, frame):
        came.append(time.process_time())
        raise KeyboardInterrupt

    read('["a"]')  # what it imports at first is not read under an interrupt
    signal.signal(signal.SIGALRM, interrupted)
    began = time.process_time()
    signal.setitimer(signal.ITIMER_REAL, 0.05)  # not a thread: one that waits for a busy thread's lock may starve
    try:
        while not came:  # extract keeps an interrupt to itself, and returns what it has
            read(text)
    except BaseException:  # what clears a temporary folder away may turn an interrupt into another error
        if not came:
            raise
    found.append((reader, time.process_time() - began))
print(json.dumps(found))
"""


def test_no_text_keeps_an_interrupt_waiting() -> None:
    """The test measures CPU time, since the machine may be busy with other things."""
    done = subprocess.run(
        [sys.executable, "-c", READING], capture_output=True, text=True, timeout=240, cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) > 30
    assert [reader for reader, seconds in found if seconds > 1] == []


BATCH = """
import json, sys, threading, msgspec, msgflux_nb as mf
from msgflux_nb.storage.file import SqliteFile

class City(msgspec.Struct):
    name: str

url, how, store = sys.argv[1:]
texts = [str(number) for number in range(20)]
if how == "store":
    hangs, write, began = threading.Event(), SqliteFile.write, []

    def hanging(self, statements):
        began.append(1)
        if len(began) > 3:
            print("busy", flush=True)
            hangs.wait()
        write(self, statements)

    SqliteFile.write = hanging
    execute = SqliteFile.execute
    SqliteFile.execute = lambda self, *a: (hangs.wait() if len(began) > 3 else None) or execute(self, *a)
if how == "opening":
    import time
    SqliteFile.open = lambda self: (print("busy", flush=True), time.sleep(30))
model = mf.Model.chat_completion("scripted", base_url=url)
options = {"model": model, "max_concurrency": 4, "progress": False}
try:
    if how == "dask":
        import dask, dask.dataframe, pandas as pd
        table = dask.dataframe.from_pandas(pd.DataFrame({"text": texts}), npartitions=2)
        with dask.config.set(scheduler="threads"):
            mf.extract(table, City, store=None, **options).compute()
    else:
        frame = mf.extract(texts, City, store=store if how in ("store", "opening") else None, **options)
        print(json.dumps(frame["_status"].tolist()), flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
import os
os._exit(0)
"""
CITY = json.dumps({"name": "Ur"})
HANGS = Reply([LONG, *completion(CITY).pieces], headers=completion(CITY).headers)


@pytest.mark.parametrize("how", ["server", "store", "opening", "dask"])
def test_nothing_that_hangs_keeps_an_interrupt_waiting(how: str, tmp_path: Path) -> None:
    with serving(*([HANGS] if how in ("server", "dask") else [completion(CITY)])) as server:
        command = [sys.executable, "-W", "ignore", "-c", BATCH, server.url, how, str(tmp_path / "run.sqlite")]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
        assert child.stdout is not None
        try:
            if how in ("server", "dask"):
                end = time.monotonic() + 60
                while not server.bodies and time.monotonic() < end:
                    time.sleep(0.02)
            else:
                assert child.stdout.readline() == "busy\n"
            time.sleep(0.3)
            with quickly():
                os.kill(child.pid, signal.SIGINT)
                said = child.stdout.readline()
                while said == "busy\n":
                    said = child.stdout.readline()
        finally:
            child.kill()
            child.communicate()
    assert said == "interrupted\n" if how in ("opening", "dask") else len(json.loads(said)) == 20


# -- an await in a cell --------------------------------------------------------------------------------------------


@pytest.fixture
def cell() -> Iterator[Callable[[Any, threading.Event], None]]:
    """Await as a cell of ipykernel does, and interrupt it; ipykernel's handler cancels the task but wakes no loop."""
    before, loop = signal.getsignal(signal.SIGINT), asyncio.new_event_loop()

    def interrupted(work: Any, begun: threading.Event) -> None:
        task = loop.create_task(work)
        signal.signal(signal.SIGINT, lambda *_: task.cancel())

        def interrupt() -> None:
            begun.wait()
            time.sleep(0.3)  # until the loop sleeps
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with quickly(), pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

    yield interrupted
    signal.signal(signal.SIGINT, before)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def read(model: mf.ChatCompletion, begun: threading.Event) -> None:
    async for _ in await model.acall("Hi", stream=True):
        begun.set()


async def run_a_tool(model: mf.ChatCompletion, begun: threading.Event) -> None:
    async def wait() -> str:
        """Wait."""
        begun.set()
        await asyncio.sleep(LONG)
        return "late"

    await mf.arun_tools(model, "Hi", tools=[wait])


CALL = {"id": "c", "type": "function", "function": {"name": "wait", "arguments": "{}"}}


@pytest.mark.skipif(sys.platform == "win32", reason="a signal is sent to a process")
@pytest.mark.parametrize(
    ("work", "reply"), [(read, stream("a ", LONG, "b")), (run_a_tool, completion(None, tool_calls=[CALL]))]
)
def test_an_interrupt_ends_an_await_in_a_cell(cell: Any, work: Any, reply: Reply) -> None:
    begun = threading.Event()
    with serving(reply) as server:
        cell(work(model_at(server.url), begun), begun)
