"""The lines of the logger ``msgflux_nb`` for retries, refusals and requests: they say why a call waits."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator

import pytest

import msgflux_nb as mf
from msgflux_nb.tables.gate import Gate
from tests.scripted import Ask, both, completion, error, model_at, serving

SECRET, CONTENT = "sk-canary-0123456789abcdef", "a sentence that nobody else may read"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The logged lines, each with its level."""
    lines: list[str] = []

    class _Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    handler, logger = _Lines(), logging.getLogger("msgflux_nb")
    logger.addHandler(handler)
    with caplog.at_level(logging.DEBUG, logger="msgflux_nb"):
        yield lines
    logger.removeHandler(handler)


@both
def test_a_retry_says_why_and_how_long_it_waits(ask: Ask, said: list[str]) -> None:
    with serving(error(503, CONTENT, **{"Retry-After": "0"}), completion()) as server:
        assert ask(model_at(server.url, max_retries=1), CONTENT) == ["Hello"]
    (line,) = [line for line in said if line.startswith("INFO")]
    assert "(status 503) at try 1; the next one in" in line


def test_a_row_that_is_asked_again_says_its_number(said: list[str]) -> None:
    with serving(error(500, CONTENT), completion("1")) as server:
        mf.extract([CONTENT], int, model=model_at(server.url, max_retries=1), progress=False)
    (line,) = [line for line in said if line.startswith("INFO")]
    assert line.startswith("INFO row 0: ")
    assert "(status 500) at try 1" in line


@both
def test_each_request_is_logged_without_its_content_and_its_key(ask: Ask, said: list[str]) -> None:
    with serving(error(500, CONTENT), completion()) as server:
        model = mf.Model.chat_completion("m", base_url=f"{server.url}?key={SECRET}", api_key=SECRET, max_retries=1)
        assert ask(model, CONTENT, stream=False) == ["Hello"]
        mf.extract([CONTENT], int, model=model, progress=False)
    assert [line for line in said if line.startswith("DEBUG 127.0.0.1: a request of ")][1:]
    assert "DEBUG 127.0.0.1: answers with status 500." in said
    assert "DEBUG 127.0.0.1: answers with status 200." in said
    assert not [line for line in said if SECRET in line or CONTENT in line]


def test_a_gate_that_lets_fewer_through_says_so(said: list[str]) -> None:
    async def refused() -> Gate:
        gate = Gate(start=16)
        gate.name = "m"
        tickets = [await gate.enter() for _ in range(16)]
        for ticket in tickets[:8]:
            gate.succeed(ticket)
        for ticket in tickets[8:]:
            gate.congest(ticket, retry_after=0.0)
        return gate

    gate = asyncio.run(refused())
    assert gate.congestions == len(said) == 2
    assert re.fullmatch(r"INFO m: at most \d+ requests at once instead of \d+. It asks to wait 0.0 s.", said[0])
    assert said[1].startswith("INFO m: the server refuses everything; one request at a time tries again.")
