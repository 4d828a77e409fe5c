"""A loopback HTTP server that sends the bytes that a test gives it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest

import msgflux_nb as mf
from tests.moments import LONG

AServer = TypeVar("AServer", bound=ThreadingHTTPServer)


@dataclass
class Reply:
    """An answer: bytes, or pieces with pauses between them; ``cut`` closes the connection in the middle."""

    pieces: list[bytes | float]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def completion(text: str | None = "Hello", *, reason: str = "stop", usage: int = 7, **message: Any) -> Reply:
    """Return a whole answer."""
    body = {
        "id": "answer-1",
        "choices": [{"index": 0, "message": {"content": text, **message}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 4, "completion_tokens": usage - 4, "total_tokens": usage},
    }
    return Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})


def chunk(text: str = "", reason: str | None = None, **delta: Any) -> bytes:
    """Return one streamed chunk."""
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def stream(*pieces: str | bytes | float, done: bool = True, cut: bool = False) -> Reply:
    """Return a streamed answer: texts become chunks, numbers are pauses in seconds."""
    wire: list[bytes | float] = [chunk(p) if isinstance(p, str) else p for p in pieces]
    if done:
        wire += [chunk(reason="stop"), b"data: [DONE]\n\n"]
    return Reply(wire, headers={"Content-Type": "text/event-stream"}, cut=cut)


def error(status: int, message: str = "no", **headers: str) -> Reply:
    """Return an answer with an error status."""
    body = json.dumps({"error": {"message": message}}).encode()
    return Reply([body], status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


_PORTS: set[int] = set()


class Server(ThreadingHTTPServer):
    """Sends its replies in order and repeats the last one; records the requests."""

    daemon_threads = True
    request_queue_size = 256  # otherwise a connection attempt is sometimes lost, and repeated only after a second

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = list(replies)
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []  # the bodies, unchanged
        self.headers: list[dict[str, str]] = []
        self.left = threading.Event()  # a client closed its connection before the answer ended
        self.lock = threading.Lock()
        self.open: set[socket.socket] = set()

    def server_bind(self) -> None:
        """Bind to a port that no earlier server of this process had: a batch reuses the rows of an equal address.

        Linux chooses from 7,000 ports for a socket with ``SO_REUSEADDR``, and from 14,000 without it.
        """
        super().server_bind()
        for _ in range(200):
            if self.server_port not in _PORTS:
                break
            self.socket.close()
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.allow_reuse_address = False
            self.server_address = ("127.0.0.1", 0)
            super().server_bind()
        _PORTS.add(self.server_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self.lock:
            self.bodies.append(body)
            self.headers.append(headers)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Also close the connections, which clients keep: otherwise a run of all tests has thousands of them open."""
        super().server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise the end of an answer waits 40 ms for the client's acknowledgement
    server: Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.raw.append(raw)
        body = json.loads(raw)
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
        """Wait, and notice if the client hangs up meanwhile."""
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
    """Run a server until the block ends."""
    with running(Server(list(replies))) as server:
        yield server


