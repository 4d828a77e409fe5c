"""Tests that no secret of a request is in the frame, the store or the errors of a batch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import msgflux_nb as mf
from tests.models.canary import GATEWAY, KEY, assert_clean, everything_logged, model_with_secrets, shown, walked
from tests.models.test_key_canary import FAULTS, INTERRUPTED, OVER
from tests.moments import LONG
from tests.scripted import Peer, Reply, completion, listening, wire


class Place(msgspec.Struct):
    name: str


def written(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file())


def error_of(model: mf.ChatCompletion, store: Path) -> mf.MsgfluxError:
    """Return the error of a batch; the frames here hold neither a secret nor the server's requests."""
    with pytest.raises(mf.MsgfluxError) as caught:
        mf.extract(["b"], Place, model=model, store=store, progress=False, on_error="raise")
    return caught.value


@pytest.mark.parametrize("fault", FAULTS)
def test_no_row_that_failed_shows_a_secret(fault: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with listening(FAULTS[fault]) as server, everything_logged() as lines:
        model = model_with_secrets(server.url, timeout=0.5)
        frame = mf.extract(["a"], Place, model=model, store=tmp_path, progress=False)
        error = error_of(model, tmp_path)
        assert all((head.count(KEY), head.count(GATEWAY)) == (1, 1) for head, _ in server.requests)
    assert frame["_status"].tolist() == ["failed"]
    for one in (frame, vars(error).pop("result")):
        assert_clean(one.to_csv() + json.dumps(one.attrs))
    assert_clean(written(tmp_path) + "".join([*shown(error), *lines, *capfd.readouterr(), *walked(model)]))


@pytest.mark.parametrize("words", [f"I was sent {KEY} and {GATEWAY}", '{"name": "Ur"}'], ids=["repeated", "good"])
def test_an_answer_is_kept_without_a_secret(words: str, tmp_path: Path) -> None:
    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(completion(words)))

    with listening(talk) as server, everything_logged() as lines:
        model = model_with_secrets(server.url, profile={"reasks": 0})
        frame = mf.extract(["a"], Place, model=model, store=tmp_path, progress=False)
        assert frame["_status"].tolist() == ["invalid" if KEY in words else "ok"]
        assert KEY in server.requests[0][0]
    assert_clean(written(tmp_path) + "".join(lines) + "".join(walked(model)))


@pytest.mark.parametrize("where", ["content", "reasoning_content", "note"])
def test_a_key_whose_letters_come_as_numbers_is_hidden_too(where: str, tmp_path: Path) -> None:
    """Servers differ in which characters of JSON they write as numbers; some write all."""
    spelled = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    message = json.dumps({"content": '{"name": "Ur"}', where: "HERE"}).replace("HERE", f"I was sent {spelled}")
    body = f'{{"choices": [{{"index": 0, "message": {message}, "finish_reason": "stop"}}]}}'

    def talk(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(wire(Reply([body.encode()], headers={"Content-Type": "application/json"})))

    with listening(talk) as server:
        model = model_with_secrets(server.url, profile={"reasks": 0})
        frame = mf.extract(["a"], Place, model=model, store=tmp_path, progress=False)
    assert frame["_status"].tolist() == ["invalid" if where == "content" else "ok"]
    kept = written(tmp_path)
    assert "I was sent" in kept
    assert spelled not in kept
    assert_clean(kept)


@pytest.mark.parametrize("waiting_for", INTERRUPTED)
def test_a_row_that_is_cancelled_shows_no_secret(waiting_for: str) -> None:
    options = {"extra_body": {"long": "0123456789" * 600_000}} if waiting_for == "sending" else {}
    assert_clean("".join(shown(cancelled(INTERRUPTED[waiting_for], **options))))


def test_a_row_that_is_cancelled_while_it_connects_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("msgflux_nb.http.async_client.aconnected", never)
    assert_clean("".join(shown(cancelled(lambda peer: None))))


def cancelled(talk: Callable[[Peer], object], **options: object) -> BaseException:
    """Ask for a row as a batch does, cancel the request, and return the raised error."""

    async def main(model: mf.ChatCompletion) -> BaseException:
        task = asyncio.ensure_future(model.prepare("a", generation_schema=Place).ask())
        await asyncio.sleep(0.2)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return error
        raise AssertionError("it was not cancelled")

    OVER.clear()
    with listening(talk) as server:
        try:
            return asyncio.run(main(model_with_secrets(server.url, timeout=LONG, **options)), debug=True)
        finally:
            OVER.set()
