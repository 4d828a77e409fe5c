"""Fuzz targets: readers of foreign text as users call them: shown answers, views, plans, tools, tables, recordings."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

import msgflux_nb as mf
from msgflux_nb.cli import main
from msgflux_nb.content import pdf, sound
from msgflux_nb.content.picture_file import parse_picture
from msgflux_nb.course.game24 import exact, is_24
from msgflux_nb.errors import MsgfluxError, printable
from msgflux_nb.magic_line import inserted, parsed
from msgflux_nb.protocol.allowance import allowance_of
from msgflux_nb.protocol.failure import failure_of_status
from msgflux_nb.protocol.profile import Wire
from msgflux_nb.storage.recordings.lines import RecordedExchange, RecordingHeader, to_line
from msgflux_nb.tables.chunks.pdf_text import paged_text
from msgflux_nb.tables.judging.places import places_of
from msgflux_nb.tables.judging.tokens import token_text
from msgflux_nb.tables.reviewing.written import read_value, writings_of
from msgflux_nb.widgets.playground.token_lens import start_at, token_rows
from tests.tables.scripted_model import Scripted

__all__ = ["SHOWN"]

WIRES: tuple[Wire, ...] = ("chat", "responses", "messages")


class Note(msgspec.Struct):
    """The type that answers are decoded to."""

    title: str
    lines: list[str] = []


INTERRUPTED = 130  # the exit code of the command line


def work(title: str = "") -> str:
    """Do it."""
    return title


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _parts(text: str, size: int = 50) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _whole(text: str | None, reason: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"content": text, **message}, "finish_reason": reason}
    return {"id": "1", "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


def _model(*answers: Any, **options: Any) -> mf.ChatCompletion:
    """Return a model with scripted answers, of which it repeats the last; bytes are sent as a stream."""
    left = list(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        body = left.pop(0) if len(left) > 1 else left[0]
        return httpx.Response(200, content=body) if isinstance(body, bytes) else httpx.Response(200, json=body)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    options = {"profile": {"reasks": 0}, "max_retries": 0, **options}
    return mf.Model.chat_completion("m", base_url="http://a.test/v1", http_client=client, **options)


def _streamed(deltas: Iterator[dict[str, Any]]) -> bytes:
    chunks = (json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() for delta in deltas)
    return b"".join(b"data: " + chunk + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def _show(value: Any) -> None:
    repr(value)
    value._repr_mimebundle_()


def _structure(text: str) -> str:
    return json.dumps({"title": text, "lines": _parts(text[: len(text) // 2])})


def _call(text: str, call_id: str = "c") -> dict[str, Any]:
    arguments = json.dumps({"title": text})
    return {"id": call_id, "type": "function", "function": {"name": "work", "arguments": arguments}}


def _answer(text: str) -> None:
    answer = _model(_whole(_clean(text), reasoning_content=_clean(text)[:1_000]))("Hi")
    _show(answer)
    answer.to_messages()


def _structured(text: str) -> None:
    for said in (_structure(_clean(text)), _clean(text)):
        with contextlib.suppress(MsgfluxError):
            answer = _model(_whole(said))("Hi", generation_schema=Note)
            _show(answer)
            answer.to_frame()


def _partials(text: str) -> None:
    for said in (_structure(_clean(text)), _clean(text)):
        pieces = _streamed({"content": part} for part in _parts(said, 200))
        with contextlib.suppress(MsgfluxError):
            list(_model(pieces)("Hi", generation_schema=Note, stream=True).partials())


def _tool_calls(text: str) -> None:
    text = _clean(text)
    odd = {"id": text, "type": "function", "function": {"name": text, "arguments": text}}
    many = [_call(part, f"c{number}") for number, part in enumerate(_parts(text, 100))]
    for calls in ([_call(text), odd], many):
        answer = _model(_whole(None, "tool_calls", tool_calls=calls))("Hi", tool_schemas=[work])
        _show(answer)
        aggregator = answer.aggregator
        assert aggregator is not None
        aggregator.insert_results({call.id: text[:1_000] for call in aggregator.get_calls()})
        aggregator.get_messages(allow_missing=True)
        mf.ToolCallView(aggregator)._drawn()


def _citations(text: str) -> None:
    places = [(part, part) for part in _parts(_clean(text), 200)] + [(_clean(text), _clean(text))]
    cited = [{"type": "url_citation", "url_citation": {"url": f"https://{url}", "title": name}} for url, name in places]
    answer = _model(_whole("x", annotations=cited))("Hi")
    _show(answer)
    answer.to_messages()


def _probabilities(text: str) -> None:
    text = _clean(text)[: len(text) // 4]
    tokens = [
        {"token": part, "logprob": -0.1, "top_logprobs": [{"token": part, "logprob": -0.1}]} for part in _parts(text, 5)
    ]
    body = _whole(text)
    body["choices"][0]["logprobs"] = {"content": tokens}
    answer = _model(body, logprobs=True)("Hi")
    token_rows(answer.logprobs)
    start_at("", answer.logprobs, len(answer.logprobs) - 1, "x")
    for said in (text, "a" + text[: len(text) // 2]):
        token_text(json.dumps(body).encode(), said)
    places_of(_structure(text))


def _headers(text: str) -> None:
    names = ("retry-after", "x-ratelimit-reset-requests", "x-ratelimit-remaining-tokens", "ratelimit", "date")
    headers = {
        **{name: _clean(text) for name in names},
        **{f"x-ratelimit-{part}": "1s" for part in _parts(_clean(text))},
    }
    failure_of_status(429, headers, b"{}", url="u", now=0.0)
    allowance_of([(name.encode(), value.encode()) for name, value in headers.items()], now=0.0)


def _prefill(text: str) -> None:
    text = _clean(text)
    editor = mf.PrefillEditor(value=text)
    editor._drawn()
    for start in (text[: len(text) // 2], '{"title": "' + text[: len(text) // 2]):
        with contextlib.suppress(MsgfluxError):
            answer = _model(_whole(text))("Hi", prefilling=start)
            _show(answer)
            editor.judge(answer, start)


def _history(text: str) -> None:
    text = _clean(text)
    turns: list[dict[str, Any]] = [{"role": "user", "content": text}]
    for number, part in enumerate([text, *_parts(text, 200)]):
        turns += [{"role": "assistant", "content": None, "tool_calls": [_call(part, f"c{number}")]}]
        turns += [{"role": "tool", "tool_call_id": f"c{number}", "content": part}]
    for wire in WIRES:
        with contextlib.suppress(MsgfluxError):
            _model(_whole("x"), wire=wire)(turns)


def _conversation(text: str) -> None:
    text = _clean(text)
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": text[:1_000]}]
    builder = mf.MessageBuilder()
    builder.messages = turns
    builder._drawn()
    playground = mf.Playground(mf.Model.chat_completion("openai/scripted", api_key="k"))
    playground.messages = turns
    assert playground.code
    assert playground.grid_code
    playground._drawn()
    playground.close()


def _plan(text: str) -> None:
    text = _clean(text)
    model = _model(_whole("a", "tool_calls", tool_calls=[_call(text)]), _whole(text))
    results = [
        mf.plan.self_consistency(lambda _: text, text, n=3),
        mf.plan.react(model, text, tools=[work], max_steps=3),
        mf.plan.tree_of_thoughts(None, "x", propose=lambda _: [text, "b"], value=lambda _: 1.0, depth=2, breadth=2),
    ]
    for result in results:
        _show(result)
        result.to_frame()
        mf.PlanView(result)._drawn()


def _tables(text: str) -> None:
    cells = [*_parts(_clean(text), 100), _clean(text)]
    frame: Any = mf.to_frame([Note(cell, [cell]) for cell in cells])
    frame.mf.to_csv()
    frame[: len(frame) // 4].mf.to_excel(io.BytesIO())
    frame.to_parquet(io.BytesIO())
    mf.to_frame([{"a": cell, "b": {"c": cell}} for cell in cells])


def _tools(text: str) -> None:
    text = _clean(text)
    below = "".join(f"    {line}\n" for line in text.split("\n"))
    heads = ("", "Do.\n\nArgs:\n    title: ", ":param title: ", ":param ", "Parameters\n----------\n")
    for doc in (*(head + text for head in heads), f"Do.\n\nArgs:\n{below}"):

        def tool(title: str = "") -> str:
            return title

        tool.__doc__ = doc
        mf.tool_schemas([tool])


def _magic(text: str) -> None:
    for magic in ("chat", "extract"):
        with contextlib.suppress(ValueError):
            parsed(magic, text)
    with contextlib.suppress(ValueError):
        inserted(text, {"a": "b"})


def _recording(text: str) -> None:
    text = _clean(text)
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    pieces = [
        f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': one}}]})}\n\n" for one in _parts(text, 200)
    ]
    answers: Sequence[Sequence[str]] = ([json.dumps(_whole(text))], pieces)
    lines: list[Any] = [RecordingHeader(format=1, id="x", date="2026-01-01", models=("m",), exchanges=2)]
    for answer in answers:
        chunks = tuple((0, piece) for piece in answer)
        lines.append(RecordedExchange(date="2026-01-01", asked="m", path="/v1", body=body, status=200, chunks=chunks))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder, "a.jsonl")
        path.write_bytes(b"".join(map(to_line, lines)))
        for command in ("show", "check"):
            if main(["recordings", command, str(path)]) == INTERRUPTED:  # tests/test_interrupts.py waits for it
                raise KeyboardInterrupt


def _review(text: str) -> None:
    text = _clean(text)
    model: Any = Scripted(lambda _: Note(text[: len(text) // 2], _parts(text[:2_000])))
    options: dict[str, Any] = {"model": model, "progress": False, "store": False}
    result: Any = mf.extract([text, "b"], Note, **options)
    mf.ReviewView(result)._drawn()
    _show(result.mf.explain(0))
    view = mf.ExtractionView([text, "b"], Note, model=model, store=False)
    view.run(wait=True)
    view._receive(view, {"type": "open", "position": 0}, [])
    view._drawn()
    grid = mf.grid({"a": "{text}"}, [text, "b"], models=model, schema=Note, store=False, progress=False)
    mf.GridView(grid)._drawn()
    for kind in (int, float, list[str], dict[str, int]):
        with contextlib.suppress(ValueError, MsgfluxError):
            read_value(text, kind)
    writings_of(text)


def _files(text: str) -> None:
    data = text.encode("utf-8", "replace")
    for start in (b"", b"%PDF-1.4\n", b"%PDF-1.4\ntrailer"):
        pdf.fault(start + data + b"%%EOF")
    starts = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8", "image/webp": b"RIFF\xff\xff\xff\0WEBP"}
    for kind, start in starts.items():
        with contextlib.suppress(Exception):
            parse_picture(start + data, kind)
        with contextlib.suppress(MsgfluxError):
            mf.ChatBlock.image(start + data)
    for start in (b"RIFF\xff\xff\xff\0WAVE", b"ID3\x04\0\0\0\0\0\0", b"OggS", b"fLaC", b"\xff\xfb\x90\0"):
        with contextlib.suppress(Exception):
            sound.fault(start + data)
            sound.seconds(start + data)


def _paged(text: str) -> None:
    """Return a PDF whose page shows the text, and one whose page's code is the text."""
    data = text.encode("utf-8", "replace")
    shown = data.replace(b"\\", b"").replace(b"(", b"").replace(b")", b"")
    for code in (b"BT /F 9 Tf (" + shown + b") Tj ET", data):
        objects = (
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
            b"<</Length %d>>stream\n%s\nendstream" % (len(code), code),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        )
        file, table = b"%PDF-1.4\n", b"0000000000 65535 f \n"
        for number, inner in enumerate(objects, 1):
            table += b"%010d 00000 n \n" % len(file)
            file += b"%d 0 obj\n%s\nendobj\n" % (number, inner)
        end = b"xref\n0 6\n%strailer<</Root 1 0 R/Size 6>>\nstartxref\n%d\n%%%%EOF" % (table, len(file))
        paged_text(file + end, None)


