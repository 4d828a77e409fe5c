"""Tests that no key is in a recording, whatever its characters and its name, and wherever a server repeats it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.recordings.named import is_no_plain_word, mixed_texts, named_secrets
from tests.scripted import Reply, chunk, completion, error, model_at, serving

LETTERS = "CANARYsecretword"
PARTS = "canary-4711-xyz"


OPEN: list[httpx.Client] = []


def with_client(url: str, **options: Any) -> mf.ChatCompletion:
    OPEN.append(httpx.Client(**options))
    return model_at(url, http_client=OPEN[-1])


@pytest.fixture(autouse=True)
def closed_clients() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def basic(key: str) -> str:
    return f"Basic {base64.b64encode(f'ada:{key}'.encode()).decode()}"


GIVEN: dict[str, Callable[[str, str], mf.ChatCompletion]] = {
    "a header": lambda url, key: model_at(url, extra_headers={"X-Api-Key": key}),
    "a header of any name": lambda url, key: model_at(url, extra_headers={"X-Foo": key}),
    "a cookie": lambda url, key: model_at(url, extra_headers={"Cookie": f"sid={key}; theme=dark"}),
    "any name in the address": lambda url, key: model_at(f"{url}?api-version=2024-01-01&k={key}"),
    "a field": lambda url, key: model_at(url, extra_body={"api_key": key}),
    "a field in camel case": lambda url, key: model_at(url, extra_body={"hfToken": key}),
    "a list of keys": lambda url, key: model_at(url, extra_body={"gateway": {"keys": [key]}}),
    "credentials": lambda url, key: model_at(url, extra_body={"credentials": {"type": "basic", "value": key}}),
    "a client's header": lambda url, key: with_client(url, headers={"X-Api-Key": key}),
    "a client's cookie": lambda url, key: with_client(url, cookies={"sid": key}),
    "a client's password": lambda url, key: with_client(url, auth=("ada", key)),
    "a client's query": lambda url, key: with_client(url, params={"k": key}),
    "a basic header": lambda url, key: model_at(url, extra_headers={"Authorization": basic(key)}),
    "a header in the body": lambda url, key: model_at(url, extra_body={"headers": {"Authorization": f"Bearer {key}"}}),
}


@pytest.mark.parametrize("key", [LETTERS, PARTS])
@pytest.mark.parametrize("given", GIVEN)
def test_no_key_that_a_server_repeats_is_in_a_recording(given: str, key: str, tmp_path: Path) -> None:
    replies = [completion(f"I was given {key}."), error(401, f"who is {key}?"), Reply([key.encode()], status=500)]
    with serving(*replies) as server, mf.record(tmp_path / "lesson.jsonl"):
        model = GIVEN[given](server.url, key)
        for _ in replies:
            with contextlib.suppress(mf.MsgfluxError):
                model("Hi")
    assert key not in (tmp_path / "lesson.jsonl").read_text(encoding="utf-8")


def test_no_key_of_an_async_client_of_the_users_is_in_a_recording(tmp_path: Path) -> None:
    async def ask(url: str) -> None:
        async with httpx.AsyncClient(auth=("ada", PARTS)) as client:
            await model_at(url, http_client=client).acall("Hi")

    with serving(completion(f"I was given {PARTS}.")) as server, mf.record(tmp_path / "lesson.jsonl"):
        asyncio.run(ask(server.url))
    assert PARTS not in (tmp_path / "lesson.jsonl").read_text(encoding="utf-8")


def token(text: str, others: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a token with its probability, as in a chat completion."""
    candidates = [{"token": one, "logprob": -1.0, "bytes": list(one.encode())} for one in (text, *others)]
    return {**candidates[0], "top_logprobs": candidates}


@pytest.mark.parametrize("streamed", [False, True])
def test_the_tokens_of_a_key_are_not_in_a_recording(streamed: bool, tmp_path: Path) -> None:
    pieces = ["Key: ", "cana", "ry-", "4711", "-xyz", "."]
    tokens = [token(piece, ("other",)) for piece in pieces]
    if streamed:
        events = [
            {"choices": [{"index": 0, "delta": {"content": piece}, "logprobs": {"content": [one]}}]}
            for piece, one in zip(pieces, tokens, strict=True)
        ]
        wire = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
        reply = Reply([*wire, chunk(reason="stop"), b"data: [DONE]\n\n"], headers={"Content-Type": "text/event-stream"})
    else:
        message = {"index": 0, "message": {"content": "".join(pieces)}, "finish_reason": "stop"}
        body = {"choices": [{**message, "logprobs": {"content": tokens}}]}
        reply = Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})
    path = tmp_path / "lesson.jsonl"
    with serving(reply) as server, mf.record(path):
        model_at(server.url, api_key=PARTS, logprobs=True)("Hi", stream=streamed).consume()
    written = path.read_text(encoding="utf-8")
    for piece in ("cana", "4711", "-xyz", ", ".join(map(str, b"4711")), ",".join(map(str, b"4711"))):
        assert piece not in written
    with mf.replay(path, speed=1e9):
        again = model_at("http://x/v1", logprobs=True)("Hi", stream=streamed)
        assert again.consume() == "Key: [key]."
    assert again.logprobs is not None
    assert again.logprobs[0].token == "Key: "


