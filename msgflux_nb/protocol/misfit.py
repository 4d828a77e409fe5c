"""Recognises answers and errors that do not fit the request, such as a refused way of asking; pure."""

from __future__ import annotations

import re

from ..errors import (
    BadRequestError,
    EmptyOutputError,
    Fault,
    FilteredError,
    IncompleteOutputError,
    MsgfluxError,
    NotAnApiError,
    NotFoundError,
    PrefillError,
    ProviderError,
    RefusedError,
    TruncatedError,
    ValidationFailedError,
)
from .profile import Profile, SchemaMethod, Wire
from .snapshot import Snapshot
from .tool_call import json_text

__all__ = ["failed_generation", "other_wire", "problem_of", "refused_prefill", "refuses_history", "refuses_method"]

# How servers refuse a way of asking for a structure. Errors about calls in the history, parallel calls, or the schema
# of a user's function do not count.
_ABOUT_FORMAT = re.compile(
    r"response.?(format|mime|schema)|output_(config|format)|text\.format"
    r"|json.?(schema|object|mode)|structured|schema(?! for function)|grammar",
    re.I,
)
_ABOUT_TOOLS = re.compile(r"(?<!parallel_)(?<!role ['\"`])tool(?!_?call)|function|schema", re.I)
_ABOUT: dict[SchemaMethod, re.Pattern[str]] = {
    "json_schema": _ABOUT_FORMAT,
    "json_object": _ABOUT_FORMAT,
    "tool": _ABOUT_TOOLS,
}
# Claude from 4.6 on; llama.cpp while it thinks; Mistral without its ``prefix``.
_ABOUT_PREFILL = re.compile(r"prefill|must end with a user message|last role", re.I)
# Of another provider, model, account or key, or damaged: Gemini; Anthropic; OpenAI, which is told to store nothing.
_ABOUT_HISTORY = re.compile(
    r"thought.?signature|invalid `?signature`? in `?thinking|redacted_thinking`? blocks? .{0,60}cannot be modified"
    r"|encrypted content .{0,200}could not be|item with id .{0,80} not found|without its required .{0,40}item",
    re.I | re.S,
)
_ABOUT_PATH = re.compile(
    r"(?:unknown|unexpected|unsupported|unrecognized|no such) (?:api |request )?(?:path|endpoint|route)\b"
    r"|(?:endpoint|route)\b.{0,60}(?:not found|not exist|not supported|is unknown|is not available)"
    r"|not (?:accessible|available|supported) (?:via|on|at|by|in) .{0,20}/(?:v1/)?(?:responses|messages)"
    r"|only supported in /?v1/chat/completions|responses operation does not work|unsupported_api_for_model",
    re.I | re.S,
)
# What a 404 names if the path is there: a model, or a thing that the request names.
_ABOUT_THING = re.compile(
    r"model|deployment|with id\b|no such (?:file|container|skill)"
    r"|\b(?:file|container|conversation|vector.?store|item|prompt|skill)s?\b.{0,80}(?:not found|not exist)",
    re.I | re.S,
)
_RESPONSES_ONLY = re.compile(
    r"only supported in /?v1/responses|use (?:the )?/?v1/responses|chatCompletion operation does not work", re.I
)


def refuses_method(error: MsgfluxError, method: SchemaMethod | None) -> bool:
    """Whether a server refuses this way of asking for a structure."""
    about = _ABOUT.get(method) if method is not None else None
    if about is None or not isinstance(error, BadRequestError) or error.fault in (Fault.SIZE, Fault.CONTENT):
        return False
    return about.search(str(error)) is not None


def refuses_history(error: MsgfluxError) -> bool:
    """Whether a provider refuses its own fields in earlier turns, such as a signature or an item's id."""
    return isinstance(error, BadRequestError | NotFoundError) and _ABOUT_HISTORY.search(str(error)) is not None


def other_wire(error: MsgfluxError, wire: Wire, profile: Profile) -> Wire | None:
    """Return the wire to use instead, if the server says that it does not have the request's; else None.

    Args:
        error: the server's answer.
        wire: the wire of the request.
        profile: the provider.
    """
    if wire == "chat":
        refused = isinstance(error, BadRequestError | NotFoundError)
        return profile.reasoning_wire if refused and _RESPONSES_ONLY.search(str(error)) else None
    return "chat" if wire in (profile.wire, profile.reasoning_wire) and _lacks_path(error) else None


