"""Decides who is at fault for an error, by one table; pure.

This decision alone determines whether a request is sent again, whether a batch waits, and whether its other rows are
still sent. The numbers and codes in a body, which are written for programs, count first. Its prose, written for people,
counts only if they do not decide; words in an address never count. The status decides last.

To check a row of ``fault_rows.py`` against a provider's documentation, search the documentation for its codes. To add a
row, write it there, and add a body in the provider's form to ``tests/data/failures.jsonl``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import (
    AuthenticationError,
    BadRequestError,
    Fault,
    NotFoundError,
    PermissionDeniedError,
    PromptFilteredError,
    ProviderError,
    QuotaError,
    RateLimitError,
    ServerError,
)
from .durations import Wait
from .evidence import Evidence
from .fault_rows import ROWS, FaultRow

__all__ = ["FaultDecision", "decide"]

_BY_STATUS: dict[int, type[ProviderError]] = {
    401: AuthenticationError,
    402: QuotaError,
    403: PermissionDeniedError,
    404: NotFoundError,
    420: RateLimitError,  # "Enhance Your Calm", of some gateways
    429: RateLimitError,
    430: RateLimitError,  # "Too Many Requests" of Shopify and of some proxies
    498: RateLimitError,  # "Flex Tier Capacity Exceeded" of Groq
}
_FAULT_BY_STATUS = {405: Fault.SETTINGS, 413: Fault.SIZE, 503: Fault.LOAD, 529: Fault.LOAD}
# MiniMax answers 200 with a number: of a key, of a limit (requests, tokens, connections, more at once than before), of
# a value.
_KEY, _LIMITED, _VALUE = "baseresp(?:1004|2049)", "baseresp(?:1002|1039|1041|2045)", "baseresp(?:1042|2013)"
# The status of an error inside a stream or an answer with status 200, by its wording or code.
_BY_WORD: list[tuple[re.Pattern[str], int]] = [
    (
        re.compile(rf"authentication_error|(invalid|incorrect)[ _](api|access)[ _]?key|unauthori[sz]ed|{_KEY}", re.I),
        401,
    ),
    (re.compile(r"permission_(error|denied)|forbidden", re.I), 403),
    (re.compile(rf"rate.?limit|too.many.requests|throttl|resource_exhausted|{_LIMITED}", re.I), 429),
    (re.compile(r"not_found_error|model_not_found", re.I), 404),
    (re.compile(rf"invalid_?(request|argument|parameter)|bad_?request|content_filter|{_VALUE}", re.I), 400),
]
# A 500 for a request that will never work (seen with llama.cpp).
_PERMANENT = re.compile(
    r"image input is not supported|audio input is not supported|Failed to initialize samplers"
    r"|does not match the expected [\w-]+ format",
    re.I,
)
# A 400 although the server itself has failed (seen with LM Studio).
_CRASHED = re.compile(
    r"model has crashed|llama runner process has terminated|\bEngineDeadError|model (?:was )?unloaded", re.I
)
_LIMIT = re.compile(r"\blimit(?:\W{1,3}|\s+(?:is|of)\W{1,3})(\d[\d,]{0,14})", re.I)
_REQUESTED = re.compile(r"\brequested\W{1,3}(?:about )?(\d[\d,]{0,14})", re.I)
_NO_QUOTA_AT_ALL = re.compile(r"\blimit: 0\b|\blimit of 0\b")
_DAILY = re.compile(
    r"per[ _-]?day|perday|\bdaily\b|_daily|by ?day\b|tokens per day|\b[rt]pd\b|/ ?(?:day|week|month)\b|86400 ?s"
    r"|per[ _-]?(?:week|month)|monthly|每日|每天"
    r"|当日|今日",
    re.I,
)
_PATIENCE_SECONDS = 900.0  # a daily limit that is reset sooner only needs a wait
_MAY_PASS = frozenset((408, 409, 425, 499))  # a timeout, a conflict, too early, a proxy that ended its own request
_COUNTED = frozenset((None, 413, 420, 429, 430))  # statuses of a limit that was reached
_ALONE_TOO_LARGE = (
    "This request alone is larger than the limit: shorten it, or lower max_tokens. Other requests are not affected."
)
_NO_PATH = "Nothing answers at this path. Check base_url; it usually ends in /v1."


class FaultDecision(NamedTuple):
    """Who is at fault.

    Attributes:
        fault: who is at fault.
        error: the class of the exception.
        advice: what to do; may be empty.
    """

    fault: Fault
    error: type[ProviderError]
    advice: str = ""


def decide(evidence: Evidence, *, wait: Wait = None) -> FaultDecision:
    """Decide who is at fault.

    Args:
        evidence: the facts in the body.
        wait: the seconds that the headers ask to wait, or None.
    """
    usual = _class_by_status(evidence)
    wait = evidence.wait if wait is None else wait
    if evidence.flagged and evidence.status in (None, 400, 403, 422):
        return _of(ROWS[0], usual)
    if _is_too_large(evidence):
        return FaultDecision(Fault.SIZE, usual, _ALONE_TOO_LARGE)
    if evidence.status == 402:
        return FaultDecision(Fault.ACCOUNT, QuotaError, "The account has no quota left; waiting does not help.")
    if evidence.quotas:
        return _of_quotas(evidence, usual)
    row = _row_by_code(evidence) or _row_by_prose(evidence, wait)
    if row is not None and row.fault is not Fault.LOAD:
        return _of(row, usual)
    if (row is not None or usual is RateLimitError) and _is_daily(evidence, wait):
        return _of(_QUOTA, usual)
    if row is not None:
        return FaultDecision(Fault.LOAD, usual, row.advice)
    return _by_status(evidence, usual)


_QUOTA = next(row for row in ROWS if row.error is QuotaError)


def _of(row: FaultRow, usual: type[ProviderError]) -> FaultDecision:
    plain = row.bad_request if usual is BadRequestError else None
    return FaultDecision(row.fault, row.error or plain or usual, row.advice)


def _row_by_code(evidence: Evidence) -> FaultRow | None:
    """Return the row for the codes; of several, the first in the table, since a gateway's own code is more general."""
    for row in ROWS:
        for word in evidence.words:
            if row.codes.match(word) and (row.error is not PromptFilteredError or evidence.status not in (429, 500)):
                return row
    return None


