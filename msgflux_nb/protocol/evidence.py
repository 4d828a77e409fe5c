"""Reads the facts from the body of an error, whatever its shape; pure.

Error bodies come as ``{"error": {...}}``, ``{"error": "text"}``, ``{"object": "error", ...}``, ``{"type": "error",
"error": {...}}``, ``{"detail": ...}``, ``{"errors": [...]}``, ``{"base_resp": {...}}`` (MiniMax), ``{"code": ...,
"message": ...}``, a list with one of these in it (Gemini), as JSON inside the text of another error (gateways), or as
no JSON at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from .durations import Wait, wait_in_prose
from .json_values import whole_number
from .sse import json_values
from .tool_call import json_text
from .waits import wait_in_fields

__all__ = ["Evidence", "evidence_of", "http_status", "plain_word"]

_STATUS_NAMES = ("status_code", "status", "statusCode", "raw_status_code", "http_status")
_MESSAGE_NAMES = (
    *("message", "msg", "error_msg", "error_message", "errorMessage", "Message", "status_msg", "faultstring"),
    *("detail", "error", "text", "title", "error_description", "failed_generation"),
)
_WORD_NAMES = ("code", "error_code", "errorCode", "reason", "error_type", "type", "status", "__type", "blockReason")
_INNER_NAMES = (
    "innererror",
    "metadata",
    "details",
    "error_details",
    "detail",
    "promptFeedback",
    "prompt_feedback",
    "err",
)
# Fields that exist only if a filter has found something.
_FLAGS = frozenset(("flagged_input", "content_filter_result", "content_filter_results", "contentFilter", "reasons"))
# An address, with or without a scheme: its words do not describe the error.
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.\-]{0,20}://\S+|\bwww\.\S+|\b(?:[a-z0-9\-]{1,63}\.){1,8}(?:com|ai|io|org|net|dev|cn)\b(?:[/?#]\S*)?",
    re.I,
)
# The codes of an error that a gateway has written into its own message, as JSON or as a Python dict.
_WRITTEN_CODE = re.compile(
    r"""['"](?:code|error_code|type|reason|status)['"]\s{0,3}:\s{0,3}['"]([A-Za-z][\w.\-]{2,80})['"]"""
)
_NUMBERS = ("n_prompt_tokens", "n_ctx")  # llama.cpp
_TEXTS = 20_000  # characters of prose that are searched
_LAYERS = 12


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The facts in the body of an error.

    Attributes:
        status: the HTTP status, else the status in the body; None if there is neither.
        code: the provider's own code for the error, unchanged.
        words: every such code in the body, without punctuation and in lower case, the most specific first.
        param: the request field that the error names, or None.
        message: the message for a person.
        prose: that message and those of providers behind a gateway, without addresses.
        quotas: Google's names of the limits that were reached, in lower case.
        flagged: whether the body lists a filter's findings.
        wait: the seconds that the body asks to wait, or None.
        prompt_tokens: how many tokens were sent, if a field says so.
        context_tokens: how many fit, if a field says so.
    """

    status: int | None = None
    code: str | None = None
    words: tuple[str, ...] = ()
    param: str | None = None
    message: str = ""
    prose: str = ""
    quotas: tuple[str, ...] = ()
    flagged: bool = False
    wait: Wait = None
    prompt_tokens: int | None = None
    context_tokens: int | None = None


def evidence_of(status: int | None, payload: Any, *, now: float | None = None) -> Evidence:
    """Return the facts in a body.

    Args:
        status: the HTTP status; None for an error inside an answer.
        payload: the body, parsed if it is JSON, else its text.
        now: seconds since 1970, for a wait given as a point in time.
    """
    inner = _inner(payload)
    if status is None:
        code = inner.get("code")
        status = next(filter(None, map(http_status, (code, *(inner.get(name) for name in _STATUS_NAMES)))), None)
    message = _message(inner, payload)
    layers = [inner, *_layers(inner, payload)][:_LAYERS]
    said = [message, *(_message(layer, "") for layer in layers[1:] if layer is not payload)]
    words = [word for layer in layers for word in _words(layer)] + [
        plain_word(code) for text in said for code in _WRITTEN_CODE.findall(text[:_TEXTS])
    ]
    prose = _ADDRESS.sub(" ", " ".join(dict.fromkeys(filter(None, said)))[:_TEXTS])
    wait = wait_in_fields([payload, *layers], now=now)
    sent, fits = (next((n for n in (_tokens(layer.get(name)) for layer in layers) if n), None) for name in _NUMBERS)
    return Evidence(
        status=status,
        code=_code(inner),
        words=tuple(dict.fromkeys(words)),
        param=next((one for one in (layer.get("param") for layer in layers) if isinstance(one, str) and one), None),
        message=message,
        prose=prose,
        quotas=tuple(_quotas(layers)),
        flagged=any(_flagged(layer) for layer in (payload, *layers)),
        wait=wait_in_prose(prose, now=now) if wait is None else wait,
        prompt_tokens=sent,
        context_tokens=fits,
    )


def plain_word(word: str) -> str:
    """Return a code in lower case without punctuation, since providers differ in both.

    ``DataInspectionFailed`` and ``data_inspection_failed`` are the same word.
    """
    return re.sub(r"[\W_]+", "", word.lower())[:120]


def _code(inner: dict[str, Any]) -> str | None:
    code, word = inner.get("code"), inner.get("type") or inner.get("status")
    if isinstance(code, str) and code:
        return code
    if isinstance(word, str) and word:
        return word
    return str(code) if isinstance(code, int) and not isinstance(code, bool) and http_status(code) is None else None


def _words(layer: dict[str, Any]) -> Iterator[str]:
    for name in _WORD_NAMES:
        value = layer.get(name)
        if isinstance(value, str) and value:
            yield plain_word(value)
    status = layer.get("status_code")
    if isinstance(status, int) and "status_msg" in layer:
        yield f"baseresp{status}"


def _layers(inner: dict[str, Any], payload: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects inside an error, those around it, and those written as JSON in its texts."""
    waiting: list[Any] = [inner.get(name) for name in _INNER_NAMES]
    detail = inner.get("metadata")
    waiting += [inner.get(name) for name in _MESSAGE_NAMES[:4]] + [
        detail.get("raw") if isinstance(detail, dict) else None
    ]
    waiting = [*filter(None, waiting), payload]
    for _ in range(_LAYERS * 2):
        if not waiting:
            return
        value = waiting.pop(0)
        if isinstance(value, str):
            value = _json_within(value)
        if isinstance(value, list):
            waiting = [*value[:_LAYERS], *waiting]
        elif isinstance(value, dict) and value is not inner:
            yield value
            waiting = [*filter(None, map(value.get, (*_INNER_NAMES, "error"))), *waiting]


