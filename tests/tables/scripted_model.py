"""A model for tests: the interface of ``ChatCompletion`` that a batch uses, with answers made by a function."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable
from typing import Any

import msgspec

_MARKS = re.compile(r"<text-([0-9a-f]{8})>\n(.*)\n</text-\1>", re.S)


def bare(text: Any) -> Any:
    """Return a row's text without the marks around it; anything else as it is."""
    found = _MARKS.fullmatch(text) if isinstance(text, str) else None
    return text if found is None else found[2]


class Profile(msgspec.Struct, frozen=True):
    parallel: int = 4
    parallel_most: int = 4


class Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = 10
    completion_tokens: int | None = 5


class Metadata(msgspec.Struct, frozen=True):
    usage: Usage | None = Usage()
    attempts: int = 1
    cost: float | None = None
    warnings: tuple[str, ...] = ()


class Response:
    def __init__(self, value: Any, metadata: Metadata) -> None:
        self._value, self.metadata = value, metadata

    @property
    def bill(self) -> Metadata:
        return self.metadata

    def consume(self) -> Any:
        if isinstance(self._value, BaseException):
            raise self._value
        return self._value


class Prepared:
    """A call that is not made yet; each has another key, so that equal rows are not one call."""

    schema = None
    answer = text = allowance = None
    flaws: tuple[str, ...] = ()

    def __init__(self, model: Scripted, messages: Any, options: dict[str, Any]) -> None:
        self.model, self.messages, self.options = model, messages, options
        self.key = self.question = os.urandom(32)
        self.request = b"{}"
        self.attempts = 0

    def without_key(self, data: bytes) -> bytes:
        return data

    async def ask(self, turn: Any) -> Response:
        while True:
            ticket = await turn.begin(len(self.request))
            self.attempts += 1
            try:
                response = await self.send()
            except Exception as error:
                if not await turn.fail(ticket, error):
                    raise
                continue
            except BaseException:
                turn.drop(ticket)
                raise
            turn.succeed(ticket, response.metadata.usage)
            self.attempts += response.metadata.attempts - 1
            return response

    async def send(self) -> Response:
        return await self.model.acall(self.messages, **self.options)

    def rescued(self) -> None:
        """There is nothing but the one answer."""


class Scripted:
    """Answers with ``script(text)``; ``consume`` raises an exception that it returns, ``ask`` one that it raises.

    ``delay`` is a number of seconds, or a function of the text. ``sent`` has the texts without their marks,
    ``messages`` the sent messages.
    """

    name = "scripted/one"

    def __init__(
        self,
        script: Callable[[str], Any],
        *,
        delay: float | Callable[[str], float] = 0.0,
        metadata: Metadata | None = None,
        parallel: int = 4,
        max_retries: int = 0,
    ) -> None:
        self.profile = Profile(parallel, parallel)
        self.max_retries = max_retries
        self.script, self.delay, self.metadata = script, delay, metadata or Metadata()
        self.sent: list[str] = []
        self.messages: list[Any] = []
        self.options: list[dict[str, Any]] = []
        self.threads: set[threading.Thread] = set()
        self.running = self.most_running = self.cancelled = 0

    def prepare(self, messages: Any, **options: Any) -> Prepared:
        return Prepared(self, messages, options)

    async def acall(self, messages: Any, **options: Any) -> Response:
        self.messages.append(messages)
        messages = bare(messages)
        self.sent.append(messages)
        self.options.append(options)
        self.threads.add(threading.current_thread())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.delay if isinstance(self.delay, (int, float)) else self.delay(messages))
            return Response(self.script(messages), self.metadata)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
