"""A playground without a page: its messages to the page are recorded, and its model is a loopback server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from tests.scripted import Reply, Server, stream

PROFILE = {"modalities": ["text"], "prefill": "continue", "echo_stream": False, "reasks": 0}
WAIT_SECONDS = 10


class Person(msgspec.Struct):
    name: str
    age: int


def model_of(server: Server, name: str = "scripted/one", **options: Any) -> mf.ChatCompletion:
    """Return a model at a server, without retries, which continues a prefill."""
    given = {"base_url": server.url, "profile": PROFILE, "max_retries": 0, **options}
    return mf.Model.chat_completion(name, **given)


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds that a thread makes true."""
    end = time.monotonic() + WAIT_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come within {WAIT_SECONDS} s"
        time.sleep(0.005)
    return value


class Bench:
    """A playground without a page."""

    def __init__(self, server: Server, playground: mf.Playground) -> None:
        self.server = server
        self.playground = playground
        self.sent: list[dict[str, Any]] = []
        playground.send = self._record
        self._limit = threading.Timer(2 * WAIT_SECONDS, playground.stop)  # so that no test waits for ever
        self._limit.daemon = True
        self._limit.start()

    def close(self) -> None:
        self._limit.cancel()
        self.playground.close()

    def _record(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.sent.append(content)

    def receive(self, kind: str, **content: Any) -> None:
        """Deliver a message of the page, as ipywidgets does."""
        self.playground._receive(self.playground, {"type": kind, **content}, [])

    def page(self, view: Any, kind: str, **content: Any) -> None:
        """Deliver a message of a view's page on a thread, as ipykernel 7 does."""
        thread = threading.Thread(target=view._receive, args=(view, {"type": kind, **content}, []))
        thread.start()
        thread.join(WAIT_SECONDS)

    def ask(self, prompt: str = "Hi", **page: Any) -> None:
        """Click on Run."""
        draft = {"text": prompt, "role": "user", "call": "", "ids": [], "texts": {}}
        self.receive("run", **{"prefill": "", "schema": "", "draft": draft, **page})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["type"] == kind]

    def text_told(self) -> str:
        return "".join(message.get("text", "") for message in self.of("batch"))

    def wait(self) -> None:
        """Wait for the end of the run."""
        assert self.playground._rounds._done.wait(WAIT_SECONDS)

    @property
    def roles(self) -> list[str]:
        return [message["role"] for message in self.playground.messages]


def answers(*replies: Reply) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bench", [replies], indirect=True, ids=["scripted"])


def slow(*, pause: float = 0.05, count: int = 600) -> Reply:
    return stream(*[piece for n in range(count) for piece in (f"word{n} ", pause)])