def _lesson(text: str) -> None:
    for steps in ((text,), tuple(_parts(text))):
        with contextlib.suppress(Exception):
            exact(steps, "4 4 6 8")
    with contextlib.suppress(Exception):
        is_24(text, "4 4 6 8")
    exercise = mf.lesson(10).exercises[0]
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        exercise.check(text)


def _many_deltas(text: str) -> None:
    parts = _parts(_clean(text), 200)

    def deltas() -> Iterator[dict[str, Any]]:
        for number, part in enumerate(parts):
            cited = {"type": "url_citation", "url_citation": {"url": f"https://a.test/{number}", "title": part[:20]}}
            call = {"index": number, "id": f"c{number}", "function": {"name": "work", "arguments": "{}"}}
            thought = {"type": "reasoning.text", "text": part[:20], "index": 0}
            yield {
                "content": part,
                "annotations": [cited],
                "tool_calls": [call],
                "reasoning_details": [thought],
                "x": part,
            }

    with contextlib.suppress(MsgfluxError):
        answer = _model(_streamed(deltas()))("Hi", stream=True, tool_schemas=[work])
        list(answer.events())
        _show(answer)
        answer.to_messages()


SHOWN: dict[str, Callable[[str], object]] = {
    "an answer that is shown": _answer,
    "a structure that is shown": _structured,
    "a structure so far": _partials,
    "tool calls that are shown": _tool_calls,
    "citations": _citations,
    "probabilities of tokens": _probabilities,
    "headers of a refusal": _headers,
    "a prefill": _prefill,
    "a history": _history,
    "a conversation as cards and as code": _conversation,
    "a plan that is shown": _plan,
    "a table that is written": _tables,
    "a docstring": _tools,
    "a line of a magic": _magic,
    "a recording that is checked": _recording,
    "a row that is reviewed": _review,
    "a file": _files,
    "a PDF as text": _paged,
    "an exercise": _lesson,
    "an answer of many deltas": _many_deltas,
    "a text for a terminal": printable,
}
