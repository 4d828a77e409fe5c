"""A server with every kind of fault: a plan says in advance which fault each attempt at a row meets."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.tables.scripted_model import bare

__all__ = ["Chaos", "chaos", "ends", "may_end", "planned"]

# The frequency in a hundred attempts, and the row's state afterwards: None if the row is sent again.
_PLAN: dict[str, tuple[int, str | None]] = {
    "good": (60, "ok"),
    "good, in pieces": (4, "ok"),
    "good, and then closed": (4, "ok"),
    "reset": (4, None),
    "closed before the head": (3, None),
    "half a head": (2, None),
    "half a body": (4, None),
    "half a chunk": (3, None),
    "hangs": (2, None),
    "slow": (2, None),
    "500": (2, None),
    "a page, with 502": (2, None),
    "wrong type": (2, "invalid"),
    "half of the JSON": (2, "invalid"),
    "cut at its limit": (1, "truncated"),
    "no JSON at all": (1, None),
    "a page, with 200": (1, None),
    "no choices": (1, None),
}
_KINDS, _WEIGHTS = list(_PLAN), [weight for weight, _ in _PLAN.values()]
_STORM_SECONDS, _CALM_SECONDS = 0.5, 4.0  # at the end of each stretch everything is refused
_REFUSED = 0.03  # of all others, by chance


def planned(row: str, attempt: int) -> str:
    """Return the fault that an attempt at a row meets outside a storm."""
    return random.Random(f"{row}/{attempt}").choices(_KINDS, _WEIGHTS)[0]


def may_end(row: str, attempts: int) -> set[str]:
    """Return the allowed ends of a row after so many attempts, by processes of which some were killed."""
    met = {_PLAN[planned(row, attempt)][1] for attempt in range(attempts)}
    return {state for state in met if state is not None} | {"failed"}


def ends(row: str, attempts: int) -> tuple[str, int]:
    """Return the end of a row that may have so many attempts, and the number of attempts that it needs."""
    for attempt in range(attempts):
        state = _PLAN[planned(row, attempt)][1]
        if state is not None:
            return state, attempt + 1
    return "failed", attempts


class Chaos:
    """The server.

    Attributes:
        url: the address of the server.
        met: how often each fault happened.
        tried: the number of attempts at each row that met the plan.
        answered: the number of complete and right answers to each row.
    """

    def __init__(self) -> None:
        self.url = ""
        self.met: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._began = time.monotonic()

    async def serve(self, ready: threading.Event, end: asyncio.Event) -> None:
        """Answer until the server is stopped."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        ready.set()
        await end.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                await self._answer(bare(body["messages"][-1]["content"]), writer)
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def _answer(self, row: str, writer: asyncio.StreamWriter) -> None:
        storm = (time.monotonic() - self._began) % (_CALM_SECONDS + _STORM_SECONDS) > _CALM_SECONDS
        if storm or random.random() < _REFUSED:
            self.met["429"] += 1
            wish = b"retry-after-ms: 100\r\n" if random.random() < 0.5 else b""
            writer.write(_message(b'{"error": {"message": "slow down"}}', b"429 Too Many Requests", wish))
            return
        kind = planned(row, self.tried[row])
        self.tried[row] += 1
        self.met[kind] += 1
        await asyncio.sleep(random.uniform(0.001, 0.02))
        await self._do(kind, row, writer)

    async def _do(self, kind: str, row: str, writer: asyncio.StreamWriter) -> None:
        good = _completion(json.dumps({"name": row, "number": len(row)}))
        match kind:
            case "good" | "good, and then closed":
                closing = b"connection: close\r\n" if kind != "good" else b""
                writer.write(_message(good, headers=closing))
                await writer.drain()
                self.answered[row] += 1
                if closing:
                    raise EOFError
            case "good, in pieces":
                whole = _message(good)
                for start in range(0, len(whole), 37):
                    writer.write(whole[start : start + 37])
                    await asyncio.sleep(0.0005)
                self.answered[row] += 1
            case "reset":
                raw: Any = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise EOFError
            case "hangs":
                await asyncio.sleep(30)
            case "slow":
                for byte in _message(good):
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.1)
            case _:
                writer.write(_wrong(kind, good))
                await writer.drain()
                if "half a" in kind or kind.startswith("closed"):
                    writer.write_eof()
                    raise EOFError


def _wrong(kind: str, good: bytes) -> bytes:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return {
        "closed before the head": b"",
        "half a head": b"HTTP/1.1 200 OK\r\ncontent-ty",
        "half a body": _message(good)[: -len(good) // 2],
        "half a chunk": chunked + b"%x\r\n" % len(good) + good[: len(good) // 2],
        "500": _message(b'{"error": {"message": "it broke"}}', b"500 Internal Server Error"),
        "a page, with 502": _message(b"<html><title>Bad Gateway</title></html>", b"502 Bad Gateway"),
        "a page, with 200": _message(b"<!doctype html><html><title>Sign in</title><body>Sign in</body></html>"),
        "no choices": _message(b'{"id": "a", "model": "m", "choices": []}'),
        "wrong type": _message(_completion('{"name": "x", "number": "many"}')),
        "half of the JSON": _message(_completion('{"name": "x", "num')),
        "cut at its limit": _message(_completion('{"name": "x"', reason="length")),
        "no JSON at all": _message(b"no JSON at all"),
    }[kind]


def _completion(text: str, reason: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    usage = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
    return json.dumps({"id": "a", "model": "m", "choices": [choice], "usage": usage}).encode()


def _message(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
        status,
        headers,
        len(body),
        body,
    )


@contextmanager
def chaos() -> Iterator[Chaos]:
    """Run the server on a separate thread."""
    server, ready = Chaos(), threading.Event()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(ready, end),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
