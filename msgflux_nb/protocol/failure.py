"""Turns a provider's error into an exception; pure.

``evidence`` reads the body, and ``fault`` decides who is at fault. An error may come with an error status, with status
200, or in the middle of a stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import (
    ContextLengthError,
    Fault,
    MsgfluxError,
    NotAnApiError,
    PromptFilteredError,
    ProviderError,
    ServerError,
)
from .context_numbers import context_numbers
from .evidence import evidence_of, http_status
from .fault import decide
from .sse import json_values
from .waits import reset_seconds, retry_after_seconds

__all__ = ["error_in", "failure_in_stream", "failure_of_body", "failure_of_status", "retry_after_seconds"]

Scrub = Callable[[str], str]

_TEXT_LIMIT = 4000
_LOOKED_AT = 65_536  # characters of an unreadable body; to search 64 MB for keys takes seconds
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,400})</title>", re.I)
# With these statuses a proxy's page tells what happened; with others below 500 the address may be wrong.
_PAGE_IS_AN_ANSWER = frozenset((401, 402, 408, 413, 420, 425, 429, 430, 498, 499))
_EVENT_DATA = re.compile(rb"^(?:data|error):(.*)$", re.M)
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
)  # values for "no error"


def failure_of_status(
    status: int, headers: Mapping[str, str], body: bytes, *, url: str, now: float, scrub: Scrub = str
) -> MsgfluxError:
    """Return the exception for an answer with an error status or a redirect.

    Args:
        status: the HTTP status, 300 or more.
        headers: the answer's headers, names in lower case.
        body: its body, whole or the first part.
        url: the requested address; must not hold a key.
        now: the time in seconds since the epoch, for a wait given as a point in time.
        scrub: removes keys from text.
    """
    if 300 <= status < 400:
        target = headers.get("location", "another address")
        return NotAnApiError(
            f"{url} redirects to {scrub(target)}. Keys are not sent on to another address. Check base_url: it should "
            "name the right one.",
            status=status,
        )
    payload = _parsed(body)
    if payload is None:
        payload = body.decode("utf-8", "replace")
        if body.lstrip()[:1] == b"<":
            if status < 500 and status not in _PAGE_IS_AN_ANSWER:
                return _html(body, url, status, scrub)
            payload = f"{_page(payload, scrub)}."  # such as a proxy's page that the server cannot be reached
    error = _provider_error(status, payload, scrub, headers=headers, now=now)
    error.should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())
    return error


def failure_of_body(
    body: bytes, *, expected: str = "a chat completion", url: str = "the server", scrub: Scrub = str
) -> MsgfluxError:
    """Return the exception for a body with status 200 that is not an answer; ``expected`` says what was asked for."""
    payload = _parsed(body)
    if payload is None and body.lstrip()[:1] == b"<":
        return _html(body, url, 200, scrub, expected)
    start = scrub(" ".join(body.decode("utf-8", "replace").split())[:_LOOKED_AT])[:120]
    advice = "" if _is_completion(payload) else " Check base_url; it usually ends in /v1."
    return NotAnApiError(f"expected {expected} from {url}, got {start!r}.{advice}", status=200)


def failure_in_stream(text: str, *, scrub: Scrub = str) -> ServerError:
    """Return the exception for a chunk that is not JSON."""
    got = _page(text, scrub) if text.lstrip()[:1] == "<" else repr(scrub(text[:_LOOKED_AT])[:120])
    return ServerError(f"expected JSON in the stream, got {got}.")


def error_in(payload: Any, *, named: bool = False, scrub: Scrub = str) -> ProviderError | None:
    """Return the error in a payload with status 200, or None.

    Args:
        payload: a parsed chunk or answer.
        named: whether the payload came in an event or field called ``error``.
        scrub: removes keys from text.
    """
    body = payload[0] if isinstance(payload, list) and payload else payload
    if not isinstance(body, dict):
        return _provider_error(None, payload, scrub) if named else None
    if named or _is_error(body) or (not body.get("choices") and _is_flat_error(body)):
        return _provider_error(None, body, scrub)
    choices = body.get("choices")
    if not choices and ("promptFeedback" in body or "prompt_feedback" in body):
        return _filtered_prompt(body)
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
    """Whether an object without choices is an error, although it has no ``error`` field."""
    names = ("errors", "error_msg", "error_code", "fault")
    if body.get("success") is False or any(_says(body.get(name)) for name in names):
        return True
    if body.get("detail") and "object" not in body:  # FastAPI
        return True
    if not any(isinstance(body.get(name), str) and body[name] for name in ("message", "msg", "Message")):
        return False
    codes = [body.get(name) for name in ("code", "statusCode", "status_code")]
    failed = http_status(body.get("status")) or str(body.get("status")).lower() in ("error", "fail", "failed")
    kind = str(body.get("type") or body.get("__type")).lower()
    return any(map(_says, codes)) or bool(failed) or "error" in kind or "exception" in kind or len(body) == 1


def _says(error: Any) -> bool:
    """Whether an ``error`` field reports an error; gateways in Go fill it with empty texts if there is none."""
    if isinstance(error, dict):
        return any(error.get(name) not in _FINE for name in error)
    return error not in _FINE and error is not False


def _parsed(body: bytes) -> Any:
    """Return the first JSON value of a body; it may have the form of an event, although it is not a stream."""
    values, _ = json_values(body)
    if not values:
        found = _EVENT_DATA.search(body)
        values, _ = json_values(found.group(1)) if found is not None else ([], "")
    return values[0] if values and isinstance(values[0], dict | list) else None


def _provider_error(
    status: int | None,
    payload: Any,
    scrub: Scrub,
    *,
    headers: Mapping[str, str] | None = None,
    now: float | None = None,
) -> ProviderError:
    evidence = evidence_of(status, payload, now=now)
    heard = headers or {}
    wait = None if now is None else retry_after_seconds(heard, now=now)
    decision = decide(evidence, wait=wait)
    # Scrub first, then cut, here and below: half a key would not be recognised.
    message = scrub(evidence.message)[:_TEXT_LIMIT] or "the provider gave no reason."
    if decision.advice:
        message += ("" if message.rstrip().endswith((".", "!", "?", "。")) else ".") + f" {decision.advice}"
    known: dict[str, Any] = {
        "status": evidence.status,
        "code": evidence.code and scrub(evidence.code),
        "body": _scrubbed(payload, scrub),
        "retry_after": evidence.wait if wait is None else wait,
    }
    if decision.error is ContextLengthError:
        known |= context_numbers(evidence)
    said = f"{evidence.status} " if evidence.status is not None else ""
    error = decision.error(f"{said}{message}", **known)
    error.fault = decision.fault
    if now is not None and decision.fault is Fault.LOAD and error.retry_after is None:
        error.reset_after = reset_seconds(heard, now=now)
    return error


def _filtered_prompt(body: dict[str, Any]) -> PromptFilteredError | None:
    """Return the error for a filtered prompt; Gemini reports it with status 200, no choices, and the reason."""
    for name in ("promptFeedback", "prompt_feedback"):
        feedback = body.get(name)
        reason = feedback.get("blockReason", feedback.get("block_reason")) if isinstance(feedback, dict) else None
        if isinstance(reason, str) and reason:
            return PromptFilteredError(
                f"the provider's filter refused the prompt ({reason[:80]}). Rephrase the messages.",
                status=200,
                code=reason[:80],
                body=None,
            )
    return None


def _is_completion(payload: Any) -> bool:
    """Whether a body without an answer comes from a chat-completion API."""
    return isinstance(payload, dict) and ("choices" in payload or "chat.completion" in str(payload.get("object")))


def _html(body: bytes, url: str, status: int, scrub: Scrub, expected: str = "an answer") -> NotAnApiError:
    return NotAnApiError(
        f"expected {expected} from {url}, got {_page(body.decode('utf-8', 'replace'), scrub)} (status "
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
