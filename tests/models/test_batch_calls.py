"""The calls of a batch: the request that is written once, the fast path, and that both give what a usual call gives."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import msgflux_nb as mf
from msgflux_nb.models import whole_answers
from msgflux_nb.models.batch_call import BatchCall
from tests.models.test_keys import CANARY, assert_clean, shown
from tests.moments import quickly
from tests.scripted import Peer, Reply, completion, error, listening, model_at, serving, stream, wire
from tests.thorough import examples


class City(msgspec.Struct):
    name: str
    people: int | None = None
    size: Literal["small", "large"] = "small"


class Tagged(msgspec.Struct):
    """A type whose wire form differs from it: pairs, and nulls that are left out."""

    notes: dict[str, int]
    tags: list[str] = []


GOOD = completion('{"name": "Ur", "people": 7, "size": "large"}')
UR = City("Ur", 7, "large")
USAGE = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}


@pytest.fixture(params=["short", "long"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to make a call; a test holds for each."""
    if request.param == "long":
        monkeypatch.setattr(whole_answers.WholeAnswers, "send", nothing_sent)
    return str(request.param)


async def nothing_sent(*_: Any, **__: Any) -> None:
    return None


def asked(model: mf.ChatCompletion, *texts: Any, schema: Any = City, **options: Any) -> list[Any]:
    """Ask about each text, in one loop; return the calls, or the errors that ended them."""

    async def main() -> list[Any]:
        ends: list[Any] = []
        for text in texts:
            call = model.prepare(text, generation_schema=schema, **options)
            try:
                answer = await call.ask()
                ends.append((call, answer.consume(), answer.metadata))
            except mf.MsgfluxError as error:
                ends.append((call, error, None))
        return ends

    return asyncio.run(main())


def forget(model: mf.ChatCompletion) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    from msgflux_nb.models import server_quirks

    server_quirks._known.clear()


# Both ways


REPLIES: dict[str, Reply] = {
    "plain": GOOD,
    "with fields of its own": Reply(
        [json.dumps({**json.loads(GOOD.pieces[0]), "citations": ["x"], "system_fingerprint": "f"}).encode()],  # type: ignore[arg-type]  # bytes
        headers=GOOD.headers,
    ),
    "in a fence": completion('```json\n{"name": "Ur"}\n```'),
    "lax": completion('{"name": "Ur", "people": "7"}'),
    "an integer with a point": completion('{"name": "Ur", "people": 7.0}'),
    "twice": completion('{"name": "Ur", "name": "Uruk"}'),
    "wrong type": completion('{"name": 3}'),
    "too little": completion("{}"),
    "prose": completion("I cannot say."),
    "cut": completion('{"name": "U', reason="length"),
    "refused": completion(None, refusal="No."),
    "filtered": completion(None, reason="content_filter"),
    "empty": completion(""),
    "a call": completion(None, tool_calls=[{"id": "c", "function": {"name": "f", "arguments": "{}"}}]),
    "an error inside": Reply(
        [b'{"error": {"message": "no", "code": 429}}'], headers={"Content-Type": "application/json"}
    ),
    "a stream": stream('{"name": "Ur"}'),
    "a page": Reply([b"<html><title>Hi</title></html>"], headers={"Content-Type": "text/html"}),
    "in pieces": Reply([GOOD.pieces[0][:9], GOOD.pieces[0][9:]], headers=GOOD.headers),  # type: ignore[index]  # bytes
    "400": error(400, "bad"),
    "401": error(401),
    "402": error(402),
    "404": error(404),
    "429": error(429, "slow", **{"retry-after": "3", "x-should-retry": "true"}),
    "500": error(500, "died"),
    "502": Reply([b"<html>"], status=502),
    "307": Reply([b""], status=307, headers={"Location": "http://127.0.0.1:1/"}),
    "too long": error(400, "context_length_exceeded: 9000 tokens, 4096 fit"),
    "nothing": Reply([b""]),
    "broken off": Reply([GOOD.pieces[0][:20]], headers=GOOD.headers, cut=True),  # type: ignore[index]  # bytes
}


