"""Tests that a recorded request gets the same answer again, without a key or a network; errors say why it does not."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import itertools
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models import recording_context
from msgflux_nb.models.again import check, record_again
from msgflux_nb.storage.recordings import player
from msgflux_nb.storage.recordings.recorder import write_recording
from msgflux_nb.storage.recordings.recording import Recording
from tests.models.canary import assert_clean, failure, model_with_secrets
from tests.models.test_key_canary import FAULTS
from tests.moments import LONG, quickly
from tests.scripted import Reply, chunk, completion, error, listening, model_at, serving, stream


class Person(msgspec.Struct):
    name: str
    age: int


ADA = '{"name": "Ada", "age": 36}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lesson.jsonl"


@contextlib.contextmanager
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every new connection raise an error."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was opened")

    with monkeypatch.context() as changed:
        changed.setattr(socket.socket, "connect", refuse)
        changed.setattr(socket.socket, "connect_ex", refuse)
        changed.setattr(socket, "create_connection", refuse)
        changed.setattr(socket, "getaddrinfo", refuse)
        yield


def asked_sync(model: mf.ChatCompletion, messages: Any, **keywords: Any) -> Any:
    return model(messages, **keywords).consume()


def asked_async(model: mf.ChatCompletion, messages: Any, **keywords: Any) -> Any:
    async def main() -> Any:
        answer = await model.acall(messages, **keywords)
        return (await answer.consume()) if keywords.get("stream") else answer.consume()

    return asyncio.run(main())


BOTH = pytest.mark.parametrize("ask", [asked_sync, asked_async], ids=["sync", "async"])


@BOTH
def test_text_stream_and_structure_are_replayed_without_a_network(
    ask: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = [completion("Hello"), stream("a", "b", "c"), completion(ADA)]
    with serving(*replies) as server, mf.record(path):
        model = model_at(server.url)
        first = [ask(model, "Hi"), ask(model, "Go", stream=True), ask(model, "Who", generation_schema=Person)]
    assert first == ["Hello", "abc", Person("Ada", 36)]
    with no_network(monkeypatch), mf.replay(path, speed=math.inf):
        model = model_at("http://127.0.0.1:9/v1")
        for _ in range(2):
            again = [ask(model, "Who", generation_schema=Person), ask(model, "Go", stream=True), ask(model, "Hi")]
            assert again == [Person("Ada", 36), "abc", "Hello"]


def test_a_replayed_answer_says_where_it_comes_from(path: Path) -> None:
    with serving(completion("Hello")) as server, mf.record(path):
        live = model_at(server.url)("Hi").metadata
    with mf.replay(path):
        again = model_at("http://127.0.0.1:9/v1")("Hi").metadata
    assert live.replayed is None
    assert again.replayed is not None
    assert (again.replayed.file, again.replayed.date) == ("lesson.jsonl", time.strftime("%Y-%m-%d", time.gmtime()))
    assert (again.cost, again.usage, again.attempts) == (0.0, live.usage, live.attempts)
    assert again.seconds == Recording(path).exchanges[0].ms / 1000


@pytest.mark.parametrize("stream_it", [False, True], ids=["whole", "stream"])
def test_what_an_answer_cost_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch, stream_it: bool) -> None:
    from tests.scripted import chunk

    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    bill = b'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}}\n\n'
    reply = stream("Hello", chunk(reason="stop"), bill) if stream_it else completion("Hello")

    def asked(url: str) -> Any:
        model = mf.Model.chat_completion("openai/gpt-4.1-nano", base_url=url, profile={"price_list": "openai"})
        answer = model("Hi", stream=stream_it)
        answer.consume()
        return answer.metadata

    with serving(reply) as server, mf.record(path):
        live = asked(server.url)
    line = Recording(path).exchanges[0]
    assert (line.prompt_tokens, line.completion_tokens) == (4, 3)
    assert live.cost
    assert line.cost == pytest.approx(live.cost)
    assert Recording(path).header.cost == line.cost
    with mf.replay(path):
        again = asked("http://x/v1")
    assert (again.cost, again.recorded_cost) == (0.0, line.cost)


def test_equal_requests_get_their_answers_in_turn_and_then_the_first_again(path: Path) -> None:
    with serving(completion("1"), completion("2"), completion("3")) as server, mf.record(path):
        for _ in range(3):
            model_at(server.url)("Hi")
    with mf.replay(path):
        assert [model_at("http://x/v1")("Hi").text for _ in range(4)] == ["1", "2", "3", "1"]


def test_the_same_messages_with_other_options_are_answered_and_say_so(path: Path) -> None:
    with serving(completion("cold")) as server, mf.record(path):
        model_at(server.url, temperature=0)("Hi")
    with mf.replay(path):
        answer = model_at("http://x/v1", temperature=0.7)("Hi")
    assert answer.text == "cold"
    assert answer.metadata.warnings == ("recorded with other options: temperature 0 and not 0.7",)


def test_what_is_not_recorded_is_an_error_with_the_nearest_request_and_the_difference(path: Path) -> None:
    with serving(completion("4"), completion("Paris")) as server, mf.record(path):
        model = model_at(server.url)
        model("What is 2+2?")
        model("What is the capital of France?")
    with mf.replay(path), pytest.raises(mf.NotRecordedError) as caught:
        model_at("http://x/v1")("What is the capital of Spain?")
    said = str(caught.value)
    assert '-   "content": "What is the capital of France?"' in said
    assert '+   "content": "What is the capital of Spain?"' in said
    assert f'with mf.record("{path}", add=True)' in said


def test_a_request_for_another_structure_is_not_answered_by_a_similar_one(path: Path) -> None:
    with serving(completion("Hello")) as server, mf.record(path):
        model_at(server.url)("Hi")
    with mf.replay(path), pytest.raises(mf.NotRecordedError):
        model_at("http://x/v1")("Hi", generation_schema=Person)


def test_another_model_answers_what_is_not_recorded_where_one_is_named(path: Path) -> None:
    with serving(completion("recorded")) as server, mf.record(path):
        model_at(server.url)("Hi")
    with serving(completion("live")) as server, mf.replay(path, otherwise=model_at(server.url)):
        model = model_at("http://127.0.0.1:9/v1")
        known, new = model("Hi"), model("Something else")
        table = mf.extract(["Ada"], Person, model=model, prompt="{text}", progress=False, on_error="keep")
    assert (known.text, known.metadata.warnings) == ("recorded", ())
    assert new.text == "live"
    assert new.metadata.replayed is None
    assert "was asked instead" in new.metadata.warnings[0]
    assert len(table) == 1
    assert {body["messages"][-1]["content"] for body in server.bodies[:2]} == {"Something else", "Ada"}


def test_another_recording_answers_what_is_not_in_the_first(path: Path) -> None:
    other = path.with_name("other.jsonl")
    for place, words in ((path, "first"), (other, "second")):
        with serving(completion(words)) as server, mf.record(place):
            model_at(server.url)(words)
    with mf.replay(path, otherwise=mf.Model.chat_completion(f"replay/{other}")):
        model = model_at("http://127.0.0.1:9/v1")
        assert [model(words).text for words in ("first", "second")] == ["first", "second"]
        with pytest.raises(mf.NotRecordedError, match=r"other\.jsonl"):
            model("third")


@pytest.mark.parametrize("otherwise", ["openai/gpt-4.1-nano", lambda words: words, mf.Model])
def test_only_a_model_or_a_recording_can_answer_what_is_not_recorded(path: Path, otherwise: Any) -> None:
    with serving(completion("Hello")) as server, mf.record(path):
        model_at(server.url)("Hi")
    with pytest.raises(TypeError, match="otherwise: expected a model"):
        mf.replay(path, otherwise=otherwise)


# -- errors, cuts, retries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["retry-after", "x-retry-after", "retry-after-ms", "x-ms-retry-after-ms"])
def test_a_wait_is_replayed_whatever_its_header_is_called(name: str, path: Path) -> None:
    wait = "120000" if name.endswith("-ms") else "120"
    refusal = error(429, "slow down", **{name.replace("-", "_"): wait})
    with serving(refusal) as server, mf.record(path), pytest.raises(mf.RateLimitError) as live:
        model_at(server.url, max_retries=0)("Hi").consume()
    with mf.replay(path), pytest.raises(mf.RateLimitError) as again:
        model_at("http://x/v1", max_retries=0)("Hi").consume()
    assert live.value.retry_after == again.value.retry_after == 120


def with_long_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change a recording so that its server asks for a wait of 30 s, and let a replay at that speed wait as long."""
    monkeypatch.setattr(recording_context, "_LONGEST_WAIT_SECONDS", LONG)
    held = Recording(path)
    longer = {"retry-after": f"{LONG:g}"}
    exchanges = [
        msgspec.structs.replace(line, headers={**line.headers, **longer}) if "retry-after" in line.headers else line
        for line in held.exchanges
    ]
    write_recording(path, held.header, held.models, exchanges)


