"""Bytes that are not UTF-8 and values of other types, from a server or in a file: read, or refused in our words."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.protocol.plain import plain_on
from msgflux_nb.storage.recordings import lines
from msgflux_nb.tables.judging.tokens import has_probabilities
from msgflux_nb.widgets.tool_calls.tool_fields import checked_arguments
from tests.scripted import Reply, completion, serving


class Place(msgspec.Struct):
    name: str


def broken(body: bytes, mark: bytes = b"caf?") -> bytes:
    return body.replace(mark, b"caf\xe9")


@pytest.mark.parametrize("field", ["content", "model", "usage", "own"])
def test_a_row_is_read_whatever_bytes_its_server_sends(field: str, tmp_path: Path) -> None:
    body = json.loads(completion('{"name": "Ur"}').pieces[0])
    if field == "content":
        body["choices"][0]["message"]["content"] = '{"name": "caf?"}'
    elif field == "usage":
        body["usage"]["prompt_tokens"] = "caf?"
    else:
        body[field] = "caf?"
    reply = Reply([broken(json.dumps(body).encode())], headers={"Content-Type": "application/json"})
    store = tmp_path / "answers.sqlite"
    with serving(*[reply] * 4) as server:
        model = mf.Model.chat_completion("m", base_url=server.url, max_retries=0)
        for status in ("ok", "cached"):
            frame = mf.extract(["A cafe."], Place, model=model, store=store, progress=False)
            assert frame["_status"].tolist() == [status]
            assert frame["name"].tolist() == ["caf\ufffd" if field == "content" else "Ur"]
        assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        ("chat", {"choices": [{"message": {"content": "caf?"}}]}),
        ("responses", {"output": [{"type": "message", "content": [{"type": "output_text", "text": "caf?"}]}]}),
        ("messages", {"type": "message", "content": [{"type": "text", "text": "caf?"}]}),
    ],
)
def test_an_answer_is_read_the_long_way_on_every_wire(wire: mf.Wire, body: object) -> None:
    assert plain_on(wire, broken(json.dumps(body).encode())) is None


def test_a_recording_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "lesson.jsonl"
    with serving(completion("caf?")) as server, mf.record(path):
        mf.Model.chat_completion("m", base_url=server.url)("Hi").consume()
    head, *rest = path.read_bytes().splitlines()
    sealed = [reseal(broken(line)) for line in rest]
    before, after = lines.checksum_of_lines(rest).encode(), lines.checksum_of_lines(sealed).encode()
    path.write_bytes(b"\n".join([reseal(head.replace(before, after)), *sealed]) + b"\n")
    with pytest.raises(mf.RecordingError, match="expected a line of a recording"), mf.replay(path):
        pass


@pytest.mark.parametrize("settings", [{"options": "x"}, {"profile": [1]}, {"wire": "soap"}, {"extra_body": 1}])
def test_settings_of_other_types_are_refused_in_words(settings: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "lesson.jsonl"
    with serving(completion()) as server, mf.record(path):
        mf.Model.chat_completion("m", base_url=server.url)("Hi").consume()
    head, model, *rest = path.read_bytes().splitlines()
    fields = {**json.loads(model), "settings": settings}
    del fields["check"]
    changed = [reseal(json.dumps(fields, separators=(",", ":")).encode()[:-1] + b',"check":""}'), *rest]
    before, after = lines.checksum_of_lines([model, *rest]).encode(), lines.checksum_of_lines(changed).encode()
    path.write_bytes(b"\n".join([reseal(head.replace(before, after)), *changed]) + b"\n")
    with pytest.raises(mf.RecordingError, match="expected a line of a recording"):
        mf.Model.chat_completion(f"replay/{path}")


def reseal(line: bytes) -> bytes:
    body = line[: line.rindex(b',"check"')]
    return b'%b,"check":"%b"}' % (body, lines._checksum(body))


def test_kept_answers_and_arguments_are_refused_in_words() -> None:
    assert not has_probabilities(b'{"choices": "caf\xe9", "logprob": 1}')
    with pytest.raises(mf.ToolCallError, match="this is not JSON"):
        checked_arguments('{"name": "\ud800"}', "get", [])