def _json_within(text: str) -> Any:
    """Return the object that a gateway has written into its message."""
    at = text.find("{")
    if at < 0:
        return None
    try:
        values, _ = json_values(text[at:_TEXTS].encode("utf-8", "replace"))
    except RecursionError:
        return None
    return values[0] if values and isinstance(values[0], dict) else None


def _quotas(layers: list[dict[str, Any]]) -> Iterator[str]:
    for layer in layers:
        violations = layer.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                named = (violation.get(name) for name in ("quotaId", "quotaMetric", "quotaValue"))
                yield " ".join(one for one in named if isinstance(one, str)).lower()


def _flagged(layer: Any) -> bool:
    return isinstance(layer, dict) and any(layer.get(name) for name in _FLAGS)


def _tokens(value: Any) -> int | None:
    number = whole_number(value)
    return number if number is not None and number > 0 else None


def http_status(code: Any) -> int | None:
    """Return a code as an HTTP error status, or None if it is not one."""
    number = whole_number(code)
    return number if number is not None and 400 <= number < 600 else None


def _inner(payload: Any, depth: int = 3) -> dict[str, Any]:
    """Return the object that holds the message and the code."""
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
            raw = detail.get("raw") if isinstance(detail, dict) else None  # OpenRouter: the message of its provider
            return f"{value} ({raw})" if isinstance(raw, str) and raw else value
    text = payload if isinstance(payload, str) else json_text(payload) if payload else ""
    return " ".join(text.split())
