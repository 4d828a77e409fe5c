"""An error that a provider sends → the exception that says it; pure.

Error bodies come as ``{"error": {...}}``, ``{"error": "text"}``, ``{"object": "error", ...}``, ``{"type": "error",
"error": {...}}``, ``{"detail": ...}``, a list with one of these in it (Gemini), or no JSON at all; with an error
status, or with status 200, or in the middle of a stream.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    MsgfluxError,
    NotAnApiError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
)

__all__ = ["error_in", "failure_of_body", "failure_of_status", "retry_after_seconds"]

Scrub = Callable[[str], str]

_TEXT_LIMIT = 4000
_BY_STATUS: dict[int, type[ProviderError]] = {
    401: AuthenticationError,
    402: QuotaError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}
_ADVICE: dict[type[ProviderError], str] = {
    AuthenticationError: " Check the key for this provider.",
    PermissionDeniedError: " The key is valid but may not use this model or path.",
    NotFoundError: " Check the model's name and base_url.",
    QuotaError: " The account has no quota left; waiting does not help.",
}
_QUOTA = re.compile(r"insufficient_quota|billing|exceeded your current quota|insufficient.?(balance|credit)", re.I)
_CONTEXT = re.compile(r"context_length_exceeded|exceed_context_size|maximum context length|context window", re.I)
# Servers that answer 500 to a request that will never work (seen in llama.cpp).
_PERMANENT = re.compile(
    r"image input is not supported|audio input is not supported|Failed to initialize samplers", re.I
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.I | re.S)


def failure_of_status(
    status: int, headers: Mapping[str, str], body: bytes, *, url: str, now: float, scrub: Scrub = str
) -> MsgfluxError:
    """Return the exception for an answer with an error status or a redirect.

    Args:
        status: the HTTP status, 300 or more.
        headers: the answer's headers, names in lower case.
        body: its body, whole or the first part.
        url: what was asked; must not hold a key.
        now: the time in seconds since the epoch, for a ``Retry-After`` that is a date.
        scrub: removes keys from text.
    """
    if 300 <= status < 400:
        target = headers.get("location", "another address")
        return NotAnApiError(
            f"{url} redirects to {scrub(target)}. Keys are not sent on to another address: set base_url to the right "
            "one.",
            status=status,
        )
    payload = _parsed(body)
    if payload is None and body.lstrip()[:1] == b"<":
        return _html(body, url, status, scrub)
    error = _provider_error(status, payload if payload is not None else body.decode("utf-8", "replace"), scrub)
    error.retry_after = retry_after_seconds(headers, now=now)
    return error


def failure_of_body(body: bytes, *, url: str = "the server", scrub: Scrub = str) -> MsgfluxError:
    """Return the exception for a body with status 200 that holds no answer."""
    payload = _parsed(body)
    if payload is None and body.lstrip()[:1] == b"<":
        return _html(body, url, 200, scrub)
    start = scrub(" ".join(body.decode("utf-8", "replace").split())[:120])
    return NotAnApiError(
        f"expected a chat completion from {url}, got {start!r}. Check base_url; it usually ends in /v1.", status=200
    )


def error_in(payload: Any, *, named: bool = False, scrub: Scrub = str) -> ProviderError | None:
    """Return the error that a payload with status 200 holds, or None.

    Args:
        payload: a parsed chunk or answer.
        named: whether it came in an event or field called ``error``.
        scrub: removes keys from text.
    """
    body = payload[0] if isinstance(payload, list) and payload else payload
    if not isinstance(body, dict):
        return _provider_error(None, payload, scrub) if named else None
    if body.get("error") or named or body.get("object") == "error" or body.get("type") == "error":
        return _provider_error(None, body, scrub)
    return None


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return how long the provider asks to wait: ``retry-after-ms`` first, then ``retry-after``, number or date.

    None where there is no such header, or none that makes sense (negative, not finite).
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _parsed(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def _provider_error(status: int | None, payload: Any, scrub: Scrub) -> ProviderError:
    inner = _inner(payload)
    code = inner.get("code")
    words = inner.get("type") or inner.get("status")
    word = code if isinstance(code, str) else words if isinstance(words, str) else None
    message = scrub(_message(inner, payload))
    if status is None:
        found = code if isinstance(code, int) else inner.get("status_code")
        status = found if isinstance(found, int) else None
    kind = _kind(status, f"{code} {words} {message}")
    said = f"{status} " if status is not None else ""
    evidence: dict[str, Any] = {"status": status, "code": word, "body": _scrubbed(payload, scrub)}
    if kind is ContextLengthError:
        evidence |= _context_numbers(inner, message)
        message += " Shorten the messages, or use a model with a larger context."
    return kind(f"{said}{message}{_ADVICE.get(kind, '')}", **evidence)


def _kind(status: int | None, words: str) -> type[ProviderError]:
    if _CONTEXT.search(words) and status in (None, 400, 413, 422, 500):
        return ContextLengthError
    if status == 429 and _QUOTA.search(words):
        return QuotaError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if _PERMANENT.search(words):
        return BadRequestError
    return BadRequestError if status is not None and 400 <= status < 500 and status not in (408, 409) else ServerError


def _inner(payload: Any) -> dict[str, Any]:
    body = payload[0] if isinstance(payload, list) and payload else payload
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if isinstance(error, dict):
        return error
    return {**body, "message": error} if isinstance(error, str) else body


def _message(inner: dict[str, Any], payload: Any) -> str:
    for name in ("message", "detail", "error", "failed_generation"):
        value = inner.get(name)
        if isinstance(value, str) and value:
            return value[:_TEXT_LIMIT]
    text = payload if isinstance(payload, str) else msgspec.json.encode(payload).decode() if payload else ""
    return " ".join(text.split())[:_TEXT_LIMIT] or "the provider gave no reason."


def _context_numbers(inner: dict[str, Any], message: str) -> dict[str, int | None]:
    """llama.cpp says both numbers in fields, others in the sentence: the larger is what was sent."""
    sent, fits = inner.get("n_prompt_tokens"), inner.get("n_ctx")
    if isinstance(sent, int) and isinstance(fits, int):
        return {"prompt_tokens": sent, "context_tokens": fits}
    numbers = sorted({int(n.replace(",", "")) for n in re.findall(r"\b\d[\d,]{2,}\b", message)})
    if len(numbers) < 2:
        return {"prompt_tokens": None, "context_tokens": numbers[0] if numbers else None}
    return {"prompt_tokens": numbers[-1], "context_tokens": numbers[0]}


def _html(body: bytes, url: str, status: int, scrub: Scrub) -> NotAnApiError:
    title = _TITLE.search(body.decode("utf-8", "replace"))
    named = f" with the title {scrub(' '.join(title.group(1).split())[:120])!r}" if title else ""
    return NotAnApiError(
        f"expected a chat completion from {url}, got a web page{named} (status {status}). Check base_url, and whether "
        "a proxy or login stands in between.",
        status=status,
    )


def _scrubbed(payload: Any, scrub: Scrub) -> Any:
    match payload:
        case str():
            return scrub(payload)[:_TEXT_LIMIT]
        case list():
            return [_scrubbed(item, scrub) for item in payload]
        case dict():
            return {key: _scrubbed(value, scrub) for key, value in payload.items()}
    return payload
