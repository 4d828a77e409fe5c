"""Tests that a key is sent in one header and appears nowhere else."""

from __future__ import annotations

import asyncio
import base64
import copy
import io
import json
import logging
import pickle
import traceback
from typing import Any

import httpx
import pytest
from IPython.core.ultratb import VerboseTB

import msgflux_nb as mf
from msgflux_nb.models.keys import Key, find_key, scrub
from tests.scripted import Reply, completion, error, serving, stream

CANARY = "sk-CANARY0123456789"


def shown(caught: BaseException) -> str:
    """Return all that a person or a log may see of an exception, with verbose traceback and causes."""
    verbose = VerboseTB()
    text = verbose.text(type(caught), caught, caught.__traceback__)
    attributes = "".join(f"{name}={value!r}" for name, value in vars(caught).items())
    return text + "".join(traceback.format_exception(caught)) + attributes + repr(caught)


def assert_clean(text: str) -> None:
    assert "CANARY" not in text
    assert base64.b64encode(CANARY.encode()).decode()[:12] not in text


def model_with(url: str, key: Key | str, **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion("m", base_url=url, api_key=key, max_retries=0, **options)  # type: ignore[arg-type]  # a Key passes too


def failure_of(model: mf.ChatCompletion) -> mf.MsgfluxError:
    """Call from a frame without the key: a verbose traceback would print the test's own variable."""
    with pytest.raises(mf.MsgfluxError) as caught:
        model("Hi").consume()
    return caught.value


def async_failure_of(model: mf.ChatCompletion) -> mf.MsgfluxError:
    async def main() -> None:
        (await model.acall("Hi")).consume()

    with pytest.raises(mf.MsgfluxError) as caught:
        asyncio.run(main())
    return caught.value


def test_the_key_is_sent_in_the_one_header() -> None:
    with serving(completion()) as server:
        mf.Model.chat_completion("m", base_url=server.url, api_key=f"  {CANARY}\n")("Hi")
        headers = server.headers[0]
        assert headers.pop("Authorization") == f"Bearer {CANARY}"
        assert_clean(json.dumps([headers, server.bodies]))


FAULTS = {
    "an answer that echoes it": error(401, f"Incorrect API key provided: {CANARY}."),
    "a redirect": error(307, "gone", Location=f"http://127.0.0.1:9/?key={CANARY}"),
    "a broken stream": stream("x", done=False, cut=True),
    "a timeout": Reply([5.0]),
    "a web page": Reply([f"<title>{CANARY}</title>".encode()]),
}


@pytest.mark.parametrize("fails", [failure_of, async_failure_of], ids=["sync", "async"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_exception_shows_the_key(fault: str, fails: Any) -> None:
    with serving(FAULTS[fault]) as server:
        assert_clean(shown(fails(model_with(server.url, CANARY, timeout=0.3))))


@pytest.mark.parametrize("fails", [failure_of, async_failure_of], ids=["sync", "async"])
def test_no_exception_of_a_connection_shows_the_key(fails: Any) -> None:
    assert_clean(shown(fails(model_with("http://127.0.0.1:9/v1", CANARY))))


def test_the_cause_of_a_failure_is_kept_without_its_frames_and_request() -> None:
    """A frame of h11 that writes headers holds the key; a verbose traceback would print it."""
    cause = failure_of(model_with("http://127.0.0.1:9/v1", CANARY)).__cause__
    assert isinstance(cause, httpx.ConnectError)
    assert (cause.__traceback__, cause.__context__, cause._request) == (None, None, None)


@pytest.mark.parametrize("pasted", [f"{CANARY}\nx", f"{CANARY} x", f"{CANARY}\0", f"{CANARY}É", "", "  "])
def test_a_text_that_is_not_a_key_is_refused_without_showing_it(pasted: str) -> None:
    with serving(completion()) as server:
        caught = failure_of(model_with(server.url, pasted))
        assert isinstance(caught, mf.AuthenticationError)
        assert server.bodies == []
    assert_clean(shown(caught))


@pytest.mark.parametrize("client", [None, httpx.Client()], ids=["ours", "httpx"])
def test_logs_do_not_show_the_key(caplog: pytest.LogCaptureFixture, client: httpx.Client | None) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(completion()) as server:
        mf.Model.chat_completion("m", base_url=server.url, api_key=CANARY, http_client=client)("Hi")
    assert caplog.records or client is None
    assert_clean("".join(record.getMessage() for record in caplog.records))


def test_a_key_shows_itself_masked_everywhere() -> None:
    key = Key(CANARY)
    model = mf.Model.chat_completion("m", base_url="http://x", api_key=CANARY, extra_headers={"x-key": CANARY})
    assert_clean(f"{key} {key!r} {key!s:>20} {copy.deepcopy(key)!r} {model!r} {vars(model)!r}")


def test_a_key_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dump(Key(CANARY), io.BytesIO())


def test_a_missing_key_is_reported_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(mf.AuthenticationError, match="OPENAI_API_KEY"):
        mf.Model.chat_completion("openai/gpt-4.1-nano")("Hi")


def test_a_key_is_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", f" {CANARY} ")
    assert find_key(None, ("OTHER_KEY", "SOME_KEY"), "some") == Key(CANARY)
    assert find_key(Key("given"), ("SOME_KEY",), "some") == Key("given")
    assert find_key(None, (), "some") is None


@pytest.mark.parametrize(
    "text", ["sk-proj-abcdefgh12345678", "AIzaSyA1234567890abc", "Bearer abc.def", "gsk_12345678abc"]
)
def test_what_looks_like_a_key_is_scrubbed(text: str) -> None:
    assert scrub(f"bad key {text}, sorry") == "bad key [key], sorry"


def test_a_very_short_key_leaves_other_words_readable() -> None:
    assert scrub("bad key k: 12 tokens", [Key("k")]) == "bad key [key]: 12 tokens"


@pytest.mark.parametrize(
    "data", [rb"a sk%2Dlong-key_1234567890 b", rb'"sk\u002Dlong-key_1234567890"', b"&#115;k-long-key_1234567890"]
)
def test_the_quick_check_finds_a_key_whose_characters_are_escaped(data: bytes) -> None:
    assert Key("sk-long-key_1234567890").occurs_in(data)
