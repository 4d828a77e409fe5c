"""The cost of widgets in a notebook: messages and bytes to the page, Stop, interrupts, CPU time; frames in a browser.

    python benchmarks/notebook.py [--runs 3] [--kernel newest|oldest|both] [--only kernel|page] [--quick]

Kernels are real and driven over their own sockets as by JupyterLab; this process acts as the page, sends its messages
and measures what arrives. Then ``notebook_page`` opens real JupyterLab in Chromium and measures what a person notices.
The answers come from a server on the loopback interface at a steady pace. The oldest kernel is the one that `make test`
installs. Times are this machine's; the bounds are next to them.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.manager import KernelManager
from loopback import TOOLS, Server, expected
from notebook_page import page_figures
from stream import load, machine

OLDEST = Path(sys.prefix) / "oldest-ipykernel"
SETUP = f"""import time
import ipykernel
import msgflux_nb as mf
from IPython.display import display

def model(name):
    return mf.Model.chat_completion(name, base_url={{url!r}}, api_key='x', max_retries=0)

def _tool(name):
    def tool(query: str) -> str:
        return query
    tool.__name__ = name
    return tool

tools = [_tool(name) for name in {TOOLS!r}]
"""
DRAFT = {"text": "Write.", "role": "user", "call": "", "ids": [], "texts": {}}
RUN = {"type": "run", "prefill": "", "schema": "", "draft": DRAFT}
STOP = {"type": "stop"}
"""The messages of a playground's page for a click on Run and on Stop."""

LIMIT_SECONDS = 60


def is_end(content: dict[str, Any]) -> bool:
    return content.get("type") == "end"


def is_batch(content: dict[str, Any]) -> bool:
    return content.get("type") == "batch"


class Heard(NamedTuple):
    """A message of the kernel: its time, its type, its parent, its content, its bytes without and with its head."""

    at: float
    type: str
    parent: str
    content: dict[str, Any]
    size: int
    whole_size: int

    @property
    def custom(self) -> dict[str, Any]:
        """Return a widget's message to its page; empty for any other message."""
        data = self.content.get("data", {}) if self.type == "comm_msg" else {}
        return data["content"] if data.get("method") == "custom" else {}


