"""Records an exchange while it goes over the network, and writes it as a line of the recording."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec

from ..errors import MsgfluxError, RequestTimeoutError
from ..protocol.address import without_secrets
from ..protocol.snapshot import Snapshot
from ..storage.recordings.hidden import Chunks, hidden_answer, hidden_headers, hidden_request, hiding
from ..storage.recordings.lines import ModelLine, RecordedExchange, piece_text
from ..storage.recordings.named import is_no_plain_word, mixed_texts, named_secrets, words_of
from ..storage.recordings.recorder import now_text
from ..storage.recordings.recording import Recording
from .endpoint import Endpoint
from .exchange import Exchange
from .keys import HiddenValues, Key, keys_of_environment, scrub_kept, secrets_of_address
from .prices import cost_of, with_request
from .recording_context import RecordingContext

__all__ = ["ExchangeRecording", "copied_line", "model_line", "recalled_line"]

_LONGEST_MESSAGE = 1_000
_MOST_OF_A_FAILURE = 250_000  # bytes: a server may send without end what is not an answer
_USUAL = frozenset(
    [
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    ]
)
_SHORT = 8  # characters; a shorter secret may also occur inside a word


class ExchangeRecording:
    """One exchange while it is recorded.

    Args:
        endpoint: the endpoint of the request.
        exchange: the exchange to record.
        context: holds the recorder.
    """

    def __init__(self, endpoint: Endpoint, exchange: Exchange, context: RecordingContext) -> None:
        self._endpoint, self._exchange, self._context = endpoint, exchange, context
        self._hide = _hiding(
            context,
            _secrets_of(endpoint.base_url, endpoint.headers, endpoint.key, context.settings.get("extra_body")),
        )
        self._turn = context.recorder.turn()
        self._date = now_text()
        self._began = time.monotonic()
        self._status: int | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[tuple[int, bytes]] = []
        self._reading = True  # whether the network is read now: only then is an error the network's
        self._end, self._message = "left", ""

    def sent(self, request: httpx.Request) -> None:
        """Hide what the user's own client has added: headers, cookies, a password, parts of the query."""
        added = {name: value for name, value in request.headers.items() if name.lower() not in _USUAL}
        self._hide = _hiding(self._context, _secrets_of(str(request.url), added))

    def head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Note the head of the answer."""
        self._status, self._headers = status, list(headers)

    def body_of_error(self, data: bytes) -> None:
        """Note the body of an answer with an error status."""
        self._chunks.append((self._ms(), data))
        self._end = "whole"

    def listened(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Note the pieces of an answer and pass them on."""
        for data in chunks:
            self._took(data)
            yield data
            self._reading = True
        self._end = "whole"

    async def alistened(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """As :meth:`listened`, for a running event loop."""
        async for data in chunks:
            self._took(data)
            yield data
            self._reading = True
        self._end = "whole"

    def failed(self, error: MsgfluxError) -> None:
        """Note a network error that ended the answer; errors in the content come again when the recording is read."""
        if self._end == "left" and (self._reading or isinstance(error, RequestTimeoutError)):
            self._end, self._message = type(error).__name__, str(error)[:_LONGEST_MESSAGE]

    def keep(self) -> None:
        """Write the exchange to the recording."""
        recorder = self._context.recorder
        hide, ms = self._hide, self._ms()
        came = self._chunks if self._end in ("whole", "left") else _beginning(self._chunks)
        chunks = hidden_answer(came, hide)
        recorder.keep(
            msgspec.structs.replace(
                _line(self._exchange, self._context, recorder, hide, b"".join(data for _, data in came)),
                date=self._date,
                turn=self._turn,
                path=hide(without_secrets(_path(self._endpoint.url))),
                status=self._status,
                headers=hidden_headers(self._headers, hide),
                chunks=tuple((at, recorder.without_media(piece_text(data))) for at, data in chunks),
                ms=ms,
                end=self._end,
                message=hide(self._message),
            ),
            model_line(self._context, hide),
        )

    def _took(self, data: bytes) -> None:
        self._reading = False
        self._chunks.append((self._ms(), data))

    def _ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


def _secrets_of(
    address: str, headers: Mapping[str, str], key: Key | None = None, extra_body: Any = None
) -> list[Key | HiddenValues]:
    """Return the secrets of an endpoint, and the values of request fields whose names say that they are secret."""
    query = parse_qsl(urlsplit(address).query)
    named = {"headers": dict(headers), "query": dict(query), "body": extra_body}
    values = {*secrets_of_address(address).values(), *named_secrets(named), *mixed_texts(extra_body)}
    others = [*(value for _, value in query), *headers.values()]
    values |= {word for value in others for word in words_of(value) if is_no_plain_word(word)}
    found: list[Key | HiddenValues] = [] if key is None else [key]
    short = [Key(value) for value in values if len(value) < _SHORT]  # a short one is hidden only as a whole word
    return [*found, *short, HiddenValues({value: value for value in values})]


def _hiding(context: RecordingContext, own: Iterable[Key | HiddenValues] = ()) -> Callable[[str], str]:
    """Return a function that hides the secrets of all models of a recording, and the keys in the environment.

    The secrets of all models, because one model may be sent the answer of another, whose server repeats its key.
    """
    recorder = context.recorder
    for secret in own:
        recorder.secrets.setdefault(secret if isinstance(secret, Key) else frozenset(secret), secret)
    keys = [*recorder.secrets.values(), *keys_of_environment()]

    def hide(text: str) -> str:
        data = context.hide(text.encode("utf-8", "surrogatepass"))
        return scrub_kept(data.decode("utf-8", "surrogatepass"), keys)

    return hiding(recorder.scrub, hide)


def copied_line(line: RecordedExchange, source: Recording, context: RecordingContext) -> None:
    """Record an exchange that was replayed, as it was recorded."""
    recorder, hide = context.recorder, _hiding(context)
    body = source.body(line)
    shown = hidden_request(body, hide)
    chunks = hidden_answer(source.chunks(line), hide)
    copy = msgspec.structs.replace(
        line,
        turn=recorder.turn(),
        body=recorder.without_media(shown),
        hidden=line.hidden or shown != body,
        chunks=tuple((at, recorder.without_media(piece_text(data))) for at, data in chunks),
        message=hide(line.message),
    )
    recorder.keep(copy, source.model(line))


def recalled_line(exchange: Exchange, context: RecordingContext) -> None:
    """Record an answer that came from a cache as one piece without delay."""
    recorder = context.recorder
    hide = _hiding(context)
    chunks = hidden_answer([(0, exchange.recalled)], hide)
    line = msgspec.structs.replace(
        _line(exchange, context, recorder, hide, exchange.recalled),
        turn=recorder.turn(),
        status=200,
        chunks=tuple((at, recorder.without_media(piece_text(data))) for at, data in chunks),
    )
    recorder.keep(line, model_line(context, hide))


def model_line(context: RecordingContext, hide: Callable[[str], str]) -> ModelLine:
    """Return the line that says how the model was built."""
    return ModelLine(name=hide(context.name), settings=hidden_request(context.settings, hide))


def _answer(exchange: Exchange, received: bytes) -> Snapshot:
    """Return the answer as far as it can be read; one without a stream has not been read yet at this moment."""
    if exchange.snapshot.usage is not None or not received:
        return exchange.snapshot
    again = Exchange(exchange.request, exchange.profile, timeout=exchange.timeout, max_retries=0)
    again.begin(str)
    with contextlib.suppress(MsgfluxError):
        again.feed(received)
        again.close()
    return again.snapshot


def _line(
    exchange: Exchange, context: RecordingContext, recorder: Any, hide: Callable[[str], str], received: bytes = b""
) -> RecordedExchange:
    """Return the line with the request and the model that answered; the caller adds the bytes of the answer."""
    body = msgspec.json.decode(exchange.request.body)
    shown = hidden_request(body, hide)
    snapshot = _answer(exchange, received)
    usage = with_request(snapshot.usage, exchange.request.body, snapshot)
    model = body.get("model") if isinstance(body, dict) else None
    cost = cost_of(usage, exchange.profile, str(model), answered=snapshot.model)
    return RecordedExchange(
        date=now_text(),
        asked=hide(context.name),
        sample=context.sample,
        wire=exchange.request.wire,
        body=recorder.without_media(shown),
        hidden=shown != body,
        model=None if snapshot.model is None else hide(snapshot.model),
        prompt_tokens=None if usage is None else usage.prompt_tokens,
        completion_tokens=None if usage is None else usage.completion_tokens,
        cost=cost,
    )


def _beginning(chunks: Chunks) -> Chunks:
    """Return the first part of an answer that ended in an error."""
    left = _MOST_OF_A_FAILURE
    kept: Chunks = []
    for at, data in chunks:
        if left > 0:
            kept.append((at, data[:left]))
        left -= len(data)
    return kept


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
