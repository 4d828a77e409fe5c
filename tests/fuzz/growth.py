"""Measures how the time of each reader of foreign text grows with the text: faster than its length is a fault."""

from __future__ import annotations

import contextlib
import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec

from msgflux_nb.content.container import sniff
from msgflux_nb.content.source import check_url, read
from msgflux_nb.content.tokens import text_tokens
from msgflux_nb.display.markdown import link_html, markdown_html, open_html
from msgflux_nb.errors import MsgfluxError
from msgflux_nb.generation.decode import decode_answer, decode_json
from msgflux_nb.generation.deviations import repeated_keys
from msgflux_nb.generation.item_texts import ItemTexts
from msgflux_nb.generation.lenient import read_lenient
from msgflux_nb.generation.schema import wire_schema
from msgflux_nb.models.keys import Key, scrub
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.cut_prompt import cut_prompt
from msgflux_nb.protocol.events import TextDelta
from msgflux_nb.protocol.failure import error_in, failure_in_stream, failure_of_body, failure_of_status
from msgflux_nb.protocol.partial_json import PartialJSON
from msgflux_nb.protocol.profile import Profile
from msgflux_nb.protocol.reasoning_marks import ReasoningFilter
from msgflux_nb.protocol.special_tokens import holds_special_token, split_special_tokens
from msgflux_nb.protocol.sse import SSEDecoder
from msgflux_nb.protocol.tool_calls import ToolCallAggregator
from msgflux_nb.protocol.usage import Usage
from msgflux_nb.protocol.wire import Wire, reader_of
from msgflux_nb.storage.recordings.hidden import hidden_answer, hidden_request, hiding
from msgflux_nb.storage.recordings.lines import from_line
from msgflux_nb.storage.recordings.media import with_media, without_media
from msgflux_nb.tables.cells import cell_text
from msgflux_nb.tables.chunks.chunk import Chunk
from msgflux_nb.tables.chunks.cut import cut
from msgflux_nb.tables.compare import same_cell
from msgflux_nb.tables.marks import marked
from msgflux_nb.tables.spans import span_of
from msgflux_nb.tables.template import parse_template
from msgflux_nb.widgets.base.feed import Feed
from msgflux_nb.widgets.base.typed_keys import without_keys
from msgflux_nb.widgets.conversation.variables import filled, names_in
from msgflux_nb.widgets.playground.difference import difference
from tests.http.readers import READERS as HTTP_READERS

from .kept import KEPT
from .shown import SHOWN

__all__ = ["READERS", "TEXTS", "faults_of", "growth", "seconds_of"]


class Note(msgspec.Struct):
    """The type that answers are decoded to."""

    title: str
    lines: list[str] = []


_NOTE = wire_schema(Note)
_KEYS = [Key("sk-not-a-real-key-0000")]
_PROFILE = Profile(provider="growth")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _error_body(text: str) -> None:
    for body in (_bytes(text), _json({"error": {"message": _clean(text), "code": _clean(text)}})):
        failure_of_status(400, {}, body, url="https://a.test/v1", now=0.0, scrub=_scrub)
        failure_of_status(503, {}, body, url="https://a.test/v1", now=0.0, scrub=_scrub)
        failure_of_body(body, scrub=_scrub)
    failure_in_stream(text, scrub=_scrub)
    error_in({"error": {"message": text}}, scrub=_scrub)


def _scrub(text: str) -> str:
    return scrub(text, _KEYS)


def _stream(text: str) -> None:
    chunks = [
        _json({"choices": [{"index": 0, "delta": {"content": _clean(text[at : at + 500])}}]})
        for at in range(0, len(text), 500)
    ]
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.feed(b"data: " + chunk + b"\n\n")
    accumulator.close()
    with contextlib.suppress(MsgfluxError):
        accumulator.finish()
    _ = accumulator.snapshot.text


def _at_once(text: str) -> None:
    """Read a content that comes in one piece: what each mark in it copies is then as long as the rest."""
    message = {"content": _clean(text)}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    event = {"choices": [{"index": 0, "delta": message, "finish_reason": "stop"}]}
    for data in (_json(body), b"data: " + _json(event) + b"\n\n"):
        accumulator = Accumulator()
        accumulator.feed(data)
        accumulator.close()
        with contextlib.suppress(MsgfluxError):
            accumulator.finish()
        _ = accumulator.snapshot.text


