"""A loopback server that behaves like a hosted provider: what it answers follows from what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.scripted import Reply, Server, chunk, completion, error

CONTEXT_CHARACTERS = 20_000
ANSWER = "The capital of France is Paris."
CONTINUATION = ", Green, Blue."
PERSON = '{"name": "Maria Silva", "age": 34, "city": "Lisbon"}'
ARGUMENTS = '{"city": "Paris", "unit": "C"}'
USAGE = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}


class Hosted(Server):
    """Answers text, structures, calls and prefills; ``echoes`` says whether an answer begins with the prefill again."""

    echoes = False

    def next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        self.bodies.append(body)
        self.headers.append(headers)
        size = sum(len(str(message["content"])) for message in body["messages"])
        if size > CONTEXT_CHARACTERS:
            said = f"This model's maximum context length is 4096 tokens, but the request has {size // 4} tokens."
            return error(400, said)
        if body.get("tool_choice", "auto") not in ("auto", "none"):
            return _call(body)
        structured = "response_format" in body or "JSON of this form" in str(body["messages"])
        text = PERSON if structured else ANSWER
        last = body["messages"][-1]
        if last["role"] == "assistant":
            prefill = last["content"]
            rest = PERSON.removeprefix(prefill) if structured else CONTINUATION
            text = prefill + rest if self.echoes else rest
        return _streamed(text) if body.get("stream") else completion(text)


def _call(body: dict[str, Any]) -> Reply:
    name = body["tools"][-1]["function"]["name"]
    arguments = PERSON if name == "Person" else ARGUMENTS
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    if not body.get("stream"):
        return completion(None, reason="tool_calls", tool_calls=[call])
    pieces = [arguments[at : at + 4] for at in range(0, len(arguments), 4)]
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    deltas = [first, *({"index": 0, "function": {"arguments": piece}} for piece in pieces)]
    return _wire(*(chunk(tool_calls=[delta]) for delta in deltas), reason="tool_calls")


def _streamed(text: str) -> Reply:
    return _wire(*(chunk(text[at : at + 5]) for at in range(0, len(text), 5)), reason="stop")


def _wire(*chunks: bytes, reason: str) -> Reply:
    usage = b'data: {"choices":[],"usage":' + json.dumps(USAGE).encode() + b"}\n\n"
    wire = [*chunks, chunk(reason=reason), usage, b"data: [DONE]\n\n"]
    return Reply(list(wire), headers={"Content-Type": "text/event-stream"})


@contextmanager
def hosting(*, echoes: bool = False) -> Iterator[Hosted]:
    """Run such a server."""
    server = Hosted([])
    server.echoes = echoes
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