def told(end: tuple[Any, Any, Any]) -> dict[str, Any]:
    """Return everything that a batch reads from an ended call."""
    call, value, metadata = end
    if isinstance(value, mf.MsgfluxError):
        named = ("status", "retry_after", "should_retry", "code", "path", "raw", "attempts")
        value = {"error": type(value), "says": str(value)} | {name: getattr(value, name, None) for name in named}
    return {
        "value": repr(value) if isinstance(value, mf.ToolCallAggregator) else value,
        "metadata": metadata and msgspec.structs.replace(metadata, seconds=None),
        "sent": call.attempts,
        "text": call.text,
        "answer": call.answer,
        "allowance": call.allowance,
        "key": call.key,
        "question": call.question,
        "request": call.request,
    }


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_an_answer_means_the_same_on_both_ways(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    reply.headers |= {"X-RateLimit-Remaining-Requests": "7", "X-RateLimit-Reset-Requests": "2s"}
    with serving(reply) as server:
        model = model_at(server.url, profile={"reasks": 0})
        short = told(asked(model, "Ur is large.")[0])
        forget(model)
        monkeypatch.setattr(whole_answers.WholeAnswers, "send", nothing_sent)
        long = told(asked(model, "Ur is large.")[0])
        forget(model)
    assert short == long
    assert short["sent"] == 1


def test_a_plain_answer_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchCall, "_finish", None)
    with serving(GOOD) as server:
        ((call, value, metadata),) = asked(model_at(server.url), "Ur is large.")
    assert value == UR
    assert (metadata.usage.prompt_tokens, metadata.attempts, call.attempts) == (4, 1, 1)
    assert call.answer == GOOD.pieces[0]


def test_a_text_without_a_structure_takes_the_short_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchCall, "_finish", None)
    with serving(completion("It is large.")) as server:
        ((call, value, metadata),) = asked(model_at(server.url), "Ur?", schema=None)
    assert value == call.text == "It is large."
    assert (metadata.finish_reason, metadata.usage.prompt_tokens) == ("stop", 4)


def test_a_type_whose_wire_form_is_another_is_read_the_short_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchCall, "_finish", None)
    with serving(completion('{"notes": [{"key": "a", "value": 1}], "tags": null}')) as server:
        ((_, value, _),) = asked(model_at(server.url), "x", schema=Tagged)
    assert value == Tagged({"a": 1}, [])


def test_an_answer_that_does_not_fit_goes_back_once(way: str) -> None:
    with serving(completion('{"name": 3}'), GOOD) as server:
        ((call, value, metadata),) = asked(model_at(server.url, profile={"reasks": 1}), "Ur is large.")
        assert "Answer again" in server.bodies[1]["messages"][-1]["content"]
    assert value == UR
    assert (metadata.attempts, call.attempts, metadata.usage.prompt_tokens) == (2, 2, 8)


@pytest.mark.parametrize("row", ["one", [{"role": "user", "content": "one"}]], ids=["text", "messages"])
def test_a_way_of_asking_that_a_server_refuses_is_not_tried_for_the_next_row(way: str, row: Any) -> None:
    refused = error(400, "response_format json_schema is not supported")
    in_a_call = completion(
        None,
        tool_calls=[{"id": "c", "function": {"name": "City", "arguments": '{"name": "Ur"}'}}],
        reason="tool_calls",
    )
    with serving(refused, in_a_call) as server:
        model = model_at(server.url)
        ends = asked(model, row, row)
        forget(model)
    assert [value for _, value, _ in ends] == [City("Ur")] * 2
    assert ["response_format" in body for body in server.bodies] == [True, False, False]
    assert [call.attempts for call, _, _ in ends] == [2, 1]
    assert ends[0][0].text == '{"name": "Ur"}'


