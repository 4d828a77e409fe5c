"""Check recorded requests: read them again offline, or send them again, and say what has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from ..errors import MsgfluxError, NotFoundError, RecordingError
from ..http.limits import Timeout
from ..protocol.request import ChatRequest
from ..protocol.tool_calls import ToolCallAggregator
from ..storage.recordings.lines import RecordedExchange
from ..storage.recordings.matching import question_of_line
from ..storage.recordings.media import each_text
from ..storage.recordings.player import Player
from ..storage.recordings.recorder import Recorder, record
from ..storage.recordings.recording import Recording, settings_of
from .answer import ModelResponse
from .chat import ChatCompletion
from .exchange import Exchange
from .keys import scrub
from .model import model_of_settings
from .transport import error_of_end, error_of_status

__all__ = ["Finding", "ask_again", "check", "check_live", "record_again"]


class Finding(NamedTuple):
    """The result for one exchange.

    Attributes:
        number: its place among the exchanges, from 1.
        question: what was asked, shortened.
        verdict: ``ok``, or what is wrong, in words.
        ok: whether the exchange can be used as it is.
    """

    number: int
    question: str
    verdict: str
    ok: bool


def check(recording: Recording) -> Iterator[Finding]:
    """Read every answer of a recording again, offline."""
    table = Player([recording], recording.path).recorded
    for number, line in enumerate(recording.exchanges, 1):
        question = str(table["question"].iloc[number - 1])
        verdict, ok = _offline(recording, line)
        yield Finding(number, question, verdict, ok)


def _offline(recording: Recording, line: RecordedExchange) -> tuple[str, bool]:
    try:
        answer = _read(recording, line).snapshot
        _body(recording, line)
    except RecordingError as error:
        return str(error), False
    except MsgfluxError as error:
        return f"{type(error).__name__}, as recorded", True
    if scrub(answer.text) != answer.text or each_text(line.body, scrub) != line.body:
        return "it holds what looks like a key", False
    return "ok", True


def _read(recording: Recording, line: RecordedExchange) -> Exchange:
    """Return a recorded answer, read by the same code as a live one.

    Raises:
        MsgfluxError: the answer is an error or incomplete.
    """
    chunks = recording.chunks(line)
    whole = b"".join(data for _, data in chunks)
    if line.status is None or line.end not in ("whole", "left"):
        raise error_of_end(line)
    if line.status >= 300:
        raise error_of_status(line, whole)
    model = _model(recording, line, None)
    exchange = Exchange(_request(recording, line), model.profile, timeout=Timeout(), max_retries=0)
    exchange.begin(str)
    exchange.feed(whole)
    if line.end == "whole":
        exchange.close()
    return exchange


def check_live(recording: Recording, base_url: str | None = None) -> Iterator[Finding]:
    """Send every request of a recording again and compare the answers; the provider bills for this.

    Args:
        recording: the recording whose requests are sent.
        base_url: the address of models on your own server.
    """
    for offline in check(recording):
        line = recording.exchanges[offline.number - 1]
        if not offline.ok:
            yield offline
            continue
        try:
            now = ask_again(recording, line, base_url)
            yield offline._replace(verdict=_compared(recording, line, now))
        except NotFoundError as error:
            yield offline._replace(verdict=f"the model is retired, or unknown: {error}", ok=line.status == error.status)
        except MsgfluxError as error:
            yield offline._replace(verdict=f"{type(error).__name__} now: {error}", ok=False)


def _compared(recording: Recording, line: RecordedExchange, now: ModelResponse) -> str:
    cost = now.metadata.cost
    words = [f"${cost:.6f}" + (f" (then ${line.cost:.6f})" if line.cost is not None else "")] if cost else []
    try:
        before = _read(recording, line)
    except MsgfluxError as error:
        return ", ".join([f"an answer now, where {type(error).__name__} was recorded", *words])
    told, said_before = _value(now.text, now.aggregator), _value(before.snapshot.text, before.tool_calls)
    said = "the same answer" if told == said_before else "another answer"
    return ", ".join([said, *words])


def _value(text: str, aggregator: ToolCallAggregator | None) -> Any:
    """Return an answer's content in a form to compare: JSON decoded, so that white space makes no difference."""
    calls = [] if aggregator is None else [(call.name, call.raw) for call in aggregator.states]
    try:
        return msgspec.json.decode(text), calls
    except ValueError:
        return text, calls