def _marks(text: str) -> None:
    reader = ReasoningFilter("marked")
    reader.feed(text)
    reader.close()


def _stream_of(wire: Wire, event: Callable[[str], dict[str, object]]) -> Callable[[str], object]:
    """Return an answer in pieces on another wire; each piece is in an event."""

    def read(text: str) -> None:
        accumulator = Accumulator(reader=reader_of(wire))
        for at in range(0, len(text), 500):
            accumulator.feed(b"data: " + _json(event(_clean(text[at : at + 500]))) + b"\n\n")
        accumulator.feed(b"data: " + _bytes(text) + b"\n\n")
        accumulator.close()
        with contextlib.suppress(MsgfluxError):
            accumulator.finish()
        _ = accumulator.snapshot.text

    return read


def _responses_event(text: str) -> dict[str, object]:
    return {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text}


def _messages_event(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def _recorded(text: str) -> None:
    hide = hiding(["a secret"], _scrub)
    chunks = [
        (
            at,
            b"data: " + _json({"choices": [{"index": 0, "delta": {"content": _clean(text[at : at + 500])}}]}) + b"\n\n",
        )
        for at in range(0, len(text), 500)
    ]
    hidden_answer(chunks, hide)
    hidden_answer([(0, _bytes(text))], hide)
    hidden_request({"messages": [text]}, hide)
    with_media(without_media(_clean(text)), lambda name: b"")
    with contextlib.suppress(MsgfluxError):
        from_line(_bytes(text))


def _items(text: str) -> None:
    items = ItemTexts("items", bare=True)
    for at in range(0, len(text), 100):
        items.feed(text[at : at + 100])


def _tokens(text: str) -> None:
    holds_special_token(text)
    split_special_tokens(text, ["@@END@@"])


def _wire(text: str) -> None:
    accumulator = Accumulator()
    accumulator.feed(_bytes(text))
    accumulator.close()
    with contextlib.suppress(MsgfluxError):
        accumulator.finish()


def _pieces(text: str) -> None:
    parser = PartialJSON()
    for at in range(0, len(text), 100):
        parser.feed(text[at : at + 100])
        _ = parser.value
    parser.close()


def _calls(text: str) -> None:
    calls = ToolCallAggregator(streaming=True)
    calls.process(0, "c", "f", "")
    for at in range(0, len(text), 100):
        calls.process(None, None, None, text[at : at + 100])
    calls.finish()
    calls.get_calls()
    calls.get_messages(allow_missing=True)


def _sse(text: str) -> None:
    decoder, data = SSEDecoder(), _bytes(text)
    for at in range(0, len(data), 100):
        decoder.feed(data[at : at + 100])
    decoder.close()


def _http(text: str) -> None:
    data = _bytes(text)
    for start in (b"", b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        for reader in HTTP_READERS.values():
            reader([start + data])
    for reader in HTTP_READERS.values():
        reader([b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", *(data[at : at + 1_000] for at in range(0, len(data), 1_000))])


def _markdown_stream(text: str) -> None:
    feed = Feed(markdown=True)
    for at in range(0, len(text), 500):
        feed.add(TextDelta(text[at : at + 500]))
        feed.batch()
    feed.last()


def _row(text: str) -> None:
    cell = cell_text(_clean(text))
    marked(cell)
    same_cell(cell, cell + ".")
    span_of(text, text[: len(text) // 2])
    span_of(text, text[: len(text) // 2] + "$")
    text_tokens(text)


def _prompt(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_template(text, ["a", "b"])
    names_in([text])
    filled(text, {"a": "{{a}}"})


def _cut(text: str) -> None:
    cut_prompt(_json({"messages": [{"role": "user", "content": _clean(text)}]}), Usage(prompt_tokens=501), _PROFILE)


def _file(text: str) -> None:
    sniff(_bytes(text))
    for source in (text, f"data:image/png;base64,{text}"):
        with contextlib.suppress(MsgfluxError):
            read(source)
    with contextlib.suppress(MsgfluxError):
        check_url(f"https://{text}")
    with contextlib.suppress(MsgfluxError):
        check_url(f"https://a.test/{text}")


def _quiet(function: Callable[[str], object]) -> Callable[[str], object]:
    def called(text: str) -> None:
        with contextlib.suppress(MsgfluxError, ValueError):
            function(text)

    return called


READERS: dict[str, Callable[[str], object]] = {
    "an answer as a structure": _quiet(lambda text: decode_answer(text, _NOTE)),
    "an answer as JSON": _quiet(decode_json),
    "JSON as models write it": read_lenient,
    "keys of JSON": repeated_keys,
    "JSON in pieces": _pieces,
    "arguments in pieces": _calls,
    "events": _sse,
    "an answer's bytes": _wire,
    "an answer's content in pieces": _stream,
    "an answer's content at once": _at_once,
    "marks of reasoning": _marks,
    "an answer in pieces of the Responses wire": _stream_of("responses", _responses_event),
    "an answer in pieces of the Messages wire": _stream_of("messages", _messages_event),
    "items in pieces": _items,
    "a recorded answer": _recorded,
    "a document in pieces": lambda text: cut(text, Chunk(tokens=500, overlap=50)),
    "control tokens": _tokens,
    "HTTP": _http,
    "the body of an error": _error_body,
    "keys in a text": _scrub,
    "keys in a field": without_keys,
    "Markdown": markdown_html,
    "Markdown in pieces": _markdown_stream,
    "Markdown that is not finished": open_html,
    "a link": lambda text: link_html(text, text),
    "two versions": lambda text: difference(text, text[::-1]),
    "a row": _row,
    "a prompt": _prompt,
    "a cut prompt": _cut,
    "a source": _file,
    **{name: _quiet(function) for name, function in (SHOWN | KEPT).items()},
}

_UNITS = [
    *("a", "0", " ", "\n", "\t", "\r\n", "\0", "é", "語", "e\u0301", "\U0001f600", "\ud83d", "\u200b", "-", "=", "+"),
    *(
        '"',
        "'",
        "\\",
        '\\"',
        '["',
        '{"',
        '{"a":',
        '["\\"',
        '"a",',
        "[",
        "{",
        "]",
        "[]",
        "[{",
        "{}",
        "[1,",
        "/*",
        "//",
        "#",
    ),
    *("`", "```", "```\n", "~~~\n", "`a", "*", "**", "_", "*_", "*a ", "_a_", "***a", "~~", "~"),
    *(
        "<",
        "<a",
        "<title",
        "<title>",
        "</",
        "<!--",
        "<![CDATA[",
        "<?",
        "<a href=",
        "<think>",
        "</think>",
        "<think></think>",
        "<bos>",
        "&",
        "&amp;",
        "&#",
    ),
    *(
        "![",
        "](",
        "[a](",
        "![a](",
        "[a]: b\n",
        "[a][",
        "[](<",
        "(",
        ")",
        "[^a]",
        "|",
        "|-|\n",
        "|a",
        "a|b\n",
        "> ",
        ">>",
    ),
    *(
        "- a\n",
        "- ",
        "  - a\n",
        "1. a\n",
        "* * ",
        "a\n",
        "a\n\n",
        "# a\n",
        "a\n=\n",
        "---\n",
        "    a\n",
        "a  \n",
        "#\n",
    ),
    *(
        "https://",
        "a@b.",
        "a.",
        "a-",
        "://",
        "sk-",
        "Bearer ",
        "data:",
        "data: a\n",
        ":",
        "{{",
        "}}",
        "{a}",
        "{{ a",
        "%41",
    ),
    *("unsupported ", "limit 1", "retry in 1", "1s ", "1,", "try again in ", "not ", "context ", "tokens ", "tools "),
    *(
        "key=",
        "&key=a",
        "?a",
        "api_key",
        "x=1&",
        "NaN,",
        "None,",
        "'a',",
        "1.",
        "1e",
        "0x",
        ";",
        ".",
        "!",
        "min",
        "violat",
        "rate-limit",
        "``` ",
        "a: ",
        "//a",
        "$",
        "\u2028",
    ),
]
TEXTS: dict[str, Callable[[int], str]] = {
    repr(unit)[1:-1]: lambda size, unit=unit: (unit * (size // len(unit) + 1))[:size] for unit in _UNITS
}  # type: ignore[misc]  # mypy sees no default of a lambda
TEXTS |= {
    "an array of escaped quotes": lambda size: '["' + '\\"' * (size // 2),
    "nested lists": lambda size: "".join("  " * (depth % 40) + "- a\n" for depth in range(size // 44)),
    "nested quotes": lambda size: "".join("> " * (depth % 40) + "a\n" for depth in range(size // 42)),
    "nested arrays that end": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "objects in prose": lambda size: 'a {"b": "c"} ' * (size // 13),
    "backticks of growing length": lambda size: "".join("`" * (1 + i % 200) + "a" for i in range(size // 100)),
    "a table": lambda size: "|a" * 100 + "\n" + "|-" * 100 + "\n" + "|b\n" * (size // 3),
    "numbered names": lambda size: "".join(f'"{i}":{i},' for i in range(size // 10)),
    "lines that differ": lambda size: "".join(f"line {i}\n" for i in range(size // 10)),
    "links that open": lambda size: "[" * (size // 2) + "](a)" * (size // 8),
    "emphasis of both": lambda size: "*a_b" * (size // 8) + "a*b_" * (size // 8),
    "runs that are nearly media": lambda size: ("a" * 4_096 + " ") * (size // 4_097) + "a" * (size % 4_097),
    "a fence and spaces": lambda size: "```" + " " * size,
    "a word": lambda size: '{"title": "' + "a" * size + '"}',
    "an object of lines": lambda size: '{"title": "", "lines": [' + '"a",' * (size // 4) + '""]}',
    "a comma too many": lambda size: '{"title": "", "lines": [' + '"a",' * (size // 4) + "]}",
}


def seconds_of(read: Callable[[str], object], text: str, runs: int = 3) -> float:
    """Return the shortest time of some runs, in CPU seconds of this thread."""
    best = 1e9
    gc.disable()
    try:
        for _ in range(runs):
            began = time.thread_time()
            read(text)
            best = min(best, time.thread_time() - began)
            if best > 1:
                break
    finally:
        gc.enable()
    return best


def faults_of(
    name: str,
    sizes: tuple[int, ...],
    *,
    least: float,
    kinds: Iterable[str] = (),
    factor: float = 1.3,
    enough: float = float("inf"),
) -> Iterator[str]:
    """Yield a sentence for each kind of text with which a reader's time grows faster than 1.3 times the text.

    Args:
        name: the name of the reader.
        sizes: the lengths of the texts, the shortest first; the growth is measured from one to the next.
        least: seconds; shorter times are not distinguished from noise.
        kinds: the kinds of text; none for all.
        factor: the limit: how many times faster than the text the time may grow.
        enough: seconds; after a text that takes longer, no longer one of its kind is read.
    """
    reader = READERS[name]
    for kind in kinds or TEXTS:
        make = TEXTS[kind]
        before, shorter = 0.0, 0
        for size in sizes:
            text = make(size)
            # Once for the longest: where that is quick, no other run could say otherwise, and _grows looks again.
            seconds = seconds_of(reader, text, 1 if size == sizes[-1] else 3)
            if shorter and _grows(reader, seconds, before, factor * size / shorter, least, text, make(shorter)):
                yield f"{name} of {kind!r}: {shorter:,} characters take {before:.3f} s, {size:,} take {seconds:.3f} s"
                break
            if seconds > enough:
                break
            before, shorter = seconds, size


def _grows(
    reader: Callable[[str], object], seconds: float, before: float, times: float, least: float, text: str, short: str
) -> bool:
    """Return whether the time grows again in a closer measurement: a busy machine makes any reading slow once."""
    for runs in (3, 7):
        if seconds < least or seconds <= times * max(before, least / times / 2):
            return False
        before = max(before, seconds_of(reader, short, runs))
        seconds = min(seconds, seconds_of(reader, text, runs if seconds < 2 else 1))
    return seconds > times * max(before, least / times / 2)


def growth(seconds: float, seed: int) -> tuple[list[str], int]:
    """Measure random pairs of readers and texts for some time.

    Returns:
        The pairs whose time grew too fast from 10,000 to 1,000,000 characters, and the number of measured pairs.
    """
    chance, ends, found = random.Random(seed), time.monotonic() + seconds, list[str]()
    pairs = [(name, kind) for name in READERS for kind in TEXTS]
    chance.shuffle(pairs)
    count = 0
    for name, kind in pairs:
        if time.monotonic() > ends:
            break
        found += faults_of(name, (10_000, 100_000, 1_000_000), least=0.05, kinds=[kind])
        count += 1
    return found, count
