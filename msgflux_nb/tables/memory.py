"""What is paid for is not asked for again: answers of earlier runs, and where the new ones go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..errors import StoreError, ValidationFailedError, described
from ..generation.decode import decode_answer
from ..storage.batches import KEY_BYTES, Record, Records
from .judging.judge import Judge
from .outcome import BILLED, Outcome, again, failure
from .reuse import reusable

__all__ = ["PAID_FOR", "Memory"]

PAID_FOR = frozenset(("ok", "invalid", "refused", "truncated"))
_UNREAD = "the process ended while the answer was decoded; the code of the schema may be at fault"
_DECODABLE = frozenset(("ok", "invalid"))


class Memory:
    """The records of a run. A disk that fails costs no answer: what was wrong is in ``trouble``.

    Args:
        records: where they are; None to remember nothing.
        anew: how an answer that was paid for and is no good may have ended to be asked for again, once.
        keys: those of the rows' requests so far, by position; more are added.
        judge: says how sure answers are; None where nobody asks.

    Attributes:
        keys: of the rows' requests, by position, one after the other; zeros for a row that is not known to have one.
        trouble: why answers could not be looked up or kept, or None.
        recalled: the sums of what was once billed for the rows that were recalled; None for what is not known.
    """

    def __init__(
        self,
        records: Records | None,
        *,
        anew: Iterable[str] = (),
        keys: bytearray | None = None,
        judge: Judge | None = None,
    ) -> None:
        self.records = records
        self._judge = judge
        self.keys = bytearray() if keys is None else keys
        self.trouble: str | None = None
        self.recalled: dict[str, float | None] = dict.fromkeys(BILLED, 0)
        self._anew = frozenset(anew)
        self._asked: set[bytes] = set()  # what was no good, and has been asked for once more
        self._had_some = records is not None and len(records) > 0

    def recall(self, prepared: Any) -> Outcome | None:
        """Return how the same request ended before, or the answer to the same question read in another way."""
        if self.records is None:
            return None
        try:
            return self._recalled(self.records, prepared)
        except StoreError as error:
            self.trouble = self.trouble or str(error)
            return None

    def note(self, position: int, prepared: Any) -> None:
        """Remember which request a row makes."""
        if self.records is None:
            return
        start = position * KEY_BYTES
        if len(self.keys) < start:
            self.keys.extend(bytes(start - len(self.keys)))
        self.keys[start : start + KEY_BYTES] = prepared.key

    def keep(self, prepared: Any, outcome: Outcome) -> None:
        """Keep what came of a request; an answer that was paid for, whatever it is good for, is not paid for again."""
        if self.records is None:
            return
        if self._anew:
            self._asked.add(prepared.key)

        def hidden(text: str | None) -> str | None:
            return None if text is None else prepared.without_key(text.encode("utf-8", "replace")).decode()

        answer = prepared.answer
        self._put(
            Record(
                key=prepared.key,
                question=prepared.question,
                state=outcome.state,
                text=hidden(prepared.text),
                request=prepared.without_key(prepared.request),
                answer=None if answer is None else prepared.without_key(answer),
                error=hidden(outcome.error),
                attempts=outcome.attempts,
                prompt_tokens=outcome.prompt_tokens,
                completion_tokens=outcome.completion_tokens,
                cost=outcome.cost,
                seconds=outcome.seconds,
                warnings=hidden("\n".join(prepared.flaws)) or None,
            )
        )

    def keep_unread(self, prepared: Any, metadata: Any) -> None:
        """Keep an answer before code of the schema's own reads it; how the row ends takes its place."""
        self.keep(prepared, failure(ValidationFailedError(_UNREAD), metadata, None))

    def _recalled(self, records: Records, prepared: Any) -> Outcome | None:
        record = records.get(prepared.key)
        if record is not None and record.state in PAID_FOR:
            found, problem = _read(record, prepared) if record.state in _DECODABLE else (None, None)
            if found is None:
                own_code = problem is not None and problem.own_code
                if record.state == "ok" and not own_code:
                    return None
                if record.state in self._anew and prepared.key not in self._asked:
                    return None
                found = _no_good(record, problem)
            self._add(record)
            return self._judged(found, record)
        if not self._had_some or prepared.schema is None:
            return None
        return self._read_otherwise(records, prepared)

    def _read_otherwise(self, records: Records, prepared: Any) -> Outcome | None:
        """Read an answer that was given for another structure; what was sent for it stays its request."""
        for other in records.related(prepared.question):
            if other.state in _DECODABLE and reusable(prepared.schema, other.request):
                outcome, _ = _read(other, prepared)
                if outcome is not None:
                    self._add(other)
                    self._put(msgspec.structs.replace(other, key=prepared.key, state="ok", error=None))
                    return self._judged(outcome, other)
        return None

    def _judged(self, outcome: Outcome, record: Record) -> Outcome:
        """Return an outcome with how sure its fields are."""
        if self._judge is None or outcome.value is None:
            return outcome
        return msgspec.structs.replace(outcome, sure=self._judge.measured(record.answer, record.text))

    def _add(self, record: Record) -> None:
        for name, known in self.recalled.items():
            billed = getattr(record, name)
            self.recalled[name] = None if known is None or billed is None else known + billed

    def _put(self, record: Record) -> None:
        try:
            if self.records is not None:
                self.records.put(record)
        except StoreError as error:  # the answer is in the frame all the same
            self.trouble = self.trouble or str(error)


def _read(record: Record, prepared: Any) -> tuple[Outcome | None, ValidationFailedError | None]:
    """Decode a record's text as the request wants it now; the reason where it does not fit; neither without a text."""
    if record.text is None:
        return None, None
    if prepared.schema is None:
        return again(Outcome("ok", record.text, warnings=_told(record))), None
    try:
        decoded = decode_answer(record.text, prepared.schema)
    except ValidationFailedError as error:
        return None, error
    return again(Outcome("ok", decoded.value, warnings=(*_told(record), *decoded.warnings))), None


def _no_good(record: Record, problem: ValidationFailedError | None) -> Outcome:
    """Return how a row ends whose answer was paid for and is no good; by what its own code says today."""
    state: Any = record.state
    own_code = problem is not None and problem.own_code
    error = described(problem) if problem is not None and own_code else record.error
    return again(Outcome("invalid" if own_code else state, error=error, warnings=_told(record)))


def _told(record: Record) -> tuple[str, ...]:
    """What was changed or cut on the way to its answer; what decoding it repairs, decoding it again says."""
    return tuple((record.warnings or "").splitlines())