@BOTH
def test_errors_and_retries_are_replayed_and_not_waited_for(
    ask: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = [error(429, "slow down", Retry_After="0.3"), completion("after"), error(404, "no such model")]
    with serving(*replies) as server, mf.record(path):
        model = model_at(server.url, max_retries=1)
        assert ask(model, "Hi") == "after"
        with pytest.raises(mf.NotFoundError) as live:
            ask(model, "Gone")
    assert Recording(path).exchanges[0].headers["retry-after"] == "0.3"
    with_long_waits(path, monkeypatch)
    with mf.replay(path, speed=math.inf):
        model = model_at("http://x/v1", max_retries=1)
        with quickly():
            assert ask(model, "Hi") == "after"
        with pytest.raises(mf.NotFoundError) as again:
            ask(model, "Gone")
    assert str(again.value) == str(live.value)
    assert (again.value.status, again.value.body) == (404, live.value.body)


def test_a_wait_before_a_retry_counts_once_in_the_time_of_a_replay(path: Path) -> None:
    with serving(error(429, "slow down", Retry_After="0.3"), completion("after")) as server, mf.record(path):
        model_at(server.url, max_retries=1)("Hi")
    took = sum(one.ms for one in Recording(path).exchanges) / 1000
    with mf.replay(path, speed=math.inf):
        replayed = model_at("http://x/v1", max_retries=1)("Hi").metadata.seconds
    assert replayed == pytest.approx(took + 0.3, abs=0.01)


@BOTH
def test_a_cut_stream_is_cut_again_with_what_had_arrived(ask: Callable[..., Any], path: Path) -> None:
    with (
        serving(stream("one ", "two", done=False, cut=True)) as server,
        mf.record(path),
        pytest.raises(mf.StreamInterruptedError) as live,
    ):
        ask(model_at(server.url), "Hi", stream=True)
    with mf.replay(path, speed=math.inf), pytest.raises(mf.StreamInterruptedError) as again:
        ask(model_at("http://x/v1"), "Hi", stream=True)
    assert again.value.snapshot.text == live.value.snapshot.text == "one two"


@pytest.mark.parametrize("streamed", [False, True])
def test_of_an_answer_that_never_ends_the_beginning_is_recorded(path: Path, streamed: bool) -> None:
    pieces = [f"word {number} " * 1_000 for number in range(40)]
    with serving(stream(*pieces, done=False, cut=True)) as server:
        with mf.record(path), pytest.raises(mf.MsgfluxError) as live:
            model_at(server.url)("Hi", stream=streamed).consume()
        assert len(server.bodies) == 1
    assert 240_000 < path.stat().st_size < 300_000
    with mf.replay(path, speed=math.inf), pytest.raises(type(live.value)) as again:
        model_at(server.url)("Hi", stream=streamed).consume()
    if streamed:
        assert live.value.snapshot.text.startswith(again.value.snapshot.text)
        assert len(again.value.snapshot.text) > 200_000


@BOTH
def test_an_answer_that_took_too_long_is_replayed_as_the_same_error(ask: Callable[..., Any], path: Path) -> None:
    limits = mf.Timeout(total=0.5)
    slowly = [piece for number in range(100) for piece in (f"{number} ", 0.02)]
    with serving(stream(*slowly)) as server, mf.record(path), pytest.raises(mf.RequestTimeoutError) as live:
        ask(model_at(server.url, timeout=limits), "Hi", stream=True)
    with mf.replay(path, speed=math.inf), pytest.raises(mf.RequestTimeoutError) as again:
        ask(model_at("http://x/v1", timeout=limits), "Hi", stream=True)
    assert str(again.value) == str(live.value)
    assert again.value.snapshot.text.startswith(live.value.snapshot.text)  # one more may have come and not been read


@BOTH
def test_a_stall_is_replayed_as_the_same_error_at_once(
    ask: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = mf.Timeout(between=0.3)
    with (
        serving(stream("one", LONG, "two")) as server,
        mf.record(path),
        pytest.raises(mf.StalledStreamError) as live,
    ):
        ask(model_at(server.url, timeout=limits), "Hi", stream=True)
    monkeypatch.setattr(player, "ReplayPace", None)  # nothing has a pace to keep
    with mf.replay(path, speed=math.inf), quickly(), pytest.raises(mf.StalledStreamError) as again:
        ask(model_at("http://x/v1", timeout=limits), "Hi", stream=True)
    assert str(again.value) == str(live.value)


def test_a_connection_that_never_came_is_recorded_too(path: Path) -> None:
    with mf.record(path), pytest.raises(mf.ConnectionFailedError):
        model_at("http://127.0.0.1:9/v1")("Hi")
    with mf.replay(path), pytest.raises(mf.ConnectionFailedError):
        model_at("http://127.0.0.1:9/v1")("Hi")


def test_a_stream_that_was_left_is_left_at_the_same_place(path: Path) -> None:
    with serving(stream("a", 0.05, "b", 0.3, "c")) as server, mf.record(path):
        for text in model_at(server.url)("Hi", stream=True):
            if text == "b":
                break
    with mf.replay(path, speed=math.inf):
        answer = iter(model_at("http://x/v1")("Hi", stream=True))
        assert [next(answer), next(answer)] == ["a", "b"]
        with pytest.raises(mf.StreamInterruptedError, match="the recording ends here"):
            model_at("http://x/v1")("Hi", stream=True).consume()


# -- batches and threads -----------------------------------------------------------------------------------------------


def test_a_batch_is_recorded_and_replayed_on_its_own_loop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = ["Ada", "Bob", "Cy"]
    replies = [completion(f'{{"name": "{name}", "age": 1}}') for name in people]
    with serving(*replies) as server, mf.record(path):
        live = mf.extract(
            people, Person, model=model_at(server.url), prompt="{text}", max_concurrency=1, progress=False
        )
    with no_network(monkeypatch), mf.replay(path, speed=math.inf):
        model = model_at("http://x/v1")
        again = mf.extract(people, Person, model=model, prompt="{text}", progress=False)
    assert list(again["name"]) == list(live["name"]) == people
    assert list(again["_status"]) == ["ok"] * 3


def test_threads_that_carry_the_context_are_recorded(path: Path) -> None:
    from msgflux_nb.widgets.base.run import start_thread

    with serving(completion("Hello")) as server, mf.record(path) as recorder:
        start_thread(lambda: model_at(server.url)("Hi"), "asks").join()
        assert len(recorder) == 1


def test_a_thread_started_inside_a_block_belongs_to_it(path: Path) -> None:
    waiting = ThreadPoolExecutor(1)
    waiting.submit(int).result()  # its thread is older than the block
    with serving(completion("Hello"), completion("Out")) as server:

        def ask(words: str) -> str:
            return model_at(server.url)(words).text

        with mf.record(path) as recorder:
            with ThreadPoolExecutor(2) as pool:
                assert sorted(pool.map(ask, "ab")) == ["Hello", "Out"]
            thread = threading.Thread(target=ask, args=("c",))
            thread.start()
            thread.join()
            assert len(recorder) == 3
            waiting.submit(ask, "d").result()
            assert len(recorder) == 3
        with ThreadPoolExecutor(1) as pool:
            pool.submit(ask, "e").result()
        waiting.shutdown()
    with mf.replay(path), ThreadPoolExecutor(1) as pool:
        model = model_at("http://127.0.0.1:9/v1")
        assert sorted(answer.text for answer in pool.map(model, "abc")) == ["Hello", "Out", "Out"]
        with pytest.raises(mf.NotRecordedError):
            pool.submit(model, "d").result()


def test_what_is_outside_is_not_recorded(path: Path) -> None:
    with serving(completion("Hello")) as server:
        with mf.record(path) as recorder:
            model_at(server.url)("Hi")
        model_at(server.url)("Bye")
        assert len(recorder) == 1


# -- the file ----------------------------------------------------------------------------------------------------------


def test_an_error_leaves_the_old_file_and_keeps_what_came_as_partial(path: Path) -> None:
    with serving(completion("old"), completion("new")) as server:
        with mf.record(path):
            model_at(server.url)("Hi")
        before = path.read_bytes()
        recorder = mf.record(path)
        with pytest.raises(ZeroDivisionError), recorder:  # noqa: PT012  # the recording is what is tested
            model_at(server.url)("Hi")
            1 / 0  # noqa: B018
    assert path.read_bytes() == before
    assert recorder.partial is not None
    with mf.replay(recorder.partial):
        assert model_at("http://x/v1")("Hi").text == "new"


def test_a_recording_replaces_and_add_adds(path: Path) -> None:
    with serving(completion("1"), completion("2"), completion("3")) as server:
        for add in (False, False, True):
            with mf.record(path, add=add):
                model_at(server.url)("Hi")
    with mf.replay(path):
        assert [model_at("http://x/v1")("Hi").text for _ in range(2)] == ["2", "3"]
    assert [one.name for one in path.parent.iterdir()] == ["lesson.jsonl"]


@pytest.mark.parametrize("place", range(7))
def test_a_byte_changed_by_hand_is_refused(path: Path, place: int) -> None:
    with serving(completion("Hello"), completion("again")) as server, mf.record(path):
        model_at(server.url)("Hi")
        model_at(server.url)("Hi")
    data = bytearray(path.read_bytes())
    at = [
        data.index(b"Hello"),
        3,
        len(data) - 1,
        len(data) - 4,
        data.index(b"\n"),
        40,
        data.index(b"check"),
    ][place]
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(mf.RecordingError, match=r"line \d|expected"):
        mf.replay(path)


def test_a_line_taken_out_is_noticed(path: Path) -> None:
    with serving(completion("Hello"), completion("again")) as server, mf.record(path):
        model_at(server.url)("Hi")
        model_at(server.url)("Hi")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(mf.RecordingError, match="expected 2 exchanges"):
        mf.replay(path)


EDITS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "two moved": lambda lines: [*lines[:2], lines[3], lines[2]],
    "one doubled for another": lambda lines: [*lines[:3], lines[2]],
    "a model's line for an exchange's": lambda lines: [lines[0], lines[2], lines[2], lines[3]],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_lines_that_are_moved_or_exchanged_are_noticed(path: Path, edit: Callable[[list[bytes]], list[bytes]]) -> None:
    with serving(completion("Hello"), completion("again")) as server, mf.record(path):
        model_at(server.url)("Hi")
        model_at(server.url)("Hi")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(edit(lines)))
    with pytest.raises(mf.RecordingError, match="by hand"):
        mf.replay(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.replace(b"\n", b"\r\n"), "line ends to those of Windows"),
        (lambda data: b"\xef\xbb\xbf" + data, "byte order mark"),
        (gzip.compress, "It is compressed"),
    ],
)
def test_what_a_program_did_to_a_file_is_named(path: Path, change: Callable[[bytes], bytes], said: str) -> None:
    with serving(completion("Hello")) as server, mf.record(path):
        model_at(server.url)("Hi")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(mf.RecordingError, match=said):
        mf.replay(path)


