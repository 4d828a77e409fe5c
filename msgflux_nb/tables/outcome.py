"""The outcome of one row of a batch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec

from ..errors import (
    Fault,
    FilteredError,
    MsgfluxError,
    RefusedError,
    TruncatedError,
    ValidationFailedError,
    described,
    printable,
)
from ..generation.decode import value_at
from ..protocol.tool_calls import ToolCallAggregator
from .cells import CellError

__all__ = [
    "BILLED",
    "FAILURES",
    "STATES",
    "UNANSWERED",
    "FirstFailures",
    "Outcome",
    "State",
    "again",
    "common_text",
    "congestion",
    "failure",
    "fault_of",
    "is_billed",
    "is_fatal",
    "is_of_one_row",
    "structure_of",
    "success",
    "together",
]

State = Literal["ok", "cached", "invalid", "refused", "truncated", "failed", "skipped", "interrupted", "pending"]
STATES: tuple[State, ...] = get_args(State)
BILLED = ("prompt_tokens", "completion_tokens", "cost")
FAILURES: frozenset[State] = frozenset(("invalid", "refused", "truncated", "failed"))
UNANSWERED: frozenset[State] = frozenset(("interrupted", "pending"))

_SAME_FAILURES = 5
_BY_ERROR: tuple[tuple[type[Exception], State], ...] = (
    (ValidationFailedError, "invalid"),
    (RefusedError, "refused"),
    (FilteredError, "refused"),
    (TruncatedError, "truncated"),
)
# The texts of two equal errors may differ in numbers and in quoted text.
_PARTICULAR = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"|\d+")


class Outcome(msgspec.Struct, frozen=True):
    """How a row ended.

    Attributes:
        state: one of ``STATES``.
        value: the decoded answer of an ``ok`` or ``cached`` row.
        error: what went wrong, or why nothing was sent.
        attempts: how often the request was sent; None if unknown.
        prompt_tokens: the billed prompt tokens, failed rows included; None if the provider does not say.
        completion_tokens: the billed completion tokens, likewise.
        cost: US dollars; None if the price is unknown.
        seconds: from sending to the decoded answer, waits and retries included; None if nothing was sent.
        warnings: sentences about what was changed, repaired, cut or left out on the way to the value.
        sure: the confidence of each field, from 0 to 1; None without ``confidence=``.
        cached_tokens: the prompt tokens that the provider read from its cache.
        recorded: when the answer was recorded, such as ``"2026-11-20"``; None for one that came over the network.
    """

    state: State
    value: Any = None
    error: str | None = None
    attempts: int | None = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    sure: dict[str, float] | None = None
    cached_tokens: int = 0
    recorded: str | None = None

    @property
    def is_failure(self) -> bool:
        """Whether the row was tried and has no answer."""
        return self.state in FAILURES


def success(value: Any, metadata: Any, seconds: float) -> Outcome:
    """Return the outcome of an answer that was decoded."""
    return Outcome("ok", value, seconds=seconds, **_billed(metadata, metadata.usage))


def structure_of(value: Any) -> Any:
    """Return the value of an answer; refuse a tool call, since no tool was offered.

    Raises:
        ValidationFailedError: the answer is a tool call.
    """
    if isinstance(value, ToolCallAggregator):
        named = ", ".join(repr(call.name) for call in value.get_calls()) or "a tool"
        raise ValidationFailedError(f"expected the fields of the schema, got a call of {named}, which was not offered.")
    return value


def again(outcome: Outcome) -> Outcome:
    """Return the outcome of a row that uses another row's answer: nothing was sent or billed for it."""
    state: State = "cached" if outcome.state == "ok" else outcome.state
    return Outcome(
        state,
        outcome.value,
        outcome.error,
        prompt_tokens=0,
        completion_tokens=0,
        cost=0.0,
        warnings=outcome.warnings,
        sure=outcome.sure,
        recorded=outcome.recorded,
    )


