"""A loopback server that behaves like a hosted provider, on any wire: the request decides the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.scripted import Reply, Server, chunk, completion, running

CONTEXT_CHARACTERS = 20_000
ANSWER = "The capital of France is Paris."
CONTINUATION = ", Green, Blue."
PERSON = '{"name": "Maria Silva", "age": 34, "city": "Lisbon"}'
ARGUMENTS = '{"city": "Paris", "unit": "C"}'
OTHER_ARGUMENTS = '{"city": "Rome", "unit": "C"}'
USAGE = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
_OWN_USAGE = {"input_tokens": 20, "output_tokens": 10}
_EMULATED = "exactly the text between the marks"


class Asked(NamedTuple):
    """What a request asks for, on any wire."""

    wire: str
    turns: list[dict[str, Any]]
    tool: str | None  # that has to be called
    structured: bool
    stream: bool

    @property
    def words(self) -> str:
        return json.dumps(self.turns, ensure_ascii=False)

    @property
    def prefill(self) -> str:
        """Return the start of the answer, from a prefill or from an instruction in words."""
        last = self.turns[-1]
        if last.get("role") == "assistant":
            return str(last["content"])
        _, _, emulated = str(last.get("content")).partition("<<<")
        return emulated.rpartition(">>>")[0]


class Answered(NamedTuple):
    """The content of an answer."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


