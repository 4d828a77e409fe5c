"""A playground without a page: what is sent to the page is recorded, and its model is a loopback server."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from tests.scripted import Reply, Server, stream


class Person(msgspec.Struct):
    name: str
    age: int


class Bench:
    """A playground without a page."""

    def __init__(self, server: Server, playground: mf.Playground) -> None:
        self.server = server
        self.playground = playground
        self.sent: list[dict[str, Any]] = []
        self.buffers: list[list[bytes]] = []
        playground.send = self._record

    def _record(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.sent.append(content)
        self.buffers.append(buffers or [])

    def receive(self, kind: str, buffers: list[bytes] | None = None, **content: Any) -> None:
        """Let a message of the page arrive, as ipywidgets hands it on."""
        self.playground._receive(self.playground, {"type": kind, **content}, [memoryview(b) for b in buffers or []])

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["type"] == kind]

    def wait(self) -> None:
        assert self.playground._run is not None
        assert self.playground._run.wait(10)


def answers(*replies: Reply) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bench", [replies], indirect=True, ids=["scripted"])


def slow(*, pause: float = 0.05, count: int = 200) -> Reply:
    return stream(*[piece for n in range(count) for piece in (f"word{n} ", pause)])
