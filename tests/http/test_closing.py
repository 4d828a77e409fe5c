"""Kept connections are closed without waiting for a server, which may never answer the close."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from msgflux_nb.http import clients
from msgflux_nb.http.async_line import AsyncLine
from tests.http.test_tls import presenting, trusted
from tests.scripted import Peer, completion, listening, model_at, wire

__all__ = ["authority", "trusted"]

ANSWER = wire(completion())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def deaf(over: threading.Event) -> Callable[[Peer], None]:
    """Answer once, and then neither read nor close, whatever the client does."""

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(ANSWER)
        over.wait(60)

    return talk


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_client_is_closed_though_the_server_never_answers_the_close(trusted: trustme.CA, encrypted: bool) -> None:
    over = threading.Event()
    context = presenting(trusted, "127.0.0.1") if encrypted else None
    with listening(deaf(over), tls=context) as server:
        try:
            model_at(server.url)("Hi")
            asyncio.run(model_at(server.url).acall("Hi"))  # the loop closes its clients at its end
            assert not over.is_set()
            clients._close_all()
        finally:
            over.set()


def test_a_loop_can_be_left_although_a_connection_is_never_reported_as_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(AsyncLine, "closed", property(lambda line: line._loop.create_future()))
    with listening(deaf(over)) as server:
        try:
            asyncio.run(model_at(server.url).acall("Hi"))
        finally:
            over.set()


PROGRAM = """
import asyncio, sys
import msgflux_nb as mf
model = mf.Model.chat_completion("m", base_url=sys.argv[1], api_key="k")
model("Hi")
loop = asyncio.new_event_loop()
loop.run_until_complete(model.acall("Hi"))
print("asked", flush=True)
"""


def test_an_interpreter_ends_though_the_server_never_answers_the_close(trusted: trustme.CA, tmp_path: Path) -> None:
    over = threading.Event()
    with listening(deaf(over), tls=presenting(trusted, "127.0.0.1")) as server:
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM, server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as ran:
            try:
                assert ran.stdout is not None
                assert ran.stdout.readline() == b"asked\n"
                assert ran.wait(30) == 0  # before the server lets go
            finally:
                over.set()
                ran.kill()