def test_rows_whose_way_of_asking_is_refused_at_the_same_time_are_all_asked_in_another() -> None:
    refused, good = wire(error(400, "response_format is not supported")), wire(GOOD)
    second_asks = threading.Event()

    def talk(peer: Peer) -> None:
        while True:
            head_and_body = peer.read_request()
            if b"response_format" not in head_and_body[1]:
                peer.send(good)
                second_asks.set()
                continue
            if peer.number == 2:
                second_asks.wait(5)  # by now the other row has been asked in another way, with success
                peer.send(0.1)
            peer.send(refused)

    async def main() -> list[Any]:
        calls = [model.prepare(text, generation_schema=City).ask() for text in "ab"]
        return [answer.consume() for answer in await asyncio.gather(*calls)]

    with listening(talk) as server:
        model = model_at(server.url, profile={"schema_methods": ("json_schema", "prompt")})
        assert asyncio.run(main()) == [UR] * 2
        assert len(server.requests) == 4
        forget(model)


def test_a_call_may_be_made_again(way: str) -> None:
    async def main() -> Any:
        call = model.prepare("Ur is large.", generation_schema=City)
        with pytest.raises(mf.ServerError):
            await call.ask()
        return call, (await call.ask()).consume()

    with serving(error(500), GOOD) as server:
        model = model_at(server.url)
        call, value = asyncio.run(main())
    assert (value, call.attempts) == (UR, 2)


# The request


TEXTS = ["x", " two\nlines ", '{"a": "b\\\\"}', "é\u2028\U0001f600", "</b>\x00\x1f\x7f", "a" * 100_000]


def twins(text: Any, **options: Any) -> tuple[BatchCall, BatchCall]:
    """Return a call whose request is written around a gap, and one whose request is written as usual."""
    model = mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1", **options.pop("model", {}))
    first = model.prepare(text, **options)
    ((_, template),) = model._templates.values()
    assert template._gap is not None
    template._gap = None
    return first, model.prepare(text, **options)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("schema", [City, None, int, list[City], Tagged])
def test_a_row_request_made_from_the_template_equals_the_usual_request(text: str, schema: Any) -> None:
    options = {"temperature": 0, "stop": ["x"], "extra_body": {"zeta": 1, "alpha": [2]}}
    first, second = twins(text, generation_schema=schema, system_prompt="Be brief.", model=options)
    assert (first.request, first.key, first.question) == (second.request, second.key, second.question)


@given(st.text(min_size=1))
@settings(max_examples=examples(300), deadline=None)
def test_a_row_request_made_from_the_template_equals_the_usual_request_for_any_text(text: str) -> None:
    first, second = twins(f"a{text}", generation_schema=City)
    assert (first.request, first.key, first.question) == (second.request, second.key, second.question)


@pytest.mark.parametrize("profile", ["openai", "anthropic", "gemini", "mistral", "deepseek", "groq", "ollama"])
def test_every_providers_request_can_be_made_from_a_template(profile: str) -> None:
    model = mf.Model.chat_completion(f"{profile}/m", api_key="x")
    first = model.prepare("Ur is large.", generation_schema=City, system_prompt="Be brief.")
    ((_, template),) = model._templates.values()
    assert template._gap is not None
    template._gap = None
    assert model.prepare("Ur is large.", generation_schema=City, system_prompt="Be brief.").request == first.request


def test_where_the_text_stands_twice_in_a_request_it_is_written_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    built = mf.ChatCompletion._build

    def doubled(self: Any, messages: Any, **asked: Any) -> Callable[..., Any]:
        return built(self, [{"role": "system", "content": messages}, {"role": "user", "content": messages}], **asked)

    monkeypatch.setattr(mf.ChatCompletion, "_build", doubled)
    model = mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1")
    call = model.prepare("Ur", generation_schema=City)
    assert [message["content"] for message in json.loads(call.request)["messages"]] == ["Ur", "Ur"]


