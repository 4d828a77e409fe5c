"""A playground to test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import msgflux_nb as mf
from tests.scripted import Reply, serving

from .bench import Bench, Person, model_of


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A playground whose model answers with the replies of ``@answers(...)``."""
    replies: tuple[Reply, ...] = request.param
    with serving(*replies) as server:
        bench = Bench(server, mf.Playground(model_of(server), schemas=[Person]))
        yield bench
        bench.close()
