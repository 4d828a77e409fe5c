"""Tests which recorded answer a request gets, and recordings of several models, processes and replays."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.models.again import check
from msgflux_nb.storage.recordings.recording import Recording
from tests.scripted import Reply, completion, error, model_at, serving, stream

NOWHERE = "http://x/v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lesson.jsonl"


def questions(path: Path) -> list[str]:
    return [line.body["messages"][-1]["content"] for line in Recording(path).exchanges]


@pytest.mark.parametrize("partial", [False, True], ids=["whole", "partial"])
def test_equal_requests_at_once_are_answered_in_the_order_of_asking(partial: bool, path: Path) -> None:
    """The first request ends last, so the requests end in another order."""
    replies = [Reply([pause, *completion(str(pause)).pieces]) for pause in (0.3, 0.15, 0.0)]

    async def ask(url: str) -> list[str | None]:
        return [answer.text for answer in await asyncio.gather(*(model_at(url).acall("Hi") for _ in replies))]

    with serving(*replies) as server, mf.record(path) as recorder:
        came = asyncio.run(ask(server.url))
        assert recorder.partial is not None
        if partial:
            path = path.with_name("killed.jsonl.partial")
            path.write_bytes(recorder.partial.read_bytes())
    with mf.replay(path):
        assert asyncio.run(ask(NOWHERE)) == came


def test_what_another_process_adds_meanwhile_stays(path: Path) -> None:
    with serving(completion()) as server:
        model = model_at(server.url)
        with mf.record(path):
            model("before")
        with mf.record(path):
            with mf.record(path, add=True):
                model("added")
            model("replacing")
    assert questions(path) == ["before", "added", "replacing"]


def test_a_question_with_a_hidden_part_says_so_and_keeps_the_order(path: Path) -> None:
    with serving(completion("an admiral"), completion("a tank")) as server, mf.record(path, scrub=["Ada", "Bob"]):
        for name in ("Ada", "Bob"):
            model_at(server.url)(f"Who is {name}?")
    with mf.replay(path):
        answers = [model_at(NOWHERE)(f"Who is {name}?") for name in ("Ada", "Eve")]
    assert [answer.text for answer in answers] == ["an admiral", "a tank"]
    assert all("hidden" in answer.metadata.warnings[0] for answer in answers)


def test_a_hidden_option_does_not_change_the_question(path: Path) -> None:
    with serving(completion("fine")) as server, mf.record(path):
        model_at(server.url, extra_body={"api_key": "canary-4711-xyz"})("Hi")
    with mf.replay(path):
        answer = model_at(NOWHERE, extra_body={"api_key": "another"})("Hi")
    assert (answer.text, answer.metadata.warnings) == ("fine", ())


def responses_answer() -> Reply:
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]
    body = {"id": "r", "object": "response", "status": "completed", "output": output}
    return Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})


def messages_answer() -> Reply:
    body = {"type": "message", "role": "assistant", "stop_reason": "end_turn", "usage": {"output_tokens": 1}}
    return Reply([json.dumps({**body, "content": [{"type": "text", "text": "Hello"}]}).encode()])


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@pytest.mark.parametrize(
    ("reply", "wire", "then", "now", "asked"),
    [
        (responses_answer(), "responses", {"verbosity": "low"}, {"verbosity": "high"}, {}),
        (responses_answer(), "responses", {"verbosity": "low"}, {}, {}),
        (messages_answer(), "messages", {}, {"parallel_tool_calls": False}, {"tool_schemas": [add]}),
        (messages_answer(), "messages", {}, {"extra_body": {"output_config": {"effort": "low"}}}, {}),
        (completion("Hello"), "chat", {"wire": "chat"}, {"wire": "messages"}, {}),
    ],
)
def test_an_option_inside_a_field_of_the_form_is_an_option(
    reply: Reply, wire: str, then: dict[str, Any], now: dict[str, Any], asked: dict[str, Any], path: Path
) -> None:
    with serving(reply) as server, mf.record(path):
        model_at(server.url, **{"wire": wire, **then})("Hi", **asked)
    with mf.replay(path):
        answer = model_at(NOWHERE, **{"wire": wire, **now})("Hi", **asked)
    assert answer.text == "Hello"
    assert "recorded with other options" in answer.metadata.warnings[0]


MARK = f"<media:{'0' * 64}:base64>"


@pytest.mark.parametrize("text", [MARK, f"a {MARK} and <media:{'ab' * 32}:text>", MARK + "iVBORw0K" * 1000])
def test_a_text_that_resembles_a_mark_of_media_stays(text: str, path: Path) -> None:
    with serving(completion(text)) as server, mf.record(path):
        model_at(server.url)(f"Say {text}")
    assert [finding.verdict for finding in check(Recording(path))] == ["ok"]
    with mf.replay(path):
        assert model_at(NOWHERE)(f"Say {text}").text == text


def test_marks_of_one_large_medium_do_not_fill_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = "iVBORw0K" * 60_000
    parts = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}} for _ in range(3)]
    messages = [{"role": "user", "content": [{"type": "text", "text": "What?"}, *parts]}]
    replies = completion(f"{picture}\n" * 3), completion("A cat")
    with serving(*replies) as server, mf.record(path):
        model_at(server.url)("Draw")
        model_at(server.url)(messages)
    monkeypatch.setenv("MSGFLUX_MAX_STREAM_MB", "1")
    said = [finding.verdict for finding in check(Recording(path))]
    assert all("larger than 1 MB" in one and "MSGFLUX_MAX_STREAM_MB" in one for one in said)
    with mf.replay(path), pytest.raises(mf.RecordingError, match="MSGFLUX_MAX_STREAM_MB"):
        model_at(NOWHERE)("Draw")
    monkeypatch.setenv("MSGFLUX_MAX_STREAM_MB", "2")
    assert [finding.verdict for finding in check(Recording(path))] == ["ok", "ok"]


@pytest.mark.parametrize("end", [b"", b"x", b"\r"])
def test_the_last_line_of_a_partial_is_not_lost_with_its_line_end(end: bytes, path: Path) -> None:
    with contextlib.suppress(KeyError), serving(completion("Hello")) as server, mf.record(path):
        model_at(server.url)("Hi")
        raise KeyError
    partial = path.with_name("lesson.jsonl.partial")
    partial.write_bytes(partial.read_bytes()[:-1] + end)
    with pytest.raises(mf.RecordingError, match=r"there is .*lesson\.jsonl\.partial, which can be used"):
        mf.replay(path)
    if end:
        with pytest.raises(mf.RecordingError, match="line 3"):
            mf.replay(partial)
    else:
        assert questions(partial) == ["Hi"]


@pytest.mark.parametrize("end", ["printable", "BaseException", "Nonsense"])
def test_an_end_of_an_unknown_name_is_an_interrupted_stream(end: str, path: Path) -> None:
    from msgflux_nb.storage.recordings.lines import RecordedExchange
    from msgflux_nb.storage.recordings.recorder import write_recording

    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    with serving(completion()) as server, mf.record(path):
        model_at(server.url)("Hi")
    line = RecordedExchange(date="2026-12-02T00:00:00Z", asked="m", body=asked, end=end, message="ended")
    write_recording(path, Recording(path).header, [], [line])
    with mf.replay(path), pytest.raises(mf.StreamInterruptedError, match="ended"):
        model_at(NOWHERE)("Hi")


def test_a_replay_that_is_recorded_keeps_its_models_and_hides_more(path: Path) -> None:
    other = path.with_name("other.jsonl")
    with serving(completion("I am Ada"), error(400, "not Ada")) as server, mf.record(path):
        model_at(server.url, temperature=0.5)("Hi, Ada")
        with pytest.raises(mf.BadRequestError):
            model_at(server.url)("Bad")
    model = mf.Model.chat_completion(f"replay/{path}")
    with mf.record(other, scrub="Ada"):
        model("Hi, Ada")
        with pytest.raises(mf.BadRequestError):
            model("Bad")
    assert [(one.name, one.settings) for one in Recording(other).models] == [
        (one.name, one.settings) for one in Recording(path).models
    ]
    text = other.read_text(encoding="utf-8")
    assert "Ada" not in text
    assert str(path) not in text
    assert mf.Model.chat_completion(f"replay/{other}")("Hi, Bob").text == "I am [hidden]"


def test_a_stream_is_answered_by_a_recorded_whole_answer_and_says_so(path: Path) -> None:
    with serving(completion("Hello"), stream("a", "b")) as server, mf.record(path):
        model_at(server.url)("Hi")
        model_at(server.url)("Ho", stream=True).consume()
    with mf.replay(path):
        answers = [model_at(NOWHERE)("Hi", stream=True), model_at(NOWHERE)("Ho")]
        assert [answer.consume() for answer in answers] == ["Hello", "ab"]
    assert all("stream" in answer.metadata.warnings[0] for answer in answers)
