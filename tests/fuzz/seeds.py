"""The seeds of fuzzing: streams of these tests, recorded streams if they are there, and words of the wires."""

from __future__ import annotations

from tests.wire import made, recorded

from .failure_targets import failure_seeds
from .media import MEDIA_SEEDS

__all__ = ["WORDS", "seeds_of"]

WORDS = (
    b"data: ~data:~event: error\n~error: ~: ping\n~\n\n~\r\n\r\n~\r~[DONE]~\xef\xbb\xbf~\0~\xff~\\ud83d~\\ude00~"
    b'{"choices":[{"index":0,"delta":{"content":"a"}}]}~"delta":~"message":{"content":"a"},~"content":~"text":~'
    b'"reasoning_content":"r",~"tool_calls":[{"index":0,"id":"c1","function":{"name":"f","arguments":"{"}}]~'
    b'"finish_reason":"stop"~"usage":{"total_tokens":1},~"error":{"message":"m","code":500},~null~NaN~1e999~[]~{}~'
    b"HTTP/1.1 200 OK\r\n~Transfer-Encoding: chunked\r\n\r\n~Content-Length: 3\r\n\r\n~5\r\nhello\r\n~0\r\n\r\n~"
    b'```json\n~```~[[[[~{{{{~\\"~<html>~</title>~"details":[{"retryDelay":"1.5s"}]~"retry_after":9e99~'
    b'try again in 9h ~Limit 5, Requested 9~"param":"temperature"~unsupported~"violations":[{"quotaId":"PerDay"}]~'
    b"maximum context length is 1, ~max_tokens~"
    b'"type":"response.output_text.delta","delta":"a"~"output_index":0,~"item":{"type":"message"}~"summary":[]~"output":[]~'
    b'"type":"content_block_delta","index":0,~"content_block":{"type":"tool_use"}~"partial_json":"{"~"citations":null'
).split(b"~")
_LARGEST = 4_000


def seeds_of(target: str) -> list[bytes]:
    """Return meaningful inputs of a target."""
    if target in MEDIA_SEEDS:
        return MEDIA_SEEDS[target]()
    if target == "failures":
        return failure_seeds()
    if target in ("responses", "messages"):
        return [b"\0" + wire[:_LARGEST] for wire, _ in made(target).values()]
    wires = [wire for wire, _ in made().values()] + [one["body"].encode() for one in recorded()]
    wires = [wire[:_LARGEST] for wire in wires]
    if target in ("sse", "http"):
        heads = [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"]
        chunked = [heads[0] + b"%x\r\n%b\r\n0\r\n\r\n" % (len(wire), wire) for wire in wires]
        counted = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(wire), wire) for wire in wires]
        broke = [b"\xdd\0HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nHi!"]  # cut into single bytes
        broke += [b"\xdd\0HTTP/1.1 200 OK\nContent-Length: 3\n\nHi!\0\xff"]  # lines that end without a carriage return
        broke += [b"M\0HTTP/1.1 204 nc\n \r\n\xff"]  # a line with a blank ends the head
        return [b"\0" + wire for wire in (wires if target == "sse" else chunked[::4] + counted[1::4])] + broke
    if target == "accumulator":
        return [b"\0\0\0" + wire for wire in wires] + [b"\0\0\1\0" + wire for wire in wires[::3]]
    if target == "aggregator":
        return [bytes([n * k % 251 for k in range(40)]) for n in range(1, 40)]
    texts = [b'{"name": "a", "count": 1}', b'```json\n{"items": [{"name": "a"}]}\n```', b'[1, 2.5, null, "\\u00e9"]']
    return [b"\0" + text for text in texts + [wire for wire in wires if wire[:1] in b"[{"]]