class Hosted(Server):
    """Answers with text, structures, calls and prefills; ``echoes`` says whether an answer repeats the prefill."""

    echoes = False

    def next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        self.bodies.append(body)
        self.headers.append(headers)
        asked = _asked(body)
        if len(asked.words) > CONTEXT_CHARACTERS:
            return _error(asked.wire, 400, len(asked.words) // 4)
        if "Refuse the key" in asked.words:
            return _error(asked.wire, 401, 0)
        pieces = (
            _streamed(asked.wire, self._answer(asked)) if asked.stream else [_whole(asked.wire, self._answer(asked))]
        )
        if "Break off" in asked.words:
            return Reply([*pieces[: len(pieces) // 2]], headers={"Content-Type": "text/event-stream"}, cut=True)
        if "Wait" in asked.words:
            return Reply([*pieces[: len(pieces) // 2], 5.0, *pieces[len(pieces) // 2 :]])
        return Reply([*pieces], headers={"Content-Type": "text/event-stream" if asked.stream else "application/json"})

    def _answer(self, asked: Asked) -> Answered:
        if asked.tool is not None:
            arguments = PERSON if asked.tool == "Person" else ARGUMENTS
            others = ((asked.tool, OTHER_ARGUMENTS),) if "Rome" in asked.words else ()
            return Answered(calls=((asked.tool, arguments), *others))
        if any(kind in asked.words for kind in ('"tool"', "function_call_output", "tool_result")):
            return Answered("It is 18 C." if "18 C" in asked.words else "It is unknown.")
        if any(kind in asked.words for kind in ('"image_url"', '"input_image"', '"image"')):
            return Answered("I see an image.")
        text = PERSON if asked.structured else ANSWER
        if asked.prefill:
            rest = PERSON.removeprefix(asked.prefill) if asked.structured else CONTINUATION
            text = asked.prefill + rest if self.echoes or _EMULATED in asked.words else rest
        return Answered(text)


def _asked(body: dict[str, Any]) -> Asked:
    """Read a request of any wire; each has a field that no other has."""
    choice, tools = body.get("tool_choice", "auto"), body.get("tools") or []
    word = choice.get("type") if isinstance(choice, dict) else choice
    name = (tools[-1].get("function") or tools[-1])["name"] if tools and word not in ("auto", "none") else None
    wire = "responses" if "input" in body else "messages" if "max_tokens" in body and _is_anthropic(body) else "chat"
    turns = body["input"] if wire == "responses" else body["messages"]
    formed = "response_format" in body or "format" in body.get("text", {}) or "format" in body.get("output_config", {})
    structured = formed or "JSON of this form" in json.dumps(turns)
    return Asked(wire, turns, name, structured, bool(body.get("stream")))


def _is_anthropic(body: dict[str, Any]) -> bool:
    return str(body["model"]).startswith("claude-")


def _error(wire: str, status: int, tokens: int) -> Reply:
    said = f"This model's maximum context length is 4096 tokens, but the request has {tokens} tokens."
    kind, code = "invalid_request_error", "context_length_exceeded"
    if wire == "messages":
        said = f"prompt is too long: {tokens} tokens > 4096 maximum"
    if status == 401:
        said, kind, code = "That key is unknown.", "authentication_error", "invalid_api_key"
    inner = {"type": kind, "message": said, **({} if wire == "messages" else {"code": code})}
    body = {"type": "error", "error": inner} if wire == "messages" else {"error": inner}
    return Reply([json.dumps(body).encode()], status=status, headers={"Content-Type": "application/json"})


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


# -- whole answers -----------------------------------------------------------------------------------------------------


def _whole(wire: str, answer: Answered) -> bytes:
    if wire == "responses":
        return json.dumps(_response(answer)).encode()
    if wire == "messages":
        return json.dumps(_message(answer)).encode()
    calls = [
        {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(answer.calls)
    ]
    reply = completion(None, reason="tool_calls", tool_calls=calls) if calls else completion(answer.text)
    body = reply.pieces[0]
    assert isinstance(body, bytes)
    return body


def _items(answer: Answered) -> list[dict[str, Any]]:
    if not answer.calls:
        part = {"type": "output_text", "text": answer.text, "annotations": []}
        return [{"id": "msg_1", "type": "message", "role": "assistant", "content": [part]}]
    return [
        {"id": f"fc_{at}", "type": "function_call", "call_id": f"call_{at}", "name": name, "arguments": arguments}
        for at, (name, arguments) in enumerate(answer.calls)
    ]


def _response(answer: Answered) -> dict[str, Any]:
    usage = {**_OWN_USAGE, "total_tokens": 30}
    same = {"id": "resp_1", "object": "response", "model": "hosted", "status": "completed"}
    return {**same, "output": _items(answer), "usage": usage}


def _message(answer: Answered) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [
        {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": json.loads(arguments)}
        for at, (name, arguments) in enumerate(answer.calls)
    ]
    same = {"id": "msg_1", "type": "message", "role": "assistant", "model": "hosted"}
    content = blocks or [{"type": "text", "text": answer.text}]
    return {**same, "content": content, "stop_reason": "tool_use" if blocks else "end_turn", "usage": _OWN_USAGE}


# -- streams -----------------------------------------------------------------------------------------------------------


def _streamed(wire: str, answer: Answered) -> list[bytes]:
    return {"chat": _chunks, "responses": _response_events, "messages": _message_events}[wire](answer)


def _event(**fields: Any) -> bytes:
    return f"event: {fields['type']}\ndata: {json.dumps(fields)}\n\n".encode()


def _chunks(answer: Answered) -> list[bytes]:
    usage = b'data: {"choices":[],"usage":' + json.dumps(USAGE).encode() + b"}\n\n"
    found = [chunk(piece) for piece in _cut(answer.text, 5)]
    for at, (name, arguments) in enumerate(answer.calls):
        first = {"index": at, "id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": ""}}
        more = [{"index": at, "function": {"arguments": piece}} for piece in _cut(arguments, 4)]
        found += [chunk(tool_calls=[delta]) for delta in (first, *more)]
    return [*found, chunk(reason="tool_calls" if answer.calls else "stop"), usage, b"data: [DONE]\n\n"]


def _response_events(answer: Answered) -> list[bytes]:
    found = [
        _event(type="response.created", response={**_response(Answered()), "status": "in_progress", "usage": None})
    ]
    for at, item in enumerate(_items(answer)):
        kind = "function_call_arguments" if answer.calls else "output_text"
        empty = {"arguments": ""} if answer.calls else {"content": []}
        text = item["arguments"] if answer.calls else answer.text
        found.append(_event(type="response.output_item.added", output_index=at, item={**item, **empty}))
        for piece in _cut(text, 4):
            found.append(_event(type=f"response.{kind}.delta", output_index=at, content_index=0, delta=piece))
        found.append(_event(type="response.output_item.done", output_index=at, item=item))
    return [*found, _event(type="response.completed", response=_response(answer))]


def _message_events(answer: Answered) -> list[bytes]:
    whole = _message(answer)
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**_OWN_USAGE, "output_tokens": 1}}
    found = [_event(type="message_start", message=begun), _event(type="ping")]
    for at, block in enumerate(whole["content"]):
        empty = {"input": {}} if answer.calls else {"text": ""}
        found.append(_event(type="content_block_start", index=at, content_block={**block, **empty}))
        for piece in _cut(answer.calls[at][1] if answer.calls else answer.text, 4):
            pieces = {"type": "input_json_delta", "partial_json": piece}
            delta = pieces if answer.calls else {"type": "text_delta", "text": piece}
            found.append(_event(type="content_block_delta", index=at, delta=delta))
        found.append(_event(type="content_block_stop", index=at))
    end = _event(type="message_delta", delta={"stop_reason": whole["stop_reason"]}, usage={"output_tokens": 10})
    return [*found, end, _event(type="message_stop")]


@contextmanager
def hosting(*, echoes: bool = False) -> Iterator[Hosted]:
    """Run the server until the block ends."""
    server = Hosted([])
    server.echoes = echoes
    with running(server):
        yield server