@pytest.mark.parametrize(
    "header",
    [
        b'{"kind":"recording","format":2,"check":"0123456789abcdef"}',
        b'{"kind":"recording","format":2}',
        b'{"format":"1.5","kind":"recording","sealed":{"by":"sha256"}}',
    ],
)
def test_a_later_format_is_refused_with_a_sentence(path: Path, header: bytes) -> None:
    path.write_bytes(header + b'\n{"kind":"something new"}\n')
    for use in (lambda: mf.replay(path), lambda: mf.record(path).__enter__()):
        with pytest.raises(mf.RecordingError, match="written by a later version of msgflux_nb"):
            use()


@pytest.mark.parametrize("version", [0, -1])
def test_a_format_that_never_was_is_refused(path: Path, version: int) -> None:
    from msgflux_nb.storage.recordings.lines import RecordingHeader, to_line

    path.write_bytes(to_line(RecordingHeader(format=version, id="x", exchanges=0)))
    with pytest.raises(mf.RecordingError, match="expected a recording of format 1"):
        mf.replay(path)


def test_a_kill_in_the_middle_leaves_a_readable_partial(path: Path) -> None:
    with serving(completion("Hello")) as server:
        code = (
            "import msgflux_nb as mf, sys, time\n"
            "with mf.record(sys.argv[1]):\n"
            "    mf.Model.chat_completion('scripted', base_url=sys.argv[2])('Hi')\n"
            "    print('asked', flush=True)\n"
            "    time.sleep(60)\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code, str(path), server.url], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"asked\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    partial = path.with_name("lesson.jsonl.partial")
    partial.write_bytes(partial.read_bytes() + b'{"kind":"exchange","da')  # as a power cut leaves it
    assert not path.exists()
    with mf.replay(partial):
        assert model_at("http://x/v1")("Hi").text == "Hello"


def test_two_processes_that_record_into_one_file_lose_nothing(path: Path) -> None:
    code = (
        "import msgflux_nb as mf, sys\n"
        "with mf.record(sys.argv[1]):\n"
        "    model = mf.Model.chat_completion('scripted', base_url=sys.argv[2])\n"
        "    for n in range(20): model(f'{sys.argv[3]} {n}')\n"
        "    print('asked', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    with serving(completion("Hello")) as server:
        both = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(path), server.url, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for name in "ab"
        ]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == b"asked\n"
        for process in both:
            process.communicate(b"\n")
            assert process.returncode == 0
    asked = {line.body["messages"][-1]["content"] for line in Recording(path).exchanges}
    assert asked == {f"{name} {number}" for name in "ab" for number in range(20)}
    assert [one.name for one in path.parent.iterdir()] == ["lesson.jsonl"]


def test_long_media_are_stored_next_to_the_recording(path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * 2000}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What?"}, picture]}]
    with serving(completion("A cat")) as server, mf.record(path):
        model_at(server.url)(messages)
    assert path.stat().st_size < 3_000
    [medium] = (path.parent / "lesson.media").iterdir()
    with mf.replay(path):
        assert model_at("http://x/v1")(messages).text == "A cat"
    medium.write_bytes(medium.read_bytes() + b" ")
    [finding] = check(Recording(path))
    assert (finding.ok, "was changed after it was recorded" in finding.verdict) == (False, True)


def test_a_picture_of_an_answer_that_was_changed_is_refused(path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * 2000}}
    with serving(completion(None, images=[picture])) as server, mf.record(path):
        model_at(server.url)("Draw")
    with mf.replay(path):
        assert len(model_at("http://x/v1")("Draw").images) == 1
    [medium] = (path.parent / "lesson.media").iterdir()
    medium.write_bytes(b"x" + medium.read_bytes()[1:])
    with mf.replay(path), pytest.raises(mf.RecordingError, match="was changed after it was recorded"):
        model_at("http://x/v1")("Draw")


