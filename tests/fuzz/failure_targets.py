"""Fuzz targets for failures: bodies and headers of any shape have a fault, and raise only errors of this package."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from msgflux_nb.errors import Fault, MsgfluxError, ProviderError
from msgflux_nb.models.retry import retry_delay
from msgflux_nb.protocol.allowance import allowance_of
from msgflux_nb.protocol.failure import error_in, failure_of_body, failure_of_status
from msgflux_nb.protocol.refusal import remedy_of
from msgflux_nb.protocol.remedy import remedied

__all__ = ["FAILURE_TARGETS", "failure_seeds"]

SECONDS = 2.0
STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 429, 446, 500, 502, 503, 529, 307, 599)
NAMES = (
    *("retry-after", "retry-after-ms", "x-should-retry", "location", "ratelimit", "x-ratelimit-remaining"),
    *("x-ratelimit-reset", "x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
    *("anthropic-ratelimit-requests-reset", "x-ratelimit-reset-requests-day"),
)
REQUEST = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [1]},
        {"role": "user", "content": "u"},
    ],
    "max_tokens": 5,
    "temperature": 0.5,
    "seed": 1,
    "reasoning_effort": "low",
    "tools": [{"type": "function", "function": {"name": "f", "strict": True}}, {"type": "web_search"}],
    "response_format": {"type": "json_schema", "json_schema": {"strict": True}},
    "stream_options": {},
}


def failures(data: bytes) -> None:
    """Read one byte as the status, some as headers, and the rest as the body."""
    status, data = STATUSES[(data[:1] or b"\0")[0] % len(STATUSES)], data[1:]
    headers: dict[str, str] = {}
    for _ in range((data[:1] or b"\0")[0] % 4):
        name, size, data = data[1:2], (data[2:3] or b"\0")[0] % 40, data[3:]
        headers[NAMES[(name or b"\0")[0] % len(NAMES)]] = data[:size].decode("latin-1")
        data = data[size:]
    body = data[1:]
    began = time.process_time()
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    allowed = allowance_of(raw, now=1e9)
    assert allowed is None or all(math.isfinite(number or 0) for number in msgspec.structs.astuple(allowed))
    check(failure_of_status(status, headers, body, url="http://x/v1", now=1e9))
    check(failure_of_body(body))
    payload = parsed(body)
    for named in (True, False):
        inside = error_in(payload, named=named)
        if inside is not None:
            check(inside)
    assert time.process_time() - began < SECONDS


def parsed(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return body.decode("utf-8", "replace")


def check(error: MsgfluxError) -> None:
    """Check that an error can be shown, kept, judged and answered."""
    str(error).encode()
    assert isinstance(error.fault, Fault)
    wait = retry_delay(error, attempt=1, max_retries=2, had_content=False, chance=0.5)
    assert wait is None or 0 <= wait <= 120
    if isinstance(error, ProviderError):
        assert error.retry_after is None or (math.isfinite(error.retry_after) and error.retry_after >= 0)
        assert error.reset_after is None or (math.isfinite(error.reset_after) and error.reset_after >= 0)
    remedy = remedy_of(error, REQUEST)
    if remedy is not None:
        body, warnings = remedied(REQUEST, [remedy], "m")
        assert body != REQUEST
        msgspec.json.encode(body)
        "".join(warnings).encode()


def failure_seeds() -> list[bytes]:
    """The bodies that providers send."""
    file = Path(__file__).parent.parent / "data" / "failures.jsonl"
    cases = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    bodies = [one["body"] if isinstance(one["body"], str) else json.dumps(one["body"]) for one in cases]
    waits = [b"\x0a\x02\x00\x031.5\x06\x0a1700000000\x00", b"\x0a\x01\x04\x12limit=1,reset=5\x00"]
    return [b"\x0a\x00" + body.encode() for body in bodies] + [wait + bodies[0].encode() for wait in waits]


FAILURE_TARGETS: dict[str, Callable[[bytes], None]] = {"failures": failures}