def test_where_the_text_is_changed_on_its_way_it_is_written_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    built = mf.ChatCompletion._build

    def stripped(self: Any, messages: Any, **asked: Any) -> Callable[..., Any]:
        return built(self, messages.strip(), **asked)

    monkeypatch.setattr(mf.ChatCompletion, "_build", stripped)
    model = mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1")
    call = model.prepare(" Ur ", generation_schema=City)
    assert json.loads(call.request)["messages"][0]["content"] == "Ur"


def test_a_text_that_cannot_be_sent_is_refused_as_usual() -> None:
    model = mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(mf.BadRequestError, match="cannot be written as JSON"):
        model.prepare("\ud800", generation_schema=City)


def test_a_change_of_the_address_in_the_environment_counts_for_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(GOOD) as first, serving(GOOD) as second:
        model = mf.Model.chat_completion("ollama/m")
        for server in (first, second):
            monkeypatch.setenv("OLLAMA_HOST", server.url.removesuffix("/v1"))
            monkeypatch.setattr(whole_answers, "_REFRESH_SECONDS", 0.0)
            assert asked(model, "x")[0][1] == UR
        assert len(first.bodies) == len(second.bodies) == 1


def test_a_key_in_the_environment_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_answers, "_REFRESH_SECONDS", 0.0)
    with serving(GOOD) as server:
        model = model_at(server.url, profile={"key_variables": ("MY_KEY",)})
        for key in ("sk-first", "sk-second"):
            monkeypatch.setenv("MY_KEY", key)
            asked(model, "x")
        assert [headers["Authorization"] for headers in server.headers] == ["Bearer sk-first", "Bearer sk-second"]


def test_without_a_key_the_error_is_the_usual_one(way: str) -> None:
    model = model_at("http://127.0.0.1:9/v1", profile={"key_variables": ("NO_SUCH_KEY",)})
    ((call, value, _),) = asked(model, "x")
    assert isinstance(value, mf.AuthenticationError)
    assert call.attempts == 0


def changed(model: mf.ChatCompletion, **values: Any) -> mf.ChatCompletion:
    for name, value in values.items():
        setattr(model, name, value)
    return model


