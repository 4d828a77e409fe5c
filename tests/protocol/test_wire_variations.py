"""Random answers on the Responses and Messages wires, whole and in events, give the parts that they were made of."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.events import TextDelta
from msgflux_nb.protocol.profile import Wire
from msgflux_nb.protocol.wire import reader_of

Part = dict[str, Any]
SEEDS = range(150)
WORDS = ["Hello", " world", "é", "日本", "\n\n", "```", '"q"', "\\", "</think>", "<b>", "🙂", "{", "}"]
WORDS += [" ", "[DONE]", "\u2028"]


class Chance:
    """Makes random parts of an answer: texts, thoughts, calls, and results of the provider's own tools."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def happens(self, share: float) -> bool:
        return self._random.random() < share

    def text(self) -> str:
        return "".join(self._random.choices(WORDS, k=self._random.randint(1, 6)))

    def pieces(self, text: str) -> Iterator[str]:
        while text:
            size = self._random.randint(1, 5)
            yield text[:size]
            text = text[size:]

    def arguments(self) -> Part:
        return self._random.choice([{}, {"city": self.text()}, {"a": [1, {"b": None}], "t": self.text()}])

    def parts(self) -> list[tuple[str, Any]]:
        kinds = ["text", "text", "cited", "thought", "hidden", "call", "call", "tool", "unknown"]
        made = {"text": self.text, "cited": self.text, "thought": self.text, "call": self.arguments}
        chosen = self._random.choices(kinds, k=self._random.randint(1, 5))
        return [(kind, made.get(kind, self.arguments)()) for kind in chosen]


def items_of(parts: list[tuple[str, Any]]) -> list[Part]:
    """The output items of a response."""
    items: list[Part] = []
    for n, (kind, value) in enumerate(parts):
        if kind in ("text", "cited"):
            notes = [{"type": "url_citation", "url": f"https://x.org/{n}"}] if kind == "cited" else []
            content = [{"type": "output_text", "text": value, "annotations": notes}]
            items.append({"id": f"msg_{n}", "type": "message", "role": "assistant", "content": content})
        elif kind in ("thought", "hidden"):
            summary = [{"type": "summary_text", "text": value}] if kind == "thought" else []
            items.append({"id": f"rs_{n}", "type": "reasoning", "summary": summary, "encrypted_content": f"E{n}"})
        elif kind == "call":
            named = {"call_id": f"call_{n}", "name": "f", "arguments": json.dumps(value)}
            items.append({"id": f"fc_{n}", "type": "function_call", **named})
        else:
            name = "web_search_call" if kind == "tool" else "some_future_thing"
            items.append({"id": f"ws_{n}", "type": name, "action": {"type": "search", "query": "q"}})
    return items


def blocks_of(parts: list[tuple[str, Any]]) -> list[Part]:
    """The content blocks of a message."""
    blocks: list[Part] = []
    for n, (kind, value) in enumerate(parts):
        if kind in ("text", "cited"):
            notes = {"citations": [{"type": "char_location", "cited_text": f"{n}"}]} if kind == "cited" else {}
            blocks.append({"type": "text", "text": value, **notes})
        elif kind == "thought":
            blocks.append({"type": "thinking", "thinking": value, "signature": f"S{n}"})
        elif kind == "hidden":
            blocks.append({"type": "redacted_thinking", "data": f"D{n}"})
        elif kind == "call":
            blocks.append({"type": "tool_use", "id": f"call_{n}", "name": "f", "input": value})
        else:
            name = "server_tool_use" if kind == "tool" else "some_future_thing"
            blocks.append({"type": name, "id": f"s_{n}", "input": value})
    return blocks


def response_events(chance: Chance, whole: Part) -> Iterator[Part]:
    """The events of a response, some of them left out as servers do."""
    yield {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}
    for n, item in enumerate(whole["output"]):
        bare = {"message": {"content": []}, "reasoning": {"summary": [], "encrypted_content": "other"}}
        begun = {**item, **bare.get(item["type"], {}), **({"arguments": ""} if "arguments" in item else {})}
        at = {"output_index": n, "item_id": item["id"]}
        yield {"type": "response.output_item.added", "output_index": n, "item": begun}
        texts = {
            "message": ("output_text", [part["text"] for part in item.get("content") or ()]),
            "reasoning": ("reasoning_summary_text", [part["text"] for part in item.get("summary") or ()]),
            "function_call": ("function_call_arguments", [item.get("arguments")]),
        }
        name, found = texts.get(item["type"], ("", []))
        said = "arguments" if item["type"] == "function_call" else "text"
        for place, text in enumerate(found):
            where = {**at, "content_index": place, "summary_index": place}
            for piece in chance.pieces(text) if chance.happens(0.9) else ():
                yield {"type": f"response.{name}.delta", **where, "delta": piece, "obfuscation": "xyz"}
            if chance.happens(0.8):
                yield {"type": f"response.{name}.done", **where, said: text}
        yield {"type": "response.output_item.done", "output_index": n, "item": item}
    yield {"type": "response.completed", "response": {**whole, "output": []} if chance.happens(0.2) else whole}


