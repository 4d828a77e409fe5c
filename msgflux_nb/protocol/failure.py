"""An error that a provider sends → the exception that says it; pure.

Error bodies come as ``{"error": {...}}``, ``{"error": "text"}``, ``{"object": "error", ...}``, ``{"type": "error",
"error": {...}}``, ``{"detail": ...}``, ``{"errors": [...]}``, ``{"base_resp": {...}}`` (MiniMax), ``{"code": ...,
"message": ...}``, a list with one of these in it (Gemini), or no JSON at all; with an error status, or with status 200,
or in the middle of a stream.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

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
from .events import whole_number
from .sse import json_values
from .tool_call import json_text

__all__ = ["error_in", "failure_in_stream", "failure_of_body", "failure_of_status", "retry_after_seconds"]

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
_QUOTA = re.compile(
    r"insufficient_quota|billing|exceeded_current_quota|exceeded your current quota|insufficient.{0,12}(balance|credit)"
    r"|credit balance is too low|arrear|余额不足",
    re.I,
)
_CONTEXT = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum (context|prompt) length|context (window|length)"
    r"|prompt is too long|input is too long|too many tokens|tokens_limit_reached|prompt exceeds max length"
    r"|input token count .{0,40}exceeds|range of input length",
    re.I,
)
# What is said of an error inside a stream or an answer with status 200, where no status is.
_BY_WORD: list[tuple[re.Pattern[str], int]] = [
    (re.compile(r"authentication_error|(invalid|incorrect)[ _](api|access)[ _]?key|unauthori[sz]ed", re.I), 401),
    (re.compile(r"permission_(error|denied)|forbidden", re.I), 403),
    (re.compile(r"rate.?limit|too.many.requests|throttl|resource_exhausted", re.I), 429),
    (re.compile(r"not_found_error|model_not_found", re.I), 404),
    (re.compile(r"invalid_?(request|argument|parameter)|bad_?request|content_filter", re.I), 400),
]
# Servers that answer 500 to a request that will never work (seen in llama.cpp).
_PERMANENT = re.compile(
    r"image input is not supported|audio input is not supported|Failed to initialize samplers"
    r"|does not match the expected [\w-]+ format",
    re.I,
)
_TITLE = re.compile(r"<title[^>]*>(.{0,400}?)</title>", re.I | re.S)
_EVENT_DATA = re.compile(rb"^(?:data|error):(.*)$", re.M)
_STATUS_NAMES = ("status_code", "status", "statusCode", "raw_status_code", "http_status")
_MESSAGE_NAMES = (
    *("message", "msg", "error_msg", "error_message", "errorMessage", "Message", "status_msg", "faultstring"),
    *("detail", "error", "text", "title", "error_description", "failed_generation"),
)
_FINE: tuple[Any, ...] = (
    None,
    "",
    0,
    "0",
    200,
    "200",
    "success",
    "ok",
    "OK",
    [],
    {},
)  # what says that nothing is wrong


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
    if payload is None:
        payload = body.decode("utf-8", "replace")
        if body.lstrip()[:1] == b"<":
            if status < 500 and status not in (408, 429):
                return _html(body, url, status, scrub)
            payload = f"{_page(payload, scrub)}."  # a proxy says that it cannot reach the server, which may pass
    error = _provider_error(status, payload, scrub)
    error.retry_after = retry_after_seconds(headers, now=now)
    error.should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())
    return error


def failure_of_body(body: bytes, *, url: str = "the server", scrub: Scrub = str) -> MsgfluxError:
    """Return the exception for a body with status 200 that holds no answer."""
    payload = _parsed(body)
    if payload is None and body.lstrip()[:1] == b"<":
        return _html(body, url, 200, scrub)
    start = scrub(" ".join(body.decode("utf-8", "replace").split()))[:120]
    return NotAnApiError(
        f"expected a chat completion from {url}, got {start!r}. Check base_url; it usually ends in /v1.", status=200
    )


def failure_in_stream(text: str, *, scrub: Scrub = str) -> ServerError:
    """Return the exception for a chunk that is no JSON."""
    got = _page(text, scrub) if text.lstrip()[:1] == "<" else repr(scrub(text)[:120])
    return ServerError(f"expected JSON in the stream, got {got}.")


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
    if named or _is_error(body) or (not body.get("choices") and _is_flat_error(body)):
        return _provider_error(None, body, scrub)
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():  # OpenRouter
        if isinstance(choice, dict) and _says(choice.get("error")):
            return _provider_error(None, {"error": choice["error"]}, scrub)
    return None


def _is_error(body: dict[str, Any]) -> bool:
    if body.get("object") == "error" or body.get("type") == "error" or _says(body.get("error")):
        return True
    status = body.get("base_resp")
    return isinstance(status, dict) and status.get("status_code") not in _FINE


def _is_flat_error(body: dict[str, Any]) -> bool:
    """Whether an object without choices is an error, though nothing in it is called so."""
    names = ("errors", "error_msg", "error_code", "fault")
    if body.get("success") is False or any(_says(body.get(name)) for name in names):
        return True
    if body.get("detail") and "object" not in body:  # FastAPI
        return True
    if not any(isinstance(body.get(name), str) and body[name] for name in ("message", "msg", "Message")):
        return False
    codes = [body.get(name) for name in ("code", "statusCode", "status_code")]
    failed = _http_status(body.get("status")) or str(body.get("status")).lower() in ("error", "fail", "failed")
    kind = str(body.get("type") or body.get("__type")).lower()
    return any(map(_says, codes)) or bool(failed) or "error" in kind or "exception" in kind or len(body) == 1


def _says(error: Any) -> bool:
    """Whether an ``error`` says that there is one: gateways in Go fill it with empty texts where there is none."""
    if isinstance(error, dict):
        return any(error.get(name) not in _FINE for name in error)
    return error not in _FINE and error is not False


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
    """The first JSON value of a body; it may be framed as an event, although it is no stream."""
    values, _ = json_values(body)
    if not values:
        found = _EVENT_DATA.search(body)
        values, _ = json_values(found.group(1)) if found is not None else ([], "")
    return values[0] if values and isinstance(values[0], dict | list) else None


def _provider_error(status: int | None, payload: Any, scrub: Scrub) -> ProviderError:
    inner = _inner(payload)
    code, words = inner.get("code"), inner.get("type") or inner.get("status")
    if status is None:
        status = next(filter(None, map(_http_status, (code, *(inner.get(name) for name in _STATUS_NAMES)))), None)
    word = code if isinstance(code, str) and code else words if isinstance(words, str) and words else None
    if word is None and isinstance(code, int) and _http_status(code) is None:
        word = str(code)
    # Scrubbed, then cut, here and below: half a key is not known as one.
    message = scrub(_message(inner, payload))[:_TEXT_LIMIT]
    kind = _kind(status, f"{code} {words} {message}")
    said = f"{status} " if status is not None else ""
    evidence: dict[str, Any] = {"status": status, "code": word and scrub(word), "body": _scrubbed(payload, scrub)}
    if kind is ContextLengthError:
        evidence |= _context_numbers(inner, message)
        message += "" if message.rstrip().endswith((".", "!", "?")) else "."
        message += " Shorten the messages, or use a model with a larger context."
    return kind(f"{said}{message}{_ADVICE.get(kind, '')}", **evidence)


def _http_status(code: Any) -> int | None:
    number = whole_number(code)
    return number if number is not None and 400 <= number < 600 else None


def _kind(status: int | None, words: str) -> type[ProviderError]:
    if _CONTEXT.search(words) and status in (None, 400, 413, 422, 500):
        return ContextLengthError
    if _QUOTA.search(words) and status in (None, 400, 403, 429):
        return QuotaError
    if status is None:
        status = next((known for pattern, known in _BY_WORD if pattern.search(words)), None)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if _PERMANENT.search(words):
        return BadRequestError
    return BadRequestError if status is not None and 400 <= status < 500 and status not in (408, 409) else ServerError


def _inner(payload: Any, depth: int = 3) -> dict[str, Any]:
    """The object that holds message and code."""
    body = payload[0] if isinstance(payload, list) and payload else payload
    if not isinstance(body, dict):
        return {}
    said = next((body[name] for name in ("message", "msg") if isinstance(body.get(name), str) and body[name]), "")
    for name in ("error", "base_resp", "fault", "detail", *(() if said else ("errors",))):
        error = body.get(name)
        error = error[0] if isinstance(error, list) and len(error) == 1 else error
        if isinstance(error, dict) and error:
            return _inner(error, depth - 1) if depth else error
        if isinstance(error, str) and error:
            return {**body, "message": error if said in ("", error) else f"{error}: {said}"}
    return body


def _message(inner: dict[str, Any], payload: Any) -> str:
    for name in _MESSAGE_NAMES:
        value = inner.get(name)
        if isinstance(value, str) and value:
            detail = inner.get("metadata")
            raw = detail.get("raw") if isinstance(detail, dict) else None  # OpenRouter: what its provider said
            return f"{value} ({raw})" if isinstance(raw, str) and raw else value
    text = payload if isinstance(payload, str) else json_text(payload) if payload else ""
    return " ".join(text.split()) or "the provider gave no reason."


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
    return NotAnApiError(
        f"expected a chat completion from {url}, got {_page(body.decode('utf-8', 'replace'), scrub)} (status "
        f"{status}). Check base_url, and whether a proxy or login stands in between.",
        status=status,
    )


def _page(text: str, scrub: Scrub) -> str:
    title = _TITLE.search(text)
    return "a web page" + (f" with the title {scrub(' '.join(title.group(1).split()))[:120]!r}" if title else "")


def _scrubbed(payload: Any, scrub: Scrub) -> Any:
    match payload:
        case str():
            return scrub(payload)[:_TEXT_LIMIT]
        case list():
            return [_scrubbed(item, scrub) for item in payload]
        case dict():
            return {scrub(key): _scrubbed(value, scrub) for key, value in payload.items()}
    return payload
