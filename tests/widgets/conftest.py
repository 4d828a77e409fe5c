"""A playground to test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import msgflux_nb as mf
from tests.scripted import Reply, serving

from .bench import Bench, Person


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A playground whose model is answered by the replies of ``@answers(...)``."""
    replies: tuple[Reply, ...] = request.param
    with serving(*replies) as server:
        model = mf.Model.chat_completion(
            "scripted/one",
            base_url=server.url,
            profile={"modalities": ["text"], "prefill": "continue", "echo_stream": False, "reasks": 0},
            max_retries=0,
        )
        bench = Bench(server, mf.Playground(model, schemas=[Person]))
        yield bench
        bench.playground.close()
