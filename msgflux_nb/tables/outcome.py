"""How one row of a batch ended."""

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
# Two texts of the same error may differ in numbers and in what is quoted.
_PARTICULAR = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"|\d+")


class Outcome(msgspec.Struct, frozen=True):
    """The end of one row.

    Attributes:
        state: one of ``STATES``.
        value: the decoded answer of an ``ok`` or ``cached`` row.
        error: what went wrong, or why nothing was sent.
        attempts: how often the request was sent; None when that is not known.
        prompt_tokens: as billed, failed rows included; None when the provider does not say.
        completion_tokens: likewise.
        cost: US dollars; None when the price is not known.
        seconds: from sending to the decoded answer, waits and retries included; None if nothing was sent.
        warnings: sentences about what was changed, repaired, cut or left out on the way to the value.
        sure: how sure each field is, from 0 to 1; None if that was not asked for.
        cached_tokens: of the prompt's, those that the provider read from its cache.
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
        """Whether the row was tried and gave nothing."""
        return self.state in FAILURES


def success(value: Any, metadata: Any, seconds: float) -> Outcome:
    """Return the outcome of an answer that was decoded."""
    return Outcome("ok", value, seconds=seconds, **_billed(metadata, metadata.usage))


def structure_of(value: Any) -> Any:
    """Return what an answer means; it cannot be a tool call, since no tool was offered.

    Raises:
        ValidationFailedError: it is one.
    """
    if isinstance(value, ToolCallAggregator):
        named = ", ".join(repr(call.name) for call in value.get_calls()) or "a tool"
        raise ValidationFailedError(f"expected the fields of the schema, got a call of {named}, which was not offered.")
    return value


def again(outcome: Outcome) -> Outcome:
    """Return the outcome of a row for which another one's answer was taken: nothing was sent or billed for it."""
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
    """Return the outcome of a row that was asked several times: the first answer, and what all of them took.

    Args:
        outcomes: of its answers.
        sure: how sure each field is.
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
    """Return whether the provider says that it is overloaded, for every caller."""
    return fault_of(error) is Fault.LOAD


def failure(error: BaseException, metadata: Any, seconds: float | None, *, sent: bool = True) -> Outcome:
    """Return the outcome of an error; ``metadata`` is of the answer, if there was one and decoding it failed."""
    if not sent:
        return Outcome("failed", error=printable(str(error)) if isinstance(error, CellError) else described(error))
    state = next((state for kind, state in _BY_ERROR if isinstance(error, kind)), "failed")
    evidence = error if metadata is None else metadata
    usage = getattr(evidence, "usage", None) or getattr(error, "usage", None)
    return Outcome(state, error=described(error), seconds=seconds, **_billed(evidence, usage))  # type: ignore[arg-type]  # a State


def is_billed(outcome: Outcome) -> bool:
    """Tell whether something was billed for a row, known or not; what failed without an answer counts for nothing."""
    said = (outcome.prompt_tokens, outcome.completion_tokens, outcome.cost)
    return outcome.attempts != 0 and (outcome.state != "failed" or said != (None, None, None))


def is_fatal(error: BaseException) -> bool:
    """Tell whether every other row would fail in the same way, so that the batch should stop."""
    return fault_of(error) in (Fault.ACCOUNT, Fault.SETTINGS)


def is_of_one_row(error: BaseException) -> bool:
    """Tell whether only this row's content or length is at fault, which says nothing about the others."""
    return fault_of(error) in (Fault.CONTENT, Fault.SIZE)


def fault_of(error: BaseException) -> Fault:
    """Return who is at fault; errors of other libraries do not say."""
    return error.fault if isinstance(error, MsgfluxError) else Fault.UNKNOWN


class FirstFailures:
    """Sees whether the first rows all fail in the same way: then the schema or the prompt is at fault, not the rows.

    Args:
        watched: whether to look at all.
    """

    def __init__(self, *, watched: bool = True) -> None:
        self._found: list[tuple[type, str]] | None = [] if watched else None

    def over(self) -> None:
        """A row went well."""
        self._found = None

    def alike(self, error: BaseException) -> str | None:
        """Take a failure; return why nothing more should be sent, or None."""
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
    """Return what the texts of two errors share that differ only in numbers and quoted text."""
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