# -- keys --------------------------------------------------------------------------------------------------------------

KEY = "sk-canary-4f9a77c1d2e8"
WORD = "correct-horse-battery-staple"


def in_pieces(text: str, size: int = 3, **delta: Any) -> list[bytes]:
    from tests.scripted import chunk

    return [chunk(text[start : start + size]) for start in range(0, len(text), size)]


def test_no_key_is_in_a_recording_however_it_was_given(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tests.scripted import Reply, chunk

    def fragment(text: str) -> bytes:
        call = {"index": 0, "id": "c1", "function": {"name": "login", "arguments": text}}
        return chunk("", tool_calls=[call])

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    arguments = f'{{"user": "ada", "key": "{KEY}"}}'
    replies = [
        completion(f"Your key is {KEY}."),
        stream(*in_pieces(f"I say {KEY} and {WORD} aloud")),
        stream(*[fragment(arguments[at : at + 5]) for at in range(0, len(arguments), 5)]),
        error(401, f"wrong key {KEY}"),
        Reply([f"<html>{KEY}</html>".encode()], status=500, headers={"X-Key": KEY, "Retry-After": KEY}),
        completion(f'{{"password": "{WORD}"}}'),
    ]
    with serving(*replies) as server, mf.record(path, scrub=[WORD]):
        host = server.url.removeprefix("http://")
        model_at(server.url, api_key=KEY)("Hi")
        mf.Model.chat_completion("openai/gpt-4.1-nano", base_url=server.url)("Say it", stream=True).consume()
        tool = {"name": "login", "parameters": {"type": "object", "properties": {"key": {"type": "string"}}}}
        model_at(server.url, extra_headers={"X-Gateway": KEY})("Log in", tool_schemas=[tool], stream=True).consume()
        for model in (
            model_at(f"http://ada:{KEY}@{host}"),
            model_at(f"{server.url}?key={KEY}"),
            model_at(server.url, extra_body={"api_key": KEY, "password": WORD}),
        ):
            with contextlib.suppress(mf.MsgfluxError):
                model(f"My key is {KEY}, and {WORD}")
    whole = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    assert len(Recording(path).exchanges) == 6
    for secret in (KEY, WORD, KEY[3:], "canary", "battery"):
        assert secret.encode() not in whole


@pytest.mark.parametrize("driver", ["sync", "async"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_of_a_server_brings_a_key_into_a_recording(fault: str, driver: str, path: Path) -> None:
    with listening(FAULTS[fault]) as server, mf.record(path):
        caught = failure(model_with_secrets(server.url, timeout=0.5), driver)
    assert isinstance(caught, mf.MsgfluxError)
    assert_clean(path.read_text(encoding="utf-8"))
    with mf.replay(path, speed=math.inf):
        again = failure(model_with_secrets("http://127.0.0.1:9/v1", timeout=0.5), driver)
    assert type(again) is type(caught)


def test_a_request_of_which_something_was_hidden_is_found_again_and_its_answer_is_whole(path: Path) -> None:
    with (
        serving(completion("fine"), stream(*in_pieces(f"<{KEY}> ok"))) as server,
        mf.record(path, scrub="Ada Lovelace"),
    ):
        model_at(server.url, api_key=KEY)("I am Ada Lovelace")
        model_at(server.url, api_key=KEY)("Go", stream=True).consume()
    with mf.replay(path, speed=math.inf):
        assert model_at("http://x/v1")("I am Ada Lovelace").text == "fine"
        assert model_at("http://x/v1")("Go", stream=True).consume() == "<[key]> ok"


def test_what_is_only_spelt_like_a_key_stays(path: Path) -> None:
    said = '{"key_findings": ["Bearer of news", "hf_hub_download"], "sk-4f9a77c1d2e8xyz": 1}'
    with serving(completion(said)) as server, mf.record(path):
        model_at(server.url)("Give the key_findings")
    with mf.replay(path):
        text = model_at("http://x/v1")("Give the key_findings").text
    assert text == '{"key_findings": ["Bearer of news", "hf_hub_download"], "[key]": 1}'


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_records_into_the_same_file(path: Path) -> None:
    with serving(completion("Hello")) as server, mf.record(path):
        model_at(server.url)("parent")
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                model_at(server.url)("child")
            os._exit(0)
        os.waitpid(child, 0)
    assert {line.body["messages"][0]["content"] for line in Recording(path).exchanges} == {"parent", "child"}


# -- a recording as a model --------------------------------------------------------------------------------------------


def test_a_recording_is_a_model_with_the_options_of_its_header(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(completion("Hello"), stream("a", "b")) as server, mf.record(path):
        model = model_at(server.url, temperature=0.5)
        model("Hi")
        model("Go", stream=True).consume()
    monkeypatch.setenv("MSGFLUX_REPLAY_SPEED", "inf")
    with no_network(monkeypatch):
        model = mf.Model.chat_completion(f"replay/{path}")
        assert model.options == {"temperature": 0.5}
        assert (model("Hi").text, list(model("Go", stream=True))) == ("Hello", ["a", "b"])
        folder = mf.Model.chat_completion(f"replay/{path.parent}")
        assert folder("Hi").text == "Hello"
    assert model.recorded is not None
    assert list(model.recorded["question"]) == ["Hi", "Go"]


def test_the_environment_replays_without_a_change_of_code(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(completion("Hello")) as server, mf.record(path):
        model_at(server.url)("Hi")
    monkeypatch.setenv("MSGFLUX_REPLAY", str(path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with no_network(monkeypatch):
        assert model_at("http://x/v1")("Hi").text == "Hello"
        with pytest.raises(mf.NotRecordedError):
            mf.Model.chat_completion("openai/gpt-4.1-nano")("Something else")


def test_a_cached_answer_is_recorded_and_a_replay_takes_none_from_the_cache(path: Path, tmp_path: Path) -> None:
    with serving(completion("Hello")) as server:
        model = model_at(server.url, cache=tmp_path / "cache.sqlite")
        model("Hi")
        with mf.record(path):
            assert model("Hi").metadata.cached
    with mf.replay(path):
        answer = model_at("http://x/v1", cache=tmp_path / "cache.sqlite")("Hi")
    assert (answer.text, answer.metadata.cached) == ("Hello", False)


# -- rhythm ------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_stream_keeps_its_rhythm(ask: Callable[..., Any], path: Path) -> None:
    with serving(stream(*[piece for n in range(20) for piece in (f"{n} ", 0.03)])) as server, mf.record(path):
        ask(model_at(server.url), "Hi", stream=True)
    chunks = Recording(path).exchanges[0].chunks
    recorded = [later - sooner for (sooner, _), (later, _) in itertools.pairwise(chunks)]
    came: list[float] = []
    with mf.replay(path):
        if ask is asked_sync:
            for _ in model_at("http://x/v1")("Hi", stream=True):
                came.append(time.monotonic())
        else:

            async def main() -> None:
                async for _ in await model_at("http://x/v1").acall("Hi", stream=True):
                    came.append(time.monotonic())

            asyncio.run(main())
    replayed = [1000 * (later - sooner) for sooner, later in itertools.pairwise(came)]
    apart = sorted(abs(one - other) for one, other in zip(recorded, replayed, strict=False))
    assert apart[len(apart) // 2] < 20


@pytest.mark.parametrize("use", [mf.replay, mf.record, lambda path: mf.Model.chat_completion(f"replay/{path}")])
def test_a_pipe_or_a_device_is_refused_as_a_recording_without_waiting(path: Path, use: Any) -> None:
    os.mkfifo(path)
    device = path.with_name("device.jsonl")
    device.symlink_to("/dev/zero")
    for place in (path, device):
        with pytest.raises(mf.RecordingError, match="a pipe or a device"), use(place):
            pass


class FullDisk:
    """A disk with room for so many more bytes of recordings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1 << 30
        self._write, self._write_bytes = os.write, Path.write_bytes
        monkeypatch.setattr("msgflux_nb.storage.recordings.recorder.os.write", self.write)
        monkeypatch.setattr(Path, "write_bytes", lambda path, data: self.write_bytes(path, data))

    def write(self, file: int, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = self._write(file, bytes(data[: self.room]))
        self.room -= count
        return count

    def write_bytes(self, path: Path, data: bytes) -> int:
        self._write_bytes(path, data[: self.room])
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)


ROOM = 1 << 30


def recorded_on(disk: FullDisk, path: Path, model: mf.ChatCompletion, rooms: list[int]) -> list[str]:
    """Ask a question for each of these sizes of free space except the last, which holds at the end of the recording."""
    answers = []
    with mf.record(path):
        for number, room in enumerate(rooms[:-1], 1):
            disk.room = room
            answers.append(model(str(number)).text)
        disk.room = rooms[-1]
    return answers


def test_answers_on_a_full_disk_wait_and_are_whole_in_the_recording_once_there_is_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    said = ["one", "two", "data:image/png;base64," + "A" * 8_000, "four", "five"]
    with serving(*map(completion, said)) as server:
        with pytest.warns(RuntimeWarning, match="No space left") as told:
            answers = recorded_on(disk, path, model_at(server.url), [ROOM, 50, 0, 0, ROOM, ROOM])
        assert len(told) == 1
        assert answers == said
        with mf.replay(path):
            model = model_at(server.url)
            assert [model(str(number)).text for number in range(1, 6)] == said
        assert len(server.bodies) == 5


def delete(partial: Path) -> None:
    partial.unlink()


def delete_folder(partial: Path) -> None:
    shutil.rmtree(partial.parent)


def move_folder(partial: Path) -> None:
    partial.parent.rename(partial.parent.with_name("elsewhere"))


@pytest.mark.parametrize("act", [delete, delete_folder, move_folder])
def test_a_recording_that_is_deleted_while_it_is_written_is_whole(
    tmp_path: Path, act: Callable[[Path], object]
) -> None:
    path = tmp_path / "folder" / "lesson.jsonl"
    with serving(*map(completion, ("one", "two", "three"))) as server:
        with mf.record(path) as recorder:
            model = model_at(server.url)
            model("1")
            act(recorder.partial)
            with pytest.warns(RuntimeWarning, match="was deleted while it was written"):
                model("2")
            model("3")
        with mf.replay(path):
            model = model_at(server.url)
            assert [model(str(number)).text for number in (1, 2, 3)] == ["one", "two", "three"]


@pytest.mark.filterwarnings("ignore:the recording:RuntimeWarning")
@pytest.mark.parametrize(
    ("rooms", "said"), [([ROOM, 50, 0], "The newest exchanges are missing"), ([ROOM, 0], "in a file next to it")]
)
def test_a_recording_that_ends_on_a_full_disk_says_so_and_keeps_what_it_has(
    path: Path, monkeypatch: pytest.MonkeyPatch, rooms: list[int], said: str
) -> None:
    disk = FullDisk(monkeypatch)
    with serving(completion("one")) as server, pytest.raises(mf.RecordingError, match=said):
        recorded_on(disk, path, model_at(server.url), rooms)
    (left,) = path.parent.glob("*.partial")
    assert len(Recording(left).exchanges) == 1
    assert not path.exists()
    assert list(path.parent.glob("*.new")) == []


# -- the command line --------------------------------------------------------------------------------------------------


def test_no_control_character_of_a_recording_reaches_the_terminal(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from msgflux_nb.cli import main

    with serving(completion("Hello")) as server, mf.record(path, title="A \x1b[2J lesson"):
        model_at(server.url)("Hi \x9b31m\u202e there")
    assert main(["recordings", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "Hi \\x9b31m\\u202e there" in shown
    assert "A \\x1b[2J lesson" in shown
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)


def test_the_command_line_shows_and_checks_a_recording(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from msgflux_nb.cli import main

    with serving(completion("Hello"), error(404, "gone"), stream("a")) as server, mf.record(path, title="A lesson"):
        model_at(server.url)("Hi there")
        with contextlib.suppress(mf.NotFoundError):
            model_at(server.url)("Gone")
        model_at(server.url)("Go", stream=True).consume()
    assert main(["recordings", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "3 exchanges" in shown
    assert "A lesson" in shown
    assert "Hi there" in shown
    assert "    1  200 " in shown
    assert "    2  404 " in shown
    assert main(["recordings", "check", str(path.parent)]) == 0
    assert "3 of 3 exchanges are correct." in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b"Hello", b"Jello"))
    assert main(["recordings", "check", str(path)]) == 1
    assert "changed after it was recorded" in capsys.readouterr().err


def test_check_live_asks_again_and_says_what_has_changed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from msgflux_nb.cli import main

    replies = [completion('{"a": 1}'), completion("one"), completion("two")]
    with serving(*replies) as server, mf.record(path):
        for question in ("Same", "Other", "Retired"):
            model_at(server.url)(question)
    with serving(completion('{"a":1}'), completion("1"), error(404, "no such model")) as server:
        assert main(["recordings", "check", "--live", "--base-url", server.url, str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "the same answer" in lines[0]
    assert "another answer" in lines[1]
    assert "the model is retired" in lines[2]
    assert lines[3] == "2 of 3 exchanges are correct."
    assert main(["recordings", "check", "--live", str(path)]) == 1
    assert "give it with --base-url" in capsys.readouterr().out


def test_recordings_again_records_everything_again(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from msgflux_nb.cli import main

    replies = [error(503, "busy", Retry_After="0"), completion("old"), stream("o", "ld")]
    with serving(*replies) as server, mf.record(path, title="A lesson"):
        model_at(server.url, max_retries=1)("Hi")
        model_at(server.url)("Go", stream=True).consume()
    with serving(completion("new"), stream("n", "ew")) as server:
        assert main(["recordings", "again", "--base-url", server.url, str(path)]) == 0
        assert len(server.bodies) == 2
    recording = Recording(path)
    assert (recording.header.title, len(recording.exchanges)) == ("A lesson", 2)
    with mf.replay(path, speed=math.inf):
        assert model_at("http://x/v1")("Hi").text == "new"
        assert model_at("http://x/v1")("Go", stream=True).consume() == "new"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["check", "--base-url", "http://x/v1", "lesson.jsonl"], "check --live"), (["show", ""], "an empty text")],
)
def test_a_command_that_would_do_something_else_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from msgflux_nb.cli import main

    assert main(["recordings", *arguments]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("failure", [error(404, "gone"), error(401, "no key"), Reply([chunk("o")])])
def test_recording_again_leaves_the_old_file_if_an_answer_is_missing_now(
    path: Path, failure: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    from msgflux_nb.cli import main

    with serving(stream("o", "ld"), error(404, "no such model")) as server, mf.record(path):
        model_at(server.url)("Hi", stream=True).consume()
        with pytest.raises(mf.NotFoundError):
            model_at(server.url)("Gone")
    before = path.read_bytes()
    with serving(failure, error(404, "no such model")) as server:
        assert main(["recordings", "again", "--base-url", server.url, str(path)]) == 1
    assert "was not replaced: of the requests that it answers, 1 failed this time" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert len(Recording(path.with_name(f"{path.name}.partial")).exchanges) == 2


def test_a_temporary_failure_does_not_stop_recording_again(path: Path) -> None:
    with serving(completion("old"), error(503, "busy")) as server, mf.record(path):
        model_at(server.url)("Hi")
        with contextlib.suppress(mf.ServerError):
            model_at(server.url, max_retries=0)("Busy")
    with serving(error(503, "busy", Retry_After="0"), completion("new"), error(503, "busy")) as server:
        record_again(path, server.url)
        assert len(server.bodies) == 3
    with mf.replay(path, speed=math.inf):
        assert model_at("http://x/v1", max_retries=1)("Hi").text == "new"
        with pytest.raises(mf.ServerError):
            model_at("http://x/v1", max_retries=0)("Busy")


def test_the_table_of_a_recording_has_whole_numbers_where_no_answer_began_too(path: Path) -> None:
    with serving(completion("Hello")) as server, mf.record(path):
        model_at(server.url)("Hi")
        with contextlib.suppress(mf.ConnectionFailedError):
            model_at("http://127.0.0.1:9/v1", max_retries=0)("Nobody")
    table = mf.Model.chat_completion(f"replay/{path}").recorded
    assert table is not None
    assert [str(table[name].dtype) for name in ("status", "prompt_tokens")] == ["Int64", "Int64"]
    assert table["status"].isna().tolist() == [False, True]


def test_a_batch_that_was_refused_is_replayed_without_its_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = [error(429, "slow down", Retry_After="1"), completion(ADA)]
    with serving(*replies) as server, mf.record(path):
        model = model_at(server.url)
        mf.extract(["Ada"], Person, model=model, prompt="{text}", progress=False)
    with_long_waits(path, monkeypatch)
    with mf.replay(path, speed=math.inf), quickly():
        again = mf.extract(["Ada"], Person, model=model_at("http://x/v1"), prompt="{text}", progress=False)
    assert (list(again["name"]), list(again["_status"])) == (["Ada"], ["ok"])


def test_a_display_says_that_an_answer_was_recorded(path: Path) -> None:
    with serving(completion("Hello")) as server, mf.record(path):
        model_at(server.url)("Hi")
    with mf.replay(path):
        shown = model_at("http://x/v1")("Hi")._repr_mimebundle_()
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert f">recorded {today}<" in shown["text/html"]
    assert "recorded" not in shown["text/plain"]  # the same words as live, so that a saved notebook compares equal


@BOTH
def test_other_wires_are_recorded_and_replayed(ask: Callable[..., Any], path: Path) -> None:
    import json

    from tests.scripted import Reply

    message = {
        "id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 3, "output_tokens": 2},
    }  # fmt: skip
    response = {
        "id": "r", "object": "response", "status": "completed", "model": "gpt",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}],
    }  # fmt: skip
    replies = [Reply([json.dumps(body).encode()]) for body in (message, response)]
    with serving(*replies) as server, mf.record(path):
        live = [ask(model_at(server.url, wire=wire), "Hi") for wire in ("messages", "responses")]
    assert [line.wire for line in Recording(path).exchanges] == ["messages", "responses"]
    with mf.replay(path, speed=math.inf):
        assert [ask(model_at("http://x/v1", wire=wire), "Hi") for wire in ("messages", "responses")] == live


def test_samples_that_a_driver_asked_for_answer_plain_calls_one_after_the_other(path: Path) -> None:
    with serving(*[completion(text) for text in ("a", "b", "c")]) as server, mf.record(path):
        for number in range(3):
            model_at(server.url).numbered(number)("Say a letter.")
    with mf.replay(path, speed=math.inf):
        plain = model_at("http://127.0.0.1:9/v1")
        assert [plain("Say a letter.").text for _ in range(4)] == ["a", "b", "c", "a"]
        assert plain.numbered(2)("Say a letter.").text == "c"