@contextmanager
def running(server: AServer) -> Iterator[AServer]:
    """Let a server answer on a separate thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# -- both drivers --------------------------------------------------------------------------------------------------


def model_at(url: str, **options: Any) -> mf.ChatCompletion:
    """Return a model without retries, unless the options set them."""
    return mf.Model.chat_completion("scripted", **{"base_url": url, "max_retries": 0, **options})


def one_after_the_other(model: mf.ChatCompletion, *messages: Any, **keywords: Any) -> list[Any]:
    """Call without await; a message may be a function that makes it."""
    return [model(message() if callable(message) else message, **keywords).consume() for message in messages]


def one_after_the_other_in_a_loop(model: mf.ChatCompletion, *messages: Any, **keywords: Any) -> list[Any]:
    """Call with await, all in one event loop."""

    async def call(message: Any) -> Any:
        response = await model.acall(message, **keywords)
        return await response.consume() if keywords.get("stream") else response.consume()

    async def main() -> list[Any]:
        return [await call(message() if callable(message) else message) for message in messages]

    return asyncio.run(main())


Ask = Callable[..., list[Any]]
both = pytest.mark.parametrize("ask", [one_after_the_other, one_after_the_other_in_a_loop], ids=["sync", "async"])


# -- below HTTP: the bytes of a connection -------------------------------------------------------------------------


def wire(reply: Reply, *headers: str) -> bytes:
    """Return a reply without pauses as the bytes of a whole HTTP answer; each piece of its body is a chunk."""
    lines = [f"HTTP/1.1 {reply.status} Said", *(f"{name}: {value}" for name, value in reply.headers.items()), *headers]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in reply.pieces if isinstance(piece, bytes))
    return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + body + b"0\r\n\r\n"


class Peer:
    """A server's end of one connection.

    Attributes:
        number: the number of the connection, from 1.
        requests: the heads and bodies that it has read.
        left: set once the client has closed it.
    """

    def __init__(self, line: socket.socket, number: int) -> None:
        self.line, self.number = line, number
        self.requests: list[tuple[str, bytes]] = []
        self.left = threading.Event()
        self._held = b""

    def read_request(self) -> tuple[str, bytes]:
        """Wait for a request; return its head and its body."""
        head = self.read_head()
        length = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
        while len(self._held) < length:
            self._more()
        body, self._held = self._held[:length], self._held[length:]
        self.requests[-1] = (head, body)
        return head, body

    def read_head(self) -> str:
        """Wait for the head of a request; return it."""
        while b"\r\n\r\n" not in self._held:
            self._more()
        raw, _, self._held = self._held.partition(b"\r\n\r\n")
        self.requests.append((raw.decode("latin-1"), b""))
        return raw.decode("latin-1")

    def send(self, *pieces: bytes | float) -> None:
        """Send bytes; numbers are pauses, which end when the client leaves."""
        for piece in pieces:
            if isinstance(piece, bytes):
                self.line.sendall(piece)
            elif self.wait_for_close(piece):
                return

    def ping_for_ever(self, every: float = 0.3) -> None:
        """Send comments until the client leaves."""
        while not self.wait_for_close(every):
            self.line.sendall(b"8\r\n: ping\n\n\r\n")

    def wait_for_close(self, seconds: float = LONG) -> bool:
        """Wait until the client closes the connection; return whether it did."""
        end = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while (left := end - time.monotonic()) > 0:
                self.line.settimeout(left)
                try:
                    data = self.line.recv(65536)
                except TimeoutError:
                    raise
                except OSError:
                    data = b""
                if not data:
                    self.left.set()
                    return True
                self._held += data
        self.line.settimeout(None)
        return False

    def reset(self) -> None:
        """Reset the connection, so that the client gets an error instead of an end."""
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.line.close()

    def _more(self) -> None:
        try:
            data = self.line.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.left.set()
            raise ConnectionError("the client left")
        self._held += data


class Listener:
    """Calls a function of the test for each connection, in a separate thread."""

    def __init__(self, talk: Callable[[Peer], object], *, tls: ssl.SSLContext | None, host: str, backlog: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, 0), family=family, backlog=backlog)
        self.port: int = self.socket.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{self.port}/v1"
        self.peers: list[Peer] = []
        self.faults: list[Exception] = []
        self._talk, self._tls = talk, tls
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def requests(self) -> list[tuple[str, bytes]]:
        """All heads and bodies, in the order of the connections."""
        return [request for peer in self.peers for request in peer.requests]

    def close(self) -> None:
        """Close all connections and end all threads."""
        for line in (self.socket, *(peer.line for peer in self.peers)):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for line in (self.socket, *(peer.line for peer in self.peers)):
            line.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self.socket.accept()
                peer = Peer(line, len(self.peers) + 1)
                self.peers.append(peer)
                self._threads.append(threading.Thread(target=self._serve, args=(peer,), daemon=True))
                self._threads[-1].start()

    def _serve(self, peer: Peer) -> None:
        try:
            if self._tls is not None:
                peer.line = self._tls.wrap_socket(peer.line, server_side=True)
            self._talk(peer)
        except OSError:
            pass  # clients that hang up are part of the tests
        except Exception as fault:
            self.faults.append(fault)
        finally:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer.line, socket.SHUT_RDWR)
            peer.line.close()


@contextmanager
def listening(
    talk: Callable[[Peer], object], *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", backlog: int = 512
) -> Iterator[Listener]:
    """Run a server that sends bytes until the block ends; an exception of the function fails the test."""
    listener = Listener(talk, tls=tls, host=host, backlog=backlog)
    try:
        yield listener
    finally:
        listener.close()
    assert listener.faults == []
