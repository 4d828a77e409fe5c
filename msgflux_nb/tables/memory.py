"""What is paid for is not asked for again: answers of earlier runs, and where the new ones go."""

from __future__ import annotations

import warnings
from typing import Any

import msgspec

from ..errors import MsgfluxError, StoreError
from ..generation.decode import decode_answer
from ..models.records import Record, Records
from .outcome import Outcome, again
from .reuse import reusable

__all__ = ["Memory"]

_PAID_FOR = frozenset(("ok", "invalid", "refused", "truncated"))


class Memory:
    """The records of a batch.

    Args:
        records: where they are; None to remember nothing.
        good_only: whether a row whose answer was no good is asked for again.
    """

    def __init__(self, records: Records | None, *, good_only: bool = False) -> None:
        self.records = records
        self._good_only = good_only
        self._had_some = records is not None and len(records) > 0

    def recall(self, prepared: Any) -> Outcome | None:
        """Return how the same request ended before, or the answer to the same question read in another way."""
        if self.records is None:
            return None
        record = self.records.get(prepared.key)
        if record is not None:
            if record.state == "ok":
                return _read(record, prepared)
            if self._good_only:
                return None
            return again(Outcome(record.state, error=record.error))  # type: ignore[arg-type]  # a State
        if not self._had_some or prepared.schema is None:
            return None
        for other in self.records.related(prepared.question):
            if other.state in ("ok", "invalid") and reusable(prepared.schema, other.request):
                outcome = _read(other, prepared)
                if outcome is not None:
                    taken = {"key": prepared.key, "request": prepared.request, "state": "ok", "error": None}
                    self._put(msgspec.structs.replace(other, **taken))
                    return outcome
        return None

    def keep(self, prepared: Any, outcome: Outcome) -> None:
        """Keep an answer that was paid for, whatever it is good for."""
        if self.records is None or outcome.state not in _PAID_FOR:
            return
        self._put(
            Record(
                key=prepared.key,
                question=prepared.question,
                state=outcome.state,
                text=prepared.text,
                request=prepared.request,
                answer=prepared.answer,
                error=outcome.error,
                attempts=outcome.attempts,
                prompt_tokens=outcome.prompt_tokens,
                completion_tokens=outcome.completion_tokens,
                cost=outcome.cost,
                seconds=outcome.seconds,
            )
        )

    def _put(self, record: Record) -> None:
        if self.records is None:
            return
        try:
            self.records.put(record)
        except StoreError as error:  # the answer is in the frame all the same
            warnings.warn(f"answers are not kept: {error}", RuntimeWarning, stacklevel=2)


def _read(record: Record, prepared: Any) -> Outcome | None:
    """Decode a record's text as the request wants it now; None where it does not fit, or there is none."""
    if record.text is None:
        return None
    try:
        value = decode_answer(record.text, prepared.schema).value
    except MsgfluxError:
        return None
    return again(Outcome("ok", value))