class Kernel:
    """A kernel and all its messages."""

    def __init__(self, url: str, *, oldest: bool = False) -> None:
        self._manager = KernelManager(kernel_name="python3")
        path = [str(OLDEST)] if oldest else []
        path += filter(None, [os.environ.get("PYTHONPATH")])
        self._manager.start_kernel(env={**os.environ, "PYTHONPATH": os.pathsep.join(path)})
        self._client = self._manager.client()
        self._client.start_channels(iopub=False, stdin=False, control=True)
        self.heard: list[Heard] = []
        self._more = threading.Condition()
        self._closed = False
        self._socket = self._client.connect_iopub()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._wait_until_ready()
        self.run(SETUP.format(url=url))
        self.name = f"ipykernel {self.value('ipykernel.__version__')}"

    def close(self) -> None:
        """End it."""
        self._closed = True
        self._listener.join(5)
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def _wait_until_ready(self) -> None:
        for _ in range(LIMIT_SECONDS):  # messages before this socket is connected are lost
            with contextlib.suppress(TimeoutError):
                self.idle(self.start(""), seconds=1)
                return
        raise TimeoutError(f"the kernel does not answer within {LIMIT_SECONDS} s")

    def start(self, code: str, **expressions: str) -> str:
        """Start a cell without waiting for its end; return the id of its messages."""
        options: dict[str, Any] = {
            "store_history": False,
            "stop_on_error": False,
        }  # else an error would abort the next cell too
        return str(self._client.execute(code, user_expressions=expressions, **options))

    def run(self, code: str, **expressions: str) -> dict[str, Any]:
        """Run a cell to its end; return the reply."""
        request = self.start(code, **expressions)
        while True:
            reply = self._client.get_shell_msg(timeout=LIMIT_SECONDS)
            if reply["parent_header"].get("msg_id") == request:
                break
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"].get("traceback", [str(reply["content"])])))
        self.idle(request)
        content: dict[str, Any] = reply["content"]
        return content

    def value(self, expression: str) -> Any:
        """Return the value of an expression that has a JSON form."""
        told = self.run("import json", found=f"json.dumps({expression})")["user_expressions"]["found"]
        if told["status"] != "ok":
            raise RuntimeError(f"{told['ename']}: {told['evalue']}")
        return json.loads(eval(told["data"]["text/plain"]))  # the repr of a str from the kernel

    def tell(self, comm: str, content: dict[str, Any]) -> None:
        """Send a message to a widget as its page would."""
        data = {"comm_id": comm, "data": {"method": "custom", "content": content}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", data))

    def interrupt(self) -> None:
        """Interrupt the kernel, as the notebook's button does."""
        self._manager.interrupt_kernel()

    def wait(
        self, found: Callable[[Heard], bool], *, since: int = 0, count: int = 1, seconds: float = LIMIT_SECONDS
    ) -> Heard:
        """Wait for the ``count``-th message of a kind after message number ``since``."""
        end = time.monotonic() + seconds
        with self._more:
            while True:
                matching = [heard for heard in self.heard[since:] if found(heard)]
                if len(matching) >= count:
                    return matching[count - 1]
                if not self._more.wait(end - time.monotonic()):
                    raise TimeoutError(f"not within {seconds} s; last: {str(self.heard[-2:])[-2000:]}")

    def idle(self, request: str, *, seconds: float = LIMIT_SECONDS) -> Heard:
        """Wait until a cell has ended."""

        def over(heard: Heard) -> bool:
            return (heard.parent, heard.content.get("execution_state")) == (request, "idle")

        return self.wait(over, seconds=seconds)

    def _listen(self) -> None:
        session = self._client.session
        while not self._closed:
            if not self._socket.poll(200):
                continue
            frames = session.feed_identities(self._socket.recv_multipart())[1]
            at = time.perf_counter()
            message = session.deserialize(frames)
            size, whole = sum(map(len, frames[4:])), sum(map(len, frames))
            parent = message["parent_header"].get("msg_id", "")
            with self._more:
                self.heard.append(Heard(at, message["msg_type"], parent, message["content"], size, whole))
                self._more.notify_all()


class Figure(NamedTuple):
    """One row of the table; ``reached`` is None without a goal."""

    what: str
    value: str
    goal: str = "–"
    reached: bool | None = None


def playground(kernel: Kernel, answer: str) -> str:
    """Show a playground for a model; return its comm."""
    kernel.run(f"playground = mf.Playground(model({answer!r}))\ndisplay(playground)")
    return str(kernel.value("playground.comm.comm_id"))


def bounded(what: str, value: float, goal: float, unit: str, *, digits: int = 0, more: str = "") -> Figure:
    """Return a figure that should be at most ``goal``."""
    return Figure(what, f"{value:,.{digits}f} {unit}{more}", f"at most {goal:,g} {unit}", value <= goal)


def fragments(kernel: Kernel, count: int) -> Iterator[Figure]:
    """Measure fragments of three interleaved calls, which a cell reads as they come."""
    kernel.run(
        f"stream = model('tools-{count}-paced1000')('Write.', stream=True, tool_schemas=tools)\n"
        "view = mf.ToolCallView(stream)\ndisplay(view)"
    )
    since = len(kernel.heard)
    kernel.run("for _ in stream.events():\n    pass")
    kernel.wait(lambda heard: heard.custom.get("type") == "state" and heard.custom["state"] == "complete", since=since)
    batches = [heard for heard in kernel.heard[since:] if is_batch(heard.custom)]
    pieces = [piece for heard in batches for piece in heard.custom.get("calls", ())]
    told = [
        "".join(piece[4] or "" for piece in pieces if piece[0] == call) for call in dict.fromkeys(p[0] for p in pieces)
    ]
    seconds = batches[-1].at - batches[0].at
    exact = told == expected("tools", count)
    title = f"{count:,} fragments, three interleaved calls"
    yield Figure(f"{title}: what the page was told", "exact" if exact else "not exact", "exact", exact)
    yield bounded(f"{title}: messages", len(batches), int(seconds / 0.03) + 1, f"in {seconds:,.1f} s")
    gaps = [1e3 * (after.at - before.at) for before, after in itertools.pairwise(batches)]
    yield Figure(f"{title}: between two messages", f"{statistics.median(gaps):,.0f} ms (median)")


def stop(kernel: Kernel, count: int) -> Iterator[Figure]:
    """Measure Run and Stop by the page's messages: the time of the end on the page, and the kernel's state then."""
    times = []
    for _ in range(count):
        comm = playground(kernel, "prose-20000-paced2000")
        since = len(kernel.heard)
        kernel.tell(comm, RUN)
        kernel.wait(lambda heard: is_batch(heard.custom), since=since, count=5)
        began = time.perf_counter()
        kernel.tell(comm, STOP)
        times.append(1e3 * (kernel.wait(lambda heard: is_end(heard.custom), since=since).at - began))
        kept = kernel.value("playground.messages[-1]")
        if kept["role"] != "assistant" or not expected("prose", 20000).startswith(kept["content"]):
            raise RuntimeError(f"the answer so far was not kept: {kept}")
    more = f" ({min(times):,.0f}–{max(times):,.0f})"
    yield bounded(
        f"Stop of a run that the page started, median of {count}", statistics.median(times), 500, "ms", more=more
    )


def sizes(kernel: Kernel, tokens: int) -> Iterator[Figure]:
    """Measure all messages over comms for one answer, from Run to the end."""
    comm = playground(kernel, f"prose-{tokens}-paced1000")
    since = len(kernel.heard)
    kernel.tell(comm, RUN)
    kernel.wait(lambda heard: is_end(heard.custom), since=since)
    time.sleep(1)  # for the last messages: the turn, the snapshot for later pages, the twin
    heard = [one for one in kernel.heard[since:] if one.type == "comm_msg"]
    twins = [one for one in kernel.heard[since:] if one.type == "update_display_data"]
    own = len(expected("prose", tokens).encode())
    told, whole = sum(one.size for one in heard), sum(one.whole_size for one in heard)
    title = f"an answer of {tokens:,} tokens, {own / 1e3:,.1f} kB"
    yield Figure(f"{title}: messages on comms", f"{len(heard):,}")
    goal = round(2.2 * own / 1e3 + len(heard))
    allowed = f"{title}: their bytes; 2.2 times its own and 1 kB a message"
    yield bounded(allowed, whole / 1e3, goal, "kB", digits=1)
    yield Figure(f"{title}: their bytes without heads ÷ its own", f"{told / own:,.2f} ×")
    yield Figure(f"{title}: the twin beside it", f"{sum(t.size for t in twins) / own:,.2f} × in {len(twins)} messages")


def growth(kernel: Kernel, lengths: tuple[int, ...], runs: int) -> Iterator[Figure]:
    """Measure the CPU time of the kernel's process for answers of several lengths, with HTTP, events and widget."""
    medians = []
    for tokens in lengths:
        times = []
        for _ in range(runs):
            playground(kernel, f"prose-{tokens}-paced500")
            kernel.run(
                "playground.prompt = 'Write.'\nbegan = time.process_time()\nplayground.run(wait=True)\n"
                "spent = time.process_time() - began"
            )
            times.append(kernel.value("spent"))
        medians.append(statistics.median(times))
        per = 1e6 * medians[-1] / tokens
        yield Figure(f"CPU of the kernel for {tokens:,} tokens", f"{medians[-1]:,.3f} s, {per:,.0f} µs a token")
    ratio = (medians[-1] / lengths[-1]) / (medians[0] / lengths[0])
    title = f"CPU a token, {lengths[-1]:,} tokens ÷ {lengths[0]:,}"
    yield bounded(title, ratio, 1.5, "×", digits=2)


CELLS = {
    "`for` in a cell": ("for text in stream:\n    print(text, end='', flush=True)", "stream.snapshot.text"),
    "`async for` in a cell": (
        "async for text in stream:\n    print(text, end='', flush=True)",
        "stream.snapshot.text",
    ),
    "`playground.run(wait=True)` in a cell": (
        "playground.prompt = 'Write.'\nplayground.run(wait=True)",
        "playground.messages[-1]['content']",
    ),
}


def interrupts(kernel: Kernel, count: int) -> Iterator[Figure]:
    """Measure the time from the kernel's interrupt, 0.7 s after the answer has begun, to the end of the cell."""
    for title, (cell, kept) in CELLS.items():
        times = []
        for _ in range(count):
            playground(kernel, "prose-20000-paced2000")
            call = "await playground.model.acall" if "async" in cell else "playground.model"
            if "stream" in cell:
                kernel.run(f"stream = {call}('Write.', stream=True)")
            since = len(kernel.heard)
            request = kernel.start(cell)
            kernel.wait(lambda heard: is_batch(heard.custom) or heard.type == "stream", since=since)
            time.sleep(0.7)
            began = time.perf_counter()
            kernel.interrupt()
            times.append(1e3 * (kernel.idle(request).at - began))
            text = kernel.value(kept)
            if not text or not expected("prose", 20000).startswith(text):
                raise RuntimeError(f"{title}: the answer so far was not kept: {text[:80]!r}")
        more = f" ({min(times):,.0f}–{max(times):,.0f})"
        yield bounded(f"interrupt of {title}, median of {count}", statistics.median(times), 1000, "ms", more=more)


def figures(kernel: Kernel, *, runs: int, quick: bool) -> Iterator[Figure]:
    """Return all rows of the table."""
    yield from fragments(kernel, 200 if quick else 2000)
    yield from stop(kernel, 3 if quick else 9)
    yield from sizes(kernel, 500 if quick else 5000)
    yield from growth(kernel, (250, 500) if quick else (1000, 2000, 4000, 8000), 1 if quick else runs)
    yield from interrupts(kernel, 1 if quick else 3)


def kernels(chosen: argparse.Namespace) -> Iterator[tuple[str, Iterator[Figure]]]:
    """Yield each chosen kernel by its name, with its figures."""
    for name in ("newest", "oldest") if chosen.kernel == "both" else (chosen.kernel,):
        if name == "oldest" and not OLDEST.exists():
            print(f"\nThere is no {OLDEST}; `make test` brings it.")
            continue
        with Server() as server, contextlib.closing(Kernel(server.url, oldest=name == "oldest")) as kernel:
            yield kernel.name, figures(kernel, runs=chosen.runs, quick=chosen.quick)


def page(chosen: argparse.Namespace) -> Iterator[tuple[str, Iterator[Figure]]]:
    """Return the figures in a browser."""
    with Server() as server:
        rows, tokens, runs = (2_000, 500, 3) if chosen.quick else (20_000, 1_500, 9)
        found = page_figures(server.url, runs=runs, rows=rows, tokens=tokens)
        yield "JupyterLab in Chromium", (Figure(*felt) for felt in found)


def main() -> int:
    """Print a table for each kernel and one for the browser; return 1 if a goal is missed."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--kernel", choices=("newest", "oldest", "both"), default="both")
    options.add_argument("--only", choices=("kernel", "page"))
    options.add_argument("--quick", action="store_true")
    chosen = options.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("msgflux-nb", "ipywidgets", "anywidget"))
    print(f"{datetime.date.today()}, {machine()}, load {load()} before. {versions}.", flush=True)
    missed = 0
    parts = [] if chosen.only == "page" else [kernels(chosen)]
    parts += [] if chosen.only == "kernel" else [page(chosen)]
    for title, found in itertools.chain(*parts):
        print(f"\n| {title} | | goal | |\n|---|--:|---|---|", flush=True)
        for row in found:
            said = {None: "", True: "reached", False: "missed"}[row.reached]
            print(f"| {row.what} | {row.value} | {row.goal} | {said} |", flush=True)
            missed += row.reached is False
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
