"""Tests that no secret is in a widget's messages to its page, or in the saved notebook."""

from __future__ import annotations

import json

import pytest

import msgflux_nb as mf
from tests.models.canary import GATEWAY, KEY, assert_clean, model_with_secrets, shown
from tests.scripted import Reply, Server, chunk, error, serving, stream

from .bench import Bench

ECHOED = f"Incorrect API key provided: {KEY} for {GATEWAY}."


def playground_with_secrets(server: Server) -> Bench:
    """Build a playground here, so that no frame of a failure holds its secrets."""
    return Bench(server, mf.Playground(model_with_secrets(server.url), prompt="Hi"))


def failure(bench: Bench) -> BaseException | None:
    try:
        bench.playground.run(wait=True)
    except mf.MsgfluxError as caught:
        return caught
    return None


@pytest.mark.parametrize(
    ("reply", "fails"),
    [
        (stream("Hel", "lo"), False),
        (error(401, ECHOED), True),
        (stream(chunk("Hel"), b'data: {"error": "%b"}\n\n' % ECHOED.encode(), done=False), True),
        (Reply([f"<title>{ECHOED}</title>".encode()]), True),
    ],
    ids=["an answer", "refused", "broken", "a web page"],
)
def test_a_playground_shows_no_secret(reply: Reply, fails: bool) -> None:
    with serving(reply) as server:
        bench = playground_with_secrets(server)
        caught = failure(bench)
        playground = bench.playground
        assert (server.headers[0]["Authorization"], server.headers[0]["X-Gateway"]) == (f"Bearer {KEY}", GATEWAY)
        assert (caught is not None, bool(playground.error)) == (fails, fails)
        for part in (playground.get_state(), bench.sent, playground._repr_mimebundle_(), playground.messages):
            assert_clean(json.dumps(part, default=repr))
        assert_clean(repr(playground) + repr(vars(playground)) + repr(playground.response))
        playground.close()
    if caught is not None:
        assert_clean("".join(shown(caught)))