CHANGES: dict[str, Callable[[mf.ChatCompletion], mf.ChatCompletion]] = {
    "an option": lambda model: model.options.update(stop=["y"]) or model,  # type: ignore[func-returns-value]  # None
    "an option from within": lambda model: model.options["stop"].append("y") or model,
    "a further field": lambda model: model.extra_body["a"].append(2) or model,  # type: ignore[index]  # it has one
    "the profile": lambda model: changed(model, profile=mf.Model.chat_completion("gemini/m", api_key="x").profile),
    "a copy's options": lambda model: changed(copy.copy(model), options={"seed": 7}),
    "a copy's profile": lambda model: changed(
        copy.copy(model),
        profile=mf.Model.chat_completion(
            "m", base_url=model.profile.base_url, profile={"option_names": {"max_tokens": "n"}}
        ).profile,
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_model_counts_for_the_next_call(change: Callable[[Any], mf.ChatCompletion]) -> None:
    def made() -> mf.ChatCompletion:
        options: dict[str, Any] = {"max_tokens": 9, "stop": ["x"], "extra_body": {"a": [1]}}
        return mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1", **options)

    model = made()
    before = model.prepare("x", generation_schema=City)
    after = change(model).prepare("x", generation_schema=City)
    fresh = change(made()).prepare("x", generation_schema=City)
    assert before.request != after.request
    assert (after.request, after.key, after.question) == (fresh.request, fresh.key, fresh.question)


def test_a_copy_that_keeps_its_answers_does_not_take_the_short_way_of_the_other(tmp_path: Path) -> None:
    with serving(GOOD) as server:
        model = model_at(server.url)
        asked(model, "x")
        caching = changed(copy.copy(model), _store=model_at(server.url, cache=tmp_path)._store)
        assert [value for _, value, _ in asked(caching, "x", "x")] == [UR] * 2
        assert len(server.bodies) == 2


def test_a_batch_keeps_a_few_forms_and_no_more() -> None:
    model = mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1")
    for number in range(100):
        model.prepare("x", system_prompt=str(number), generation_schema=City)
    assert len(model._templates) <= 16


# What goes over the wire


def answering(answer: bytes) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(answer)

    return talk


def fixed(reply: Reply, *headers: str) -> bytes:
    """Return a reply as the bytes of an HTTP answer with a length."""
    body = b"".join(piece for piece in reply.pieces if isinstance(piece, bytes))
    lines = ["HTTP/1.1 200 OK", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": "sk-1", "extra_headers": {"X-One": "a", "user-agent": "me"}},
        {"api_key": "sk-1", "extra_headers": {"authorization": "Bearer other"}},
        {"api_key": "sk-1", "profile": {"key_header": "x-api-key"}},
        {"extra_headers": {"Authorization": "Bearer other"}},
        {"extra_headers": {"host": "elsewhere"}},
        {},
    ],
    ids=str,
)
def test_the_request_is_the_one_that_is_sent_the_long_way(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(answering(fixed(GOOD))) as server:
        asked(model_at(server.url, **options), "x")
        monkeypatch.setattr(whole_answers.WholeAnswers, "send", nothing_sent)
        asked(model_at(server.url, **options), "x")
        (short, body), (long, same) = server.requests
    assert body == same
    assert short.split("\r\n")[0] == long.split("\r\n")[0]
    assert sorted(short.lower().split("\r\n")) == sorted(long.lower().split("\r\n"))


@pytest.mark.parametrize("answer", [fixed(GOOD), wire(GOOD)], ids=["with a length", "chunked"])
def test_a_connection_is_used_for_the_next_request(answer: bytes) -> None:
    with listening(answering(answer)) as server:
        assert [value for _, value, _ in asked(model_at(server.url), *"abcde")] == [UR] * 5
        assert [len(peer.requests) for peer in server.peers] == [5]


@pytest.mark.parametrize(
    "answer",
    [
        fixed(GOOD, "Connection: close"),
        fixed(GOOD).replace(b"HTTP/1.1", b"HTTP/1.0"),
        fixed(GOOD) + b"HTTP/1.1 408 Request Timeout\r\n\r\n",
    ],
    ids=["closing", "of HTTP/1.0", "with bytes behind it"],
)
def test_a_connection_that_may_not_be_used_again_is_not(answer: bytes) -> None:
    with listening(answering(answer)) as server:
        assert [value for _, value, _ in asked(model_at(server.url), *"ab")] == [UR] * 2
        assert [len(peer.requests) for peer in server.peers] == [1, 1]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_an_answer_that_comes_in_pieces_is_put_together(step: int) -> None:
    whole = fixed(GOOD)

    def talk(peer: Peer) -> None:
        peer.read_request()
        for start in range(0, len(whole), step):
            peer.send(whole[start : start + step])

    with listening(talk) as server:
        assert asked(model_at(server.url), "x")[0][1] == UR


@pytest.mark.parametrize("drip", [b"", b" "], ids=["silent", "dripping"])
def test_the_limit_of_a_call_holds(way: str, drip: bytes) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not peer.wait_for_close(0.05):
            peer.send(drip)

    with listening(talk) as server:
        with quickly(after=0.27):
            ((_, value, _),) = asked(model_at(server.url, timeout=mf.Timeout(total=0.3)), "x")
        assert isinstance(value, mf.RequestTimeoutError)
        assert server.peers[0].left.wait(5)


def test_the_limit_of_a_call_holds_over_a_users_own_transport_too() -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not peer.wait_for_close(0.05):
            peer.send(b" ")

    with listening(talk) as server:
        with quickly(after=0.27):
            own = {"http_client": httpx.AsyncHTTPTransport()}
            ((_, value, _),) = asked(model_at(server.url, timeout=mf.Timeout(total=0.3), **own), "x")
        assert isinstance(value, mf.RequestTimeoutError)


def test_a_call_that_is_cancelled_closes_its_connection(way: str) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(model.prepare("x", generation_schema=City).ask())
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.wait_for_close()

    with listening(talk) as server:
        model = model_at(server.url)
        asyncio.run(main())
        assert server.peers[0].left.wait(5)


def test_a_server_that_is_not_there_is_an_error_of_ours(way: str) -> None:
    with listening(lambda _: None) as server:
        url = server.url
    ((call, value, _),) = asked(model_at(url), "x")
    assert isinstance(value, mf.ConnectionFailedError)
    assert call.attempts == 1


BREAKS: dict[str, Callable[[Peer], object]] = {
    "at once": lambda peer: peer.reset(),
    "before the head": lambda peer: None,
    "in the head": lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nConte"),
    "no HTTP": lambda peer: peer.send(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "in the body": lambda peer: peer.send(fixed(GOOD)[:-5]),
    "in a chunk": lambda peer: peer.send(wire(GOOD)[:-9]),
    "wrong chunks": lambda peer: peer.send(wire(GOOD)[:-5] + b"zz\r\n"),
}


@pytest.mark.parametrize("how", BREAKS.values(), ids=BREAKS)
def test_a_connection_that_breaks_is_the_same_error_on_both_ways(
    how: Callable[[Peer], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        how(peer)

    with listening(talk) as server:
        short = asked(model_at(server.url), "x")[0][1]
        monkeypatch.setattr(whole_answers.WholeAnswers, "send", nothing_sent)
        long = asked(model_at(server.url), "x")[0][1]
    assert type(short) is type(long)
    assert str(short) == str(long)


def test_a_users_own_transport_is_used() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        headers = {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1s"}
        return httpx.Response(200, content=GOOD.pieces[0], headers=headers)  # type: ignore[arg-type]  # bytes

    with_transport = model_at("http://127.0.0.1:9/v1", http_client=httpx.MockTransport(answer))
    ((call, value, _),) = asked(with_transport, "x")
    assert value == UR
    assert call.allowance is not None
    assert call.allowance.requests == 3
    assert json.loads(seen[0].content) == json.loads(call.request)


@pytest.mark.parametrize(
    "talk",
    [
        lambda peer: peer.wait_for_close(),
        lambda peer: peer.reset(),
        lambda peer: peer.send(f"HTTP/1.1 401 No {CANARY}\r\nContent-Length: 19\r\n\r\n{CANARY}".encode()),
        lambda peer: peer.send(b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"),
    ],
    ids=["silent", "reset", "repeated", "redirect", "half"],
)
def test_a_key_is_in_no_error(talk: Callable[[Peer], object]) -> None:
    def read_and(peer: Peer) -> None:
        peer.read_request()
        talk(peer)

    with listening(read_and) as server:
        model = model_at(server.url, api_key=CANARY, timeout=mf.Timeout(total=0.3))
        ((call, value, _),) = asked(model, "x")
        assert isinstance(value, mf.MsgfluxError)
        assert_clean(shown(value) + repr(call))
        assert CANARY in server.requests[0][0]


def test_a_key_is_not_in_the_traceback_of_a_cancelled_call() -> None:
    caught: list[BaseException] = []

    async def main() -> None:
        task = asyncio.ensure_future(model.prepare("x", generation_schema=City).ask())
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            caught.append(error)

    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.wait_for_close()

    with listening(talk) as server:
        model = model_at(server.url, api_key=CANARY)
        asyncio.run(main())
    assert_clean(shown(caught[0]))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("body", [{"choices": []}, {"choices": [], "usage": USAGE}])
def test_an_answer_without_choices_is_an_error(body: dict[str, Any]) -> None:
    with serving(Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})) as server:
        ((_, found, _),) = asked(model_at(server.url, max_retries=0), "Ur")
    assert isinstance(found, mf.NotAnApiError)
    assert "without choices" in str(found)
