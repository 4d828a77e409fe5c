"""A server that closes connections when there are too many: the gate finds its limit, and no row fails for it."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

import msgflux_nb as mf


class Name(msgspec.Struct):
    name: str


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, places: int, answers: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.places = threading.Semaphore(places)
        self.left = answers
        self.closed = 0
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: the client is gone."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.left -= 1
            over = self.server.left < 0
        if over or not self.server.places.acquire(blocking=False):
            self.server.closed += 1
            self.close_connection = True
            return
        time.sleep(0.05)
        self.server.places.release()
        message = {"content": '{"name": "Ada"}'}
        body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Print nothing."""


@contextmanager
def serving(*, places: int, answers: int = 1_000_000) -> Iterator[Server]:
    with Server(places, answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def states(server: Server, rows: int) -> dict[str, int]:
    address = f"http://127.0.0.1:{server.server_port}/v1"
    model = mf.Model.chat_completion("m", base_url=address, api_key="none", max_retries=2)
    texts = [f"Row {number}." for number in range(rows)]
    frame = mf.extract(texts, Name, model=model, max_concurrency=48, store=False, progress=False)
    counts = frame["_status"].value_counts()
    return dict(counts[counts > 0])


def test_the_gate_finds_the_limit_of_a_server_that_closes_connections() -> None:
    with serving(places=6) as server:
        assert states(server, 200).get("failed", 0) <= 5  # without that 35 to 41
    assert server.closed < 200


def test_a_server_that_is_gone_fails_the_other_rows_without_waiting() -> None:
    with serving(places=48, answers=60) as server:
        began = time.monotonic()
        assert states(server, 200) == {"ok": 60, "failed": 140}
        assert time.monotonic() - began < 60  # in a storm of refusals it would wait a quarter of an hour
    assert server.closed == 3 * 140
