"""A server that counts its requests and answers by the text of the row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage import answers as store
from msgflux_nb.tables import run
from msgflux_nb.tables.grid import grid_run
from tests.scripted import Reply, Server, completion, serving
from tests.tables.scripted_model import bare

KEY = "sk-CANARY-0123456789abcdef"


class Person(msgspec.Struct):
    name: str
    age: int | None = None


class Counting:
    """The server and its requests.

    Attributes:
        server: the server.
        reply: returns the reply to a row's text.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.reply: Callable[[str], Reply] = named
        server.next_reply = self._next_reply  # type: ignore[method-assign]  # by content and not by order

    @property
    def calls(self) -> int:
        """Return the number of requests."""
        return len(self.server.bodies)

    @property
    def texts(self) -> list[str]:
        """Return the requested rows."""
        return [text_of(body) for body in self.server.bodies]

    def model(self, name: str = "scripted", **options: Any) -> mf.ChatCompletion:
        """Return a model at this server, without retries."""
        usual = {"base_url": self.server.url, "api_key": KEY, "max_retries": 0, "profile": {"reasks": 0}}
        return mf.Model.chat_completion(name, **{**usual, **options})

    def extract(self, data: Any, schema: Any = Person, **options: Any) -> pd.DataFrame:
        """Ask for rows, without a progress bar."""
        options = {"model": self.model(), "progress": False, **options}
        return mf.extract(data, schema, **options)

    def _next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.headers.append(headers)
        return self.reply(text_of(body))


def text_of(body: dict[str, Any]) -> str:
    """Return the text of the last message without its marks."""
    content = bare(body["messages"][-1]["content"])
    return content if isinstance(content, str) else next(part["text"] for part in content if part["type"] == "text")


def named(text: str, **fields: Any) -> Reply:
    """Return an answer with the row's text as the name."""
    return completion(json.dumps({"name": text, "age": len(text), **fields}))


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    """A server, in a process without earlier runs and answers."""
    restart_kernel(monkeypatch)
    with serving(completion()) as server:
        yield Counting(server)


def restart_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget all runs, all answers in memory, and all stores that are open; what waits there is written first."""
    for open_one in store.open_stores():
        open_one.worker.flush()
    monkeypatch.setattr(run, "_runs", type(run._runs)())
    monkeypatch.setattr(grid_run, "_grids", type(grid_run._grids)())
    monkeypatch.setattr(run, "_kernels", [])
    monkeypatch.setattr(store, "_stores", {})
