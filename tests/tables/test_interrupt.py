"""A person's interrupt: SIGINT to another process that calls a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from msgflux_nb.tables.interrupts import watch_interrupts
from tests.moments import LONG, quickly
from tests.scripted import Reply, Server, completion, serving
from tests.thorough import few

CITY = json.dumps({"name": "Ur"})
QUICK = completion(CITY)
SLOW = Reply([LONG, *QUICK.pieces], headers=QUICK.headers)
ROWS, FINISHED, AT_ONCE = 20, 6, 4
PENDING = ROWS - FINISHED - AT_ONCE

PREPARE = """
import asyncio, json, time, msgspec, msgflux_nb as mf

class City(msgspec.Struct):
    name: str

model = mf.Model.chat_completion("scripted", base_url="{url}")
texts = [str(number) for number in range({rows})]
"""
ARGUMENTS = f"texts, City, model=model, max_concurrency={AT_ONCE}, progress=False"
CALLS = {
    "extract": f"frame = mf.extract({ARGUMENTS})",
    "aextract": f"frame = await mf.aextract({ARGUMENTS})",
}
# In a cell with an ``await``, ipykernel's own handler of SIGINT raises nothing, but cancels at the next ``await``.
AWAITED = {**CALLS, "extract, after an await": f"await asyncio.sleep(0)\n{CALLS['extract']}"}
SHOW = "print(json.dumps(frame['_status'].tolist()), flush=True)"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(*[QUICK] * FINISHED, SLOW) as server:
        yield server


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def check_the_states(printed: str | bytes) -> None:
    """Check that each row has one state; the network decides which of the first rows were served at once."""
    states = json.loads(printed)
    assert len(states) == ROWS
    assert sorted(states[:-PENDING]) == ["interrupted"] * AT_ONCE + ["ok"] * FINISHED
    assert states[-PENDING:] == ["pending"] * PENDING


def check_the_server(server: Server) -> None:
    """Check that nothing was sent after the interrupt, and that waiting connections were closed."""
    assert len(server.bodies) == FINISHED + AT_ONCE
    wait_until(server.left.is_set)
    time.sleep(0.3)
    assert len(server.bodies) == FINISHED + AT_ONCE


SCRIPTS = {
    "extract": CALLS["extract"],
    "aextract": f"async def main():\n    {CALLS['aextract']}\n    return frame\nframe = asyncio.run(main())",
}


@pytest.mark.parametrize("way", SCRIPTS)
def test_an_interrupted_script_gets_its_frame_at_once(server: Server, way: str) -> None:
    code = PREPARE.format(url=server.url, rows=ROWS) + SCRIPTS[way] + "\n" + SHOW
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_until(lambda: len(server.bodies) == FINISHED + AT_ONCE)
        time.sleep(0.2)
        assert child.stdout is not None
        with quickly():
            os.kill(child.pid, signal.SIGINT)
            states = child.stdout.readline()
        check_the_states(states)
        check_the_server(server)
        assert child.wait(10) == 0
        assert child.stderr is not None
        assert child.stderr.read() == b""
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("way", SCRIPTS)
@pytest.mark.parametrize("after", few([(0.25,), (0.02, 0.05), (0.1, 0.25), (0.2, 0.25), (0.2, 0.4, 0.6)], 2), ids=str)
def test_interrupts_that_follow_the_first_one_do_not_cost_the_frame(way: str, after: tuple[float, ...]) -> None:
    for _ in range(3):
        with serving(*[QUICK] * FINISHED, SLOW) as server:
            pause, printed, said = interrupted_again(server, way, after)
        if pause < 0.27:  # else this process was late, and one came when the script was past its frame
            break
    assert said == b""
    check_the_states(printed)


def interrupted_again(server: Server, way: str, after: tuple[float, ...]) -> tuple[float, bytes, bytes]:
    """Interrupt a script repeatedly; return the longest pause between two interrupts, its output, and its errors."""
    code = PREPARE.format(url=server.url, rows=ROWS) + SCRIPTS[way] + "\n" + SHOW
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_until(lambda: len(server.bodies) == FINISHED + AT_ONCE)
        time.sleep(0.2)
        began = last = time.monotonic()
        pause = 0.0
        for moment in (0.0, *after):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            os.kill(child.pid, signal.SIGINT)
            now = time.monotonic()
            pause, last = max(pause, now - last), now
        return pause, *child.communicate(timeout=10)
    finally:
        child.kill()
        child.communicate()


def test_rows_that_do_not_come_can_be_interrupted(server: Server) -> None:
    rows = "(print('asked', flush=True) or time.sleep(30) or str(number) for number in range(20))"
    code = PREPARE.format(url=server.url, rows=ROWS) + CALLS["extract"].replace("(texts", f"({rows}") + "\n" + SHOW
    child = subprocess.Popen([sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"asked\n"
        time.sleep(0.1)
        began = time.monotonic()
        os.kill(child.pid, signal.SIGINT)
        assert json.loads(child.stdout.readline()) == []
        assert time.monotonic() - began < 5
    finally:
        child.kill()
        child.communicate()


def test_an_interrupt_that_is_looked_for_is_raised_only_where_others_may_wait() -> None:
    with watch_interrupts(looks=True) as seen:
        signal.raise_signal(signal.SIGINT)
        assert seen.is_set()
        with pytest.raises(KeyboardInterrupt), seen.raised():
            pass
    with watch_interrupts(looks=True) as seen:
        with pytest.raises(KeyboardInterrupt), seen.raised():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    with watch_interrupts() as seen, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_handler_of_the_users_own_is_called_once() -> None:
    called: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: called.append(number))
    try:
        with watch_interrupts(looks=True) as seen:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert seen.is_set()
    finally:
        signal.signal(signal.SIGINT, before)
    assert called == [signal.SIGINT]


class Kernel:
    """A real kernel; ``start`` runs a cell, ``finish`` waits for its reply and returns its output."""

    def __init__(self) -> None:
        self.manager, self.client = start_new_kernel(kernel_name="python3")

    def run(self, code: str) -> str:
        self.start(code)
        return self.finish()

    def start(self, code: str) -> None:
        self.cell = self.client.execute(code)

    def finish(self) -> str:
        reply = self.client.get_shell_msg(timeout=30)["content"]
        assert reply["status"] == "ok", reply
        printed: list[str] = []
        while True:
            message = self.client.get_iopub_msg(timeout=10)
            if message["parent_header"].get("msg_id") != self.cell:
                continue
            content: dict[str, Any] = message["content"]
            if message["msg_type"] == "stream":
                printed.append(content["text"])
            elif content.get("execution_state") == "idle":
                return "".join(printed)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.mark.parametrize("way", AWAITED)
def test_an_interrupted_cell_returns_with_the_finished_rows(server: Server, kernel: Kernel, way: str) -> None:
    kernel.run(PREPARE.format(url=server.url, rows=ROWS))
    kernel.start(AWAITED[way])
    wait_until(lambda: len(server.bodies) == FINISHED + AT_ONCE)
    time.sleep(0.2)
    with quickly():
        kernel.manager.interrupt_kernel()
        kernel.finish()
    check_the_states(kernel.run(SHOW))
    check_the_server(server)


def test_after_an_interrupt_the_next_cell_works(server: Server, kernel: Kernel) -> None:
    kernel.run(PREPARE.format(url=server.url, rows=ROWS))
    kernel.start(CALLS["extract"])
    wait_until(lambda: len(server.bodies) == FINISHED + AT_ONCE)
    kernel.manager.interrupt_kernel()
    kernel.finish()
    with serving(QUICK) as other:
        kernel.run(PREPARE.format(url=other.url, rows=3) + CALLS["extract"])
        assert json.loads(kernel.run(SHOW)) == ["ok"] * 3
        kernel.run(CALLS["aextract"])
        assert json.loads(kernel.run(SHOW)) == ["cached"] * 3
        assert len(other.bodies) == 3


def test_after_an_interrupt_the_same_cell_goes_on(server: Server, kernel: Kernel) -> None:
    kernel.run(PREPARE.format(url=server.url, rows=ROWS))
    kernel.start(CALLS["extract"])
    wait_until(lambda: len(server.bodies) == FINISHED + AT_ONCE)
    time.sleep(0.2)
    kernel.manager.interrupt_kernel()
    kernel.finish()
    check_the_states(kernel.run(SHOW))
    server.replies = [QUICK]
    kernel.run(CALLS["extract"])
    states = json.loads(kernel.run(SHOW))
    assert sorted(states) == ["cached"] * FINISHED + ["ok"] * (ROWS - FINISHED)
    assert len(server.bodies) == ROWS + AT_ONCE


def test_the_bar_in_a_kernel_warns_of_nothing(kernel: Kernel) -> None:
    with serving(QUICK) as server:
        bar = CALLS["extract"].replace("progress=False", "progress=True")
        strict = "import warnings; warnings.simplefilter('error')\n"
        assert kernel.run(strict + PREPARE.format(url=server.url, rows=3) + bar) == ""
        assert json.loads(kernel.run(SHOW)) == ["ok"] * 3