def _lacks_path(error: MsgfluxError) -> bool:
    """Whether a server says that the path does not exist, like a gateway that has only chat completions."""
    if not isinstance(error, ProviderError | NotAnApiError):
        return False
    status, code, body = error.status, getattr(error, "code", None), getattr(error, "body", None)
    said = f"{code or ''} {json_text(body or '')}"
    if status in (None, 200, 400, 403, 404, 405, 410, 422, 501) and _ABOUT_PATH.search(said):
        return True
    return status in (404, 405, 501) and _ABOUT_THING.search(said) is None


def refused_prefill(error: MsgfluxError) -> PrefillError | None:
    """Return an error that advises emulation, if the server refused to continue a prefill."""
    if not isinstance(error, BadRequestError) or not _ABOUT_PREFILL.search(str(error)):
        return None
    return PrefillError(
        f"the provider did not continue the prefill: {error} To describe the start of the answer in words, use "
        'prefill_mode="emulate". To refuse prefills before anything is sent, set profile={"prefill": "none"}.',
        snapshot=error.snapshot,
    )


def failed_generation(error: MsgfluxError) -> ValidationFailedError | None:
    """Return the error for a text that the server itself rejected by the schema, as Groq does with a 400; else None."""
    body = error.body if isinstance(error, ProviderError) else None
    inner = body.get("error") if isinstance(body, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("failed_generation"), str):
        return None
    if inner.get("code") != "json_validate_failed":
        return None
    return ValidationFailedError(
        f"the provider says that the answer does not fit its schema: {error}",
        raw=inner["failed_generation"],
        snapshot=error.snapshot,
        attempts=error.attempts,
    )


def problem_of(snapshot: Snapshot, *, structured: bool, text: str | None) -> IncompleteOutputError | None:
    """Return why a complete answer cannot be used, as an error; None if it can.

    Args:
        snapshot: the answer.
        structured: whether a structure was asked for.
        text: the structure's text, if it came as the arguments of a tool call.
    """
    if snapshot.refusal or snapshot.finish_reason == "refusal":
        return RefusedError(f"the model declined: {snapshot.refusal or _explanation(snapshot) or repr(snapshot.text)}")
    if snapshot.raw_finish_reason in ("queued", "in_progress") and not snapshot.continuation:
        return IncompleteOutputError(
            f'the provider has not answered yet (status "{snapshot.raw_finish_reason}"): the request asks for one '
            "in the background, which this package does not fetch. Ask without background; stream=True keeps a long "
            "answer's connection open."
        )
    if snapshot.finish_reason == "content_filter" and (structured or not snapshot.continuation):
        return FilteredError("the provider's content filter removed the answer. Rephrase the messages.")
    silent = not (text or snapshot.text).strip() and snapshot.audio is None and not snapshot.images
    if snapshot.finish_reason == "length" and structured:
        return TruncatedError(_SPENT if silent and snapshot.reasoning else _CUT)
    return EmptyOutputError(_silence(snapshot)) if silent else None


def _explanation(snapshot: Snapshot) -> str:
    """Return why a model declined, if the provider says it outside the answer (Anthropic)."""
    details = snapshot.fields.get("stop_details")
    found = [details.get(name) for name in ("explanation", "category")] if isinstance(details, dict) else []
    return next((text for text in found if isinstance(text, str) and text), "")


_CUT = "the answer was cut at the token limit, so its structure is only a part. Raise max_tokens, or ask for less."
_SPENT = (
    "the token limit was used up by the model's reasoning before an answer came; the reasoning is in .snapshot. Raise "
    "max_tokens, or lower reasoning_effort."
)


def _silence(snapshot: Snapshot) -> str:
    """Return the likely reason for an answer without text."""
    reasoning = (snapshot.reasoning or "").strip()
    if not reasoning:
        return "the answer holds no text."
    if snapshot.finish_reason == "length":
        return _SPENT
    if _holds_json(reasoning):
        return (
            "the answer holds no text, but its reasoning holds JSON: the server took the answer for reasoning. Change "
            "its reasoning parser: start vLLM or SGLang without --reasoning-parser or with the one of this model, "
            "llama.cpp with --reasoning-format none, or turn the model's thinking off, such as by "
            'extra_body={"chat_template_kwargs": {"enable_thinking": False}}. JSON in reasoning is not decoded, since '
            "it may be an example; it is in .snapshot.reasoning."
        )
    return (
        "the answer holds no text; all that the model wrote is reasoning, which is in .snapshot.reasoning. It ended by "
        "itself, so a higher max_tokens will not help: ask again, lower reasoning_effort, or look at the server's "
        "reasoning parser."
    )


def _holds_json(text: str) -> bool:
    """Whether a text is JSON or ends with JSON."""
    return text[:1] in ("{", "[") or text.removesuffix("```").rstrip()[-1:] in ("}", "]")