def together(outcomes: Sequence[Outcome], sure: dict[str, float]) -> Outcome:
    """Return the outcome of a row that was asked several times: the first answer with the bills of all.

    Args:
        outcomes: the outcomes of its answers.
        sure: the confidence of each field.
    """
    first = outcomes[0]
    asked = any(outcome.state not in ("cached", "skipped") for outcome in outcomes)
    told = {name: _sum([getattr(one, name) for one in outcomes]) for name in ("attempts", *BILLED)}
    seconds = [one.seconds for one in outcomes if one.seconds is not None]
    return msgspec.structs.replace(
        first,
        state="ok" if asked else first.state,
        seconds=sum(seconds) if seconds else None,
        sure=sure,
        cached_tokens=sum(one.cached_tokens for one in outcomes),
        **told,
    )


def _sum(amounts: Sequence[Any]) -> Any:
    return None if None in amounts else sum(amounts)


def congestion(error: BaseException) -> bool:
    """Return whether an error says that the provider is overloaded for every caller."""
    return fault_of(error) is Fault.LOAD


def failure(error: BaseException, metadata: Any, seconds: float | None, *, sent: bool = True) -> Outcome:
    """Return the outcome of an error; ``metadata`` is that of an answer that could not be decoded."""
    if not sent:
        return Outcome("failed", error=printable(str(error)) if isinstance(error, CellError) else described(error))
    state = next((state for kind, state in _BY_ERROR if isinstance(error, kind)), "failed")
    evidence = error if metadata is None else metadata
    usage = getattr(evidence, "usage", None) or getattr(error, "usage", None)
    return Outcome(state, error=_told(error), seconds=seconds, **_billed(evidence, usage))  # type: ignore[arg-type]  # a State


def _told(error: BaseException) -> str:
    """Return an error's text; of an answer that does not fit also what it has in the field, since no row has `.raw`."""
    said = described(error)
    if not isinstance(error, ValidationFailedError) or not error.raw:
        return said
    found = value_at(error.raw, error.path)
    place = f" - at `{error.path}`."
    return said if found is None else said.replace(place, f"{place[:-1]}, which is `{printable(found)}`.", 1)


def is_billed(outcome: Outcome) -> bool:
    """Return whether something was billed for a row, known or not; a failure or a refusal is not, without an answer."""
    said = (outcome.prompt_tokens, outcome.completion_tokens, outcome.cost)
    return outcome.attempts != 0 and (outcome.state not in ("failed", "pending") or said != (None, None, None))


def is_fatal(error: BaseException) -> bool:
    """Return whether every other row would fail in the same way, so that the batch should stop."""
    return fault_of(error) in (Fault.ACCOUNT, Fault.SETTINGS)


def is_of_one_row(error: BaseException) -> bool:
    """Return whether this row's content or length is at fault, so that other rows may succeed."""
    return fault_of(error) in (Fault.CONTENT, Fault.SIZE)


def fault_of(error: BaseException) -> Fault:
    """Return the fault of an error; UNKNOWN for errors of other libraries."""
    return error.fault if isinstance(error, MsgfluxError) else Fault.UNKNOWN


class FirstFailures:
    """Detects that the first rows all fail in the same way: then the schema or the prompt is at fault, not the rows.

    Args:
        watched: whether to check at all.
    """

    def __init__(self, *, watched: bool = True) -> None:
        self._found: list[tuple[type, str]] | None = [] if watched else None

    def over(self) -> None:
        """Stop checking: a row has succeeded."""
        self._found = None

    def alike(self, error: BaseException) -> str | None:
        """Note a failure; return why nothing more should be sent, or None."""
        if self._found is None:
            return None
        kind = type(error), common_text(described(error))
        if self._found and self._found[0] != kind:
            self._found = None
            return None
        self._found.append(kind)
        if len(self._found) < _SAME_FAILURES:
            return None
        return f"the first {_SAME_FAILURES} rows all failed in the same way, so nothing more was paid for"


def common_text(error: str) -> str:
    """Return an error's text without numbers and quoted text, for comparison."""
    return _PARTICULAR.sub("_", error.partition("\n")[0])


def _billed(evidence: Any, usage: Any) -> dict[str, Any]:
    origin = getattr(evidence, "replayed", None)
    return {
        "attempts": getattr(evidence, "attempts", None),
        "prompt_tokens": getattr(usage, "prompt_tokens", None),
        "completion_tokens": getattr(usage, "completion_tokens", None),
        "cost": getattr(evidence, "cost", None),
        "warnings": getattr(evidence, "warnings", ()),
        "cached_tokens": getattr(usage, "cached", None) or 0,
        "recorded": None if origin is None else origin.date,
    }
