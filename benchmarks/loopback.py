"""A server on the loopback interface that answers like OpenAI, with answers that were rendered in advance.

The model's name selects the answer: ``text-2000-plain`` is a streamed text of 2,000 pieces, ``tools-2000-plain`` the
arguments of three parallel calls in 2,000 fragments; ``prose`` is text in paragraphs, ``table`` Markdown tables.
``paced`` sends each piece at its time (``paced2000``: every 2,000 µs); ``padded`` adds ``obfuscation`` to each, random
letters as OpenAI sends by default; ``responses`` and ``messages`` are the other wires. One event is one HTTP chunk. A
request without streaming gets a short answer in one piece. The server is another process, on its own core if there are
two.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import random
import socket
import string
import threading
import time
from collections.abc import Iterator
from typing import Any

from loopback_wires import events_on

WORDS = [
    " the",
    " of",
    " model",
    " é",
    " a",
    "\n",
    " tokens",
    ' "said"',
    " and",
    " in",
    " returns",
    " words",
    ".",
    " 42",
]
ROW = ["|", " the", " model", " |", " returns", " **words**", " |", " 42", " |\n"]
ROWS = 20  # of a table
TOOLS = ("search_papers", "fetch_page", "run_code")
PACE = 200  # µs from one paced event to the next
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{}\r\n\r\n"


def expected(kind: str, pieces: int) -> str | list[str]:
    """Return the right result of a reader: the text, or the arguments of each call."""
    texts = [_word(kind, place) for place in range(pieces)]
    if kind != "tools":
        return "".join(texts)
    return [json.dumps({"query": "".join(texts[call::3])}, ensure_ascii=False) for call in range(3)]


def cores() -> tuple[int, int] | None:
    """Return the cores of the server and the client; None if a process cannot be bound or there is only one core."""
    free = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (free[0], free[-1]) if len(free) > 1 else None


class Server:
    """The server's process, as a context manager; ``url`` is the base address for an SDK."""

    def __enter__(self) -> Server:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        self._process = multiprocessing.Process(target=_serve, args=(listener,), daemon=True)
        self._process.start()
        listener.close()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(listener: socket.socket) -> None:
    bound = cores()
    if bound is not None:
        os.sched_setaffinity(0, {bound[0]})
    while True:
        line, _ = listener.accept()
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer_all, args=(line,), daemon=True).start()


def _answer_all(line: socket.socket) -> None:
    with line, contextlib.suppress(ConnectionError):  # the reader was stopped
        for request in _requests(line):
            if not request.get("stream"):
                line.sendall(_whole())
                continue
            kind, pieces, wire = request["model"].split("-")
            chunks = (
                _rendered_on(wire, kind, int(pieces))
                if wire in ("responses", "messages")
                else _rendered(kind, int(pieces), wire == "padded")
            )
            began = time.perf_counter()
            paced = wire.startswith("paced")
            pace = int(wire.removeprefix("paced") or PACE) if paced else 0
            for number, part in enumerate(chunks if paced else [b"".join(chunks)]):
                wait = began + number * pace / 1e6 - time.perf_counter()
                if wait > 0:
                    time.sleep(wait)
                line.sendall(part)


def _requests(line: socket.socket) -> Iterator[dict[str, Any]]:
    held = b""
    while True:
        while b"\r\n\r\n" not in held:
            data = line.recv(65_536)
            if not data:
                return
            held += data
        head, _, held = held.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(held) < length:
            held += line.recv(65_536)
        yield json.loads(held[:length])
        held = held[length:]


@functools.cache
def _rendered(kind: str, pieces: int, padded: bool) -> list[bytes]:
    """Return the head of the answer, then each event as an HTTP chunk."""
    opening: dict[str, Any] = {"role": "assistant", "content": None if kind == "tools" else "", "refusal": None}
    events = [_event(opening)]
    for call, name in enumerate(TOOLS if kind == "tools" else ()):
        function = {"name": name, "arguments": ""}
        events.append(
            _event(_fragment(call, id=f"call_{call}AbCdEfGhIjKlMnOpQrStUv", type="function", function=function))
        )
    if kind != "tools":
        events += [_event({"content": _word(kind, place)}) for place in range(pieces)]
    else:
        events += [
            _event(_fragment(place % 3, function={"arguments": _part(place, pieces)})) for place in range(pieces)
        ]
    events.append(_event({}, "tool_calls" if kind == "tools" else "stop"))
    usage = {"prompt_tokens": 58, "completion_tokens": pieces, "total_tokens": pieces + 58}
    events.append({**_common(), "choices": [], "usage": usage})
    chance = random.Random(7)
    for event in events if padded else ():
        event["obfuscation"] = "".join(chance.choices(string.ascii_letters, k=chance.randint(1, 16)))
    return _framed([f"data: {body}\n\n".encode() for body in [*map(_json, events), "[DONE]"]])


@functools.cache
def _rendered_on(wire: str, kind: str, pieces: int) -> list[bytes]:
    """Return the same answer on another wire."""
    words = [_word(kind, place) for place in range(pieces)]
    events = events_on(wire, TOOLS if kind == "tools" else (), words, lambda place: _part(place, pieces))
    return _framed([f"event: {event['type']}\ndata: {_json(event)}\n\n".encode() for event in events])


def _framed(payloads: list[bytes]) -> list[bytes]:
    chunks = [b"%x\r\n%b\r\n" % (len(payload), payload) for payload in payloads]
    return [
        HEAD.format("text/event-stream; charset=utf-8", "Transfer-Encoding: chunked").encode(),
        *chunks,
        b"0\r\n\r\n",
    ]


def _word(kind: str, place: int) -> str:
    if kind == "table":
        row, at = divmod(place, len(ROW))
        end = {0: "|---|---|--:|\n", ROWS - 1: "\n"}.get(row % ROWS, "") if at == len(ROW) - 1 else ""
        return ROW[at] + end
    word = WORDS[place % len(WORDS)]
    return "\n\n" if kind == "prose" and word == "\n" and place // len(WORDS) % 5 == 4 else word


def _part(place: int, pieces: int) -> str:
    """Return a fragment of JSON; the first and the last of each call include the braces of the object."""
    text = json.dumps(WORDS[place % len(WORDS)], ensure_ascii=False)[1:-1]
    return ('{"query": "' if place < 3 else "") + text + ('"}' if place >= pieces - 3 else "")


def _fragment(call: int, **fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": call, **fields}]}


def _common(kind: str = "chat.completion.chunk") -> dict[str, Any]:
    return {
        "id": "chatcmpl-CqX0aBcDeFgHiJkLmNoPqRsTuVwXy",
        "object": kind,
        "created": 1_790_000_000,
        "model": "gpt-4.1-nano-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_34a54ae93c",
    }


def _event(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**_common(), "choices": [choice], "usage": None}


def _whole() -> bytes:
    message = {"role": "assistant", "content": "Hello.", "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}
    body = _json({**_common("chat.completion"), "choices": [choice], "usage": usage}).encode()
    return HEAD.format("application/json", f"Content-Length: {len(body)}").encode() + body


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
