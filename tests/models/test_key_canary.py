"""Tests that the key, and every other secret of a request, is only in the one header that the server receives."""

from __future__ import annotations

import asyncio
import base64
import copy
import html
import json
import os
import pickle
import signal
import socket
import threading
import traceback
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp  # noqa: F401  # loaded now, or the first call of a loop would be late
import httpx
import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import StoreEntry, open_store
from tests.models.canary import (
    GATEWAY,
    KEY,
    aclose_clients,
    assert_clean,
    everything_logged,
    failure,
    model_with_secrets,
    printed,
    shown,
    walked,
)
from tests.moments import LONG
from tests.scripted import Peer, chunk, completion, error, listening, serving, stream, wire

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def framed(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def answer(status: int, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} No", *headers, f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines).encode()


def echoing(make: Callable[[str], bytes]) -> Callable[[Peer], None]:
    """Answer with a text made of the request's head, including secrets."""

    def talk(peer: Peer) -> None:
        peer.send(make(peer.read_request()[0]))

    return talk


def doing(*pieces: bytes, then: Callable[[Peer], object] = Peer.wait_for_close) -> Callable[[Peer], None]:
    def talk(peer: Peer) -> None:
        peer.read_request()
        peer.send(*pieces)
        then(peer)

    return talk


CODED = base64.b64encode(f"Bearer {KEY}".encode()).decode()
BOTH = f"{KEY} and {GATEWAY}"
FAULTS: dict[str, Callable[[Peer], None]] = {
    "401 as text": echoing(lambda head: answer(401, f"who is {BOTH}?")),
    "401 with the whole head": echoing(lambda head: answer(401, head)),
    "401 as JSON": echoing(lambda head: wire(error(401, f"Incorrect API key provided: {BOTH}."))),
    "401 in fields": echoing(lambda head: answer(401, f'{{"error": {{"code": "{KEY}", "param": ["{GATEWAY}"]}}}}')),
    "401 in names": echoing(lambda head: answer(401, f'{{"error": {{"{KEY}": "{GATEWAY}"}}}}')),
    "401 where it is cut": echoing(lambda head: answer(401, "x" * 3990 + GATEWAY)),
    "401 in base64": echoing(lambda head: answer(401, f"no: {CODED} {base64.b64encode(GATEWAY.encode()).decode()}")),
    "401 in headers": echoing(lambda head: answer(401, "no", f"WWW-Authenticate: {BOTH}", f"Retry-After: {KEY}")),
    "500 web page": echoing(lambda head: answer(500, f"<html><title>{BOTH}</title>{head}")),
    "web page": echoing(lambda head: answer(200, f"<html><title>{BOTH}</title>{head}")),
    "words": echoing(lambda head: answer(200, head)),
    "words where they are cut": echoing(lambda head: answer(200, "x" * 108 + GATEWAY)),
    "a title where it is cut": echoing(lambda head: answer(200, f"<title>{'x' * 108}{GATEWAY}</title>")),
    "no JSON where it is cut": echoing(
        lambda head: wire(stream(f"data: {'x' * 108}{GATEWAY}\n\n".encode(), done=False))
    ),
    "error in a stream": echoing(lambda head: wire(stream(b'data: {"error": "%b"}\n\n' % BOTH.encode(), done=False))),
    "no JSON in a stream": echoing(lambda head: wire(stream(f"data: {KEY} {CODED}\n\n".encode(), done=False))),
    "no HTTP": echoing(lambda head: f"{BOTH}\r\n\r\n".encode()),
    "an echo": echoing(lambda head: head.partition("\r\n")[2].partition("Authorization")[2].encode() + b"\r\n\r\n"),
    "no status": echoing(lambda head: f"HTTP/1.1 {KEY}\r\n\r\n".encode()),
    "no header": echoing(lambda head: f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode()),
    "no chunk": echoing(lambda head: HEAD + framed(chunk("Hel")) + f"{KEY}\r\n".encode()),
    "no compression": echoing(lambda head: answer(200, head, "Content-Encoding: gzip")),
    "redirect": echoing(lambda head: answer(307, "gone", f"Location: http://127.0.0.1:9/?key={KEY}&g={GATEWAY}")),
    "no answer": doing(),
    "no content": doing(HEAD),
    "no more content": doing(HEAD, framed(chunk("Hel"))),
    "cut before the head": doing(then=lambda peer: None),
    "reset before the head": doing(then=Peer.reset),
    "cut": doing(HEAD, framed(chunk("Hel")), then=lambda peer: None),
    "reset": doing(HEAD, framed(chunk("Hel")), 0.05, then=Peer.reset),
}
every_way = pytest.mark.parametrize(
    ("driver", "client"), [("sync", None), ("async", None), ("sync", httpx.Client), ("async", httpx.AsyncClient)]
)


def given(client: Callable[..., Any] | None) -> dict[str, Any]:
    """Load no trusted certificates: no server here has one, and loading takes longer than the call."""
    return {} if client is None else {"http_client": client(verify=False)}


@every_way
@pytest.mark.parametrize("fault", FAULTS)
def test_no_failure_shows_a_secret(
    fault: str, driver: str, client: Callable[[], Any] | None, capfd: pytest.CaptureFixture[str]
) -> None:
    with listening(FAULTS[fault]) as server, everything_logged() as lines:
        model = model_with_secrets(server.url, timeout=0.5, **given(client))
        caught = failure(model, driver, debug=True)
        assert isinstance(caught, mf.MsgfluxError)
        head = server.requests[0][0]
    assert (head.count(KEY), head.count(GATEWAY)) == (1, 1)
    assert_clean("".join(shown(caught)))
    # At DEBUG, the library under a client of the user's logs what a server sends, header by header; that is his to set.
    assert_clean("".join(line for line in lines if client is None or "httpcore" not in line))
    assert_clean("".join(capfd.readouterr()))
    assert_clean("".join(walked(model)))
    for copied in (copy.copy, copy.deepcopy, lambda one: pickle.dumps(one)):
        with suppress(TypeError):
            assert_clean(repr(copied(caught)))


def test_a_redirect_takes_no_secret_to_another_place() -> None:
    with listening(Peer.read_request) as elsewhere:
        redirect = answer(307, "", f"Location: {elsewhere.url}")
        with listening(echoing(lambda head: redirect)) as server:
            for client in (None, httpx.Client(follow_redirects=True)):
                assert isinstance(failure(model_with_secrets(server.url, http_client=client), "sync"), mf.NotAnApiError)
        assert elsewhere.peers == []


@pytest.mark.parametrize("driver", ["sync", "async"])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/v1",
        "https://nowhere.invalid/v1",
        "http://me:CANARYpass@127.0.0.1:9/v1",
        "http://me:p@CANARY@127.0.0.1:9/v1",
        "ftp://x",
    ],
)
def test_no_failure_to_connect_shows_a_secret(driver: str, url: str) -> None:
    caught = failure(model_with_secrets(url), driver)
    assert isinstance(caught, mf.ConnectionFailedError)
    assert_clean(str(caught) + "".join(map(str, caught.args)) + str(caught.__cause__))
    if "CANARY" not in url:  # a password in base_url is where the user wrote it: in model.profile, as in his own cell
        assert_clean("".join(shown(caught)))


