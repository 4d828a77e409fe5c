"""A loopback HTTP server that answers what a test tells it, byte for byte."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What to answer: bytes, or pieces with pauses between; ``cut`` closes the connection in the middle."""

    pieces: list[bytes | float]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def completion(text: str | None = "Hello", *, reason: str = "stop", usage: int = 7, **message: Any) -> Reply:
    """A whole answer."""
    body = {
        "id": "answer-1",
        "model": "scripted",
        "choices": [{"index": 0, "message": {"content": text, **message}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 4, "completion_tokens": usage - 4, "total_tokens": usage},
    }
    return Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})


def chunk(text: str = "", reason: str | None = None, **delta: Any) -> bytes:
    """One streamed chunk."""
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def stream(*pieces: str | bytes | float, done: bool = True, cut: bool = False) -> Reply:
    """A streamed answer: texts become chunks, numbers are pauses in seconds."""
    wire: list[bytes | float] = [chunk(p) if isinstance(p, str) else p for p in pieces]
    if done:
        wire += [chunk(reason="stop"), b"data: [DONE]\n\n"]
    return Reply(wire, headers={"Content-Type": "text/event-stream"}, cut=cut)


def error(status: int, message: str = "no", **headers: str) -> Reply:
    """An answer with an error status."""
    body = json.dumps({"error": {"message": message}}).encode()
    return Reply([body], status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


class Server(ThreadingHTTPServer):
    """Gives its replies in order, the last one again and again; records what it was asked."""

    daemon_threads = True

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = list(replies)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = threading.Event()  # a client closed its connection before the answer ended
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self.lock:
            self.bodies.append(body)
            self.headers.append(headers)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: clients that hang up are what tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.server.next_reply(body, dict(self.headers.items()))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in reply.pieces:
                if isinstance(piece, bytes):
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    self.wfile.flush()
                else:
                    self._pause(piece)
            if reply.cut:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.left.set()
            self.close_connection = True

    def _pause(self, seconds: float) -> None:
        """Wait, and notice a client that hangs up meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.connection.settimeout(min(0.02, seconds))
            try:
                if self.connection.recv(1, socket.MSG_PEEK) == b"":
                    raise OSError("the client left")
            except TimeoutError:
                continue
        self.connection.settimeout(None)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(*replies: Reply) -> Iterator[Server]:
    """Run a server for the length of a test."""
    server = Server(list(replies))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