def _row_by_prose(evidence: Evidence, wait: Wait) -> FaultRow | None:
    """Return the row for the prose; a message that asks for a short wait is never read as an empty account."""
    for row in ROWS:
        if row.prose is None or evidence.status not in row.statuses or not row.prose.search(evidence.prose):
            continue
        soon = wait is not None and wait <= _PATIENCE_SECONDS
        if row.fault is not Fault.ACCOUNT or not soon or _NO_QUOTA_AT_ALL.search(evidence.prose):
            return row
    return None


def _is_too_large(evidence: Evidence) -> bool:
    """Whether one request exceeds the limit of a whole minute or day."""
    if evidence.status not in _COUNTED:
        return False
    limits, requested = _LIMIT.findall(evidence.prose), _REQUESTED.findall(evidence.prose)
    if len(limits) != 1 or len(requested) != 1:
        return False
    most = _number(limits[0])
    return 0 < most < _number(requested[0])


def _of_quotas(evidence: Evidence, usual: type[ProviderError]) -> FaultDecision:
    daily = any(_DAILY.search(quota) for quota in evidence.quotas)
    if daily or _NO_QUOTA_AT_ALL.search(evidence.prose):
        return _of(_QUOTA, usual)
    return FaultDecision(Fault.LOAD, usual)


def _is_daily(evidence: Evidence, wait: Wait) -> bool:
    if wait is not None and wait <= _PATIENCE_SECONDS:
        return False
    return _DAILY.search(f"{evidence.code} {evidence.prose}") is not None


def _class_by_status(evidence: Evidence) -> type[ProviderError]:
    status = evidence.status
    said = f"{evidence.code} {evidence.prose}"
    if status is None:
        coded = f"{said} {' '.join(evidence.words)}"
        status = next((known for pattern, known in _BY_WORD if pattern.search(coded)), None)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if _PERMANENT.search(said):
        return BadRequestError
    if _CRASHED.search(said):
        return ServerError
    is_wrong = status is not None and 400 <= status < 500 and status not in _MAY_PASS
    return BadRequestError if is_wrong else ServerError


def _by_status(evidence: Evidence, usual: type[ProviderError]) -> FaultDecision:
    fault = _FAULT_BY_STATUS.get(evidence.status or 0, usual.fault)
    if usual is NotFoundError or evidence.status == 405:
        return FaultDecision(fault, usual, _NO_PATH)
    if usual is AuthenticationError:
        return FaultDecision(fault, usual, "Check the key for this provider.")
    if usual is PermissionDeniedError:
        return FaultDecision(fault, usual, "The key is valid but may not use this model or path.")
    return FaultDecision(fault, usual)


def _number(digits: str) -> int:
    return int(digits.replace(",", "") or 0)