def test_the_tokens_of_a_key_are_not_in_a_recording_of_the_responses_wire(tmp_path: Path) -> None:
    pieces = ["Key: ", "cana", "ry-", "4711", "-xyz", "."]
    part = {"type": "output_text", "text": "".join(pieces), "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    delta = {"type": "response.output_text.delta", **place}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": {**message, "content": []}},
        *({**delta, "delta": piece, "logprobs": [token(piece)]} for piece in pieces),
        {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [message]}},
    ]
    wire = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    path = tmp_path / "lesson.jsonl"
    with serving(Reply([*wire], headers={"Content-Type": "text/event-stream"})) as server, mf.record(path):
        model_at(server.url, api_key=PARTS, wire="responses", logprobs=True)("Hi", stream=True).consume()
    written = path.read_text(encoding="utf-8")
    for piece in ("cana", "4711", "-xyz", ", ".join(map(str, b"4711")), ",".join(map(str, b"4711"))):
        assert piece not in written


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"api_key": "abcd-1"}, {"abcd-1"}),
        ({"a": [{"Authorization": "Bearer abcd"}]}, {"Bearer abcd", "abcd"}),
        ({"cookie": "sid=abc4; theme=dark"}, {"abc4", "sid=abc4; theme=dark"}),
        ({"credentials": {"type": "service", "value": "longer-than-8"}}, {"longer-than-8"}),
        ({"max_tokens": "many", "prompt_cache_key": "class-7", "stop_token": "</s>", "user": "ada-lovelace"}, set()),
    ],
)
def test_a_secret_is_known_by_its_name(value: Any, expected: set[str]) -> None:
    assert set(named_secrets(value)) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *(("classroom", False), ("Notebook", False), ("2024-01-01", False), ("12345678", False), ("1.2.3.4.5", False)),
        *(("CANARYsecret", True), ("a1b2c3d4", True), ("correcthorsebatterystaple", True)),
    ],
)
def test_a_plain_word_is_not_a_secret(word: str, expected: bool) -> None:
    assert is_no_plain_word(word) is expected


def test_no_key_of_one_model_comes_into_a_recording_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first model's server repeats its key; the caller sends this answer and another key to the second model."""
    first, second, elsewhere = "CANARYaaaa1111zzzz", "CANARYbbbb2222yyyy", "CANARYcccc3333xxxx"
    monkeypatch.setenv("GROQ_API_KEY", elsewhere)
    replies = completion(f"You are {first}."), completion(f"{first}, {elsewhere}!")
    with serving(*replies) as server, mf.record(tmp_path / "lesson.jsonl"):
        said = model_at(server.url, api_key=first)("Hi").text
        model_at(server.url, api_key=second)(f"Judge: {said} {elsewhere}")
    assert "CANARY" not in (tmp_path / "lesson.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("given", ["key", "header", "address"])
def test_no_key_comes_into_a_recording_by_a_cache(given: str, tmp_path: Path) -> None:
    key = "CANARYaaaa1111zzzz"
    with serving(completion("Hello")) as server:
        options: dict[str, dict[str, Any]] = {"key": {"api_key": key}, "header": {"extra_headers": {"X-Api-Key": key}}}
        url = server.url.replace("://", f"://ada:{key}@") if given == "address" else server.url
        model = model_at(url, cache=tmp_path / "cache.sqlite", **options.get(given, {}))
        model(f"I am {key}")
        with mf.record(tmp_path / "lesson.jsonl"):
            model(f"I am {key}")
        assert len(server.bodies) == 1
    assert key not in (tmp_path / "lesson.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"session": "Zx9Qw3LmT7pK2"}, {"Zx9Qw3LmT7pK2"}),
        ({"provider": {"order": ["user:4f9a77c1d2e8aa"]}}, {"user:4f9a77c1d2e8aa"}),
        ({"models": ["anthropic/claude-3.5-sonnet", "qwen2.5-72b-instruct"], "response_format": "verbose_json"}, set()),
        ({"chat_template": "{% for m in messages %} 4f9a77c1d2e8aa", "date": "20261202123456"}, set()),
    ],
)
def test_a_value_with_many_letters_and_digits_in_a_row_is_a_secret(value: Any, expected: set[str]) -> None:
    assert {*mixed_texts(value)} == expected