def message_events(chance: Chance, whole: Part) -> Iterator[Part]:
    """The events of a message."""
    yield {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}
    for n, block in enumerate(whole["content"]):
        grown: list[Part] = []
        begun = dict(block)
        for field, kind in (("text", "text_delta"), ("thinking", "thinking_delta"), ("signature", "signature_delta")):
            if field in block:
                begun[field] = ""
                grown += [{"type": kind, field: piece} for piece in chance.pieces(block[field])]
        if "citations" in begun:
            begun["citations"] = []
            grown += [{"type": "citations_delta", "citation": note} for note in block["citations"]]
        if "input" in block and chance.happens(0.8):
            begun["input"] = {}
            pieces = ["", *chance.pieces(json.dumps(block["input"]))]
            grown += [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        yield {"type": "content_block_start", "index": n, "content_block": begun}
        yield {"type": "ping"}
        yield from ({"type": "content_block_delta", "index": n, "delta": delta} for delta in grown)
        yield {"type": "content_block_stop", "index": n}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": whole["usage"]["output_tokens"]}}
    yield {"type": "message_stop"}


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_an_answer_reads_as_what_it_was_made_of(wire: Wire) -> None:
    for seed in SEEDS:
        chance = Chance(seed)
        parts = chance.parts()
        calls = [(f"call_{n}", value) for n, (kind, value) in enumerate(parts) if kind == "call"]
        usage = {"input_tokens": 5, "output_tokens": 3}
        whole: Part = {"id": "a_1", "model": "m"}
        if wire == "responses":
            kept = items_of(parts)
            whole |= {
                "object": "response",
                "status": "completed",
                "output": kept,
                "usage": {**usage, "total_tokens": 8},
            }
            events = [*response_events(chance, whole)]
        else:
            kept = blocks_of(parts)
            reason = "tool_use" if calls else "end_turn"
            whole |= {"type": "message", "content": kept, "stop_reason": reason, "usage": usage}
            events = [*message_events(chance, whole)]
        head = "event: {}\n" if chance.happens(0.8) else ""
        stream = "".join(f"{head.format(event['type'])}data: {json.dumps(event)}\n\n" for event in events).encode()
        for body, step in ((json.dumps(whole).encode(), 10_000), (stream, 10_000), (stream, 7)):
            check(read(wire, body, step), parts, calls, kept, f"seed {seed}, {body[:9]!r}, {step}")


def read(wire: Wire, body: bytes, step: int) -> tuple[Accumulator, str]:
    accumulator = Accumulator(reader=reader_of(wire), marks="never")
    events = [event for at in range(0, len(body), step) for event in accumulator.feed(body[at : at + step])]
    events += accumulator.close()
    accumulator.finish()
    return accumulator, "".join(event.text for event in events if isinstance(event, TextDelta))


def check(
    found: tuple[Accumulator, str], parts: list[tuple[str, Any]], calls: list[Any], kept: list[Part], named: str
) -> None:
    accumulator, told = found
    snapshot = accumulator.snapshot
    text = "".join(value for kind, value in parts if kind in ("text", "cited"))
    thoughts = [value for kind, value in parts if kind == "thought"]
    assert (snapshot.text, told) == (text, text), named
    assert (snapshot.reasoning or "") == "\n\n".join(thoughts), named
    assert [(call.id, call.arguments) for call in snapshot.tool_calls] == calls, named
    assert len(snapshot.annotations) == sum(kind == "cited" for kind, _ in parts), named
    assert snapshot.finish_reason == ("tool_calls" if calls else "stop"), named
    assert (snapshot.id, snapshot.model, snapshot.warnings) == ("a_1", "m", ()), named
    assert "unknown_events" not in snapshot.fields, named
    assert snapshot.usage is not None
    assert (snapshot.usage.prompt_tokens, snapshot.usage.completion_tokens) == (5, 3), named
    fields = snapshot.choices[0].fields
    assert (fields.get("response_items") or fields.get("content_blocks")) == kept, named


LETTERS = [chr(code) for first, last in ((97, 123), (65, 91), (0x3B1, 0x3C9)) for code in range(first, last)]


def message_in_parts(draw: random.Random) -> tuple[str, str, list[Part]]:
    """Return text, kind and events of a message of several parts; its first item holds some of the text."""
    letters = draw.sample(LETTERS, len(LETTERS))
    texts = ["".join(letters.pop() for _ in range(draw.randint(1, 6))) for _ in range(draw.randint(1, 3))]
    kind, first, begun = draw.choice(["bare", "again", "goes on"]), draw.choice([0, 1]), draw.randint(1, len(texts))
    heads = [text[: draw.randint(0, len(text))] if kind != "bare" and n < begun else "" for n, text in enumerate(texts)]
    says_parts, says_texts, says_item = draw.random() < 0.5, draw.random() < 0.8, draw.random() < 0.9

    def item(of: list[str]) -> Part:
        return {"id": "m", "type": "message", "content": [{"type": "output_text", "text": text} for text in of]}

    def event(kind: str, **fields: Any) -> Part:
        return {"type": f"response.{kind}", "output_index": 0, **fields}

    events = [event("output_item.added", item=item(heads[:begun]))]
    for number, (head, text) in enumerate(zip(heads, texts, strict=True), first):
        if says_parts:
            events += [event("content_part.added", content_index=number, part={"type": "output_text", "text": ""})]
        rest = text if kind == "again" else text[len(head) :]
        pieces = [rest[at : at + 2] for at in range(0, len(rest), 2)]
        events += [event("output_text.delta", content_index=number, delta=piece) for piece in pieces]
        # A part without any event would leave it open how the others are numbered.
        if says_texts or not pieces:
            events += [event("output_text.done", content_index=number, text=text)]
    events += [event("output_item.done", item=item(texts))] if says_item else []
    whole = {"id": "r", "status": "completed", "output": [] if says_item and draw.random() < 0.2 else [item(texts)]}
    return "".join(texts), f"{kind} from {first}", [*events, event("completed", response=whole)]


def test_a_text_of_a_new_item_is_reported_once_however_its_parts_are_numbered() -> None:
    for seed in range(600):
        text, kind, events = message_in_parts(random.Random(seed))
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
        accumulator, told = read("responses", body, 10_000)
        assert (accumulator.snapshot.text, told) == (text, text), f"seed {seed}: {kind}"