def ask_again(recording: Recording, line: RecordedExchange, base_url: str | None = None) -> ModelResponse:
    """Send a recorded request unchanged. Retry only if it was answered when it was recorded.

    Args:
        recording: the recording.
        line: the exchange to send.
        base_url: the address of models on your own server.

    Raises:
        RecordingError: part of the request was hidden, so it cannot be sent; or its server's address is not known.
        MsgfluxError: the call failed.
    """
    if line.hidden:
        raise RecordingError(
            "part of this request was hidden as a secret when it was recorded, so it cannot be sent again. Record it "
            "anew: run its code inside mf.record(path)"
        )
    model = _model(recording, line, base_url, live=True).numbered(line.sample)
    answered = line.status is not None and line.status < 300 and line.end in ("whole", "left")
    return model.resend(_request(recording, line), max_retries=model.max_retries if answered else 0)


def record_again(
    path: Any, base_url: str | None = None, told: Callable[[int, RecordedExchange, str], object] = lambda *_: None
) -> Recorder:
    """Record every request of a recording again. The new file replaces the old one if no answer is lost.

    A failed attempt is skipped if its retry was recorded too. A request with hidden parts cannot be sent, so its
    recorded exchange is kept.

    Args:
        path: the file.
        base_url: the address of models on your own server.
        told: called with the number of each exchange, the exchange, and its result.

    Raises:
        RecordingError: a request that has an answer in the old file failed now; the old file stays.
    """
    recording = Recording(path)
    header = recording.header
    later = {question_of_line(line).whole for line in recording.exchanges if (line.status or 500) < 300}
    again = record(path, title=header.title, licence=header.licence)
    lost = 0
    with again as recorder:
        for number, line in enumerate(recording.exchanges, 1):
            failed = line.status is None or line.status >= 300
            if failed and question_of_line(line).whole in later:
                continue
            if line.hidden:
                recorder.copy_media(line, recording)
                recorder.keep(msgspec.structs.replace(line, turn=recorder.turn()), recording.model(line))
                told(number, line, "kept as it was, since something was hidden in it")
                continue
            try:
                ask_again(recording, line, base_url)
                told(number, line, "recorded")
            except RecordingError:
                raise
            except MsgfluxError as error:
                told(number, line, f"recorded: {type(error).__name__}")
                lost += _has_answer(recording, line)
        if lost:
            raise RecordingError(
                f"{path} was not replaced: of the requests that it answers, {lost} failed this time. What was "
                f"recorded now is in {recorder.partial}; remove the cause of the failures and run the command again."
            )
    return again


def _has_answer(recording: Recording, line: RecordedExchange) -> bool:
    try:
        _read(recording, line)
    except RecordingError:
        raise
    except MsgfluxError:
        return False
    return True


def _model(recording: Recording, line: RecordedExchange, base_url: str | None, *, live: bool = False) -> ChatCompletion:
    settings = settings_of([recording]).get(line.asked, {})
    if live and settings.get("own_server") and base_url is None:
        raise RecordingError(
            f"{line.asked!r} ran on your own server, whose address is not recorded: give it with --base-url"
        )
    return model_of_settings(line.asked, settings, base_url)


def _body(recording: Recording, line: RecordedExchange) -> bytes:
    return msgspec.json.encode(recording.body(line))


def _request(recording: Recording, line: RecordedExchange) -> ChatRequest:
    body = _body(recording, line)
    stream = isinstance(line.body, dict) and bool(line.body.get("stream"))
    wire: Any = line.wire
    return ChatRequest(body=body, messages=[], stream=stream, wire=wire)