@pytest.mark.parametrize("driver", ["sync", "async"])
def test_a_connection_that_takes_too_long_shows_no_secret(driver: str) -> None:
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for line in (first, second):
            line.setblocking(False)
            line.connect_ex(deaf.getsockname())
        caught = failure(model_with_secrets(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", timeout=0.2), driver)
    assert isinstance(caught, mf.RequestTimeoutError)
    assert_clean("".join(shown(caught)))


@pytest.mark.parametrize("driver", ["sync", "async"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["http", "https", "socks5", "nonsense"])
def test_the_password_of_a_proxy_is_never_shown(
    driver: str, scheme: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = answer(407, "no: sk-CANARYproxy0123 " + base64.b64encode(b"me:sk-CANARYproxy0123").decode())
    with listening(echoing(lambda head: refusal)) as proxy, everything_logged() as lines:
        monkeypatch.setenv(f"{scheme}_proxy", f"{kind}://me:sk-CANARYproxy0123@127.0.0.1:{proxy.port}")
        caught = failure(model_with_secrets(f"{scheme}://api.invalid/v1", timeout=0.4), driver)
    monkeypatch.undo()
    assert isinstance(caught, mf.MsgfluxError)
    assert_clean("".join([*shown(caught), *lines]))


OVER = threading.Event()
"""Set once a call has ended whose request a server did not read."""
INTERRUPTED = {
    "head": doing(),
    "body": doing(HEAD),
    "next chunk": doing(HEAD, framed(chunk("Hel"))),
    "sending": lambda peer: peer.read_head() and OVER.wait(LONG),
}


@every_way
@pytest.mark.parametrize("waiting_for", INTERRUPTED)
def test_an_interrupt_shows_no_secret(waiting_for: str, driver: str, client: Callable[[], Any] | None) -> None:
    options = {"extra_body": {"long": "0123456789" * 600_000}} if waiting_for == "sending" else {}
    OVER.clear()
    with listening(INTERRUPTED[waiting_for]) as server:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        model = model_with_secrets(server.url, timeout=LONG, **options, **given(client))
        timer.start()
        caught = failure(model, driver)
        OVER.set()
        timer.join()
    assert isinstance(caught, KeyboardInterrupt)
    assert_clean("".join(shown(caught)))


@pytest.mark.parametrize("client", [None, httpx.AsyncClient])
@pytest.mark.parametrize("waiting_for", INTERRUPTED)
def test_a_cancelled_task_shows_no_secret(waiting_for: str, client: Callable[[], Any] | None) -> None:
    options = {"extra_body": {"long": "0123456789" * 600_000}} if waiting_for == "sending" else {}

    async def main(model: mf.ChatCompletion) -> BaseException:
        async def call() -> Any:
            return await (await model.acall("Hi", stream=True)).consume()

        task = asyncio.ensure_future(call())
        await asyncio.sleep(0.2)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return error
        finally:
            await aclose_clients(model)
        raise AssertionError("it was not cancelled")

    OVER.clear()
    with listening(INTERRUPTED[waiting_for]) as server:
        model = model_with_secrets(server.url, timeout=LONG, **options, **given(client))
        caught = asyncio.run(main(model), debug=True)
        OVER.set()
    assert_clean("".join(shown(caught)))


@pytest.mark.parametrize("driver", ["sync", "async"])
@pytest.mark.parametrize("ending", ["\nx", " x", "\0", "É", "\r\nX-Other: y"])
def test_a_key_that_cannot_be_one_is_never_shown(driver: str, ending: str) -> None:
    with listening(Peer.read_request) as server, everything_logged() as lines:
        caught = failure(model_with_secrets(server.url, api_key=KEY + ending), driver)
        assert isinstance(caught, mf.AuthenticationError)
        assert server.peers == []
    assert_clean("".join([*shown(caught), *lines]))


@pytest.mark.parametrize("driver", ["sync", "async"])
@pytest.mark.parametrize("ending", ["\nx", "\0", "É"])
def test_a_header_that_cannot_be_sent_is_never_shown(driver: str, ending: str) -> None:
    with listening(Peer.read_request) as server:
        caught = failure(model_with_secrets(server.url, extra_headers={"X-Gateway": GATEWAY + ending}), driver)
        assert isinstance(caught, mf.BadRequestError)
        assert server.peers == []
    assert_clean("".join(shown(caught)))


def copy_or_refusal(copied: Callable[[Any], Any], part: Any) -> str:
    """Return what a copy shows, or what its refusal shows, including the unfinished copy in its frames."""
    try:
        return repr(copied(part))
    except Exception as refusal:
        frames = [frame for frame, _ in traceback.walk_tb(refusal.__traceback__)]
        return "\n".join([repr(refusal), *(printed(value) for frame in frames for value in frame.f_locals.values())])


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_shows_no_secret(streamed: bool, tmp_path: Path) -> None:
    reply = wire(stream("Hel", "lo") if streamed else completion())
    with listening(echoing(lambda head: reply)) as server, everything_logged() as lines:
        model = model_with_secrets(server.url, cache=tmp_path)
        for _ in range(2):
            response = model("Hi", stream=streamed)
            assert response.consume() == "Hello"
            for part in (response, response.snapshot, response.metadata, response.to_messages(), model, lines):
                assert_clean("".join(walked(part)))
            assert_clean(repr(response._repr_mimebundle_()))
            assert_clean(response.to_frame().to_csv())
        assert len(server.requests) == 1
    for part in (model, response):
        for copied in (copy.copy, copy.deepcopy, pickle.dumps, msgspec.json.encode):
            assert_clean(copy_or_refusal(copied, part))
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert_clean("".join(file.read_bytes().decode("latin-1") for file in files))


def test_a_password_in_an_address_is_not_in_the_cache(tmp_path: Path) -> None:
    with listening(echoing(lambda head: wire(completion()))) as server:
        url = server.url.replace("127", "me:CANARYpass@127")
        model_with_secrets(url, cache=tmp_path / "kept.sqlite")("Hi")
    assert_clean("".join(file.read_bytes().decode("latin-1") for file in tmp_path.iterdir()))


def test_the_probe_sees_what_is_shown() -> None:
    class Careless:
        def __init__(self) -> None:
            self.key = KEY

    def fail() -> None:
        header = base64.b64encode(f"Bearer {KEY}".encode()).decode()
        raise ValueError(len(header))

    with pytest.raises(ValueError) as caught:
        fail()
    for text in (
        f"{KEY[3:9]}",
        CODED,
        "".join(walked(Careless())),
        "".join(walked([Careless()])),
        *shown(caught.value),
    ):
        if "header=" in text or "CANARY" in text or text == CODED:
            with pytest.raises(AssertionError):
                assert_clean(text)
    with pytest.raises(AssertionError):
        assert_clean("".join(shown(caught.value)))


def test_the_cache_keeps_no_key_that_a_server_repeats(tmp_path: Path) -> None:
    answer = completion(f"Your key is {KEY}, and in base64 {CODED}.")
    with listening(echoing(lambda head: wire(answer))) as server:
        model_with_secrets(server.url, cache=tmp_path / "kept.sqlite", extra_body={"own": KEY})("Hi")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert_clean("".join(file.read_bytes().decode("latin-1") for file in files))


@pytest.mark.parametrize("coded", [False, True])
def test_the_cache_keeps_no_key_that_a_server_repeats_in_pieces(coded: bool, tmp_path: Path) -> None:
    key = CODED if coded else KEY
    answer = stream(*["Your key is "], *[key[at : at + 4] for at in range(0, len(key), 4)], ", I think.")
    with listening(echoing(lambda head: wire(answer))) as server:
        model = model_with_secrets(server.url, cache=tmp_path / "kept.sqlite")
        model("Hi", stream=True).consume()
        again = model("Hi", stream=True).consume()
        assert len(server.requests) == 1
    assert again.startswith("Your key is ")
    assert "[key]" in again
    assert_clean(again)
    assert key not in again


ODD = "ab/CANARY+0123=<9>&z"


@pytest.mark.parametrize(
    "spelt",
    [
        ODD,
        urllib.parse.quote(ODD),
        urllib.parse.quote(ODD, safe=""),
        urllib.parse.quote(ODD, safe="").lower().replace("canary", "CANARY"),
        html.escape(ODD),
        json.dumps(ODD).strip('"').replace("/", "\\/"),
    ],
)
def test_a_key_that_a_server_repeats_in_another_spelling_is_not_shown(spelt: str) -> None:
    with listening(echoing(lambda head: answer(401, f"who is {spelt}?"))) as server:
        caught = failure(model_with_secrets(server.url, api_key=ODD), "sync")
    assert "who is [key]?" in str(caught)
    assert_clean("".join(shown(caught)))


def test_the_snapshot_of_an_error_shows_no_key_that_a_server_repeats() -> None:
    def talk(head: str) -> bytes:
        first = msgspec.json.encode({"debug": {"key": KEY}, "choices": [{"index": 0, "delta": {"own": [KEY]}}]})
        return wire(stream(b"data: " + first + b"\n\n", error_chunk(), done=False))

    with listening(echoing(talk)) as server, pytest.raises(mf.MsgfluxError) as caught:
        model_with_secrets(server.url)("Hi", stream=True).consume()
    snapshot = caught.value.snapshot
    assert snapshot is not None
    assert snapshot.fields or snapshot.choices[0].fields
    assert_clean(repr(snapshot))


def error_chunk() -> bytes:
    return b'data: {"error": {"message": "died", "code": 500}}\n\n'


def test_users_of_one_address_do_not_share_cached_answers(tmp_path: Path) -> None:
    store = open_store(tmp_path / "kept.sqlite")
    alice, bob, nobody = (StoreEntry(store, f"https://{user}x.test/v1", b"{}") for user in ("alice:a@", "bob:b@", ""))
    alice.put(b"of alice")
    assert (alice.get(), bob.get(), nobody.get()) == (b"of alice", None, None)
    assert StoreEntry(store, "https://alice:changed@x.test/v1", b"{}").get() == b"of alice"


class Person(msgspec.Struct):
    name: str


def test_keys_share_kept_answers_and_addresses_and_models_do_not(tmp_path: Path) -> None:
    reply = completion('{"name": "Ada"}')
    with serving(reply) as server, serving(reply) as other:

        def ask(key: str, url: str = server.url, name: str = "m") -> tuple[bool, str]:
            where = {"base_url": url, "api_key": key}
            kept = mf.Model.chat_completion(name, cache=tmp_path / "cache.sqlite", **where)
            frame = mf.extract(
                ["Ada"],
                Person,
                model=mf.Model.chat_completion(name, **where),
                store=tmp_path / "rows.sqlite",
                progress=False,
            )
            return kept("Hi").metadata.cached, frame["_status"][0]

        assert [ask("first-key-000000"), ask("second-key-11111")] == [(False, "ok"), (True, "cached")]
        assert ask("first-key-000000", other.url) == (False, "ok")
        assert ask("first-key-000000", name="n") == (False, "ok")


UNREAD: dict[str, str] = {
    "no JSON": "no: SECRETS",
    "JSON that is cut": '{"name": "SECRETS',
    "another type": '{"name": {"SECRETS": 1}}',
}


@pytest.mark.parametrize("secret", [KEY, GATEWAY])
@pytest.mark.parametrize("said", UNREAD)
@pytest.mark.parametrize("way", ["sync", "stream", "async", "batch"])
def test_the_message_of_an_error_about_an_answer_has_no_key_that_the_answer_repeats(
    way: str, said: str, secret: str
) -> None:
    text = UNREAD[said].replace("SECRETS", secret)
    with serving(stream(text) if way == "stream" else completion(text)) as server:
        model = model_with_secrets(server.url)
        if way == "batch":
            frame = mf.extract(["Ada"], Person, model=model, store=False, progress=False)
            assert list(frame["_status"]) == ["invalid"]
            assert secret not in frame.to_string()
            return
        if way == "async":
            response = asyncio.run(model.acall("Ada", generation_schema=Person))
        else:
            response = model("Ada", generation_schema=Person, stream=way == "stream")
        with pytest.raises(mf.ValidationFailedError) as raised:
            response.consume()
        assert secret not in "".join(traceback.format_exception(raised.value))


CALLS: dict[str, tuple[str, str, str]] = {
    "a name": ("c", "SECRETS", '{"a": '),
    "an id": ("SECRETS", "work", '{"a": '),
    "arguments": ("c", "work", '{"a": SECRETS}'),
}


@pytest.mark.parametrize("secret", [KEY, GATEWAY])
@pytest.mark.parametrize("said", CALLS)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors_of_tool_calls_have_no_key_that_a_call_repeats(streamed: bool, said: str, secret: str) -> None:
    id_, name, arguments = (text.replace("SECRETS", secret) for text in CALLS[said])
    call = {"index": 0, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
    reply = stream(chunk(tool_calls=[call])) if streamed else completion(None, tool_calls=[call], reason="tool_calls")
    with serving(reply) as server:
        answer = model_with_secrets(server.url)("Hi", stream=streamed)
        calls = answer.consume()
    for fail in (
        lambda: calls.get_calls(strict=True),
        lambda: calls.insert_results({"another": 1}),
        lambda: calls.insert_results({calls.states[0].id: nested()}),
    ):
        with pytest.raises(mf.ToolCallError) as raised:
            fail()
        for part in (secret, secret[:16], secret[-12:]):
            assert part not in str(raised.value)
    for copied in (copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
        assert copied(calls).scrub is str


def test_an_error_quotes_no_part_of_a_key_in_arguments() -> None:
    key = "q8Zr1xW7" * 5  # nothing shows that a part of it is one
    call = {"id": "c", "type": "function", "function": {"name": "work", "arguments": f'{{"a": {key}}}'}}
    with serving(completion(None, tool_calls=[call], reason="tool_calls")) as server:
        model = mf.Model.chat_completion("m", base_url=server.url, api_key=key)
        with pytest.raises(mf.ToolCallError, match="its arguments hold a key") as raised:
            model("Hi").consume().get_calls(strict=True)
    assert key[:8] not in str(raised.value)


def nested() -> Any:
    found: Any = []
    for _ in range(1_000):
        found = [found]
    return found


@pytest.mark.parametrize("secret", [KEY, GATEWAY])
def test_a_refusal_that_repeats_a_key_is_shown_without_it(secret: str) -> None:
    with (
        serving(completion(None, refusal=f"no, {secret}")) as server,
        pytest.raises(mf.RefusedError, match=r"no, \[key\]") as raised,
    ):
        model_with_secrets(server.url)("Hi").consume()
    assert secret not in str(raised.value)


def escaped(key: str) -> list[str]:
    """Return a key with all or some of its characters escaped, as servers of several kinds do."""
    codes = [ord(one) for one in key]
    some = {"+": "\\u002B", "=": "\\u003D", "&": "\\u0026", "<": "\\u003C", ">": "\\u003E"}  # as .NET does
    return [
        "".join(some.get(one, one) for one in key),
        "".join(some.get(one, one) for one in key).replace("\\", "\\\\"),
        "".join(f"%{code:02X}" for code in codes),
        "".join(f"%25{code:02x}" for code in codes),
        "".join(f"&#{code};" for code in codes),
        "".join(f"&#x{code:X};" for code in codes),
        "".join(f"\\u{code:04x}" for code in codes),
        key.replace("/", "%2F").replace("=", "%3d"),
    ]


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize("body", ["who is %s?", '{"error": {"message": "who is %s?"'])
def test_an_error_hides_a_key_with_escaped_characters(at: int, body: str) -> None:
    with listening(echoing(lambda head: answer(401, body % escaped(ODD)[at]))) as server:
        caught = failure(model_with_secrets(server.url, api_key=ODD), "sync")
    assert "who is [key]?" in str(caught)
    assert_clean("".join(shown(caught)))


@pytest.mark.parametrize("spelt", escaped(ODD))
def test_an_escaped_key_is_hidden_in_what_is_kept(spelt: str) -> None:
    from msgflux_nb.models.keys import Key, hide_in_bytes

    text = f"a 100% \\n {spelt}{spelt} &amp; %20"
    assert hide_in_bytes(text.encode(), Key(ODD)).decode() == "a 100% \\n [key][key] &amp; %20"
    assert hide_in_bytes(b"a 100% \\n &amp; %20", Key(ODD)) == b"a 100% \\n &amp; %20"


@pytest.mark.parametrize("streamed", [False, True])
def test_fields_and_links_of_an_answer_show_no_key(streamed: bool) -> None:
    link = {"type": "url_citation", "url_citation": {"url": f"https://a.test/?k={KEY}&code=ours", "title": KEY}}
    part = {"role": "assistant", "content": "Hello", "annotations": [link], "own": {KEY: KEY}}
    of_all = {"id": f"r-{KEY}", "model": f"m-{KEY}", "service_tier": KEY, "debug": {"head": f"Bearer {KEY}"}}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    choice = {"index": 0, "delta" if streamed else "message": part, "finish_reason": f"stop-{KEY}"}
    body = msgspec.json.encode({**of_all, "choices": [choice], "usage": usage})
    reply = stream(b"data: " + body + b"\n\n") if streamed else completion()
    with listening(echoing(lambda head: wire(reply) if streamed else answer(200, body.decode()))) as server:
        response = model_with_secrets(server.url)("Hi", stream=streamed)
        assert response.consume() == "Hello"
        about = response.metadata
        assert about.id == "r-[key]"
        assert response.annotations[0]["url_citation"]["url"] == "https://a.test/?k=[key]&code=ours"
        for found in (response, about, response.snapshot, response.annotations, response.to_messages()):
            assert_clean(repr(found))
        assert_clean(repr(response._repr_mimebundle_()))


def test_a_model_can_be_copied_after_a_batch() -> None:
    with serving(completion('"Ur"')) as server:
        model = mf.Model.chat_completion("m", base_url=server.url, api_key=KEY)
        mf.extract(["a"], str, model=model, store=False, progress=False)
        copied = copy.deepcopy(model)
        assert list(mf.extract(["b"], str, model=copied, store=False, progress=False)["_status"]) == ["ok"]
